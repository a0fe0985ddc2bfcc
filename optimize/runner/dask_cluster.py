"""dask 무리에 잇기: 판을 확인하고, 캔들을 실어 보내고, 작업자의 드나듦을 살핀다.

작업자는 실행 도중에 붙고 떨어질 수 있다. scheduler와 끊기면 나가 있던 시행은 `ClusterLost`로
돌아오고, pool이 다시 이어 다시 보낸다.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from optimize.errors import RunError, SettingsError, WizardError, os_reason
from optimize.runner.cargo import CargoFile, Kit, cargo_of, load_cargo, portable_strategy
from optimize.runner.executors import ClusterLost, WorkforceNotice
from optimize.runner.versions import differences, versions

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef

CONNECT_SECONDS = 10
_WORKER_SECONDS = 15.0
_WATCH_SECONDS = 1.0
_POLL_SECONDS = 0.25
_ADDRESS = re.compile(
    r"(?:(?:tcp|tls|ucx|wss?)://)?(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):\d{1,5}(?:/\S*)?"
)
_START = (
    "scheduler: dask scheduler --port 8786 · 작업자: dask worker tcp://호스트:8786 --nthreads 1"
)


class DaskCluster:
    """scheduler 하나. `connect`는 끊긴 뒤 다시 부를 수 있다. main thread에서만 부른다."""

    def __init__(self, scheduler: str | None, most: int | None, inbox: SimpleQueue[Any]) -> None:
        """most: 함께 쓸 작업자의 상한, None이면 모두. 패키지나 주소가 없으면 SettingsError."""
        try:
            import distributed  # noqa: F401
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
        if not _ADDRESS.fullmatch(scheduler):
            # dask는 틀린 꼴을 실행이 끝날 때까지 붙들고 traceback을 쓴다.
            raise SettingsError(
                "dask scheduler의 주소가 틀렸습니다",
                f"search.dask_scheduler: {scheduler}",
                "tcp://호스트:8786 (TLS를 켰으면 tls://호스트:8786)",
            )
        self._scheduler = scheduler
        self._most = most
        self._inbox = inbox
        self._cargo: dict[CargoFile, bytes] = {}
        self._executor: DaskExecutor | None = None

    def connect(self) -> Executor:
        """이어진 executor. 닿지 못하거나 쓸 작업자가 없으면 RunError."""
        from distributed import Client

        _silence()
        try:
            client = Client(  # type: ignore[no-untyped-call]
                self._scheduler, timeout=CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, TimeoutError, ValueError, ImportError) as error:
            said = str(error) or type(error).__name__
            late = f"{CONNECT_SECONDS}초 안에 이어지지 않았습니다(scheduler가 꺼져 있거나 주소가 다릅니다)"
            raise RunError(
                "dask scheduler에 연결하지 못했습니다",
                f"{self._scheduler}: {late if said.startswith('Timed out') else said}",
                f"주소와 방화벽을 보세요. {_START}",
            ) from error
        executor = DaskExecutor(client, self._inbox)
        try:
            self._load(executor)
            executor.require_workers(_WORKER_SECONDS)
        except BaseException:
            executor.shutdown(wait=False)
            raise
        self._executor = executor
        return executor

    def equip(self, refs: Sequence[DatasetRef], strategy: str) -> Kit:
        """파일들을 작업자마다 한 번씩 보낸다. 나중에 붙는 작업자도 받는다."""
        try:
            files = cargo_of(refs, strategy)
            self._cargo = load_cargo(files)
        except OSError as error:
            raise RunError(
                "작업자에게 보낼 파일을 읽지 못했습니다",
                os_reason(error),
                "같은 명령을 다시 실행하세요",
            ) from error
        if self._executor is not None:
            self._load(self._executor)
        return Kit(portable_strategy(strategy), files)

    def hosts(self) -> dict[str, int]:
        """host → 쓸 수 있는 작업자 프로세스의 수."""
        return {} if self._executor is None else dict(self._executor.hosts)

    def capacity(self) -> int:
        """함께 돌릴 시행의 수. 작업자가 없어도 1(붙기를 기다린다)."""
        found = sum(self.hosts().values())
        return max(1, found if self._most is None else min(found, self._most))

    def _load(self, executor: DaskExecutor) -> None:
        try:
            executor.load(self._cargo)
        except WizardError:
            raise
        except Exception as error:
            raise RunError(
                "dask 작업자에게 캔들을 보내지 못했습니다",
                f"{type(error).__name__}: {error}",
                "작업자의 로그와 남은 디스크(df -h)를 보세요",
            ) from error


def _silence() -> None:
    """dask가 stderr에 쓰는 기록을 끈다. 끊김은 우리가 사건으로 알린다. logger마다 제 수준이 있다."""
    for name in [*logging.root.manager.loggerDict]:
        if name.split(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class DaskExecutor(Executor):
    """`distributed.Client`를 `concurrent.futures.Executor`로. 자격이 있는 작업자에게만 보낸다.

    `Client.get_executor()`와 다른 것: 끊기면 나가 있던 것이 취소가 아니라 `ClusterLost`로 끝난다.
    """

    def __init__(self, client: Any, inbox: SimpleQueue[Any]) -> None:
        self.hosts: Counter[str] = Counter()
        self._client = client
        self._inbox = inbox
        self._unable: list[str] = []
        self._refused: set[str] = set()
        self._pending: dict[Any, Future[Any]] = {}
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="dask-watch", daemon=True)

    def load(self, cargo: Mapping[CargoFile, bytes]) -> None:
        """판을 확인하고 파일을 놓게 한다. 같은 것은 두 번 보내지 않는다."""
        from optimize.runner.dask_worker import WizardPlugin

        expected = versions()
        names = "".join(file.digest for file in cargo) + repr(sorted(expected.items()))
        name = f"backtest-wizard-{hashlib.sha256(names.encode()).hexdigest()[:16]}"
        try:
            self._client.register_plugin(WizardPlugin(expected, cargo), name=name)
        except ImportError:
            # 이 프로그램이 없는 작업자가 있다. 나머지는 자격을 얻었고, 그것은 곧 알린다.
            return

    def require_workers(self, seconds: float) -> None:
        """자격이 있는 작업자가 하나라도 붙기를 기다린다. 없으면 까닭과 함께 RunError."""
        deadline = time.monotonic() + seconds
        self._look()
        while not self.hosts:
            self._say_refused(fatal=True)
            if time.monotonic() > deadline:
                raise RunError(
                    "dask scheduler에 작업자가 없습니다", f"{seconds:g}초를 기다렸습니다", _START
                )
            time.sleep(_POLL_SECONDS)
            self._look()
        self._say_refused(fatal=False)
        self._watcher.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """자격이 있는 작업자 하나에 보낸다. 끊겼으면 ClusterLost."""
        from optimize.runner.dask_worker import RESOURCE

        if self._closed.is_set() or self._client.status != "running":
            raise ClusterLost("dask scheduler와 끊겼습니다")
        sent = self._client.submit(fn, *args, pure=False, resources={RESOURCE: 1}, **kwargs)
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._pending[sent] = future
        sent.add_done_callback(self._finished)
        return future

    def shutdown(self, wait: bool = True, **_options: Any) -> None:
        """나가 있는 것을 거두고 끊는다. 작업자는 우리 것이 아니므로 그대로 둔다."""
        del wait
        if self._closed.is_set():
            return
        self._closed.set()
        with suppress(Exception):
            self._client.cancel(list(self._pending), force=True)
        with suppress(Exception):
            self._client.close(timeout=2)

    def _finished(self, sent: Any) -> None:
        """dask의 thread에서 불린다."""
        future = self._pending.pop(sent, None)
        if future is None:
            return
        try:
            if sent.status == "finished":
                future.set_result(sent.result(timeout=30))
                return
            error = sent.exception(timeout=30) if sent.status == "error" else None
        except Exception as problem:  # noqa: BLE001 — 끊기는 동안 무엇이든 난다
            error = ClusterLost(str(problem) or type(problem).__name__)
        future.set_exception(error or ClusterLost("dask scheduler와 끊겼습니다"))

    # --- 드나듦 -----------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH_SECONDS):
            before = sum(self.hosts.values())
            try:
                self._look()
            except Exception:  # noqa: BLE001, S112 — 끊기면 나가 있던 시행이 그 일을 알린다
                continue
            self._say_refused(fatal=False)
            after = sum(self.hosts.values())
            if before and not after:
                self._inbox.put(
                    WorkforceNotice(
                        "dask 작업자가 모두 떨어졌습니다",
                        "새 작업자가 붙기를 기다립니다",
                        _START,
                    )
                )

    def _look(self) -> None:
        """작업자들을 센다. 처음 보는, 자격 없는 작업자를 적어 둔다."""
        from optimize.runner.dask_worker import RESOURCE

        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        able = {a for a, w in workers.items() if w.get("resources", {}).get(RESOURCE)}
        self.hosts = Counter(urlsplit(address).hostname or address for address in sorted(able))
        self._unable = sorted(set(workers) - able)

    def _say_refused(self, *, fatal: bool) -> None:
        """판이 달라 쓰지 않는 작업자를 한 번씩 알린다. fatal이면 RunError로."""
        fresh = [address for address in self._unable if address not in self._refused]
        if not fresh:
            return
        reasons = self._reasons(fresh)
        self._refused |= reasons.keys()
        if not reasons:
            return
        title = "판이 다른 dask 작업자는 쓰지 않습니다"
        cause = "\n".join(f"{address}: {reason}" for address, reason in reasons.items())
        fix = "그 컴퓨터에서 같은 판을 설치하고(git pull, ./시작 테스트 --version) 작업자를 다시 시작하세요"
        if fatal:
            raise RunError(title, cause, fix)
        self._inbox.put(WorkforceNotice(title, cause, fix))

    def _reasons(self, addresses: Sequence[str]) -> dict[str, str]:
        """작업자마다 자격을 얻지 못한 까닭. 아직 준비 중인 것은 뺀다."""
        mine = versions()
        found = self._client.run(versions, workers=list(addresses), on_error="return")
        reasons = {}
        for address, theirs in found.items():
            if isinstance(theirs, BaseException):
                reasons[address] = f"이 프로그램을 읽지 못했습니다({theirs})"
            elif difference := differences(mine, theirs):
                reasons[address] = difference
        return reasons
