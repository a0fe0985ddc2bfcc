"""여러 조합을 함께 돌린 결과가 하나씩 돌린 것과 비트까지 같다: 누구와 함께 돌든, 길이가 어떻든."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.builders import dataset, random_candles

from optimize.backtest import engine
from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest, run_batch
from optimize.backtest.result import BacktestResult
from optimize.data.dataset import Dataset
from optimize.errors import RunError
from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter
from optimize.strategy.protocol import BatchStrategy, Strategy, Workspace
from optimize.strategy.registry import BUILTIN_STRATEGIES, load_strategy

DAILY = ("daily_equity", "daily_peak", "daily_trough", "daily_drawdown", "daily_held")


@lru_cache
def market(cell: str, bars: int) -> Dataset:
    return dataset(random_candles(3, bars), cell)


@st.composite
def one_of(draw: st.DrawFn, strategy: Strategy) -> dict[str, Any]:
    """탐색 공간 전체에서. 거래가 드물지 않게 문턱은 낮춘다."""
    values: dict[str, Any] = {}
    for p in strategy.parameters:
        if isinstance(p, IntParameter):
            values[p.name] = draw(st.integers(p.low, p.high))
        elif isinstance(p, FloatParameter):
            top = p.low + (p.high - p.low) / 8 if "threshold" in p.name else p.high
            values[p.name] = draw(st.floats(p.low, top))
        elif isinstance(p, ChoiceParameter):
            values[p.name] = draw(st.sampled_from(p.choices))
    return values


def assert_identical(found: BacktestResult, alone: BacktestResult) -> None:
    assert found.metrics == alone.metrics
    assert found.trades.tobytes() == alone.trades.tobytes()
    for name in DAILY:
        assert getattr(found, name).tobytes() == getattr(alone, name).tobytes(), name


@pytest.mark.parametrize("name", BUILTIN_STRATEGIES)
@settings(max_examples=12, deadline=None)
@given(data=st.data(), cell=st.sampled_from(["1m", "1m@15m", "5m@1h"]))
def test_함께_돌린_것이_하나씩_돌린_것과_비트까지_같다(
    name: str, data: st.DataObject, cell: str
) -> None:
    """토막(2048봉)의 경계를 둘 넘는 자료와, 첫 신호보다 짧을 수 있는 자료에서 LANES보다 많은 조합."""
    strategy = load_strategy(name)
    bars = market(cell, data.draw(st.sampled_from([5000, 600])))
    batch = data.draw(st.lists(one_of(strategy), min_size=2, max_size=engine.LANES + 2))
    together = run_batch(bars, strategy, batch, CostModel(), Workspace())
    for params, found in zip(batch, together, strict=True):
        assert_identical(found, run_backtest(bars, strategy, params, CostModel()))


def test_토막보다_긴_길이의_조합이_섞여도_같다() -> None:
    """탐색 공간을 넓힌 사람의 길이: 그 조합의 토막만 길어지고 나머지는 그대로다."""
    strategy = load_strategy("squeeze_momentum")
    base = {p.name: p.default for p in strategy.parameters} | {"use_gate": False, "threshold": 0.0}
    batch = [base, base | {"kc_len": 2500, "osc_len": 300}, base | {"kc_len": 9}]
    bars = market("1m@15m", 5000)
    assert isinstance(strategy, BatchStrategy)
    together = run_batch(bars, strategy, batch, CostModel())
    for params, found in zip(batch, together, strict=True):
        assert_identical(found, run_backtest(bars, strategy, params, CostModel()))
    assert len(together[0].trades) > 10
    assert len(together[1].trades) > 0


def test_함께_도는_신호는_앞선_묶음의_찌꺼기를_보지_않는다() -> None:
    """같은 Workspace로 다른 묶음을 먼저 돌려도, 자료가 짧아져도 같다."""
    strategy = load_strategy("squeeze_momentum")
    base = {p.name: p.default for p in strategy.parameters} | {"use_gate": False, "threshold": 0.0}
    space = Workspace()
    other = [base | {"kc_len": 100, "exit_fade": True, "fade_bars": 9} for _ in range(5)]
    run_batch(market("1m@15m", 5000), strategy, other, CostModel(), space)
    bars = market("1m@15m", 600)
    found = run_batch(bars, strategy, [base, other[0]], CostModel(), space)
    for params, result in zip([base, other[0]], found, strict=True):
        assert_identical(result, run_backtest(bars, strategy, params, CostModel()))


def test_나쁜_조합은_어느_것인지_밝힌다() -> None:
    strategy = load_strategy("squeeze_momentum")
    good = {p.name: p.default for p in strategy.parameters}
    bad = good | {"detrend_style": "없는 것"}
    with pytest.raises(RunError, match="신호를 만들지 못했습니다") as caught:
        run_batch(market("1m@15m", 600), strategy, [good, bad], CostModel())
    assert "없는 것" in str(caught.value.fix)


def test_신호의_배열은_cache_line에_맞고_다시_쓴다() -> None:
    space = Workspace()
    first = space.rows("x", 3, 100, np.int8)
    assert first.shape == (3, 100)
    assert first.ctypes.data % 64 == 0
    assert space.rows("x", 2, 50, np.int8).ctypes.data == first.ctypes.data
    assert space.rows("x", 40, 100, np.float64).ctypes.data % 64 == 0
