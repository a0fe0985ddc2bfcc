"""중간 평가로 가망 없는 시행을 그만두는 문턱. 표준 라이브러리만 쓴다.

step은 기간의 백분율(정수)이다: 25는 앞 25 %의 봉을 지난 때. 규칙은 Optuna의 PercentilePruner와
같다: 끝까지 간 시행들의 같은 step의 중간 값을 늘어놓아, 자기의 지금까지 최선이 상위
`percentile` %의 경계보다 나쁘면 그만둔다. 끝까지 간 시행이 `n_startup_trials`개가 되기 전과
`n_warmup_step`보다 앞선 step에서는 그만두지 않는다.

coordinator가 `observe`와 `thresholds`를 부르고, 작업자는 문턱(수)만 받아 `is_hopeless`를 부른다.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence

from optimize.trial import FinishedTrial

PRUNERS = ("none", "median", "percentile")
CHECKPOINTS = (25, 50)

_PERCENTILES = {"median": 50.0, "percentile": 75.0}


class Pruner:
    """상위 percentile %의 경계. 관측은 증분이며 step마다 정렬해 둔다."""

    def __init__(
        self,
        percentile: float,
        *,
        maximize: bool = True,
        n_startup_trials: int = 20,
        n_warmup_step: int = 0,
    ) -> None:
        """percentile: 0 초과 100 이하, 이어 가게 할 상위의 비율(%). 밖이면 ValueError."""
        if not 0 < percentile <= 100:
            raise ValueError(f"percentile은 0보다 크고 100 이하입니다: {percentile}")
        self._percentile = percentile
        self._maximize = maximize
        self._n_startup_trials = n_startup_trials
        self._n_warmup_step = n_warmup_step
        self._n_complete = 0
        self._values: dict[int, list[float]] = {}

    def observe(self, trials: Sequence[FinishedTrial]) -> None:
        """끝까지 간 시행의 중간 값을 배운다. 다른 시행과 유한하지 않은 값은 건너뛴다."""
        for trial in trials:
            if trial.state != "COMPLETE":
                continue
            self._n_complete += 1
            for step, value in trial.intermediate.items():
                if math.isfinite(value):
                    bisect.insort(self._values.setdefault(step, []), value)

    def thresholds(self) -> dict[int, float]:
        """step → 문턱. 아직 그만두게 할 수 없는 step은 없다."""
        if self._n_complete < self._n_startup_trials:
            return {}
        rank = 100 - self._percentile if self._maximize else self._percentile
        return {
            step: _percentile(values, rank)
            for step, values in sorted(self._values.items())
            if step >= self._n_warmup_step
        }


def make_pruner(name: str, *, maximize: bool = True) -> Pruner | None:
    """이름으로: `none`은 None, `median`은 상위 50 %, `percentile`은 상위 75 %를 이어 가게 한다. 모르면 ValueError."""
    if name == "none":
        return None
    if name not in _PERCENTILES:
        raise ValueError(f"모르는 pruner: {name!r} (있는 것: {', '.join(PRUNERS)})")
    return Pruner(_PERCENTILES[name], maximize=maximize)


def is_hopeless(
    intermediate: Mapping[int, float], threshold: float | None, *, maximize: bool = True
) -> bool:
    """지금까지의 중간 값(step → 값)의 최선이 문턱보다 나쁜가. 문턱이 없으면 아니다.

    중간 값이 모두 유한하지 않으면 그만둘 까닭으로 본다(Optuna의 규칙).
    """
    if threshold is None or not intermediate:
        return False
    finite = [value for value in intermediate.values() if math.isfinite(value)]
    if not finite:
        return True
    return max(finite) < threshold if maximize else min(finite) > threshold


def _percentile(ordered: Sequence[float], rank: float) -> float:
    """정렬된 값들의 rank 백분위수(선형 보간, numpy의 기본과 같다)."""
    position = (len(ordered) - 1) * rank / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
