"""압축한 csv를 메모리로 읽는다. 디스크에 풀지 않으므로 zip 속의 경로는 쓰이지 않는다.

풀린 크기를 미리 보고, 적힌 크기를 믿지 않고 그만큼만 읽는다(작은 zip이 메모리를 다 먹지 못하게).
"""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import IO

from optimize.errors import DataError

# 1분봉 한 해는 70 MB 안팎이다.
LARGEST_CSV_BYTES = 512 * 2**20
# csv.gz는 차례로 읽으므로 여러 해를 담은 파일도 받는다.
LARGEST_GZIP_BYTES = 2 * LARGEST_CSV_BYTES


def read_csv_member(source: IO[bytes], name: str) -> bytes:
    """csv 하나의 내용. csv가 하나가 아니거나 너무 크면 DataError, zip이 깨졌으면 zipfile.BadZipFile.

    name: 오류에 보일 파일의 이름.
    """
    with zipfile.ZipFile(source) as archive:
        # macOS가 zip에 끼워 넣는 `__MACOSX/._x.csv`는 csv가 아니다.
        members = [
            item
            for item in archive.infolist()
            if item.filename.lower().endswith(".csv") and not item.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            raise DataError(
                f"{name}: zip 안에 csv가 하나여야 하는데 {len(members)}개입니다",
                ", ".join(item.filename for item in members[:5]),
                "압축을 풀어 쓸 csv 하나를 --data 로 주세요",
            )
        if members[0].file_size > LARGEST_CSV_BYTES:
            raise _too_large(name, LARGEST_CSV_BYTES)
        try:
            with archive.open(members[0]) as file:
                content = file.read(LARGEST_CSV_BYTES + 1)
        except RuntimeError as error:
            # zipfile은 암호도 모르는 압축도 RuntimeError(와 그 자식)로 알린다.
            locked = bool(members[0].flag_bits & 1)
            raise DataError(
                f"{name}: zip 안의 csv를 풀 수 없습니다",
                "암호가 걸려 있습니다" if locked else f"모르는 방법으로 압축했습니다({error})",
                "압축을 풀어 쓸 csv를 --data 로 주세요",
            ) from error
    if len(content) > LARGEST_CSV_BYTES:
        raise _too_large(name, LARGEST_CSV_BYTES)
    return content


class LimitedGzip(gzip.GzipFile):
    """gzip을 푼 글. 한도를 넘게 풀리면 DataError, 깨졌으면 읽을 때 OSError나 EOFError."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self._shown = path.name

    def read(self, size: int | None = -1) -> bytes:
        body = super().read(size)
        if self.tell() > LARGEST_GZIP_BYTES:
            raise _too_large(self._shown, LARGEST_GZIP_BYTES)
        return body


def _too_large(name: str, limit: int) -> DataError:
    return DataError(
        f"{name}: 풀린 크기가 너무 큽니다",
        f"한도 {limit / 2**20:,.0f} MB가 넘습니다",
        "기간을 나눈 파일을 쓰세요",
    )
