"""작업자 프로세스는 한 원형에서 갈라져 나온다: 빨리 뜨되, 따로 뜬 것처럼 산다."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from multiprocessing import forkserver
from pathlib import Path
from typing import NamedTuple

import pytest

from optimize.backtest.costs import CostModel
from optimize.runner.executors import LocalWorkforce, stop_executor
from optimize.runner.worker import Rehearsal

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS는 하나씩 새로 띄운다")


class Found(NamedTuple):
    """작업자가 본 것."""

    pid: int
    parent: int
    secret: str | None
    draw: float


def look() -> Found:
    assert "numba" in sys.modules
    import numpy as np

    return Found(os.getpid(), os.getppid(), os.environ.get("TEST_SECRET"), np.random.random())


@pytest.fixture
def workforce(monkeypatch: pytest.MonkeyPatch) -> LocalWorkforce:
    # 앞선 시험이 띄운 원형은 이 시험의 비밀을 모른다: 새로 띄우게 한다(Python의 시험이 쓰는 길).
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    monkeypatch.setenv("TEST_SECRET", "비밀")
    rehearsal = Rehearsal("donchian_breakout", CostModel(), "DEMO:BTCUSDT", "1m@15m")
    return LocalWorkforce(2, rehearsal, ["TEST_SECRET"])


@pytest.fixture
def executor(workforce: LocalWorkforce) -> Iterator[Executor]:
    executor = workforce.connect()
    yield executor
    stop_executor(executor)


def test_workers_share_one_template(executor: Executor) -> None:
    """numba를 읽은 원형 하나에서 갈라지지만, 비밀은 비고 난수는 저마다다. 이 프로세스의 환경은 그대로다."""
    seen: dict[int, Found] = {}
    deadline = time.monotonic() + 60
    while len(seen) < 2:
        assert time.monotonic() < deadline, "작업자 하나만 일한다"
        found = executor.submit(look).result(60)
        seen.setdefault(found.pid, found)
    one, other = seen.values()
    assert one.parent == other.parent != os.getpid()
    assert (one.secret, other.secret) == ("", "")
    assert one.draw != other.draw
    assert os.environ["TEST_SECRET"] == "비밀"


def test_a_long_temporary_folder_still_gets_workers(
    workforce: LocalWorkforce, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """소켓의 이름이 너무 길면 작업자는 하나씩 뜬다(macOS에서와 같이). 비밀은 역시 물려주지 않는다."""
    long = tmp_path / ("긴" * 30)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    executor = workforce.connect()
    try:
        found = executor.submit(look).result(60)
    finally:
        stop_executor(executor)
    assert found.parent == os.getpid()
    assert found.secret == ""


def test_workers_end_when_the_coordinator_is_gone(
    workforce: LocalWorkforce, executor: Executor
) -> None:
    """파이프가 끊기면(coordinator가 어떻게 죽든) 원형이 살아 있어도 따라 끝난다."""
    pid = executor.submit(look).result(60).pid
    workforce._held.close()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "작업자가 남아 있다"
        time.sleep(0.02)
