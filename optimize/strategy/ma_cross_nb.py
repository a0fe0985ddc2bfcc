"""ma_cross의 신호 kernel.

모양: n = LTF 봉 수. close, high, low: float64[n]. trend: int8[m] 또는 [0]. htf_index: int32[n] 또는 [0].
    출력 entry: int8[n], exit_long·exit_short: bool_[n]. 토막으로 나누어 cache 안에서 끝낸다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import Row, ema_block_nb, window_sum_block_nb, wma_block_nb
from optimize.strategy.jit import compiled

CHUNK = 1024
SMA, EMA, HMA = 0, 1, 2
CLOSE, FAST, SLOW, HULL_FAST, HULL_SLOW = 0, 1, 2, 3, 4
HISTORY_ROWS = 5
A, B, T0, T1, T2, T3, T4, T5 = 5, 6, 7, 8, 9, 10, 11, 12
ROWS = 13


@compiled
def average_block_nb(
    rows: NDArray[np.float64], lo: int, hi: int, start: int, kind: int, w: int, out: int, hull: int
) -> None:
    """rows[out]에 종가의 이동 평균. hull: HMA가 쓰는 줄의 번호."""
    if kind == SMA:
        window_sum_block_nb(rows[CLOSE], lo, hi, w, rows[out], rows[T0], rows[T1])
        scale = 1.0 / w
        z = rows[out, lo:hi]
        for k in range(hi - lo):
            z[k] *= scale
        return
    if kind == EMA:
        if start == 0:
            rows[out, :lo] = rows[CLOSE, lo]
        ema_block_nb(rows[CLOSE], lo, hi, 2.0 / (w + 1.0), rows[out], rows[T0], rows[T1])
        return
    wma_block_nb(
        rows[CLOSE], lo, hi, max(w // 2, 1), rows[A],
        rows[T0], rows[T1], rows[T2], rows[T3], rows[T4], rows[T5],
    )  # fmt: skip
    wma_block_nb(
        rows[CLOSE], lo, hi, w, rows[B],
        rows[T0], rows[T1], rows[T2], rows[T3], rows[T4], rows[T5],
    )  # fmt: skip
    a, b, z = rows[A, lo:hi], rows[B, lo:hi], rows[hull, lo:hi]
    for k in range(hi - lo):
        z[k] = 2.0 * a[k] - b[k]
    wma_block_nb(
        rows[hull], lo, hi, int(np.sqrt(w)), rows[out],
        rows[T0], rows[T1], rows[T2], rows[T3], rows[T4], rows[T5],
    )  # fmt: skip


@compiled
def filter_nb(
    entry: NDArray[np.int8],
    start: int,
    first: int,
    trend: NDArray[np.int8],
    htf_index: NDArray[np.int32],
) -> None:
    """드문 교차만 골라 warm-up과 HTF 추세를 본다."""
    filtered = len(htf_index) > 0
    for k in range(len(entry)):
        if entry[k] == 0:
            continue
        i = start + k
        ok = i >= first
        if ok and filtered:
            j = htf_index[i]
            ok = j >= 0 and trend[j] == entry[k]
        if not ok:
            entry[k] = 0


@compiled
def ma_cross_signals_nb(
    close: Row,
    trend: NDArray[np.int8],
    htf_index: NDArray[np.int32],
    kind: int,
    fast_len: int,
    slow_len: int,
    entry: NDArray[np.int8],
    exit_long: NDArray[np.bool_],
    exit_short: NDArray[np.bool_],
) -> None:
    """두 이동 평균이 모두 두 봉 이상 값을 가진 봉부터 교차를 센다. slow_len > fast_len."""
    n = len(close)
    first = slow_len
    if kind == HMA:
        first += int(np.sqrt(slow_len)) - 1
    lo = (slow_len + 15) // 8 * 8
    chunk = max(CHUNK, (first + 16) // 8 * 8)
    rows = np.zeros((ROWS, lo + chunk + 8))
    for start in range(0, n, chunk):
        size = min(chunk, n - start)
        hi = lo + size
        if start == 0:
            rows[CLOSE, :lo] = close[0]
        else:
            for r in range(HISTORY_ROWS):
                tail, head = rows[r, chunk : chunk + lo], rows[r, :lo]
                for k in range(lo):
                    head[k] = tail[k]
        source, copied = close[start : start + size], rows[CLOSE, lo:hi]
        for k in range(size):
            copied[k] = source[k]
        average_block_nb(rows, lo, hi, start, kind, fast_len, FAST, HULL_FAST)
        average_block_nb(rows, lo, hi, start, kind, slow_len, SLOW, HULL_SLOW)
        fast, fast_old = rows[FAST, lo:hi], rows[FAST, lo - 1 : hi - 1]
        slow, slow_old = rows[SLOW, lo:hi], rows[SLOW, lo - 1 : hi - 1]
        side = entry[start : start + size]
        leave_long, leave_short = exit_long[start : start + size], exit_short[start : start + size]
        for k in range(size):
            up = (fast_old[k] <= slow_old[k]) & (fast[k] > slow[k])
            down = (fast_old[k] >= slow_old[k]) & (fast[k] < slow[k])
            leave_long[k] = down
            leave_short[k] = up
            side[k] = np.int8(up) - np.int8(down)
        filter_nb(side, start, first, trend, htf_index)
    exit_long[:first] = False
    exit_short[:first] = False
