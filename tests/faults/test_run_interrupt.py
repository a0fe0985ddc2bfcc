"""멈추는 신호: 한 번은 곱게, 두 번은 곧바로, 어느 쪽도 끝난 시행을 잃지 않는다."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from aftermath import assert_nothing_lost
from run_cases import (
    RunCase,
    interrupt,
    wait_until,
    workers,
)


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    made.strategy(seconds=0.05)
    yield made
    made.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_once_ends_cleanly_with_what_is_done(case: RunCase, number: int) -> None:
    """SIGHUP은 터미널에 매인(제 session이 아닌) 실행의 것이다."""
    own_session = number != signal.SIGHUP
    process = case.start("--storage-url", case.sqlite_url, n=5000, jobs=2, session=own_session)
    case.wait_for_trials(10)
    flock = workers(process.pid)
    interrupt(process, number)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    trials = assert_nothing_lost(case, case.sqlite_url)
    assert len(trials) >= 10
    events = case.events()
    assert events[-1]["type"] == "done"
    assert events[-1]["exit_code"] == 130
    assert events[-1]["studies"][0]["n_complete"] == len(trials)
    assert sum(event["type"] == "trial" for event in events) == len(trials)
    assert "결과" in output
    _, alive = psutil.wait_procs(flock, timeout=5)
    assert alive == []


def test_twice_ends_at_once_and_the_next_run_continues(case: RunCase) -> None:
    case.strategy(seconds=6.0)
    process = case.start("--storage-url", case.sqlite_url, n=50, jobs=2)
    case.wait_for_trials(2)
    time.sleep(0.5)
    flock = workers(process.pid)
    interrupt(process)
    time.sleep(0.3)
    began = time.monotonic()
    interrupt(process)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 5, "도는 시행을 기다렸다"
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "Warning" not in errors
    _, alive = psutil.wait_procs(flock, timeout=5)
    assert alive == []
    assert_nothing_lost(case, case.sqlite_url)


def test_ctrl_c_on_the_whole_process_group_spares_the_workers_until_they_finish(
    case: RunCase,
) -> None:
    """터미널의 Ctrl-C는 작업자에게도 간다. 그래도 도는 시행은 끝나고 적힌다."""
    process = case.start("--storage-url", case.sqlite_url, n=5000, jobs=2)
    case.wait_for_trials(6)
    for member in [*workers(process.pid), psutil.Process(process.pid)]:
        member.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "작업자 프로세스가 죽어" not in errors
    assert "Traceback" not in errors
    assert_nothing_lost(case, case.sqlite_url)


def test_hangup_is_ignored_by_a_run_in_its_own_session(case: RunCase) -> None:
    process = case.start("--storage-url", case.sqlite_url, n=30)
    case.wait_for_trials(3)
    for member in [*workers(process.pid), psutil.Process(process.pid)]:
        member.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert_nothing_lost(case, case.sqlite_url, 30)


@pytest.mark.parametrize("times", [1, 2])
def test_interrupt_while_preparing_leaves_a_done_event(case: RunCase, times: int) -> None:
    """두 번째 신호는 막 뜨는 작업자들을 치우는 일을 끊지 않는다(끊기면 그것들이 traceback을 쓴다)."""
    process = case.start("--storage-url", case.sqlite_url, "--set", "data.demo_days=3000", n=5)

    def preparing() -> bool:
        logs = [folder / "events.ndjson" for folder in case.run_dirs()]
        return any(log.exists() and '"type":"plan"' in log.read_text("utf-8") for log in logs)

    wait_until(preparing, 30, "준비를 시작하지 않는다")
    for _ in range(times):
        interrupt(process)
        time.sleep(0.02)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert case.events()[-1]["exit_code"] == 130


_STUBBORN = """
import os, signal, sys
from optimize.interrupt import Stopped
from optimize.runner.signals import interruptible, undisturbed

def poke():
    os.kill(os.getpid(), signal.SIGTERM)

with interruptible():
    with undisturbed():
        poke()
    try:
        poke()
    except Stopped:
        print("첫째", flush=True)
    poke()
    print("둘째", flush=True)
    poke()
    print("셋째", flush=True)
"""


def test_the_second_signal_waits_for_the_cleaning_and_the_third_does_not() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STUBBORN], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 130, done.stderr
    assert done.stdout.split() == ["첫째", "둘째"]


@pytest.mark.parametrize("module", ["argparse", "pydantic", "optuna"])
def test_interrupt_while_importing_is_one_line_and_130(
    case: RunCase, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """켜지는 동안(입구가 import하는 것, 설정이 import하는 것, 실행이 import하는 것)의 Ctrl-C."""
    shadow = case.folder / "shadow"
    shadow.mkdir()
    (shadow / f"{module}.py").write_text(
        "import os, signal, sys\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.path.remove(os.path.dirname(__file__))\n"
        f"del sys.modules[{module!r}]\n"
        f"import {module}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(shadow))
    done = case.run("--storage-url", case.sqlite_url, n=5)
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1] == "멈췄습니다."
    assert "Traceback" not in done.stderr
    assert "KeyboardInterrupt" not in done.stderr
