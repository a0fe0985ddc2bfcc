"""coordinator: 하나의 main loop로 묻고, 보내고, 적고, 저장을 맡긴다.

- 작업자에게 늘 다음 묶음이 가 있게 한다(쉬지 않게). 물음은 조금씩 나누어, 결과를 제때 받는다.
- 끝난 시행은 먼저 사건 기록에 적고, 그다음 저장을 맡기고, sampler에 알린다.
- `n_jobs`가 1이고 seed가 있으면 물음의 차례가 결과의 차례로만 정해진다: 같은 명령은 같은 시행을
  같은 차례로 낸다(캔들·설정·판이 같고, 다른 실행이 끼어들지 않고, 시간 제한이 없을 때).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from optimize.errors import RunError
from optimize.protocol import DataProgressEvent, Event, StoredEvent
from optimize.runner import notices
from optimize.runner.cell import CellRun
from optimize.runner.events import EventWriter
from optimize.runner.executors import WorkforceNotice
from optimize.runner.keeper import (
    ClaimAnswer,
    Foreign,
    Rewound,
    Stored,
    StoreFailed,
    StoreKeeper,
    StoreOutage,
    store_failure,
)
from optimize.runner.pace import MAX_CHUNK, Pace
from optimize.runner.pool import ChunkDone, WorkerPool
from optimize.runner.progress import ProgressMeter
from optimize.runner.signals import stop_signals
from optimize.trial import FinishedTrial

_SEEDED_AHEAD = 3
_POLL_SECONDS = 0.5
_TICK_SECONDS = 0.1
_MAX_UNSAVED = 5000
_HOPELESS_FAILURES = 20
_WARMING_SECONDS = 2.0
WARMING_LABEL = "전략을 기계어로 컴파일하기 (처음 한 번)"
STOP_PATIENCE_SECONDS = 30.0
STORE_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """dataset_jobs: 동시에 진행할 칸의 수(0은 모두). timeout: 초. reproducible: 차례를 고정하는가."""

    dataset_jobs: int = 0
    timeout: float | None = None
    reproducible: bool = False


class Coordinator:
    """한 실행의 탐색. `run()`이 True이면 끝난 시행이 모두 저장되었고, 아니면 저장하지 못한 것이 기록에 남아 있다."""

    def __init__(
        self,
        cells: Sequence[CellRun],
        pool: WorkerPool,
        keeper: StoreKeeper,
        events: EventWriter,
        inbox: SimpleQueue[Any],
        limits: Limits,
    ) -> None:
        self.cells = list(cells)
        self.interrupted = False
        self._pool = pool
        self._keeper = keeper
        self._events = events
        self._inbox = inbox
        self._limits = limits
        self._meter = ProgressMeter(self.cells, pool)
        self._signals = 0
        self._stop_at: float | None = None
        self._stopping = False
        self._turn = 0
        self._claim_seconds = 0.01
        self._deadline: float | None = None
        self._store_error: Exception | None = None
        self._began = time.monotonic()
        self._warming_said: bool | None = None

    def run(self) -> bool:
        """끝까지 돈다. 사용자가 멈췄으면 False. 저장소·기록·작업자의 실패는 WizardError. 한 번만 부른다."""
        if self._limits.timeout is not None:
            self._deadline = time.monotonic() + self._limits.timeout
        with stop_signals(self._on_signal):
            self._keeper.start()
            try:
                self._search()
                # 기다리다 버린 시행의 결과가 저장을 마친 뒤에 오지 않게 한다.
                self._pool.shutdown()
                self._receive(block=False)
                self._drain()
            finally:
                self._pool.shutdown()
                self._settle_keeper()
        if self._store_error is not None and not self.interrupted:
            raise store_failure(self._store_error)
        if not self.interrupted:
            self._refuse_all_failed()
        return not self.interrupted

    @property
    def killed(self) -> bool:
        """두 번째 신호를 받아 곧바로 끝내는 중인가."""
        return self._signals >= 2

    # --- 탐색 -------------------------------------------------------------------------

    def _search(self) -> None:
        while not self._finished():
            self._fill()
            more = self._ask_some()
            while more and self._limits.reproducible:
                # 물음이 결과보다 먼저 오고 나중에 오는 것이 시간에 달리지 않게 한다.
                more = self._ask_some()
            self._receive(block=not more)
            self._tick()

    def _finished(self) -> bool:
        if self.killed or self._store_error is not None:
            return True
        if self._stopping:
            waited = self._stop_at is not None and time.monotonic() > self._stop_at
            return waited or not self._pool.busy
        return all(cell.complete for cell in self.cells)

    def _active(self) -> list[CellRun]:
        """지금 진행하는 칸들: 앞에서부터 dataset_jobs개."""
        open_cells = [cell for cell in self.cells if not cell.complete]
        return open_cells[: self._limits.dataset_jobs or None]

    def _fill(self) -> None:
        """작업자마다 일이 있게 묶음을 보낸다. 칸들이 돌아가며 낸다."""
        self._pool.resubmit()
        if self._stopping:
            return
        cells = self._active()
        for _ in range(self._pool.free_slots):
            ready = [cell for cell in cells if cell.ready]
            if not ready:
                return
            cell = ready[self._turn % len(ready)]
            self._turn += 1
            for tasks in cell.joiner.spread(cell.take(self._chunk(cell))):
                self._pool.submit(tasks, cell.gates())

    def _chunk(self, cell: CellRun) -> int:
        """한 묶음의 시행 수."""
        if self._limits.reproducible:
            return 1
        return self._pace(cell).chunk(cell.target - cell.done - cell.in_flight)

    def _pace(self, cell: CellRun) -> Pace:
        return Pace(
            workers=self._pool.workers,
            cells=len(self._active()),
            claim_seconds=self._claim_seconds,
            trial_seconds=cell.trial_seconds,
            done=cell.done,
        )

    def _ask_some(self) -> bool:
        """한 칸에서 조금 묻는다. 곧바로 더 물을 것이 있으면 True."""
        if self._stopping or self._keeper.unsaved > _MAX_UNSAVED:
            return False
        hungry = [cell for cell in self._active() if self._appetite(cell) > 0]
        if not hungry:
            return False
        hungry.sort(key=lambda cell: cell.ahead)
        cell = hungry[0]
        # 한 번의 물음에는 정해진 값이 들므로 모아서 묻는다. 나가 있는 묶음이 그동안 작업자를 먹인다.
        n = 1 if self._limits.reproducible else MAX_CHUNK
        keys = cell.ask(min(n, self._appetite(cell)))
        if keys:
            self._keeper.claim(cell.index, keys)
        elif cell.exhausted:
            reached = cell.done + cell.in_flight + cell.ahead
            self._events.emit(notices.exhausted(cell.study, cell.target, reached))
        return len(hungry) > 1 or self._appetite(cell) > 0

    def _appetite(self, cell: CellRun) -> int:
        """이 칸에서 지금 물을 수. 자리를 기다리거나 앞서 물은 것이 넉넉하면 0."""
        if cell.waiting or cell.exhausted or not cell.missing:
            return 0
        if self._limits.reproducible:
            return min(_SEEDED_AHEAD - cell.ahead - cell.in_flight, cell.missing)
        horizon = self._pace(cell).ahead(cell.in_flight)
        # 한 시행이 끝날 때마다 하나씩 묻고 맡지 않도록, 반이 비었을 때 채운다.
        return min(horizon - cell.ahead, cell.missing) if 2 * cell.ahead <= horizon else 0

    # --- 받기 -------------------------------------------------------------------------

    def _receive(self, *, block: bool) -> None:
        """온 것을 모두 처리한다. block이면 하나가 올 때까지 잠깐 기다린다."""
        timeout = _TICK_SECONDS if block else 0.0
        while True:
            try:
                message = self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait()
            except Empty:
                return
            self._handle(message)
            if self._limits.reproducible and block:
                return
            timeout = 0.0

    def _handle(self, message: object) -> None:
        if isinstance(message, ChunkDone):
            self._on_chunk(message)
        elif isinstance(message, ClaimAnswer):
            self._claim_seconds += 0.2 * (message.seconds - self._claim_seconds)
            if not self._stopping:
                self.cells[message.cell].claimed(message.keys, message.result)
        elif isinstance(message, Stored):
            self._on_stored(message)
        elif isinstance(message, Foreign):
            self.cells[message.cell].learn(message.trials)
        elif isinstance(message, Rewound):
            self._on_rewound(message)
        elif isinstance(message, StoreOutage):
            self._events.emit(notices.outage(message))
        elif isinstance(message, StoreFailed):
            self._store_error = message.error
        elif isinstance(message, WorkforceNotice):
            self._events.emit(notices.notice(message.title, message.cause, message.fix))

    def _on_chunk(self, message: ChunkDone) -> None:
        collected = self._pool.collect(message.chunk)
        if collected.lost:
            self._events.emit(notices.lost_workers(collected.lost))
        if collected.cut:
            self._events.emit(notices.cut_off(collected.cut))
        if not collected.done:
            return
        by_cell: dict[int, list[FinishedTrial]] = {}
        lines: list[Event] = []
        for task, outcome in collected.done:
            cell = self.cells[task.cell]
            whole = cell.joiner.join(task, outcome)
            if whole is None:
                continue
            trial, event = cell.finish(task, whole)
            by_cell.setdefault(task.cell, []).append(trial)
            # 같은 묶음의 다음 시행이 최선인지 바르게 보도록 곧바로 고친다.
            cell.note(trial)
            lines.append(event)
        try:
            self._events.emit(*lines)
        finally:
            # 기록하지 못하면 실행은 끝나지만, 끝난 시행은 저장소로 간다.
            for index, trials in by_cell.items():
                self._keeper.append(index, trials)
        for index, trials in by_cell.items():
            self.cells[index].observe(trials)
            self._refuse_hopeless(self.cells[index])

    def _refuse_hopeless(self, cell: CellRun) -> None:
        """잇달아 모두 실패하면 나머지도 실패할 것이다: 목표를 실패로 채우지 않고 까닭을 말한다."""
        if cell.failed_in_a_row >= _HOPELESS_FAILURES and cell.evaluated == cell.failed_in_a_row:
            raise RunError(
                f"시행 {cell.failed_in_a_row}개가 모두 실패해 멈췄습니다",
                f"마지막 오류: {cell.last_error}",
                "전략 코드와 탐색 공간을 고친 뒤 --study-name 으로 새 스터디에서 다시 실행하세요",
            )

    def _refuse_all_failed(self) -> None:
        """목표가 작아 위의 문턱에 닿지 않았어도, 성한 시행이 하나도 없으면 실패한 실행이다."""
        failed = [cell for cell in self.cells if cell.evaluated]
        usable = any(cell.states["COMPLETE"] or cell.states["PRUNED"] for cell in self.cells)
        if failed and not usable:
            raise RunError(
                f"시행 {sum(cell.evaluated for cell in failed)}개가 모두 실패했습니다",
                f"마지막 오류: {failed[-1].last_error}",
                "전략 코드와 탐색 공간을 고친 뒤 --study-name 으로 새 스터디에서 다시 실행하세요",
            )

    def _on_stored(self, message: Stored) -> None:
        cell = self.cells[message.cell]
        cell.settled(message.trials, message.numbers)
        self._events.emit(
            StoredEvent(cell.study, [trial.uid for trial in message.trials], message.numbers)
        )

    def _on_rewound(self, message: Rewound) -> None:
        self.cells[message.cell].stored = message.finished
        self._events.emit(notices.rewound(self.cells[message.cell].study, message))

    def _tick(self) -> None:
        now = time.monotonic()
        late = self._deadline is not None and now >= self._deadline
        if (late or self.interrupted) and not self._stopping:
            self._stop()
            if not self.interrupted:
                self._say_late()
        for cell in self._active():
            if cell.waiting and not self._stopping and now - cell.asked_at >= _POLL_SECONDS:
                cell.asked_at = now
                self._keeper.claim(cell.index, [])
        self._say_warming(now)
        self._events.emit(*self._meter.due())

    def _say_late(self) -> None:
        missing = sum(cell.missing for cell in self.cells if not cell.exhausted)
        if missing and self._limits.timeout is not None:
            self._events.emit(notices.timed_out(self._limits.timeout, missing))

    def _say_warming(self, now: float) -> None:
        """커널의 컴파일이 길어지면(처음 한 번) 멈춘 것이 아님을 알린다."""
        if self._warming_said is None:
            if self._pool.warming and now - self._began > _WARMING_SECONDS:
                self._warming_said = False
                self._events.emit(DataProgressEvent(WARMING_LABEL, 0, 1))
        elif not self._warming_said and not self._pool.warming:
            self._warming_said = True
            self._events.emit(DataProgressEvent(WARMING_LABEL, 1, 1))

    # --- 끝내기 -----------------------------------------------------------------------

    def _on_signal(self, count: int) -> None:
        """signal handler 안에서 불린다: 표시하고 main loop를 깨우기만 한다."""
        self._signals = count
        self.interrupted = True
        self._inbox.put(None)

    def _stop(self) -> None:
        """더 보내지 않는다. 나가 있는 시행은 기다린다."""
        self._stopping = True
        self._stop_at = time.monotonic() + STOP_PATIENCE_SECONDS
        for cell in self.cells:
            cell.drop_ready()

    def _drain(self) -> None:
        """끝난 시행이 모두 저장될 때까지 기다린다. 멈추라는 신호 뒤에는 잠깐만."""
        self._keeper.finish()
        gave_up_at: float | None = None
        while self._keeper.is_alive():
            self._receive(block=True)
            if self.interrupted and gave_up_at is None:
                gave_up_at = time.monotonic() + (0 if self.killed else STORE_PATIENCE_SECONDS)
            if self.killed or (gave_up_at is not None and time.monotonic() > gave_up_at):
                self._keeper.give_up()
                return
            self._events.emit(*self._meter.due())
        self._receive(block=False)
        self._events.emit(*self._meter.due(force=True))

    def _settle_keeper(self) -> None:
        """저장 thread를 끝내고, 남은 것이 있으면 다음 실행이 되살림을 알린다."""
        self._keeper.give_up()
        self._keeper.join(timeout=1.0 if self.killed else STORE_PATIENCE_SECONDS)
        # 기록할 수 없어 끝나는 길일 수도 있다. 그 까닭을 가리지 않는다.
        with suppress(RunError):
            self._receive(block=False)
            left = sum(cell.unsaved for cell in self.cells)
            if left:
                self._events.emit(notices.unsaved(left))
