"""드라이버처럼 신호를 듣지 않고 기다리는 일을 Ctrl-C로 바로 그만둘 수 있게 돌린다. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


def cancellable(action: Callable[[], T]) -> T:
    """action을 daemon thread에서 돌리고 기다린다. 결과와 예외는 그대로다."""
    return begin(action).result()


def begin(action: Callable[[], T]) -> Future[T]:
    """action을 daemon thread에서 시작한다. 결과와 예외는 `result()`로 받는다.

    libpq가 연결을 기다리는 동안에는 Python이 신호를 다루지 못한다. 다른 thread에서 기다리면 Ctrl-C가 곧바로
    오고, 남은 thread는 프로세스와 함께 끝난다(서버는 끊긴 연결의 트랜잭션을 되돌린다).
    """
    from concurrent.futures import Future

    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(action())
        except BaseException as error:  # noqa: BLE001 — 기다리는 쪽에서 다시 낸다
            future.set_exception(error)

    threading.Thread(target=work, name="cancellable", daemon=True).start()
    return future
