"""squeeze_momentum의 단계: 토막 하나에서 ATR, momentum, flux, squeeze를 만든다.

모양: rows: float64[ROWS, h + c]. 줄마다 앞의 lo칸은 지난 토막의 끝, [lo, hi)가 이 토막이다.
    start: 이 토막의 첫 봉. 첫 토막(start = 0)에서는 점화식의 첫 값을 앞쪽에 채운다.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import (
    Row,
    ema_block_nb,
    linreg_block_nb,
    window_max_block_nb,
    window_min_block_nb,
    window_moments_block_nb,
    window_sum_block_nb,
    wma_block_nb,
)
from optimize.strategy.jit import compiled

KC, AVG, DELUXE, MOD = 0, 1, 2, 3
SMA, EMA, HMA = 0, 1, 2
STATIC, PER_SIDE, DYNAMIC = 0, 1, 2

# rows의 줄 번호. HISTORY_ROWS 앞의 줄은 다음 토막이 지난 값을 읽는다.
HIGH, LOW, CLOSE, MID, TR, ATR, Y, MOM, SIG = 0, 1, 2, 3, 4, 5, 6, 7, 8
UP, DOWN, FLUX_UP, FLUX_DOWN, SQUEEZE, HULL = 9, 10, 11, 12, 13, 14
HA_CLOSE, HA_SHIFTED, HA_OPEN, HA_HIGH, HA_LOW = 15, 16, 17, 18, 19
HISTORY_ROWS = 20
LEVEL, SPREAD, A, B, T0, T1, T2, T3, T4, T5 = 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
ROWS = 30


class SqueezeConfig(NamedTuple):
    """숫자로 옮긴 파라미터. 길이는 봉, 문턱은 ATR의 배수."""

    detrend: int
    kc_len: int
    bb_len: int
    osc_len: int
    signal_style: int
    signal_len: int
    flux_len: int
    heikin_ashi: bool
    use_gate: bool
    bb_mult: float
    kc_mult: float
    gate_bars: int
    threshold_mode: int
    threshold_long: float
    threshold_short: float
    threshold_len: int
    threshold_mult: float
    exit_opposite: bool
    exit_fade: bool
    fade_bars: int


@compiled
def _fill_head_nb(row: Row, upto: int, value: float) -> None:
    """row[0 .. upto]를 한 값으로 채운다: 이동 평균이 그 값에서 시작하는 것과 같다."""
    head = row[: upto + 1]
    for k in range(upto + 1):
        head[k] = value


@compiled
def load_nb(
    rows: NDArray[np.float64],
    lo: int,
    hi: int,
    start: int,
    high: Row,
    low: Row,
    close: Row,
) -> None:
    """토막의 고가·저가·종가·hl2와 true range. 첫 봉의 true range는 고가 - 저가다."""
    size = hi - lo
    h, low_row, c, mid = rows[HIGH, lo:hi], rows[LOW, lo:hi], rows[CLOSE, lo:hi], rows[MID, lo:hi]
    h_in, l_in, c_in = high[start : start + size], low[start : start + size], close[start:]
    for k in range(size):
        h[k] = h_in[k]
        low_row[k] = l_in[k]
        c[k] = c_in[k]
        mid[k] = 0.5 * (h_in[k] + l_in[k])
    if start == 0:
        _fill_head_nb(rows[HIGH], lo - 1, high[0])
        _fill_head_nb(rows[LOW], lo - 1, low[0])
        _fill_head_nb(rows[CLOSE], lo - 1, 0.5 * (high[0] + low[0]))
        _fill_head_nb(rows[MID], lo - 1, 0.5 * (high[0] + low[0]))
    previous, tr = rows[CLOSE, lo - 1 : hi - 1], rows[TR, lo:hi]
    for k in range(size):
        top = h[k] if h[k] > previous[k] else previous[k]
        bottom = low_row[k] if low_row[k] < previous[k] else previous[k]
        tr[k] = top - bottom


@compiled
def atr_nb(rows: NDArray[np.float64], lo: int, hi: int, start: int, length: int) -> None:
    """Wilder의 ATR: 처음 length개의 평균에서 시작해 α = 1/length."""
    if start == 0:
        seed = 0.0
        for k in range(lo, lo + length):
            seed += rows[TR, k]
        seed /= length
        _fill_head_nb(rows[TR], lo + length - 1, seed)
        _fill_head_nb(rows[ATR], lo - 1, seed)
    ema_block_nb(rows[TR], lo, hi, 1.0 / length, rows[ATR], rows[T0], rows[T1])


@compiled
def detrend_nb(rows: NDArray[np.float64], lo: int, hi: int, cfg: SqueezeConfig) -> None:
    """Y = (종가 - 기준선) / ATR. ATR이 0이면 0."""
    size = hi - lo
    level = rows[LEVEL, lo:hi]
    if cfg.detrend == MOD:
        window_sum_block_nb(rows[MID], lo, hi, cfg.kc_len, rows[A], rows[T0], rows[T1])
        scale = 1.0 / cfg.kc_len
        mean, mid = rows[A, lo:hi], rows[MID, lo:hi]
        for k in range(size):
            level[k] = 0.5 * (mid[k] + mean[k] * scale)
    else:
        window_max_block_nb(rows[HIGH], lo, hi, cfg.kc_len, rows[A], rows[T0], rows[T1])
        window_min_block_nb(rows[LOW], lo, hi, cfg.kc_len, rows[B], rows[T0], rows[T1])
        top, bottom = rows[A, lo:hi], rows[B, lo:hi]
        for k in range(size):
            level[k] = 0.5 * (top[k] + bottom[k])
        if cfg.detrend != KC:
            source = rows[CLOSE] if cfg.detrend == AVG else rows[MID]
            window_sum_block_nb(source, lo, hi, cfg.bb_len, rows[A], rows[T0], rows[T1])
            scale = 1.0 / cfg.bb_len
            for k in range(size):
                level[k] = 0.5 * (level[k] + top[k] * scale)
    close, atr, y = rows[CLOSE, lo:hi], rows[ATR, lo:hi], rows[Y, lo:hi]
    for k in range(size):
        value = (close[k] - level[k]) / atr[k]
        y[k] = value if atr[k] > 0.0 else 0.0


@compiled
def _hull_nb(
    rows: NDArray[np.float64], lo: int, hi: int, start: int, mom_first: int, w: int
) -> None:
    """HMA: WMA(2·WMA(x, w//2) - WMA(x, w), ⌊√w⌋)."""
    half, root = max(w // 2, 1), int(np.sqrt(w))
    wma_block_nb(
        rows[MOM], lo, hi, half, rows[A],
        rows[T0], rows[T1], rows[T2], rows[T3], rows[T4], rows[T5],
    )  # fmt: skip
    wma_block_nb(
        rows[MOM], lo, hi, w, rows[B],
        rows[T0], rows[T1], rows[T2], rows[T3], rows[T4], rows[T5],
    )  # fmt: skip
    fast, slow, hull = rows[A, lo:hi], rows[B, lo:hi], rows[HULL, lo:hi]
    for k in range(hi - lo):
        hull[k] = 2.0 * fast[k] - slow[k]
    if start == 0:
        _fill_head_nb(rows[HULL], lo + mom_first, rows[MOM, lo + mom_first])
    wma_block_nb(
        rows[HULL], lo, hi, root, rows[SIG],
        rows[T0], rows[T1], rows[T2], rows[T3], rows[T4], rows[T5],
    )  # fmt: skip


@compiled
def signal_nb(
    rows: NDArray[np.float64], lo: int, hi: int, start: int, mom_first: int, cfg: SqueezeConfig
) -> None:
    """momentum과 그 signal 선."""
    linreg_block_nb(
        rows[Y], lo, hi, cfg.osc_len, rows[MOM],
        rows[T0], rows[T1], rows[T2], rows[T3], rows[T4], rows[T5],
    )  # fmt: skip
    w = cfg.signal_len
    if start == 0:
        _fill_head_nb(rows[MOM], lo + mom_first, rows[MOM, lo + mom_first])
        _fill_head_nb(rows[SIG], lo - 1, rows[MOM, lo + mom_first])
    if cfg.signal_style == SMA:
        window_sum_block_nb(rows[MOM], lo, hi, w, rows[SIG], rows[T0], rows[T1])
        scale = 1.0 / w
        signal = rows[SIG, lo:hi]
        for k in range(hi - lo):
            signal[k] *= scale
    elif cfg.signal_style == EMA:
        ema_block_nb(rows[MOM], lo, hi, 2.0 / (w + 1.0), rows[SIG], rows[T0], rows[T1])
    else:
        _hull_nb(rows, lo, hi, start, mom_first, w)


@compiled
def heikin_ashi_nb(
    rows: NDArray[np.float64], lo: int, hi: int, start: int, open_: Row, close: Row
) -> None:
    """Heikin-Ashi의 고가와 저가. HA 시가는 α = 0.5인 EMA와 같은 점화식이다."""
    size = hi - lo
    h, low, c = rows[HIGH, lo:hi], rows[LOW, lo:hi], rows[CLOSE, lo:hi]
    ha_close = rows[HA_CLOSE, lo:hi]
    o = open_[start : start + size]
    for k in range(size):
        ha_close[k] = 0.25 * (o[k] + h[k] + low[k] + c[k])
    copy_shifted = rows[HA_CLOSE, lo - 1 : hi - 1]
    shifted = rows[HA_SHIFTED, lo:hi]
    for k in range(size):
        shifted[k] = copy_shifted[k]
    if start == 0:
        seed = 0.5 * (open_[0] + close[0])
        _fill_head_nb(rows[HA_SHIFTED], lo, seed)
        _fill_head_nb(rows[HA_OPEN], lo - 1, seed)
    ema_block_nb(rows[HA_SHIFTED], lo, hi, 0.5, rows[HA_OPEN], rows[T0], rows[T1])
    ha_open, ha_high, ha_low = rows[HA_OPEN, lo:hi], rows[HA_HIGH, lo:hi], rows[HA_LOW, lo:hi]
    for k in range(size):
        top = ha_open[k] if ha_open[k] > ha_close[k] else ha_close[k]
        bottom = ha_open[k] if ha_open[k] < ha_close[k] else ha_close[k]
        ha_high[k] = h[k] if h[k] > top else top
        ha_low[k] = low[k] if low[k] < bottom else bottom
    if start == 0:
        _fill_head_nb(rows[HA_HIGH], lo - 1, rows[HA_HIGH, lo])
        _fill_head_nb(rows[HA_LOW], lo - 1, rows[HA_LOW, lo])


@compiled
def flux_nb(rows: NDArray[np.float64], lo: int, hi: int, start: int, cfg: SqueezeConfig) -> None:
    """상승·하락 directional movement / ATR을 α = 1/flux_len으로 고른 것."""
    size = hi - lo
    high_row = rows[HA_HIGH] if cfg.heikin_ashi else rows[HIGH]
    low_row = rows[HA_LOW] if cfg.heikin_ashi else rows[LOW]
    h, h_old = high_row[lo:hi], high_row[lo - 1 : hi - 1]
    low, l_old = low_row[lo:hi], low_row[lo - 1 : hi - 1]
    atr, up, down = rows[ATR, lo:hi], rows[UP, lo:hi], rows[DOWN, lo:hi]
    for k in range(size):
        rise, drop = h[k] - h_old[k], l_old[k] - low[k]
        live = atr[k] > 0.0
        u = rise / atr[k]
        d = drop / atr[k]
        up[k] = u if live & (rise > drop) & (rise > 0.0) else 0.0
        down[k] = d if live & (drop > rise) & (drop > 0.0) else 0.0
    if start == 0:
        first = lo + cfg.kc_len - 1
        _fill_head_nb(rows[UP], first, rows[UP, first])
        _fill_head_nb(rows[DOWN], first, rows[DOWN, first])
        _fill_head_nb(rows[FLUX_UP], lo - 1, rows[UP, first])
        _fill_head_nb(rows[FLUX_DOWN], lo - 1, rows[DOWN, first])
    alpha = 1.0 / cfg.flux_len
    ema_block_nb(rows[UP], lo, hi, alpha, rows[FLUX_UP], rows[T0], rows[T1])
    ema_block_nb(rows[DOWN], lo, hi, alpha, rows[FLUX_DOWN], rows[T0], rows[T1])


@compiled
def squeeze_nb(rows: NDArray[np.float64], lo: int, hi: int, cfg: SqueezeConfig) -> None:
    """SQUEEZE = 1.0: Bollinger Band가 Keltner Channel 안에 있다."""
    close = rows[CLOSE]
    window_moments_block_nb(
        close, lo, hi, cfg.bb_len, rows[A], rows[SPREAD], rows[T0], rows[T1], rows[T2]
    )
    middle_row = rows[A]
    if cfg.kc_len != cfg.bb_len:
        middle_row = rows[B]
        window_sum_block_nb(close, lo, hi, cfg.kc_len, middle_row, rows[T0], rows[T1])
        kc_scale = 1.0 / cfg.kc_len
        for k in range(lo, hi):
            middle_row[k] *= kc_scale
    mean, middles, spread = rows[A, lo:hi], middle_row[lo:hi], rows[SPREAD, lo:hi]
    atr, squeeze = rows[ATR, lo:hi], rows[SQUEEZE, lo:hi]
    for k in range(hi - lo):
        basis, middle = mean[k], middles[k]
        bb, kc = cfg.bb_mult * spread[k], cfg.kc_mult * atr[k]
        inside = (basis + bb < middle + kc) & (basis - bb > middle - kc)
        squeeze[k] = 1.0 if inside else 0.0
