"""포지션 하나의 일생: 진입, 봉 안의 움직임, 펀딩과 격리 증거금, 청산.

short은 값의 부호를 뒤집어 long처럼 다룬다(`long 공간`): 부호 반전은 오차가 없다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.coast_nb import coast_nb
from optimize.backtest.engine_types_nb import (
    BANKRUPT,
    BASE,
    DAY,
    END,
    ENTRY_BAR,
    ENTRY_EQUITY,
    ENTRY_FEE,
    EQUITY,
    FUND,
    LIQ,
    LIQUIDATION,
    MARGIN,
    OPEN_POSITION,
    PAID,
    PEAK,
    QUANTITY,
    SIDE,
    SIGNAL,
    STATE_SIZE,
    STOP,
    STOP_AT,
    TARGET,
    TARGET_AT,
    TIER_AMOUNT,
    TIER_FLOOR,
    TIER_RATE,
    TIER_SIZE,
    TIME,
    TRAIL,
    TRAIL_AT,
    TROUGH,
    WALLET,
    WORST,
    Account,
    Bars,
    Books,
    Bools,
    Coarse,
    Floats,
    FundingRows,
    Ints,
    Orders,
    SubBars,
)
from optimize.backtest.ledger_nb import close_days_nb, drop_nb, floor_nb
from optimize.strategy.jit import compiled_bare


@compiled_bare
def touch_nb(
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


@compiled_bare
def set_liquidation_nb(state: Floats) -> None:
    """격리 증거금이 0이 되는 값과 유지 증거금에 닿는 값(long 공간).

    Binance의 식: (증거금 + 공제액 ∓ 수량 × 진입가) / (수량 × (유지 증거금률 ∓ 1)), long이 위. 유지 증거금은
    금액의 볼록한 함수이므로 구간마다의 값 가운데 가장 가까운(long 공간에서 큰) 것이 청산가다. 포지션의
    금액이 닿을 수 없는 구간부터는 보지 않는다.
    """
    side, base, quantity, margin = state[SIDE], state[BASE], state[QUANTITY], state[MARGIN]
    bankrupt = base - margin / quantity
    state[BANKRUPT] = bankrupt
    reach = quantity * max(side * base, side * bankrupt)
    liq = -np.inf
    t = STATE_SIZE
    while t < len(state):
        if t > STATE_SIZE and state[t + TIER_FLOOR] >= reach:
            break
        level = bankrupt - state[t + TIER_AMOUNT] / quantity
        liq = max(liq, level / (1.0 - side * state[t + TIER_RATE]))
        t += TIER_SIZE
    state[LIQ] = liq


@compiled_bare
def pay_funding_nb(state: Floats, price: float, rate: float) -> None:
    """펀딩은 남는 돈에서 내고 모자라면 증거금에서 낸다: 청산가가 다가온다."""
    paid = state[SIDE] * state[QUANTITY] * price * rate
    state[PAID] += paid
    state[WALLET] -= paid
    if state[WALLET] < state[MARGIN]:
        state[MARGIN] = state[WALLET]
        set_liquidation_nb(state)


@compiled_bare
def walk_sub_bars_nb(
    sub: SubBars,
    rows: FundingRows,
    k: int,
    level: float,
    state: Floats,
    cursor: Ints,
) -> tuple[int, float]:
    """LTF 봉 k를 바탕 봉의 차례로 지난다. (까닭, long 공간의 값)."""
    side = state[SIDE]
    for s in range(sub.start[k], sub.start[k + 1]):
        f = cursor[FUND]
        while f < len(rows.bar) and rows.bar[f] == k and rows.sub[f] <= s:
            pay_funding_nb(state, rows.price[f], rows.rate[f])
            f += 1
        cursor[FUND] = f
        if sub.filled[s]:
            continue
        top = sub.high[s] if side > 0 else -sub.low[s]
        bottom = sub.low[s] if side > 0 else -sub.high[s]
        reason, price = touch_nb(
            side * sub.open[s], top, bottom, level, state[LIQ], state[TARGET_AT]
        )
        if reason != OPEN_POSITION:
            return reason, price
    return OPEN_POSITION, 0.0


@compiled_bare
def fund_inside_nb(rows: FundingRows, k: int, state: Floats, cursor: Ints) -> None:
    """바탕 봉이 없는 봉 k 안의 펀딩: 봉의 시가로, 손절보다 먼저."""
    f = cursor[FUND]
    while f < len(rows.bar) and rows.bar[f] == k:
        pay_funding_nb(state, rows.price[f], rows.rate[f])
        f += 1
    cursor[FUND] = f


@compiled_bare
def quantity_nb(equity: float, fill: float, account: Account) -> float:
    """증거금 + 진입 수수료 = 평가금 × fraction이 되는 수량. 구간의 상한까지이고 최소 주문에 못 미치면 0."""
    notional = equity * account.fraction * account.leverage
    quantity = notional / (1.0 + account.fee * account.leverage) / fill
    quantity = min(quantity, account.max_notional / fill)
    if account.step > 0.0:
        quantity = np.floor(quantity / account.step + 1e-9) * account.step
    return quantity if quantity * fill >= account.min_notional else 0.0


@compiled_bare
def enter_nb(
    side: float,
    opened: float,
    atr: float,
    stop_atr: float,
    trail_atr: float,
    target_atr: float,
    account: Account,
    state: Floats,
) -> bool:
    """시가 opened에 들어간다. 수량이 나오지 않으면 False이고 아무것도 바꾸지 않는다.

    거래마다 부르는 함수라 배열 묶음을 받지 않는다(묶음을 넘기는 값이 봉 수십 개의 값이다).
    """
    fill = opened * (1.0 + side * account.slip) + side * account.slip_price
    if fill <= 0.0:
        return False
    quantity = quantity_nb(state[WALLET], fill, account)
    if quantity <= 0.0:
        return False
    state[ENTRY_EQUITY] = state[WALLET]
    state[ENTRY_FEE] = account.fee * quantity * fill
    state[WALLET] -= state[ENTRY_FEE]
    state[PAID] = 0.0
    base = side * fill
    state[SIDE], state[BASE], state[QUANTITY] = side, base, quantity
    state[MARGIN] = quantity * fill / account.leverage
    unused = np.inf
    state[STOP_AT] = base - stop_atr * atr if stop_atr < unused else -unused
    state[TRAIL_AT] = base - trail_atr * atr if trail_atr < unused else -unused
    state[TARGET_AT] = base + target_atr * atr if target_atr < unused else unused
    return True


@compiled_bare
def skip_funding_nb(bar: Ints, at_open: Bools, j: int, cursor: Ints) -> None:
    """봉 j의 시가까지의 펀딩은 그 시가에 들어간 포지션과 무관하다."""
    f = cursor[FUND]
    while f < len(bar) and (bar[f] < j or (bar[f] == j and at_open[f])):
        f += 1
    cursor[FUND] = f


@compiled_bare
def fund_at_open_nb(rows: FundingRows, k: int, state: Floats, cursor: Ints) -> None:
    """봉 k의 시가와 같은 때의 펀딩. 그 시가의 체결보다 먼저다."""
    f = cursor[FUND]
    while f < len(rows.bar) and rows.bar[f] == k and rows.at_open[f]:
        pay_funding_nb(state, rows.price[f], rows.rate[f])
        f += 1
    cursor[FUND] = f


@compiled_bare
def hold_nb(
    bars: Bars,
    coarse: Coarse,
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
    peak, trough, worst, equity = state[PEAK], state[TROUGH], state[WORST], state[EQUITY]
    floor = floor_nb(peak, worst)
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
        if pending == OPEN_POSITION and not drawing and not nested:
            until = min(min(fund_bar, day_end + 1), min(last_bar, n - 1))
            if k < until:
                before = k
                k, best, trail, peak, trough, worst = coast_nb(
                    bars, coarse, exits, atr, k, until, side, base, quantity,
                    wallet, liq, target, stop, distance, best, trail, peak, trough, worst,
                )  # fmt: skip
                if k > before:
                    equity = wallet + quantity * (side * closes[k - 1] - base)
                    floor = floor_nb(peak, worst)
        if fund_bar == k:
            fund_at_open_nb(rows, k, state, cursor)
            wallet, liq = state[WALLET], state[LIQ]
        if pending != OPEN_POSITION and not filled[k]:
            at_open = True
            opened = side * opens[k]
            reason, price = LIQUIDATION if opened <= liq else pending, opened
            if account.limit_target and opened >= target:
                reason = TARGET
            break
        level = stop if stop > trail else trail
        if nested and sub.start[k + 1] > sub.start[k]:
            reason, price = walk_sub_bars_nb(sub, rows, k, level, state, cursor)
            wallet, liq = state[WALLET], state[LIQ]
        else:
            if fund_bar == k:
                fund_inside_nb(rows, k, state, cursor)
                wallet, liq = state[WALLET], state[LIQ]
            # 시가는 띄엄띄엄 읽으면 메모리를 기다리므로 닿은 봉에서만 읽는다.
            top, bottom = side * tops[k], side * bottoms[k]
            if not (bottom > level and bottom > liq and top < target) and not filled[k]:
                reason, price = touch_nb(side * opens[k], top, bottom, level, liq, target)
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
            state[PEAK], state[TROUGH], state[WORST] = peak, trough, worst
            state[EQUITY] = equity
            close_days_nb(state, cursor, books, k)
            peak, trough, worst = state[PEAK], state[TROUGH], state[WORST]
            floor = floor_nb(peak, worst)
            day_end = books.day_last[cursor[DAY]] if cursor[DAY] < len(books.day_last) else n
        equity = wallet + quantity * (side * closes[k] - base)
        if equity > peak:
            peak = equity
            floor = floor_nb(peak, worst)
        elif equity < floor:
            worst = max(worst, drop_nb(peak, equity))
            floor = equity
        if equity < trough:
            trough = equity
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
    state[PEAK], state[TROUGH], state[WORST], state[EQUITY] = peak, trough, worst, equity
    return k, reason, price, at_open


@compiled_bare
def leave_nb(
    account: Account,
    k: int,
    reason: int,
    price: float,
    at_open: bool,
    state: Floats,
    entry_bar: int,
    trade: NDArray[np.void],
) -> int:
    """청산을 체결하고 거래 한 줄(길이 1)을 적는다. 보유한 봉을 준다.

    손실은 격리 증거금까지다. 강제 청산은 증거금을 모두 잃고 수수료는 따로 없다. 걸어 둔 지정가의 익절은
    시가가 그 너머여도 걸어 둔 값에, slippage 없이, maker 수수료로 체결된다.
    """
    side, quantity = state[SIDE], state[QUANTITY]
    out = state[BANKRUPT]
    fee = 0.0
    if reason == TARGET and account.limit_target:
        out = state[TARGET_AT]
        fee = account.maker * quantity * side * out
    elif reason != LIQUIDATION:
        out = max(price * (1.0 - side * account.slip) - account.slip_price, out)
        left = state[MARGIN] + quantity * (out - state[BASE])
        fee = min(account.fee * quantity * side * out, max(left, 0.0))
    gain = quantity * (out - state[BASE])
    state[WALLET] += gain - fee
    bars_held = int(k - entry_bar + (0 if at_open else 1))
    row = trade[0]
    row.entry_bar = entry_bar
    row.exit_bar = k
    row.entry_price = side * state[BASE]
    row.exit_price = side * out
    row.quantity = quantity
    row.fees = state[ENTRY_FEE] + fee
    row.funding = state[PAID]
    row.pnl = gain - state[ENTRY_FEE] - fee - state[PAID]
    row.return_pct = 100.0 * row.pnl / state[ENTRY_EQUITY]
    row.bars = bars_held
    row.side = np.int16(side)
    row.reason = reason
    return bars_held
