"""시행을 계산할 곳: 이 컴퓨터의 프로세스(loky) 또는 dask 무리. 둘 다 `concurrent.futures.Executor`다.

coordinator는 어느 쪽인지 모른다. 여기서 만드는 것은 이미 시작된 executor다.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from optimize.runner.cargo import Kit
from optimize.runner.worker import SINGLE_THREAD_ENV, Rehearsal, start_worker

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
        """loky의 process pool."""
        from loky import ProcessPoolExecutor

        # 작업자를 갈아 끼운다는 알림이다. 시행은 pool이 다시 보내므로 사용자가 할 일이 없다.
        warnings.filterwarnings("ignore", category=UserWarning, module="loky")
        executor: Executor = ProcessPoolExecutor(
            self._workers,
            timeout=None,
            initializer=start_worker,
            initargs=(os.getpid(), self._rehearsal),
            env=self._env,
        )
        return executor


def stop_executor(executor: Executor) -> None:
    """executor를 곧바로 끝낸다.

    작업자는 잃을 것을 갖지 않으므로 기다리지 않고 죽인다(loky의 고운 종료는 드물게 30초를 기다린다).
    """
    try:
        executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]
    except TypeError:
        # loky의 것이 아닌 executor.
        executor.shutdown(wait=False)
