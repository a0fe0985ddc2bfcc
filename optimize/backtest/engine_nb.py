"""체결 kernel의 입구: 신호에서 거래, 매일의 평가금, 낙폭을 만든다.

규칙은 docs/strategy.md의 '체결'에 있다. 요점: 봉 i의 종가 신호는 i+1의 시가에 체결, 봉 j의 손절·익절은
j-1까지 아는 값, 한 봉 안에서는 손절이 익절보다 먼저, 채운 봉에서는 아무것도 체결하지 않는다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.engine_types_nb import (
    CURSOR_SIZE,
    DEEPEST,
    ENTRY_BAR,
    MARKED,
    RUIN,
    STATE_SIZE,
    WALLET,
    Account,
    Bars,
    Books,
    Bools,
    Coarse,
    Floats,
    FundingRows,
    Ints,
    Orders,
    Outcome,
    SubBars,
)
from optimize.backtest.ledger_nb import close_days_nb, open_books_nb, stay_flat_nb
from optimize.backtest.position_nb import (
    enter_nb,
    hold_nb,
    leave_nb,
    set_liquidation_nb,
    skip_funding_nb,
)
from optimize.strategy.jit import compiled, compiled_bare
from optimize.strategy.prefetch_nb import prefetch_nb


@compiled_bare
def next_signal_nb(entry: NDArray[np.int8], i: int, last: int) -> int:
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


@compiled_bare
def allowed_nb(filled: Bools, orders: Orders, account: Account, i: int) -> bool:
    """봉 i의 진입 신호를 쓸 수 있는가: 방향, ATR, 채운 봉."""
    if filled[i] or filled[i + 1]:
        return False
    if orders.needs_atr and not orders.atr[i] > 0.0:
        return False
    return account.allow_long if orders.entry[i] > 0 else account.allow_short


@compiled_bare
def look_ahead_nb(bars: Bars, orders: Orders, i: int) -> None:
    """봉 i부터의 두 진입이 읽을 자리를 미리 부른다: 띄엄띄엄 읽는 값은 메모리를 기다리는 때가 셈보다 길다."""
    last = len(bars.close) - 1
    for _ in range(2):
        i = next_signal_nb(orders.entry, i, last)
        if i >= last:
            return
        prefetch_nb(bars.open, i + 1)
        for row in (bars.high, bars.low, bars.close):
            prefetch_nb(row, i + 1)
            prefetch_nb(row, i & -16)
            prefetch_nb(row, i & -16 | 8)
        prefetch_nb(bars.filled, i + 1)
        if orders.needs_atr:
            prefetch_nb(orders.atr, i)
        i += 1


@compiled_bare
def _trade_nb(
    bars: Bars,
    coarse: Coarse,
    sub: SubBars,
    rows: FundingRows,
    orders: Orders,
    account: Account,
    state: Floats,
    cursor: Ints,
    books: Books,
) -> Outcome:
    """거래를 차례로. state, cursor는 막 연 장부다."""
    n = len(bars.close)
    ruin = RUIN * account.cash
    count = held = closed_side = 0
    i = 0
    while True:
        i = next_signal_nb(orders.entry, i, n - 1)
        if i >= n - 1 or state[WALLET] <= ruin:
            break
        # 같은 시가에 닫은 쪽으로 곧바로 다시 들어가지 않는다.
        direction = orders.entry[i]
        again = direction == closed_side and cursor[MARKED] == i
        if again or not allowed_nb(bars.filled, orders, account, i):
            i += 1
            continue
        if cursor[MARKED] < i:
            stay_flat_nb(state, cursor, books, i + 1)
        j = i + 1
        entered = enter_nb(
            1.0 if direction > 0 else -1.0,
            bars.open[j],
            orders.atr[i] if orders.needs_atr else 0.0,
            orders.stop_atr,
            orders.trail_atr,
            orders.target_atr,
            account,
            state,
        )
        if not entered:
            i += 1
            continue
        set_liquidation_nb(state)
        cursor[ENTRY_BAR] = j
        look_ahead_nb(bars, orders, i + 1)
        if len(rows.bar) > 0:
            skip_funding_nb(rows.bar, rows.at_open, j, cursor)
        k, reason, price, at_open = hold_nb(
            bars, coarse, sub, rows, orders, account, state, cursor, books
        )
        held += leave_nb(
            account, k, reason, price, at_open, state, j, books.trades[count : count + 1]
        )
        close_days_nb(state, cursor, books, k)
        cursor[MARKED] = k - 1
        if not at_open:
            stay_flat_nb(state, cursor, books, k + 1)
        count += 1
        closed_side = direction if at_open else 0
        i = k - 1 if at_open else k
    stay_flat_nb(state, cursor, books, n)
    return Outcome(count, state[DEEPEST], held, state[WALLET])


@compiled
def simulate_nb(
    bars: Bars,
    coarse: Coarse,
    sub: SubBars,
    rows: FundingRows,
    orders: Orders,
    account: Account,
    tiers: Floats,
    books: Books,
) -> Outcome:
    """books.trades[0:거래 수], books.daily, (길이가 있으면) books.curve를 채운다."""
    state = np.zeros(STATE_SIZE + len(tiers))
    state[STATE_SIZE:] = tiers
    open_books_nb(state, account.cash)
    cursor = np.zeros(CURSOR_SIZE, dtype=np.int64)
    cursor[MARKED] = -1
    return _trade_nb(bars, coarse, sub, rows, orders, account, state, cursor, books)
