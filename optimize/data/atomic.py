"""파일을 원자적으로 적기. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from optimize.errors import DataError, os_reason


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """임시 파일에 적고 fsync한 다음 제자리로 옮긴다: 읽는 쪽은 늘 온전한 파일만 본다.

    예외가 나면 임시 파일을 지우고 path는 그대로다. 디스크에 쓰지 못하면 DataError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
        )
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(
            f"캔들 캐시에 쓰지 못했습니다: {path}",
            os_reason(error),
            "디스크의 빈 자리와 폴더의 쓰기 권한을 확인하세요",
        ) from error
