"""실행 화면을 글쇠만으로: 상태의 말, 거르기, 멈추기, 기록."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tui_kit import screen_name, shown, type_text, until, until_text, write_run

from tui import bridge
from tui.app import WizardApp
from tui.run_model import RunModel
from tui.screens.run import RunScreen
from tui.trial_view import SCORE_COLUMN
from tui.widgets.plots import BestSoFar, Canvas
from tui.widgets.trial_table import TrialTable

SIZE = (120, 40)
LIVE = 0  # 살아 있는 프로세스의 pid로 바꾼다


def hello(pid: int) -> dict[str, Any]:
    return {"type": "hello", "run_id": "r", "pid": pid, "host": bridge.host_name()}


def study(cell: str = "1m@15m", name: str = "s1", target: int = 100) -> dict[str, Any]:
    return {
        "type": "study", "study": name, "slug": "slug", "cell": cell, "storage": "sqlite:///x.db",
        "done": 0, "target": target, "symbol": "BINANCE:BTCUSDT",
    }  # fmt: skip


def trial(number: int, score: float | None, name: str = "s1", **changes: Any) -> dict[str, Any]:
    return {
        "type": "trial", "study": name, "number": number, "score": score,
        "state": "FAIL" if score is None else "COMPLETE", "params": {"kc_len": 20 + number},
        "metrics": {"net_profit_pct": (score or 0) * 10, "sharpe": score or 0, "trades": 100 + number},
        "duration_ms": 12.5, "is_best": False, "uid": f"{name}-{number}", **changes,
    }  # fmt: skip


def done(code: int, best: float | None = 1.5) -> dict[str, Any]:
    result = {"study": "s1", "slug": "slug", "n_complete": 3, "n_pruned": 0, "n_failed": 0,
              "best_value": best, "best_params": None if best is None else {"kc_len": 21}}  # fmt: skip
    return {"type": "done", "studies": [result], "exit_code": code}


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """실행인 척하는 프로세스."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(120)", "optimize.run"]
    )
    yield process
    process.kill()
    process.wait()


async def open_screen(pilot: Any, folder: Path) -> RunScreen:
    await until_text(pilot, "새 실행 시작")
    pilot.app.open_run(folder)
    await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
    screen = pilot.app.screen
    assert isinstance(screen, RunScreen)
    return screen


ERROR = {
    "type": "error",
    "title": "저장소가 [red]끊겼습니다",
    "cause": "첫 까닭\n둘째",
    "fix": "켜세요",
}


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([hello(LIVE)], ["준비 중", "실행을 준비합니다"]),
        ([hello(LIVE), study(), trial(0, 1.0)], ["진행 중", "시행 1개"]),
        ([hello(2**22 + 7), study()], ["끊김", "갑자기 끊겼습니다. F6"]),
        ([hello(2**22 + 7)], ["끊김", "준비하다가 갑자기 끊겼습니다"]),
        (
            [hello(1), study(), done(0)],
            ["완료", "최고 점수 1.5 (1m@15m)", "studies/slug/s1/best.yaml"],
        ),
        ([hello(1), study(), done(0, None)], ["완료", "조건을 만족한 시행이 없습니다"]),
        ([hello(1), study(), done(130)], ["멈춤", "F6을 누르면 남은 시행을 이어 갑니다"]),
        ([hello(1), study(), ERROR, done(3)], ["실패", "[red]끊겼습니다", "첫 까닭", "켜세요"]),
    ],
)
async def test_state_is_told_in_words(
    tui_home: Path,
    sleeper: subprocess.Popen[bytes],
    events: list[dict[str, Any]],
    words: list[str],
) -> None:
    first = {**events[0], "pid": events[0]["pid"] or sleeper.pid}
    folder = write_run(tui_home, "r", [first, *events[1:]])
    async with WizardApp().run_test(size=SIZE) as pilot:
        screen = await open_screen(pilot, folder)
        # 살아 있는지 적어도 한 번 본 뒤의 말이다.
        screen._check_alive()
        for word in words:
            await until_text(pilot, word)


async def test_sort_filter_detail_and_copy_by_keyboard(
    tui_home: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    rows = [trial(n, n / 10, constraints=[float(n == 9)]) for n in range(10)]
    rows += [trial(10, None, error="[bold]나눗셈"), trial(3, 9.0, "s2", is_best=True)]
    folder = write_run(tui_home, "r", [hello(sleeper.pid), study(), study("1m@1h", "s2"), *rows])
    app = WizardApp()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        screen = await open_screen(pilot, folder)
        table = screen.query_one(TrialTable)
        await until(pilot, lambda: len(table.view) == 12)
        # 칸이 둘이면 칸마다의 최고가 표로 보인다.
        await until_text(pilot, "칸마다의 최고 점수")
        await pilot.press("b")
        assert table.view.column == SCORE_COLUMN
        assert screen.model.trials[table.current or 0].score == 9.0
        await pilot.press("slash")
        await type_text(pilot, "1m@15m 완료 거래>=105")
        await until_text(pilot, "시행 12개 가운데 4개")
        await pilot.press("enter", "down")
        assert screen.model.trials[table.current or 0].number == 7
        await pilot.press("enter")
        await until_text(pilot, "시행 7 (1m@15m)")
        await until_text(pilot, "kc_len")
        await pilot.press("c")
        assert app.clipboard == "kc_len: 27\n"
        await pilot.press("escape", "slash")
        await type_text(pilot, " 점수>")
        await until_text(pilot, "읽을 수 없는 조건: 점수>")
        # 시행이 들어와도 그 말은 남는다.
        with (folder / "events.ndjson").open("a", encoding="utf-8") as file:
            file.write(json.dumps(trial(11, 0.1)) + "\n")
        await until(pilot, lambda: len(screen.model.trials) == 13)
        await until_text(pilot, "읽을 수 없는 조건: 점수>")
        await pilot.press("escape")
        await until_text(pilot, "시행 13개")
        # 열을 옮기며 정렬하고 뒤집는다.
        await pilot.press("right")
        await until_text(pilot, "순이익% 큰 것부터")
        await pilot.press("i")
        await until_text(pilot, "순이익% 작은 것부터")
        # 실패한 시행의 까닭은 markup으로 읽지 않는다.
        await pilot.press("slash")
        await type_text(pilot, "실패")
        await pilot.press("enter", "enter")
        await until_text(pilot, "[bold]나눗셈")


async def test_pause_keeps_collecting(tui_home: Path, sleeper: subprocess.Popen[bytes]) -> None:
    folder = write_run(tui_home, "r", [hello(sleeper.pid), study(), trial(0, 1.0)])
    async with WizardApp().run_test(size=SIZE) as pilot:
        screen = await open_screen(pilot, folder)
        await until_text(pilot, "시행 1개")
        await pilot.press("space")
        await until_text(pilot, "보기 멈춤: 실행은 계속됩니다")
        with (folder / "events.ndjson").open("a", encoding="utf-8") as file:
            file.write(json.dumps(trial(1, 2.0)) + "\n")
        await until(pilot, lambda: len(screen.model.trials) == 2)
        assert len(screen.query_one(TrialTable).view) == 1
        await pilot.press("space")
        await until_text(pilot, "시행 2개")


async def test_stop_asks_then_interrupts(tui_home: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """Esc는 멈추지 않고, Enter는 Ctrl-C와 같은 신호를 보낸다. 자판이 한글이어도 듣는다."""
    folder = write_run(tui_home, "r", [hello(sleeper.pid), study()])
    async with WizardApp().run_test(size=SIZE, notifications=True) as pilot:
        await open_screen(pilot, folder)
        await until_text(pilot, "진행 중")
        await pilot.press("ㅌ")
        await until_text(pilot, "실행을 멈출까요?")
        await pilot.press("escape")
        # 바쁜 컴퓨터에서는 아직 닫히지 않은 물음이 다음 글쇠를 삼킨다.
        await until(pilot, lambda: "실행을 멈출까요?" not in shown(pilot.app))
        assert sleeper.poll() is None
        await pilot.press("x")
        await until_text(pilot, "실행을 멈출까요?")
        await pilot.press("enter")
        await until(pilot, lambda: sleeper.poll() == -signal.SIGINT)
        await until_text(pilot, "끊김")
        await until_text(pilot, "끝난 시행이 없습니다")
        assert "x 멈추기" not in shown(pilot.app)


async def test_unfinished_run_goes_on_to_the_same_target(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """끊긴 실행은 F6으로 같은 목표까지 잇는다: 목표를 늘리라고 하지 않는다. 앞선 최고는 없다고 하지 않는다."""
    asked: list[tuple[Path, int]] = []

    def extend(folder: Path, target: int) -> Path:
        asked.append((folder, target))
        return again

    monkeypatch.setattr("tui.studies_commands.extend_run", extend)
    progress = {
        "type": "progress",
        "study": "s1",
        "done": 40,
        "target": 100,
        "rate": 1.0,
        "eta_s": 9.0,
    }
    folder = write_run(tui_home, "r", [hello(2**22 + 7), study(), progress])
    again = write_run(
        tui_home, "r2", [hello(2**22 + 7), {**study(), "best_value": 7.5}, trial(0, 1.0)]
    )
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await open_screen(pilot, folder)
        await until_text(pilot, "끊김")
        assert "남은 시간" not in shown(app)
        await pilot.press("f6")
        await until_text(pilot, "목표 100개 가운데 40개까지")
        await pilot.press("ctrl+u", "4", "0", "enter")
        await until_text(pilot, "40보다 큰 수를 적어 주세요")
        await pilot.press("ctrl+u", "1", "0", "0", "enter")
        await until_text(pilot, "앞선 실행의 최고 7.5")
    assert asked == [(folder, 100)]


async def test_run_that_ended_before_its_first_event(tui_home: Path) -> None:
    """사건을 적지 못하고 끝난 실행은 준비 중이라 하지 않고, 기록에 남은 까닭을 말한다."""
    folder = tui_home / "studies" / "slug" / "runs" / "r"
    folder.mkdir(parents=True)
    log = folder / "run.log"
    log.write_text(
        "오류: 기록할 수 없습니다\n  원인: 디스크가 [b]찼습니다\n  해결: 비우세요\n",
        encoding="utf-8",
    )
    os.utime(log, (1e9, 1e9))
    async with WizardApp().run_test(size=SIZE) as pilot:
        await open_screen(pilot, folder)
        for words in ("실행이 실패했습니다: 기록할 수 없습니다", "디스크가 [b]찼습니다", "실패"):
            await until_text(pilot, words)
        assert "준비" not in shown(pilot.app)


async def test_leaving_says_the_run_goes_on(
    tui_home: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    folder = write_run(tui_home, "r", [hello(sleeper.pid), study()])
    app = WizardApp()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_screen(pilot, folder)
        await until_text(pilot, "진행 중")
        await pilot.press("q")
        await until(pilot, lambda: screen_name(app) == "HomeScreen")
        await until_text(pilot, "실행은 계속됩니다")
        assert sleeper.poll() is None


async def test_log_shows_warnings_and_masks_secrets(tui_home: Path) -> None:
    warning = {"type": "warning", "title": "[b]경고[/b]", "cause": "까닭 하나", "fix": "해결 하나"}
    folder = write_run(tui_home, "r", [hello(1), study(), warning])
    (folder / "run.log").write_text("postgresql://u:p4ssw0rd@h/d\n\x1b[2J끝줄\n", encoding="utf-8")
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await open_screen(pilot, folder)
        await until_text(pilot, "경고 1개")
        await pilot.press("l")
        for text in ("[b]경고[/b]", "까닭 하나", "해결 하나", "끝줄"):
            await until_text(pilot, text)
        await pilot.press("c")
        assert "p4ssw0rd" not in app.clipboard + shown(app)


async def test_plots_toggle_and_small_window(tui_home: Path) -> None:
    rows = [trial(n, float(n % 17) - n / 50, is_best=n == 16) for n in range(200)]
    folder = write_run(tui_home, "r", [hello(1), study(), *rows])
    async with WizardApp().run_test(size=(80, 24), notifications=True) as pilot:
        await open_screen(pilot, folder)
        await until_text(pilot, "시행 200개")
        assert "시행마다의 점수" not in shown(pilot.app)
        await pilot.press("v")
        await until_text(pilot, "그때까지의 최고 15.68")
        await until_text(pilot, "200번째")
        assert any(0x2800 < ord(char) < 0x2900 for char in shown(pilot.app))
        await pilot.resize_terminal(60, 15)
        await until(pilot, lambda: pilot.app.screen.query(".-cramped"))
        assert "시행마다의 점수" not in shown(pilot.app)
        await pilot.press("v", "v")
        await until_text(pilot, "그림을 둘 자리가 없습니다")


@pytest.mark.parametrize(
    ("size", "plots", "lines"), [((60, 15), False, 8), ((80, 24), True, 6), ((100, 30), True, 7)]
)
async def test_rows_stay_when_four_cells_have_finished(
    tui_home: Path, size: tuple[int, int], plots: bool, lines: int
) -> None:
    """칸 넷의 진행과 맺음말과 그림이 함께 있어도 시행의 줄이 남는다. 자리가 없으면 그림이 물러난다."""
    cells = ("1m@15m", "1m@1h", "5m@1h", "15m@4h")
    heads = [study(cell, cell, 20) for cell in cells]
    rows = [trial(n, float(n), cell, is_best=True) for n in range(20) for cell in cells]
    states = [
        {"type": "progress", "study": cell, "done": 20, "target": 20, "rate": 0.0, "eta_s": 0.0}
        for cell in cells
    ]
    folder = write_run(tui_home, "r", [hello(1), *heads, *rows, *states, done(0, 19.0)])
    async with WizardApp().run_test(size=size) as pilot:
        await open_screen(pilot, folder)
        await until_text(pilot, "시행 80개")
        if plots:
            await pilot.press("v")
            await until_text(pilot, "시행마다의 점수")
        screen = shown(pilot.app)
        assert len(re.findall(r"^ *>? +\d+ .*완료 ", screen, re.MULTILINE)) == lines
        assert ("칸 4개" in screen) == (size[1] < 20)
        assert ("80/80" in screen) == (size[1] < 20)


def test_plot_glyphs_are_one_cell_everywhere() -> None:
    """점자는 너비가 애매하지 않다. 찍은 점은 제자리의 비트가 된다."""
    import unicodedata

    assert {unicodedata.east_asian_width(chr(code)) for code in range(0x2800, 0x2900)} == {"N"}
    canvas = Canvas(2, 1)
    for x, y in ((0, 0), (1, 3), (2, 1)):
        canvas.dot(x, y, 0)
    assert canvas.row(0) == [("\u2881\u2802", 0)]


def test_best_so_far_is_the_running_maximum() -> None:
    from test_trial_view import feed, trial_event

    model = RunModel()
    feed(model, bridge.StudyEvent("s", "s", "1m", "x", 0, 9))
    best = BestSoFar()
    scores = [3.0, 1.0, None, 7.0, 9.0, 8.0, 10.0]
    for number, score in enumerate(scores):
        # 9점은 조건을 어겼다.
        feed(model, trial_event(number, score, constraints=[1.0] if score == 9.0 else []))  # type: ignore[arg-type]
        best.update(model)
    assert best.steps == [(0, 3.0), (3, 7.0), (5, 8.0), (6, 10.0)]


async def test_run_that_cannot_continue_points_to_a_new_study(tui_home: Path) -> None:
    """설정이 달라 이을 수 없는 실패에는, 또 실패할 F6이 아니라 새 스터디의 이름을 적을 자리를 댄다."""
    error = {
        "type": "error",
        "title": "스터디 's1'을(를) 이 설정으로 이을 수 없습니다",
        "cause": "달라진 것",
        "fix": "새 스터디를 만드세요:\n--study-name s1_2",
    }
    folder = write_run(tui_home, "r", [hello(1), study(), error, done(5, None)])
    async with WizardApp().run_test(size=SIZE) as pilot:
        await open_screen(pilot, folder)
        await until_text(pilot, "새 실행의 4단계에서 스터디 이름을 적습니다")
        assert "F6 이어서 실행" not in shown(pilot.app)


async def test_a_long_record_is_not_called_broken_while_it_is_read(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """끝난 큰 실행을 열면, 끝났다는 말을 읽기 전까지 '끊김'이 아니라 읽는 중이다."""
    from tui.event_tail import EventTail

    read = EventTail.read

    def slow(tail: EventTail) -> Any:
        located = read(tail)
        time.sleep(0.8 if located else 0)
        return located

    monkeypatch.setattr(EventTail, "read", slow)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    rows = [trial(n, 1.0, blocks="A" * 4000) for n in range(150)]
    folder = write_run(tui_home, "r", [hello(gone.pid), study(), *rows, done(0)])
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await open_screen(pilot, folder)
        seen: list[str] = []

        def ended() -> bool:
            seen.append(shown(app))
            return "끝났습니다" in seen[-1]

        await until(pilot, ended)
        assert any("기록을 읽는 중" in text for text in seen)
        assert not any("끊" in text for text in seen)
