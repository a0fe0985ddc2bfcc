"""시행의 시간 제한: 무한 반복, sleep, 예외를 삼키는 코드, 컴파일된 코드."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from optimize.runner.patience import TrialTimeout, limited


def spin() -> None:
    while True:
        pass


def swallow() -> None:
    while True:
        with suppress(Exception):
            spin()


def doze() -> None:
    time.sleep(600)


@pytest.mark.parametrize("hang", [spin, swallow, doze])
def test_a_hang_becomes_an_exception(hang: object) -> None:
    began = time.monotonic()
    with pytest.raises(TrialTimeout, match=r"0\.2초"), limited(0.2):
        hang()  # type: ignore[operator]
    assert time.monotonic() - began < 60
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_work_in_time_and_no_limit_leave_no_timer() -> None:
    for seconds in (60.0, None):
        with limited(seconds):
            pass
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_outside_the_main_thread_python_code_is_cut_too() -> None:
    """dask 작업자는 시행을 main thread가 아닌 곳에서 돌린다."""
    caught: list[BaseException] = []

    def work() -> None:
        try:
            with limited(0.2):
                spin()
        except TrialTimeout as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=60)
    assert "0.2초" in str(caught[0])


def test_waiting_that_hears_no_signal_ends_the_process() -> None:
    """C에서 GIL을 쥔 채 기다리기만 해서 signal handler도 다른 thread도 돌지 못한다."""
    script = (
        "import ctypes\n"
        "from optimize.runner.patience import limited\n"
        "mutex, library = ctypes.create_string_buffer(64), ctypes.PyDLL(None)\n"
        "with limited(0.2):\n"
        "    library.pthread_mutex_lock(mutex)\n"
        "    library.pthread_mutex_lock(mutex)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], timeout=120, check=False, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_compiled_code_that_never_returns_ends_the_process() -> None:
    """예외가 닿지 않는 곳: C에서 도는 정규식의 지수 시간."""
    script = (
        "import re\n"
        "from optimize.runner.patience import limited\n"
        "import signal\n"
        # C 코드 안에서는 Python의 signal handler가 불리지 않음을 흉내 낸다.
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"
        "with limited(0.3):\n"
        "    re.match('(a+)+$', 'a' * 64 + 'b')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=120, check=False)
    assert done.returncode == 1
