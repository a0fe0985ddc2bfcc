"""명령이 켜지고 꺼지는 동안의 Ctrl-C: traceback 대신 한 줄과 exit code 130.

입구(`__main__`)는 다른 것을 import하기 전에 `end_quietly`를 부른다: import하는 동안의 KeyboardInterrupt는
traceback이 되고, 더러는 exit code까지 잃는다. 명령이 도는 동안은 `stoppable`이 치울 것을 치울 수 있게 한다.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_INTERRUPTED = 130
STOPPED = "멈췄습니다."


class Stopped(BaseException):
    """멈추라는 신호를 받았다.

    KeyboardInterrupt를 쓰지 않는다: 그것이 `exec`를 지나면 CPython은 잡혔더라도 끝날 때 스스로에게
    SIGINT를 보내 exit code를 잃는다.
    """


def end_quietly() -> None:
    """이제부터 Ctrl-C는 한 줄을 쓰고 곧바로 끝낸다. 런처가 막아 둔 Ctrl-C도 이때 받는다."""
    signal.signal(signal.SIGINT, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def stoppable() -> Iterator[None]:
    """안에서는 Ctrl-C가 Stopped가 된다. `end_quietly`를 부른 프로세스에서만(시험이 부른 것이면 그대로)."""
    if signal.getsignal(signal.SIGINT) is not _end:
        yield
        return
    signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    os.write(2, f"{STOPPED}\n".encode())
    os._exit(EXIT_INTERRUPTED)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped
