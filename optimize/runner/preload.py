"""작업자의 원형이 읽어 두는 것(forkserver의 preload): 여기서 갈라져 나온 작업자는 다시 읽지 않는다.

import하는 것만으로 일을 하므로 `processes`가 띄운 원형 말고는 import하지 않는다. thread를 띄우지 않고, 사용자의
전략은 읽지 않는다(그것은 작업자의 몫이다: 파일이 바뀌거나 죽을 수 있다).
"""

from __future__ import annotations

import atexit
import gc
import os
import time
from contextlib import suppress
from multiprocessing import forkserver

# 읽는 동안 생긴 객체는 모두 남을 것이다: 훑어도 치울 것이 없다.
gc.disable()

import loky.process_executor  # noqa: E402, F401
import numba  # noqa: E402, F401

import optimize.cli  # noqa: E402 — 작업자가 `__main__`의 module로 다시 읽는 `optimize.run`이 쓴다
import optimize.runner.worker  # noqa: E402, F401
from optimize.runner.patience import TrialTimeout, interrupted  # noqa: E402
from optimize.runner.rehearsal import TEMPLATE_ENV, rehearse_compiled  # noqa: E402

_ORPHANED_TRIES = 50


def _sweep(template: int, coordinator: int) -> None:
    """원형이 끝날 때: coordinator가 kill -9로 죽었으면 소켓과 그 폴더(`/tmp/pymp-…`)를 치울 이가 없다."""
    address = forkserver._forkserver._forkserver_address  # type: ignore[attr-defined]
    if not address or os.getpid() != template:
        return
    # 죽은 것을 손잡이로 먼저 알고, 부모가 바뀌는 것은 조금 뒤다. 살아 있으면 그가 쓰고 그가 치운다.
    for _ in range(_ORPHANED_TRIES):
        if os.getppid() != coordinator:
            # 성하게 끝난 coordinator는 이미 치웠다.
            with suppress(OSError):
                os.unlink(address)
                os.rmdir(os.path.dirname(address))
            return
        time.sleep(0.01)


atexit.register(_sweep, os.getpid(), os.getppid())

# 표시가 옛 것이면(numba를 갈았거나 CPU가 다르다) 컴파일하게 된다: 그만두고 작업자들에게 맡긴다.
_LOADING_SECONDS = 5.0

with suppress(TrialTimeout), interrupted(_LOADING_SECONDS):
    rehearse_compiled(*os.environ[TEMPLATE_ENV].split("|"))
gc.enable()
# 작업자의 수집이 이 객체들의 머리를 고쳐 쓰면 나누어 쓰던 메모리가 갈라진다.
gc.freeze()
