"""squeeze_momentum의 단계: 시행 하나의 토막 하나에서 ATR, momentum, flux, squeeze를 만든다.

모양: rows: float64[ROWS, h]. 줄마다 앞의 lo칸은 이 시행의 지난 토막의 끝, [lo, hi)가 이 토막이다.
    base, tables: 묶음이 함께 쓰는 것(squeeze_shared_nb). sums, ramps: float64[L, h], 창의 표의 임시 자리.
    start: 이 토막의 첫 봉. 첫 토막(start = 0)에서는 점화식의 첫 값을 앞쪽에 채운다.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import Row, fill_head_nb, window_sum_block_nb
from optimize.strategy.ema_nb import ema_block_nb, ema_pair_block_nb
from optimize.strategy.jit import compiled
from optimize.strategy.levels_nb import (
    Table,
    level_nb,
    linreg_end_nb,
    sum_levels_nb,
    window_parts_nb,
    wma_pair_nb,
)
from optimize.strategy.squeeze_shared_nb import (
    BOTTOMS,
    CLOSE,
    DOWN_MOVE,
    HA_DOWN_MOVE,
    HA_UP_MOVE,
    MIDS,
    OFFSETS,
    SQUARES,
    TOPS,
    UP_MOVE,
)

KC, AVG, DELUXE, MOD = 0, 1, 2, 3
SMA, EMA, HMA = 0, 1, 2
STATIC, PER_SIDE, DYNAMIC = 0, 1, 2
TINY = 1e-300  # ATR이 이보다 작으면 0으로 본다: 그 역수가 넘친다

# rows의 줄 번호. LONG_ROWS 앞의 줄은 제 창의 길이를, KEPT_ROWS 앞의 줄은 KEPT칸을 다음 토막에 남긴다.
# ZEROS는 늘 0이다.
Y, MOM, HULL, SQUEEZE = 0, 1, 2, 3
LONG_ROWS = 4
SIG, UP, DOWN, FLUX_UP, FLUX_DOWN = 4, 5, 6, 7, 8
KEPT_ROWS = 9
KEPT = 16
INVERSE, LEVEL, SPREAD, A, T0, T1, T2, T3, ZEROS = 9, 10, 11, 12, 13, 14, 15, 16, 17
ROWS = 18


@compiled
def scale_nb(rows: Table, base: Table, atr: Row, lo: int, hi: int, start: int, cfg: Any) -> None:
    """이 토막의 ATR의 역수(ATR이 0이면 0)와, 상승·하락 directional movement / ATR."""
    rising = base[HA_UP_MOVE, lo:hi] if cfg.heikin_ashi else base[UP_MOVE, lo:hi]
    falling = base[HA_DOWN_MOVE, lo:hi] if cfg.heikin_ashi else base[DOWN_MOVE, lo:hi]
    inverse = rows[INVERSE, lo:hi]
    up, down = rows[UP, lo:hi], rows[DOWN, lo:hi]
    for k in range(hi - lo):
        value = 1.0 / atr[k]
        value = value if atr[k] > TINY else 0.0
        inverse[k] = value
        up[k] = rising[k] * value
        down[k] = falling[k] * value
    if start == 0:
        first = lo + cfg.kc_len - 1
        fill_head_nb(rows[UP], first, rows[UP, first])
        fill_head_nb(rows[DOWN], first, rows[DOWN, first])
        fill_head_nb(rows[FLUX_UP], lo - 1, rows[UP, first])
        fill_head_nb(rows[FLUX_DOWN], lo - 1, rows[DOWN, first])


@compiled
def _off_channel_nb(
    tops: Table, bottoms: Table, close: Row, inverse: Row, lo: int, hi: int, w: int, y_row: Row
) -> None:
    """Y = (종가 - 최근 w개의 고저 중심) / ATR."""
    level = level_nb(w)
    gap = w - (1 << level)
    top, top_old = tops[level, lo:hi], tops[level, lo - gap : hi - gap]
    low, low_old = bottoms[level, lo:hi], bottoms[level, lo - gap : hi - gap]
    c, scale, y = close[lo:hi], inverse[lo:hi], y_row[lo:hi]
    for k in range(hi - lo):
        highest = top[k] if top[k] > top_old[k] else top_old[k]
        lowest = low[k] if low[k] < low_old[k] else low_old[k]
        y[k] = (c[k] - 0.5 * (highest + lowest)) * scale[k]


@compiled
def _off_both_nb(
    tops: Table,
    bottoms: Table,
    parts: tuple[Row, Row, int],
    weight: float,
    anchor: float,
    close: Row,
    inverse: Row,
    lo: int,
    hi: int,
    w: int,
    y_row: Row,
) -> None:
    """Y = (종가 - 고저 중심과 평균의 가운데) / ATR. 평균 = anchor + 합·weight."""
    level = level_nb(w)
    gap = w - (1 << level)
    top, top_old = tops[level, lo:hi], tops[level, lo - gap : hi - gap]
    low, low_old = bottoms[level, lo:hi], bottoms[level, lo - gap : hi - gap]
    c, scale, y = close[lo:hi], inverse[lo:hi], y_row[lo:hi]
    new, older, shift = parts
    new, older = new[lo:hi], older[lo - shift : hi - shift]
    for k in range(hi - lo):
        highest = top[k] if top[k] > top_old[k] else top_old[k]
        lowest = low[k] if low[k] < low_old[k] else low_old[k]
        middle = 0.5 * (highest + lowest)
        y[k] = (c[k] - 0.5 * (middle + (anchor + (new[k] + older[k]) * weight))) * scale[k]


@compiled
def _off_mid_nb(
    half: Row,
    parts: tuple[Row, Row, int],
    weight: float,
    close: Row,
    inverse: Row,
    lo: int,
    hi: int,
    y_row: Row,
) -> None:
    """Y = (종가 - hl2와 그 평균의 가운데) / ATR."""
    new, older, shift = parts
    x, new, older = half[lo:hi], new[lo:hi], older[lo - shift : hi - shift]
    c, scale, y = close[lo:hi], inverse[lo:hi], y_row[lo:hi]
    for k in range(hi - lo):
        y[k] = (c[k] - 0.5 * (x[k] + (0.0 + (new[k] + older[k]) * weight))) * scale[k]


@compiled
def detrend_nb(
    rows: Table,
    base: Table,
    tables: NDArray[np.float64],
    lo: int,
    hi: int,
    cfg: Any,
) -> None:
    """기준선에서 벗어난 Y."""
    style, kc_len, bb_len = cfg.detrend, cfg.kc_len, cfg.bb_len
    tops, bottoms, close, inverse = tables[TOPS], tables[BOTTOMS], base[CLOSE], rows[INVERSE]
    if style == KC:
        _off_channel_nb(tops, bottoms, close, inverse, lo, hi, kc_len, rows[Y])
    elif style == MOD:
        mids = tables[MIDS]
        parts = window_parts_nb(mids, lo, hi, kc_len, rows[ZEROS], rows[T0], rows[T1])
        _off_mid_nb(mids[0], parts, 1.0 / kc_len, close, inverse, lo, hi, rows[Y])
    else:
        source = tables[OFFSETS] if style == AVG else tables[MIDS]
        middle = base[CLOSE, lo] if style == AVG else 0.0
        parts = window_parts_nb(source, lo, hi, bb_len, rows[ZEROS], rows[T0], rows[T1])
        _off_both_nb(
            tops, bottoms, parts, 1.0 / bb_len, middle, close, inverse, lo, hi, kc_len, rows[Y]
        )


@compiled
def _hull_nb(
    rows: Table, sums: Table, ramps: Table, lo: int, hi: int, start: int, mom_first: int, w: int
) -> None:
    """HMA: WMA(2·WMA(x, w//2) - WMA(x, w), ⌊√w⌋)."""
    half, root, spare = max(w // 2, 1), int(np.sqrt(w)), rows[T0 : T3 + 1]
    wma_pair_nb(rows[MOM], sums, ramps, lo, hi, w, half, spare, rows[LEVEL], rows[A])
    fast, slow, hull = rows[A, lo:hi], rows[LEVEL, lo:hi], rows[HULL, lo:hi]
    for k in range(hi - lo):
        hull[k] = 2.0 * fast[k] - slow[k]
    if start == 0:
        fill_head_nb(rows[HULL], lo + mom_first, rows[MOM, lo + mom_first])
    wma_pair_nb(rows[HULL], sums, ramps, lo, hi, root, 0, spare, rows[SIG], rows[SIG])


@compiled
def signal_nb(
    rows: Table, sums: Table, ramps: Table, lo: int, hi: int, start: int, cfg: Any
) -> None:
    """momentum과 그 signal 선."""
    w, osc_len, mom_first = cfg.signal_len, cfg.osc_len, cfg.mom_first
    linreg_end_nb(rows[Y], sums, ramps, lo, hi, osc_len, rows[T0 : T3 + 1], rows[MOM])
    if start == 0:
        fill_head_nb(rows[MOM], lo + mom_first, rows[MOM, lo + mom_first])
        fill_head_nb(rows[SIG], lo - 1, rows[MOM, lo + mom_first])
    if cfg.signal_style == SMA:
        window_sum_block_nb(rows[MOM], lo, hi, w, rows[SIG], rows[T0], rows[T1])
        scale = 1.0 / w
        signal = rows[SIG, lo:hi]
        for k in range(hi - lo):
            signal[k] *= scale
    elif cfg.signal_style == EMA:
        ema_block_nb(rows[MOM], lo, hi, 2.0 / (w + 1.0), rows[SIG])
    else:
        _hull_nb(rows, sums, ramps, lo, hi, start, mom_first, w)


@compiled
def spread_nb(rows: Table, sums: Table, powers: Table, lo: int, hi: int, w: int) -> None:
    """SPREAD = 최근 w개 momentum의 모표준편차. 토막의 첫 값을 뺀 뒤 제곱해 자리올림 손실을 막는다."""
    anchor, first = rows[MOM, lo], lo - w
    mom, offset, power = rows[MOM, first:hi], sums[0, first:hi], powers[0, first:hi]
    for k in range(len(mom)):
        offset[k] = mom[k] - anchor
        power[k] = offset[k] * offset[k]
    sum_levels_nb(sums, lo, hi, w, w)
    sum_levels_nb(powers, lo, hi, w, w)
    zeros = rows[ZEROS]
    new, old, shift = window_parts_nb(sums, lo, hi, w, zeros, rows[T0], rows[T1])
    new_power, old_power, _ = window_parts_nb(powers, lo, hi, w, zeros, rows[T2], rows[T3])
    new, old = new[lo:hi], old[lo - shift : hi - shift]
    new_power, old_power = new_power[lo:hi], old_power[lo - shift : hi - shift]
    spread, scale = rows[SPREAD, lo:hi], 1.0 / w
    for k in range(hi - lo):
        mean = (new[k] + old[k]) * scale
        variance = (new_power[k] + old_power[k]) * scale - mean * mean
        spread[k] = np.sqrt(variance if variance > 0.0 else 0.0)


@compiled
def flux_nb(rows: Table, lo: int, hi: int, flux_len: int) -> None:
    """UP과 DOWN을 α = 1/flux_len으로 고른 것."""
    alpha = 1.0 / flux_len
    ema_pair_block_nb(rows[UP], rows[DOWN], lo, hi, alpha, alpha, rows[FLUX_UP], rows[FLUX_DOWN])


@compiled
def squeeze_nb(
    rows: Table, tables: NDArray[np.float64], atr: Row, lo: int, hi: int, cfg: Any
) -> None:
    """SQUEEZE = 1.0: Bollinger Band가 Keltner Channel 안에 있다. 두 중심은 같은 기준값에서 잰다. atr: [lo, hi)의 것."""
    zeros, bb_len, kc_len = rows[ZEROS], cfg.bb_len, cfg.kc_len
    offsets, squares = tables[OFFSETS], tables[SQUARES]
    new, old, bb = window_parts_nb(offsets, lo, hi, bb_len, zeros, rows[T0], rows[T1])
    new_power, old_power, _ = window_parts_nb(squares, lo, hi, bb_len, zeros, rows[T2], rows[T3])
    wide, wide_old, kc = window_parts_nb(offsets, lo, hi, kc_len, zeros, rows[A], rows[LEVEL])
    new, old, wide, wide_old = (
        new[lo:hi],
        old[lo - bb : hi - bb],
        wide[lo:hi],
        wide_old[lo - kc : hi - kc],
    )
    new_power, old_power = new_power[lo:hi], old_power[lo - bb : hi - bb]
    bb_scale, kc_scale = 1.0 / cfg.bb_len, 1.0 / cfg.kc_len
    bb_mult, kc_mult = cfg.bb_mult, cfg.kc_mult
    squeeze = rows[SQUEEZE, lo:hi]
    for k in range(hi - lo):
        basis, middle = (new[k] + old[k]) * bb_scale, (wide[k] + wide_old[k]) * kc_scale
        variance = (new_power[k] + old_power[k]) * bb_scale - basis * basis
        band = bb_mult * np.sqrt(variance if variance > 0.0 else 0.0)
        channel = kc_mult * atr[k]
        inside = (basis + band < middle + channel) & (basis - band > middle - channel)
        squeeze[k] = 1.0 if inside else 0.0
