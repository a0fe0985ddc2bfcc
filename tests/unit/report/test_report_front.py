"""파레토 최적의 표와 파일: 목표의 이름과 방향, 20줄까지, 같은 값은 한 줄, 파일은 모두."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

from optimize.protocol import ProgressEvent, StudyEvent, TrialEvent
from optimize.report.front import goals_of, print_front, write_front_csv, write_front_json
from optimize.runner.terminal import Wording
from optimize.trial import FinishedTrial

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOALS = goals_of(("MAXIMIZE", "MINIMIZE"), ["sharpe", "max_drawdown_pct"])


def trial(number: int, *values: float, **changes: object) -> FinishedTrial:
    return FinishedTrial(
        f"u{number}", "COMPLETE", {"a": number}, values, NOW, NOW, number=number, **changes
    )  # type: ignore[arg-type]


def printed(front: list[FinishedTrial]) -> str:
    out = io.StringIO()
    print_front("s", GOALS, front, out)
    return out.getvalue()


def test_goals_are_named_by_metric_or_by_place() -> None:
    assert [goal.title for goal in GOALS] == ["Sharpe ↑", "최대 낙폭 (%) ↓"]
    assert [goal.label for goal in goals_of(("maximize",), ["sharpe", "trades"])] == ["점수"]
    assert [goal.label for goal in goals_of(("minimize", "minimize"), [])] == ["목표 1", "목표 2"]


def test_the_table_stops_at_twenty_lines_and_counts_the_rest() -> None:
    text = printed([trial(n, 30.0 - n, 30.0 - n) for n in range(25)])
    assert "파레토 최적 25개" in text
    assert "│   19 │" in text
    assert "│   20 │" not in text
    assert "나머지 5개" in text


def test_trials_of_equal_values_share_a_line() -> None:
    text = printed([trial(3, 2.0, 5.0), trial(8, 2.0, 5.0), trial(1, 1.0, 4.0)])
    assert "파레토 최적 3개" in text
    assert "3 외 1" in text
    assert "나머지" not in text


def test_out_of_sample_has_columns_only_when_there_is_any() -> None:
    assert "검증" not in printed([trial(0, 1.0, 2.0)])
    text = printed([trial(0, 1.0, 2.0, out_of_sample=(0.5, 9.0)), trial(1, 0.9, 1.0)])
    assert "검증 Sharpe" in text
    assert "0.50" in text


def test_files_hold_the_whole_front(tmp_path: Path) -> None:
    front = [trial(n, 30.0 - n, 30.0 - n, metrics={"trades": 40.0 + n}) for n in range(25)]
    write_front_csv(tmp_path / "front.csv", GOALS, front, ["a"])
    write_front_json(tmp_path / "front.json", "s", GOALS, front)
    with (tmp_path / "front.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    body = json.loads((tmp_path / "front.json").read_text(encoding="utf-8"))
    assert [int(row["number"]) for row in rows] == list(range(25))
    assert [row["number"] for row in body["front"]] == list(range(25))
    assert (rows[3]["goal.sharpe"], rows[3]["trades"], rows[3]["param.a"]) == ("27.0", "43.0", "3")
    assert rows[3]["out_of_sample.sharpe"] == ""
    assert body["goals"][1]["direction"] == "minimize"


def test_progress_tells_the_best_of_the_first_goal() -> None:
    """파레토 최적에 든 시행이 첫 목표의 최선은 아니어도 최선은 나빠지지 않는다."""
    wording = Wording(0.0)
    goals = [{"metric": "max_drawdown_pct", "label": "최대 낙폭", "direction": "minimize"}, {}]
    study = StudyEvent("s", "s", "1m", "db", 0, 9, direction="minimize", goals=goals)
    assert list(wording.lines(study))
    for number, score in enumerate((20.0, 5.0, 12.0)):
        list(wording.lines(TrialEvent("s", number, "COMPLETE", score, {}, {}, 1.0, True)))
    (line,) = wording.lines(ProgressEvent("s", 3, 9, 1.0, None))
    assert line.endswith("최선 최대 낙폭 5")
