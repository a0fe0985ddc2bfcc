"""squeeze_momentum의 신호 kernel.

모양: n = LTF 봉 수, m = HTF 봉 수. 입력 open, high, low, close: float64[n]. trend: int8[m] 또는 [0].
    htf_index: int32[n] 또는 [0]. 출력 entry: int8[n], exit_long·exit_short: bool_[n], atr: float64[n].
    rows: float64[ROWS, h + c], flags: uint8[4, h + c]는 토막 하나의 임시 자리다(h = history, c = 토막).

자료를 c봉씩 훑으며 한 토막의 모든 지표를 L2 cache 안에서 끝낸다. 토막의 경계는 파라미터만으로 정해져
자료의 끝을 잘라도 앞의 값이 비트까지 같다. 식은 docs/strategy.md에 있다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import Row, copy_block_nb, window_moments_block_nb
from optimize.strategy.jit import compiled
from optimize.strategy.squeeze_stages_nb import (
    ATR,
    AVG,
    DELUXE,
    DYNAMIC,
    FLUX_DOWN,
    FLUX_UP,
    HISTORY_ROWS,
    HMA,
    MOM,
    ROWS,
    SIG,
    SPREAD,
    SQUEEZE,
    T0,
    T1,
    T2,
    A,
    SqueezeConfig,
    atr_nb,
    detrend_nb,
    flux_nb,
    heikin_ashi_nb,
    load_nb,
    signal_nb,
    squeeze_nb,
)

CHUNK = 1024


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
        load_nb(rows, lo, hi, start, high, low, close)
        atr_nb(rows, lo, hi, start, cfg.kc_len)
        detrend_nb(rows, lo, hi, cfg)
        signal_nb(rows, lo, hi, start, mom_first, cfg)
        if cfg.heikin_ashi:
            heikin_ashi_nb(rows, lo, hi, start, open_, close)
        flux_nb(rows, lo, hi, start, cfg)
        if cfg.use_gate:
            squeeze_nb(rows, lo, hi, cfg)
        entry_out = entry[start:stop]
        _candidates_nb(rows, lo, hi, cfg, entry_out)
        _confirm_nb(rows, lo, start, first, cfg, trend, htf_index, entry_out)
        _exits_nb(
            rows, flags, lo, hi, start, first, cfg, entry_out,
            exit_long[start:stop], exit_short[start:stop],
        )  # fmt: skip
        copy_block_nb(rows[ATR, lo:hi], 0, hi - lo, atr[start:stop])
    atr[:first] = np.nan
