"""화면을 띄우지 않는 것들: 한글, 칸 수, 설정 파일, 명령, 테마, 실행 훑기."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from tui_kit import write_run

from tui import environment, processes, state
from tui.cells import cut, fit, plain, wrap
from tui.commands import Command, key_name
from tui.hangul import as_letters, initials, jamo_of, matches
from tui.runs import expected_seconds, list_runs, summarize
from tui.theme import DARK, LIGHT

TEXT = st.text(alphabet=st.sampled_from("가나힣 abcＷ한글…·12\u0301"), max_size=40)


@given(TEXT, st.integers(0, 30))
@settings(deadline=None, max_examples=200)
def test_fit_is_exact_in_cells(text: str, width: int) -> None:
    """한글이 섞여도 늘 정확히 그 칸 수이고, 잘린 글은 `…`로 끝난다."""
    assert cell_len(fit(text, width)) == width
    shortened = cut(text, width)
    assert cell_len(shortened) <= width
    if width and shortened != text:
        assert shortened.endswith("…")


@given(st.lists(st.sampled_from(["가나다", "word", "x" * 30]), max_size=8), st.integers(4, 20))
@settings(deadline=None, max_examples=100)
def test_wrap_keeps_every_letter_and_the_width(words: list[str], width: int) -> None:
    text = " ".join(words)
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_plain_removes_terminal_escapes() -> None:
    """바깥에서 온 글은 화면을 움직이거나 제목을 바꾸지 못한다."""
    hostile = "이름\x1b[2J\x1b]0;title\x07\x1b[31m빨강\r\n다음\x00\x9b5m"
    assert plain(hostile) == "이름빨강 다음"
    # 너비가 애매한 부호는 단말기마다 한 칸이거나 두 칸이다.
    assert plain("kc·avg · mod → 2×3 • “x”") == 'kc, avg, mod -> 2x3 * "x"'


def test_jamo_share_their_keys_and_initials_find() -> None:
    assert [jamo_of(key) for key in "qndP"] == ["ㅂ", "ㅜ", "ㅇ", "ㅖ"]
    assert jamo_of("f1") is None
    assert initials("비트코인 BTC") == "ㅂㅌㅋㅇ BTC"
    assert matches("ㅂㅌ btc", "BINANCE:BTCUSDT 비트코인")
    assert matches("ㅂㅌ코", "비트코인")
    assert matches("트ㅋ", "비트코인")
    assert not matches("ㅇㄷ", "비트코인")
    assert not matches("비트코인2", "비트코인")


@pytest.mark.parametrize(
    ("typed", "letters"),
    [("ㅠㅅㅊ", "btc"), ("ㄷ소", "eth"), ("내ㅣ", "sol"), ("ㅠㅑㅜ뭋ㄷ:ㅠㅅㅊㅕㄴㅇㅅ.ㅔ", "binance:btcusdt.p"),
     ("1ㅡ@15ㅡ", "1m@15m"), ("뚫", "Enfg"), ("과ㅢ", "rhkml"), ("abc 1", "abc 1")],
)  # fmt: skip
def test_hangul_typed_for_latin_is_read_back(typed: str, letters: str) -> None:
    """한글 자판이 켜진 줄 모르고 친 글: 조합된 음절과 겹낱자까지."""
    assert as_letters(typed) == letters


def test_command_gives_every_face() -> None:
    """정의 하나에서 글쇠(자모까지), 아래줄의 말, 도움말, id가 나온다."""
    command = Command("a.b", "f2,n", "go", "새 실행", "새 실행을 시작합니다")
    binding = command.binding()
    assert binding.key == "f2,n,ㅜ"
    assert (binding.id, binding.description, binding.tooltip) == (
        "a.b",
        "새 실행",
        "새 실행을 시작합니다",
    )
    assert [key_name(key) for key in ("f10", "ctrl+p", "escape", "up", "c")] == [
        "F10",
        "Ctrl+P",
        "Esc",
        "위",
        "c",
    ]


def test_settings_survive_and_forgive(tmp_path: Path) -> None:
    """쓴 대로 읽히고, 깨진 파일·틀린 칸·쓸 수 없는 자리는 기본값으로 이어진다."""
    path = tmp_path / "deep" / "screen.json"
    wanted = state.Settings(theme="light", mouse=False).with_recent("BINANCE:BTCUSDT")
    assert state.save_settings(wanted, path)
    assert state.load_settings(path) == wanted
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    for broken in ("{", "[]", '{"theme": 3, "density": "x", "recent_symbols": "a"}', ""):
        path.write_text(broken, encoding="utf-8")
        assert state.load_settings(path) == state.Settings()
    (tmp_path / "file").write_text("")
    assert not state.save_settings(wanted, tmp_path / "file" / "screen.json")


def test_recent_symbols_are_newest_first_without_repeats() -> None:
    settings_ = state.Settings()
    for name in [*"ABCDEFGHIJ", "C"]:
        settings_ = settings_.with_recent(name)
    assert settings_.recent_symbols[:3] == ("C", "J", "I")
    assert len(settings_.recent_symbols) == state.RECENT_LIMIT


def _luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_theme_contrast(theme: object) -> None:
    """본문은 7:1, 상태와 흐린 글은 4.5:1 이상(WCAG 2.2의 상대 휘도)."""
    grounds = [theme.background, theme.surface, theme.panel]  # type: ignore[attr-defined]
    extra = theme.variables  # type: ignore[attr-defined]
    for ground in grounds:
        assert _contrast(theme.foreground, ground) >= 7  # type: ignore[attr-defined]
        for color in (theme.success, theme.warning, theme.error, theme.primary, extra["muted"]):  # type: ignore[attr-defined]
            assert _contrast(color, ground) >= 4.5
    assert _contrast(extra["cursor-text"], extra["cursor"]) >= 7
    assert _contrast(extra["badge-text"], extra["badge"]) >= 7


def test_no_color_reaches_the_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual이 NO_COLOR를 지워도 자식은 받는다. 사용자가 정한 kitty 설정은 그대로다."""
    monkeypatch.setattr(environment, "_remembered", {})
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv(environment.KITTY_ENV, "0")
    environment.prepare()
    monkeypatch.delenv("NO_COLOR")
    assert environment.child_environment()["NO_COLOR"] == "1"
    assert os.environ[environment.KITTY_ENV] == "0"


# ── 실행 훑기

STUDY = {
    "type": "study", "study": "s1", "slug": "slug", "cell": "1m@15m", "storage": "sqlite",
    "done": 0, "target": 10, "symbol": "DEMO:BTCUSDT", "is_demo": True,
}  # fmt: skip
PROGRESS = {"type": "progress", "study": "s1", "done": 4, "target": 10, "rate": 1.0, "eta_s": 6.0}
TRIAL = {
    "type": "trial", "study": "s1", "number": 3, "state": "COMPLETE", "score": 2.5, "metrics": {},
    "params": {}, "duration_ms": 1.0, "is_best": True,
}  # fmt: skip


def _hello(pid: int) -> dict[str, object]:
    return {"type": "hello", "run_id": "r", "pid": pid}


def _done(code: int) -> dict[str, object]:
    result = {
        "study": "s1", "slug": "slug", "n_complete": 9, "n_pruned": 0, "n_failed": 1,
        "best_value": 3.5, "best_params": {},
    }  # fmt: skip
    return {"type": "done", "studies": [result], "exit_code": code}


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(("code", "expected"), [(0, "done"), (130, "interrupted"), (5, "failed")])
def test_finished_run(tui_home: Path, code: int, expected: str) -> None:
    folder = write_run(tui_home, "a", [_hello(1), STUDY, TRIAL, PROGRESS, _done(code)])
    run = summarize(folder)
    assert run is not None
    assert (run.state, run.done, run.target, run.best) == (expected, 10, 10, 3.5)


def test_living_and_dead_runs_are_told_apart(tui_home: Path) -> None:
    """pid가 살아 있고 우리 명령이어야 진행 중이다. 되쓰인 pid(이 시험 자신)는 끊긴 것이다."""
    code = "import time; time.sleep(60)  # optimize"
    living = subprocess.Popen([sys.executable, "-c", code])
    try:
        write_run(tui_home, "3-living", [_hello(living.pid), STUDY, TRIAL, PROGRESS])
        write_run(tui_home, "2-dead", [_hello(_dead_pid()), STUDY, PROGRESS])
        write_run(tui_home, "1-reused", [_hello(os.getppid()), STUDY])
        found = {run.run_id: run for run in list_runs(tui_home / "studies")}
    finally:
        living.kill()
        living.wait()
    states = {name: run.state for name, run in found.items()}
    assert states == {"3-living": "running", "2-dead": "dead", "1-reused": "dead"}
    run = found["3-living"]
    assert (run.done, run.target, run.best, run.is_demo) == (4, 10, 2.5, True)
    assert run.cells == ("1m@15m",)


def test_progress_is_found_behind_long_trials(tui_home: Path) -> None:
    """스터디마다의 마지막 진행이 뒤의 64 KB 밖에 있어도 끝난 시행의 수가 뒤로 가지 않는다."""
    other = {**STUDY, "study": "s2", "cell": "1m@1h"}
    long = [{**TRIAL, "number": n, "is_best": False, "blocks": "A" * 3000} for n in range(40)]
    run = summarize(
        write_run(
            tui_home,
            "a",
            [
                _hello(1),
                STUDY,
                other,
                *long,
                PROGRESS,
                {**PROGRESS, "study": "s2", "done": 3},
                *long,
            ],
        )
    )
    assert run is not None
    assert (run.done, run.target) == (7, 20)


def test_torn_and_foreign_lines_are_skipped(tui_home: Path) -> None:
    folder = write_run(tui_home, "a", [_hello(1), {"type": "from_the_future"}, STUDY, _done(0)])
    events = folder / "events.ndjson"
    events.write_text("\x00garbage\n" + events.read_text() + '{"type":"tri', encoding="utf-8")
    run = summarize(folder)
    assert run is not None
    assert run.state == "done"


def test_best_is_found_in_the_middle_of_a_large_file(tui_home: Path) -> None:
    """최고 시행이 앞뒤 64 KB 밖에 있어도 찾는다."""
    filler = {**TRIAL, "is_best": False, "score": 0.1, "params": {"x": "y" * 300}}
    many = [filler] * 400
    folder = write_run(tui_home, "a", [_hello(1), STUDY, *many, TRIAL, *many, PROGRESS])
    run = summarize(folder)
    assert run is not None
    assert run.best == 2.5


def test_best_is_over_every_study_and_minds_the_direction(tui_home: Path) -> None:
    """뒤에 적힌 다른 칸의 낮은 최고 점수가 앞 칸의 것을 가리지 않는다."""
    other = {**STUDY, "study": "s2", "cell": "1m@1h"}
    low = {**TRIAL, "study": "s2", "score": 1.0}
    folder = write_run(tui_home, "a", [_hello(1), STUDY, other, TRIAL, low, {**low, "score": 1.5}])
    run = summarize(folder)
    assert run is not None
    assert run.best == 2.5
    down = [{**study, "direction": "minimize"} for study in (STUDY, other)]
    run = summarize(write_run(tui_home, "b", [_hello(1), *down, TRIAL, low]))
    assert run is not None
    assert run.best == 1.0


def test_empty_and_missing_folders(tui_home: Path) -> None:
    assert list_runs(tui_home / "studies") == []
    (tui_home / "studies" / "slug" / "runs" / "empty").mkdir(parents=True)
    assert list_runs(tui_home / "studies") == []
    (tui_home / "studies" / "slug" / "runs" / "empty" / "run.log").write_text("")
    assert [run.state for run in list_runs(tui_home / "studies")] == ["starting"]


def test_expected_time_scales_with_the_work(tui_home: Path) -> None:
    """지난 실행의 속도(작업 수에 비례)로 어림하고, 견줄 것이 없으면 말하지 않는다."""
    plan = {"type": "plan", "command": "", "plan": {"symbol": "DEMO:BTCUSDT", "n_jobs": 2}}
    fast = {**PROGRESS, "rate": 10.0}
    write_run(tui_home, "a", [_hello(1), plan, STUDY, fast, _done(0)])
    runs = list_runs(tui_home / "studies")
    assert expected_seconds(runs, "DEMO:BTCUSDT", 2, 100, 4) == pytest.approx(10.0)
    assert expected_seconds(runs, "BINANCE:BTCUSDT", 2, 100, 4) is None


# ── 자식 프로세스


async def test_cancelled_child_dies_with_its_children(tui_home: Path) -> None:
    """읽기를 그만두면 자식의 자식까지 끝난다."""
    from contextlib import aclosing

    script = (
        "import subprocess,sys,json,time\n"
        "p=subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)'])\n"
        "print(json.dumps({'child':p.pid}),flush=True)\ntime.sleep(60)"
    )
    argv = [sys.executable, "-c", script]
    async with aclosing(processes.json_lines(argv, dict(os.environ), tui_home)) as lines:
        first = await anext(lines)
    assert isinstance(first, dict)
    deadline = time.monotonic() + 5
    while _runs(first["child"]):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] not in "ZX"
    except OSError:
        return False


async def test_child_lines_and_exit_code(tui_home: Path) -> None:
    code = "import sys; print('not json'); print('{\"a\":1}'); sys.stderr.write('끝'); sys.exit(3)"
    argv = [sys.executable, "-c", code]
    env = environment.child_environment()
    items = [item async for item in processes.json_lines(argv, env, tui_home)]
    assert items == [{"a": 1}, processes.Finished(3, "끝")]
