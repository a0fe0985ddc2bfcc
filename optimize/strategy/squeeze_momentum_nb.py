"""squeeze_momentum의 신호 kernel: 자료를 한 번 훑으며 여러 시행의 신호를 함께 만든다.

모양: n = LTF 봉 수, m = HTF 봉 수, T = 함께 도는 시행. 입력 open, high, low, close: float64[n].
    trends: int8[u, m]. htf_index: int32[n] 또는 [0]. configs: CONFIG_DTYPE[T].
    출력 entry: int8[r, n], exit_long·exit_short: bool_[r, n], atr: float64[r, n]. 시행마다 cfg.row 줄이다.
    scratch: float64[scratch_length_nb(...)], 토막 하나의 임시 자리다.

자료를 토막으로 훑으며 한 토막의 모든 지표를 L2 cache 안에서 끝낸다. 가격, 움직임, 창의 표는 시행들이
나눠 쓰고 나머지는 시행마다 셈한다. 토막의 경계는 그 시행의 파라미터만으로 정해지고 계산 순서는 함께
도는 시행과 무관해, 하나씩 돌린 것과도 자료의 끝을 자른 것과도 앞의 값이 비트까지 같다.
식은 docs/strategy.md에 있다.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import Row, copy_nb
from optimize.strategy.jit import compiled
from optimize.strategy.levels_nb import Table, level_nb
from optimize.strategy.squeeze_config import Extent
from optimize.strategy.squeeze_shared_nb import BASE_ROWS, TABLES, share_nb, shift_nb
from optimize.strategy.squeeze_stages_nb import (
    ATR,
    DYNAMIC,
    FLUX_DOWN,
    FLUX_UP,
    KEPT,
    KEPT_ROWS,
    LONG_ROWS,
    MOM,
    ROWS,
    SIG,
    SPREAD,
    SQUEEZE,
    atr_nb,
    detrend_nb,
    flux_nb,
    signal_nb,
    spread_nb,
    squeeze_nb,
)


@compiled
def _candidates_nb(
    rows: Table,
    sums: Table,
    powers: Table,
    lo: int,
    hi: int,
    cfg: Any,
    entry: NDArray[np.int8],
) -> None:
    """gate와 HTF를 보기 전의 진입: 문턱 밖의 교차이며 flux가 같은 쪽."""
    size = hi - lo
    mult = 0.0
    if cfg.threshold_mode == DYNAMIC:
        spread_nb(rows, sums, powers, lo, hi, cfg.threshold_len)
        mult = cfg.threshold_mult
    else:
        rows[SPREAD, lo:hi] = 0.0
    spread = rows[SPREAD, lo:hi]
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
    squeeze: Row,
    lo: int,
    start: int,
    cfg: Any,
    trends: NDArray[np.int8],
    htf_index: NDArray[np.int32],
    entry: NDArray[np.int8],
) -> None:
    """드문 후보만 골라 warm-up, gate, HTF 추세를 본다."""
    first, gated, bars, filter_row = cfg.first, cfg.use_gate, cfg.gate_bars, cfg.trend
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
        if ok and gated:
            ok = _released_nb(squeeze, lo + k, bars)
        if ok and filter_row >= 0:
            j = htf_index[i]
            ok = j >= 0 and trends[filter_row, j] == side
        if not ok:
            entry[k] = 0


@compiled
def _fade_nb(
    mom_row: Row,
    flags: NDArray[np.uint8],
    lo: int,
    hi: int,
    begin: int,
    bars: int,
    exit_long: NDArray[np.bool_],
    exit_short: NDArray[np.bool_],
) -> None:
    """momentum이 시드는 청산을 봉 begin부터 더한다. flags: uint8[4, h]."""
    back = lo - bars
    mom, mom_old = mom_row[back:hi], mom_row[back - 1 : hi - 1]
    falls, rises = flags[0, back:hi], flags[1, back:hi]
    for k in range(len(falls)):
        falls[k] = mom[k] < mom_old[k]
    for k in range(len(rises)):
        rises[k] = mom[k] > mom_old[k]
    now = mom_row[lo:hi]
    fading, warming = flags[2, lo:hi], flags[3, lo:hi]
    for k in range(hi - lo):
        fading[k] = now[k] > 0.0
    for k in range(hi - lo):
        warming[k] = now[k] < 0.0
    for t in range(bars):
        old_falls, old_rises = flags[0, lo - t : hi - t], flags[1, lo - t : hi - t]
        for k in range(hi - lo):
            fading[k] &= old_falls[k]
        for k in range(hi - lo):
            warming[k] &= old_rises[k]
    leave, fading = exit_long[begin:], fading[begin:]
    for k in range(len(leave)):
        leave[k] = leave[k] | (fading[k] != 0)
    leave, warming = exit_short[begin:], warming[begin:]
    for k in range(len(leave)):
        leave[k] = leave[k] | (warming[k] != 0)


@compiled
def _exits_nb(
    opposite: bool,
    entry: NDArray[np.int8],
    exit_long: NDArray[np.bool_],
    exit_short: NDArray[np.bool_],
) -> None:
    """반대 신호의 청산."""
    if not opposite:
        exit_long[:] = False
        exit_short[:] = False
        return
    for k in range(len(entry)):
        exit_long[k] = entry[k] < 0
        exit_short[k] = entry[k] > 0


@compiled
def _restore_nb(rows: Table, tail: Row, lo: int) -> None:
    """지난 토막의 끝을 앞쪽에 놓는다."""
    for r in range(LONG_ROWS):
        copy_nb(tail[r * lo : (r + 1) * lo], rows[r, :lo])
    for r in range(LONG_ROWS, KEPT_ROWS):
        at = LONG_ROWS * lo + (r - LONG_ROWS) * KEPT
        copy_nb(tail[at : at + KEPT], rows[r, lo - KEPT : lo])


@compiled
def _keep_nb(rows: Table, tail: Row, lo: int, hi: int) -> None:
    """토막의 끝을 남긴다."""
    for r in range(LONG_ROWS):
        copy_nb(rows[r, hi - lo : hi], tail[r * lo : (r + 1) * lo])
    for r in range(LONG_ROWS, KEPT_ROWS):
        at = LONG_ROWS * lo + (r - LONG_ROWS) * KEPT
        copy_nb(rows[r, hi - KEPT : hi], tail[at : at + KEPT])


@compiled
def _silent_nb(
    entry: NDArray[np.int8],
    exit_long: NDArray[np.bool_],
    exit_short: NDArray[np.bool_],
    atr: Row,
) -> None:
    """자료가 첫 신호의 봉보다 짧다."""
    entry[:] = 0
    exit_long[:] = False
    exit_short[:] = False
    atr[:] = np.nan


@compiled
def scratch_length_nb(extent: Extent, count: int) -> int:
    """scratch의 길이."""
    width = extent.history + extent.chunk + 8
    shared = max(max(extent.channel, extent.mids), max(extent.offsets, extent.squares))
    tail = LONG_ROWS * extent.history + (KEPT_ROWS - LONG_ROWS) * KEPT
    rows = BASE_ROWS + TABLES * (level_nb(shared) + 1) + ROWS + 2 * (level_nb(extent.ramp) + 1)
    return rows * width + count * tail


@compiled
def squeeze_batch_nb(
    open_: Row,
    high: Row,
    low: Row,
    close: Row,
    trends: NDArray[np.int8],
    htf_index: NDArray[np.int32],
    configs: NDArray[Any],
    extent: Extent,
    scratch: Row,
    entry: NDArray[np.int8],
    exit_long: NDArray[np.bool_],
    exit_short: NDArray[np.bool_],
    atr: NDArray[np.float64],
) -> None:
    """네 출력 배열을 모두 채운다. 첫 신호는 모든 지표가 제 길이만큼 자료를 본 다음 봉부터다."""
    n, count, lo, chunk = len(close), len(configs), extent.history, extent.chunk
    width = lo + chunk + 8
    scratch[:] = 0.0
    shared = max(max(extent.channel, extent.mids), max(extent.offsets, extent.squares))
    depth, ramp_depth = level_nb(shared) + 1, level_nb(extent.ramp) + 1
    tail = LONG_ROWS * lo + (KEPT_ROWS - LONG_ROWS) * KEPT
    at = BASE_ROWS * width
    base = scratch[:at].reshape(BASE_ROWS, width)
    tables = scratch[at : at + TABLES * depth * width].reshape(TABLES, depth, width)
    at += TABLES * depth * width
    rows = scratch[at : at + ROWS * width].reshape(ROWS, width)
    at += ROWS * width
    sums = scratch[at : at + ramp_depth * width].reshape(ramp_depth, width)
    at += ramp_depth * width
    ramps = scratch[at : at + ramp_depth * width].reshape(ramp_depth, width)
    at += ramp_depth * width
    tails = scratch[at : at + count * tail].reshape(count, tail)
    flags = np.zeros((4, width), dtype=np.uint8)
    for start in range(0, n, chunk):
        stop = min(start + chunk, n)
        hi = lo + stop - start
        if start > 0:
            shift_nb(base, tables, lo, chunk)
        share_nb(base, tables, lo, hi, start, extent, open_, high, low, close)
        for t in range(count):
            cfg = configs[t]
            first = cfg.first
            if n <= first:
                continue
            if start > 0:
                _restore_nb(rows, tails[t], lo)
            atr_nb(rows, base, lo, hi, start, cfg.kc_len)
            detrend_nb(rows, base, tables, lo, hi, cfg)
            signal_nb(rows, sums, ramps, lo, hi, start, cfg)
            flux_nb(rows, base, lo, hi, start, cfg)
            if cfg.use_gate:
                squeeze_nb(rows, tables, lo, hi, cfg)
            row = cfg.row
            side = entry[row, start:stop]
            leave_long, leave_short = exit_long[row, start:stop], exit_short[row, start:stop]
            _candidates_nb(rows, sums, ramps, lo, hi, cfg, side)
            _confirm_nb(rows[SQUEEZE], lo, start, cfg, trends, htf_index, side)
            _exits_nb(cfg.exit_opposite, side, leave_long, leave_short)
            if cfg.exit_fade:
                begin = max(first - start, 0)
                _fade_nb(rows[MOM], flags, lo, hi, begin, cfg.fade_bars, leave_long, leave_short)
            copy_nb(rows[ATR, lo:hi], atr[row, start:stop])
            _keep_nb(rows, tails[t], lo, hi)
    for t in range(count):
        first, row = configs[t].first, configs[t].row
        if n <= first:
            _silent_nb(entry[row], exit_long[row], exit_short[row], atr[row])
        else:
            atr[row, :first] = np.nan
