"""미래를 자르거나 바꿔도 앞의 신호가 변하지 않음을, 그리고 새는 전략은 잡아냄을 보인다."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.builders import REAL_2024, dataset, random_candles, real_candles, truncated

from optimize.backtest.altered import perturbed, window
from optimize.backtest.lookahead import find_leaks
from optimize.data.dataset import Candles, Dataset
from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter
from optimize.strategy.protocol import Signals, Strategy
from optimize.strategy.registry import BUILTIN_STRATEGIES, load_strategy

ARRAYS = ("entry", "exit_long", "exit_short", "atr")


@st.composite
def full_params(draw: st.DrawFn, strategy: Strategy) -> dict[str, Any]:
    """탐색 공간 전체에서 뽑은 파라미터(긴 창은 자료에 맞게 줄인다)."""
    values: dict[str, Any] = {}
    for p in strategy.parameters:
        if isinstance(p, IntParameter):
            values[p.name] = draw(st.integers(p.low, max(p.low, min(p.high, 150))))
        elif isinstance(p, FloatParameter):
            values[p.name] = draw(st.floats(p.low, p.low + (p.high - p.low) / 4))
        elif isinstance(p, ChoiceParameter):
            values[p.name] = draw(st.sampled_from(p.choices))
    return values


def assert_unmoved(whole: Signals, part: Signals, bars: int) -> None:
    """앞 bars봉의 신호와 ATR이 비트까지 같다."""
    for name in ARRAYS:
        a, b = getattr(whole, name), getattr(part, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a[:bars], b[:bars], err_msg=name)
    for name in ("stop_atr", "trail_atr", "target_atr", "max_bars"):
        assert getattr(whole, name) == getattr(part, name)


@pytest.mark.parametrize("name", BUILTIN_STRATEGIES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_내장_전략은_무작위_봉에서_뒤를_자르거나_바꿔도_앞이_비트까지_같다(
    name: str, data: st.DataObject
) -> None:
    strategy = load_strategy(name)
    params = data.draw(full_params(strategy))
    market = dataset(
        random_candles(data.draw(st.integers(0, 2**31)), 3300),
        data.draw(st.sampled_from(["1m", "1m@15m", "1m@7m", "5m@15m"])),
    )
    whole = strategy.signals(market, params)
    rng = np.random.default_rng(1)
    for cut in data.draw(st.lists(st.integers(2, len(market.ltf)), min_size=2, max_size=4)):
        assert_unmoved(whole, strategy.signals(truncated(market, cut), params), cut)
        assert_unmoved(whole, strategy.signals(perturbed(market, cut, rng), params), cut)


@pytest.mark.skipif(not REAL_2024.exists(), reason=f"실제 캔들이 없습니다: {REAL_2024}")
@pytest.mark.parametrize("cell", ["1m@15m", "1m@1h"])
def test_실제_캔들에서_신호가_나온_봉마다_자르면_그대로다(cell: str) -> None:
    """신호가 나오는 봉 바로 뒤가 가장 새기 쉽다."""
    strategy = load_strategy("squeeze_momentum")
    params = {p.name: p.default for p in strategy.parameters}
    market = dataset(real_candles(260_000, 12_000), cell)
    whole = strategy.signals(market, params)
    fired = np.flatnonzero(whole.entry)
    assert len(fired) > 10
    for bar in fired[:: max(1, len(fired) // 40)]:
        cut = int(bar) + 1
        part = strategy.signals(truncated(market, cut), params)
        assert_unmoved(whole, part, cut)
        assert part.entry[bar] != 0


class Leaky:
    """다음 봉의 종가를 보고 들어가는 나쁜 전략."""

    name = "leaky"
    parameters = ()

    def signals(self, dataset: Dataset, params: Mapping[str, Any]) -> Signals:
        close = dataset.ltf.close
        nothing = np.zeros(len(close), dtype=bool)
        entry = np.zeros(len(close), dtype=np.int8)
        entry[:-1] = np.sign(np.diff(close))
        return Signals(entry, nothing, nothing)


class HtfLeaky(Leaky):
    """아직 닫히지 않은 HTF 봉의 종가를 보는 나쁜 전략."""

    name = "htf_leaky"

    def signals(self, dataset: Dataset, params: Mapping[str, Any]) -> Signals:
        assert dataset.htf is not None
        assert dataset.htf_index is not None
        n, m = len(dataset.ltf), len(dataset.htf)
        unfinished = np.minimum(dataset.htf_index + 1, m - 1)
        entry = np.where(dataset.ltf.close < dataset.htf.close[unfinished], 1, -1)
        nothing = np.zeros(n, dtype=bool)
        return Signals(entry.astype(np.int8), nothing, nothing)


class Normalised(Leaky):
    """손절 거리를 자료 전체의 변동성으로 정하는 나쁜 전략."""

    name = "normalised"

    def signals(self, dataset: Dataset, params: Mapping[str, Any]) -> Signals:
        n = len(dataset.ltf)
        nothing = np.zeros(n, dtype=bool)
        rule = float(np.std(dataset.ltf.close))
        return Signals(np.zeros(n, np.int8), nothing, nothing, np.ones(n), stop_atr=rule)


@pytest.mark.parametrize(
    ("strategy", "field"), [(Leaky(), "entry"), (HtfLeaky(), "entry"), (Normalised(), "stop_atr")]
)
def test_미래를_보는_전략은_봉과_값을_대며_잡힌다(strategy: Any, field: str) -> None:
    market = dataset(random_candles(5, 600), "1m@15m")
    leaks = list(find_leaks(market, strategy, {}, rounds=20, seed=1))
    assert leaks
    assert {leak.field for leak in leaks} == {field}
    for leak in leaks:
        assert leak.bar is None or leak.bar < leak.cut
        assert leak.whole != leak.partial
        assert field in str(leak)
        assert str(leak.cut) in str(leak)


@pytest.mark.parametrize("name", BUILTIN_STRATEGIES)
def test_내장_전략에서는_새는_곳을_찾지_못한다(name: str) -> None:
    strategy = load_strategy(name)
    params = {p.name: p.default for p in strategy.parameters}
    market = dataset(random_candles(6, 4000), "5m@15m")
    seen: list[tuple[int, int]] = []
    leaks = find_leaks(
        market, strategy, params, rounds=8, seed=2, on_progress=lambda a, b: seen.append((a, b))
    )
    assert list(leaks) == []
    assert seen[-1] == (8, 8)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_토막의_신호는_그_토막만_가진_자료의_신호와_같다(data: st.DataObject) -> None:
    """window가 HTF와 바탕 봉의 번호를 옳게 옮긴다: 처음부터 그 봉만으로 지은 자료와 견준다."""
    cell = data.draw(st.sampled_from(["1m@15m", "5m@15m", "1m"]))
    step = 15
    base = random_candles(data.draw(st.integers(0, 2**31)), 900)
    whole = dataset(base, cell)
    ratio = 5 if cell.startswith("5m") else 1
    first = data.draw(st.integers(0, 20)) * step
    bars = data.draw(st.integers(2, 20)) * step
    part = window(whole, first // ratio, bars // ratio)
    alone = dataset(
        Candles(*(getattr(base, name)[first : first + bars] for name in Candles.__slots__)), cell
    )
    for name in ("ltf", "htf", "base"):
        found, wanted = getattr(part, name), getattr(alone, name)
        assert (found is None) == (wanted is None)
        if found is not None:
            for column in Candles.__slots__:
                np.testing.assert_array_equal(getattr(found, column), getattr(wanted, column))
    for name in ("htf_index", "base_start"):
        found, wanted = getattr(part, name), getattr(alone, name)
        assert (found is None) == (wanted is None)
        if found is not None:
            np.testing.assert_array_equal(found, wanted)
