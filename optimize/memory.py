"""놓아준 메모리를 운영 체제에 돌려준다. 표준 라이브러리만 쓴다.

glibc는 놓아준 메모리를 프로세스 안에 쌓아 둔다. import와 커널을 읽는 일은 잠깐 수십 MB를 쓰고 놓으며,
여러 thread가 저마다의 자리(arena)에서 그렇게 하므로 coordinator의 상주 메모리가 50 MB쯤 부풀어 남는다.
"""

from __future__ import annotations

import ctypes


def return_freed_memory() -> None:
    """놓아준 메모리를 돌려준다(수 ms). glibc가 아니면(macOS, musl) 하지 않는다."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
