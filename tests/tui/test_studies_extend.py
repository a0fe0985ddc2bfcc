"""스터디에서 더 실행하기와, 목록의 값의 규칙."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from studies_kit import described, fill, study_file

from optimize.cli import print_error
from optimize.errors import StorageError
from optimize.storage.url import StorageUrl, parse_storage_url
from tui import bridge, bridge_studies, studies_commands
from tui.problem import ProblemError
from tui.studies_commands import parse_problem
from tui.studies_model import StudyItem, shown_studies, study_item

# ── 더 실행


def _spawned(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def spawn(argv: list[str], env: dict[str, str], _cwd: Path, log: Path) -> int:
        seen.update(argv=argv, env=env, log=log)
        return 1

    monkeypatch.setattr(bridge, "spawn_detached", spawn)
    return seen


def _item(url: StorageUrl, name: str, **attrs: Any) -> StudyItem:
    body = {"name": name, "storage": url.masked, "state": "idle", "total": 12, "n_complete": 12}
    return study_item({**body, "attrs": attrs})


def test_extend_uses_the_recorded_plan(
    studies_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """그 스터디를 만든 실행의 plan.json을 그대로 쓰고 목표만 늘린다. 다른 칸은 빼놓는다."""
    seen = _spawned(monkeypatch)
    url = study_file(studies_home, "s1")
    fill(url, "s1")
    params = bridge_studies.default_params()
    params["symbol"], params["timeframe_grid"] = "DEMO:BTCUSDT", "1m@15m,1m@1h"
    params["backtest"]["fee_rate"] = 0.00123
    cells = [
        {"cell": "1m@15m", "slug": "a", "study": "s1", "storage": url.masked},
        {"cell": "1m@1h", "slug": "b", "study": "s2", "storage": "다른 곳"},
    ]
    folder = studies_home / "studies" / "a" / "runs" / "20260101"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({"params": params, "cells": cells}))
    run_dir = studies_commands.extend(_item(url, "s1", wizard=described("1m@1h")), 500)
    config = json.loads((run_dir / "config.yaml").read_text(encoding="utf-8"))
    assert config["timeframe_grid"] == "1m@15m"
    assert config["backtest"]["fee_rate"] == 0.00123
    assert (config["search"]["n_trials"], config["search"]["study_name"]) == (500, "s1")
    assert (run_dir / "config.yaml").stat().st_mode & 0o777 == 0o600
    assert seen["env"]["OPTUNA_STORAGE"] == url.secret
    assert run_dir.parent.parent.name == "demo_btcusdt_1m_15m"


def test_extend_without_a_plan_uses_what_the_study_says(
    studies_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _spawned(monkeypatch)
    url = study_file(studies_home, "s1")
    fill(url, "s1")
    run_dir = studies_commands.extend(_item(url, "s1", wizard=described("1m@1h")), 50)
    config = json.loads((run_dir / "config.yaml").read_text(encoding="utf-8"))
    assert (config["symbol"], config["timeframe_grid"]) == ("DEMO:BTCUSDT", "1m@1h")
    assert url.secret not in " ".join(seen["argv"])
    with pytest.raises(ProblemError) as caught:
        studies_commands.extend(_item(url, "s1"), 50)
    assert "s1" in caught.value.problem.fix


# ── 값


def test_problem_of_the_command_is_kept_whole() -> None:
    """명령이 stderr에 쓰는 오류의 제목·원인·해결이 여러 줄이어도 그대로 돌아온다."""
    error = StorageError("닿지 못했습니다", "첫 줄\n둘째: 줄", "켜기: docker start x\n또는 이것")
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        print("알림: 먼저 나온 말", file=stream)
        print_error(error)
    problem = parse_problem(stream.getvalue(), "다른 제목")
    assert (problem.title, problem.cause, problem.fix) == (error.title, error.cause, error.fix)
    crash = parse_problem("Traceback postgresql://u:p4ssw0rd@h/d", "다른 제목")
    assert crash.title == "다른 제목"
    assert "p4ssw0rd" not in crash.cause


def test_orders_put_missing_scores_last() -> None:
    def item(name: str, best: float | None, total: int, day: int) -> StudyItem:
        stamp = f"2026-01-{day:02d}T00:00:00+00:00"
        return study_item(
            {"name": name, "total": total, "best_value": best, "last_activity": stamp}
        )

    items = [item("b", None, 3, 1), item("a", 1.0, 2, 3), item("c", 2.0, 1, 2)]
    assert [i.name for i in shown_studies(items, "", "best")] == ["c", "a", "b"]
    assert [i.name for i in shown_studies(items, "", "name")] == ["a", "b", "c"]
    assert [i.name for i in shown_studies(items, "", "trials")] == ["b", "a", "c"]
    assert [i.name for i in shown_studies(items, "", "updated")] == ["a", "c", "b"]
    assert [i.name for i in shown_studies(items, "C", "name")] == ["c"]


def test_place_is_short() -> None:
    """이름과 같은 SQLite 파일은 종류만, 서버는 주소와 데이터베이스만 보인다. 비밀번호 자리는 없다."""
    assert _item(study_file(Path("/x"), "s1"), "s1").place == "SQLite"
    assert _item(study_file(Path("/x"), "s1"), "다른").place == "SQLite s1.db"
    server = parse_storage_url("postgresql://postgres:pw@db:5432/optuna?sslmode=require")
    assert _item(server, "s1").place == "PostgreSQL db:5432/optuna"


def test_a_demo_study_is_found_by_its_mark() -> None:
    """목록에 보이는 '합성 데모'로도 거른다."""
    made = {"name": "d", "attrs": {"wizard": {"symbol": "DEMO:BTCUSDT"}}}
    items = [study_item(made), study_item({"name": "r"})]
    assert [i.name for i in shown_studies(items, "데모", "name")] == ["d"]
