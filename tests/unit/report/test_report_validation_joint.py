"""여러 심볼의 검증의 보고: 심볼마다의 점수와 지표를 모으고, 비율은 모은 뒤에 낸다."""

from __future__ import annotations

from typing import Any

import pytest

from optimize.report.validation_joint import joint_report
from optimize.search.across import JointObjective
from optimize.search.objective import Objective, ObjectiveGoal

JOINT = JointObjective(
    Objective([ObjectiveGoal("sharpe"), ObjectiveGoal("max_drawdown_pct")], mode="pareto"), "worst"
)


def body(sharpe: float, drawdown: float, inside: float) -> dict[str, Any]:
    metrics = {"sharpe": sharpe, "max_drawdown_pct": drawdown, "cagr_pct": 10 * sharpe}
    return {
        "version": 1,
        "score": [sharpe, drawdown],
        "splits": [{"winner": 7, "in_sample_metrics": {"sharpe": sharpe + 1}}, {"winner": None}],
        "stitched": {"dates": [["2024-01-01", "2024-01-31"]], "metrics": metrics},
        "efficiency": {
            "in_sample_cagr_pct": inside,
            "out_of_sample_cagr_pct": 10 * sharpe,
            "value": 10 * sharpe / inside,
        },
        "paths": [],
        "path_scores": None,
    }


def test_scores_and_metrics_are_combined_and_the_ratio_is_taken_after() -> None:
    found = joint_report({"A": body(2.0, 10.0, 40.0), "B": body(1.0, 30.0, 80.0)}, JOINT)
    assert found["score"] == [1.0, 30.0]
    assert found["stitched"]["metrics"] == {
        "sharpe": 1.0,
        "max_drawdown_pct": 30.0,
        "cagr_pct": 10.0,
    }
    assert found["stitched"]["dates"] == [["2024-01-01", "2024-01-31"]]
    assert found["splits"] == [
        {"winner": 7, "in_sample_metrics": {"sharpe": 2.0}},
        {"winner": None},
    ]
    assert found["efficiency"]["value"] == pytest.approx(10.0 / 40.0)
    assert found["by_symbol"]["B"]["score"] == [1.0, 30.0]


def test_cpcv_combines_each_path_before_the_median() -> None:
    def paths(*scores: float) -> dict[str, Any]:
        rows = [
            {"splits": [i], "score": [s, 5.0], "metrics": {"sharpe": s}}
            for i, s in enumerate(scores)
        ]
        return {**body(0.0, 5.0, 1.0), "stitched": None, "efficiency": None, "paths": rows}

    found = joint_report({"A": paths(3.0, 1.0, 9.0), "B": paths(2.0, 8.0, 4.0)}, JOINT)
    assert [path["score"][0] for path in found["paths"]] == [2.0, 1.0, 4.0]
    assert found["score"] == [2.0, 5.0]
    assert (found["path_scores"]["min"], found["path_scores"]["max"]) == (1.0, 4.0)


def test_a_single_symbol_is_left_as_it_is_and_no_winner_is_no_score() -> None:
    alone = body(2.0, 10.0, 40.0)
    assert joint_report({"A": alone}, JOINT) == alone
    nothing = {**body(0.0, 0.0, 1.0), "score": None, "splits": [{"winner": None}]}
    assert joint_report({"A": nothing, "B": nothing}, JOINT)["score"] is None
