"""사용자의 캔들·펀딩 파일 읽기: csv, csv.gz, parquet, arrow/feather, Binance bulk zip.

열과 시각 단위는 `columns`가 알아본다. 첫 줄이 모두 수인 csv는 머리글이 없는 것으로 보고,
열이 12개면 Binance kline, 6개면 시각·시가·고가·저가·종가·거래량의 차례로 읽는다.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from optimize.data.archives import LimitedGzip, read_csv_member
from optimize.data.columns import (
    FUNDING_NAMES,
    KLINE_COLUMNS,
    Recognised,
    match_columns,
    number_column,
    time_to_ms,
)
from optimize.data.dataset import Candles, FundingSchedule
from optimize.data.period import format_period
from optimize.data.plain_file import file_digest, require_plain, unreadable
from optimize.data.quality import Quality, assess, clean, detect_interval, take
from optimize.data.timeframes import MINUTE_MS
from optimize.errors import DataError

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".arrow", ".feather", ".zip")
_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_LINE = 1 << 20
# 1분봉 38년. 이보다 많으면 봉이 아니거나 메모리를 다 먹으려는 파일이다.
_MOST_BARS = 20_000_000


@dataclass(frozen=True, slots=True)
class FileCandles:
    """파일에서 읽은 봉. candles: 손질했으되 빈 봉은 채우지 않은 것. quality: 손질 전의 흠.

    whole: 파일 전체의 기간, UTC ms, 끝은 포함하지 않는다.
    """

    candles: Candles
    interval_ms: int
    quality: Quality
    recognised: Recognised
    whole: tuple[int, int]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """파일이 여럿인 실행에서도 어느 파일의 잘못인지 말한다."""
    try:
        yield
    except DataError as error:
        if path.name in f"{error.title}{error.cause}":
            raise
        raise DataError(f"{path.name}: {error.title}", error.cause, error.fix) from error


def read_raw(path: Path, columns: Mapping[str, str] | None = None) -> tuple[Candles, Recognised]:
    """손질하지 않은 봉. columns: 뜻 → 열 이름(사용자가 정한 것).

    곁에 `<파일>.CHECKSUM`(sha256sum 꼴)이 있으면 먼저 견준다. 다르거나 읽을 수 없으면 DataError.
    """
    require_plain(path)
    verified = _matches_checksum(path)
    with _naming(path):
        table = _read_table(path)
    if not table.num_rows:
        raise DataError(
            f"파일이 비었습니다: {path}", "봉이 하나도 없습니다", "봉이 든 파일을 쓰세요"
        )
    if table.num_rows > _MOST_BARS:
        raise DataError(
            f"{path.name}: 봉이 너무 많습니다",
            f"{table.num_rows:,}개입니다(한도 {_MOST_BARS:,}개)",
            "기간을 나눈 파일을 쓰세요",
        )
    with _naming(path):
        names = match_columns(table.column_names, columns or {})
        times, unit = time_to_ms(table[names["time"]], names["time"])
        values = {
            field: number_column(table[name], name)
            for field, name in names.items()
            if field != "time"
        }
    filled = np.zeros(len(times), dtype=np.bool_)
    return Candles(open_time=times, filled=filled, **values), Recognised(names, unit, verified)


def read_candles(
    path: Path,
    *,
    floor_off_grid: bool = False,
    columns: Mapping[str, str] | None = None,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> FileCandles:
    """[start_ms, end_ms)의 봉을 읽고 손질한다(빈 봉은 채우지 않는다). None은 파일의 처음과 끝이다.

    흠은 그 기간의 것만 센다. 읽을 수 없거나 애매하거나 그 기간의 봉이 없으면 DataError.
    """
    raw, recognised = read_raw(path, columns)
    with _naming(path):
        interval = detect_interval(raw.open_time)
    whole = (int(raw.open_time.min()), int(raw.open_time.max()) + interval)
    wanted = (whole[0] if start_ms is None else start_ms, whole[1] if end_ms is None else end_ms)
    if wanted[0] > whole[0] or wanted[1] < whole[1]:
        inside = (raw.open_time >= wanted[0]) & (raw.open_time < wanted[1])
        raw = take(raw, np.flatnonzero(inside))
    if not len(raw):
        raise DataError(
            "고른 기간의 캔들이 파일에 없습니다",
            f"{path.name}의 기간은 {format_period(*whole)}입니다",
            "--start 와 --end 를 그 안으로 고르거나 비우세요",
        )
    quality = assess(raw, interval)
    with _naming(path):
        candles = clean(raw, quality, floor_off_grid=floor_off_grid)
    return FileCandles(candles, interval, quality, recognised, whole)


def read_funding(path: Path) -> FundingSchedule:
    """펀딩 기록을 읽는다. 몇 ms 늦은 시각은 분으로 반올림한다. 읽을 수 없으면 DataError."""
    require_plain(path)
    table = _read_table(path)
    if not table.num_rows:
        raise DataError(
            f"펀딩 파일이 비었습니다: {path}", "기록이 하나도 없습니다", "기록이 든 파일을 쓰세요"
        )
    fix = "열 이름을 funding_time, funding_rate 로 고치세요"
    try:
        names = match_columns(table.column_names, {}, FUNDING_NAMES)
        fix = ""
        times, _ = time_to_ms(table[names["time"]], names["time"])
        rates = number_column(table[names["rate"]], names["rate"])
    except DataError as error:
        raise DataError(
            f"펀딩 파일 {path.name}을(를) 읽을 수 없습니다: {error.title}",
            error.cause,
            fix or error.fix,
        ) from error
    odd = int(np.count_nonzero(~np.isfinite(rates)))
    if odd:
        raise DataError(
            f"펀딩 파일 {path.name}에 수가 아닌 비율이 있습니다",
            f"빈 칸이나 NaN이 {odd:,}개 있습니다",
            "그 줄을 고치거나 지우세요",
        )
    return tidy_funding(times, rates)


def tidy_funding(
    times: np.ndarray[tuple[int], np.dtype[np.int64]],
    rates: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> FundingSchedule:
    """시각을 분으로 반올림하고 시간순으로 세운다. 같은 시각이 겹치면 뒤의 것을 쓴다."""
    rounded = (times + MINUTE_MS // 2) // MINUTE_MS * MINUTE_MS
    order = np.argsort(rounded, kind="stable")
    rounded, rates = rounded[order], rates[order]
    last = np.flatnonzero(np.diff(rounded, append=np.int64(-1)) != 0)
    return FundingSchedule(rounded[last], rates[last])


def _matches_checksum(path: Path) -> bool:
    """곁의 CHECKSUM과 같은가. CHECKSUM이 없으면 False, 다르거나 읽을 수 없으면 DataError."""
    sidecar = path.with_name(f"{path.name}.CHECKSUM")
    try:
        words = sidecar.read_text(encoding="utf-8", errors="replace").split()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unreadable(sidecar, error) from error
    wanted, found = (words[0].lower() if words else "", file_digest(path))
    if wanted == found:
        return True
    raise DataError(
        f"파일이 CHECKSUM과 다릅니다: {path.name}",
        f"CHECKSUM {wanted[:16]}…, 파일 {found[:16]}…",
        f"파일을 다시 내려받으세요. CHECKSUM이 낡은 것이면 지우고 다시 실행하세요: {sidecar}",
    )


def _read_table(path: Path) -> pa.Table:
    name = path.name.lower()
    try:
        if name.endswith((".csv", ".csv.gz", ".txt")):
            with _open_csv(path) as file:
                return read_csv_table(file)
        if name.endswith(".zip"):
            return _read_zip(path)
        if name.endswith(".parquet"):
            import pyarrow.parquet as pa_parquet

            return pa_parquet.read_table(path)
        if name.endswith((".arrow", ".feather", ".ipc")):
            return _read_arrow(path)
    except (OSError, EOFError, zlib.error, pa.ArrowException, zipfile.BadZipFile) as error:
        raise unreadable(path, error) from error
    raise DataError(
        f"알 수 없는 형식의 파일입니다: {path.name}",
        f"확장자 '{path.suffix}'은(는) 캔들 파일의 것이 아닙니다"
        if path.suffix
        else "이름에 확장자가 없습니다",
        f"쓸 수 있는 형식: {', '.join(SUFFIXES)}",
    )


def _open_csv(path: Path) -> IO[bytes]:
    """csv를 압축을 풀어 연다. 확장자가 아니라 내용으로 gzip을 알아본다."""
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
    return LimitedGzip(path) if compressed else path.open("rb")  # type: ignore[return-value]


def _read_zip(path: Path) -> pa.Table:
    with path.open("rb") as file:
        return read_csv_table(io.BytesIO(read_csv_member(file, path.name)))


def read_csv_table(file: IO[bytes]) -> pa.Table:
    """csv를 표로. 머리글이 없으면 열의 수로 이름을 정한다."""
    first = file.readline(_LONGEST_LINE)
    if len(first) == _LONGEST_LINE:
        raise DataError(
            "csv의 첫 줄이 너무 깁니다", "글이 아닌 파일로 보입니다", "파일을 확인하세요"
        )
    file.seek(0)
    encoding = _encoding(first)
    cells = [cell.strip() for cell in first.decode(encoding).strip().split(",")]
    read_options = pa_csv.ReadOptions(encoding=encoding.removesuffix("-sig"))
    if all(_is_number(cell) for cell in cells):
        read_options.column_names = _headerless_names(len(cells))
    elif ";" in cells[0] or "\t" in cells[0]:
        raise DataError(
            "쉼표로 나뉜 csv가 아닙니다",
            "첫 줄이 ';'이나 탭으로 나뉘어 있습니다",
            "쉼표로 나뉜 csv(소수점은 '.')로 다시 내보내세요",
        )
    elif len(cells) == 1:
        # CryptoDataDownload처럼 첫 줄이 출처를 적은 한 칸이면 건너뛴다.
        read_options.skip_rows = 1
    convert = pa_csv.ConvertOptions(strings_can_be_null=False)
    return pa_csv.read_csv(file, read_options=read_options, convert_options=convert)


def _encoding(first: bytes) -> str:
    """첫 줄의 encoding: UTF-8, 아니면 한국어 엑셀이 쓰는 CP949. 둘 다 아니면 DataError."""
    for encoding in ("utf-8-sig", "cp949"):
        try:
            first.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    raise DataError(
        "csv의 글자를 읽을 수 없습니다",
        "UTF-8도 CP949도 아닙니다",
        "UTF-8로 다시 저장하세요(엑셀이면 'CSV UTF-8')",
    )


def _headerless_names(count: int) -> list[str]:
    if count == len(KLINE_COLUMNS):
        return list(KLINE_COLUMNS)
    if count == 6:
        return list(KLINE_COLUMNS[:6])
    raise DataError(
        "머리글이 없는 csv의 열을 정할 수 없습니다",
        f"열이 {count}개입니다. 6개(시각·시가·고가·저가·종가·거래량)나 12개(Binance kline)만 알아봅니다",
        "첫 줄에 open_time,open,high,low,close,volume 같은 머리글을 넣으세요",
    )


def _read_arrow(path: Path) -> pa.Table:
    with path.open("rb") as file:
        if file.read(6) == b"ARROW1":
            file.seek(0)
            return pa.ipc.open_file(file).read_all()
        file.seek(0)
        return pa.ipc.open_stream(file).read_all()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
