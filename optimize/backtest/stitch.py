"""여러 백테스트에서 잘라 낸 이웃한 날들을 이어 붙인 하나의 길: 창마다 다른 파라미터로 거래한 계좌."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from optimize.backtest.result import BacktestResult
from optimize.backtest.segments import Calendar, DayRange, Segment


def stitch(
    pieces: Sequence[tuple[BacktestResult | None, DayRange]], calendar: Calendar
) -> BacktestResult:
    """조각들을 이은 백테스트. 조각은 (한 자료의 백테스트, 날의 범위 [첫 날, 끝 날)), 차례대로 붙어 있다.

    조각마다 평가금과 거래의 금액을 앞 조각의 끝에 맞추어 곱한다. 조각 안에서 들어가고 나온 거래만 남는다.
    백테스트가 None이거나 파산한 뒤의 조각은 거래하지 않은 날이다. 조각이 바뀔 때 앞의 포지션을 닫고 뒤의
    포지션을 여는 비용은 들지 않는다(평가금은 날마다 시가로 매긴 것이다). 조각들 밖의 날은 움직이지 않는다.
    길이 d의 배열은 자료의 모든 날의 것이다. metrics는 비어 있다: `segment_metrics`로 잰다.
    ValueError: 조각이 없거나, 붙어 있지 않다.
    """
    if not pieces or any(left[1][1] != right[1][0] for left, right in pairwise(pieces)):
        raise ValueError("조각들은 차례대로 붙어 있어야 합니다")
    count = len(calendar.day_last)
    cash = next((result.initial_cash for result, _ in pieces if result is not None), 1.0)
    equity, held = np.full(count, cash), np.zeros(count, dtype=np.int32)
    peak, trough, drawdown = equity.copy(), equity.copy(), np.zeros(count)
    trades = []
    level = cash
    for result, days in pieces:
        for first, end, first_bar, end_bar in Segment.of(calendar, [days]).ranges.tolist():
            base = 0.0
            if result is not None:
                base = float(result.daily_equity[first - 1]) if first else result.initial_cash
            if result is None or base <= 0 or level <= 0:
                equity[first:end] = peak[first:end] = trough[first:end] = level
                continue
            scale = level / base
            equity[first:end] = result.daily_equity[first:end] * scale
            peak[first:end] = result.daily_peak[first:end] * scale
            trough[first:end] = result.daily_trough[first:end] * scale
            drawdown[first:end] = result.daily_drawdown[first:end]
            held[first:end] = result.daily_held[first:end]
            inside = result.trades[
                (result.trades["entry_bar"] >= first_bar) & (result.trades["exit_bar"] < end_bar)
            ].copy()
            for name in ("pnl", "fees", "funding"):
                inside[name] *= scale
            trades.append(inside)
            level = float(equity[end - 1])
    last = max(min(pieces[-1][1][1] - calendar.first_day, count), 0)
    equity[last:] = peak[last:] = trough[last:] = level
    joined = np.concatenate(trades) if trades else _no_trades()
    return BacktestResult(
        {}, joined, equity, calendar.first_day, cash, peak, trough, drawdown, held
    )


def _no_trades() -> np.ndarray:
    from optimize.backtest.result import TRADE_DTYPE

    return np.empty(0, dtype=TRADE_DTYPE)
