"""표의 열과 시각 단위를 알아본다. 애매하면 짐작하지 않고 DataError로 묻는다.

알아보는 이름: 여러 거래소와 도구(Binance bulk, Upbit, freqtrade, CryptoDataDownload, ccxt)의 것과 한국어.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from optimize.data.file_reasons import file_reason
from optimize.errors import DataError

FIELDS = ("time", "open", "high", "low", "close", "volume")
# 앞의 이름이 있으면 뒤의 이름을 보지 않는다. 한 묶음에서 둘 이상 맞으면 애매하다.
_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "time": (
        ("opentime", "candledatetimeutc", "여는시각"),
        (
            "timestamp",
            "time",
            "date",
            "datetime",
            "unix",
            "ts",
            "t",
            "start",
            "starttime",
            "시각",
            "시간",
            "일시",
            "날짜",
            "일자",
        ),
    ),
    "open": (("open", "openprice", "openingprice", "o", "시가"),),
    "high": (("high", "highprice", "h", "고가"),),
    "low": (("low", "lowprice", "l", "저가"),),
    "close": (("close", "closeprice", "tradeprice", "c", "종가"),),
    "volume": (
        ("volume", "vol", "v", "basevolume", "volumebase", "candleacctradevolume", "qty", "거래량"),
    ),
}
FUNDING_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "time": (("fundingtime", "calctime"), ("timestamp", "time", "date", "datetime")),
    "rate": (("fundingrate", "lastfundingrate", "rate"),),
}
KLINE_COLUMNS = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
    "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
# 2001~2100년을 가리키는 정수의 범위. 단위마다 1000배라 겹치지 않는다.
_SECONDS_RANGE = (978_307_200, 4_102_444_800)
_UNITS = (("초(s)", 1_000, 1), ("밀리초(ms)", 1, 1), ("마이크로초(us)", 1, 1_000), ("나노초(ns)", 1, 1_000_000))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recognised:
    """알아본 것. columns: 뜻(time, open, …) → 파일의 열 이름. time_unit: 시각의 단위.

    verified: 곁의 CHECKSUM과 같음을 확인했는가.
    """

    columns: Mapping[str, str]
    time_unit: str
    verified: bool = False

    def line(self) -> str:
        """사람이 읽는 한 줄."""
        names = ", ".join(f"{field}={name}" for field, name in self.columns.items())
        checked = " · CHECKSUM 확인" if self.verified else ""
        return f"열 {names} · 시각 단위 {self.time_unit}{checked}"


def match_columns(
    names: Sequence[str],
    chosen: Mapping[str, str],
    known: Mapping[str, tuple[tuple[str, ...], ...]] | None = None,
) -> dict[str, str]:
    """뜻 → 열 이름. chosen은 사용자가 정한 것이 우선한다. 없거나 애매하면 DataError."""
    known = _NAMES if known is None else known
    for field, name in chosen.items():
        if field not in known:
            raise DataError(
                "모르는 열의 뜻입니다",
                f"'{field}={name}'의 '{field}'",
                f"쓸 수 있는 뜻: {', '.join(known)}",
            )
        if list(names).count(name) != 1:
            reason = "열이 둘 이상입니다" if name in names else "열이 없습니다"
            raise DataError(
                f"파일에 '{name}' {reason}",
                f"파일의 열: {', '.join(names)}",
                f"--columns {field}=열이름 을 바로잡으세요",
            )
    return {
        field: chosen.get(field) or _match(field, groups, names) for field, groups in known.items()
    }


def _match(field: str, groups: tuple[tuple[str, ...], ...], names: Sequence[str]) -> str:
    for group in groups:
        found = [name for name in names if re.sub(r"[^a-z가-힣]", "", name.lower()) in group]
        if len(found) == 1:
            return found[0]
        if found:
            raise _unclear(field, f"'{', '.join(found)}' 가운데 어느 것인지 애매합니다", names)
    if field == "volume":
        partial = [name for name in names if name.lower().startswith(("volume", "vol "))]
        if len(partial) == 1:
            return partial[0]
        if partial:
            raise _unclear(field, f"'{', '.join(partial)}' 가운데 어느 것인지 애매합니다", names)
    raise _unclear(field, "맞는 이름이 없습니다", names)


def _unclear(field: str, cause: str, names: Sequence[str]) -> DataError:
    return DataError(
        f"파일에서 {field} 열을 정할 수 없습니다",
        f"{cause}. 파일의 열: {', '.join(names)}",
        "열 이름을 open_time, open, high, low, close, volume 으로 고치거나, 열을 정해 들여오세요:\n"
        f"python -m optimize.data import 파일 --symbol 심볼 --columns {field}=열이름",
    )


def time_to_ms(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.int64], str]:
    """시각 열을 UTC ms(int64)와 단위의 이름으로. 읽을 수 없거나 애매하면 DataError."""
    if column.null_count:
        raise DataError(
            f"시각 열 '{name}'에 빈 칸이 {column.null_count:,}개 있습니다",
            "시각이 없는 봉은 자리를 정할 수 없습니다",
            "그 줄을 고치거나 지우세요",
        )
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = getattr(kind, "tz", None)
        values = pc.cast(column, pa.timestamp("ms", tz=zone), safe=False).cast(pa.int64())
        label = f"시각({zone})" if zone else "시각(시간대 표시가 없어 UTC로 읽음)"
        return _numpy(values, np.int64), label
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        dtype = np.float64 if pa.types.is_floating(kind) else np.int64
        return _epoch_to_ms(_numpy(column, dtype), name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _text_to_ms(column, name)
    raise DataError(
        f"시각 열 '{name}'의 형({kind})을 읽을 수 없습니다",
        "정수, 시각(timestamp), 글만 시각으로 읽습니다",
        "YYYY-MM-DD HH:MM:SS(UTC)나 UTC 밀리초로 고치세요",
    )


def _epoch_to_ms(values: NDArray[Any], name: str) -> tuple[NDArray[np.int64], str]:
    low, high = values.min(), values.max()
    for power, (label, multiply, divide) in enumerate(_UNITS):
        scale = 1_000**power
        if _SECONDS_RANGE[0] * scale <= low and high < _SECONDS_RANGE[1] * scale:
            if np.issubdtype(values.dtype, np.floating):
                values = np.rint(values)
            return values.astype(np.int64) * multiply // divide, label
    raise DataError(
        f"시각 열 '{name}'의 단위를 알 수 없습니다",
        f"값이 {low}부터 {high}까지입니다. 초·밀리초·마이크로초·나노초 어느 것으로도 2001~2100년에 들지 않거나 섞여 있습니다",
        "시각 열을 UTC 밀리초(예: 1704067200000)로 고치세요",
    )


def _text_to_ms(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.int64], str]:
    first = column[0].as_py()
    if re.match(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}", first):
        raise DataError(
            f"시각 열 '{name}'의 날짜가 애매합니다",
            f"'{first}'은(는) 일/월인지 월/일인지 알 수 없습니다",
            "YYYY-MM-DD HH:MM:SS(UTC) 꼴로 고치세요",
        )
    zoned = re.search(r"(Z|UTC|[+-]\d{2}:?\d{2})$", first.strip())
    # ISO 8601의 꼬리 'UTC'와 빗금 날짜(2024/01/01)는 pyarrow가 모르므로 다듬는다.
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"\s*(UTC|Z)$", "")
    text = pc.replace_substring_regex(text, r"^(\d{4})/(\d{2})/(\d{2})", r"\1-\2-\3")
    try:
        if zoned and zoned[1] not in ("Z", "UTC"):
            moments = pc.cast(text, pa.timestamp("ms", tz="UTC"))
        else:
            moments = pc.cast(text, pa.timestamp("ms"))
    except pa.ArrowException as error:
        raise DataError(
            f"시각 열 '{name}'을(를) 읽을 수 없습니다",
            f"{_offender(column, first)} ({file_reason(error)})",
            "YYYY-MM-DD HH:MM:SS(UTC)나 UTC 밀리초로 고치세요",
        ) from error
    label = "ISO 8601" if zoned else "ISO 8601(시간대 표시가 없어 UTC로 읽음)"
    return _numpy(moments.cast(pa.int64()), np.int64), label


def _offender(column: pa.ChunkedArray, first: str) -> str:
    """읽지 못하게 한 값: 수의 열에 섞인 글이 있으면 그 줄, 아니면 첫 값."""
    odd = pc.invert(pc.match_substring_regex(column, r"^\s*\d+(\.\d+)?\s*$"))
    row = pc.index(odd, True).as_py()
    if not re.fullmatch(r"\s*\d+(\.\d+)?\s*", first) or row < 0:
        return f"첫 값 '{first}'"
    return f"{row + 1:,}번째 줄(머리글 빼고)의 값 '{column[row].as_py()}'"


def number_column(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """수의 열을 float64로. 빈 칸은 NaN이 된다(있을 수 없는 봉으로 걸러진다). 수가 아니면 DataError."""
    try:
        return _numpy(pc.cast(column, pa.float64()), np.float64)
    except pa.ArrowException as error:
        odd = _not_a_number(column)
        grouped = re.search(r"'\d{1,3}(,\d{3})+(\.\d*)?'$", odd)
        raise DataError(
            f"'{name}' 열에 수가 아닌 값이 있습니다",
            odd or file_reason(error),
            "천 단위 쉼표를 빼고 다시 내보내세요" if grouped else "그 줄을 고치거나 지우세요",
        ) from error


def _not_a_number(column: pa.ChunkedArray) -> str:
    """수가 아닌 첫 글과 그 자리. 글의 열이 아니거나 찾지 못하면 빈 글."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return ""
    number = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^(?i:[+-]?inf(inity)?|nan)$"
    row = pc.index(pc.match_substring_regex(column, number), False).as_py()
    return "" if row < 0 else f"{row + 1:,}번째 줄(머리글 빼고)의 값 '{column[row].as_py()[:40]}'"


_Value = TypeVar("_Value", bound=np.generic)


def _numpy(column: pa.ChunkedArray, dtype: type[_Value]) -> NDArray[_Value]:
    return np.ascontiguousarray(column.to_numpy(), dtype=dtype)
