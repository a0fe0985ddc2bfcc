"""구간의 지표: 전체는 백테스트의 것과 비트까지 같고, 아무 구간이나 봉을 하나씩 세는 셈과 같다."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import plain_metrics
from reference.builders import dataset, random_candles
from reference.compare import Fixed

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import equity_curve, run_backtest
from optimize.backtest.metrics import METRICS
from optimize.backtest.result import EXIT_REASONS, TRADE_DTYPE, BacktestResult
from optimize.backtest.segments import Calendar, DayRange, Segment, segment_metrics, segment_returns
from optimize.data.dataset import Dataset
from optimize.data.timeframes import parse_cell
from optimize.strategy.protocol import Signals

DAY_MS = 86_400_000
CASH = 1000.0


def make_case(seed: int, hours: int, cell: str, late: int) -> tuple[Dataset, Fixed]:
    """late분 늦게 시작하는, 자주 사고파는 자료와 신호."""
    rng = np.random.default_rng(seed)
    base = random_candles(seed, hours * 60)
    base = replace(base, open_time=base.open_time + late * 60_000)
    data = dataset(base, cell)
    n = len(data.ltf)
    entry = np.where(rng.random(n) < 0.1, rng.choice([-1, 1], n), 0).astype(np.int8)
    signals = Signals(entry, rng.random(n) < 0.05, rng.random(n) < 0.05)
    return data, Fixed(signals)


def slow_metrics(
    data: Dataset, result: BacktestResult, curve: np.ndarray, ranges: tuple[DayRange, ...]
) -> dict[str, float]:
    """정의대로: 봉의 평가금을 이어 붙이고, 한 범위 안의 거래를 그 배율로 고쳐 교과서의 식에 넣는다."""
    step = parse_cell(data.ref.cell).ltf.ms
    opened = data.ltf.open_time.tolist()
    day_of = [(t + step - 1) // DAY_MS for t in opened]
    level = None
    equity: list[float] = []
    times: list[int] = []
    trades = []
    length = 0
    daily: list[float] = []
    cash = CASH
    for start, stop in ranges:
        bars = [i for i, day in enumerate(day_of) if start <= day < stop]
        base = float(curve[bars[0] - 1]) if bars[0] else CASH
        if level is None:
            level = cash = base
        scale = level / base
        equity += [float(curve[i]) * scale for i in bars]
        times += [opened[i] for i in bars]
        for day in range(start, stop):
            closed = [i for i in bars if day_of[i] == day]
            if closed:
                daily.append(float(curve[closed[-1]]) * scale)
        trades += [
            scaled(t, scale)
            for t in result.trades
            if t["entry_bar"] >= bars[0] and t["exit_bar"] <= bars[-1]
        ]
        opening = opened[0] if bars[0] == 0 else start * DAY_MS
        closing = opened[-1] + step if bars[-1] == len(opened) - 1 else stop * DAY_MS
        length += closing - opening
        level = equity[-1]
    # 이어 붙인 날들을 잇닿은 날로 놓고 같은 식에 넣는다.
    run = SimpleNamespace(equity=equity, trades=trades)
    found = plain_metrics.metrics(run, times, step, cash)
    days = length / DAY_MS
    cagr = plain_metrics.yearly(equity[-1] / cash, days)
    drawdown = found["max_drawdown_pct"]
    before = [cash, *daily[:-1]]
    returns = [a / b - 1 if b > 0 else 0.0 for a, b in zip(daily, before, strict=True)]
    found |= {
        "cagr_pct": cagr,
        "calmar": plain_metrics.cap(cagr / drawdown) if drawdown > 0 else 100.0 * (cagr > 0),
        **ratios(returns),
        "exposure_pct": 100 * held_bars(result, day_of, ranges) / len(equity),
    }
    return found


def scaled(t: np.void, scale: float) -> SimpleNamespace:
    return SimpleNamespace(
        pnl=float(t["pnl"]) * scale,
        fees=float(t["fees"]) * scale,
        funding=float(t["funding"]) * scale,
        equity=float(t["pnl"]) * scale / (float(t["return_pct"]) / 100),
        bars=int(t["bars"]),
        side=int(t["side"]),
        reason="liquidation" if EXIT_REASONS[int(t["reason"])] == "강제 청산" else "",
    )


def ratios(returns: list[float]) -> dict[str, float]:
    if len(returns) < 2:
        return {"sharpe": 0.0, "sortino": 0.0}
    mean, spread = float(np.mean(returns)), float(np.std(returns, ddof=1))
    down = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)))
    yearly = 365**0.5
    return {
        "sharpe": plain_metrics.cap(mean / spread * yearly) if spread > 1e-12 else 0.0,
        "sortino": plain_metrics.cap(mean / down * yearly) if down > 1e-12 else 100.0 * (mean > 0),
    }


def held_bars(result: BacktestResult, day_of: list[int], ranges: tuple[DayRange, ...]) -> int:
    """경계를 넘는 거래의 봉도 노출에는 든다."""
    return sum(
        any(start <= day_of[bar] < stop for start, stop in ranges)
        for t in result.trades
        for bar in range(int(t["entry_bar"]), int(t["entry_bar"]) + int(t["bars"]))
    )


@st.composite
def cut(draw: st.DrawFn) -> tuple[int, str, int, list[int]]:
    return (
        draw(st.integers(0, 10_000)),
        draw(st.sampled_from(["5m", "15m", "1h", "15m@1h"])),
        draw(st.sampled_from([0, 60, 13 * 60])),
        sorted(draw(st.sets(st.integers(0, 6), min_size=2, max_size=6))),
    )


@given(cut())
@settings(max_examples=40, deadline=None)
def test_아무_구간이나_봉을_하나씩_세는_셈과_같다(case: tuple[int, str, int, list[int]]) -> None:
    seed, cell, late, marks = case
    data, strategy = make_case(seed, 6 * 24, cell, late)
    costs = CostModel(initial_cash=CASH)
    result = run_backtest(data, strategy, {}, costs)
    curve = equity_curve(data, strategy, {}, costs)
    calendar = Calendar.of(data)
    marks = [m for m in marks if m <= len(calendar.day_last)]
    ranges = tuple(
        (calendar.first_day + a, calendar.first_day + b)
        for a, b in zip(marks[::2], marks[1::2], strict=False)
    )
    if not ranges:
        return
    found = segment_metrics(result, Segment.of(calendar, ranges))
    expected = slow_metrics(data, result, curve, ranges)
    assert set(found) == set(METRICS)
    for name, value in found.items():
        assert value == pytest.approx(expected[name], rel=1e-7, abs=1e-7), name
    days = [d for a, b in ranges for d in range(a - calendar.first_day, b - calendar.first_day)]
    assert segment_returns(result, Segment.of(calendar, ranges)).tolist() == [
        result.daily_returns()[d] for d in days
    ]


@pytest.mark.parametrize("cell", ["5m", "1h", "15m@1h", "1d"])
@pytest.mark.parametrize("late", [0, 13 * 60])
def test_전체_구간은_백테스트의_지표와_비트까지_같다(cell: str, late: int) -> None:
    data, strategy = make_case(3, 9 * 24, cell, late)
    result = run_backtest(data, strategy, {}, CostModel(initial_cash=CASH))
    calendar = Calendar.of(data)
    first, end = calendar.first_day, calendar.first_day + len(calendar.day_last)
    assert result.metrics["trades"] > 0
    # 자료 밖의 날은 없는 것이고, 붙은 범위들의 평가금은 한 범위의 것과 같다.
    whole = segment_metrics(result, Segment.of(calendar, [(first - 5, end + 9)]))
    assert whole == result.metrics
    halves = segment_metrics(result, Segment.of(calendar, [(first, first + 4), (first + 4, end)]))
    for name in ("net_profit_pct", "cagr_pct", "sharpe", "sortino", "calmar", "max_drawdown_pct"):
        assert halves[name] == whole[name]


def test_경계를_넘는_거래는_어느_쪽의_거래도_아니다() -> None:
    """첫날 정오부터 둘째 날 정오까지의 거래 하나와 둘째 날 저녁의 거래 하나."""
    base = random_candles(1, 2 * 24 * 60)
    data = dataset(base, "1h")
    entry = np.zeros(48, dtype=np.int8)
    leave = np.zeros(48, dtype=np.bool_)
    entry[[12, 40]] = 1
    leave[[36, 44]] = True
    result = run_backtest(
        data, Fixed(Signals(entry, leave, np.zeros(48, dtype=np.bool_))), {}, CostModel()
    )
    calendar = Calendar.of(data)
    first = calendar.first_day
    one, two, both = (
        segment_metrics(result, Segment.of(calendar, [(first + a, first + b)]))
        for a, b in ((0, 1), (1, 2), (0, 2))
    )
    assert (one["trades"], two["trades"], both["trades"]) == (0, 1, 2)
    assert one["exposure_pct"] == pytest.approx(100 * 11 / 24)
    assert one["net_profit_pct"] != 0


def test_파산한_뒤의_구간은_움직이지_않는다() -> None:
    day = np.zeros(3)
    result = BacktestResult(
        {},
        np.empty(0, dtype=TRADE_DTYPE),
        np.array([50.0, 0.0, 0.0]),
        0,
        100.0,
        np.array([100.0, 50.0, 0.0]),
        np.array([50.0, 0.0, 0.0]),
        np.array([0.5, 1.0, 0.0]),
        day.astype(np.int32),
    )
    calendar = Calendar(0, np.array([23, 47, 71]), 0, 3 * DAY_MS)
    late = segment_metrics(result, Segment.of(calendar, [(2, 3)]))
    assert set(late.values()) == {0.0}
    whole = segment_metrics(result, Segment.of(calendar, [(0, 1), (1, 3)]))
    assert (whole["net_profit_pct"], whole["max_drawdown_pct"]) == (-100.0, 100.0)
    assert set(segment_metrics(result, Segment.of(calendar, [(9, 12)])).values()) == {0.0}


def test_겹치거나_뒤집힌_범위는_거절한다() -> None:
    calendar = Calendar(0, np.array([23, 47, 71]), 0, 3 * DAY_MS)
    for ranges in ([(0, 2), (1, 3)], [(1, 1)], [(2, 3), (0, 1)]):
        with pytest.raises(ValueError, match="차례대로"):
            Segment.of(calendar, ranges)
