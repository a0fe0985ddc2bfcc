"""지표를 교과서의 식대로. 제품의 코드를 쓰지 않는다."""

from __future__ import annotations

from math import sqrt
from statistics import mean, stdev
from typing import Any

DAY = 86_400_000
CAP = 100.0
NOISE = 1e-12


def cap(x: float) -> float:
    return max(-CAP, min(CAP, x))


def daily_equity(
    open_time: list[int], step_ms: int, equity: list[float], cash: float
) -> list[float]:
    """UTC 날마다 그날 안에 마지막으로 닫힌 봉의 평가금. 닫힌 봉이 없는 날은 앞날의 것."""
    by_day: dict[int, float] = {}
    for t, e in zip(open_time, equity, strict=True):
        by_day[(t + step_ms - 1) // DAY] = e
    # 자정에 닫히는 봉은 끝난 날의 것이다.
    out, now = [], cash
    for day in range(min(by_day), max(by_day) + 1):
        now = by_day.get(day, now)
        out.append(now)
    return out


def yearly(growth: float, days: float) -> float:
    """연복리, %."""
    if growth <= 0:
        return -100.0
    try:
        return min(1e6, 100 * (float(growth) ** (365 / days) - 1))
    except OverflowError:
        return 1e6


def metrics(run: Any, open_time: list[int], step_ms: int, cash: float) -> dict[str, float]:
    equity, trades = run.equity, run.trades
    final = equity[-1]
    peak, worst = cash, 0.0
    for e in equity:
        peak = max(peak, e)
        worst = max(worst, 1 - e / peak)
    worst = min(worst, 1.0) if worst > NOISE else 0.0
    days = (open_time[-1] - open_time[0] + step_ms) / DAY
    daily = daily_equity(open_time, step_ms, equity, cash)
    before = [cash, *daily[:-1]]
    returns = [a / b - 1 if b > 0 else 0.0 for a, b in zip(daily, before, strict=True)]
    sharpe = sortino = 0.0
    if len(returns) > 1:
        if stdev(returns) > NOISE:
            sharpe = cap(mean(returns) / stdev(returns) * sqrt(365))
        down = sqrt(mean(min(r, 0.0) ** 2 for r in returns))
        sortino = (
            cap(mean(returns) / down * sqrt(365)) if down > NOISE else CAP * (mean(returns) > 0)
        )
    cagr = yearly(final / cash, days)
    gains = [t.pnl for t in trades if t.pnl > 0]
    losses = [-t.pnl for t in trades if t.pnl < 0]
    streak = longest = 0
    for t in trades:
        streak = streak + 1 if t.pnl < 0 else 0
        longest = max(longest, streak)
    count = max(len(trades), 1)
    return {
        "net_profit_pct": 100 * (final / cash - 1),
        "cagr_pct": cagr,
        "sharpe": sharpe,
        "sortino": sortino,
        "calmar": cap(cagr / (100 * worst)) if worst > 0 else CAP * (cagr > 0),
        "max_drawdown_pct": 100 * worst,
        "profit_factor": cap(sum(gains) / sum(losses)) if losses else CAP * bool(gains),
        "win_rate_pct": 100 * len(gains) / count,
        "trades": float(len(trades)),
        "expectancy_pct": sum(100 * t.pnl / t.equity for t in trades) / count,
        "payoff_ratio": cap(mean(gains) / mean(losses)) if gains and losses else 0.0,
        "avg_bars": sum(t.bars for t in trades) / count,
        "exposure_pct": 100 * sum(t.bars for t in trades) / len(equity),
        "max_losing_streak": float(longest),
        "long_trades": float(sum(t.side > 0 for t in trades)),
        "short_trades": float(sum(t.side < 0 for t in trades)),
        "liquidations": float(sum(t.reason == "liquidation" for t in trades)),
        "fees_pct": 100 * sum(t.fees for t in trades) / cash,
        "funding_pct": 100 * sum(t.funding for t in trades) / cash,
    }
