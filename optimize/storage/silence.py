"""답하지 않는 서버를 기다리다 영영 멈추지 않게 한다.

길이 끊기면 TCP의 keepalive와 `tcp_user_timeout`이 알아챈다. 그러나 사이의 것(프록시, 얼어붙은 서버)이
패킷만 받아 두면 운영체제는 살아 있는 연결로 보고, `statement_timeout`은 서버의 시계라 오지 않는다.
문장 하나가 제한보다 오래 걸리면 여기서 socket을 닫는다: 드라이버는 끊긴 연결의 오류를 내고, 부른
쪽은 그것을 다른 끊김처럼 다룬다.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from optimize.storage.options import StorageOptions

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

_CHECK_SECONDS = 0.5
_LINGER_SECONDS = 5.0
# 드라이버에 말을 거는 dialect의 자리들. 첫 인자가 cursor인 것과 연결인 것(풀이 감쌌을 수 있다).
_BY_CURSOR = ("do_execute", "do_executemany", "do_execute_no_params")
_BY_CONNECTION = ("do_ping", "do_commit", "do_rollback")


class Silence:
    """말을 걸고 답을 기다리는 연결들을 지켜보다 limit초가 지나면 socket을 닫는다."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[float, Any]] = {}
        self._watcher: threading.Thread | None = None

    def watch(self, engine: Engine) -> None:
        """engine이 드라이버에 거는 말을 모두 지켜본다."""
        for name in _BY_CURSOR:
            self._wrap(engine.dialect, name, lambda cursor: cursor.connection)
        for name in _BY_CONNECTION:
            self._wrap(engine.dialect, name, lambda item: getattr(item, "driver_connection", item))

    def _wrap(self, dialect: Any, name: str, connection_of: Callable[[Any], Any]) -> None:
        action = getattr(dialect, name)

        def guarded(first: Any, *rest: Any, **named: Any) -> Any:
            with self.expecting(connection_of(first)):
                return action(first, *rest, **named)

        setattr(dialect, name, guarded)

    @contextmanager
    def expecting(self, connection: Any) -> Iterator[None]:
        """블록 안에서 connection의 답을 기다린다. 제한을 넘기면 드라이버가 끊긴 연결의 오류를 낸다."""
        me = threading.get_ident()
        with self._lock:
            outer = self._waiting.get(me)
            self._waiting[me] = outer or (time.monotonic(), connection)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._guard, name="silence", daemon=True)
                self._watcher.start()
        try:
            yield
        finally:
            with self._lock:
                if outer is None:
                    self._waiting.pop(me, None)

    def _guard(self) -> None:
        """지켜볼 것이 없어지면 끝난다: 다음 말이 다시 띄운다."""
        quiet = 0
        while True:
            time.sleep(_CHECK_SECONDS)
            now = time.monotonic()
            with self._lock:
                # 묶음 사이의 잠깐에 thread를 새로 띄우지 않는다.
                quiet = 0 if self._waiting else quiet + 1
                if quiet * _CHECK_SECONDS > _LINGER_SECONDS:
                    self._watcher = None
                    return
                late = [item for item in self._waiting.values() if now - item[0] > self._limit]
                for _, connection in late:
                    _hang_up(connection)


def answer_limit(options: StorageOptions) -> float | None:
    """답을 기다릴 초: 서버가 문장을 끊을 때에 길의 몫을 더한 것. 문장의 제한이 없으면 None."""
    if not options.statement_timeout_ms:
        return None
    return options.statement_timeout_ms / 1000 + options.connect_timeout


def _hang_up(connection: Any) -> None:
    # 드라이버가 쥔 socket을 닫지는 않고 양쪽을 끊기만 한다: 기다리던 읽기가 곧바로 끝난다.
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)
