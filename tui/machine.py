"""이 컴퓨터: 이름, 코어, 메모리, 깔린 것."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from pathlib import Path


def has_ccxt() -> bool:
    """Binance와 Upbit이 아닌 거래소에서도 내려받을 수 있는가(선택 묶음 ccxt)."""
    return find_spec("ccxt") is not None


def host_name() -> str:
    """이 컴퓨터의 이름(`hello` 사건의 host와 견준다)."""
    return platform.node()


def cores() -> int:
    """이 프로세스가 쓸 수 있는 코어 수."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> tuple[int, int]:
    """(남은 메모리, 전체 메모리) 바이트. 알 수 없으면 (0, 0)."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text.splitlines()}
        return values["MemAvailable"], values["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        return 0, 0
