"""지표 kernel. 입력 trades: TRADE_DTYPE[거래 수], daily: float64[d] 날마다의 평가금.

출력 float64[len(METRICS)]의 순서는 `optimize.backtest.metrics.METRICS`의 순서다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.engine_types_nb import LIQUIDATION
from optimize.backtest.metrics import CAGR_CAP_PCT, NOISE, RATIO_CAP, TRADING_DAYS
from optimize.strategy.jit import compiled

METRIC_COUNT = 19


@compiled
def _capped_nb(value: float) -> float:
    return min(max(value, -RATIO_CAP), RATIO_CAP)


@compiled
def _daily_ratios_nb(daily: NDArray[np.float64], cash: float) -> tuple[float, float]:
    """(sharpe, sortino). 첫 날의 수익률은 처음 돈에서 잰다. 평가금이 0 이하가 된 뒤의 날은 0."""
    count = len(daily)
    if count < 2:
        return 0.0, 0.0
    returns = np.empty(count)
    before = cash
    for t in range(count):
        returns[t] = daily[t] / before - 1.0 if before > 0.0 else 0.0
        before = daily[t]
    mean = returns.mean()
    spread = 0.0
    below = 0.0
    for t in range(count):
        spread += (returns[t] - mean) ** 2
        if returns[t] < 0.0:
            below += returns[t] ** 2
    deviation = np.sqrt(spread / (count - 1))
    downside = np.sqrt(below / count)
    yearly = np.sqrt(TRADING_DAYS)
    sharpe = _capped_nb(mean / deviation * yearly) if deviation > NOISE else 0.0
    if downside > NOISE:
        sortino = _capped_nb(mean / downside * yearly)
    else:
        sortino = RATIO_CAP if mean > 0.0 else 0.0
    return sharpe, sortino


@compiled
def _cagr_nb(final: float, cash: float, days: float) -> float:
    """연복리 수익률, %. 잃을 수 있는 것은 -100 %까지."""
    if final <= 0.0:
        return -100.0
    exponent = np.log(final / cash) * TRADING_DAYS / days
    if exponent > 50.0:
        return CAGR_CAP_PCT
    return float(min(100.0 * (np.exp(exponent) - 1.0), CAGR_CAP_PCT))


@compiled
def metrics_nb(
    trades: NDArray[np.void],
    daily: NDArray[np.float64],
    cash: float,
    final: float,
    max_drawdown: float,
    held: int,
    bars: int,
    days: float,
) -> NDArray[np.float64]:
    """모든 지표. days: 기간의 길이(날, 소수)."""
    won = lost = returns = fees = funding = 0.0
    wins = losses = longs = liquidations = streak = worst_streak = 0
    length = 0
    for t in range(len(trades)):
        pnl = trades[t].pnl
        if pnl > 0.0:
            wins += 1
            won += pnl
        elif pnl < 0.0:
            losses += 1
            lost -= pnl
        streak = streak + 1 if pnl < 0.0 else 0
        worst_streak = max(worst_streak, streak)
        returns += trades[t].return_pct
        fees += trades[t].fees
        funding += trades[t].funding
        length += trades[t].bars
        longs += 1 if trades[t].side > 0 else 0
        liquidations += 1 if trades[t].reason == LIQUIDATION else 0
    count = len(trades)
    per_trade = 1.0 / count if count > 0 else 0.0
    sharpe, sortino = _daily_ratios_nb(daily, cash)
    cagr = _cagr_nb(final, cash, days)
    drawdown = 100.0 * min(max_drawdown, 1.0) if max_drawdown > NOISE else 0.0
    calmar = RATIO_CAP if cagr > 0.0 else 0.0
    if drawdown > 0.0:
        calmar = _capped_nb(cagr / drawdown)
    profit_factor = RATIO_CAP if wins > 0 else 0.0
    if losses > 0:
        profit_factor = _capped_nb(won / lost)
    payoff = _capped_nb((won / wins) / (lost / losses)) if wins > 0 and losses > 0 else 0.0
    out = np.empty(METRIC_COUNT)
    out[0] = 100.0 * (final / cash - 1.0)
    out[1] = cagr
    out[2] = sharpe
    out[3] = sortino
    out[4] = calmar
    out[5] = drawdown
    out[6] = profit_factor
    out[7] = 100.0 * wins * per_trade
    out[8] = count
    out[9] = returns * per_trade
    out[10] = payoff
    out[11] = length * per_trade
    out[12] = 100.0 * held / bars
    out[13] = worst_streak
    out[14] = longs
    out[15] = count - longs
    out[16] = liquidations
    out[17] = 100.0 * fees / cash
    out[18] = 100.0 * funding / cash
    return out
