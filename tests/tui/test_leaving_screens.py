"""화면이 떠날 때 뒤의 일이 사라진 widget을 찾지 않는다."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static
from tui_kit import demo, until, until_text

from tui.problem import Problem, ProblemError
from tui.screens.base import BaseModal, BaseScreen, begin


class _Departing(Static):
    """떠나는 순간을 알린다."""

    gone: ClassVar[asyncio.Event]

    async def on_unmount(self) -> None:
        self.gone.set()


class _Slow(Static):
    """늦게 떠나는 자식: 화면의 차례가 오기 전에 뒤의 일이 깨어나게 한다."""

    async def on_unmount(self) -> None:
        await asyncio.sleep(0.2)


async def _look(screen: _Page | _Window) -> None:
    """자식이 떠난 뒤에 깨어나 그 자식을 찾는 일."""
    screen.started = True
    await _Departing.gone.wait()
    await asyncio.sleep(0.05)
    screen.query_one(_Departing).update("늦은 글")


class _Page(BaseScreen[None]):
    started = False

    def compose_body(self) -> ComposeResult:
        yield _Departing("자식")
        yield _Slow("늦은 자식")

    def on_mount(self) -> None:
        super().on_mount()
        begin(self, partial(_look, self), "look")


class _Window(BaseModal[None]):
    started = False

    def compose(self) -> ComposeResult:
        yield _Departing("자식")
        yield _Slow("늦은 자식")

    def on_mount(self) -> None:
        super().on_mount()
        begin(self, partial(_look, self), "look")


@pytest.mark.parametrize("kind", [_Page, _Window])
@pytest.mark.parametrize("leaving", ["닫기", "앱의 끝"])
async def test_work_behind_stops_before_the_children_leave(
    kind: type[_Page] | type[_Window], leaving: str
) -> None:
    """일이 깨어나 자식을 찾으면 Textual이 WorkerFailed로 앱을 멈춘다."""
    _Departing.gone = asyncio.Event()
    app: App[None] = App()
    async with app.run_test() as pilot:
        screen = kind()
        app.push_screen(screen)
        await until(pilot, lambda: screen.started)
        if leaving == "닫기":
            await app.pop_screen()
            await asyncio.sleep(0.1)
    assert _Departing.gone.is_set()


async def test_quitting_while_a_run_starts_is_quiet(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """실행을 시작하는 사이에 앱을 닫아도 오류 없이 닫히고, 시작은 끝까지 간다."""
    from tui import bridge
    from tui.app import WizardApp
    from tui.screens.wizard_review import ReviewScreen

    begun, left, done = threading.Event(), threading.Event(), threading.Event()

    def start_run(_draft: object) -> object:
        begun.set()
        left.wait(20)
        done.set()
        raise ProblemError(Problem("늦은 실패", "", ""))

    monkeypatch.setattr(bridge, "start_run", start_run)
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await until_text(pilot, "새 실행 시작")
        await app.push_screen(ReviewScreen(demo()))
        app.screen.accept()  # type: ignore[attr-defined]
        await until(pilot, begun.is_set)
        await pilot.press("f10")
        left.set()
        await asyncio.sleep(0.3)
    assert done.is_set()
    assert (app.return_code, app._exception) == (0, None)
