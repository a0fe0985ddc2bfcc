"""ma_cross의 신호 kernel: 자료를 한 번 훑으며 여러 시행의 신호와 ATR을 함께 만든다.

모양: n = LTF 봉 수, T = 함께 도는 시행, m = HTF 봉 수. close, high, low: float64[n]. trends: int8[u, m].
    htf_index: int32[n] 또는 [0]. configs: int64[T, FIELDS]. 출력 entry: int8[r, n], exit_*: bool_[r, n],
    atr: float64[r, n]. 시행마다 configs의 ROW 줄이다. scratch: float64[scratch_length_nb(...)].

종가와 true range, 창의 표는 시행들이 나눠 쓴다. 토막의 경계는 그 시행의 길이만으로 정해져, 하나씩 돌린
것과도 자료의 끝을 자른 것과도 비트까지 같다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import Row, copy_nb, fill_head_nb
from optimize.strategy.ema_nb import ema_pair_block_nb
from optimize.strategy.entries_nb import filter_nb
from optimize.strategy.jit import compiled
from optimize.strategy.levels_nb import (
    BEFORE,
    SLACK,
    Table,
    level_nb,
    sum_levels_nb,
    window_sum_nb,
    wma_pair_nb,
)
from optimize.strategy.price_block_nb import (
    CLOSE,
    PRICE_ROWS,
    TR,
    load_prices_nb,
    wilder_into_nb,
)

SMA, EMA, HMA = 0, 1, 2
# configs의 칸.
KIND, FAST_LEN, SLOW_LEN, ATR_LEN, FIRST, TREND, ROW = 0, 1, 2, 3, 4, 5, 6
FIELDS = 7
EDGE = 8  # 평균은 토막보다 이만큼 앞에서 시작한다: 교차가 앞 봉을 읽는다
# 시행마다 이어지는 줄: 빠른·느린 EMA. KEPT칸을 다음 토막에 남긴다.
FAST, SLOW = 0, 1
KEPT_ROWS = 2
KEPT = 24
ATR, A, B, HULL, T0, T1, T2, T3 = 2, 3, 4, 5, 6, 7, 8, 9
ROWS = 10


@compiled
def history_nb(configs: NDArray[np.int64]) -> int:
    """토막 앞에 남기는 지난 봉."""
    longest = 0
    for t in range(len(configs)):
        root = int(np.sqrt(configs[t, SLOW_LEN])) if configs[t, KIND] == HMA else 0
        longest = max(longest, configs[t, SLOW_LEN] + root)
    return (longest + EDGE + SLACK + BEFORE + 15) // 8 * 8


@compiled
def scratch_length_nb(configs: NDArray[np.int64], chunk: int) -> int:
    """scratch의 길이."""
    depth = level_nb(configs[:, SLOW_LEN].max()) + 1
    width = history_nb(configs) + chunk + 8
    return (PRICE_ROWS + ROWS + 3 * depth) * width + len(configs) * KEPT_ROWS * KEPT


@compiled
def _hull_nb(
    rows: Table, prices: Table, sums: Table, ramps: Table, lo: int, hi: int, w: int, out: Row
) -> None:
    """HMA: WMA(2·WMA(x, w//2) - WMA(x, w), ⌊√w⌋). 앞쪽 √w칸까지 다시 셈해 지난 값이 없어도 된다."""
    half, root, spare = max(w // 2, 1), int(np.sqrt(w)), rows[T0 : T3 + 1]
    begin = (lo - root - SLACK) // 8 * 8
    wma_pair_nb(prices[CLOSE], sums, ramps, begin, hi, w, half, spare, rows[B], rows[A])
    a, b, z = rows[A, begin:hi], rows[B, begin:hi], rows[HULL, begin:hi]
    for k in range(len(z)):
        z[k] = 2.0 * a[k] - b[k]
    wma_pair_nb(rows[HULL], sums, ramps, lo, hi, root, 0, spare, out, out)


@compiled
def _average_nb(
    rows: Table,
    prices: Table,
    closes: Table,
    sums: Table,
    ramps: Table,
    lo: int,
    hi: int,
    kind: int,
    w: int,
    out: int,
) -> tuple[Row, float]:
    """(줄, 배수). 이동 평균 = 줄 × 배수이며 [lo - 1, hi)에 값이 있다."""
    if kind == SMA:
        spare = rows[T0] if out == FAST else rows[T2]
        other = rows[T1] if out == FAST else rows[T3]
        return window_sum_nb(closes, lo - EDGE, hi, w, spare, other), 1.0 / w
    _hull_nb(rows, prices, sums, ramps, lo - EDGE, hi, w, rows[out])
    return rows[out], 1.0


@compiled
def _crosses_nb(
    fast_row: Row,
    slow_row: Row,
    fast_scale: float,
    slow_scale: float,
    lo: int,
    hi: int,
    up: NDArray[np.bool_],
    down: NDArray[np.bool_],
    side: NDArray[np.int8],
) -> None:
    """빠른 것이 느린 것을 위로(up), 아래로(down) 넘은 봉. side = up - down."""
    fast, fast_old = fast_row[lo:hi], fast_row[lo - 1 : hi - 1]
    slow, slow_old = slow_row[lo:hi], slow_row[lo - 1 : hi - 1]
    for k in range(hi - lo):
        now, before = fast[k] * fast_scale, fast_old[k] * fast_scale
        level, level_old = slow[k] * slow_scale, slow_old[k] * slow_scale
        rises = (before <= level_old) & (now > level)
        falls = (before >= level_old) & (now < level)
        up[k] = rises
        down[k] = falls
        side[k] = np.int8(rises) - np.int8(falls)


@compiled
def ma_cross_batch_nb(
    high: Row,
    low: Row,
    close: Row,
    trends: NDArray[np.int8],
    htf_index: NDArray[np.int32],
    configs: NDArray[np.int64],
    chunk: int,
    scratch: Row,
    entry: NDArray[np.int8],
    exit_long: NDArray[np.bool_],
    exit_short: NDArray[np.bool_],
    atr: NDArray[np.float64],
) -> None:
    """네 출력의 줄을 모두 채운다(ATR_LEN이 0이면 atr는 두고). 두 평균이 모두 두 봉 이상 값을 가진 봉부터 센다."""
    n, count, lo = len(close), len(configs), history_nb(configs)
    width, depth = lo + chunk + 8, level_nb(configs[:, SLOW_LEN].max()) + 1
    longest = mask = 0
    for t in range(count):
        if configs[t, KIND] == SMA:
            longest = max(longest, configs[t, SLOW_LEN])
            mask |= configs[t, FAST_LEN] | configs[t, SLOW_LEN]
    table = scratch[: (PRICE_ROWS + ROWS + 3 * depth) * width].reshape(-1, width)
    table[:, :lo] = 0.0
    prices, rows = table[:PRICE_ROWS], table[PRICE_ROWS : PRICE_ROWS + ROWS]
    at = PRICE_ROWS + ROWS
    closes, sums = table[at : at + depth], table[at + depth : at + 2 * depth]
    ramps = table[at + 2 * depth :]
    ramps[0] = 0.0
    tails = scratch[table.size :].reshape(count, KEPT_ROWS, KEPT)
    kept = np.empty(chunk, dtype=np.int32)
    for start in range(0, n, chunk):
        stop = min(start + chunk, n)
        hi = lo + stop - start
        load_prices_nb(prices, lo, hi, start, chunk, high, low, close)
        if longest > 0:
            copy_nb(prices[CLOSE, :hi], closes[0, :hi])
            sum_levels_nb(closes, lo - EDGE, hi, longest, mask)
        for t in range(count):
            kind, row, first = configs[t, KIND], configs[t, ROW], configs[t, FIRST]
            if start > 0:
                for r in range(KEPT_ROWS):
                    copy_nb(tails[t, r], rows[r, lo - KEPT : lo])
            fast, slow, fast_scale, slow_scale = rows[FAST], rows[SLOW], 1.0, 1.0
            short, long = configs[t, FAST_LEN], configs[t, SLOW_LEN]
            if kind == EMA:
                if start == 0:
                    fill_head_nb(fast, lo - 1, prices[CLOSE, lo])
                    fill_head_nb(slow, lo - 1, prices[CLOSE, lo])
                ema_pair_block_nb(
                    prices[CLOSE], prices[CLOSE], lo, hi,
                    2.0 / (short + 1.0), 2.0 / (long + 1.0), fast, slow,
                )  # fmt: skip
            else:
                fast, fast_scale = _average_nb(
                    rows, prices, closes, sums, ramps, lo, hi, kind, short, FAST
                )
                slow, slow_scale = _average_nb(
                    rows, prices, closes, sums, ramps, lo, hi, kind, long, SLOW
                )
            side = entry[row, start:stop]
            _crosses_nb(
                fast, slow, fast_scale, slow_scale, lo, hi,
                exit_short[row, start:stop], exit_long[row, start:stop], side,
            )  # fmt: skip
            filter_nb(side, start, first, trends, configs[t, TREND], htf_index, kept)
            if configs[t, ATR_LEN] > 0:
                length = configs[t, ATR_LEN]
                wilder_into_nb(
                    prices[TR], lo, hi, start, length, rows[ATR], rows[A], atr[row, :stop]
                )
            for r in range(KEPT_ROWS):
                copy_nb(rows[r, hi - KEPT : hi], tails[t, r])
    for t in range(count):
        row, first = configs[t, ROW], configs[t, FIRST]
        exit_long[row, :first] = False
        exit_short[row, :first] = False
        atr[row, : max(configs[t, ATR_LEN] - 1, 0)] = np.nan
