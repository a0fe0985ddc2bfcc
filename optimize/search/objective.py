"""점수와 제약: 지표들을 sampler가 보는 수로 바꾼다.

점수(언제나 클수록 좋다):

    score = Σ wᵢ·sᵢ·mᵢ / Σ wᵢ        sᵢ = +1 (클수록 좋은 지표), −1 (작을수록 좋은 지표)

무게는 합이 1이 되게 나눈다. 지표는 자기 단위 그대로 들어가므로(예: sharpe는 배수,
max_drawdown_pct는 %) 단위의 차이는 무게로 맞춘다. 목표가 하나면 점수는 그 지표(또는 −지표)다.

mode가 `pareto`면 목표마다 값이 하나다: 지표 그대로의 값과 그 방향(maximize | minimize). 무게는 쓰지 않는다.

제약은 Optuna의 규약을 따른다: 0 이하면 만족. 어긴 크기는 문턱에 대한 비율이라 서로 더할 수 있다.

    finite          유한하지 않은 목표 지표가 없으면 0, 있으면 1 (pareto면 그 수)
    min_trades      (min_trades − trades) / max(min_trades, 1)
    max_drawdown    (max_drawdown_pct − 한도) / 한도
    limits          (min − m) / max(|min|, 1),  (m − max) / max(|max|, 1)

유한하지 않은 값의 규칙: 목표 지표 가운데 하나라도 NaN·무한대면 점수는 `non_finite_score`이고
`finite` 제약을 어긴 것이 되어 최선으로 뽑히지 않는다. pareto면 그 목표의 값만 `non_finite_score`(작을수록
좋은 목표면 부호를 뒤집은 것)가 된다. 제약의 지표가 유한하지 않으면 그 제약을
`NON_FINITE_VIOLATION`만큼 어긴 것으로 본다.

최선은 끝까지 평가되고 모든 제약을 만족한 시행 가운데 점수가 가장 큰 것, 같으면 먼저 난 것이다.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from optimize.backtest.metrics import METRICS
from optimize.errors import RunError, SettingsError

NON_FINITE_VIOLATION = 1e6
_WAYS = {1.0: "maximize", -1.0: "minimize"}

GoalDirection = Literal["max", "min"]
ObjectiveMode = Literal["weighted", "pareto"]


@dataclass(frozen=True, slots=True)
class ObjectiveGoal:
    """목표 하나. direction이 None이면 지표가 정한 좋은 방향을 쓴다."""

    metric: str
    weight: float = 1.0
    direction: GoalDirection | None = None


@dataclass(frozen=True, slots=True)
class ObjectiveLimit:
    """지표 하나의 허용 범위. 경계를 포함한다. None은 한도 없음."""

    metric: str
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """values: 목표 값(길이는 `Objective.directions`와 같다). constraints: `Objective.constraint_names`와 같은 차례."""

    values: tuple[float, ...]
    constraints: tuple[float, ...]

    @property
    def feasible(self) -> bool:
        """모든 제약을 만족하는가."""
        return all(value <= 0 for value in self.constraints)


class Objective:
    """지표 → (점수, 제약). 만든 뒤에는 바뀌지 않고 pickle할 수 있다."""

    def __init__(
        self,
        goals: Sequence[ObjectiveGoal],
        min_trades: int = 0,
        max_drawdown_pct: float | None = None,
        limits: Sequence[ObjectiveLimit] = (),
        non_finite_score: float = -100.0,
        mode: ObjectiveMode = "weighted",
    ) -> None:
        """모르는 지표, 0 이하의 무게, 말이 안 되는 한도, 둘이 안 되거나 겹친 pareto의 목표면 SettingsError.

        min_trades: 거래 수의 하한(0이면 없음). max_drawdown_pct: 최대 낙폭의 상한(%), None이면 없음.
        """
        _check(goals, limits, mode)
        self.mode = mode
        self.goals = tuple(goals)
        self.directions: tuple[str, ...] = (
            tuple(_WAYS[_sign(goal)] for goal in goals) if mode == "pareto" else ("maximize",)
        )
        total = sum(goal.weight for goal in goals)
        self._terms = tuple((goal.metric, goal.weight / total * _sign(goal)) for goal in goals)
        self._min_trades = min_trades
        self._max_drawdown_pct = max_drawdown_pct
        self._limits = tuple(limits)
        self._non_finite_score = non_finite_score
        self.constraint_names: tuple[str, ...] = tuple(self._constraint_names())

    def _constraint_names(self) -> Iterable[str]:
        yield "finite"
        if self._min_trades > 0:
            yield "min_trades"
        if self._max_drawdown_pct is not None:
            yield "max_drawdown_pct"
        for limit in self._limits:
            if limit.minimum is not None:
                yield f"{limit.metric}_min"
            if limit.maximum is not None:
                yield f"{limit.metric}_max"

    def score(self, metrics: Mapping[str, float]) -> Score:
        """지표들의 점수와 제약. 필요한 지표가 없으면 RunError."""
        if self.mode == "pareto":
            return self._score_each(metrics)
        parts = [weight * self._metric(metrics, name) for name, weight in self._terms]
        total = math.fsum(parts) if all(map(math.isfinite, parts)) else math.nan
        finite = math.isfinite(total)
        return Score(
            values=(total if finite else self._non_finite_score,),
            constraints=(0.0 if finite else 1.0, *self._violations(metrics)),
        )

    def _score_each(self, metrics: Mapping[str, float]) -> Score:
        values = [self._metric(metrics, goal.metric) for goal in self.goals]
        finite = [math.isfinite(value) for value in values]
        return Score(
            values=tuple(
                value if fine else _sign(goal) * self._non_finite_score
                for goal, value, fine in zip(self.goals, values, finite, strict=True)
            ),
            constraints=(float(finite.count(False)), *self._violations(metrics)),
        )

    def _violations(self, metrics: Mapping[str, float]) -> Iterable[float]:
        if self._min_trades > 0:
            yield _below(self._metric(metrics, "trades"), self._min_trades)
        if self._max_drawdown_pct is not None:
            drawdown = self._metric(metrics, "max_drawdown_pct")
            yield _finite((drawdown - self._max_drawdown_pct) / self._max_drawdown_pct)
        for limit in self._limits:
            value = self._metric(metrics, limit.metric)
            if limit.minimum is not None:
                yield _below(value, limit.minimum)
            if limit.maximum is not None:
                yield _finite((value - limit.maximum) / max(abs(limit.maximum), 1.0))

    @staticmethod
    def _metric(metrics: Mapping[str, float], name: str) -> float:
        try:
            return float(metrics[name])
        except KeyError:
            raise RunError(
                "점수를 매기지 못했습니다",
                f"백테스트가 지표 '{name}'을 주지 않았습니다",
                "objective의 지표 이름을 보세요",
            ) from None


def _below(value: float, minimum: float) -> float:
    return _finite((minimum - value) / max(abs(minimum), 1.0))


def _finite(violation: float) -> float:
    return violation if math.isfinite(violation) else NON_FINITE_VIOLATION


def _sign(goal: ObjectiveGoal) -> float:
    direction = goal.direction or METRICS[goal.metric].goal
    return 1.0 if direction == "max" else -1.0


def _check(
    goals: Sequence[ObjectiveGoal], limits: Sequence[ObjectiveLimit], mode: ObjectiveMode
) -> None:
    problems = [] if goals else ["objective.goals = []: 목표가 하나 이상이어야 합니다"]
    if mode == "pareto" and (problem := _pareto_problem([goal.metric for goal in goals])):
        problems.append(f"objective.goals: {problem}")
    for i, goal in enumerate(goals):
        problems += _unknown_metric(f"objective.goals.{i}.metric", goal.metric)
        if not (math.isfinite(goal.weight) and goal.weight > 0):
            problems.append(f"objective.goals.{i}.weight = {goal.weight!r}: 0보다 커야 합니다")
    for i, limit in enumerate(limits):
        key = f"objective.constraints.limits.{i}"
        problems += _unknown_metric(f"{key}.metric", limit.metric)
        if limit.minimum is None and limit.maximum is None:
            problems.append(f"{key}: min과 max 가운데 하나는 있어야 합니다")
        elif (
            limit.minimum is not None
            and limit.maximum is not None
            and limit.minimum > limit.maximum
        ):
            problems.append(
                f"{key}.min = {limit.minimum!r}: max({limit.maximum!r}) 이하여야 합니다"
            )
    if problems:
        raise SettingsError(
            "목표나 제약이 틀렸습니다",
            "\n".join(problems),
            f"쓸 수 있는 지표: {', '.join(METRICS)}",
        )


def _pareto_problem(metrics: Sequence[str]) -> str:
    """이 지표들로 pareto를 할 수 없는 까닭, 할 수 있으면 빈 글."""
    if len(metrics) < 2:
        return "mode: pareto는 목표가 둘 이상이어야 합니다"
    twice = sorted({name for name in metrics if metrics.count(name) > 1})
    return f"mode: pareto에 같은 목표가 두 번 있습니다: {', '.join(twice)}" if twice else ""


def _unknown_metric(key: str, name: str) -> list[str]:
    if name in METRICS:
        return []
    close = difflib.get_close_matches(name, METRICS, n=1, cutoff=0.5)
    hint = f" — 혹시 '{close[0]}'인가요?" if close else ""
    return [f"{key} = {name!r}: 모르는 지표입니다{hint}"]
