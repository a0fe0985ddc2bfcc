"""스터디가 말해 주는 것: 판정, 나눔의 표, 등고선과 둘레, 파레토, 실행 중인 스터디의 새 시행."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest
from test_run_snapshots import study_events, study_items
from tui_kit import MASKED, URL, screen_name, shown, until, until_text, write_run

from tui import bridge, landscape
from tui.app import WizardApp
from tui.event_tail import append_new_trials
from tui.processes import Finished
from tui.screens import pareto as pareto_module
from tui.screens import study as study_module
from tui.screens.pareto import ParetoScreen
from tui.screens.study import StudyScreen
from tui.screens.study_analysis import AnalysisScreen
from tui.studies_commands import Front, Importance
from tui.verdicts import parse_validation, parse_verdict, read_record

SIZES = [(80, 24), (120, 40)]
VERDICT = {
    "type": "verdict", "study": "binance_btcusdt_1m_15m", "cell": "1m@15m", "level": "suspect",
    "label": "과최적화 의심", "headline": "문턱을 넘은 잣대: 우연 확률.",
    "findings": [
        {"key": "luck", "title": "우연 확률", "mark": "bad", "text": "운만으로 [b]99.3 %[/b]입니다.",
         "value": 0.99, "todo": "기간을 늘리세요.\x1b[31m"},
        {"key": "pbo", "title": "과최적화 확률", "mark": "unknown", "text": "잴 수 없습니다.",
         "value": None, "todo": ""},
    ],
}  # fmt: skip
VALIDATION = {
    "study": "binance_btcusdt_1m_15m", "label": "walk-forward · 창 2개",
    "splits": [
        {"split": 0, "train": [["2024-01-01", "2024-01-09"]], "test": [["2024-01-11", "2024-01-14"]],
         "n_trials": 12, "winner": 20, "in_sample": [13.37], "out_of_sample": [-4.28],
         "out_of_sample_metrics": {"net_profit_pct": -0.07, "max_drawdown_pct": 0.72}},
        {"split": 1, "train": [["2024-01-05", "2024-01-13"]], "test": [["2024-01-15", "2024-01-18"]],
         "n_trials": 12, "winner": None, "in_sample": [], "out_of_sample": [],
         "out_of_sample_metrics": {}},
    ],
    "score": [4.3], "stitched": {"dates": [["2024-01-11", "2024-01-18"]],
                                  "metrics": {"net_profit_pct": 2.84, "max_drawdown_pct": 3.84}},
    "efficiency": {"in_sample_cagr_pct": 54.86, "out_of_sample_cagr_pct": 66.66, "value": 1.22},
}  # fmt: skip


def trial(number: int, score: float, params: dict[str, Any], **changes: Any) -> bridge.TrialEvent:
    return bridge.TrialEvent(
        **{"study": "s", "number": number, "state": "COMPLETE", "score": score, "metrics": {},
           "params": params, "duration_ms": 1.0, "is_best": False, **changes}
    )  # fmt: skip


def grid_trials() -> list[bridge.TrialEvent]:
    """점수가 (x-5)²+(y-5)²로 낮아지는 100개."""
    return [
        trial(10 * x + y, -float((x - 5) ** 2 + (y - 5) ** 2), {"x": x, "y": y / 10, "kind": "a"})
        for x in range(10)
        for y in range(10)
    ]


@pytest.fixture
def stored(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """자식 대신 저장된 시행 60개를 쓰는 스터디."""

    async def command(_item: object) -> tuple[list[str], dict[str, str]]:
        return [], {}

    async def write(_a: object, _e: Mapping[str, str], _c: Path, output: Path) -> Finished:
        lines = [json.dumps(event) for event in study_events(("1m@15m",), 60)]
        output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Finished(0, "")

    monkeypatch.setattr(study_module, "events_command", command)
    monkeypatch.setattr(study_module, "run_to_file", write)


@pytest.mark.parametrize("size", SIZES)
async def test_verdict_and_splits_by_keyboard(
    stored: None, tui_home: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """j(한글 자판이면 ㅓ)는 판정을, w(ㅈ)는 나눔의 표를 연다. 바깥의 글은 markup도 escape도 아니다."""

    async def judged(_item: object) -> object:
        return parse_verdict(VERDICT)

    monkeypatch.setattr(study_module, "verdict", judged)
    folder = tui_home / "studies" / "다른이름"
    folder.mkdir(parents=True)
    (folder / "validation.json").write_text(json.dumps(VALIDATION), encoding="utf-8")
    app = WizardApp()
    async with app.run_test(size=size) as pilot:
        await app.push_screen(StudyScreen(study_items()[0], []))
        await until_text(pilot, "시행 60개")
        await pilot.press("ㅓ")
        await until_text(pilot, "과최적화 의심")
        assert "운만으로 [b]99.3 %[/b]입니다." in shown(app)
        assert "할 일: 기간을 늘리세요." in shown(app)
        assert "과최적화 확률: 모름" in shown(app)
        await pilot.press("c", "escape", "ㅈ")
        assert "우연 확률" in app.clipboard
        await until_text(pilot, "2024-01-11 ~ 2024-01-14")
        assert "-4.28" in shown(app)
        assert "walk-forward efficiency 1.22" in shown(app)
        await pilot.press("w")
        await until(pilot, lambda: screen_name(app) == "StudyScreen")


def test_record_of_a_named_and_a_renamed_study(tmp_path: Path) -> None:
    """이름을 지은 스터디의 기록은 그 이름의 폴더에 있고, 이름을 바꾼 뒤에는 속의 이름이 옛것이다."""
    folder = tmp_path / "slug" / "새이름"
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(
        json.dumps({**VERDICT, "study": "옛이름"}), encoding="utf-8"
    )
    for name in ("새이름", "옛이름"):
        assert read_record(tmp_path, name, "verdict.json") is not None
    assert read_record(tmp_path, "slug", "verdict.json") is None


async def test_finished_run_says_the_verdict(tui_home: Path) -> None:
    """끝난 실행은 판정 한 줄과 그 글쇠를 보이고, 의심이면 빛깔도 그렇다. 판정이 없으면 말하지 않는다."""
    study = {"type": "study", "study": "binance_btcusdt_1m_15m", "slug": "slug", "cell": "1m@15m",
             "storage": "x", "done": 0, "target": 9, "symbol": "BINANCE:BTCUSDT"}  # fmt: skip
    result = {"study": "binance_btcusdt_1m_15m", "slug": "slug", "n_complete": 9, "n_pruned": 0,
              "n_failed": 0, "best_value": 1.0, "best_params": {}}  # fmt: skip
    done = {"type": "done", "studies": [result], "exit_code": 0}
    folder = write_run(tui_home, "r", [{"type": "hello", "run_id": "r", "pid": 1}, study, done])
    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        app.open_run(folder)
        await until_text(pilot, "끝났습니다")
        assert "판정:" not in shown(app)
        app.pop_screen()
        (folder.parent.parent / "verdict.json").write_text(json.dumps(VERDICT), encoding="utf-8")
        app.open_run(folder)
        await until_text(pilot, "판정: 과최적화 의심")
        assert app.screen.query_one("#run-ending").has_class("warn")
        await until_text(pilot, "j 판정")
        assert "x 멈추기" not in shown(app)
        await pilot.press("j")
        await until_text(pilot, "우연 확률: 넘음")


@pytest.mark.parametrize("size", SIZES)
async def test_contour_by_keyboard(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """F6으로 등고선, Space로 짝. 최고의 칸에 *가 있고 등급은 수로 읽힌다. 둘레의 점수를 말한다."""

    async def ranked(_item: object) -> list[Importance]:
        return [Importance("x", 0.6, 100), Importance("y", 0.3, 100), Importance("kind", 0.1, 100)]

    monkeypatch.setattr("tui.screens.study_analysis.importances", ranked)
    trials = grid_trials()
    best = next(item for item in trials if item.score == 0)
    app = WizardApp()
    async with app.run_test(size=size) as pilot:
        await app.push_screen(AnalysisScreen(study_items()[0], trials, best))
        await until_text(pilot, "최고의 둘레 12개")
        await pilot.press("f6")
        await until_text(pilot, "가로 x, 세로 y")
        assert "9*" in shown(app)
        assert "1~9" in shown(app)
        await pilot.press("down", "down", "space", "up", "up")
        await until_text(pilot, "가로 x, 세로 kind")
        await pilot.press("v")
        await until_text(pilot, "x 의 값과 점수")


def test_contour_keeps_the_best_of_each_cell() -> None:
    """칸의 값은 그 칸에서 조건을 지킨 시행의 가장 좋은 점수다."""
    trials = [*grid_trials(), trial(999, 50.0, {"x": 0, "y": 0.0}, constraints=[1.0])]
    x, y = (landscape.axis_of(name, trials) for name in ("x", "y"))
    assert x is not None
    assert y is not None
    found = landscape.contour(trials, x, y, 5, 5, minimize=False)
    assert max(found, key=found.__getitem__) == (2, 2)
    assert found[(0, 0)] == -32.0
    low = landscape.contour(trials, x, y, 5, 5, minimize=True)
    assert low[(0, 0)] == -50.0


def test_plateau_is_the_nearest_trials() -> None:
    """둘레는 가까운 12개다: 멀리 있는 좋은 시행도, 조건을 어긴 시행도 끼지 않는다."""
    trials = [*grid_trials(), trial(999, 50.0, {"x": 5, "y": 0.5}, constraints=[1.0])]
    best = next(item for item in trials if item.score == 0)
    found = landscape.plateau(trials, best, minimize=False)
    assert found is not None
    assert (found.count, found.middle) == (12, -2.0)
    assert landscape.plateau(trials[:5], best, minimize=False) is None


async def test_pareto_by_keyboard(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """목표 둘의 최적을 표와 산점도로. 목표가 하나면 그렇다고 말한다."""
    fronts = [
        Front((("Sharpe", False), ("최대 낙폭", True)), ((3, (2.0, 9.0)), (7, (1.0, 4.0)))),
        Front((("점수", False),), ()),
    ]

    async def front(_item: object) -> Front:
        return fronts.pop(0)

    monkeypatch.setattr(pareto_module, "pareto_front", front)
    trials = [trial(i, 1.0, {}, values=[i / 50, 30.0 - i / 3]) for i in range(60)]
    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        await app.push_screen(ParetoScreen(study_items()[0], trials, trials.__getitem__))
        await until_text(pilot, "파레토 최적 2개")
        assert "Sharpe 클수록" in shown(app)
        assert "가로 Sharpe 클수록, 세로 최대 낙폭 작을수록" in shown(app)
        assert any("\u2800" < char <= "\u28ff" for char in shown(app))
        await pilot.press("down", "enter")
        await until_text(pilot, "시행 7 (1m@15m)")
        await pilot.press("escape", "o")
        await app.push_screen(ParetoScreen(study_items()[0], trials, trials.__getitem__))
        await until_text(pilot, "목표가 하나인 스터디입니다")


async def test_running_study_grows_while_watched(
    stored: None, tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """실행이 시행을 더하면 보던 스터디에 새 시행이 이어 붙고, 커서는 보던 시행에 남는다."""
    stored_now = 60

    async def write(_a: object, _e: Mapping[str, str], _c: Path, output: Path) -> Finished:
        lines = [json.dumps(event) for event in study_events(("1m@15m",), stored_now)]
        output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Finished(0, "")

    monkeypatch.setattr(study_module, "run_to_file", write)
    monkeypatch.setattr(study_module, "_REFRESH_SECONDS", 0.05)
    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        item = study_items()[0]
        assert item.state == "running"
        screen = StudyScreen(item, [])
        await app.push_screen(screen)
        await until_text(pilot, "시행 60개")
        await pilot.press("down", "down")
        table = screen.query_one("TrialTable")
        watched = screen.model.trials[table.current].number  # type: ignore[attr-defined]
        stored_now = 75
        await until_text(pilot, "시행 75개")
        assert screen.model.trials[table.current].number == watched  # type: ignore[attr-defined]
        await asyncio.sleep(0)


def test_only_new_trials_are_appended(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path, count in ((old, 5), (new, 8)):
        events = study_events(("1m@15m",), count)
        path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    assert append_new_trials(new, old) == 3
    assert append_new_trials(new, old) == 0
    assert old.read_text(encoding="utf-8").count('"type": "trial"') == 8


@pytest.mark.parametrize("body", [{}, {"splits": [{}], "score": None}, {"splits": "x", "score": 3}])
def test_broken_records_do_not_break_the_screen(body: dict[str, Any]) -> None:
    """낡거나 깨진 기록: 있는 것만 보인다."""
    if isinstance(body.get("splits"), str):
        body = {**body, "splits": []}
    assert parse_validation(body).score is None
    assert parse_verdict(body).findings == ()


async def test_diagnosis_looks_at_the_study_on_the_screen(
    stored: None, tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """스터디를 보다 F9를 누르면 설정의 저장소가 아니라 그 스터디의 저장소를 점검한다."""
    seen: list[bridge.StorageTarget] = []

    async def check(target: bridge.StorageTarget, **_: Any) -> AsyncGenerator[dict[str, Any], None]:
        seen.append(target)
        yield {"type": "step", "name": "url", "title_ko": "저장소 URL", "status": "ok"}
        yield {"type": "result", "ok": True}

    monkeypatch.setattr(bridge, "check_storage", check)
    monkeypatch.setitem(bridge.known_urls, MASKED, URL)
    app = WizardApp()
    async with app.run_test(size=SIZES[1]) as pilot:
        await app.push_screen(StudyScreen(study_items()[0], []))
        await until_text(pilot, "시행 60개")
        await pilot.press("f9")
        await until_text(pilot, "보던 스터디의 저장소")
        await until_text(pilot, "모두 정상입니다")
        assert "5432:" not in shown(app).replace(MASKED, "")
    assert [(target.masked, target.url) for target in seen] == [(MASKED, URL)]
