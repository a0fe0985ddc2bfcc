"""Arrow IPC 파일 쓰기와 memory map 열기.

압축하지 않은 record batch 하나로 적으므로 각 열이 복사 없는 numpy view로 열린다.
쓰기는 임시 파일 + fsync + `os.replace`라 읽는 쪽은 늘 온전한 파일만 본다.
bool은 Arrow에서 bit로 묶여 view가 되지 않으므로 uint8로 적고 bool_로 본다.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from optimize.data.atomic import atomic_file
from optimize.data.dataset import Candles, FundingSchedule
from optimize.errors import DataError

PRICE_COLUMNS = ("open", "high", "low", "close", "volume")
_CANDLE_DTYPES = {
    "open_time": np.int64,
    **dict.fromkeys(PRICE_COLUMNS, np.float64),
    "filled": np.uint8,
}


def write_columns(
    path: Path, columns: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> int:
    """같은 길이의 열들을 한 record batch로 원자적으로 적고 파일 크기(바이트)를 돌려준다.

    디스크에 쓰지 못하면 DataError.
    """
    batch = pa.record_batch({name: pa.array(values) for name, values in columns.items()})
    schema = batch.schema.with_metadata(dict(metadata)) if metadata else batch.schema
    with atomic_file(path) as file:
        with pa.ipc.new_file(file, schema) as writer:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
        return file.tell()


def write_candles(path: Path, candles: Candles, metadata: Mapping[str, str] | None = None) -> int:
    """봉을 적는다. 파일 크기(바이트)를 돌려준다."""
    columns = {
        name: np.ascontiguousarray(getattr(candles, name), dtype=dtype)
        for name, dtype in _CANDLE_DTYPES.items()
    }
    return write_columns(path, columns, metadata)


def write_funding(path: Path, funding: FundingSchedule) -> int:
    """펀딩 기록을 적는다."""
    return write_columns(path, {"time": funding.time, "rate": funding.rate})


def open_candles(path: str | Path, rows: int | None = None) -> Candles:
    """봉을 memory map한다. 파일이 없거나 깨졌거나 길이가 `rows`와 다르면 DataError."""
    columns = _open_columns(path, tuple(_CANDLE_DTYPES), rows)
    columns["filled"] = columns["filled"].view(np.bool_)
    return Candles(**columns)


def open_funding(path: str | Path) -> FundingSchedule:
    """펀딩 기록을 memory map한다. 깨졌으면 DataError."""
    return FundingSchedule(**_open_columns(path, ("time", "rate"), None))


def open_column(path: str | Path, name: str, rows: int | None = None) -> NDArray[Any]:
    """열 하나를 memory map한다. 깨졌으면 DataError."""
    return _open_columns(path, (name,), rows)[name]


def read_metadata(path: str | Path) -> dict[str, str]:
    """파일의 schema에 적힌 metadata. 깨졌으면 DataError."""
    try:
        with pa.memory_map(str(path)) as source:
            found = pa.ipc.open_file(source).schema.metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, str(error)) from error
    return {key.decode(): value.decode() for key, value in found.items()}


def _open_columns(
    path: str | Path, names: tuple[str, ...], rows: int | None
) -> dict[str, NDArray[Any]]:
    try:
        # 배열들이 map을 붙들고 있으므로 닫지 않는다: 마지막 배열과 함께 풀린다.
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if reader.num_record_batches != 1:
            raise _broken(path, f"record batch가 {reader.num_record_batches}개입니다")
        batch = reader.get_batch(0)
        # to_numpy는 깔려 있기만 하면 pandas를 불러온다(프로세스마다 25 MB와 0.5초).
        columns = {name: np.from_dlpack(batch.column(name)) for name in names}
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _broken(path, str(error)) from error
    if rows is not None and batch.num_rows != rows:
        raise _broken(path, f"{rows:,}줄이어야 하는데 {batch.num_rows:,}줄입니다")
    return columns


def _broken(path: str | Path, cause: str) -> DataError:
    return DataError(
        f"캔들 캐시 파일을 열 수 없습니다: {path}",
        cause,
        "같은 명령을 다시 실행하면 준비된 파일을 새로 만듭니다. "
        f"그래도 같으면 {Path(path).parent} 폴더를 지우고 다시 실행하세요",
    )
