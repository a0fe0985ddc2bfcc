"""그리는 것: 두 칸 글자가 갈리지 않고, 좁은 창에서도 값이 다 보이며, 작아졌다 커져도 초점이 남는다."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual._compositor import ChopsUpdate
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.geometry import Region
from textual.widgets import Static
from tui_kit import demo, screen_name, shown, until, until_text, write_run

from tui.app import WizardApp
from tui.screens.base import BaseScreen
from tui.screens.run import RunScreen
from tui.screens.wizard_parallel import ParallelScreen
from tui.screens.wizard_symbol import SymbolScreen
from tui.widgets.chrome import KeyBar

KOREAN = "그림을둘자리가없습니다창을더높이면보입니다"


class _Columns(BaseScreen[None]):
    """알림이 걸쳐 놓일 두 열."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width

    def compose_body(self) -> ComposeResult:
        with Horizontal():
            left = Static(id="left")
            left.styles.width = self._width
            left.styles.height = "1fr"
            yield left
            yield Static(id="right")


@pytest.mark.parametrize("width", [60, 61, 62, 63])
async def test_a_toast_over_two_columns_keeps_its_letters(tui_home: Path, width: int) -> None:
    """알림 아래 위젯의 경계가 글자의 가운데를 지나도 글자가 빈칸이 되지 않는다."""
    app = WizardApp()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await app.push_screen(_Columns(width))
        app.toast(KOREAN)
        await until_text(pilot, KOREAN)
        # 아래 열만 바뀌어 그 열의 자리만 다시 그릴 때에도.
        left = app.screen.query_one("#left").region
        compositor = app.screen._compositor
        compositor._dirty_regions = {left}
        update = compositor.render_partial_update()
        assert isinstance(update, ChopsUpdate)
        assert KOREAN in update.render_segments(app.console)


async def test_a_partial_update_does_not_halve_a_letter(tui_home: Path) -> None:
    """바뀐 자리의 오른쪽 끝이 글자의 가운데여도 그 글자를 다 그린다."""
    app = WizardApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until_text(pilot, "새 실행 시작")
        row = next(y for y, line in enumerate(shown(app).splitlines()) if "새 실행 시작" in line)
        compositor = app.screen._compositor
        for right in range(4, 16):
            compositor._dirty_regions = {Region(2, row, right - 2, 1)}
            update = compositor.render_partial_update()
            assert update is not None
            assert "새 실행 시작" in update.render_segments(app.console)


async def test_focus_comes_back_after_a_small_window(tui_home: Path) -> None:
    """작은 창의 알림이 사라진 뒤에 친 글이 있던 칸에 들어간다."""
    app = WizardApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(SymbolScreen(demo()))
        await pilot.press("tab", "tab", "tab", "/", "t")
        field = app.focused
        assert field is not None
        assert field.id == "file"
        await pilot.resize_terminal(59, 14)
        await until_text(pilot, "창이 작습니다")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: app.focused is field)
        await pilot.press("m")
        await until_text(pilot, "/tm")


async def test_a_screen_opened_in_a_small_window_has_a_focus_when_it_grows(
    tui_home: Path,
) -> None:
    app = WizardApp()
    async with app.run_test(size=(59, 14)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: screen_name(app) == "SymbolScreen")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: app.focused is not None and app.focused.id == "symbol-filter")


async def test_a_window_keeps_its_focus_too(tui_home: Path) -> None:
    app = WizardApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: screen_name(app) == "PaletteScreen")
        await pilot.resize_terminal(50, 10)
        await until_text(pilot, "창이 작습니다")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: app.focused is not None)
        await pilot.press("테")
        await until_text(pilot, "밝은 테마")


async def test_a_hint_that_does_not_fit_says_so(tui_home: Path) -> None:
    """빈 칸의 풀이는 들어가지 않으면 `…`로 끝나고, 창을 키우면 다 보인다."""
    app = WizardApp()
    async with app.run_test(size=(60, 15)) as pilot:
        await app.push_screen(SymbolScreen(demo()))
        await until(pilot, lambda: re.search(r"캔들 파일 +csv, csv.gz, parquet.*…", shown(app)))
        await pilot.resize_terminal(80, 24)
        await until_text(pilot, "csv, csv.gz, parquet, arrow, zip. 비우면 캐시와 거래소")


async def test_a_narrow_title_keeps_the_place(tui_home: Path) -> None:
    """머리줄이 좁으면 앞의 자리를 빼고 지금 자리를 다 보인다."""
    app = WizardApp()
    async with app.run_test(size=(60, 15)) as pilot:
        await app.push_screen(ParallelScreen(demo()))
        await until_text(pilot, "백테스트 마법사  /  전략과 병렬")
        await pilot.resize_terminal(80, 24)
        await until_text(pilot, "백테스트 마법사  /  새 실행  /  전략과 병렬")


async def test_only_the_last_toast_is_shown(tui_home: Path) -> None:
    """같은 알림을 거듭 부르거나 다른 알림이 와도 쌓여서 칸을 가리지 않는다."""
    app = WizardApp()
    async with app.run_test(size=(60, 15), notifications=True) as pilot:
        await until_text(pilot, "새 실행 시작")
        for text in ("첫 알림", "둘째 알림", "둘째 알림"):
            app.toast(text)
        await until_text(pilot, "둘째 알림")
        assert shown(app).count("둘째 알림") == 1
        assert "첫 알림" not in shown(app)


async def test_enter_stays_in_the_footer_on_a_choice(tui_home: Path) -> None:
    """값을 고르는 칸에서도 아래줄의 맨 앞은 다음 단계로 가는 Enter다."""
    app = WizardApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(ParallelScreen(demo()))
        await until_text(pilot, "미리 보기")
        await pilot.press("up")
        await until_text(pilot, "Space 바꾸기")
        line = shown(app).splitlines()[-1]
        assert line.index("Enter 다음") < line.index("Space 바꾸기")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "ReviewScreen")


@pytest.mark.parametrize("key", ["f9", "f4"])
async def test_no_key_to_the_screen_that_is_open(tui_home: Path, key: str) -> None:
    """열려 있는 화면을 여는 글쇠는 아래줄에 없다."""
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await until_text(pilot, "새 실행 시작")
        assert "F9 진단" in shown(app)
        await pilot.press(key)
        await until(pilot, lambda: screen_name(app) != "HomeScreen")
        await until(pilot, lambda: app.screen.query_one(KeyBar).children)
        name = {"f9": "F9 진단", "f4": "F4 설정"}[key]
        await until(pilot, lambda: name not in shown(app).splitlines()[-1])


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)])
async def test_progress_line_is_whole(tui_home: Path, size: tuple[int, int]) -> None:
    """진행의 줄은 잘린 글로 끝나지 않는다: 들어가지 않는 것은 통째로 빠지고, 남은 시간은 끝까지 남는다."""
    studies = [
        {"type": "study", "study": cell, "slug": "slug", "cell": cell, "storage": "sqlite:///x.db",
         "done": 0, "target": 3000, "symbol": "BINANCE:BTCUSDT"}
        for cell in ("1m@15m", "1m@1h")
    ]  # fmt: skip
    progress = [
        {"type": "progress", "study": cell, "done": 9, "target": 3000, "rate": 11.7, "eta_s": 250.0,
         "workers": 2}
        for cell in ("1m@15m", "1m@1h")
    ]  # fmt: skip
    trial = {"type": "trial", "study": "1m@15m", "number": 0, "state": "COMPLETE", "score": -13.0087,
             "is_best": True, "metrics": {}, "params": {}, "duration_ms": 1.0, "uid": "a"}  # fmt: skip
    folder = write_run(tui_home, "r", [*studies, trial, *progress])
    app = WizardApp()
    async with app.run_test(size=size) as pilot:
        await app.push_screen(RunScreen(folder))
        await until(pilot, lambda: re.search(r"4분 10초", shown(app)))
        lines = [line for line in shown(app).splitlines() if "/3,000" in line or "/6,000" in line]
        assert lines
        assert all(not line.rstrip().endswith("…") for line in lines)
        assert all("4분 10초" in line for line in lines)
        # 칸이 여럿이면 좁아도 어느 칸의 시행인지 보인다.
        assert "칸" in next(line for line in shown(app).splitlines() if "번호" in line)
