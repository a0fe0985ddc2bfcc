"""토막 하나의 가격과 true range, Wilder의 ATR: 묶음으로 도는 내장 전략의 부품.

모양: prices: float64[PRICE_ROWS, h]. 줄마다 앞의 lo칸은 지난 토막의 끝, [lo, hi)가 이 토막이다.
    start: 이 토막의 첫 봉. 첫 토막(start = 0)에서는 앞쪽을 첫 값으로 채운다.
"""

from __future__ import annotations

from optimize.strategy.blocks_nb import Row, copy_nb, fill_head_nb
from optimize.strategy.ema_nb import ema_block_nb
from optimize.strategy.jit import compiled
from optimize.strategy.levels_nb import Table

CLOSE, HIGH, LOW, TR = 0, 1, 2, 3
PRICE_ROWS = 4
EDGE = 8  # 점화식이 읽는 지난 값


@compiled
def load_prices_nb(
    prices: Table, lo: int, hi: int, start: int, chunk: int, high: Row, low: Row, close: Row
) -> None:
    """지난 토막의 끝을 앞으로 옮기고 이 토막의 종가·고가·저가와 true range를 싣는다."""
    if start > 0:
        for r in range(PRICE_ROWS):
            copy_nb(prices[r, chunk : chunk + lo], prices[r, :lo])
    else:
        fill_head_nb(prices[CLOSE], lo - 1, close[0])
        fill_head_nb(prices[HIGH], lo - 1, high[0])
        fill_head_nb(prices[LOW], lo - 1, low[0])
    stop = start + hi - lo
    copy_nb(close[start:stop], prices[CLOSE, lo:hi])
    copy_nb(high[start:stop], prices[HIGH, lo:hi])
    copy_nb(low[start:stop], prices[LOW, lo:hi])
    h, low_row = prices[HIGH, lo:hi], prices[LOW, lo:hi]
    previous, tr = prices[CLOSE, lo - 1 : hi - 1], prices[TR, lo:hi]
    for k in range(hi - lo):
        top = h[k] if h[k] > previous[k] else previous[k]
        bottom = low_row[k] if low_row[k] < previous[k] else previous[k]
        tr[k] = top - bottom
    if start == 0:
        prices[TR, lo] = high[0] - low[0]


@compiled
def wilder_into_nb(
    tr: Row, lo: int, hi: int, start: int, length: int, row: Row, seeded: Row, out: Row
) -> None:
    """Wilder의 ATR을 out[start:]에: 처음 length개의 평균에서 시작해 α = 1/length.

    out: 자료의 첫 봉부터 이 토막의 끝까지. 앞 토막의 값을 읽고 그 뒤에 바로 쓴다. row, seeded: 첫 토막의 임시 줄.
    """
    if start >= lo:
        ema_block_nb(tr, lo, hi, 1.0 / length, out[start - lo :])
        return
    source = tr
    if start == 0:
        source = seeded
        copy_nb(tr[lo:hi], source[lo:hi])
        seed, size = 0.0, min(length, hi - lo)
        for k in range(lo, lo + size):
            seed += source[k]
        seed /= length
        fill_head_nb(source, lo + size - 1, seed)
        fill_head_nb(row, lo - 1, seed)
    else:
        copy_nb(out[start - EDGE : start], row[lo - EDGE : lo])
    ema_block_nb(source, lo, hi, 1.0 / length, row)
    copy_nb(row[lo:hi], out[start:])
