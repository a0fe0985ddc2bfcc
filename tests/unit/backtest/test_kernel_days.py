"""날마다의 고점·저점·낙폭·보유가 봉마다의 평가금과 같고, 이어 붙이면 기간 전체의 지표와 정확히 같다."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.builders import candles, dataset, random_candles
from reference.compare import Fixed, run_fixed

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import equity_curve
from optimize.backtest.metrics import NOISE
from optimize.backtest.result import BacktestResult
from optimize.data.dataset import Dataset
from optimize.data.timeframes import parse_cell
from optimize.strategy.protocol import Signals

DAY_MS = 86_400_000
Days = tuple[float, float, float]


def joined(one: Days, two: Days) -> Days:
    """이웃한 두 토막의 (고점, 저점, 낙폭)."""
    across = 1.0 - two[1] / one[0] if one[0] > 0 else 0.0
    return max(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2], across)


def days_of(result: BacktestResult, first: int, last: int) -> Days:
    rows = list(
        zip(
            result.daily_peak.tolist(),
            result.daily_trough.tolist(),
            result.daily_drawdown.tolist(),
            strict=True,
        )
    )
    whole = rows[first]
    for row in rows[first + 1 : last + 1]:
        whole = joined(whole, row)
    return whole


def drawdown(path: list[float]) -> float:
    """정의대로: 모든 봉에서 그때까지의 고점에서 내려온 비율의 최대."""
    peak, worst = path[0], 0.0
    for equity in path:
        peak = max(peak, equity)
        worst = max(worst, 1.0 - equity / peak if peak > 0 else 0.0)
    return worst


def paths(data: Dataset, curve: np.ndarray, cash: float) -> list[list[float]]:
    """날마다의 길: 앞 날의 마지막 평가금과 그날 닫힌 봉마다의 평가금. 한 봉씩 센다."""
    step = parse_cell(data.ref.cell).ltf.ms
    days: list[list[float]] = [[cash]]
    day = (int(data.ltf.open_time[0]) + step - 1) // DAY_MS
    for opened, equity in zip(data.ltf.open_time.tolist(), curve.tolist(), strict=True):
        while (opened + step - 1) // DAY_MS > day:
            days.append([days[-1][-1]])
            day += 1
        days[-1].append(equity)
    return days


def held_days(data: Dataset, result: BacktestResult) -> list[int]:
    """거래의 봉을 하나씩 날에 센다."""
    step = parse_cell(data.ref.cell).ltf.ms
    counts = [0] * len(result.daily_held)
    for trade in result.trades:
        for bar in range(trade["entry_bar"], trade["entry_bar"] + trade["bars"]):
            day = (int(data.ltf.open_time[bar]) + step - 1) // DAY_MS
            counts[day - result.first_day] += 1
    return counts


@st.composite
def situations(draw: st.DrawFn) -> tuple[Dataset, Signals, CostModel]:
    """여러 날에 걸친 봉(1분봉이 아닌 것도), 무작위 신호, 파산할 수 있는 leverage."""
    cell = draw(st.sampled_from(["1m", "15m", "1h", "4h"]))
    minutes = parse_cell(cell).ltf.minutes
    base = random_candles(
        draw(st.integers(0, 2**31)), 6000 // minutes * minutes, volatility=0.004, gaps=0.05
    )
    data = dataset(base, cell)
    n = len(data.ltf)
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    rate = draw(st.sampled_from([0.001, 0.05, 0.5]))
    entry = rng.choice([-1, 0, 1], n, p=[rate / 2, 1 - rate, rate / 2]).astype(np.int8)
    leave = rng.random((2, n)) < draw(st.sampled_from([0.0, 0.01, 0.3]))
    rules: dict[str, Any] = {"stop_atr": draw(st.none() | st.floats(0.5, 5.0))}
    costs = CostModel(leverage=draw(st.sampled_from([1.0, 5.0, 40.0])), fee_rate=0.0005)
    atr = np.full(n, float((data.ltf.high - data.ltf.low).mean()))
    return data, Signals(entry, leave[0], leave[1], atr, **rules), costs


@settings(max_examples=50, deadline=None)
@given(situation=situations(), picks=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_날마다의_값이_봉마다의_평가금과_같고_이어_붙이면_전체와_정확히_같다(
    situation: tuple[Dataset, Signals, CostModel], picks: tuple[int, int]
) -> None:
    data, signals, costs = situation
    result = run_fixed(data, signals, costs)
    curve = equity_curve(data, Fixed(signals), {}, costs)
    days = paths(data, curve, costs.initial_cash)
    assert result.daily_equity.tolist() == [path[-1] for path in days]
    assert result.daily_peak.tolist() == [max(path) for path in days]
    assert result.daily_trough.tolist() == [min(path) for path in days]
    assert result.daily_drawdown.tolist() == [drawdown(path) for path in days]
    assert result.daily_held.tolist() == held_days(data, result)

    first, last = sorted(min(pick, len(days) - 1) for pick in picks)
    run = [*days[first]] + [equity for path in days[first + 1 : last + 1] for equity in path[1:]]
    # 파산한 평가금은 0보다 조금 아래일 수 있다. 그때의 낙폭은 지표에서 1로 자른다.
    assert min(days_of(result, first, last)[2], 1.0) == min(drawdown(run), 1.0)

    worst = days_of(result, 0, len(days) - 1)[2]
    expected = 100.0 * min(worst, 1.0) if worst > NOISE else 0.0
    assert result.metrics["max_drawdown_pct"] == expected
    held = int(result.daily_held.sum())
    assert result.metrics["exposure_pct"] == 100.0 * held / len(data.ltf)


def test_날의_고점은_앞_날의_마지막_평가금에서_시작한다() -> None:
    """손으로 셈한 값: 반나절 봉의 종가 100 | 120 90 | 80 110. 첫 봉의 신호로 100에 들어간다."""
    closes = np.array([100.0, 100.0, 120.0, 90.0, 80.0, 110.0])
    opens = np.concatenate(([100.0], closes[:-1]))
    bars = candles(
        opens, np.maximum(opens, closes), np.minimum(opens, closes), closes, step=DAY_MS // 2
    )
    data = dataset(bars)
    object.__setattr__(data.ref, "cell", "12h")
    entry = np.array([1, 0, 0, 0, 0, 0], np.int8)
    nothing = np.zeros(6, bool)
    free = CostModel(
        initial_cash=1000.0, fee_rate=0.0, slippage_rate=0.0, maintenance_margin_rate=0.0
    )
    result = run_fixed(data, Signals(entry, nothing, nothing), free)
    np.testing.assert_allclose(result.daily_equity, [1000, 900, 1100])
    np.testing.assert_allclose(result.daily_peak, [1000, 1200, 1100])
    np.testing.assert_allclose(result.daily_trough, [1000, 900, 800])
    np.testing.assert_allclose(result.daily_drawdown, [0, 1 - 900 / 1200, 1 - 800 / 900])
    assert result.daily_held.tolist() == [1, 2, 2]
    assert result.daily_held.dtype == np.int32
    for one, two in pairwise(range(3)):
        assert days_of(result, one, two)[2] <= days_of(result, 0, 2)[2]
    assert result.metrics["max_drawdown_pct"] == 100 * (1 - 800 / 1200)
