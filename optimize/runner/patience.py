"""시행 하나의 시간 제한. 멈춘 전략이 작업자를 영영 붙들지 않게 한다.

두 겹이다. Python 코드(무한 반복, sleep)는 예외로 끊어 그 시행만 실패시킨다. 예외가 닿지 않는 것(컴파일된 코드,
신호를 듣지 않고 기다리기만 하는 C)은 GIL 없이 시계를 보는 faulthandler의 thread가 프로세스를 끝내고, pool이 그
시행을 가려낸다.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

# 예외를 삼키는 코드에는 이만큼마다 다시 던진다.
_REPEAT_SECONDS = 1.0
_GRACE_SECONDS = 5.0


class TrialTimeout(BaseException):
    """시간 제한을 넘겼다. 전략의 `except Exception`이 삼키지 못하게 Exception이 아니다."""


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """안의 일이 seconds초를 넘으면 TrialTimeout. 예외가 닿지 않으면 잠시 뒤 프로세스가 끝난다.

    None이면 제한이 없다. main thread가 아니면(dask 작업자) 잠든 C 코드는 프로세스를 끝내야 멈춘다.
    """
    if seconds is None:
        yield
        return
    hard = seconds + min(seconds, _GRACE_SECONDS)
    faulthandler.dump_traceback_later(hard, exit=True, file=_nowhere())
    try:
        if threading.current_thread() is threading.main_thread():
            with interrupted(seconds):
                yield
        else:
            with _by_timer(seconds, hard):
                yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@cache
def _nowhere() -> int:
    """faulthandler의 영어 글을 버릴 곳."""
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


@contextmanager
def interrupted(seconds: float) -> Iterator[None]:
    """안의 Python 코드가 seconds초를 넘으면 TrialTimeout. 프로세스는 끝내지 않는다. main thread에서만 쓴다."""

    def expire(_number: int, _frame: FrameType | None) -> None:
        raise _expired(seconds)

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_timer(seconds: float, hard: float) -> Iterator[None]:
    owner = threading.get_ident()
    finished = threading.Event()

    def watch() -> None:
        if finished.wait(seconds):
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(owner), ctypes.py_object(TrialTimeout)
        )
        if not finished.wait(hard - seconds):
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except TrialTimeout as error:
        raise _expired(seconds) from error
    finally:
        finished.set()


def _expired(seconds: float) -> TrialTimeout:
    return TrialTimeout(f"시행 하나의 시간 제한 {seconds:g}초를 넘겼습니다(search.trial_timeout)")
