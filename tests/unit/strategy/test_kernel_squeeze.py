"""squeeze_momentum의 신호와 백테스트가 따로 쓴 느린 참조와 같음을 보인다(무작위·실제 캔들)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.builders import REAL_2024, dataset, random_candles, real_candles
from reference.compare import assert_same, run_plain
from reference.plain_squeeze import squeeze_signals

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.data.dataset import Dataset
from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter
from optimize.strategy.squeeze_momentum import SqueezeMomentum

STRATEGY = SqueezeMomentum()
LONGEST = 60  # 참조가 느려 창을 줄인다


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    """탐색 공간 전체에서, 신호가 드물지 않게 문턱만 낮춘다."""
    values: dict[str, Any] = {}
    for p in STRATEGY.parameters:
        if isinstance(p, IntParameter):
            values[p.name] = draw(st.integers(max(min(2, p.low), p.low // 2), min(p.high, LONGEST)))
        elif isinstance(p, FloatParameter):
            top = p.low + (p.high - p.low) / 4 if "threshold" in p.name else p.high
            values[p.name] = draw(st.floats(p.low, top))
        elif isinstance(p, ChoiceParameter):
            values[p.name] = draw(st.sampled_from(p.choices))
    values["use_gate"] = values["use_gate"] and draw(st.booleans())
    return values


def compare(data: Dataset, params: dict[str, Any], costs: CostModel) -> int:
    """신호, 거래, 지표를 견주고 거래 수를 준다."""
    ours = STRATEGY.signals(data, params)
    plain = squeeze_signals(data, params)
    np.testing.assert_array_equal(ours.entry, plain.entry)
    np.testing.assert_array_equal(ours.exit_long, plain.exit_long)
    np.testing.assert_array_equal(ours.exit_short, plain.exit_short)
    expected = [np.nan if v is None else v for v in plain.atr]
    np.testing.assert_allclose(ours.atr, expected, rtol=1e-10)
    on = {
        "stop_atr": "use_stop", "trail_atr": "use_trail",
        "target_atr": "use_target", "max_bars": "use_time_stop",
    }  # fmt: skip
    rules = {name: params[name] if params[switch] else None for name, switch in on.items()}
    result = run_backtest(data, STRATEGY, params, costs)
    assert_same(result, run_plain(data, plain, costs, rules), data, costs)
    return len(result.trades)


@settings(max_examples=60, deadline=None)
@given(
    params=parameters(),
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 700) | st.integers(1500, 2600),
    cell=st.sampled_from(["1m", "1m@15m", "3m@15m", "5m@1h"]),
)
def test_무작위_파라미터의_신호와_거래가_참조와_같다(
    params: dict[str, Any], seed: int, n: int, cell: str
) -> None:
    n = max(n, 80)
    data = dataset(random_candles(seed, n), cell)
    compare(data, params, CostModel(leverage=2.0))


@pytest.mark.skipif(not REAL_2024.exists(), reason=f"실제 캔들이 없습니다: {REAL_2024}")
@settings(max_examples=12, deadline=None)
@given(params=parameters(), first=st.integers(0, 520_000))
def test_실제_캔들의_신호와_거래가_참조와_같다(params: dict[str, Any], first: int) -> None:
    data = dataset(real_candles(first, 2500), "1m@15m")
    compare(data, params, CostModel())


@pytest.mark.skipif(not REAL_2024.exists(), reason=f"실제 캔들이 없습니다: {REAL_2024}")
def test_기본값은_실제_캔들에서_거래한다() -> None:
    """견주는 시험이 빈 것끼리 견주지 않음을 보인다."""
    data = dataset(real_candles(100_000, 6000), "1m@15m")
    assert compare(data, {p.name: p.default for p in STRATEGY.parameters}, CostModel()) > 10
