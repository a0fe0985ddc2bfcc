"""체결 kernel: 신호에서 거래, 매일의 평가금, 낙폭을 만든다.

모양: n = LTF 봉 수, b = 바탕 봉 수, k = 펀딩 행 수, d = 날 수. 가격은 호가 통화 float64.
규칙은 docs/strategy.md의 '체결'에 있다. 요점: 봉 i의 종가 신호는 i+1의 시가에 체결, 봉 j의 손절·익절은
j-1까지 아는 값, 한 봉 안에서는 손절이 익절보다 먼저, 채운 봉에서는 아무것도 체결하지 않는다.

short은 값의 부호를 뒤집어 long처럼 다룬다(`long 공간`): 부호 반전은 오차가 없다.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.jit import compiled

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
    """CostModel을 숫자로. step, min_notional은 모르면 0."""

    cash: float
    fee: float
    slip: float
    slip_price: float
    leverage: float
    fraction: float
    maintenance: float
    allow_long: bool
    allow_short: bool
    step: float
    min_notional: float


class Books(NamedTuple):
    """kernel이 채우는 자리. trades: TRADE_DTYPE[n]. daily: float64[d].

    day_last: int64[d], 날마다 마지막으로 닫힌 봉(-1 없음), 입력이다.
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


# 계좌의 상태 float64[16]. 포지션의 값은 long 공간이다.
WALLET, PEAK, WORST, EQUITY = 0, 1, 2, 3
SIDE, BASE, QUANTITY, MARGIN, BANKRUPT, LIQ = 4, 5, 6, 7, 8, 9
STOP_AT, TRAIL_AT, TARGET_AT = 10, 11, 12
PAID, ENTRY_FEE, ENTRY_EQUITY = 13, 14, 15
STATE_SIZE = 16
# 자리표 int64[4]. MARKED: 평가를 마친 마지막 봉.
DAY, FUND, MARKED, ENTRY_BAR = 0, 1, 2, 3
CURSOR_SIZE = 4


@compiled
def _mark_nb(state: Floats, equity: float) -> None:
    """평가금의 고점과 낙폭."""
    if equity > state[PEAK]:
        state[PEAK] = equity
    else:
        drop = 1.0 - equity / state[PEAK]
        if drop > state[WORST]:
            state[WORST] = drop
    state[EQUITY] = equity


@compiled
def _close_days_nb(state: Floats, cursor: Ints, books: Books, before: int) -> None:
    """봉 before보다 먼저 끝난 날들에 마지막 평가금을 적는다."""
    d = cursor[DAY]
    while d < len(books.day_last) and books.day_last[d] < before:
        books.daily[d] = state[EQUITY]
        d += 1
    cursor[DAY] = d


@compiled
def _stay_flat_nb(state: Floats, cursor: Ints, books: Books, until: int) -> None:
    """포지션 없이 지난 봉들을 평가한다. until은 포함하지 않는다."""
    _close_days_nb(state, cursor, books, cursor[MARKED] + 1)
    if until > cursor[MARKED] + 1:
        if len(books.curve) > 0:
            books.curve[cursor[MARKED] + 1 : until] = state[WALLET]
        _mark_nb(state, state[WALLET])
        cursor[MARKED] = until - 1
    _close_days_nb(state, cursor, books, until)


@compiled
def _touch_nb(
    o: float, h: float, low: float, level: float, liq: float, target: float
) -> tuple[int, float]:
    """long 공간의 한 봉이 손절·청산가·익절에 닿았는가. (까닭, 값), 닿지 않으면 (0, 0)."""
    if low > level and low > liq and h < target:
        return OPEN_POSITION, 0.0
    if o <= liq:
        return LIQUIDATION, o
    if o <= level:
        return STOP, o
    if o >= target:
        return TARGET, o
    if low <= level or low <= liq:
        if level >= liq:
            return STOP, level
        return LIQUIDATION, liq
    return TARGET, target


@compiled
def _set_liquidation_nb(state: Floats, maintenance: float) -> None:
    """격리 증거금이 0이 되는 값과 유지 증거금에 닿는 값(long 공간)."""
    state[BANKRUPT] = state[BASE] - state[MARGIN] / state[QUANTITY]
    state[LIQ] = state[BANKRUPT] / (1.0 - state[SIDE] * maintenance)


@compiled
def _pay_funding_nb(state: Floats, price: float, rate: float, maintenance: float) -> None:
    """펀딩은 남는 돈에서 내고 모자라면 증거금에서 낸다: 청산가가 다가온다."""
    paid = state[SIDE] * state[QUANTITY] * price * rate
    state[PAID] += paid
    state[WALLET] -= paid
    if state[WALLET] < state[MARGIN]:
        state[MARGIN] = state[WALLET]
        _set_liquidation_nb(state, maintenance)


@compiled
def _walk_sub_bars_nb(
    sub: SubBars,
    rows: FundingRows,
    k: int,
    level: float,
    state: Floats,
    cursor: Ints,
    maintenance: float,
) -> tuple[int, float]:
    """LTF 봉 k를 바탕 봉의 차례로 지난다. (까닭, long 공간의 값)."""
    side = state[SIDE]
    for s in range(sub.start[k], sub.start[k + 1]):
        f = cursor[FUND]
        while f < len(rows.bar) and rows.bar[f] == k and rows.sub[f] <= s:
            _pay_funding_nb(state, rows.price[f], rows.rate[f], maintenance)
            f += 1
        cursor[FUND] = f
        if sub.filled[s]:
            continue
        top = sub.high[s] if side > 0 else -sub.low[s]
        bottom = sub.low[s] if side > 0 else -sub.high[s]
        reason, price = _touch_nb(
            side * sub.open[s], top, bottom, level, state[LIQ], state[TARGET_AT]
        )
        if reason != OPEN_POSITION:
            return reason, price
    return OPEN_POSITION, 0.0


@compiled
def _fund_inside_nb(
    rows: FundingRows, k: int, state: Floats, cursor: Ints, maintenance: float
) -> None:
    """바탕 봉이 없는 봉 k 안의 펀딩: 봉의 시가로, 손절보다 먼저."""
    f = cursor[FUND]
    while f < len(rows.bar) and rows.bar[f] == k:
        _pay_funding_nb(state, rows.price[f], rows.rate[f], maintenance)
        f += 1
    cursor[FUND] = f


@compiled
def _quantity_nb(equity: float, fill: float, account: Account) -> float:
    """증거금 + 진입 수수료 = 평가금 × fraction이 되는 수량. 최소 주문에 못 미치면 0."""
    notional = equity * account.fraction * account.leverage
    quantity = notional / (1.0 + account.fee * account.leverage) / fill
    if account.step > 0.0:
        quantity = np.floor(quantity / account.step + 1e-9) * account.step
    return quantity if quantity * fill >= account.min_notional else 0.0


@compiled
def _enter_nb(
    bars: Bars,
    rows: FundingRows,
    orders: Orders,
    account: Account,
    i: int,
    state: Floats,
    cursor: Ints,
) -> bool:
    """봉 i의 신호를 i+1의 시가에 체결한다. 수량이 나오지 않으면 False이고 아무것도 바꾸지 않는다."""
    j = i + 1
    side = 1.0 if orders.entry[i] > 0 else -1.0
    fill = bars.open[j] * (1.0 + side * account.slip) + side * account.slip_price
    if fill <= 0.0:
        return False
    quantity = _quantity_nb(state[WALLET], fill, account)
    if quantity <= 0.0:
        return False
    state[ENTRY_EQUITY] = state[WALLET]
    state[ENTRY_FEE] = account.fee * quantity * fill
    state[WALLET] -= state[ENTRY_FEE]
    state[PAID] = 0.0
    base = side * fill
    state[SIDE], state[BASE], state[QUANTITY] = side, base, quantity
    state[MARGIN] = quantity * fill / account.leverage
    _set_liquidation_nb(state, account.maintenance)
    atr = orders.atr[i] if orders.needs_atr else 0.0
    unused = np.inf
    state[STOP_AT] = base - orders.stop_atr * atr if orders.stop_atr < unused else -unused
    state[TRAIL_AT] = base - orders.trail_atr * atr if orders.trail_atr < unused else -unused
    state[TARGET_AT] = base + orders.target_atr * atr if orders.target_atr < unused else unused
    f = cursor[FUND]
    while f < len(rows.bar) and (rows.bar[f] < j or (rows.bar[f] == j and rows.at_open[f])):
        f += 1
    cursor[FUND] = f
    cursor[ENTRY_BAR] = j
    return True


@compiled
def _fund_at_open_nb(
    rows: FundingRows, k: int, state: Floats, cursor: Ints, maintenance: float
) -> None:
    """봉 k의 시가와 같은 때의 펀딩. 그 시가의 체결보다 먼저다."""
    f = cursor[FUND]
    while f < len(rows.bar) and rows.bar[f] == k and rows.at_open[f]:
        _pay_funding_nb(state, rows.price[f], rows.rate[f], maintenance)
        f += 1
    cursor[FUND] = f


@compiled
def _hold_nb(
    bars: Bars,
    sub: SubBars,
    rows: FundingRows,
    orders: Orders,
    account: Account,
    state: Floats,
    cursor: Ints,
    books: Books,
) -> tuple[int, int, float, bool]:
    """포지션이 닫힐 때까지. (봉, 까닭, long 공간의 값, 시가의 주문으로 닫혔는가).

    봉마다 도는 길이라 배열을 받는 함수는 드문 일(펀딩, 바탕 봉, 날의 끝)에만 부르고 나머지는 scalar다.
    """
    n = len(bars.close)
    side, base, quantity = state[SIDE], state[BASE], state[QUANTITY]
    stop, trail, target = state[STOP_AT], state[TRAIL_AT], state[TARGET_AT]
    wallet, liq, best = state[WALLET], state[LIQ], base
    peak, worst, equity = state[PEAK], state[WORST], state[EQUITY]
    opens, closes, filled = bars.open, bars.close, bars.filled
    tops = bars.high if side > 0 else bars.low
    bottoms = bars.low if side > 0 else bars.high
    exits = orders.exit_long if side > 0 else orders.exit_short
    distance, atr = orders.trail_atr, orders.atr
    trailing, drawing, nested = distance < np.inf, len(books.curve) > 0, len(sub.start) > 0
    last_bar = cursor[ENTRY_BAR] + orders.max_bars - 1
    day_end = books.day_last[cursor[DAY]] if cursor[DAY] < len(books.day_last) else n
    fund_bar = rows.bar[cursor[FUND]] if cursor[FUND] < len(rows.bar) else n
    pending = reason = OPEN_POSITION
    price = 0.0
    at_open = False
    k = cursor[ENTRY_BAR]
    while True:
        if fund_bar == k:
            _fund_at_open_nb(rows, k, state, cursor, account.maintenance)
            wallet, liq = state[WALLET], state[LIQ]
        opened = side * opens[k]
        if pending != OPEN_POSITION and not filled[k]:
            at_open = True
            reason, price = LIQUIDATION if opened <= liq else pending, opened
            break
        level = stop if stop > trail else trail
        if nested and sub.start[k + 1] > sub.start[k]:
            reason, price = _walk_sub_bars_nb(
                sub, rows, k, level, state, cursor, account.maintenance
            )
            wallet, liq = state[WALLET], state[LIQ]
        else:
            if fund_bar == k:
                _fund_inside_nb(rows, k, state, cursor, account.maintenance)
                wallet, liq = state[WALLET], state[LIQ]
            if not filled[k]:
                reason, price = _touch_nb(
                    opened, side * tops[k], side * bottoms[k], level, liq, target
                )
        if reason != OPEN_POSITION:
            if reason == STOP and trail > stop:
                reason = TRAIL
            break
        if k == n - 1:
            reason, price = END, side * closes[k]
            break
        if fund_bar == k:
            fund_bar = rows.bar[cursor[FUND]] if cursor[FUND] < len(rows.bar) else n
        if day_end < k:
            state[EQUITY] = equity
            _close_days_nb(state, cursor, books, k)
            day_end = books.day_last[cursor[DAY]] if cursor[DAY] < len(books.day_last) else n
        equity = wallet + quantity * (side * closes[k] - base)
        if equity > peak:
            peak = equity
        elif 1.0 - equity / peak > worst:
            worst = 1.0 - equity / peak
        if drawing:
            books.curve[k] = equity
        if trailing:
            if side * tops[k] > best:
                best = side * tops[k]
            if best - distance * atr[k] > trail:
                trail = best - distance * atr[k]
        if pending == OPEN_POSITION:
            if exits[k]:
                pending = SIGNAL
            elif k >= last_bar:
                pending = TIME
        k += 1
    state[PEAK], state[WORST], state[EQUITY] = peak, worst, equity
    return k, reason, price, at_open


@compiled
def _leave_nb(
    account: Account,
    k: int,
    reason: int,
    price: float,
    at_open: bool,
    state: Floats,
    cursor: Ints,
    books: Books,
    count: int,
) -> int:
    """청산을 체결하고 거래를 적는다. 보유한 봉을 준다.

    손실은 격리 증거금까지다. 강제 청산은 증거금을 모두 잃고 수수료는 따로 없다.
    """
    side, quantity = state[SIDE], state[QUANTITY]
    out = state[BANKRUPT]
    fee = 0.0
    if reason != LIQUIDATION:
        out = max(price * (1.0 - side * account.slip) - account.slip_price, out)
        left = state[MARGIN] + quantity * (out - state[BASE])
        fee = min(account.fee * quantity * side * out, max(left, 0.0))
    gain = quantity * (out - state[BASE])
    state[WALLET] += gain - fee
    bars_held = k - cursor[ENTRY_BAR] + (0 if at_open else 1)
    trade = books.trades[count]
    trade.entry_bar = cursor[ENTRY_BAR]
    trade.exit_bar = k
    trade.entry_price = side * state[BASE]
    trade.exit_price = side * out
    trade.quantity = quantity
    trade.fees = state[ENTRY_FEE] + fee
    trade.funding = state[PAID]
    trade.pnl = gain - state[ENTRY_FEE] - fee - state[PAID]
    trade.return_pct = 100.0 * trade.pnl / state[ENTRY_EQUITY]
    trade.bars = bars_held
    trade.side = np.int16(side)
    trade.reason = reason
    _close_days_nb(state, cursor, books, k)
    cursor[MARKED] = k - 1
    if not at_open:
        _stay_flat_nb(state, cursor, books, k + 1)
    return bars_held


@compiled
def _next_signal_nb(entry: NDArray[np.int8], i: int, last: int) -> int:
    """i 이상 last 미만에서 entry가 0이 아닌 첫 봉. 없으면 last. 여덟 봉씩 건너뛴다."""
    words = entry[: len(entry) // 8 * 8].view(np.int64)
    while i < last:
        if i & 7 == 0:
            w = i >> 3
            while w < len(words) and words[w] == 0:
                w += 1
            i = w << 3
            if i >= last:
                return last
        if entry[i] != 0:
            return i
        i += 1
    return last


@compiled
def _allowed_nb(bars: Bars, orders: Orders, account: Account, i: int) -> bool:
    """봉 i의 진입 신호를 쓸 수 있는가: 방향, ATR, 채운 봉."""
    if bars.filled[i] or bars.filled[i + 1]:
        return False
    if orders.needs_atr and not orders.atr[i] > 0.0:
        return False
    return account.allow_long if orders.entry[i] > 0 else account.allow_short


@compiled
def simulate_nb(
    bars: Bars,
    sub: SubBars,
    rows: FundingRows,
    orders: Orders,
    account: Account,
    books: Books,
) -> Outcome:
    """books.trades[0:거래 수], books.daily, (길이가 있으면) books.curve를 채운다."""
    n = len(bars.close)
    state = np.zeros(STATE_SIZE)
    state[WALLET] = state[PEAK] = state[EQUITY] = account.cash
    cursor = np.zeros(CURSOR_SIZE, dtype=np.int64)
    cursor[MARKED] = -1
    ruin = RUIN * account.cash
    count = held = closed_side = 0
    i = 0
    while True:
        i = _next_signal_nb(orders.entry, i, n - 1)
        if i >= n - 1 or state[WALLET] <= ruin:
            break
        # 같은 시가에 닫은 쪽으로 곧바로 다시 들어가지 않는다.
        again = orders.entry[i] == closed_side and cursor[MARKED] == i
        if again or not _allowed_nb(bars, orders, account, i):
            i += 1
            continue
        if not _enter_nb(bars, rows, orders, account, i, state, cursor):
            i += 1
            continue
        wallet = state[WALLET]
        state[WALLET] = state[ENTRY_EQUITY]
        _stay_flat_nb(state, cursor, books, i + 1)
        state[WALLET] = wallet
        k, reason, price, at_open = _hold_nb(bars, sub, rows, orders, account, state, cursor, books)
        held += _leave_nb(account, k, reason, price, at_open, state, cursor, books, count)
        count += 1
        closed_side = orders.entry[i] if at_open else 0
        i = k - 1 if at_open else k
    _stay_flat_nb(state, cursor, books, n)
    return Outcome(count, state[WORST], held, state[WALLET])
