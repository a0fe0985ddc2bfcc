"""저장소를 맡은 thread: 끝난 시행을 묶어 넣고, 평가할 자리를 맡고, 남의 시행을 읽는다.

탐색은 저장소를 기다리지 않는다. 부탁은 줄을 서고 답은 inbox로 온다. 저장소가 멈추면 간격을 늘려
가며 되풀이하고 알린다. thread가 하나이므로 SQLite의 writer도 하나다.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from optimize.errors import StorageError, WizardError
from optimize.trial import FinishedTrial

if TYPE_CHECKING:
    from optimize.storage.claims import ClaimResult, Claims
    from optimize.storage.resilient import Outage
    from optimize.storage.store import TrialStore

BATCH_SECONDS = 0.15
BATCH_TRIALS = 64
_FOREIGN_SECONDS = 0.5
_IDLE_SECONDS = 5.0
_RESTORE_TRIALS = 500
_QUIET_ATTEMPTS = 2
# 실패도 답도 없이 이만큼 지나면 기다린다고 알린다: 패킷을 삼키는 길, 남의 긴 잠금.
_SILENT_SECONDS = 15.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClaimAnswer:
    """자리 맡기의 답. seconds: 부탁해서 답을 얻기까지의 초."""

    cell: int
    keys: list[str]
    result: ClaimResult
    seconds: float


@dataclass(frozen=True, slots=True)
class Stored:
    """시행들이 들어갔다. numbers[i]는 trials[i]의 번호, 목표가 차서 넣지 않았으면 -1."""

    cell: int
    trials: list[FinishedTrial]
    numbers: list[int]


@dataclass(frozen=True, slots=True)
class Foreign:
    """다른 실행이 같은 스터디에 넣은 시행들."""

    cell: int
    trials: list[FinishedTrial]


@dataclass(frozen=True, slots=True)
class Rewound:
    """저장소가 넣었다고 한 시행을 잃었다(뒤처진 대기 서버로의 장애 조치, 되돌린 사본).

    lost: 잃은 수. restored: 이 실행의 기록에서 다시 넣은 수. finished: 이제 저장된 끝난 시행의 수.
    """

    cell: int
    lost: int
    restored: int
    finished: int


@dataclass(frozen=True, slots=True)
class StoreOutage:
    """저장소가 멈춰 기다린다(recovered이면 되살아났다). seconds: 멈춘 초."""

    cause: str
    seconds: float
    recovered: bool


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """기다려도 풀리지 않는 실패. thread는 끝났다."""

    error: Exception


@dataclass(slots=True, eq=False)
class _CellStore:
    store: TrialStore
    claims: Claims
    target: int
    known: int
    high: int
    written: Callable[[], Sequence[FinishedTrial]]
    buffer: list[FinishedTrial] = field(default_factory=list)
    buffered_at: float = 0.0
    sent: int = 0
    ours: dict[int, str] = field(default_factory=dict)
    foreign_at: float = 0.0


class StoreKeeper(threading.Thread):
    """`append`·`claim`은 줄만 세우고 곧바로 돌아온다. `stop`으로 끝낸다."""

    def __init__(self, inbox: SimpleQueue[Any], owner: str) -> None:
        super().__init__(name="store-keeper", daemon=True)
        from optimize.storage.resilient import Resilient

        self._inbox = inbox
        self._owner = owner
        self._cells: dict[int, _CellStore] = {}
        self._wake = threading.Condition()
        self._asked: list[tuple[int, list[str], float]] = []
        self._draining = False
        self._stop_waiting = threading.Event()
        self._resilient = Resilient(self._stop_waiting, self._on_outage, self._on_recovery)
        self._cause = ""
        self._asked_at = 0.0
        self._over = threading.Event()

    def add(
        self,
        cell: int,
        store: TrialStore,
        target: int,
        known: int,
        high: int,
        written: Callable[[], Sequence[FinishedTrial]],
    ) -> None:
        """칸을 맡긴다(시작하기 전에).

        known: 이미 아는 끝난 시행의 수, high: 그 마지막 번호(없으면 -1). written: 이 실행이 사건 기록에 적은
        시행들을 읽는다(저장소가 잃었을 때만 부른다).
        """
        claims = store.claims(self._owner)
        self._cells[cell] = _CellStore(store, claims, target, known, high, written)

    def append(self, cell: int, trials: Sequence[FinishedTrial]) -> None:
        """끝난 시행들을 넣어 달라고 한다(사건 기록에 적은 뒤에)."""
        with self._wake:
            keeping = self._cells[cell]
            keeping.buffered_at = keeping.buffered_at or time.monotonic()
            keeping.buffer += trials
            if len(keeping.buffer) >= BATCH_TRIALS or len(keeping.buffer) == len(trials):
                self._wake.notify()

    def claim(self, cell: int, keys: list[str]) -> None:
        """자리를 맡아 달라고 한다. keys가 비면 지금의 셈만 알려 준다."""
        with self._wake:
            self._asked.append((cell, keys, time.monotonic()))
            self._wake.notify()

    def finish(self) -> None:
        """남은 시행을 다 넣고, 맡은 자리를 돌려주고 끝낸다. 기다리지는 않는다(`join`)."""
        with self._wake:
            self._draining = True
            self._wake.notify()

    def give_up(self) -> None:
        """멈춘 저장소를 더 기다리지 않는다."""
        self._stop_waiting.set()
        self.finish()

    @property
    def unsaved(self) -> int:
        """아직 넣지 못한 시행의 수."""
        return sum(len(keeping.buffer) for keeping in self._cells.values())

    def run(self) -> None:
        threading.Thread(target=self._mind_silence, name="store-silence", daemon=True).start()
        try:
            while self._step():
                pass
            for cell, keeping in self._cells.items():
                # 마지막에 넣은 것이 장애 조치로 사라졌을 수 있다.
                self._claim(cell, [], time.monotonic())
                # 돌려주지 못해도 lease가 지나면 풀린다.
                with suppress(WizardError):
                    self._try(keeping.claims.release)
        except Exception as error:  # noqa: BLE001 — thread의 실패는 main loop가 사용자에게 알린다
            self._inbox.put(StoreFailed(error))
        finally:
            self._over.set()

    def _step(self) -> bool:
        """한 바퀴. 끝낼 때가 되었으면 False."""
        with self._wake:
            if not self._has_work():
                self._wake.wait(self._patience())
            asked, self._asked = self._asked, []
            draining = self._draining
        if not draining:
            for cell, keys, since in asked:
                self._claim(cell, keys, since)
        for cell, keeping in self._cells.items():
            if keeping.buffer and (draining or self._is_due(keeping)):
                self._append(cell, keeping)
        if not draining:
            for keeping in self._cells.values():
                self._try(keeping.claims.renew_if_due)
        return not (draining and not self.unsaved)

    def _has_work(self) -> bool:
        return bool(self._asked) or self._draining or any(map(self._is_due, self._cells.values()))

    def _is_due(self, keeping: _CellStore) -> bool:
        if not keeping.buffer:
            return False
        age = time.monotonic() - keeping.buffered_at
        return len(keeping.buffer) >= BATCH_TRIALS or age >= BATCH_SECONDS

    def _patience(self) -> float:
        return BATCH_SECONDS if self.unsaved else _IDLE_SECONDS

    def _claim(self, cell: int, keys: list[str], since: float) -> None:
        keeping = self._cells[cell]
        result = self._try(lambda: keeping.claims.claim(keys, keeping.target))
        self._inbox.put(ClaimAnswer(cell, keys, result, time.monotonic() - since))
        if result.finished < keeping.known:
            self._restore(cell, keeping, keeping.known - result.finished)
            return
        unseen = result.finished > keeping.known
        if unseen and time.monotonic() - keeping.foreign_at >= _FOREIGN_SECONDS:
            self._read_foreign(cell, keeping)

    def _append(self, cell: int, keeping: _CellStore) -> None:
        trials = list(keeping.buffer)
        numbers = self._try(lambda: keeping.store.append(trials, keeping.target))
        with self._wake:
            del keeping.buffer[: len(trials)]
            keeping.sent += len(trials)
            keeping.buffered_at = time.monotonic() if keeping.buffer else 0.0
        placed = {n: t.uid for t, n in zip(trials, numbers, strict=True) if n >= 0}
        keeping.ours |= placed
        keeping.known += len(placed)
        while keeping.high + 1 in keeping.ours:
            keeping.high += 1
            del keeping.ours[keeping.high]
        self._inbox.put(Stored(cell, trials, numbers))

    def _restore(self, cell: int, keeping: _CellStore, lost: int) -> None:
        """저장소가 잃은 이 실행의 시행을 사건 기록에서 다시 넣는다. 남의 것은 남이 한다."""
        # 기록과 줄의 차례가 같다: 앞의 것은 넣은 것이고, 나머지는 줄에 있거나 곧 설 것이다.
        ours = keeping.written()[: keeping.sent]
        before = self._try(lambda: keeping.store.counts()).finished
        for first in range(0, len(ours), _RESTORE_TRIALS):
            part = ours[first : first + _RESTORE_TRIALS]
            self._try(lambda part=part: keeping.store.append(part, keeping.target))  # type: ignore[misc]
        keeping.known = self._try(lambda: keeping.store.counts()).finished
        keeping.high, keeping.ours = keeping.known - 1, {}
        self._inbox.put(Rewound(cell, lost, keeping.known - before, keeping.known))

    def _read_foreign(self, cell: int, keeping: _CellStore) -> None:
        loaded = self._try(lambda: keeping.store.load(keeping.high))
        others = [trial for trial in loaded if keeping.ours.get(_number(trial)) != trial.uid]
        keeping.foreign_at = time.monotonic()
        if loaded:
            keeping.high = max(keeping.high, _number(loaded[-1]))
            keeping.ours = {n: uid for n, uid in keeping.ours.items() if n > keeping.high}
        if others:
            keeping.known += len(others)
            self._inbox.put(Foreign(cell, others))

    def _try(self, action: Callable[[], T]) -> T:
        self._asked_at = time.monotonic()
        try:
            result = self._resilient(action)
            self._on_recovery(time.monotonic() - self._asked_at)
            return result
        finally:
            self._asked_at = 0.0

    def _on_outage(self, outage: Outage) -> None:
        # 잠깐의 끊김까지 알리면 알림이 무뎌진다.
        if outage.attempt == _QUIET_ATTEMPTS:
            self._announce(outage.error.cause, outage.elapsed_s)

    def _on_recovery(self, seconds: float) -> None:
        with self._wake:
            cause, self._cause = self._cause, ""
        if cause:
            self._inbox.put(StoreOutage(cause, seconds, recovered=True))

    def _announce(self, cause: str, seconds: float) -> None:
        with self._wake:
            self._cause = cause
        self._inbox.put(StoreOutage(cause, seconds, recovered=False))

    def _mind_silence(self) -> None:
        """다른 thread에서: 한 일이 오래 답을 얻지 못하면 한 번 알린다."""
        while not self._over.wait(min(1.0, _SILENT_SECONDS / 3)):
            asked_at, told = self._asked_at, self._cause
            waited = time.monotonic() - asked_at
            if asked_at and not told and waited > _SILENT_SECONDS:
                self._announce(f"저장소가 {waited:.0f}초째 답하지 않습니다", waited)


def _number(trial: FinishedTrial) -> int:
    return -1 if trial.number is None else trial.number


def store_failure(error: Exception) -> WizardError:
    """`StoreFailed`의 오류를 사용자에게 보일 것으로."""
    if isinstance(error, WizardError):
        return error
    return StorageError(
        "시행을 저장하지 못했습니다",
        f"{type(error).__name__}: {error}",
        "저장소를 확인한 뒤 다시 실행하면 남은 시행이 이어집니다: python -m optimize.storage check",
    )
