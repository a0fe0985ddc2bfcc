"""시행을 계산할 곳: 이 컴퓨터의 프로세스(loky) 또는 dask 무리. 둘 다 `concurrent.futures.Executor`다.

coordinator는 어느 쪽인지 모른다. 여기서 만드는 것은 이미 시작된 executor다.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from optimize.errors import RunError, SettingsError
from optimize.runner.worker import SINGLE_THREAD_ENV, Rehearsal, start_worker

ExecutorFactory = Callable[[], Executor]
_DASK_CONNECT_SECONDS = 10


def local_factory(
    workers: int, rehearsal: Rehearsal, hidden_env: Sequence[str] = ()
) -> ExecutorFactory:
    """이 컴퓨터의 프로세스 workers개.

    rehearsal: 작업자마다 첫 시행 전에 예행할 것.
    hidden_env: 작업자에게 비워서 넘길 환경 변수(저장소의 비밀번호가 든 것: 작업자는 쓰지 않는다).
    """
    env = {**SINGLE_THREAD_ENV, **{name: "" for name in hidden_env if os.environ.get(name)}}

    def make() -> Executor:
        from loky import ProcessPoolExecutor

        # 작업자를 갈아 끼운다는 알림이다. 시행은 pool이 다시 보내므로 사용자가 할 일이 없다.
        warnings.filterwarnings("ignore", category=UserWarning, module="loky")
        executor: Executor = ProcessPoolExecutor(
            workers,
            timeout=None,
            initializer=start_worker,
            initargs=(os.getpid(), rehearsal),
            env=env,
        )
        return executor

    return make


def dask_factory(scheduler: str | None) -> ExecutorFactory:
    """dask scheduler에 이어진 작업자들. 패키지가 없거나 주소가 없으면 SettingsError."""
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError(
            "--executor dask 에 필요한 패키지가 없습니다",
            f"{error}",
            "설치: pip install 'backtest-wizard[cluster]'  (이 폴더에서는 .venv/bin/pip install -e '.[cluster]')\n"
            "한 컴퓨터에서만 쓰려면 --executor local",
        ) from None
    if scheduler is None:
        raise SettingsError(
            "dask scheduler의 주소가 없습니다",
            "search.executor가 dask인데 search.dask_scheduler가 비었습니다",
            "--dask-scheduler tcp://호스트:8786",
        )

    def make() -> Executor:
        try:
            client = Client(scheduler, timeout=_DASK_CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise RunError(
                "dask scheduler에 연결하지 못했습니다",
                f"{scheduler}: {error}",
                "주소와 방화벽을 보세요. 시작: dask scheduler --port 8786",
            ) from error
        executor: Executor = client.get_executor(pure=False)
        return executor

    return make


def stop_executor(executor: Executor) -> None:
    """executor를 곧바로 끝낸다.

    작업자는 잃을 것을 갖지 않으므로 기다리지 않고 죽인다(loky의 고운 종료는 드물게 30초를 기다린다).
    """
    try:
        executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]
    except TypeError:
        # dask의 작업자는 우리 것이 아니다: 보낸 일만 거둔다.
        executor.shutdown(wait=False)
