"""이 컴퓨터의 작업자 프로세스들: loky의 pool. 리눅스에서는 원형에서 갈라져 나온다.

numba를 import하고 커널을 읽는 데 작업자마다 CPU 0.6초가 든다. 원형(`preload`를 읽어 둔 forkserver)이 한 번
치르면, 작업자는 fork로 수십 ms에 뜨고 읽어 둔 것의 메모리도 나누어 쓴다. 죽은 작업자도 그렇게 다시 뜬다.
macOS의 Accelerate(numpy의 행렬 곱)는 fork를 견디지 못하므로 거기서는 loky가 하나씩 새로 띄운다. 임시 폴더의
경로가 길어 원형의 소켓을 둘 수 없을 때도 그렇다.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

from loky import ProcessPoolExecutor

from optimize.errors import RunError, os_reason
from optimize.runner.rehearsal import TEMPLATE_ENV, kernels_of
from optimize.runner.signals import terminal_signals_blocked
from optimize.runner.worker import Rehearsal, start_worker

# 소켓의 이름(`/pymp-xxxxxxxx/listener-xxxxxxxx`)까지 108바이트를 넘지 않는다.
_LONGEST_TEMP = 70


def start_processes(
    workers: int, rehearsal: Rehearsal, lifeline: Connection, env: Mapping[str, str]
) -> Executor:
    """첫 일을 받을 때 뜨는 프로세스들. 원형을 띄우지 못하면 RunError.

    lifeline: 이 프로세스가 죽으면 끊기는 파이프의 받는 끝. env: 작업자의 환경에서 바꿀 것.
    """
    # 작업자를 갈아 끼운다는 알림이다. 시행은 pool이 다시 보내므로 사용자가 할 일이 없다.
    warnings.filterwarnings("ignore", category=UserWarning, module="loky")
    return _Processes(
        workers,
        timeout=None,
        context=_template(rehearsal, env) if _may_fork() else None,
        initializer=start_worker,
        initargs=(lifeline, rehearsal),
        env=dict(env),
    )


def _may_fork() -> bool:
    return sys.platform != "darwin" and len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_TEMP


class _Processes(ProcessPoolExecutor):  # type: ignore[misc]
    """프로세스를 띄우지 못한 것을 BrokenExecutor로 말하는 loky의 executor."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        try:
            sent: Future[Any] = super().submit(fn, *args, **kwargs)
        except (EOFError, OSError) as error:
            # 원형이 죽었다(메모리가 모자라거나 프로세스의 한도에 닿았다).
            raise BrokenExecutor(f"{type(error).__name__}: {error}") from error
        return sent


def _template(rehearsal: Rehearsal, env: Mapping[str, str]) -> BaseContext:
    """원형을 띄우고(이미 떠 있으면 그대로) 그 context를 준다. 원형이 다 읽기를 기다리지 않는다."""
    chosen = f"{kernels_of(rehearsal.strategy)}|{rehearsal.cell}"
    try:
        # 이것을 띄우면 터미널의 신호를 막은 것이 풀린다(CPython). 원형보다 먼저 띄운다.
        with _environment({**env, "PYTHONWARNINGS": "ignore"}):
            # 비밀번호를 물려주지 않고, 곧바로 끝낸 실행이 남긴 semaphore를 치우며 영어 경고를 쓰지 않게 한다.
            resource_tracker.ensure_running()
        forkserver.set_forkserver_preload(["optimize.runner.preload"])
        with terminal_signals_blocked(), _environment({**env, TEMPLATE_ENV: chosen}):
            forkserver.ensure_running()
    except OSError as error:
        raise RunError(
            "작업자 프로세스를 띄우지 못했습니다",
            os_reason(error),
            "임시 폴더에 쓸 수 있어야 합니다: TMPDIR=/tmp 을 앞에 붙여 보세요",
        ) from error
    return multiprocessing.get_context("forkserver")


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """안에서 띄우는 프로세스의 환경 변수만 바꾼다. 다른 thread가 뜨기 전에만 쓴다."""
    before: dict[str, Any] = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
