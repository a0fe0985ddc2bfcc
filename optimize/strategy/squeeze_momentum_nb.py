"""squeeze_momentum의 신호 kernel: 자료를 한 번 훑으며 여러 시행의 신호를 함께 만든다.

모양: n = LTF 봉 수, m = HTF 봉 수, T = 함께 도는 시행. 입력 open, high, low, close: float64[n].
    trends: int8[u, m]. htf_index: int32[n] 또는 [0]. configs: CONFIG_DTYPE[T].
    출력 entry: int8[r, n], exit_long·exit_short: bool_[r, n], atr: float64[r, n]. 시행마다 cfg.row 줄이다.
    scratch: float64[scratch_length_nb(...)], 토막 하나의 임시 자리다.

자료를 토막으로 훑으며 한 토막의 모든 지표를 cache 안에서 끝낸다. 가격, 움직임, 창의 표는 시행들이
나눠 쓰고 나머지는 시행마다 셈한다. 값을 정하는 기준의 자리는 그 시행의 파라미터만으로 정해지고 계산 순서는
함께 도는 시행과 무관해, 하나씩 돌린 것과도 자료의 끝을 자른 것과도 앞의 값이 비트까지 같다.
식은 docs/strategy.md에 있다.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import Row, copy_nb
from optimize.strategy.bytes_nb import highest_nb, word_nb
from optimize.strategy.ema_nb import ema_pair_block_nb
from optimize.strategy.entries_nb import filter_nb
from optimize.strategy.jit import compiled
from optimize.strategy.levels_nb import Table, level_nb
from optimize.strategy.price_block_nb import wilder_into_nb
from optimize.strategy.squeeze_config import Extent
from optimize.strategy.squeeze_shared_nb import BASE_ROWS, TABLES, TR, share_nb, shift_nb
from optimize.strategy.squeeze_stages_nb import (
    DYNAMIC,
    FLUX_DOWN,
    FLUX_UP,
    KEPT,
    KEPT_ROWS,
    LEVEL,
    LONG_ROWS,
    MOM,
    ROWS,
    SIG,
    SPREAD,
    SQUEEZE,
    ZEROS,
    A,
    detrend_nb,
    flux_nb,
    scale_nb,
    signal_nb,
    spread_nb,
    squeeze_nb,
)

TILE = 64  # squeeze를 셈하는 봉의 단위


@compiled
def _static_nb(rows: Table, lo: int, hi: int, cfg: Any, entry: NDArray[np.int8]) -> None:
    """gate와 HTF를 보기 전의 진입: 문턱 밖의 교차이며 flux가 같은 쪽."""
    mom, mom_old = rows[MOM, lo:hi], rows[MOM, lo - 1 : hi - 1]
    sig, sig_old = rows[SIG, lo:hi], rows[SIG, lo - 1 : hi - 1]
    up, down = rows[FLUX_UP, lo:hi], rows[FLUX_DOWN, lo:hi]
    bottom, top = -cfg.threshold_long, cfg.threshold_short
    for k in range(hi - lo):
        rising = (mom_old[k] <= sig_old[k]) & (mom[k] > sig[k]) & (up[k] > down[k])
        falling = (mom_old[k] >= sig_old[k]) & (mom[k] < sig[k]) & (up[k] < down[k])
        buy, sell = rising & (mom[k] < bottom), falling & (mom[k] > top)
        entry[k] = np.int8(buy) - np.int8(sell)


@compiled
def _dynamic_nb(rows: Table, lo: int, hi: int, mult: float, entry: NDArray[np.int8]) -> None:
    """문턱이 표준편차(SPREAD)의 배수인 진입."""
    spread = rows[SPREAD, lo:hi]
    mom, mom_old = rows[MOM, lo:hi], rows[MOM, lo - 1 : hi - 1]
    sig, sig_old = rows[SIG, lo:hi], rows[SIG, lo - 1 : hi - 1]
    up, down = rows[FLUX_UP, lo:hi], rows[FLUX_DOWN, lo:hi]
    for k in range(hi - lo):
        extra = mult * spread[k]
        rising = (mom_old[k] <= sig_old[k]) & (mom[k] > sig[k]) & (up[k] > down[k])
        falling = (mom_old[k] >= sig_old[k]) & (mom[k] < sig[k]) & (up[k] < down[k])
        buy, sell = rising & (mom[k] < -extra), falling & (mom[k] > extra)
        entry[k] = np.int8(buy) - np.int8(sell)


@compiled
def _released_nb(released: NDArray[np.uint8], k: int, until: int) -> int:
    """until보다 뒤, k까지에서 squeeze가 마지막으로 풀린 자리. 없으면 until. 여덟 칸씩 거슬러 본다."""
    t = k
    while t > until:
        word = word_nb(released, t - 7)
        if word != 0:
            return int(max(t - 7 + highest_nb(word), until))
        t -= 8
    return until


@compiled
def _releases_nb(squeeze: Row, lo: int, hi: int, released: NDArray[np.uint8]) -> None:
    """released[k] = 1: 봉 k에서 squeeze가 풀렸다."""
    now, old, out = squeeze[lo:hi], squeeze[lo - 1 : hi - 1], released[lo:hi]
    for k in range(hi - lo):
        out[k] = (now[k] == 0.0) & (old[k] == 1.0)


@compiled
def _gate_nb(
    rows: Table,
    tables: NDArray[np.float64],
    ranges: Row,
    tiles: NDArray[np.uint8],
    released: NDArray[np.uint8],
    lo: int,
    hi: int,
    cfg: Any,
    found: NDArray[np.int32],
    entry: NDArray[np.int8],
) -> None:
    """squeeze가 풀리지 않은 진입(found의 자리)을 지운다. squeeze는 진입의 앞 gate_bars봉과 토막의 끝에서만 셈한다."""
    size, bars, squeeze = hi - lo, cfg.gate_bars, rows[SQUEEZE]
    count = (size + TILE - 1) // TILE
    tiles[:count] = 0
    tiles[max(size - bars - 1, 0) // TILE : count] = 1
    for k in found:
        for s in range(max(k - bars, 0) // TILE, k // TILE + 1):
            tiles[s] = 1
    b = 0
    while b < count:
        if tiles[b] == 0:
            b += 1
            continue
        begin = b
        while b < count and tiles[b] != 0:
            b += 1
        first, last = lo + begin * TILE, min(lo + b * TILE, hi)
        squeeze_nb(rows, tables, ranges[first - lo : last - lo], first, last, cfg)
        _releases_nb(squeeze, first, last, released)
    _releases_nb(squeeze, lo - bars, lo, released)
    for k in found:
        if _released_nb(released, lo + k, lo + k - bars) == lo + k - bars:
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
def _restore_nb(rows: Table, tail: Row, lo: int, cfg: Any) -> None:
    """이 시행의 지난 토막의 끝을 앞쪽에 놓는다."""
    lengths = (cfg.keep_y, cfg.keep_mom, cfg.keep_hull, cfg.keep_squeeze)
    for r in range(LONG_ROWS):
        kept = lengths[r]
        copy_nb(tail[r * lo : r * lo + kept], rows[r, lo - kept : lo])
    for r in range(LONG_ROWS, KEPT_ROWS):
        at = LONG_ROWS * lo + (r - LONG_ROWS) * KEPT
        copy_nb(tail[at : at + KEPT], rows[r, lo - KEPT : lo])


@compiled
def _keep_nb(rows: Table, tail: Row, lo: int, hi: int, cfg: Any) -> None:
    """토막의 끝을 남긴다."""
    lengths = (cfg.keep_y, cfg.keep_mom, cfg.keep_hull, cfg.keep_squeeze)
    for r in range(LONG_ROWS):
        kept = lengths[r]
        copy_nb(rows[r, hi - kept : hi], tail[r * lo : r * lo + kept])
    for r in range(LONG_ROWS, KEPT_ROWS):
        at = LONG_ROWS * lo + (r - LONG_ROWS) * KEPT
        copy_nb(rows[r, hi - KEPT : hi], tail[at : at + KEPT])


@compiled
def _ranges_nb(
    configs: NDArray[Any],
    rows: Table,
    base: Table,
    lo: int,
    start: int,
    stop: int,
    atr: NDArray[np.float64],
) -> None:
    """모든 시행의 ATR을 출력의 줄에 쓴다. true range를 나눠 쓰므로 둘씩 나란히 돈다."""
    tr, hi, t = base[TR], lo + stop - start, 0
    if start >= lo:
        while t + 1 < len(configs):
            a, b = configs[t], configs[t + 1]
            ema_pair_block_nb(
                tr, tr, lo, hi, 1.0 / a.kc_len, 1.0 / b.kc_len,
                atr[a.row, start - lo : stop], atr[b.row, start - lo : stop],
            )  # fmt: skip
            t += 2
    while t < len(configs):
        cfg = configs[t]
        wilder_into_nb(tr, lo, hi, start, cfg.kc_len, rows[A], rows[LEVEL], atr[cfg.row, :stop])
        t += 1


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
    rows = BASE_ROWS + TABLES * (level_nb(shared) + 1) + ROWS + 2 * (level_nb(extent.ramp) + 1) + 1
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
    shared = max(max(extent.channel, extent.mids), max(extent.offsets, extent.squares))
    depth, ramp_depth = level_nb(shared) + 1, level_nb(extent.ramp) + 1
    tail = LONG_ROWS * lo + (KEPT_ROWS - LONG_ROWS) * KEPT
    lines = scratch[: len(scratch) - count * tail].reshape(-1, width)
    lines[:, :lo] = 0.0
    at = BASE_ROWS
    base = lines[:at]
    tables = lines[at : at + TABLES * depth].reshape(TABLES, depth, width)
    at += TABLES * depth
    rows = lines[at : at + ROWS]
    at += ROWS
    sums = lines[at : at + ramp_depth]
    at += ramp_depth
    ramps, powers = lines[at:], lines[at + 1 :]
    rows[ZEROS] = 0.0
    ramps[0] = 0.0
    tails = scratch[lines.size :].reshape(count, tail)
    flags, found = np.zeros((6, width), dtype=np.uint8), np.empty(width, dtype=np.int32)
    for start in range(0, n, chunk):
        stop = min(start + chunk, n)
        hi = lo + stop - start
        if start > 0:
            shift_nb(base, tables, lo, chunk, extent)
        share_nb(base, tables, lo, hi, start, extent, open_, high, low, close)
        _ranges_nb(configs, rows, base, lo, start, stop, atr)
        for t in range(count):
            cfg = configs[t]
            first = cfg.first
            if n <= first:
                continue
            if start > 0:
                _restore_nb(rows, tails[t], lo, cfg)
            row = cfg.row
            ranges = atr[row, start:stop]
            scale_nb(rows, base, ranges, lo, hi, start, cfg)
            flux_nb(rows, lo, hi, cfg.flux_len)
            detrend_nb(rows, base, tables, lo, hi, cfg)
            signal_nb(rows, sums, ramps, lo, hi, start, cfg)
            side = entry[row, start:stop]
            leave_long, leave_short = exit_long[row, start:stop], exit_short[row, start:stop]
            if cfg.threshold_mode == DYNAMIC:
                spread_nb(rows, sums, powers, lo, hi, cfg.threshold_len)
                _dynamic_nb(rows, lo, hi, cfg.threshold_mult, side)
            else:
                _static_nb(rows, lo, hi, cfg, side)
            kept = filter_nb(side, start, first, trends, cfg.trend, htf_index, found)
            if cfg.use_gate:
                _gate_nb(rows, tables, ranges, flags[4], flags[5], lo, hi, cfg, found[:kept], side)
            _exits_nb(cfg.exit_opposite, side, leave_long, leave_short)
            if cfg.exit_fade:
                begin = min(max(first - start, 0), hi - lo)
                _fade_nb(rows[MOM], flags, lo, hi, begin, cfg.fade_bars, leave_long, leave_short)
            _keep_nb(rows, tails[t], lo, hi, cfg)
        start = stop
    for t in range(count):
        first, row = configs[t].first, configs[t].row
        if n <= first:
            _silent_nb(entry[row], exit_long[row], exit_short[row], atr[row])
        else:
            atr[row, :first] = np.nan
