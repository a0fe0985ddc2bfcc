"""바깥에서 온 글(스터디 이름, 오류, 사건, 기록)은 단말기를 다스리지 못한다: 화면마다 모두 넣어 본다."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from studies_kit import fill, study_file
from textual.pilot import Pilot
from textual.screen import Screen
from tui_kit import MASKED, demo, screen_name, shown, until, until_text, write_run

from tui import bridge
from tui.app import WizardApp
from tui.cells import plain, plain_lines
from tui.draft import StorageChoice
from tui.problem import Problem
from tui.screens import studies as studies_module
from tui.screens import wizard_storage
from tui.screens.confirm import Confirm
from tui.screens.confirm_text import AskText
from tui.screens.splits import SplitsScreen
from tui.screens.study import StudyScreen
from tui.screens.study_storage import ChooseStorage
from tui.screens.trial_detail import TrialDetail
from tui.screens.verdict import VerdictScreen
from tui.screens.wizard_review import ReviewScreen
from tui.screens.wizard_storage import StorageScreen
from tui.storage_test import TestResult
from tui.studies_model import StorageFailure, StudyItem
from tui.verdicts import Finding, Validation, Verdict
from tui.widgets.fields import TextField

# 색, 화면 지우기, 클립보드 바꾸기(OSC 52), 제목 바꾸기(끝맺음 없이도), C1, 방향 뒤집기, markup.
HOSTILE = (
    "앞\x1b[31m\x1b[2J\x1b]52;c;ZXZpbA==\x07\x1b]0;제목\x1b\\\x9b31m\u202e\u2066\u200f\x07\x08\r"
    "[red]뒤[/red][/]\x1b]8;;http://evil\x1b"
)
FORBIDDEN = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\n"} | set(
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
)


def item() -> StudyItem:
    described = {"symbol": HOSTILE, "cell": HOSTILE, "strategy": HOSTILE,
                 "data": {"source": HOSTILE, "period": HOSTILE}}  # fmt: skip
    return StudyItem(HOSTILE, MASKED + HOSTILE, HOSTILE, 9, 9, 0, 0, 0, 1.0, False,
                     datetime.now(UTC), described)  # fmt: skip


def hostile_trial() -> bridge.TrialEvent:
    return bridge.TrialEvent("s", 1, "FAIL", None, {HOSTILE: 1.0}, {HOSTILE: HOSTILE}, 1.0, False,
                             error=HOSTILE)  # fmt: skip


async def verdicts() -> list[Verdict]:
    finding = Finding("k", HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    return [Verdict(HOSTILE, HOSTILE, "suspect", HOSTILE, HOSTILE, (finding,))] * 2


def check(app: WizardApp) -> None:
    """화면의 어느 글자도 단말기를 다스리지 않고, 안전한 글은 그대로 보인다."""
    text = shown(app)
    bad = sorted({hex(ord(char)) for char in text if char in FORBIDDEN})
    assert not bad, f"{bad}\n{text!r}"
    assert "[red]뒤" in text, text


MODALS: dict[str, Callable[[], Screen[Any]]] = {
    "confirm": lambda: Confirm(HOSTILE, HOSTILE),
    "ask": lambda: AskText(HOSTILE, HOSTILE, "이름", HOSTILE, lambda text: text),
    "storage": lambda: ChooseStorage(HOSTILE, [MASKED + HOSTILE]),
    "trial": lambda: TrialDetail(hostile_trial(), HOSTILE, 1),
    "verdict": lambda: VerdictScreen(HOSTILE, verdicts),
    "splits": lambda: SplitsScreen(HOSTILE, Validation(HOSTILE, (), None, {}, {})),
}


@pytest.mark.parametrize("name", MODALS)
async def test_windows(tui_home: Path, name: str) -> None:
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await app.push_screen(MODALS[name]())
        await until(pilot, lambda: "[red]뒤" in shown(app))
        await pilot.press("enter")
        check(app) if name == "ask" else None
        check_current(app)


def check_current(app: WizardApp) -> None:
    text = shown(app)
    assert not {char for char in text if char in FORBIDDEN}


async def test_error_and_toast(tui_home: Path) -> None:
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.toast(HOSTILE)
        await pilot.pause()
        (toast,) = list(app._notifications)
        assert toast.message == plain_lines(HOSTILE)
        app.show_problem(Problem(HOSTILE, f"{HOSTILE}\n{HOSTILE}", HOSTILE))
        await until(pilot, lambda: "[red]뒤" in shown(app))
        check(app)


async def test_run_and_home(tui_home: Path) -> None:
    """사건 파일의 모든 글 칸."""
    study = {"type": "study", "study": HOSTILE, "slug": "slug", "cell": HOSTILE, "done": 1,
             "storage": HOSTILE, "target": 9, "symbol": HOSTILE, "data": HOSTILE}  # fmt: skip
    trial = {"type": "trial", "study": HOSTILE, "number": 1, "state": HOSTILE, "score": 1.0,
             "metrics": {HOSTILE: 1.0}, "params": {HOSTILE: HOSTILE}, "duration_ms": 1.0,
             "is_best": True, "error": HOSTILE}  # fmt: skip
    error = {"type": "error", "title": HOSTILE, "cause": HOSTILE, "fix": HOSTILE}
    progress = {"type": "progress", "study": HOSTILE, "done": 1, "target": 9, "rate": 1.0,
                "eta_s": 1.0, "workers": 2, "hosts": {HOSTILE: 2}}  # fmt: skip
    done = {"type": "done", "studies": [], "exit_code": 3}
    folder = write_run(tui_home, "r", [study, trial, progress, error, done])
    (folder / "run.log").write_text(HOSTILE, encoding="utf-8")
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "[red]뒤" in shown(app))
        check(app)
        app.open_run(folder)
        await until(pilot, lambda: "시행 1개" in shown(app))
        check(app)
        for key in ("enter", "escape", "l"):
            await pilot.press(key)
            await pilot.pause()
            check_current(app)


async def test_studies_and_study(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def listed(_lister: object) -> AsyncGenerator[StudyItem | StorageFailure, None]:
        yield item()
        yield StorageFailure(HOSTILE, HOSTILE, HOSTILE, HOSTILE)

    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(studies_module, "list_studies", listed)
    monkeypatch.setattr(StudyScreen, "_read", nothing)
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3")
        await until(pilot, lambda: "읽지 못한 저장소 1개" in shown(app))
        check(app)
        await pilot.press("down")
        check(app)
        await app.push_screen(StudyScreen(item(), []))
        await pilot.pause()
        check(app)


async def test_wizard_storage_and_review(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """서버가 돌려준 오류와, 설정에서 온 전략의 이름."""

    async def failed(*_: object, **__: object) -> TestResult:
        return TestResult("failed", None, (HOSTILE, HOSTILE), HOSTILE, f"{HOSTILE}\n{HOSTILE}")

    monkeypatch.setattr(wizard_storage, "run_test", failed)
    draft = demo(storage=StorageChoice("sqlite"))
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await app.push_screen(StorageScreen(draft))
        await until(pilot, lambda: "[red]뒤" in shown(app))
        check(app)
        await app.push_screen(ReviewScreen(replace(draft, strategy=HOSTILE, data_note=HOSTILE)))
        await pilot.pause()
        check(app)


def test_plain_keeps_korean_and_drops_the_rest() -> None:
    assert plain(HOSTILE) == "앞 [red]뒤[/red][/]"
    assert plain_lines("가\x1b[1m\n나") == "가\n나"
    assert json.loads(json.dumps(plain("가나다 abc …"))) == "가나다 abc …"


async def test_resize_with_hostile_text(tui_home: Path) -> None:
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show_problem(Problem(HOSTILE, HOSTILE, HOSTILE))
        await resized(pilot, 60, 15)
        check_current(app)


async def resized(pilot: Pilot[Any], width: int, height: int) -> None:
    await pilot.resize_terminal(width, height)
    await pilot.pause()


async def test_paths_that_cannot_exist_do_not_end_the_application(studies_home: Path) -> None:
    """너무 긴 파일 이름과 없는 사용자의 `~`: 앱이 끝나지 않고 까닭을 말한다."""
    fill(study_file(studies_home, "alpha"), "alpha")
    long = "가나다라마바사아자차" * 30
    app = WizardApp()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("f3")
        await until_text(pilot, "스터디 1개, 시행 12개")
        await pilot.press("f7")
        await until(pilot, lambda: screen_name(app) == "AskText")
        app.screen.query_one(TextField).value = f"/tmp/{long}.csv"
        await pilot.press("enter")
        await until_text(pilot, "이름이 너무 깁니다")
        await pilot.press("escape", "m")
        await until(pilot, lambda: screen_name(app) == "AskText")
        app.screen.query_one(TextField).value = long
        await pilot.press("enter")
        await until_text(pilot, "200바이트(한글 66자) 이하")
        await pilot.press("escape", "escape", "f2")
        await until(pilot, lambda: screen_name(app) == "SymbolScreen")
        for text in (f"{long}.csv", "~없는사람/캔들.csv"):
            app.screen.query_one("#file", TextField).value = text
            await until_text(pilot, "그 파일이 없습니다")
