"""앱의 뼈대: 글쇠만으로 여닫기, 도움말, 명령 목록, 설정, 오류 창, 크기, 시작의 가벼움."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from textual.events import Paste
from textual.widgets import Input
from tui_kit import SIZES, screen_name, shown, type_text, until, until_text, write_run

from tui.app import WizardApp
from tui.draft import Draft, StorageChoice
from tui.problem import Problem
from tui.screens.wizard_base import StepScreen
from tui.screens.wizard_parallel import ParallelScreen
from tui.widgets.chrome import KeyBar
from tui.widgets.fields import TextField
from tui.widgets.row_table import RowTable


async def test_home_says_what_to_do_when_empty(tui_home: Path) -> None:
    async with WizardApp().run_test(size=(80, 24)) as pilot:
        await until_text(pilot, "아직 실행이 없습니다")
        assert "새 실행 시작" in shown(pilot.app)


async def test_hangul_layout_opens_the_wizard(tui_home: Path) -> None:
    """자판이 한글이면 n이 ㅜ로 온다."""
    async with WizardApp().run_test() as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("ㅜ")
        await until(pilot, lambda: screen_name(pilot.app) == "SymbolScreen")
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(pilot.app) == "HomeScreen")


async def test_help_shows_the_focused_widget_first(tui_home: Path) -> None:
    async with WizardApp().run_test(size=(100, 45)) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("f1")
        await until(pilot, lambda: screen_name(pilot.app) == "HelpScreen")
        text = shown(pilot.app)
        assert text.index("지금 칸의 글쇠") < text.index("이 화면의 글쇠") < text.index("어디서나")
        assert "한 줄 위로 갑니다" in text
        await pilot.press("f1")
        await until(pilot, lambda: screen_name(pilot.app) == "HomeScreen")


async def test_palette_finds_by_initials_and_runs(tui_home: Path) -> None:
    """초성 'ㅌㅁ'로 테마 명령을 찾아 실행하면 테마가 바뀌고 다음 시작에도 이어진다."""
    async with WizardApp().run_test() as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: screen_name(pilot.app) == "PaletteScreen")
        await type_text(pilot, "ㅌㅁ")
        await until_text(pilot, "밝은 테마와 어두운 테마")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.theme == "wizard-light")
    assert WizardApp().theme == "wizard-light"


async def test_every_palette_command_runs(tui_home: Path) -> None:
    """처음 화면과 마법사의 한 단계에서, 명령 목록의 모든 명령을 이름으로 찾아 실행한다."""
    app = WizardApp()
    draft = Draft("DEMO:BTCUSDT", "1m@15m", picked="DEMO:BTCUSDT", storage=StorageChoice("sqlite"))
    async with app.run_test(size=SIZES[1]) as pilot:
        await until_text(pilot, "새 실행 시작")
        for make in (None, ParallelScreen):
            if make is not None:
                await app.push_screen(make(draft))
                await pilot.pause()
            depth, screen = len(app.screen_stack), app.screen
            for command in list(app._available(screen)):
                if command.id == "app.quit":
                    continue
                await pilot.press("ctrl+p")
                await until(pilot, lambda: screen_name(app) == "PaletteScreen")
                app.screen.query_one("#palette-query", Input).value = command.label
                table = app.screen.query_one(RowTable)
                await until(pilot, lambda table=table, label=command.label: table.current
                            and table.current.cells[0] == label)  # fmt: skip
                await pilot.press("enter")
                await until(pilot, lambda: screen_name(app) != "PaletteScreen")
                assert app.is_running, command
                while len(app.screen_stack) > depth:
                    app.pop_screen()
                    await pilot.pause()
                if screen not in app.screen_stack:
                    await app.push_screen(screen := make(draft))  # type: ignore[misc]
            while len(app.screen_stack) > 2:
                app.pop_screen()


async def test_settings_by_keyboard_are_kept(tui_home: Path) -> None:
    async with WizardApp().run_test(size=(100, 30)) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("f4")
        await until_text(pilot, "설정 파일")
        await pilot.press("down", "right", "down", "right")
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(pilot.app) == "HomeScreen")
    kept = json.loads((tui_home / "screen.json").read_text(encoding="utf-8"))
    assert (kept["density"], kept["mouse"], kept["theme"]) == ("compact", False, "dark")


async def test_error_modal_never_parses_markup_and_copies(tui_home: Path) -> None:
    app = WizardApp()
    async with app.run_test() as pilot:
        await until_text(pilot, "새 실행 시작")
        app.show_problem(
            Problem("[b]제목[/b]\x1b[2J", "원인 [red]x[/red] [/", "고치기: [link='x']")
        )
        await until(pilot, lambda: screen_name(app) == "ErrorScreen")
        await pilot.pause()
        text = shown(app)
        assert "[b]제목[/b]" in text
        assert "[red]x[/red] [/" in text
        assert "고치기: [link='x']" in text
        await pilot.press("ㅊ")
        await until(pilot, lambda: "원인: 원인 [red]x" in app.clipboard)
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(app) == "HomeScreen")


async def test_small_window_says_so_and_comes_back(tui_home: Path) -> None:
    async with WizardApp().run_test(size=(80, 24)) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.resize_terminal(50, 12)
        await until_text(pilot, "창이 작습니다")
        assert "60칸 15줄" in shown(pilot.app)
        assert "50칸 12줄" in shown(pilot.app)
        await pilot.resize_terminal(60, 15)
        await until_text(pilot, "새 실행 시작")
        assert "창이 작습니다" not in shown(pilot.app)
        # 창이 떠 있어도 비켜서 알린다.
        await pilot.press("f1")
        await until_text(pilot, "이 화면의 글쇠")
        await pilot.resize_terminal(40, 10)
        await until_text(pilot, "창이 작습니다")
        assert "이 화면의 글쇠" not in shown(pilot.app)


async def test_home_lists_runs_and_opens_one(tui_home: Path, opened: list[Path]) -> None:
    """끝난 실행이 상태·진행·점수와 함께 보이고, 글쇠만으로 연다."""
    study = {
        "type": "study", "study": "s", "slug": "slug", "cell": "1m@15m", "storage": "x", "done": 0,
        "target": 500, "symbol": "DEMO:BTCUSDT", "is_demo": True,
    }  # fmt: skip
    done = {
        "type": "done", "exit_code": 0,
        "studies": [{"study": "s", "slug": "slug", "n_complete": 500, "n_pruned": 0,
                     "n_failed": 0, "best_value": 1.2345, "best_params": {}}],
    }  # fmt: skip
    folder = write_run(tui_home, "a", [{"type": "hello", "run_id": "a", "pid": 1}, study, done])
    async with WizardApp().run_test(size=(120, 40)) as pilot:
        await until_text(pilot, "지난 실행")
        text = shown(pilot.app)
        for part in ("DEMO:BTCUSDT (합성 데모)", "1m@15m", "완료", "500/500", "1.234"):
            assert part in text, part
        await pilot.press("down", "enter")
        await until(pilot, lambda: opened == [folder])


def _step_screens() -> list[type[StepScreen]]:
    from tui.screens.wizard_grid import GridScreen
    from tui.screens.wizard_parallel import ParallelScreen
    from tui.screens.wizard_review import ReviewScreen
    from tui.screens.wizard_storage import StorageScreen
    from tui.screens.wizard_symbol import SymbolScreen

    return [SymbolScreen, GridScreen, StorageScreen, ParallelScreen, ReviewScreen]


async def test_every_key_on_every_step_is_named_and_the_footer_fits(tui_home: Path) -> None:
    """초점을 차례로 옮기며: 모든 글쇠에 id와 한국어 도움말이 있고, 어느 크기에서도 아래줄이 잘리지 않는다."""
    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        await until_text(pilot, "새 실행 시작")
        for screen in _step_screens():
            await app.push_screen(screen(Draft("DEMO:BTCUSDT", "1m@15m", picked="DEMO:BTCUSDT")))
            for _ in range(len(app.screen.focus_chain) + 1):
                for active in app.screen.active_bindings.values():
                    binding = active.binding
                    if binding.action.startswith(("scroll_", "page_", "screen.copy_text")):
                        continue  # Textual의 굴리기 글쇠는 도움말에 보이지 않는다
                    assert binding.id, binding
                    assert any("가" <= letter <= "힣" for letter in binding.tooltip), binding
                await pilot.press("tab")
            for width, height in SIZES:
                await pilot.resize_terminal(width, height)
                await until(pilot, lambda: "F1 도움말" in shown(app).splitlines()[-1])
                keys = list(app.screen.query_one(KeyBar).children)
                assert keys[-1].region.right <= width
                assert "Esc 뒤로" in shown(app).splitlines()[-1]


async def test_terminal_cursor_sits_on_the_caret(tui_home: Path) -> None:
    """조합 중인 한글이 그려지는 단말기 커서가 글이 이어질 칸에 있다(글의 끝에서도)."""
    app = WizardApp()
    async with app.run_test() as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("f2")
        await until(pilot, lambda: screen_name(app) == "SymbolScreen")
        await type_text(pilot, "한글a")
        field = app.screen.query_one("#symbol-filter", TextField)
        await until(pilot, lambda: field.value == "한글a")
        assert app.cursor_position.x == field.content_region.x + 5
        assert not field.cursor_blink
        await pilot.press("left", "left")
        await until(pilot, lambda: app.cursor_position.x == field.content_region.x + 2)
        # 칸보다 긴 글은 굴러가고, 커서는 굴러간 자리에 있다.
        field.value = "가나다라마바사아자차카타파하" * 3
        await pilot.press("end")
        await until(pilot, lambda: app.cursor_position.x == field.content_region.right - 1)
        await pilot.press("home")
        await until(pilot, lambda: app.cursor_position.x == field.content_region.x)


async def test_unexpected_error_leaves_a_masked_record(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """예상 밖의 오류는 비밀번호를 가린 기록을 남기고 한국어 한 문장과 exit code 5로 끝난다."""
    messages: list[str] = []
    leave = WizardApp.exit

    def watched(app: WizardApp, *args: object, **kwargs: object) -> None:
        messages.append(str(kwargs.get("message", "")))
        leave(app, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(WizardApp, "exit", watched)
    app = WizardApp()

    def boom() -> None:
        raise RuntimeError("postgresql://u:canary-secret@h/db")

    async def crash() -> None:
        async with app.run_test() as pilot:
            await until_text(pilot, "새 실행 시작")
            app.call_later(boom)
            await until(pilot, lambda: app.return_code == 5)

    with pytest.raises(RuntimeError):
        await crash()
    records = list((tui_home / "studies" / ".logs").glob("crash-*.log"))
    assert len(records) == 1
    assert "canary-secret" not in records[0].read_text(encoding="utf-8")
    assert "boom" in records[0].read_text(encoding="utf-8")
    assert "예상하지 못한 오류" in messages[0]
    assert "canary-secret" not in messages[0]


async def test_broken_config_is_told_in_korean(tui_home: Path) -> None:
    (tui_home / "config").mkdir()
    (tui_home / "config" / "params.yaml").write_text("search:\n  n_trails: 5\n", encoding="utf-8")
    async with WizardApp().run_test(size=(100, 30)) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(pilot.app) == "ErrorScreen")
        await until_text(pilot, "search.n_trials")


def test_start_is_light(tui_home: Path) -> None:
    """첫 화면까지 무거운 것은 아무것도 import하지 않는다."""
    code = (
        "import asyncio,sys\n"
        "from tui import environment; environment.prepare()\n"
        "from tui.app import WizardApp\n"
        "async def go():\n"
        "    async with WizardApp().run_test() as pilot: await pilot.pause(0.2)\n"
        "asyncio.run(go())\n"
        "heavy={'optuna','numba','numpy','pandas','pyarrow','sqlalchemy','pydantic','psycopg2',"
        "'yaml','httpx','loky'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"


def test_not_a_terminal_is_refused_in_korean(tui_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tui"], stdin=subprocess.DEVNULL, capture_output=True,
        encoding="utf-8", env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "단말기에서 열어야" in done.stderr


async def test_home_reads_runs_off_the_loop(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """폴더를 훑는 동안 화면이 멎지 않는다."""
    from tui.screens import home

    release, entered = threading.Event(), threading.Event()

    def slow(_folder: Path) -> list[object]:
        entered.set()
        release.wait(10)
        return []

    monkeypatch.setattr(home, "list_runs", slow)
    app = WizardApp()
    async with app.run_test() as pilot:
        await until(pilot, entered.is_set)
        await pilot.press("f1")
        await until(pilot, lambda: screen_name(app) == "HelpScreen")
        release.set()


async def test_toasts_are_plain_and_ctrl_c_tells_how_to_leave(tui_home: Path) -> None:
    """짧은 알림도 markup을 읽지 않고 화면에 다 들어간다."""
    app = WizardApp()
    async with app.run_test(size=(60, 15), notifications=True) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("ctrl+c")
        await until_text(pilot, "F10 또는 Ctrl+Q")
        app.toast("이름 [red]x[/] [/", severity="warning")
        await until_text(pilot, "이름 [red]x[/] [/")
        assert app.is_running


async def test_typing_in_a_field_does_not_trigger_letter_keys(tui_home: Path) -> None:
    """글 칸에서 q·ㅂ은 글자다."""
    app = WizardApp()
    async with app.run_test() as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("f2")
        await until(pilot, lambda: screen_name(app) == "SymbolScreen")
        await type_text(pilot, "qㅂn")
        field = app.screen.query_one("#symbol-filter", Input)
        await until(pilot, lambda: field.value == "qㅂn")
        assert screen_name(app) == "SymbolScreen"


async def test_pasted_text_is_one_clean_line_and_passwords_stay_in(tui_home: Path) -> None:
    """여러 줄과 escape를 붙여 넣어도 한 줄의 글이고, 가린 칸은 너비가 정해진 글자로 가리며 복사되지 않는다."""
    app = WizardApp()
    async with app.run_test() as pilot:
        await until_text(pilot, "새 실행 시작")
        grid = TextField(joint=",", id="a")
        secret = TextField(password=True, id="b")
        await app.screen.query_one("#body").mount(grid, secret)
        grid.focus()
        await pilot.pause()
        grid.post_message(Paste("\n 1m@15m\r\n\x1b[31m1m@1h \n"))
        await until(pilot, lambda: grid.value == "1m@15m,1m@1h")
        secret.focus()
        await type_text(pilot, "비번a")
        await until_text(pilot, " *** ")
        assert app.cursor_position.x == secret.content_region.x + 3
        await pilot.press("ctrl+shift+a", "ctrl+c")
        await pilot.press("ctrl+x")
        await until(pilot, lambda: secret.value == "")
        assert app.clipboard == ""


def test_dumb_terminal_is_refused_in_korean(tui_home: Path) -> None:
    """화면을 그릴 수 없는 단말기를 escape로 어지럽히지 않는다(진짜 pty)."""
    import pty

    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "tui"], stdin=slave, stdout=slave, stderr=subprocess.PIPE,
        encoding="utf-8", env={**os.environ, "TERM": "dumb"}, timeout=60,
    )  # fmt: skip
    os.close(slave)
    os.close(master)
    assert done.returncode == 2
    assert "TERM=dumb" in done.stderr
