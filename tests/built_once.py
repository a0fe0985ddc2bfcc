"""여러 시험이, xdist의 여러 작업자가 나누어 쓰는 비싼 폴더."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def built_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """build가 채운 folder. 누가 먼저 부르든 한 번만 만들고, 만들다 만 것은 다시 만든다."""
    done = folder / ".built"
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            done.touch()
    return folder
