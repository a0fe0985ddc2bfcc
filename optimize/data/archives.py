"""zip 안의 csv 하나를 메모리로 읽는다. 디스크에 풀지 않으므로 zip 속의 경로는 쓰이지 않는다.

풀린 크기를 미리 보고, 적힌 크기를 믿지 않고 그만큼만 읽는다(작은 zip이 메모리를 다 먹지 못하게).
"""

from __future__ import annotations

import zipfile
from typing import IO

from optimize.errors import DataError

# 1분봉 한 해는 70 MB 안팎이다.
LARGEST_CSV_BYTES = 512 * 2**20


def read_csv_member(source: IO[bytes], name: str) -> bytes:
    """csv 하나의 내용. csv가 하나가 아니거나 너무 크면 DataError, zip이 깨졌으면 zipfile.BadZipFile.

    name: 오류에 보일 파일의 이름.
    """
    with zipfile.ZipFile(source) as archive:
        members = [item for item in archive.infolist() if item.filename.lower().endswith(".csv")]
        if len(members) != 1:
            raise DataError(
                f"{name}: zip 안에 csv가 하나여야 하는데 {len(members)}개입니다",
                ", ".join(item.filename for item in members[:5]),
                "압축을 풀어 쓸 csv 하나를 --data 로 주세요",
            )
        if members[0].file_size > LARGEST_CSV_BYTES:
            raise _too_large(name, members[0].file_size)
        with archive.open(members[0]) as file:
            content = file.read(LARGEST_CSV_BYTES + 1)
    if len(content) > LARGEST_CSV_BYTES:
        raise _too_large(name, len(content))
    return content


def _too_large(name: str, size: int) -> DataError:
    return DataError(
        f"{name}: 풀린 크기가 너무 큽니다",
        f"{size / 2**20:,.0f} MB가 넘습니다(한도 {LARGEST_CSV_BYTES / 2**20:,.0f} MB)",
        "기간을 나눈 파일을 쓰세요",
    )
