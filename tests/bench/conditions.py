"""숫자 곁에 적을 조건: 컴퓨터, load, 판. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba", "optuna", "sqlalchemy", "psycopg2-binary", "textual", "pyarrow",
            "vectorbt", "backtesting")  # fmt: skip


def conditions() -> dict[str, Any]:
    """이 컴퓨터와 이 순간. versions: 깔린 것만."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": load(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }  # fmt: skip


def load() -> float:
    """1분 평균 load."""
    return round(os.getloadavg()[0], 1)


def cpu_name() -> str:
    """CPU의 이름. 모르면 아키텍처."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
