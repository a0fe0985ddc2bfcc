"""저장을 맡은 thread: 묶어 넣고, 멈춘 저장소를 기다리고, 남의 시행을 한 번만 읽는다."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest
import sqlalchemy as sa
from optuna.distributions import IntDistribution

from optimize.errors import StorageError
from optimize.runner import keeper as keeper_module
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
from optimize.storage import tables
from optimize.storage.failures import StorageOperationError
from optimize.storage.options import StorageOptions
from optimize.storage.resilient import Backoff
from optimize.storage.store import TrialStore
from optimize.storage.url import sqlite_url
from optimize.trial import FinishedTrial, params_key


def trial(x: int) -> FinishedTrial:
    now = datetime.now(UTC)
    return FinishedTrial(f"uid-{x}", "COMPLETE", {"x": x}, (float(x),), now, now)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TrialStore]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def open_store(folder: Path) -> TrialStore:
    distributions = {"x": IntDistribution(0, 1000)}
    url = sqlite_url(folder / "k.db")
    return TrialStore.open(url, StorageOptions(), "s", ["maximize"], distributions, {})


class Keeping:
    def __init__(
        self,
        store: TrialStore,
        target: int = 100,
        written: Callable[[], Sequence[FinishedTrial]] = list,
    ) -> None:
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.keeper = StoreKeeper(self.inbox, "me")
        self.keeper.add(0, store, target, 0, -1, written)
        self.keeper._resilient._backoff = Backoff(0.01, 1.0, 0.01)
        self.keeper.start()

    def next(self, kind: type[Any], seconds: float = 10) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            try:
                message = self.inbox.get(timeout=max(deadline - time.monotonic(), 0.01))
            except Empty:
                raise AssertionError(f"{kind.__name__}이 오지 않는다") from None
            if isinstance(message, kind):
                return message

    def finish(self) -> None:
        self.keeper.finish()
        self.keeper.join(10)
        assert not self.keeper.is_alive()


def test_trials_are_stored_in_batches_in_order(store: TrialStore) -> None:
    keeping = Keeping(store)
    for x in range(50):
        keeping.keeper.append(0, [trial(x)])
    stored: list[str] = []
    batches = 0
    while len(stored) < 50:
        message = keeping.next(Stored)
        stored += [t.uid for t in message.trials]
        batches += 1
    keeping.finish()
    assert stored == [f"uid-{x}" for x in range(50)]
    assert batches < 10
    assert [t.number for t in store.load()] == list(range(50))


def test_finish_stores_what_is_left_and_releases_the_claims(store: TrialStore) -> None:
    keeping = Keeping(store, target=5)
    keys = [params_key({"x": x}) for x in range(5)]
    keeping.keeper.claim(0, keys)
    answer = keeping.next(ClaimAnswer)
    assert answer.result.granted == keys
    keeping.keeper.append(0, [trial(0), trial(1)])
    keeping.finish()
    assert store.counts().complete == 2
    # 내가 쥐었던 세 자리는 곧바로 남의 것이 될 수 있다.
    other = store.claims("other").claim([params_key({"x": x}) for x in range(10, 20)], 5)
    assert len(other.granted) == 3


def test_trials_of_another_run_are_read_once_and_mine_are_not(
    store: TrialStore, tmp_path: Path
) -> None:
    keeping = Keeping(store)
    keeping.keeper.append(0, [trial(1)])
    keeping.next(Stored)
    other = open_store(tmp_path)
    other.append([trial(2), trial(3)])
    keeping.keeper.append(0, [trial(4)])
    assert keeping.next(Stored).numbers == [3]
    keeping.keeper.claim(0, [])
    assert [t.uid for t in keeping.next(Foreign).trials] == ["uid-2", "uid-3"]
    other.append([trial(5)])
    time.sleep(0.6)
    keeping.keeper.claim(0, [])
    assert [t.uid for t in keeping.next(Foreign).trials] == ["uid-5"]
    time.sleep(0.6)
    keeping.keeper.claim(0, [])
    keeping.next(ClaimAnswer)
    keeping.finish()
    with pytest.raises(AssertionError):
        keeping.next(Foreign, 0.1)
    other.close()


class Flaky:
    """처음 fails번은 멈춘 저장소인 것처럼 실패한다."""

    def __init__(self, store: TrialStore, fails: int, *, retryable: bool = True) -> None:
        self._store = store
        self._fails = fails
        self._retryable = retryable

    def append(self, trials: Sequence[FinishedTrial], target: int | None = None) -> list[int]:
        if self._fails > 0:
            self._fails -= 1
            raise StorageOperationError("저장하지 못했습니다", "끊김", retryable=self._retryable)
        return self._store.append(trials, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_an_outage_is_waited_out_and_told_once(store: TrialStore) -> None:
    flaky: Any = Flaky(store, 6)
    keeping = Keeping(flaky)
    keeping.keeper.append(0, [trial(1)])
    assert not keeping.next(StoreOutage).recovered
    assert keeping.next(StoreOutage).recovered
    assert keeping.next(Stored).numbers == [0]
    keeping.finish()


def test_a_hopeless_failure_ends_the_thread_with_its_error(store: TrialStore) -> None:
    flaky: Any = Flaky(store, 10**6, retryable=False)
    keeping = Keeping(flaky)
    keeping.keeper.append(0, [trial(1)])
    failed = keeping.next(StoreFailed)
    assert store_failure(failed.error).title == "저장하지 못했습니다"
    keeping.keeper.join(10)
    assert keeping.keeper.unsaved == 1


def test_giving_up_does_not_wait_for_a_dead_storage(store: TrialStore) -> None:
    flaky: Any = Flaky(store, 10**6)
    keeping = Keeping(flaky)
    keeping.keeper._resilient._backoff = Backoff(30, 1.0, 30)
    keeping.keeper.append(0, [trial(1)])
    time.sleep(0.4)
    began = time.monotonic()
    keeping.keeper.give_up()
    keeping.keeper.join(10)
    assert time.monotonic() - began < 3
    assert not keeping.keeper.is_alive()


def test_an_unknown_failure_is_told_as_a_storage_error() -> None:
    told = store_failure(ValueError("스터디가 지워졌습니다"))
    assert isinstance(told, StorageError)
    assert "지워졌습니다" in told.cause


def test_a_silent_store_is_told_while_it_is_waited_for(
    store: TrialStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """실패도 답도 없으면(패킷을 삼키는 길) 기다린다고 한 번 알리고, 답이 오면 되살아났다고 한다."""
    monkeypatch.setattr(keeper_module, "_SILENT_SECONDS", 0.2)
    answered = threading.Event()
    append = store.append

    def silent(trials: Sequence[FinishedTrial], target: int | None = None) -> list[int]:
        assert answered.wait(30)
        return append(trials, target)

    monkeypatch.setattr(store, "append", silent)
    keeping = Keeping(store)
    keeping.keeper.append(0, [trial(1)])
    told = keeping.next(StoreOutage)
    assert not told.recovered
    assert "답하지 않습니다" in told.cause
    answered.set()
    assert keeping.next(StoreOutage).recovered
    assert keeping.next(Stored).numbers == [0]
    keeping.finish()


def test_trials_the_store_lost_are_put_back_from_the_journal(store: TrialStore) -> None:
    """기록은 줄보다 앞선다: 아직 줄에 서지 않은 것(6~8)을 두 번 세지 않고, 모두 한 번씩 남는다."""
    journal = [trial(x) for x in range(9)]
    keeping = Keeping(store, written=lambda: journal)
    keeping.keeper.append(0, journal[:6])
    while store.counts().complete < 6:
        keeping.next(Stored)
    with store.engine.begin() as connection:
        # 뒤처진 대기 서버처럼: 셋째 뒤의 것이 없다.
        lost = sa.select(tables.trials.c.trial_id).where(tables.trials.c.number >= 3)
        parts = (tables.trial_values, tables.trial_params, tables.trial_user_attributes)
        for table in (tables.stored, *parts, tables.trials):
            connection.execute(sa.delete(table).where(table.c.trial_id.in_(lost)))
    keeping.keeper.claim(0, [])
    rewound = keeping.next(Rewound)
    assert (rewound.lost, rewound.restored, rewound.finished) == (3, 3, 6)
    keeping.keeper.append(0, journal[6:])
    assert keeping.next(Stored).numbers == [6, 7, 8]
    keeping.keeper.claim(0, [])
    keeping.next(ClaimAnswer)
    keeping.finish()
    assert not any(isinstance(message, Rewound) for message in drained(keeping))
    assert [(t.number, t.uid) for t in store.load()] == [(x, f"uid-{x}") for x in range(9)]


def drained(keeping: Keeping) -> list[Any]:
    return [keeping.inbox.get() for _ in range(keeping.inbox.qsize())]
