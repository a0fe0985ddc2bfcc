"""여러 일을 daemon thread로 나눠 하기.

`ThreadPoolExecutor`는 프로그램이 끝날 때 멎은 thread를 기다린다. 내려받기는 이름 풀이나 멎은 연결에
오래 붙들릴 수 있으므로, 멈추면 기다리지 않고 버릴 수 있는 daemon thread를 쓴다.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

_Result = TypeVar("_Result")
_TICK_S = 0.2


class Crew(Generic[_Result]):
    """일들을 많아야 size개의 thread로 한다. 결과는 끝나는 차례로 나온다."""

    def __init__(self, tasks: Sequence[Callable[[], _Result]], size: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], _Result]] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[_Result | BaseException] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._left = len(tasks)
        for task in tasks:
            self._tasks.put(task)
        for _ in range(min(size, len(tasks))):
            threading.Thread(target=self._work, daemon=True, name=name).start()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                return
            try:
                self._results.put(task())
            except BaseException as error:  # noqa: BLE001 — 주 thread에서 다시 낸다
                self._results.put(error)

    def results(self) -> Iterator[_Result | None]:
        """끝난 결과. 기다리는 동안 0.2초마다 None을 준다. 일이 낸 예외는 여기서 난다."""
        try:
            while self._left:
                try:
                    result = self._results.get(timeout=_TICK_S)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(result, BaseException):
                    raise result
                self._left -= 1
                yield result
        finally:
            self._stopped.set()
