"""시행이 보는 시장 자료. 모든 배열은 Arrow 파일을 memory map한 읽기 전용 numpy view다.

기호: n = LTF 봉 수, m = HTF 봉 수, b = 바탕(가장 고운) 봉 수. 시각은 모두 UTC epoch 밀리초(int64)이고
봉의 시각은 여는 시각(open time)이다. 가격과 거래량은 float64다.

`DatasetRef`만 프로세스 사이를 오간다(작고 picklable하다). 작업자는 `ref.open()`으로 같은 파일을
memory map하므로 물리 메모리를 나눠 쓴다.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Int64Array = NDArray[np.int64]
    Int32Array = NDArray[np.int32]
    FloatArray = NDArray[np.float64]
    BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """OHLCV 봉, 길이가 같은 읽기 전용 배열들.

    open_time: int64[n], UTC ms, 오름차순. open·high·low·close: float64[n], 호가 통화.
    volume: float64[n], 기초 자산의 양. filled: bool_[n], 빈 자리를 직전 종가로 채운 봉인가.
    """

    open_time: Int64Array
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    filled: BoolArray

    def __len__(self) -> int:
        return len(self.open_time)


@dataclass(frozen=True, slots=True, eq=False)
class FundingSchedule:
    """무기한 선물의 펀딩 기록. time: int64[k] UTC ms(분 단위로 반올림, 오름차순).

    rate: float64[k], 한 번에 주고받는 비율(0.0001 = 0.01 %). 양수면 long이 낸다.
    """

    time: Int64Array
    rate: FloatArray

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """한 칸의 자료를 가리키는 값. 작업자로 건너간다.

    start_ms, end_ms: 바탕 봉의 기간, UTC ms, 끝은 포함하지 않는다. cell: `1m@15m`.
    bars: LTF 봉 수. filled_bars: 그 가운데 채운 봉의 수.
    fingerprint: 기간 안의 캔들·펀딩·심볼·칸의 sha256(hex 64자). 출처와 무관하다.
    source: 사람이 읽는 출처(`파일 x.csv.gz`, `Binance 현물`, `합성 데모`).
    *_path: Arrow 파일의 절대 경로. 없으면 None. base_interval_ms: 바탕 봉의 길이.
    tick_size, step_size, min_notional: 거래소가 알려 준 호가 단위·수량 단위·최소 주문 금액. 모르면 None.
    notes: 사람이 읽는 자료의 흠(빈 봉, 펀딩 없음 등). 없으면 빈 tuple.
    """

    symbol: str
    cell: str
    start_ms: int
    end_ms: int
    fingerprint: str
    source: str
    is_demo: bool
    bars: int
    filled_bars: int
    ltf_path: str
    htf_path: str | None = None
    htf_index_path: str | None = None
    base_path: str | None = None
    base_start_path: str | None = None
    funding_path: str | None = None
    base_interval_ms: int = 60_000
    tick_size: float | None = None
    step_size: float | None = None
    min_notional: float | None = None
    notes: tuple[str, ...] = ()

    def open(self) -> Dataset:
        """파일들을 memory map한다. 파일이 없거나 깨졌으면 DataError."""
        from optimize.data import arrow_io

        ltf = arrow_io.open_candles(self.ltf_path, rows=self.bars)
        htf = arrow_io.open_candles(self.htf_path) if self.htf_path else None
        htf_index = (
            arrow_io.open_column(self.htf_index_path, "htf_index", rows=self.bars)
            if self.htf_index_path
            else None
        )
        base = arrow_io.open_candles(self.base_path) if self.base_path else None
        base_start = (
            arrow_io.open_column(self.base_start_path, "base_start", rows=self.bars + 1)
            if self.base_start_path
            else None
        )
        funding = arrow_io.open_funding(self.funding_path) if self.funding_path else None
        return Dataset(self, ltf, htf, htf_index, base, base_start, funding)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """한 칸의 자료.

    ltf: 신호와 체결의 봉, 길이 n. htf: 추세 봉, 길이 m, HTF가 없는 칸이면 None.
    htf_index: int32[n]. LTF 봉 i가 닫힐 때 이미 닫혀 있는 마지막 HTF 봉의 번호, 없으면 -1.
        T에 연 HTF 봉은 T + HTF − LTF에 연 LTF 봉부터 보인다.
    base: LTF보다 고운 봉(1분봉이 있으면 1분봉), 길이 b. 손절·익절의 순서를 가리는 데 쓴다. 없으면 None.
    base_start: int64[n+1]. LTF 봉 i의 바탕 봉은 base[base_start[i]:base_start[i+1]].
    funding: 무기한 선물의 펀딩 기록. 현물이거나 기록이 없으면 None.
    """

    ref: DatasetRef
    ltf: Candles
    htf: Candles | None = None
    htf_index: Int32Array | None = None
    base: Candles | None = None
    base_start: Int64Array | None = None
    funding: FundingSchedule | None = None
