"""실행의 stdout과 stderr: 단말기든 파일이든 닫힌 파이프든, 자료는 stdout으로 가고 단말기는 되돌려진다."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
from run_cases import RunCase

_HIDE, _SHOW = b"\x1b[?25l", b"\x1b[?25h"


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


def on_a_terminal(case: RunCase, stdout: IO[bytes], *extra: str) -> tuple[int, bytes]:
    """stderr만 단말기인 실행. (exit code, 단말기에 나온 것)."""
    ours, theirs = pty.openpty()
    command = case.command("--storage-url", case.sqlite_url, *extra, n=12)
    process = subprocess.Popen(
        command, env=case.environ(), stdin=theirs, stdout=stdout, stderr=theirs
    )
    os.close(theirs)
    screen = b""
    # 쓰는 쪽이 모두 닫히면 EIO다.
    with suppress(OSError):
        while part := os.read(ours, 65_536):
            screen += part
    os.close(ours)
    return process.wait(timeout=60), screen


def test_the_results_go_to_the_file_and_the_bars_to_the_terminal(
    case: RunCase, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("wb") as out:
        code, screen = on_a_terminal(case, out)
    text = (tmp_path / "out").read_text(encoding="utf-8")
    assert code == 0
    for words in ("결과", "흠: 합성 데모", "과최적화 판정", "모든 잣대 보기"):
        assert words in text
        assert words.encode() not in screen
    assert screen.count(_HIDE) == screen.count(_SHOW) == 1


def test_a_run_refused_at_the_door_gives_the_cursor_back(case: RunCase, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        code, screen = on_a_terminal(case, out, "--events", "/proc/nowhere/events")
    assert code == 2
    assert "파일이나 폴더가 없습니다".encode() in screen
    assert screen.count(_HIDE) == screen.count(_SHOW) == 1


def with_stdout(case: RunCase, stdout: int | IO[str]) -> subprocess.CompletedProcess[str]:
    """stdout이 stdout인 실행."""
    command = case.command("--storage-url", case.sqlite_url, n=12)
    return subprocess.run(
        command,
        env=case.environ(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_reader_that_left_does_not_change_what_the_run_did(case: RunCase) -> None:
    """`… | head`: 결과의 표를 받던 쪽이 닫혀도 실행은 끝난 것이다."""
    reader, writer = os.pipe()
    os.close(reader)
    done = with_stdout(case, writer)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert [event["exit_code"] for event in case.events() if event["type"] == "done"] == [0]


def test_events_nobody_reads_end_the_run_with_their_reason(case: RunCase) -> None:
    """`--events -`의 받는 쪽이 닫히면 까닭을 말하고 5로 끝난다. 다시 실행하면 이어진다."""
    case.strategy(seconds=0.02)
    command = case.command("--storage-url", case.sqlite_url, "--events", "-", n=400)
    process = subprocess.Popen(
        command,
        env=case.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    case.processes.append(process)
    case.wait_for_trials(5)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 5, errors
    assert "받는 쪽이 닫혔습니다" in errors
    last = case.events()[-1]
    assert (last["type"], last["exit_code"]) == ("done", 5)


def test_a_full_stdout_is_said_in_korean(case: RunCase) -> None:
    with Path("/dev/full").open("w") as full:
        done = with_stdout(case, full)
    assert done.returncode == 5
    assert "결과의 표를 쓰지 못했습니다" in done.stderr
    assert "디스크가 가득 찼습니다" in done.stderr
