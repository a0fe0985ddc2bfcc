"""여러 심볼을 함께 보는 시행의 점수: 심볼마다의 점수와 지표를 하나로 모은다.

모으는 법은 `mean`(산술 평균), `median`(중앙값; 짝수면 가운데 둘의 평균), `worst`(가장 나쁜 것)다. '나쁜 것'은
값의 좋은 방향의 반대쪽이다. 덧셈의 차례가 값을 바꾸지 않게 평균은 fsum으로 낸다.

    목표 값     심볼마다 점수를 매긴 뒤 모은다(목표마다)
    지표        지표마다 모은다
    제약        모은 지표에서 잰다. 다만 `min_trades`는 심볼마다, `finite`는 심볼마다 재어 가장 크게 어긴 것이다

심볼이 하나면 모으지 않은 것과 같다.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from optimize.backtest.metrics import METRICS
from optimize.search.objective import Objective, Score

AcrossSymbols = Literal["mean", "median", "worst"]
Metrics = Mapping[str, float]

# 심볼 하나하나가 지켜야 하는 제약.
_EACH = ("finite", "min_trades")


def combine(values: Sequence[float], rule: AcrossSymbols, *, maximize: bool) -> float:
    """값들(하나 이상)을 하나로. maximize: 클수록 좋은 값인가."""
    if rule == "worst":
        return min(values) if maximize else max(values)
    if rule == "median":
        return statistics.median(values)
    return math.fsum(values) / len(values)


def joint_metrics(parts: Sequence[Metrics], rule: AcrossSymbols) -> dict[str, float]:
    """심볼마다의 지표(하나 이상, 이름이 모두 같다)를 지표마다 하나로."""
    if len(parts) == 1:
        return dict(parts[0])
    return {
        name: combine(
            [part[name] for part in parts],
            rule,
            maximize=name not in METRICS or METRICS[name].goal == "max",
        )
        for name in parts[0]
    }


class JointObjective:
    """목표와 모으는 법. 만든 뒤에는 바뀌지 않는다."""

    def __init__(self, objective: Objective, rule: AcrossSymbols = "mean") -> None:
        self.objective = objective
        self.rule = rule

    def metrics(self, parts: Sequence[Metrics]) -> dict[str, float]:
        """심볼마다의 지표(하나 이상, 이름이 모두 같다)를 하나로."""
        return joint_metrics(parts, self.rule)

    def values(self, parts: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """심볼마다의 목표 값들을 하나로."""
        return tuple(
            combine(column, self.rule, maximize=way == "maximize")
            for column, way in zip(zip(*parts, strict=True), self.objective.directions, strict=True)
        )

    def score(self, parts: Sequence[Metrics]) -> Score:
        """심볼마다의 지표(하나 이상)의 점수와 제약. 필요한 지표가 없으면 RunError."""
        scores = [self.objective.score(part) for part in parts]
        if len(scores) == 1:
            return scores[0]
        together = self.objective.score(self.metrics(parts)).constraints
        return Score(
            values=self.values([score.values for score in scores]),
            constraints=tuple(
                max(score.constraints[place] for score in scores) if name in _EACH else merged
                for place, (name, merged) in enumerate(
                    zip(self.objective.constraint_names, together, strict=True)
                )
            ),
        )
