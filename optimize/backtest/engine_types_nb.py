"""체결 kernel이 주고받는 모양과 상수.

기호: n = LTF 봉 수, b = 바탕 봉 수, k = 펀딩 행 수, d = 날 수. 가격은 호가 통화 float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIGNAL, STOP, TRAIL, TARGET, TIME, LIQUIDATION, END = 1, 2, 3, 4, 5, 6, 7
OPEN_POSITION = 0
RUIN = (
    1e-9  # 평가금이 처음 돈의 이만큼 이하면 다시 들어가지 않는다(반올림의 찌꺼기로 거래하지 않게)
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Bars(NamedTuple):
    """LTF 봉. 모두 길이 n."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    filled: Bools


class Coarse(NamedTuple):
    """LTF 봉 열여섯마다의 최저 저가, 최고 고가, 최저·최고 종가(`coast_nb.coarse_nb`). 길이 n // 16."""

    low: Floats
    high: Floats
    bottom: Floats
    top: Floats


class SubBars(NamedTuple):
    """바탕 봉, 길이 b. start: int64[n+1], 없으면 길이 0."""

    open: Floats
    high: Floats
    low: Floats
    filled: Bools
    start: Ints


class FundingRows(NamedTuple):
    """펀딩, 길이 k. bar: 든 LTF 봉. sub: 든 바탕 봉 또는 -1. at_open: LTF 봉의 시가와 같은 때인가.

    price: 그때의 가격(그 분의 시가). rate: 비율.
    """

    bar: Ints
    sub: Ints
    at_open: Bools
    price: Floats
    rate: Floats


class Orders(NamedTuple):
    """신호와 청산 규칙. 길이 n. 쓰지 않는 거리는 inf, max_bars는 아주 큰 수."""

    entry: NDArray[np.int8]
    exit_long: Bools
    exit_short: Bools
    atr: Floats
    needs_atr: bool
    stop_atr: float
    trail_atr: float
    target_atr: float
    max_bars: int


class Account(NamedTuple):
    """CostModel을 숫자로. step, min_notional은 모르면 0.

    limit_target: 익절이 걸어 둔 지정가인가. maker: 그 수수료율. max_notional: 포지션 금액의 상한.
    """

    cash: float
    fee: float
    slip: float
    slip_price: float
    leverage: float
    fraction: float
    max_notional: float
    limit_target: bool
    maker: float
    allow_long: bool
    allow_short: bool
    step: float
    min_notional: float


class Books(NamedTuple):
    """kernel이 채우는 자리. trades: TRADE_DTYPE[n].

    daily: float64[DAY_ROWS, d], 날마다 CLOSING 마지막 평가금, HIGHEST·LOWEST 가장 높고 낮은 평가금,
    DRAWDOWN 그날 안의 낙폭(뜻은 `BacktestResult`에). day_last: int64[d], 날마다 마지막으로 닫힌 봉(-1 없음), 입력이다.
    curve: 봉마다의 평가금 float64[n], 길이 0이면 쓰지 않는다.
    """

    trades: NDArray[np.void]
    daily: Floats
    day_last: Ints
    curve: Floats


class Outcome(NamedTuple):
    """trades: 거래 수. max_drawdown: 비율. held: 포지션을 가진 봉. final: 마지막 평가금."""

    trades: int
    max_drawdown: float
    held: int
    final: float


# Books.daily의 줄.
CLOSING, HIGHEST, LOWEST, DRAWDOWN = 0, 1, 2, 3
DAY_ROWS = 4

# 계좌의 상태 float64[19]. 포지션의 값은 long 공간이다. PEAK, TROUGH, WORST는 아직 닫지 않은 날의
# 평가금의 고점, 저점, 낙폭이고 TOP, DEEPEST는 닫은 날들 모두의 고점과 낙폭이다.
WALLET, PEAK, WORST, EQUITY = 0, 1, 2, 3
SIDE, BASE, QUANTITY, MARGIN, BANKRUPT, LIQ = 4, 5, 6, 7, 8, 9
STOP_AT, TRAIL_AT, TARGET_AT = 10, 11, 12
PAID, ENTRY_FEE, ENTRY_EQUITY = 13, 14, 15
TROUGH, TOP, DEEPEST = 16, 17, 18
STATE_SIZE = 19
# 그 뒤에 증거금 구간이 금액의 차례로 붙는다. 구간마다 셋: 시작하는 금액, 유지 증거금률, 공제액. 거래마다
# 부르는 함수에 배열을 하나 더 넘기는 값이 크기 때문이다.
TIER_FLOOR, TIER_RATE, TIER_AMOUNT = 0, 1, 2
TIER_SIZE = 3
# 자리표 int64[4]. MARKED: 평가를 마친 마지막 봉.
DAY, FUND, MARKED, ENTRY_BAR = 0, 1, 2, 3
CURSOR_SIZE = 4
