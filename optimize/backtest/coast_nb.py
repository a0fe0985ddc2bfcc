"""포지션을 가진 채 아무 일도 없는 봉들을 빠르게 지난다.

값은 `position_nb.hold_nb`가 한 봉씩 셈한 것과 비트까지 같다: 평가금은 종가에 대해 단조라(반올림도 단조다)
지나온 종가의 최고와 최저를 넘을 때만 고점·저점·낙폭이 움직일 수 있다.
"""

from __future__ import annotations

import numpy as np

from optimize.backtest.engine_types_nb import Bools, Floats
from optimize.backtest.ledger_nb import drop_nb, floor_nb
from optimize.strategy.jit import compiled_bare


@compiled_bare
def fences_nb(side: float, guard: float, target: float) -> tuple[float, float]:
    """(저가가 이보다 높고, 고가가 이보다 낮으면 닿지 않은 봉). guard, target은 long 공간."""
    return (guard, target) if side > 0 else (-target, -guard)


@compiled_bare
def coast_nb(
    high: Floats,
    low: Floats,
    close: Floats,
    filled: Bools,
    exits: Bools,
    atr: Floats,
    k: int,
    until: int,
    side: float,
    base: float,
    quantity: float,
    wallet: float,
    liq: float,
    target: float,
    stop: float,
    distance: float,
    best: float,
    trail: float,
    peak: float,
    trough: float,
    worst: float,
) -> tuple[int, float, float, float, float, float]:
    """봉 k부터 손절·익절·청산가에 닿거나 청산 신호가 나거나 채운 봉이거나 until인 봉의 앞까지.

    (멈춘 봉, best, trail, peak, trough, worst). 멈춘 봉은 아직 다루지 않았다.
    """
    trailing = distance < np.inf
    level = stop if stop > trail else trail
    above, below = fences_nb(side, level if level > liq else liq, target)
    floor = floor_nb(peak, worst)
    top, bottom = -np.inf, np.inf
    # 0부터 세는 조각에서는 음수 번호를 살피지 않아 빠르다.
    highs, lows, closes = high[k:until], low[k:until], close[k:until]
    leaves, fills, ranges = exits[k:until], filled[k:until], atr[k:until]
    for t in range(until - k):
        if not (lows[t] > above and highs[t] < below) or leaves[t] or fills[t]:
            return k + t, best, trail, peak, trough, worst
        value = side * closes[t]
        if value > top:
            top = value
            equity = wallet + quantity * (value - base)
            if equity > peak:
                peak = equity
                floor = floor_nb(peak, worst)
                bottom = np.inf
        if value < bottom:
            bottom = value
            equity = wallet + quantity * (value - base)
            if equity < floor:
                worst = max(worst, drop_nb(peak, equity))
                floor = equity
            trough = min(trough, equity)
        if trailing:
            best = max(best, highs[t] if side > 0 else -lows[t])
            if best - distance * ranges[t] > trail:
                trail = best - distance * ranges[t]
                level = stop if stop > trail else trail
                above, below = fences_nb(side, level if level > liq else liq, target)
    return until, best, trail, peak, trough, worst
