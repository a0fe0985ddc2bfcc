"""저장소가 멈춰도 죽지 않고 기다린다: 다시 해도 되는 실패만 간격을 늘려 가며 되풀이한다."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from optimize.storage.failures import StorageOperationError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """기다림. 첫 초 first에서 배수 factor로 늘어 limit까지, 앞뒤로 jitter 비율만큼 흔든다."""

    first: float = 0.2
    factor: float = 2.0
    limit: float = 15.0
    jitter: float = 0.3

    def delay(self, attempt: int) -> float:
        """attempt번째(1부터) 실패 뒤에 기다릴 초."""
        # 지수가 넘치지 않게 막는다: 밤새 멈춘 서버에는 수천 번 시도한다.
        base = min(self.first * self.factor ** min(attempt - 1, 30), self.limit)
        return base * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Outage:
    """멈춤의 한 순간. attempt: 실패 횟수. elapsed_s: 첫 실패부터의 초. delay_s: 이제 기다릴 초."""

    attempt: int
    elapsed_s: float
    delay_s: float
    error: StorageOperationError


class Resilient:
    """`resilient(action)`은 action이 될 때까지 되풀이한다.

    stop: 켜지면 기다림을 그치고 마지막 실패를 그대로 낸다. on_outage: 실패할 때마다 불린다.
    on_recovery: 멈췄다 되살아나면 멈춰 있던 초와 함께 불린다.
    다시 해도 안 되는 실패(권한, 없는 테이블 따위)는 그대로 낸다.
    """

    def __init__(
        self,
        stop: threading.Event,
        on_outage: Callable[[Outage], None],
        on_recovery: Callable[[float], None] = lambda seconds: None,
        backoff: Backoff | None = None,
    ) -> None:
        self._stop = stop
        self._on_outage = on_outage
        self._on_recovery = on_recovery
        self._backoff = backoff or Backoff()

    def __call__(self, action: Callable[[], T]) -> T:
        """action의 값. action은 여러 번 불려도 같은 일이어야 한다(`TrialStore`의 일은 그렇다)."""
        attempt, began = 0, 0.0
        while True:
            try:
                result = action()
            except StorageOperationError as error:
                if not error.retryable:
                    raise
                attempt += 1
                began = began or time.monotonic()
                delay = self._backoff.delay(attempt)
                self._on_outage(Outage(attempt, time.monotonic() - began, delay, error))
                if self._stop.wait(delay):
                    raise
            else:
                if attempt:
                    self._on_recovery(time.monotonic() - began)
                return result
