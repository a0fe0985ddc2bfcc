"""작업자 무리에 시행을 나누어 보내고 결과를 거둔다. 작업자가 죽어도 시행을 잃지 않는다.

작업자 하나가 죽으면 loky는 무리 전체를 닫는다. 그때 나가 있던 시행은 어느 것이 죽였는지 모르므로
용의자가 되어 하나씩 나누어 다시 보내고, 두 번 잃은 시행은 혼자 보낸다. 혼자 있을 때 작업자를 죽인
시행이 범인이며 실패(FAIL)로 끝난다. 우연히 죽은 작업자의 시행은 다시 계산될 뿐이다.

무리와 끊긴 것(dask의 scheduler가 죽음)은 시행의 탓이 아니다: 나가 있던 묶음을 그대로 쥐고 있다가 다시
이어지면 다시 보낸다. `RECONNECT_SECONDS` 동안 이어지지 않으면 실행이 끝난다.
"""

from __future__ import annotations

import math
import pickle
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from time import monotonic, time
from typing import Any, NamedTuple

from optimize.errors import RunError
from optimize.runner.executors import ClusterLost, Workforce, stop_executor
from optimize.runner.signals import terminal_signals_blocked
from optimize.runner.worker import Gate, Job, Outcome, Rehearsal, Work, evaluate, warm_up
from optimize.trial import Params

MAX_LOSSES = 2
RECONNECT_SECONDS = 300.0
_RETRY_SECONDS = 2.0
_MAX_IDLE_BREAKS = 3


@dataclass(slots=True, eq=False)
class Task:
    """보낼 시행 하나. cell: 칸의 번호. params: 켜진 것만, full: 기본값까지 모두.

    losses: 작업자와 함께 잃은 횟수. fold: 맡은 split의 번호, 검증이 없으면 None.
    symbol: 몇 번째 심볼의 일인가. 심볼이 여럿이면 시행 하나가 심볼마다의 일로 나뉘고 uid는 같다.
    """

    uid: str
    cell: int
    params: Params
    full: Params
    losses: int = 0
    fold: int | None = None
    symbol: int = 0


@dataclass(slots=True, eq=False)
class Chunk:
    """한 번에 보낸 시행들. generation: 몇 번째 executor에 보냈는가. sent: 보낸 때(monotonic)."""

    tasks: list[Task]
    gates: Sequence[Gate]
    generation: int
    future: Future[list[Outcome]] | None = None
    sent: float = field(default_factory=monotonic)


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """inbox에 오는 알림: 묶음 하나가 끝났다(잘 되었든 아니든)."""

    chunk: Chunk


@dataclass(slots=True)
class Collected:
    """거둔 것. done: 끝난 시행과 결과. lost: 작업자와 함께 잃어 다시 보낼 시행의 수.

    cut: 무리와 끊겨 쥐고 있는 시행의 수.
    """

    done: list[tuple[Task, Outcome]] = field(default_factory=list)
    lost: int = 0
    cut: int = 0


class _Registered(NamedTuple):
    """작업자에게 보내 둘 `Job`. limit: 시행 하나의 시간 제한(초), 없으면 inf."""

    key: str
    packed: bytes
    limit: float


class WorkerPool:
    """main thread에서만 부른다. 끝난 묶음은 inbox에 `ChunkDone`으로 오고 `collect`가 푼다."""

    def __init__(
        self,
        workforce: Workforce,
        inbox: SimpleQueue[Any],
        *,
        look_ahead: int = 1,
    ) -> None:
        """look_ahead: 작업자마다 미리 보내 둘 묶음의 수(작업자가 쉬지 않게)."""
        self._workforce = workforce
        self._inbox = inbox
        self._look_ahead = look_ahead
        self._executor: Executor | None = None
        self._generation = 0
        self._jobs: dict[int, _Registered] = {}
        self._in_flight: dict[int, Chunk] = {}
        self._suspects: deque[tuple[Task, Sequence[Gate]]] = deque()
        self._idle_breaks = 0
        self._starter: Thread | None = None
        self._warming: list[Future[int]] = []
        self._returned: deque[tuple[list[Task], Sequence[Gate]]] = deque()
        self._cut_at: float | None = None
        self._retry_at = 0.0
        self._closed = False

    @property
    def workers(self) -> int:
        """함께 돌릴 시행의 수. 무리의 작업자가 드나들면 달라진다."""
        return self._workforce.capacity()

    @property
    def hosts(self) -> Mapping[str, int]:
        """host → 작업자의 수. 이 컴퓨터의 작업자면 비었다."""
        return self._workforce.hosts()

    def register(self, cell: int, job: Job) -> None:
        """칸의 `Job`을 알린다. 묶음마다 같은 bytes를 보내고 작업자는 한 번만 푼다."""
        packed = pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
        fingerprints = ",".join(market.ref.fingerprint for market in job.markets)
        limit = math.inf if job.trial_timeout is None else job.trial_timeout
        self._jobs[cell] = _Registered(f"{cell}:{fingerprints}", packed, limit)

    def warm_up(self, rehearsal: Rehearsal) -> None:
        """작업자들을 띄우고 전략과 엔진을 읽게 한다. 기다리지 않는다."""
        with terminal_signals_blocked():
            self._starter = Thread(target=self._start, args=(self._running(), rehearsal))
            self._starter.start()

    def _start(self, executor: Executor, rehearsal: Rehearsal) -> None:
        """곁의 thread에서: 첫 일을 보내면 작업자들이 뜰 때까지 기다리게 된다."""
        # 띄우지 못한 것은 진짜 시행을 보낼 때 다시 나므로 거기서 말한다.
        with suppress(BrokenExecutor, RunError):
            for _ in range(self.workers):
                self._warming.append(executor.submit(warm_up, rehearsal))

    @property
    def warming(self) -> bool:
        """아직 커널을 읽거나 컴파일하는 작업자가 있는가."""
        starting = self._starter is not None and self._starter.is_alive()
        return starting or any(not future.done() for future in self._warming)

    @property
    def busy(self) -> bool:
        """나가 있거나 다시 보낼 시행이 있는가."""
        return bool(self._in_flight or self._suspects or self._returned)

    @property
    def free_slots(self) -> int:
        """새 묶음을 더 보낼 수 있는 수. 용의자를 가리거나 무리와 끊긴 동안은 0이다."""
        if self._cut_at is not None or self._returned:
            return 0
        if self._suspects or any(t.losses for c in self._in_flight.values() for t in c.tasks):
            return 0
        return max(self.workers * (1 + self._look_ahead) - len(self._in_flight), 0)

    def submit(self, tasks: list[Task], gates: Sequence[Gate]) -> None:
        """한 칸의 시행들을 한 묶음으로 보낸다. executor를 거듭 띄우지 못하면 RunError.

        무리와 끊겨 있으면 쥐고 있다가 `resubmit`이 다시 보낸다.
        """
        chunk = Chunk(tasks, gates, self._generation)
        job = self._jobs[tasks[0].cell]
        batch = [Work(task.full, task.fold, task.symbol) for task in tasks]
        while True:
            with terminal_signals_blocked():
                try:
                    executor = self._running()
                    chunk.generation = self._generation
                    chunk.future = executor.submit(evaluate, job.key, job.packed, gates, batch)
                    break
                except ClusterLost:
                    self._cut()
                    self._returned.append((tasks, gates))
                    return
                except BrokenExecutor as error:
                    self._abandon(error)
                except RunError:
                    if not self._may_retry():
                        raise
                    self._cut()
                    self._returned.append((tasks, gates))
                    return
        self._in_flight[id(chunk)] = chunk
        chunk.future.add_done_callback(lambda _: self._inbox.put(ChunkDone(chunk)))

    def collect(self, chunk: Chunk) -> Collected:
        """끝난 묶음을 푼다. 이미 거둔(앞선 고장으로 잃은) 묶음이면 빈 것을 준다."""
        collected = Collected()
        if id(chunk) not in self._in_flight or chunk.future is None:
            return collected
        error = _failure(chunk.future)
        if error is not None and self._closed:
            # 우리가 끝낸 작업자다: 그 시행의 탓이 아니다.
            del self._in_flight[id(chunk)]
        elif error is None:
            del self._in_flight[id(chunk)]
            collected.done = list(zip(chunk.tasks, chunk.future.result(), strict=True))
            self._idle_breaks = 0
        elif isinstance(error, BrokenExecutor):
            self._break(chunk.generation, collected, error)
        else:
            # 무리는 살아 있고 이 묶음만 잃었다(dask의 KilledWorker, 결과를 옮기지 못함).
            del self._in_flight[id(chunk)]
            self._lose(chunk, collected, _describe(error), alone=len(chunk.tasks) == 1)
        return collected

    def resubmit(self) -> None:
        """쥐고 있는 것과 용의자를 다시 보낸다. 끊긴 지 너무 오래면 RunError."""
        for _ in range(len(self._returned)):
            if self._cut_at is not None and monotonic() < self._retry_at:
                return
            self.submit(*self._returned.popleft())
        if self._cut_at is None:
            self._resubmit_suspects()

    def _resubmit_suspects(self) -> None:
        """한 번 잃은 것은 작업자 수만큼 나란히, 두 번 잃은 것은 혼자."""
        while self._suspects and len(self._in_flight) < self.workers:
            task, gates = self._suspects[0]
            flying = [t for c in self._in_flight.values() for t in c.tasks]
            if flying and (
                task.losses >= MAX_LOSSES or any(t.losses >= MAX_LOSSES for t in flying)
            ):
                return
            self._suspects.popleft()
            self.submit([task], gates)

    def shutdown(self) -> None:
        """작업자들을 곧바로 끝낸다. 도는 시행은 버리고, 그 뒤로는 보내지 않는다. 두 번 불러도 된다."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        """지금의 executor를 버린다. 다음에 보낼 때 새로 잇는다."""
        if self._executor is not None:
            if self._starter is not None:
                self._starter.join()
            executor, self._executor = self._executor, None
            stop_executor(executor)

    def _running(self) -> Executor:
        if self._executor is None:
            self._executor = self._workforce.connect()
            self._generation += 1
            self._cut_at = None
        return self._executor

    def _cut(self) -> None:
        """무리와 끊겼다: 쥐고 있는 묶음은 잠시 뒤 다시 이어 보낸다."""
        self._drop()
        self._cut_at = self._cut_at or monotonic()
        self._retry_at = monotonic() + _RETRY_SECONDS

    def _may_retry(self) -> bool:
        """처음 잇지 못한 것은 주소가 틀린 것이다. 이었다가 끊긴 것은 기다려 본다."""
        return self._cut_at is not None and monotonic() - self._cut_at < RECONNECT_SECONDS

    def _abandon(self, error: BaseException) -> None:
        """보내려다 만난 망가진 executor를 버린다. 시행을 받기도 전에 망가지는 일이 거듭되면 RunError.

        나가 있던 묶음은 제 알림(`ChunkDone`)이 올 때 잃은 것으로 거둔다.
        """
        self._drop()
        if any(chunk.generation == self._generation for chunk in self._in_flight.values()):
            return
        self._idle_breaks += 1
        if self._idle_breaks > _MAX_IDLE_BREAKS:
            raise RunError(
                "작업자 프로세스를 띄우지 못했습니다",
                _describe(error),
                "남은 메모리(free -h)와 프로세스 한도(ulimit -u)를 보고 --n-jobs 를 줄여 보세요",
            ) from error

    def _break(self, generation: int, collected: Collected, error: BaseException) -> None:
        """그 executor가 닫혔다: 아직 끝나지 않은 그것의 묶음의 시행을 모두 잃은 것으로 본다."""
        lost = [
            chunk
            for chunk in self._in_flight.values()
            if chunk.generation == generation
            and chunk.future is not None
            and not (chunk.future.done() and _failure(chunk.future) is None)
        ]
        for chunk in lost:
            del self._in_flight[id(chunk)]
        is_current = generation == self._generation
        if isinstance(error, ClusterLost):
            if is_current:
                self._cut()
            for chunk in lost:
                collected.cut += len(chunk.tasks)
                self._returned.append((chunk.tasks, chunk.gates))
            return
        alone = sum(len(chunk.tasks) for chunk in lost) == 1
        for chunk in lost:
            self._lose(chunk, collected, _describe(error), alone=alone)
        self._idle_breaks = 0
        if is_current:
            self._drop()

    def _lose(self, chunk: Chunk, collected: Collected, reason: str, *, alone: bool) -> None:
        for task in chunk.tasks:
            task.losses += 1
            if alone and task.losses >= MAX_LOSSES:
                text = f"이 시행을 계산하던 작업자 프로세스가 {task.losses}번 죽었습니다: {reason}"
                # 혼자 보낸 시행이 제한보다 오래 돌다가 죽었으면 `patience.limited`가 끝낸 것이다.
                if monotonic() - chunk.sent >= self._jobs[task.cell].limit:
                    text = "시행 하나의 시간 제한을 넘겨 작업자 프로세스를 끝냈습니다(search.trial_timeout)"
                collected.done.append((task, Outcome(None, text, time(), 0.0, {}, False)))
            else:
                collected.lost += 1
                self._suspects.append((task, chunk.gates))


def _failure(future: Future[list[Outcome]]) -> BaseException | None:
    if future.cancelled():
        return RunError(
            "보낸 시행이 취소되었습니다",
            "작업자의 무리(dask)가 그 시행을 버렸습니다",
            "scheduler와 작업자의 기록을 보세요",
        )
    return future.exception()


def _describe(error: BaseException) -> str:
    """executor가 준 글의 첫 줄과 exit code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    codes = next((line for line in lines if "exit code" in line.lower()), "")
    codes = codes.partition(" are ")[2] or codes
    return codes or (lines[0] if lines else type(error).__name__)
