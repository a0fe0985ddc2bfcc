"""준비해 둔 파일(`.prepared/`) 치우기. 표준 라이브러리와 filelock만 쓴다."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from filelock import FileLock, Timeout


def sweep(cache_dir: Path, older_than_days: float) -> tuple[int, int]:
    """older_than_days 동안 쓰지 않은 폴더를 지우고 (폴더 수, 바이트)를 준다.

    지금 다른 프로세스가 만들고 있는 폴더는 건너뛴다.
    """
    limit = time.time() - older_than_days * 86_400
    count = size = 0
    for folder in sorted((cache_dir / ".prepared").glob("*/")):
        if folder.stat().st_mtime > limit:
            continue
        try:
            with FileLock(folder / ".lock", timeout=0):
                size += sum(path.stat().st_size for path in folder.iterdir())
                shutil.rmtree(folder)
        except Timeout:
            continue
        count += 1
    return count, size
