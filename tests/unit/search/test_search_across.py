"""여러 심볼의 점수를 모으는 법: 손으로 셈한 값, 방향, 심볼마다의 제약, 차례와 무관함."""

from __future__ import annotations

import itertools
import math

import pytest

from optimize.search.across import AcrossSymbols, JointObjective, combine
from optimize.search.objective import Objective, ObjectiveGoal, ObjectiveLimit

A = {"sharpe": 3.0, "max_drawdown_pct": 10.0, "trades": 100.0}
B = {"sharpe": 1.0, "max_drawdown_pct": 40.0, "trades": 20.0}
C = {"sharpe": -1.0, "max_drawdown_pct": 25.0, "trades": 60.0}
GOALS = [ObjectiveGoal("sharpe", 2.0), ObjectiveGoal("max_drawdown_pct", 1.0)]


@pytest.mark.parametrize(
    ("rule", "metrics"),
    [
        ("mean", (1.0, 25.0, 60.0)),
        ("median", (1.0, 25.0, 60.0)),
        ("worst", (-1.0, 40.0, 20.0)),
    ],
)
def test_metrics_are_combined_one_by_one_and_worst_follows_the_good_side(
    rule: AcrossSymbols, metrics: tuple[float, ...]
) -> None:
    joint = JointObjective(Objective([ObjectiveGoal("sharpe")]), rule)
    assert tuple(joint.metrics([A, B, C]).values()) == metrics


def test_each_symbol_is_scored_before_combining() -> None:
    """무게로 더한 점수를 심볼마다 낸다: 가장 나쁜 점수는 가장 나쁜 지표들의 점수가 아니다."""
    scores = {"A": (2 * 3 - 10) / 3, "B": (2 * 1 - 40) / 3, "C": (2 * -1 - 25) / 3}
    for rule, expected in (
        ("mean", sum(scores.values()) / 3),
        ("median", scores["C"]),
        ("worst", scores["B"]),
    ):
        joint = JointObjective(Objective(GOALS), rule)  # type: ignore[arg-type]
        assert joint.score([A, B, C]).values == (pytest.approx(expected),)


def test_pareto_goals_are_combined_in_their_own_direction() -> None:
    joint = JointObjective(Objective(GOALS, mode="pareto"), "worst")
    assert joint.score([A, B, C]).values == (-1.0, 40.0)


def test_every_symbol_must_trade_enough_but_limits_look_at_the_whole() -> None:
    objective = Objective(
        [ObjectiveGoal("sharpe")],
        min_trades=30,
        max_drawdown_pct=30.0,
        limits=[ObjectiveLimit("trades", minimum=50.0)],
    )
    score = JointObjective(objective, "mean").score([A, B, C])
    named = dict(zip(objective.constraint_names, score.constraints, strict=True))
    assert named["min_trades"] == pytest.approx((30 - 20) / 30), "B가 모자란다"
    assert named["max_drawdown_pct"] == pytest.approx((25 - 30) / 30), "평균은 25 %다"
    assert named["trades_min"] == pytest.approx((50 - 60) / 50)
    assert not score.feasible


def test_one_spoiled_symbol_spoils_the_trial() -> None:
    score = JointObjective(Objective([ObjectiveGoal("sharpe")]), "median").score(
        [A, {**B, "sharpe": math.nan}, C]
    )
    assert score.constraints == (1.0,)
    assert score.values == (-1.0,), "−100, −1, 3의 중앙값"


@pytest.mark.parametrize("rule", ["mean", "median", "worst"])
def test_the_order_of_symbols_does_not_matter(rule: AcrossSymbols) -> None:
    values = [0.1, 0.2, 0.3, 1e16, -1e16]
    found = {combine(order, rule, maximize=True) for order in itertools.permutations(values)}
    assert len(found) == 1


def test_a_single_symbol_is_left_as_it_is() -> None:
    objective = Objective(GOALS, min_trades=30)
    assert JointObjective(objective, "worst").score([B]) == objective.score(B)
    assert JointObjective(objective).metrics([B]) == B
