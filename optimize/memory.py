"""메모리: 놓아준 것을 운영 체제에 돌려주고, 치울 것이 없는 동안 수집을 쉰다. 표준 라이브러리만 쓴다.

glibc는 놓아준 메모리를 프로세스 안에 쌓아 둔다. import와 커널을 읽는 일은 잠깐 수십 MB를 쓰고 놓으며,
여러 thread가 저마다의 자리(arena)에서 그렇게 하므로 coordinator의 상주 메모리가 50 MB쯤 부풀어 남는다.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager


def return_freed_memory() -> None:
    """놓아준 메모리를 돌려준다(수 ms). glibc가 아니면(macOS, musl) 하지 않는다."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextmanager
def without_collection() -> Iterator[None]:
    """안에서는 순환 참조의 수집을 쉰다. import처럼 오래 남을 것만 만드는 짧은 일에 쓴다.

    객체 수십만 개를 만드는 동안 거듭 훑어도 치울 것이 없고, 켜지는 CPU의 1할이 거기에 든다.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
