"""시행을 계산할 곳: 이 컴퓨터의 프로세스(loky) 또는 dask 무리. 둘 다 `concurrent.futures.Executor`다.

coordinator는 어느 쪽인지 모른다. 여기서 만드는 것은 이미 시작된 executor다.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Protocol

from optimize.runner.cargo import Kit
from optimize.runner.worker import SINGLE_THREAD_ENV, Rehearsal

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef


class ClusterLost(BrokenExecutor):
    """작업자 무리와 끊겼다. 시행의 탓이 아니므로 그대로 다시 보낸다."""


@dataclass(frozen=True, slots=True)
class WorkforceNotice:
    """inbox에 오는 알림: 작업자가 모두 떨어졌거나 쓸 수 없는 작업자가 붙었다."""

    title: str
    cause: str
    fix: str


class Workforce(Protocol):
    """시행을 계산할 무리. `connect`는 잃은 뒤 다시 부를 수 있다."""

    def connect(self) -> Executor:
        """시작된 executor. 잇지 못하면 RunError."""

    def capacity(self) -> int:
        """함께 돌릴 시행의 수, 1 이상."""

    def hosts(self) -> Mapping[str, int]:
        """host → 작업자의 수. 이 컴퓨터의 작업자면 비었다."""

    def equip(self, refs: Sequence[DatasetRef], strategy: str) -> Kit:
        """캔들과 전략을 작업자가 읽을 수 있게 한다. 보내지 못하면 RunError."""


class LocalWorkforce:
    """이 컴퓨터의 프로세스들."""

    def __init__(self, workers: int, rehearsal: Rehearsal, hidden_env: Sequence[str] = ()) -> None:
        """rehearsal: 작업자마다 첫 시행 전에 예행할 것.

        hidden_env: 작업자에게 비워서 넘길 환경 변수(저장소의 비밀번호가 든 것: 작업자는 쓰지 않는다).
        """
        self._workers = workers
        self._rehearsal = rehearsal
        self._env = {
            **SINGLE_THREAD_ENV,
            **{name: "" for name in hidden_env if os.environ.get(name)},
        }
        # 보내는 끝은 아무에게도 물리지 않는다: 이 프로세스가 어떻게 죽든 작업자들이 끊긴 것을 안다.
        self._lifeline, self._held = Pipe(duplex=False)

    def capacity(self) -> int:
        """프로세스의 수."""
        return self._workers

    def hosts(self) -> Mapping[str, int]:
        """비었다."""
        return {}

    def equip(self, refs: Sequence[DatasetRef], strategy: str) -> Kit:
        """같은 컴퓨터이므로 보낼 것이 없다."""
        del refs
        return Kit(strategy)

    def connect(self) -> Executor:
        """loky의 process pool. 작업자는 첫 일을 받을 때 뜬다."""
        from optimize.runner.processes import start_processes

        return start_processes(self._workers, self._rehearsal, self._lifeline, self._env)


def stop_executor(executor: Executor) -> None:
    """executor를 곧바로 끝낸다.

    작업자는 잃을 것을 갖지 않으므로 기다리지 않고 죽인다(loky의 고운 종료는 드물게 30초를 기다린다).
    """
    try:
        executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]
    except TypeError:
        # loky의 것이 아닌 executor.
        executor.shutdown(wait=False)
