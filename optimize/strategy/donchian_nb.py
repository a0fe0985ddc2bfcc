"""donchian_breakout의 신호 kernel: 자료를 한 번 훑으며 여러 시행의 신호와 ATR을 함께 만든다.

모양: ma_cross_nb와 같다. configs: int64[T, FIELDS]. 고가의 최댓값 표와 저가의 최솟값 표는 시행들이 나눠 쓴다.
최댓값과 최솟값에는 반올림이 없어 어떤 조각으로 이어도 값이 같다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import Row, copy_nb
from optimize.strategy.entries_nb import filter_nb
from optimize.strategy.jit import compiled
from optimize.strategy.levels_nb import BEFORE, Table, level_nb, max_levels_nb, min_levels_nb
from optimize.strategy.price_block_nb import (
    CLOSE,
    HIGH,
    LOW,
    PRICE_ROWS,
    TR,
    load_prices_nb,
    wilder_into_nb,
)

# configs의 칸.
ENTRY_LEN, EXIT_LEN, ATR_LEN, TREND, ROW = 0, 1, 2, 3, 4
FIELDS = 5
EDGE = 8  # 돌파는 토막보다 이만큼 앞에서 시작한다: 막 시작한 돌파인지는 앞 봉이 정한다
ATR, SEEDED = 0, 1
ROWS = 2


@compiled
def longest_nb(configs: NDArray[np.int64]) -> int:
    """가장 긴 통로, 봉."""
    return int(max(configs[:, ENTRY_LEN].max(), configs[:, EXIT_LEN].max()))


@compiled
def history_nb(configs: NDArray[np.int64]) -> int:
    """토막 앞에 남기는 지난 봉."""
    return (longest_nb(configs) + 2 * EDGE + BEFORE + 15) // 8 * 8


@compiled
def scratch_length_nb(configs: NDArray[np.int64], chunk: int) -> int:
    """scratch의 길이."""
    width, depth = history_nb(configs) + chunk + 8, level_nb(longest_nb(configs)) + 1
    return (PRICE_ROWS + ROWS + 2 * depth) * width


@compiled
def _outside_nb(
    close: Row,
    tops: Table,
    bottoms: Table,
    begin: int,
    hi: int,
    w: int,
    early: int,
    above: NDArray[np.bool_],
    below: NDArray[np.bool_],
) -> None:
    """[begin, hi)의 종가가 지난 w봉의 고가를 넘었는가(above), 저가를 밑도는가(below). 앞의 early칸은 거짓."""
    level = level_nb(w)
    gap = w - (1 << level)
    c = close[begin:hi]
    top, top_old = tops[level, begin - 1 : hi - 1], tops[level, begin - 1 - gap : hi - 1 - gap]
    low, low_old = (
        bottoms[level, begin - 1 : hi - 1],
        bottoms[level, begin - 1 - gap : hi - 1 - gap],
    )
    for k in range(len(c)):
        above[k] = (c[k] > top[k]) & (c[k] > top_old[k])
    for k in range(len(c)):
        below[k] = (c[k] < low[k]) & (c[k] < low_old[k])
    if early > 0:
        above[:early] = False
        below[:early] = False


@compiled
def _started_nb(above: NDArray[np.bool_], below: NDArray[np.bool_], side: NDArray[np.int8]) -> None:
    """앞 봉에서 거짓이다가 참이 된 봉. above, below는 side보다 EDGE칸 앞에서 시작한다."""
    up, up_old = above[EDGE:], above[EDGE - 1 : -1]
    down, down_old = below[EDGE:], below[EDGE - 1 : -1]
    for k in range(len(side)):
        side[k] = np.int8(up[k] > up_old[k]) - np.int8(down[k] > down_old[k])


@compiled
def donchian_batch_nb(
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
    """네 출력의 줄을 모두 채운다(ATR_LEN이 0이면 atr는 둔다). 봉 i의 통로는 봉 i를 뺀 지난 봉들이다."""
    n, count, lo, longest = len(close), len(configs), history_nb(configs), longest_nb(configs)
    width, depth = lo + chunk + 8, level_nb(longest) + 1
    table = scratch.reshape(-1, width)
    table[:, :lo] = 0.0
    prices, rows = table[:PRICE_ROWS], table[PRICE_ROWS : PRICE_ROWS + ROWS]
    at = PRICE_ROWS + ROWS
    tops, bottoms = table[at : at + depth], table[at + depth :]
    above, below = np.zeros(chunk + EDGE, dtype=np.bool_), np.zeros(chunk + EDGE, dtype=np.bool_)
    kept, mask = np.empty(chunk, dtype=np.int32), 0
    for t in range(count):
        mask |= 1 << level_nb(configs[t, ENTRY_LEN]) | 1 << level_nb(configs[t, EXIT_LEN])
    for start in range(0, n, chunk):
        stop = min(start + chunk, n)
        hi = lo + stop - start
        load_prices_nb(prices, lo, hi, start, chunk, high, low, close)
        copy_nb(prices[HIGH, :hi], tops[0, :hi])
        copy_nb(prices[LOW, :hi], bottoms[0, :hi])
        max_levels_nb(tops, lo - 2 * EDGE, hi, longest, mask)
        min_levels_nb(bottoms, lo - 2 * EDGE, hi, longest, mask)
        for t in range(count):
            row, w = configs[t, ROW], configs[t, ENTRY_LEN]
            side = entry[row, start:stop]
            wide = hi - lo + EDGE
            early = min(max(w - start + EDGE, 0), wide)
            _outside_nb(
                prices[CLOSE], tops, bottoms, lo - EDGE, hi, w, early, above[:wide], below[:wide]
            )
            _started_nb(above[:wide], below[:wide], side)
            filter_nb(side, start, 0, trends, configs[t, TREND], htf_index, kept)
            w = configs[t, EXIT_LEN]
            _outside_nb(
                prices[CLOSE], tops, bottoms, lo, hi, w, min(max(w - start, 0), hi - lo),
                exit_short[row, start:stop], exit_long[row, start:stop],
            )  # fmt: skip
            if configs[t, ATR_LEN] > 0:
                length = configs[t, ATR_LEN]
                wilder_into_nb(
                    prices[TR], lo, hi, start, length, rows[ATR], rows[SEEDED], atr[row, :stop]
                )
    for t in range(count):
        atr[configs[t, ROW], : max(configs[t, ATR_LEN] - 1, 0)] = np.nan
