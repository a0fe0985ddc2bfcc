"""squeeze_momentum의 신호 kernel.

모양: n = LTF 봉 수, m = HTF 봉 수. 입력 open, high, low, close: float64[n]. trend: int8[m] 또는 [0].
    htf_index: int32[n] 또는 [0]. 출력 entry: int8[n], exit_long·exit_short: bool_[n], atr: float64[n].
    rows: float64[ROWS, h + c], flags: uint8[4, h + c]는 토막 하나의 임시 자리다(h = history, c = 토막).

자료를 c봉씩 훑으며 한 토막의 모든 지표를 L2 cache 안에서 끝낸다. 토막의 경계는 파라미터만으로 정해져
자료의 끝을 잘라도 앞의 값이 비트까지 같다. 식은 docs/strategy.md에 있다.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import (
    Row,
    copy_block_nb,
    ema_block_nb,
    linreg_block_nb,
    window_max_block_nb,
    window_min_block_nb,
    window_moments_block_nb,
    window_sum_block_nb,
    wma_block_nb,
)
from optimize.strategy.jit import compiled

CHUNK = 1024
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
def _load_nb(
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
def _atr_nb(rows: NDArray[np.float64], lo: int, hi: int, start: int, length: int) -> None:
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
def _detrend_nb(rows: NDArray[np.float64], lo: int, hi: int, cfg: SqueezeConfig) -> None:
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
def _signal_nb(
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
def _heikin_ashi_nb(
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
def _flux_nb(rows: NDArray[np.float64], lo: int, hi: int, start: int, cfg: SqueezeConfig) -> None:
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
def _squeeze_nb(rows: NDArray[np.float64], lo: int, hi: int, cfg: SqueezeConfig) -> None:
    """SQUEEZE = 1.0: Bollinger Band가 Keltner Channel 안에 있다."""
    close = rows[CLOSE]
    window_moments_block_nb(
        close, lo, hi, cfg.bb_len, rows[A], rows[SPREAD], rows[T0], rows[T1], rows[T2]
    )
    window_sum_block_nb(close, lo, hi, cfg.kc_len, rows[B], rows[T0], rows[T1])
    kc_scale = 1.0 / cfg.kc_len
    mean, kc_sum, spread = rows[A, lo:hi], rows[B, lo:hi], rows[SPREAD, lo:hi]
    atr, squeeze = rows[ATR, lo:hi], rows[SQUEEZE, lo:hi]
    for k in range(hi - lo):
        basis, middle = mean[k], kc_sum[k] * kc_scale
        bb, kc = cfg.bb_mult * spread[k], cfg.kc_mult * atr[k]
        inside = (basis + bb < middle + kc) & (basis - bb > middle - kc)
        squeeze[k] = 1.0 if inside else 0.0


@compiled
def _candidates_nb(
    rows: NDArray[np.float64], lo: int, hi: int, cfg: SqueezeConfig, entry: NDArray[np.int8]
) -> None:
    """gate와 HTF를 보기 전의 진입: 문턱 밖의 교차이며 flux가 같은 쪽."""
    size = hi - lo
    spread = rows[SPREAD, lo:hi]
    mult = 0.0
    if cfg.threshold_mode == DYNAMIC:
        window_moments_block_nb(
            rows[MOM], lo, hi, cfg.threshold_len, rows[A], rows[SPREAD], rows[T0], rows[T1], rows[T2]
        )  # fmt: skip
        mult = cfg.threshold_mult
    else:
        for k in range(size):
            spread[k] = 0.0
    mom, mom_old = rows[MOM, lo:hi], rows[MOM, lo - 1 : hi - 1]
    sig, sig_old = rows[SIG, lo:hi], rows[SIG, lo - 1 : hi - 1]
    up, down = rows[FLUX_UP, lo:hi], rows[FLUX_DOWN, lo:hi]
    base_long, base_short = cfg.threshold_long, cfg.threshold_short
    for k in range(size):
        extra = mult * spread[k]
        rising = (mom_old[k] <= sig_old[k]) & (mom[k] > sig[k]) & (up[k] > down[k])
        falling = (mom_old[k] >= sig_old[k]) & (mom[k] < sig[k]) & (up[k] < down[k])
        buy = rising & (mom[k] < -(base_long + extra))
        sell = falling & (mom[k] > base_short + extra)
        entry[k] = np.int8(buy) - np.int8(sell)


@compiled
def _released_nb(squeeze: Row, k: int, bars: int) -> bool:
    """최근 bars봉 안에 squeeze가 풀렸는가."""
    t = k
    while t > k - bars:
        if squeeze[t] == 0.0 and squeeze[t - 1] == 1.0:
            return True
        t -= 1
    return False


@compiled
def _confirm_nb(
    rows: NDArray[np.float64],
    lo: int,
    start: int,
    first: int,
    cfg: SqueezeConfig,
    trend: NDArray[np.int8],
    htf_index: NDArray[np.int32],
    entry: NDArray[np.int8],
) -> None:
    """드문 후보만 골라 warm-up, gate, HTF 추세를 본다."""
    squeeze = rows[SQUEEZE]
    filtered = len(htf_index) > 0
    words = entry[: len(entry) // 8 * 8].view(np.int64)
    k = -1
    while k + 1 < len(entry):
        k += 1
        if k & 7 == 0 and k < 8 * len(words) and words[k >> 3] == 0:
            k += 7
            continue
        side = entry[k]
        if side == 0:
            continue
        i = start + k
        ok = i >= first
        if ok and cfg.use_gate:
            ok = _released_nb(squeeze, lo + k, cfg.gate_bars)
        if ok and filtered:
            j = htf_index[i]
            ok = j >= 0 and trend[j] == side
        if not ok:
            entry[k] = 0


@compiled
def _exits_nb(
    rows: NDArray[np.float64],
    flags: NDArray[np.uint8],
    lo: int,
    hi: int,
    start: int,
    first: int,
    cfg: SqueezeConfig,
    entry: NDArray[np.int8],
    exit_long: NDArray[np.bool_],
    exit_short: NDArray[np.bool_],
) -> None:
    """반대 신호와 momentum이 시드는 청산."""
    size = hi - lo
    if cfg.exit_opposite:
        for k in range(size):
            exit_long[k] = entry[k] < 0
            exit_short[k] = entry[k] > 0
    else:
        for k in range(size):
            exit_long[k] = False
            exit_short[k] = False
    if not cfg.exit_fade:
        return
    mom, mom_old = rows[MOM, lo:hi], rows[MOM, lo - 1 : hi - 1]
    falls, rises = flags[0, lo:hi], flags[1, lo:hi]
    for k in range(size):
        falls[k] = mom[k] < mom_old[k]
        rises[k] = mom[k] > mom_old[k]
    fading, warming = flags[2, lo:hi], flags[3, lo:hi]
    for k in range(size):
        fading[k] = mom[k] > 0.0
        warming[k] = mom[k] < 0.0
    for t in range(cfg.fade_bars):
        old_falls, old_rises = flags[0, lo - t : hi - t], flags[1, lo - t : hi - t]
        for k in range(size):
            fading[k] &= old_falls[k]
            warming[k] &= old_rises[k]
    for k in range(max(first - start, 0), size):
        exit_long[k] = exit_long[k] | (fading[k] != 0)
        exit_short[k] = exit_short[k] | (warming[k] != 0)


@compiled
def _shift_nb(rows: NDArray[np.float64], flags: NDArray[np.uint8], lo: int, chunk: int) -> None:
    """토막의 끝 lo칸을 다음 토막의 앞으로 옮긴다."""
    for r in range(HISTORY_ROWS):
        tail, head = rows[r, chunk : chunk + lo], rows[r, :lo]
        for k in range(lo):
            head[k] = tail[k]
    for r in range(2):
        old, new = flags[r, chunk : chunk + lo], flags[r, :lo]
        for k in range(lo):
            new[k] = old[k]


@compiled
def _round_up_nb(value: int) -> int:
    return (value + 15) // 8 * 8


@compiled
def squeeze_signals_nb(
    open_: Row,
    high: Row,
    low: Row,
    close: Row,
    trend: NDArray[np.int8],
    htf_index: NDArray[np.int32],
    cfg: SqueezeConfig,
    entry: NDArray[np.int8],
    exit_long: NDArray[np.bool_],
    exit_short: NDArray[np.bool_],
    atr: Row,
) -> None:
    """네 출력 배열을 모두 채운다. 첫 신호는 모든 지표가 제 길이만큼 자료를 본 다음 봉부터다."""
    n = len(close)
    longest = max(cfg.kc_len, cfg.bb_len, cfg.osc_len, cfg.signal_len)
    longest = max(longest, cfg.threshold_len, cfg.gate_bars + 2, cfg.fade_bars + 2)
    lo = _round_up_nb(longest)
    y_first = cfg.kc_len - 1
    if cfg.detrend == AVG or cfg.detrend == DELUXE:
        y_first = max(y_first, cfg.bb_len - 1)
    mom_first = y_first + cfg.osc_len - 1
    first = mom_first + cfg.signal_len - 1
    if cfg.signal_style == HMA:
        first += int(np.sqrt(cfg.signal_len)) - 1
    first = max(first, cfg.kc_len + cfg.flux_len - 2)
    if cfg.threshold_mode == DYNAMIC:
        first = max(first, mom_first + cfg.threshold_len - 1)
    if cfg.use_gate:
        first = max(first, max(cfg.kc_len, cfg.bb_len) - 1 + cfg.gate_bars)
    if cfg.exit_fade:
        first = max(first, mom_first + cfg.fade_bars - 1)
    first += 1
    if n <= first:
        entry[:] = 0
        exit_long[:] = False
        exit_short[:] = False
        atr[:] = np.nan
        return
    chunk = max(CHUNK, _round_up_nb(first + 1))
    width = lo + chunk + 8
    rows = np.zeros((ROWS, width))
    flags = np.zeros((4, width), dtype=np.uint8)
    for start in range(0, n, chunk):
        stop = min(start + chunk, n)
        hi = lo + stop - start
        if start > 0:
            _shift_nb(rows, flags, lo, chunk)
        _load_nb(rows, lo, hi, start, high, low, close)
        _atr_nb(rows, lo, hi, start, cfg.kc_len)
        _detrend_nb(rows, lo, hi, cfg)
        _signal_nb(rows, lo, hi, start, mom_first, cfg)
        if cfg.heikin_ashi:
            _heikin_ashi_nb(rows, lo, hi, start, open_, close)
        _flux_nb(rows, lo, hi, start, cfg)
        if cfg.use_gate:
            _squeeze_nb(rows, lo, hi, cfg)
        entry_out = entry[start:stop]
        _candidates_nb(rows, lo, hi, cfg, entry_out)
        _confirm_nb(rows, lo, start, first, cfg, trend, htf_index, entry_out)
        _exits_nb(
            rows, flags, lo, hi, start, first, cfg, entry_out,
            exit_long[start:stop], exit_short[start:stop],
        )  # fmt: skip
        copy_block_nb(rows[ATR, lo:hi], 0, hi - lo, atr[start:stop])
    atr[:first] = np.nan


@compiled
def htf_trend_nb(close: Row, length: int) -> NDArray[np.int8]:
    """HTF 종가가 EMA(length) 위면 +1, 아래면 -1, 같거나 length봉이 차기 전이면 0. 모양 int8[m]."""
    trend = np.zeros(len(close), dtype=np.int8)
    alpha = 2.0 / (length + 1.0)
    ema = close[0] if len(close) > 0 else 0.0
    for j in range(len(close)):
        ema = (1.0 - alpha) * ema + alpha * close[j]
        if j >= length - 1:
            trend[j] = np.int8(close[j] > ema) - np.int8(close[j] < ema)
    return trend
