"""squeeze_momentum의 묶음이 함께 쓰는 것: 토막 하나의 가격, true range, 움직임, 창의 표.

모양: base: float64[BASE_ROWS, h]. tables: float64[TABLES, L, h]. 줄마다 앞의 lo칸은 지난 토막의 끝,
    [lo, hi)가 이 토막이다. start: 이 토막의 첫 봉. 첫 토막(start = 0)에서는 앞쪽을 첫 값으로 채운다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import Row, copy_nb, fill_head_nb
from optimize.strategy.ema_nb import ema_block_nb
from optimize.strategy.jit import compiled
from optimize.strategy.levels_nb import Table, max_levels_nb, min_levels_nb, sum_levels_nb
from optimize.strategy.squeeze_config import Extent

# tables의 번호. 표의 0번 줄이 고가, 저가, hl2, 기준값을 뺀 종가, 그 제곱이다.
TOPS, BOTTOMS, MIDS, OFFSETS, SQUARES = 0, 1, 2, 3, 4
TABLES = 5
# base의 줄 번호. KEPT_ROWS 앞의 줄은 다음 토막이 지난 값을 읽는다: CLOSE는 lo칸, 나머지는 KEPT칸.
CLOSE, TR, HA_CLOSE, HA_SHIFTED, HA_OPEN, HA_HIGH, HA_LOW = 0, 1, 2, 3, 4, 5, 6
KEPT_ROWS = 7
KEPT = 16
UP_MOVE, DOWN_MOVE, HA_UP_MOVE, HA_DOWN_MOVE = 7, 8, 9, 10
BASE_ROWS = 11


@compiled
def shift_nb(base: Table, tables: NDArray[np.float64], lo: int, chunk: int, extent: Extent) -> None:
    """토막의 끝을 다음 토막의 앞으로 옮긴다."""
    copy_nb(base[CLOSE, chunk : chunk + lo], base[CLOSE, :lo])
    for r in range(TR, KEPT_ROWS if extent.heikin_ashi else HA_CLOSE):
        copy_nb(base[r, chunk + lo - KEPT : chunk + lo], base[r, lo - KEPT : lo])
    for r in (TOPS, BOTTOMS, MIDS):
        copy_nb(tables[r, 0, chunk : chunk + lo], tables[r, 0, :lo])


@compiled
def _load_nb(
    base: Table,
    tables: NDArray[np.float64],
    lo: int,
    hi: int,
    start: int,
    high: Row,
    low: Row,
    close: Row,
) -> None:
    """토막의 가격과 true range. 첫 봉의 true range는 고가 - 저가다."""
    size = hi - lo
    h, low_row, mid = tables[TOPS, 0, lo:hi], tables[BOTTOMS, 0, lo:hi], tables[MIDS, 0, lo:hi]
    c = base[CLOSE, lo:hi]
    h_in, l_in = high[start : start + size], low[start : start + size]
    c_in = close[start : start + size]
    for k in range(size):
        h[k] = h_in[k]
        low_row[k] = l_in[k]
        c[k] = c_in[k]
        mid[k] = 0.5 * (h_in[k] + l_in[k])
    if start == 0:
        fill_head_nb(tables[TOPS, 0], lo - 1, high[0])
        fill_head_nb(tables[BOTTOMS, 0], lo - 1, low[0])
        fill_head_nb(tables[MIDS, 0], lo - 1, 0.5 * (high[0] + low[0]))
        fill_head_nb(base[CLOSE], lo - 1, 0.5 * (high[0] + low[0]))
    previous, tr = base[CLOSE, lo - 1 : hi - 1], base[TR, lo:hi]
    for k in range(size):
        top = h[k] if h[k] > previous[k] else previous[k]
        bottom = low_row[k] if low_row[k] < previous[k] else previous[k]
        tr[k] = top - bottom


@compiled
def _moves_nb(high_row: Row, low_row: Row, lo: int, hi: int, up: Row, down: Row) -> None:
    """상승·하락 directional movement: 더 큰 쪽만, 양수일 때만."""
    h, h_old = high_row[lo:hi], high_row[lo - 1 : hi - 1]
    low, l_old = low_row[lo:hi], low_row[lo - 1 : hi - 1]
    x, y = up[lo:hi], down[lo:hi]
    for k in range(len(x)):
        rise, drop = h[k] - h_old[k], l_old[k] - low[k]
        x[k] = rise if (rise > drop) & (rise > 0.0) else 0.0
        y[k] = drop if (drop > rise) & (drop > 0.0) else 0.0


@compiled
def _heikin_ashi_nb(
    base: Table,
    tables: NDArray[np.float64],
    lo: int,
    hi: int,
    start: int,
    open_: Row,
    close: Row,
) -> None:
    """Heikin-Ashi의 고가와 저가. HA 시가는 α = 0.5인 EMA와 같은 점화식이다."""
    size = hi - lo
    h, low, c = tables[TOPS, 0, lo:hi], tables[BOTTOMS, 0, lo:hi], base[CLOSE, lo:hi]
    ha_close, o = base[HA_CLOSE, lo:hi], open_[start : start + size]
    for k in range(size):
        ha_close[k] = 0.25 * (o[k] + h[k] + low[k] + c[k])
    old, shifted = base[HA_CLOSE, lo - 1 : hi - 1], base[HA_SHIFTED, lo:hi]
    for k in range(size):
        shifted[k] = old[k]
    if start == 0:
        seed = 0.5 * (open_[0] + close[0])
        fill_head_nb(base[HA_SHIFTED], lo, seed)
        fill_head_nb(base[HA_OPEN], lo - 1, seed)
    ema_block_nb(base[HA_SHIFTED], lo, hi, 0.5, base[HA_OPEN])
    ha_open, ha_high, ha_low = base[HA_OPEN, lo:hi], base[HA_HIGH, lo:hi], base[HA_LOW, lo:hi]
    for k in range(size):
        top = ha_open[k] if ha_open[k] > ha_close[k] else ha_close[k]
        bottom = ha_open[k] if ha_open[k] < ha_close[k] else ha_close[k]
        ha_high[k] = h[k] if h[k] > top else top
        ha_low[k] = low[k] if low[k] < bottom else bottom
    if start == 0:
        fill_head_nb(base[HA_HIGH], lo - 1, base[HA_HIGH, lo])
        fill_head_nb(base[HA_LOW], lo - 1, base[HA_LOW, lo])


@compiled
def _offsets_nb(
    base: Table,
    tables: NDArray[np.float64],
    lo: int,
    hi: int,
    window: int,
    squared: bool,
) -> None:
    """종가에서 이 토막의 첫 종가를 뺀 것과 그 제곱: 제곱의 합이 자리올림으로 깎이지 않게."""
    anchor = base[CLOSE, lo]
    first = lo - window
    c, offset, square = (
        base[CLOSE, first:hi],
        tables[OFFSETS, 0, first:hi],
        tables[SQUARES, 0, first:hi],
    )
    for k in range(len(c)):
        offset[k] = c[k] - anchor
    if squared:
        for k in range(len(c)):
            square[k] = offset[k] * offset[k]


@compiled
def share_nb(
    base: Table,
    tables: NDArray[np.float64],
    lo: int,
    hi: int,
    start: int,
    extent: Extent,
    open_: Row,
    high: Row,
    low: Row,
    close: Row,
) -> None:
    """이 토막의 함께 쓰는 줄과 표를 모두 만든다."""
    _load_nb(base, tables, lo, hi, start, high, low, close)
    tops, bottoms = tables[TOPS], tables[BOTTOMS]
    if extent.plain:
        _moves_nb(tops[0], bottoms[0], lo, hi, base[UP_MOVE], base[DOWN_MOVE])
    if extent.heikin_ashi:
        _heikin_ashi_nb(base, tables, lo, hi, start, open_, close)
        _moves_nb(base[HA_HIGH], base[HA_LOW], lo, hi, base[HA_UP_MOVE], base[HA_DOWN_MOVE])
    if extent.channel > 0:
        max_levels_nb(tops, lo, hi, extent.channel, extent.channel_mask)
        min_levels_nb(bottoms, lo, hi, extent.channel, extent.channel_mask)
    if extent.mids > 0:
        sum_levels_nb(tables[MIDS], lo, hi, extent.mids, extent.mids_mask)
    if extent.offsets > 0:
        _offsets_nb(base, tables, lo, hi, extent.offsets, extent.squares > 0)
        sum_levels_nb(tables[OFFSETS], lo, hi, extent.offsets, extent.offsets_mask)
        if extent.squares > 0:
            sum_levels_nb(tables[SQUARES], lo, hi, extent.squares, extent.squares_mask)
