"""체결 kernel이 따로 쓴 느린 참조와 거래마다 같음을 보인다: 무작위 신호, 비용, 펀딩, 채운 봉, 바탕 봉."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.builders import MINUTE, START, dataset, random_candles
from reference.compare import Fixed, assert_same, rules_of, run_fixed, run_plain

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import equity_curve, run_backtest, run_batch
from optimize.data.dataset import Dataset
from optimize.strategy.protocol import Signals, Workspace

distances = st.none() | st.floats(0.2, 6.0)


@st.composite
def markets(draw: st.DrawFn) -> Dataset:
    minutes = draw(st.sampled_from([1, 1, 3, 15, 240]))
    n = draw(st.integers(2, 260)) * minutes if minutes < 240 else draw(st.integers(2, 40)) * 240
    n = min(n, 9600) // minutes * minutes
    base = random_candles(
        draw(st.integers(0, 2**32 - 1)),
        n,
        volatility=draw(st.sampled_from([0.0005, 0.004, 0.03])),
        filled=draw(st.sampled_from([0.0, 0.0, 0.1])),
        gaps=draw(st.sampled_from([0.0, 0.1])),
    )
    every = draw(st.sampled_from([0, 7, 61, 480]))
    funding = None
    if every:
        rng = np.random.default_rng(n)
        funding = {START + MINUTE * int(k): float(rng.normal() * 0.002) for k in range(0, n, every)}
    rules = draw(
        st.sampled_from(
            [{}, {"tick_size": 0.01, "step_size": 0.1, "min_notional": 5.0}, {"tick_size": 0.5}]
        )
    )
    return dataset(base, f"{minutes}m", funding=funding, with_base=draw(st.booleans()), **rules)


@st.composite
def signals_for(draw: st.DrawFn, data: Dataset) -> Signals:
    n = len(data.ltf)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rate = draw(st.sampled_from([0.02, 0.3, 1.0]))
    entry = rng.choice([-1, 0, 1], n, p=[rate / 2, 1 - rate, rate / 2]).astype(np.int8)
    exits = rng.random((2, n)) < draw(st.sampled_from([0.0, 0.05, 0.4]))
    if draw(st.booleans()):
        exits[0] |= entry == -1
        exits[1] |= entry == 1
    spread = data.ltf.high - data.ltf.low
    atr = np.where(rng.random(n) < 0.02, np.nan, spread.mean() * rng.uniform(0.2, 2, n))
    atr = np.maximum.accumulate(np.nan_to_num(atr)) if draw(st.booleans()) else np.nan_to_num(atr)
    return Signals(
        entry, exits[0], exits[1], atr,
        draw(distances), draw(distances), draw(distances), draw(st.none() | st.integers(1, 30)),
    )  # fmt: skip


# 시험의 평가금(100, 10,000)이 여러 구간에 걸치게 잘다.
TIERS = [
    {"notional_cap": cap, "max_leverage": leverage, "maintenance_margin_rate": rate}
    for cap, leverage, rate in (
        (80.0, 40.0, 0.004), (500.0, 30.0, 0.01), (9_000.0, 25.0, 0.02), (60_000.0, 20.0, 0.04),
        (250_000.0, 5.0, 0.1), (1_000_000.0, 1.0, 0.5),
    )
]  # fmt: skip


costs_models = st.builds(
    CostModel,
    initial_cash=st.sampled_from([100.0, 10_000.0]),
    fee_rate=st.sampled_from([0.0, 0.0005, 0.004]),
    slippage_rate=st.sampled_from([0.0, 0.0003, 0.002]),
    leverage=st.sampled_from([1.0, 3.0, 20.0]),
    position_fraction=st.sampled_from([0.25, 1.0]),
    direction=st.sampled_from(["both", "both", "long", "short"]),
    funding=st.booleans(),
    maintenance_margin_rate=st.sampled_from([0.0, 0.004, 0.02]),
    maker_fee_rate=st.sampled_from([None, None, 0.0002, -0.0001]),
    margin_tiers=st.sampled_from(["auto", "auto", TIERS]),
)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_무작위_신호의_거래와_지표가_참조와_같다(data: st.DataObject) -> None:
    market = data.draw(markets())
    signals = data.draw(signals_for(market))
    costs = data.draw(costs_models)
    if market.ref.tick_size is not None and data.draw(st.booleans()):
        costs = CostModel(**{**_fields(costs), "slippage_ticks": 2.0})
    result = run_fixed(market, signals, costs)
    plain = run_plain(market, signals, costs, rules_of(signals))
    assert_same(result, plain, market, costs)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_봉마다의_평가금과_날마다의_평가금이_참조와_같다(data: st.DataObject) -> None:
    market = data.draw(markets())
    signals = data.draw(signals_for(market))
    costs = data.draw(costs_models)
    plain = run_plain(market, signals, costs, rules_of(signals))
    curve = equity_curve(market, Fixed(signals), {}, costs)
    np.testing.assert_allclose(curve, plain.equity, rtol=1e-9, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    trail=st.floats(2.0, 40.0),
    stop=st.none() | st.floats(2.0, 40.0),
    target=st.none() | st.floats(5.0, 60.0),
    noise=st.sampled_from([0.0, 0.01, 0.5]),
)
def test_오래_쥔_포지션의_따라가는_손절이_참조와_같다(
    seed: int, trail: float, stop: float | None, target: float | None, noise: float
) -> None:
    """열여섯 봉씩 건너뛰는 사이에 고점도 ATR도 바뀌고, ATR이 없는 봉도 있다."""
    n, rng = 1500, np.random.default_rng(seed)
    market = dataset(random_candles(seed, n, volatility=0.002), "1m")
    entry = rng.choice([-1, 0, 1], n, p=[0.01, 0.98, 0.01]).astype(np.int8)
    never = np.zeros(n, dtype=np.bool_)
    spread = (market.ltf.high - market.ltf.low).mean()
    atr = spread * (1.0 + noise * rng.uniform(-1.0, 1.0, n)) * rng.choice([0.5, 1.0, 2.0], n // 50).repeat(50)  # fmt: skip
    atr[rng.random(n) < 0.02] = np.nan
    signals = Signals(entry, never, never, atr, stop, trail, target, None)
    result = run_fixed(market, signals, CostModel())
    plain = run_plain(market, signals, CostModel(), rules_of(signals))
    assert_same(result, plain, market, CostModel())


def _fields(costs: CostModel) -> dict[str, object]:
    return {name: getattr(costs, name) for name in CostModel.__slots__}


@pytest.mark.parametrize("size", [1, 5])
def test_batch는_하나씩_돌린_것과_비트까지_같다(size: int) -> None:
    from optimize.strategy.registry import load_strategy

    market = dataset(random_candles(3, 3000), "1m@15m")
    strategy = load_strategy("squeeze_momentum")
    base = {p.name: p.default for p in strategy.parameters}
    batch = [{**base, "kc_len": 10 + k, "threshold": 0.0, "use_gate": False} for k in range(size)]
    workspace = Workspace()
    together = run_batch(market, strategy, batch, CostModel(), workspace)
    for params, found in zip(batch, together, strict=True):
        alone = run_backtest(market, strategy, params, CostModel())
        assert found.metrics == alone.metrics
        assert found.trades.tobytes() == alone.trades.tobytes()
        assert len(found.trades) > 0
