"""점수, 제약, 유한하지 않은 값의 규칙, 최선."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from optimize.errors import RunError, SettingsError
from optimize.search.objective import (
    NON_FINITE_VIOLATION,
    Objective,
    ObjectiveGoal,
    ObjectiveLimit,
)
from optimize.search.pareto import leaders_of
from optimize.trial import FinishedTrial

METRICS = {"sharpe": 2.0, "max_drawdown_pct": 30.0, "trades": 45.0, "win_rate_pct": 55.0}


def test_single_goal_scores_the_metric_itself() -> None:
    assert Objective([ObjectiveGoal("sharpe", 3.0)]).score(METRICS).values == (2.0,)


def test_metric_to_be_minimised_is_negated() -> None:
    assert Objective([ObjectiveGoal("max_drawdown_pct")]).score(METRICS).values == (-30.0,)


def test_direction_can_be_stated() -> None:
    goal = ObjectiveGoal("trades", direction="min")
    assert Objective([goal]).score(METRICS).values == (-45.0,)


def test_score_is_the_weighted_mean() -> None:
    goals = [ObjectiveGoal("sharpe", 3.0), ObjectiveGoal("max_drawdown_pct", 1.0)]
    assert Objective(goals).score(METRICS).values[0] == pytest.approx((3 * 2.0 - 30.0) / 4)


def test_constraints_are_zero_or_less_exactly_when_met() -> None:
    objective = Objective(
        [ObjectiveGoal("sharpe")],
        min_trades=45,
        max_drawdown_pct=30.0,
        limits=[ObjectiveLimit("win_rate_pct", minimum=50.0, maximum=54.0)],
    )
    assert objective.constraint_names == (
        "finite",
        "min_trades",
        "max_drawdown_pct",
        "win_rate_pct_min",
        "win_rate_pct_max",
    )
    score = objective.score(METRICS)
    assert score.constraints == pytest.approx((0.0, 0.0, 0.0, -0.1, 1 / 54))
    assert not score.feasible
    assert objective.score({**METRICS, "win_rate_pct": 54.0}).feasible
    assert objective.score({**METRICS, "trades": 44.0}).constraints[1] == pytest.approx(1 / 45)


def test_absent_constraints_leave_only_the_finite_rule() -> None:
    assert Objective([ObjectiveGoal("sharpe")]).score(METRICS).constraints == (0.0,)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_goal_gets_the_stated_score_and_is_infeasible(value: float) -> None:
    objective = Objective([ObjectiveGoal("sharpe"), ObjectiveGoal("trades")], non_finite_score=-7.0)
    score = objective.score({**METRICS, "sharpe": value})
    assert score.values == (-7.0,)
    assert score.constraints == (1.0,)
    assert not score.feasible


def test_overflowing_sum_counts_as_non_finite() -> None:
    goals = [ObjectiveGoal("sharpe", direction="max"), ObjectiveGoal("trades", direction="max")]
    score = Objective(goals).score({"sharpe": 1e308 * 1.7, "trades": 1e308 * 1.7})
    assert all(math.isfinite(v) for v in (*score.values, *score.constraints))


def test_non_finite_constraint_metric_is_a_large_finite_violation() -> None:
    objective = Objective([ObjectiveGoal("sharpe")], max_drawdown_pct=50.0)
    score = objective.score({**METRICS, "max_drawdown_pct": math.nan})
    assert score.constraints == (0.0, NON_FINITE_VIOLATION)


def test_missing_metric_is_a_run_error() -> None:
    with pytest.raises(RunError, match="sharpe"):
        Objective([ObjectiveGoal("sharpe")]).score({})


@pytest.mark.parametrize(
    ("goals", "limits", "expected"),
    [
        ([], [], "하나 이상"),
        ([ObjectiveGoal("sharp")], [], "혹시 'sharpe'인가요?"),
        ([ObjectiveGoal("sharpe", 0.0)], [], "objective.goals.0.weight = 0.0"),
        ([ObjectiveGoal("sharpe")], [ObjectiveLimit("trade", 1.0)], "혹시 'trades'인가요?"),
        ([ObjectiveGoal("sharpe")], [ObjectiveLimit("trades")], "min과 max 가운데 하나"),
        ([ObjectiveGoal("sharpe")], [ObjectiveLimit("trades", 9.0, 2.0)], "max(2.0) 이하"),
    ],
)
def test_wrong_objectives_are_refused(
    goals: list[ObjectiveGoal], limits: list[ObjectiveLimit], expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Objective(goals, limits=limits)
    assert expected in caught.value.cause


def trial(value: float, *constraints: float, state: str = "COMPLETE") -> FinishedTrial:
    now = datetime.now(UTC)
    return FinishedTrial(
        uid=str(value),
        state=state,  # type: ignore[arg-type]
        params={},
        values=(value,),
        started_at=now,
        finished_at=now,
        constraints=constraints,
    )


def test_best_is_the_best_feasible_complete_trial() -> None:
    first = trial(3.0, 0.0)
    trials = [trial(9.0, 0.1), trial(1.0), first, trial(3.0), trial(8.0, state="PRUNED")]
    assert leaders_of(trials, ["maximize"]).best is first
    assert leaders_of([trial(9.0, 0.1)], ["maximize"]).best is None


PARETO = Objective(
    [ObjectiveGoal("sharpe"), ObjectiveGoal("max_drawdown_pct", weight=9.0)],
    min_trades=30,
    mode="pareto",
)


def test_pareto_gives_each_goal_in_its_own_unit_and_direction() -> None:
    assert PARETO.directions == ("maximize", "minimize")
    score = PARETO.score({"sharpe": 1.5, "max_drawdown_pct": 20.0, "trades": 15.0})
    assert score.values == (1.5, 20.0)
    assert score.constraints == (0.0, 0.5)


def test_pareto_spoils_only_the_goal_that_is_not_finite() -> None:
    score = PARETO.score({"sharpe": math.nan, "max_drawdown_pct": 20.0, "trades": 40.0})
    assert (score.values, score.feasible) == ((-100.0, 20.0), False)
    score = PARETO.score({"sharpe": 1.0, "max_drawdown_pct": math.inf, "trades": 40.0})
    assert score.values == (1.0, 100.0)
    both = PARETO.score({"sharpe": math.nan, "max_drawdown_pct": math.inf, "trades": 40.0})
    assert both.constraints[0] == 2.0


@pytest.mark.parametrize("names", [["sharpe"], ["sharpe", "sharpe"]])
def test_pareto_needs_different_goals(names: list[str]) -> None:
    with pytest.raises(SettingsError, match="목표나 제약"):
        Objective([ObjectiveGoal(name) for name in names], mode="pareto")
