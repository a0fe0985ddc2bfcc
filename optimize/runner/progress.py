"""진행의 셈: 칸마다의 속도와 남은 시간, `progress` 사건."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optimize.protocol import ProgressEvent

if TYPE_CHECKING:
    from optimize.runner.cell import CellRun
    from optimize.runner.pool import WorkerPool

INTERVAL_SECONDS = 0.25
WINDOW_SECONDS = 15.0


class ProgressMeter:
    """최근 `WINDOW_SECONDS`초의 속도를 잰다."""

    def __init__(self, cells: Sequence[CellRun], pool: WorkerPool) -> None:
        self._cells = list(cells)
        self._pool = pool
        self._samples: dict[int, deque[tuple[float, int]]] = {c.index: deque() for c in cells}
        self._said: dict[int, int] = {}
        self._last = 0.0

    def due(self, *, force: bool = False) -> list[ProgressEvent]:
        """보낼 때가 되었으면 달라진 칸들의 사건을, 아니면 빈 목록을."""
        now = time.monotonic()
        if not force and now - self._last < INTERVAL_SECONDS:
            return []
        self._last = now
        events = []
        for cell in self._cells:
            rate = self._rate(cell, now)
            if self._said.get(cell.index) == cell.done and not force:
                continue
            self._said[cell.index] = cell.done
            left = max(cell.target - cell.done, 0)
            eta = left / rate if rate > 0 else (0.0 if not left else None)
            events.append(
                ProgressEvent(
                    cell.study,
                    cell.done,
                    cell.target,
                    rate,
                    eta,
                    self._pool.workers,
                    self._pool.hosts,
                )
            )
        return events

    def _rate(self, cell: CellRun, now: float) -> float:
        samples = self._samples[cell.index]
        samples.append((now, cell.done))
        while now - samples[0][0] > WINDOW_SECONDS:
            samples.popleft()
        (began, before), (_, after) = samples[0], samples[-1]
        # 저장소가 시행을 잃으면 끝난 수가 준다.
        return max(after - before, 0) / (now - began) if now > began else 0.0
