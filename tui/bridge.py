"""`tui`에서 `optimize`를 아는 단 하나의 모듈. 무거운 것은 함수 안에서 import한다."""

from __future__ import annotations

import platform
from pathlib import Path

from optimize import paths
from optimize.protocol import (
    DataProgressEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    Hello,
    PlanEvent,
    ProgressEvent,
    StoredEvent,
    StudyEvent,
    StudyResult,
    TrialEvent,
    WarningEvent,
    decode,
)

__all__ = [
    "DataProgressEvent",
    "DoneEvent",
    "ErrorEvent",
    "Event",
    "Hello",
    "PlanEvent",
    "ProgressEvent",
    "StoredEvent",
    "StudyEvent",
    "StudyResult",
    "TrialEvent",
    "WarningEvent",
]


def decode_event(line: str) -> Event | None:
    """사건 파일의 한 줄. 모르거나 깨진 줄은 None."""
    return decode(line)


def home() -> Path:
    """프로젝트의 뿌리."""
    return paths.home()


def studies_dir() -> Path:
    """`studies/`."""
    return paths.studies_dir()


def host_name() -> str:
    """이 컴퓨터의 이름(`hello` 사건의 host와 견준다)."""
    return platform.node()
