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


class Outcome(NamedTuple):
    """trades: 거래 수. max_drawdown: 비율. held: 포지션을 가진 봉. final: 마지막 평가금."""

    trades: int
    max_drawdown: float
    held: int
    final: float


@compiled
def _touch_nb(
    o: float, h: float, low: float, stop: float, liq: float, target: float
) -> tuple[int, float]:
    """long 공간의 한 봉이 손절·청산가·익절에 닿았는가. (까닭, 값), 닿지 않으면 (0, 0)."""
    if o <= liq:
        return LIQUIDATION, o
    if o <= stop:
        return STOP, o
    if o >= target:
        return TARGET, o
    if low <= stop or low <= liq:
        if stop >= liq:
            return STOP, stop
        return LIQUIDATION, liq
    if h >= target:
        return TARGET, target
    return OPEN_POSITION, 0.0


@compiled
def _walk_sub_bars_nb(
    sub: SubBars,
    k: int,
    side: float,
    stop: float,
    liq: float,
    target: float,
    rows: FundingRows,
    f: int,
    quantity: float,
) -> tuple[int, float, int, float]:
    """LTF 봉 k를 바탕 봉으로 훑는다. (까닭, long 공간의 값, 다음 펀딩 행, 낸 펀딩)."""
    paid = 0.0
    for s in range(sub.start[k], sub.start[k + 1]):
        while f < len(rows.bar) and rows.bar[f] == k and rows.sub[f] <= s:
            paid += side * quantity * rows.price[f] * rows.rate[f]
            f += 1
        if sub.filled[s]:
            continue
        top = sub.high[s] if side > 0 else -sub.low[s]
        bottom = sub.low[s] if side > 0 else -sub.high[s]
        reason, price = _touch_nb(side * sub.open[s], top, bottom, stop, liq, target)
        if reason != OPEN_POSITION:
            return reason, price, f, paid
    return OPEN_POSITION, 0.0, f, paid


@compiled
def _quantity_nb(equity: float, fill: float, account: Account) -> float:
    """증거금 + 진입 수수료 = 평가금 × fraction이 되는 수량. 최소 주문에 못 미치면 0."""
    budget = equity * account.fraction
    notional = budget * account.leverage / (1.0 + account.fee * account.leverage)
    quantity = notional / fill
    if account.step > 0.0:
        quantity = np.floor(quantity / account.step + 1e-9) * account.step
    if quantity * fill < account.min_notional:
        return 0.0
    return quantity


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
def _fill_daily_nb(daily: Floats, day_last: Ints, d: int, before: int, equity: float) -> int:
    """봉 before보다 먼저 끝난 날들에 평가금을 적고 다음 날의 번호를 준다."""
    while d < len(day_last) and day_last[d] < before:
        daily[d] = equity
        d += 1
    return d


@compiled
def simulate_nb(
    bars: Bars,
    sub: SubBars,
    rows: FundingRows,
    orders: Orders,
    account: Account,
    day_last: Ints,
    trades: NDArray[np.void],
    daily: Floats,
    curve: Floats,
) -> Outcome:
    """trades[0:거래 수]와 daily[d]를 채운다. curve는 길이 n이면 봉마다의 평가금을 받고 0이면 쓰지 않는다.

    day_last: int64[d], 날마다 마지막으로 닫힌 봉의 번호(-1 없음).
    """
    n = len(bars.close)
    has_sub = len(sub.start) > 0
    wallet = account.cash
    last_equity = wallet
    peak = wallet
    worst = 0.0
    count = 0
    held = 0
    d = 0
    f = 0
    marked = -1  # 평가를 마친 마지막 봉
    closed_side = 0
    i = 0
    while True:
        i = _next_signal_nb(orders.entry, i, n - 1)
        if i >= n - 1 or wallet <= 0.0:
            break
        j = i + 1
        direction = orders.entry[i]
        allowed = account.allow_long if direction > 0 else account.allow_short
        known = (not orders.needs_atr) or orders.atr[i] > 0.0
        if (
            not allowed
            or not known
            or bars.filled[i]
            or bars.filled[j]
            or (closed_side == direction and marked == i)
        ):
            i += 1
            continue
        side = 1.0 if direction > 0 else -1.0
        fill = bars.open[j] * (1.0 + side * account.slip) + side * account.slip_price
        quantity = _quantity_nb(wallet, fill, account) if fill > 0.0 else 0.0
        if quantity <= 0.0:
            i += 1
            continue
        # 진입: 앞 포지션이 같은 시가에 닫히지 않았으면 그 사이의 평가금은 변하지 않았다.
        if j > marked + 1:
            if len(curve) > 0:
                curve[marked + 1 : j] = wallet
            if wallet > peak:
                peak = wallet
            elif 1.0 - wallet / peak > worst:
                worst = 1.0 - wallet / peak
            last_equity = wallet
        d = _fill_daily_nb(daily, day_last, d, j, last_equity)
        entry_equity = wallet
        entry_fee = account.fee * quantity * fill
        wallet -= entry_fee
        bankrupt = side * fill * (1.0 - side / account.leverage)
        liq = bankrupt / (1.0 - side * account.maintenance)
        if side > 0 and account.leverage <= 1.0:
            liq = -np.inf
        base = side * fill
        atr = orders.atr[i] if orders.needs_atr else 0.0
        stop = base - orders.stop_atr * atr if orders.stop_atr < np.inf else -np.inf
        trail = base - orders.trail_atr * atr if orders.trail_atr < np.inf else -np.inf
        target = base + orders.target_atr * atr if orders.target_atr < np.inf else np.inf
        best = base
        while f < len(rows.bar) and (rows.bar[f] < j or (rows.bar[f] == j and rows.at_open[f])):
            f += 1
        funding = 0.0
        pending = OPEN_POSITION
        reason = OPEN_POSITION
        price = 0.0
        at_open = False
        k = j
        while True:
            while f < len(rows.bar) and rows.bar[f] == k and rows.at_open[f]:
                paid = side * quantity * rows.price[f] * rows.rate[f]
                funding += paid
                wallet -= paid
                f += 1
            live = not bars.filled[k]
            o = side * bars.open[k]
            if live and pending != OPEN_POSITION:
                at_open = True
                price = o
                reason = LIQUIDATION if o <= liq else pending
                break
            level = stop if stop > trail else trail
            if has_sub and sub.start[k + 1] > sub.start[k]:
                reason, price, f, paid = _walk_sub_bars_nb(
                    sub, k, side, level, liq, target, rows, f, quantity
                )
                funding += paid
                wallet -= paid
            else:
                while f < len(rows.bar) and rows.bar[f] == k:
                    paid = side * quantity * rows.price[f] * rows.rate[f]
                    funding += paid
                    wallet -= paid
                    f += 1
                if live:
                    top = bars.high[k] if side > 0 else -bars.low[k]
                    bottom = bars.low[k] if side > 0 else -bars.high[k]
                    reason, price = _touch_nb(o, top, bottom, level, liq, target)
            if reason != OPEN_POSITION:
                if reason == STOP and trail > stop:
                    reason = TRAIL
                break
            if k == n - 1:
                reason = END
                price = side * bars.close[k]
                break
            equity = wallet + quantity * (side * bars.close[k] - base)
            if equity > peak:
                peak = equity
            elif 1.0 - equity / peak > worst:
                worst = 1.0 - equity / peak
            if len(curve) > 0:
                curve[k] = equity
            d = _fill_daily_nb(daily, day_last, d, k, last_equity)
            last_equity = equity
            top = bars.high[k] if side > 0 else -bars.low[k]
            if top > best:
                best = top
            if orders.trail_atr < np.inf:
                ratchet = best - orders.trail_atr * orders.atr[k]
                if ratchet > trail:
                    trail = ratchet
            if pending == OPEN_POSITION:
                wanted = orders.exit_long[k] if side > 0 else orders.exit_short[k]
                if wanted:
                    pending = SIGNAL
                elif k - j + 1 >= orders.max_bars:
                    pending = TIME
            k += 1
        # 청산: 불리한 slippage, 손실은 격리 증거금까지. 강제 청산은 증거금을 모두 잃고 수수료가 없다.
        exit_fee = 0.0
        if reason == LIQUIDATION:
            out = bankrupt
        else:
            out = price * (1.0 - side * account.slip) - account.slip_price
            if out < bankrupt:
                out = bankrupt
            exit_fee = account.fee * quantity * side * out
        gain = quantity * (out - base)
        wallet += gain - exit_fee
        bars_held = k - j if at_open else k - j + 1
        held += bars_held
        trade = trades[count]
        trade.entry_bar = j
        trade.exit_bar = k
        trade.entry_price = fill
        trade.exit_price = side * out
        trade.quantity = quantity
        trade.fees = entry_fee + exit_fee
        trade.funding = funding
        trade.pnl = gain - entry_fee - exit_fee - funding
        trade.return_pct = 100.0 * trade.pnl / entry_equity
        trade.bars = bars_held
        trade.side = direction
        trade.reason = reason
        count += 1
        closed_side = direction
        d = _fill_daily_nb(daily, day_last, d, k, last_equity)
        if at_open:
            marked = k - 1
            i = k - 1
        else:
            # 봉 안에서 닫혔다: 그 봉의 종가 평가금은 wallet이다.
            if wallet > peak:
                peak = wallet
            elif 1.0 - wallet / peak > worst:
                worst = 1.0 - wallet / peak
            if len(curve) > 0:
                curve[k] = wallet
            last_equity = wallet
            marked = k
            closed_side = 0
            i = k
    if wallet > peak:
        peak = wallet
    elif 1.0 - wallet / peak > worst:
        worst = 1.0 - wallet / peak
    if marked + 1 < n:
        if len(curve) > 0:
            curve[marked + 1 :] = wallet
        d = _fill_daily_nb(daily, day_last, d, marked + 1, last_equity)
        last_equity = wallet
    _fill_daily_nb(daily, day_last, d, n, last_equity)
    return Outcome(count, worst, held, wallet)
