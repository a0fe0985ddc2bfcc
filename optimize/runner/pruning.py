"""가망 없는 시행을 앞 구간의 성적으로 일찍 멈추는 규칙.

앞 25 %와 50 % 구간의 점수를, 끝까지 간 시행들의 같은 구간 점수와 견준다. `median`은 그 중앙값,
`percentile`은 25번째 백분위보다 낮으면 멈춘다(PRUNED). 끝까지 간 시행이 `STARTUP`개가 되기 전에는
멈추지 않는다. 멈추지 않은 시행의 지표는 이 규칙이 없을 때와 같다.
"""

from __future__ import annotations

from bisect import insort

from optimize.runner.worker import Gate
from optimize.trial import FinishedTrial

FRACTIONS = (0.25, 0.5)
STARTUP = 20
_QUANTILES = {"median": 0.5, "percentile": 0.25}


class PruningRule:
    """한 칸의 문턱들. name: none | median | percentile."""

    def __init__(self, name: str) -> None:
        self._quantile = _QUANTILES.get(name)
        self._scores: dict[int, list[float]] = {round(f * 100): [] for f in FRACTIONS}

    def learn(self, trial: FinishedTrial) -> None:
        """끝까지 간 시행의 구간 점수를 기억한다."""
        if trial.state != "COMPLETE":
            return
        for step, value in trial.intermediate.items():
            if step in self._scores:
                insort(self._scores[step], value)

    def gates(self) -> tuple[Gate, ...]:
        """지금의 문턱들. 규칙이 `none`이면 비었다."""
        if self._quantile is None:
            return ()
        return tuple(Gate(f, self._minimum(round(f * 100), self._quantile)) for f in FRACTIONS)

    def _minimum(self, step: int, quantile: float) -> float | None:
        scores = self._scores[step]
        return scores[int(len(scores) * quantile)] if len(scores) >= STARTUP else None
