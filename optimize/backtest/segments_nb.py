"""구간 지표의 kernel. 기호: d = 날 수, t = 거래 수, r = 구간 수.

구간은 int64[r, 4]의 줄 (첫 날, 끝 날, 첫 봉, 끝 봉)이며 끝은 포함하지 않고 차례대로, 겹치지 않는다.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.engine_types_nb import Floats, Ints
from optimize.backtest.ledger_nb import drop_nb
from optimize.backtest.metrics_nb import METRIC_COUNT, metrics_nb
from optimize.strategy.jit import compiled


class Path(NamedTuple):
    """한 백테스트의 날마다의 길. 모두 길이 d이며 뜻은 `BacktestResult`에 있다. cash: 처음 돈."""

    equity: Floats
    peak: Floats
    trough: Floats
    drawdown: Floats
    held: NDArray[np.int32]
    cash: float


@compiled
def base_nb(path: Path, first: int) -> float:
    """구간을 시작하는 평가금: 앞 날의 마지막 평가금, 첫 날이면 처음 돈."""
    return path.equity[first - 1] if first > 0 else path.cash


@compiled
def inside_nb(trades: NDArray[np.void], first_bar: int, end_bar: int) -> tuple[int, int]:
    """들어가고 나온 봉이 모두 [first_bar, end_bar) 안인 거래들: trades[i:j]. trades는 들어간 차례다."""
    i = 0
    while i < len(trades) and trades[i].entry_bar < first_bar:
        i += 1
    j = i
    while j < len(trades) and trades[j].exit_bar < end_bar:
        j += 1
    return i, j


@compiled
def segment_nb(
    trades: NDArray[np.void], path: Path, ranges: Ints, bars: int, days: float
) -> NDArray[np.float64]:
    """구간들을 이어 붙인 한 기간의 지표, `metrics_nb`의 차례. bars: 봉 수, days: 길이(날, 소수).

    이어 붙이기: 구간마다 평가금을 그 구간의 시작이 앞 구간의 끝과 같게 곱한다. 거래의 금액도 같은 수로 곱한다.
    """
    total = 0
    for r in range(len(ranges)):
        total += ranges[r, 1] - ranges[r, 0]
    if total == 0 or days <= 0.0:
        return np.zeros(METRIC_COUNT)
    joined = np.empty(total)
    kept = trades[:0]
    several = len(ranges) > 1
    if several:
        kept = np.empty_like(trades)
    cash = base_nb(path, ranges[0, 0])
    if cash <= 0.0:
        cash = 1.0
    level = top = cash
    worst = 0.0
    held = count = at = 0
    for r in range(len(ranges)):
        first, end = ranges[r, 0], ranges[r, 1]
        base = base_nb(path, first)
        if base <= 0.0 or level <= 0.0:
            # 파산한 뒤의 날들은 수익률이 0이다.
            joined[at : at + end - first] = level
            at += end - first
            continue
        scale = level / base
        for d in range(first, end):
            joined[at] = path.equity[d] * scale
            worst = max(worst, path.drawdown[d], drop_nb(top, path.trough[d] * scale))
            top = max(top, path.peak[d] * scale)
            held += path.held[d]
            at += 1
        level = joined[at - 1]
        i, j = inside_nb(trades, ranges[r, 2], ranges[r, 3])
        if not several:
            kept = trades[i:j]
            count = j - i
        else:
            for t in range(i, j):
                kept[count] = trades[t]
                kept[count].pnl *= scale
                kept[count].fees *= scale
                kept[count].funding *= scale
                count += 1
    return metrics_nb(kept[:count], joined, cash, level, worst, held, max(bars, 1), days)
