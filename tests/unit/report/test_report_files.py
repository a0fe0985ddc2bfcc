"""결과 파일과 표: 빠짐없이, 되먹일 수 있게, 솔직하게."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from optimize.report.best import write_best_yaml
from optimize.report.summary import NO_FEASIBLE, StudySummary, print_summary
from optimize.report.trials import write_trials_csv
from optimize.settings.load import load_params
from optimize.settings.model import Params
from optimize.trial import FinishedTrial


def trial(number: int, **changes: Any) -> FinishedTrial:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    values: dict[str, Any] = {
        "uid": f"u{number}",
        "state": "COMPLETE",
        "params": {"a": number, "b": 0.1},
        "values": (1.25,),
        "started_at": started,
        "finished_at": started + timedelta(milliseconds=12.5),
        "metrics": {"sharpe": 1.25, "trades": 40.0, "net_profit_pct": 1234.5},
        "constraints": (-1.0,),
        "number": number,
        **changes,
    }
    return FinishedTrial(**values)


def test_every_trial_is_a_row_and_switched_off_parameters_are_blank(tmp_path: Path) -> None:
    path = tmp_path / "new" / "trials.csv"
    trials = [
        trial(0),
        trial(1, params={"a": 1}, constraints=(2.0,)),
        trial(2, state="FAIL", values=(), metrics={}, constraints=(), error='쉼표, "따옴표"\n줄'),
    ]
    write_trials_csv(path, trials, ["sharpe", "trades"], ["a", "b"])
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["0", "1", "2"]
    assert [row["feasible"] for row in rows] == ["yes", "no", "no"]
    assert [row["param.b"] for row in rows] == ["0.1", "", "0.1"]
    assert rows[0]["duration_ms"] == "12.5"
    assert rows[2]["score"] == ""
    assert rows[2]["error"] == '쉼표, "따옴표"\n줄'
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_failed_write_keeps_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    write_trials_csv(path, [trial(0)], ["sharpe"], ["a"])
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_trials_csv(path, [trial(0), None], ["sharpe"], ["a"])  # type: ignore[list-item]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_best_yaml_is_a_whole_valid_profile_without_secrets(tmp_path: Path) -> None:
    settings = Params.model_validate(
        {
            "search": {
                "storage_url": "postgresql://u:canary42@h/d",
                "n_trials": 900,
                "pruner": "median",
            }
        }
    )
    path = tmp_path / "best.yaml"
    full = {"bb_len": 20, "style": "KC", "use_stop": True, "mult": 0.30000000000000004}
    write_best_yaml(path, settings.model_dump(mode="json"), "s", "1m@1h", trial(7), full)
    assert "canary42" not in path.read_text(encoding="utf-8")
    loaded = load_params(path)
    assert loaded.strategy.space == full
    assert loaded.timeframe_grid == "1m@1h"
    assert (loaded.search.n_trials, loaded.search.study_name) == (1, "s_best")
    assert loaded.backtest == settings.backtest
    assert loaded.objective == settings.objective
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) == set(Params.model_fields)


def summary(best: FinishedTrial | None, **changes: Any) -> StudySummary:
    values: dict[str, Any] = {
        "study": "s",
        "cell": "1m",
        "target": 10,
        "n_complete": 8,
        "n_pruned": 1,
        "n_failed": 1,
        "best": best,
        "folder": Path("/x/s"),
        **changes,
    }
    return StudySummary(**values)


def shown(*summaries: StudySummary) -> str:
    out = io.StringIO()
    print_summary(summaries, out)
    return out.getvalue()


def test_the_table_shows_counts_and_the_best() -> None:
    text = shown(summary(trial(3)))
    for part in ("10/10", "중단 1", "실패 1", "1.2500", "1,234.50", "/x/s"):
        assert part in text


def test_without_a_feasible_trial_it_says_so_instead_of_a_number() -> None:
    text = shown(summary(None))
    assert NO_FEASIBLE in text
    assert "objective.constraints" in text
    assert NO_FEASIBLE not in shown(summary(None, n_complete=0))


def test_demo_candles_are_named_in_the_table() -> None:
    assert "합성 데모" in shown(summary(trial(1), is_demo=True))


def test_실패한_시행이_있으면_까닭을_말한다(tmp_path: Path) -> None:
    out = io.StringIO()
    kept = StudySummary("s", "1m", 3, 2, 0, 1, trial(0), tmp_path, last_error="ValueError: 홀수")
    print_summary([kept], out)
    assert "실패한 시행이 1개입니다. 마지막 까닭: ValueError: 홀수" in out.getvalue()
