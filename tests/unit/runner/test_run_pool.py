"""작업자 무리: 죽어도 시행을 잃지 않고, 죽이는 시행만 골라낸다(가짜 executor로)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from queue import SimpleQueue
from typing import Any

import pytest

from optimize.errors import RunError
from optimize.runner.cargo import Kit
from optimize.runner.executors import ClusterLost
from optimize.runner.pool import MAX_LOSSES, ChunkDone, Task, WorkerPool, _Registered
from optimize.runner.worker import Outcome

GOOD = Outcome({"sharpe": 1.0}, "", 0.0, 0.01, {}, False)


class FakeExecutor(Executor):
    """보낸 일을 쌓아 두고 시험이 시킬 때 끝내거나 무너진다."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Future[list[Outcome]], list[int]]] = []
        self.broken = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("이미 무너졌다")
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.jobs.append((future, [work.params["x"] for work in args[3]]))
        return future

    def finish(self, index: int = 0) -> None:
        future, batch = self.jobs.pop(index)
        future.set_result([GOOD] * len(batch))

    def collapse(self) -> None:
        self.broken = True
        for future, _ in self.jobs:
            future.set_exception(BrokenExecutor("작업자가 죽었다"))

    def shutdown(self, wait: bool = True, **kwargs: Any) -> None:
        self.broken = True


class Bench:
    """시험이 부리는 무리(`Workforce`)와 그 pool."""

    def __init__(self, workers: int = 2, limit: float = math.inf) -> None:
        self.made: list[FakeExecutor] = []
        self.count = workers
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.pool = WorkerPool(self, self.inbox)
        self.pool._jobs[0] = _Registered("k", b"", limit)

    def connect(self) -> Executor:
        self.made.append(FakeExecutor())
        return self.made[-1]

    def capacity(self) -> int:
        return self.count

    def hosts(self) -> Mapping[str, int]:
        return {}

    def equip(self, refs: Sequence[Any], strategy: str) -> Kit:
        return Kit(strategy)

    @property
    def executor(self) -> FakeExecutor:
        return self.made[-1]

    def send(self, *xs: int) -> None:
        tasks = [Task(str(x), 0, {"x": x}, {"x": x}) for x in xs]
        self.pool.submit(tasks, ())

    def collect(self) -> tuple[dict[str, Outcome], int]:
        done: dict[str, Outcome] = {}
        lost = 0
        while not self.inbox.empty():
            message = self.inbox.get()
            assert isinstance(message, ChunkDone)
            collected = self.pool.collect(message.chunk)
            done |= {task.uid: outcome for task, outcome in collected.done}
            lost += collected.lost
        return done, lost

    def work_off(self, killers: set[int] = frozenset()) -> dict[str, Outcome]:  # type: ignore[assignment]
        """남은 일을 끝까지. killers에 든 시행은 계산될 때마다 무리를 무너뜨린다."""
        finished: dict[str, Outcome] = {}
        for _ in range(200):
            self.pool.resubmit()
            if not self.pool.busy:
                return finished
            # 작업자 수만큼만 함께 돈다.
            running = [x for _, batch in self.executor.jobs[: self.pool.workers] for x in batch]
            if killers & set(running):
                self.executor.collapse()
            elif self.executor.jobs:
                self.executor.finish()
            done, _ = self.collect()
            finished |= done
        raise AssertionError("끝나지 않는다")


def test_a_lost_worker_loses_no_trial() -> None:
    bench = Bench()
    bench.send(1, 2)
    bench.send(3, 4)
    bench.send(5)
    bench.executor.finish()
    bench.executor.collapse()
    done, lost = bench.collect()
    assert (set(done), lost) == ({"1", "2"}, 3)
    assert bench.pool.free_slots == 0, "용의자를 가리는 동안 새 시행을 보냈다"
    done = bench.work_off()
    assert set(done) == {"3", "4", "5"}
    assert all(outcome.metrics for outcome in done.values())
    assert len(bench.made) == 2
    assert bench.pool.free_slots > 0


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("killers", [{2}, {2, 5}, {1, 2, 3, 4, 5, 6}])
def test_exactly_the_killers_fail(workers: int, killers: set[int]) -> None:
    bench = Bench(workers)
    for xs in ((1, 2), (3, 4), (5, 6)):
        bench.send(*xs)
    done = bench.work_off(killers)
    assert {int(uid) for uid, outcome in done.items() if outcome.metrics is None} == killers
    assert set(done) == set("123456")
    assert all("번 죽었습니다" in done[str(x)].error for x in killers)


def test_a_trial_that_died_past_its_limit_is_called_too_slow() -> None:
    bench = Bench(1, limit=0.0)
    bench.send(1)
    done = bench.work_off({1})
    assert "시간 제한을 넘겨" in done["1"].error


def test_a_suspect_stopped_with_the_run_is_not_called_a_killer() -> None:
    """한 번 잃은 시행이 다시 도는 동안 실행을 끝내면(Ctrl-C 두 번), 우리가 죽인 작업자를 그 시행의 탓으로 적지 않는다."""
    bench = Bench(1)
    bench.send(1)
    bench.executor.collapse()
    assert bench.collect() == ({}, 1)
    bench.pool.resubmit()
    bench.pool.shutdown()
    bench.executor.collapse()
    assert bench.collect() == ({}, 0)
    assert not bench.pool.busy


def test_a_result_that_arrived_before_the_collapse_is_kept() -> None:
    bench = Bench()
    bench.send(1)
    bench.send(2)
    bench.executor.finish()
    bench.executor.collapse()
    # 무너짐의 알림이 먼저 처리되어도 끝난 묶음은 잃은 것으로 치지 않는다.
    first, second = bench.inbox.get(), bench.inbox.get()
    late = bench.pool.collect(second.chunk)
    early = bench.pool.collect(first.chunk)
    assert late.lost == 1
    assert [task.uid for task, _ in early.done] == ["1"]


@pytest.mark.parametrize("workers", [1, 2])
def test_trials_of_a_collapse_met_while_sending_are_not_forgotten(workers: int) -> None:
    """무너진 것을 알림보다 먼저, 보내다가 알게 되어도 나가 있던 시행은 다시 계산된다."""
    bench = Bench(workers)
    bench.send(1)
    bench.send(2)
    bench.executor.collapse()
    bench.send(3)
    assert len(bench.made) == 2
    assert bench.collect() == ({}, 2)
    assert not bench.executor.broken, "새 무리까지 버렸다"
    done = bench.work_off()
    assert set(done) == {"1", "2", "3"}
    assert all(outcome.metrics for outcome in done.values())


def test_workers_that_never_start_are_a_run_error() -> None:
    class Stillborn(FakeExecutor):
        def __init__(self) -> None:
            super().__init__()
            self.broken = True

    bench = Bench()
    bench.connect = Stillborn  # type: ignore[assignment, method-assign]
    with pytest.raises(RunError, match="띄우지 못했습니다"):
        bench.send(1)


class Severed(Bench):
    """scheduler가 죽은 무리: 나가 있던 것은 끊기고, 다시 이으려면 refusals번 실패한다."""

    refusals = 0

    def connect(self) -> Executor:
        if self.made and self.refusals:
            self.refusals -= 1
            raise RunError("연결하지 못했습니다", "까닭", "해결")
        return super().connect()

    def sever(self) -> None:
        cut, self.executor.jobs = self.executor.jobs, []
        for future, _ in cut:
            future.set_exception(ClusterLost("끊겼다"))


def test_trials_cut_off_with_the_cluster_are_sent_again_unblamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """끊긴 것은 시행의 탓이 아니다: 되풀이되어도 실패가 되지 않고, 다시 이어지면 그대로 다시 보낸다."""
    monkeypatch.setattr("optimize.runner.pool._RETRY_SECONDS", 0.0)
    bench = Severed()
    bench.send(1, 2)
    bench.send(3)
    for _ in range(MAX_LOSSES + 1):
        bench.refusals = 2
        bench.sever()
        assert bench.collect() == ({}, 0)
        assert bench.pool.busy
        assert bench.pool.free_slots == 0
        for _ in range(5):
            bench.pool.resubmit()
        assert sorted(x for _, batch in bench.executor.jobs for x in batch) == [1, 2, 3]
    while bench.executor.jobs:
        bench.executor.finish()
    done, _ = bench.collect()
    assert {uid: outcome.metrics for uid, outcome in done.items()} == dict.fromkeys(
        "123", GOOD.metrics
    )


def test_a_late_word_of_an_old_cut_does_not_cut_the_new_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("optimize.runner.pool._RETRY_SECONDS", 0.0)
    bench = Severed()
    bench.send(1)
    bench.sever()
    bench.executor.submit = _lost  # type: ignore[method-assign]
    bench.send(2)
    bench.pool.resubmit()
    assert len(bench.made) == 2
    bench.collect()
    bench.pool.resubmit()
    assert len(bench.made) == 2
    assert sorted(x for _, batch in bench.executor.jobs for x in batch) == [1, 2]


def _lost(*_: Any, **__: Any) -> Future[Any]:
    raise ClusterLost("끊겼다")


def test_a_cluster_that_stays_away_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimize.runner.pool._RETRY_SECONDS", 0.0)
    monkeypatch.setattr("optimize.runner.pool.RECONNECT_SECONDS", 0.0)
    bench = Severed()
    bench.send(1)
    bench.refusals = 9
    bench.sever()
    bench.collect()
    with pytest.raises(RunError, match="연결하지 못했습니다"):
        bench.pool.resubmit()


def test_a_chunk_lost_alone_is_tried_once_more_then_failed() -> None:
    """무리는 살아 있고 묶음만 잃는 executor(dask의 KilledWorker)."""
    bench = Bench()
    bench.send(1)
    for _ in range(2):
        future, _ = bench.executor.jobs.pop()
        future.set_exception(RuntimeError("KilledWorker"))
        done, _ = bench.collect()
        bench.pool.resubmit()
    assert done["1"].metrics is None
    assert not bench.pool.busy
