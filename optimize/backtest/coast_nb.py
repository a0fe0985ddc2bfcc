"""포지션을 가진 채 아무 일도 없는 봉들을 빠르게 지난다.

값은 `position_nb.hold_nb`가 한 봉씩 셈한 것과 비트까지 같다. 자료에서 한 번 만들어 둔 열여섯 봉마다의
최저·최고(`Coarse`)로 그 안에 아무 일도 없음을 알면 한꺼번에 건너뛴다. 평가금은 종가에 대해 단조라(반올림도
단조다) 그 봉들의 가장 높고 낮은 평가금은 최고·최저 종가의 것이다.
"""

from __future__ import annotations

import numpy as np

from optimize.backtest.engine_types_nb import Bars, Bools, Coarse, Floats
from optimize.backtest.least_nb import least_nb
from optimize.backtest.ledger_nb import drop_nb, floor_nb
from optimize.strategy.jit import compiled, compiled_bare

SPAN = 16
SHIFT = 4  # 2^SHIFT = SPAN


@compiled
def coarse_nb(high: Floats, low: Floats, close: Floats, filled: Bools) -> Coarse:
    """열여섯 봉마다의 최저·최고. 채운 봉이 든 자리는 건너뛰지 못하게 저가를 -inf로 둔다."""
    count = len(close) >> SHIFT
    found = Coarse(np.empty(count), np.empty(count), np.empty(count), np.empty(count))
    for b in range(count):
        part = slice(b << SHIFT, (b + 1) << SHIFT)
        found.low[b] = -np.inf if filled[part].any() else low[part].min()
        found.high[b] = high[part].max()
        found.bottom[b] = close[part].min()
        found.top[b] = close[part].max()
    return found


@compiled_bare
def fences_nb(side: float, guard: float, target: float) -> tuple[float, float]:
    """(저가가 이보다 높고, 고가가 이보다 낮으면 닿지 않은 봉). guard, target은 long 공간."""
    return (guard, target) if side > 0 else (-target, -guard)


@compiled_bare
def raised_nb(
    tops: Floats, side: float, atr: Floats, i: np.uint64, distance: float, best: float, trail: float
) -> float:
    """봉 i부터 SPAN봉을 지난 trail. tops: 유리한 쪽의 값(long은 고가, short은 저가)."""
    for t in range(SPAN):
        k = i + np.uint64(t)
        best = max(best, side * tops[k])
        trail = max(trail, best - distance * atr[k])
    return trail


@compiled_bare
def coast_nb(
    bars: Bars,
    coarse: Coarse,
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
    high, low, close, filled = bars.high, bars.low, bars.close, bars.filled
    words = exits[: len(exits) >> 3 << 3].view(np.int64)
    trailing = distance < np.inf
    level = stop if stop > trail else trail
    above, below = fences_nb(side, level if level > liq else liq, target)
    floor = floor_nb(peak, worst)
    # 부호 없는 번호: 음수 번호를 살피지 않는다.
    i, end = np.uint64(k), np.uint64(until)
    one, mask, span = np.uint64(1), np.uint64(SPAN - 1), np.uint64(SPAN)
    while i < end:
        after = (i | mask) + one
        if after - i == span and after <= end:
            b, w = i >> np.uint64(SHIFT), i >> np.uint64(3)
            calm = (words[w] | words[w + one]) == 0
            reached, raised, low_fence, high_fence = best, trail, above, below
            if calm and trailing:
                # 이 봉들 안에서 trail이 오를 수 있는 가장 높은 값에도 닿지 않으면 닿은 봉이 없다.
                reached = max(best, coarse.high[b] if side > 0 else -coarse.low[b])
                raised = max(trail, reached - distance * least_nb(atr, i))
                guard = max(stop, raised)
                low_fence, high_fence = fences_nb(side, guard if guard > liq else liq, target)
            if calm and (coarse.low[b] > low_fence) & (coarse.high[b] < high_fence):
                if reached > best:
                    raised = raised_nb(
                        high if side > 0 else low, side, atr, i, distance, best, trail
                    )
                bottom, top = coarse.bottom[b], coarse.top[b]
                least = wallet + quantity * ((bottom if side > 0 else -top) - base)
                most = wallet + quantity * ((top if side > 0 else -bottom) - base)
                # 고점과 저점의 앞뒤를 모르므로, 어느 차례라도 낙폭이 깊어지지 않을 때만 건너뛴다.
                known = most <= peak
                if known or (worst < 1.0 and least >= floor_nb(most, worst)):
                    if not known:
                        peak = most
                        floor = floor_nb(peak, worst)
                    elif least < floor:
                        worst = max(worst, drop_nb(peak, least))
                        floor = least
                    trough = min(trough, least)
                    if trailing:
                        best, trail = reached, raised
                        level = stop if stop > trail else trail
                        above, below = fences_nb(side, level if level > liq else liq, target)
                    i = after
                    continue
        after = min(after, end)
        b = i >> np.uint64(SHIFT)
        gaps = b >= len(coarse.low) or coarse.low[b] == -np.inf
        while i < after:
            if not (low[i] > above and high[i] < below) or exits[i] or (gaps and filled[i]):
                return np.int64(i), best, trail, peak, trough, worst  # type: ignore[return-value]
            equity = wallet + quantity * (side * close[i] - base)
            if equity > peak:
                peak = equity
                floor = floor_nb(peak, worst)
            elif equity < floor:
                worst = max(worst, drop_nb(peak, equity))
                floor = equity
            trough = min(trough, equity)
            if trailing:
                best = max(best, high[i] if side > 0 else -low[i])
                if best - distance * atr[i] > trail:
                    trail = best - distance * atr[i]
                    level = stop if stop > trail else trail
                    above, below = fences_nb(side, level if level > liq else liq, target)
            i += one
    return np.int64(end), best, trail, peak, trough, worst  # type: ignore[return-value]
