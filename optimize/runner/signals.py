"""실행을 멈추는 신호. 한 번은 곱게, 두 번은 곧바로.

SIGINT(Ctrl-C)와 SIGTERM 한 번: 새 시행을 멈추고, 도는 시행을 기다려 적고 끝낸다.
두 번: 도는 시행을 버리고 곧바로 끝낸다(끝난 시행은 이미 기록에 있다).
SIGHUP: 새 session에서 시작했으면(화면이 띄운 실행) 무시하고, 터미널에 매였으면 한 번으로 본다.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from optimize.interrupt import EXIT_INTERRUPTED, Stopped

# 작업자가 받지 않아야 할 신호: 터미널은 앞쪽 process group 전체에 보낸다.
TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP)


@contextmanager
def stop_signals(on_stop: Callable[[int], None]) -> Iterator[None]:
    """안에서 신호를 받으면 `on_stop(몇 번째)`를 부른다. 나올 때 앞의 처리로 되돌린다.

    main thread에서만 쓴다. on_stop은 signal handler 안에서 불리므로 표시만 남겨야 한다.
    """
    count = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        on_stop(count)

    with _handled_by(handle):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """안에서는 멈추라는 신호가 `Stopped`가 된다(탐색 앞뒤의, 버려도 되는 일들).

    두 번째는 치우는 일을 끊지 않게 듣지 않고, 그래도 끝나지 않아 세 번째가 오면 곧바로 끝낸다.
    """
    count = 0

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count == 1:
            raise Stopped
        if count > 2:
            os._exit(EXIT_INTERRUPTED)

    with _handled_by(interrupt):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """안에서는 멈추라는 신호를 듣지 않는다: 이미 끝내며 치우는, 곧 끝나는 일.

    치우다 말면 뜨다 만 작업자들이 사라진 것을 찾으며 traceback을 쓴다.
    """
    with _handled_by(signal.SIG_IGN):
        yield


_Handler = Callable[[int, FrameType | None], None] | signal.Handlers


@contextmanager
def _handled_by(handler: _Handler) -> Iterator[None]:
    """안에서는 멈추라는 신호를 handler가 받는다."""
    handlers: dict[signal.Signals, _Handler] = {
        signal.SIGINT: handler,
        signal.SIGTERM: handler,
        signal.SIGHUP: signal.SIG_IGN if _detached() else handler,
    }
    previous = {number: signal.signal(number, chosen) for number, chosen in handlers.items()}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before if before is not None else signal.SIG_DFL)


@contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """안에서 시작한 프로세스와 thread는 터미널의 신호를 받지 않는다(mask는 exec를 넘어 물려진다)."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _detached() -> bool:
    """이 프로세스가 제 session의 우두머리인가(`start_new_session`으로 띄운 실행)."""
    return os.getsid(0) == os.getpid()
