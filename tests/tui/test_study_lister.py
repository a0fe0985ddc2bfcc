"""목록의 자식을 미리 띄워 둔다: 부르면 한 번만 읽고, 부르지 않아도 남지 않는다."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tui_kit import until, until_text

from tui.app import WizardApp
from tui.processes import Finished, WaitingChild
from tui.screens import studies as studies_screen

ECHO = "import sys; line = sys.stdin.readline(); print('{\"line\": %d}' % len(line), flush=True)"


Spawned = Callable[[], list[psutil.Process]]


@pytest.fixture(autouse=True)
def spawned() -> Iterator[Spawned]:
    """이 시험이 띄운 자식들(같은 프로세스의 다른 시험이 띄운 서버는 뺀다). 끝나면 하나도 남지 않는다."""
    before = {child.pid for child in psutil.Process().children()}

    def children() -> list[psutil.Process]:
        found = [child for child in psutil.Process().children() if child.pid not in before]
        return [child for child in found if child.status() != psutil.STATUS_ZOMBIE]

    yield children
    deadline = time.monotonic() + 20
    while left := children():
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


async def test_prepared_child_waits_and_is_used_once(tmp_path: Path, spawned: Spawned) -> None:
    """미리 띄운 것이 답하고, 그다음에는 새 자식이 답한다. 두 번 띄워도 하나만 기다린다."""
    child = WaitingChild([sys.executable, "-c", ECHO])
    await child.prepare(os.environ, tmp_path)
    await child.prepare(os.environ, tmp_path)
    (waiting,) = spawned()
    for _ in range(2):
        found = [item async for item in child.lines(os.environ, tmp_path)]
        assert found == [{"line": 1}, Finished(0, "")]
        assert not psutil.pid_exists(waiting.pid)
    await child.prepare(os.environ, tmp_path)
    await child.close()


async def test_dead_waiting_child_is_replaced(tmp_path: Path, spawned: Spawned) -> None:
    """기다리던 자식이 죽었으면 새로 띄워 읽는다."""
    child = WaitingChild([sys.executable, "-c", ECHO])
    await child.prepare(os.environ, tmp_path)
    (waiting,) = spawned()
    waiting.kill()
    while waiting.pid in psutil.pids():
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    found = [item async for item in child.lines(os.environ, tmp_path)]
    assert found == [{"line": 1}, Finished(0, "")]


def test_child_ends_with_the_pipe(wizard_home: Path) -> None:
    """화면이 갑자기 죽어 pipe가 닫히면 아무것도 쓰지 않고 끝난다."""
    argv = [sys.executable, "-m", "optimize.studies", "list", "--lines", "--wait"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_screen_starts_one_child(studies_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """목록을 열 때 자식을 하나만 띄운다: 띄웠다가 버리면 그만큼 늦게 열린다."""
    spawned: list[WaitingChild] = []
    real = studies_screen.list_studies
    monkeypatch.setattr(
        studies_screen, "list_studies", lambda child: (spawned.append(child), real(child))[1]
    )
    async with WizardApp().run_test(size=(120, 40)) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("f3")
        await until_text(pilot, "여기에 남습니다")
        assert len(spawned) == 1
        # 창을 보고 돌아오면 다시 읽는다.
        await pilot.press("f1", "escape")
        await until(pilot, lambda: len(spawned) == 2)
