"""손으로 지은 여덟 칸 반복문이 글대로의 셈과 같고, 어떻게 잘라 불러도 비트까지 같다."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.builders import dataset, random_candles

from optimize.backtest.altered import truncated
from optimize.strategy.ema_nb import ema_block_nb, ema_pair_block_nb
from optimize.strategy.levels_nb import (
    linreg_end_nb,
    max_levels_nb,
    min_levels_nb,
    ramp_levels_nb,
    sum_levels_nb,
    wma_pair_nb,
)
from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter
from optimize.strategy.registry import BUILTIN_STRATEGIES, load_strategy

LO = 360


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.integers(1, 90), alpha=st.floats(0.005, 0.99))
def test_지수_이동_평균이_점화식과_같고_잘라도_비트까지_같다(
    seed: int, size: int, alpha: float
) -> None:
    lo, hi = 16, 16 + size
    src = np.random.default_rng(seed).normal(100.0, 1.0, (2, hi + 8))
    src[:, :lo] = src[:, :1]
    whole, parts, left, right = (np.zeros(hi + 8) for _ in range(4))
    for row, source in ((whole, 0), (parts, 0), (left, 0), (right, 1)):
        row[:lo] = src[source, 0]
    ema_block_nb(src[0], lo, hi, alpha, whole)
    cut = lo + size // 3
    ema_block_nb(src[0], lo, cut, alpha, parts)
    ema_block_nb(src[0], cut, hi, alpha, parts)
    assert parts[lo:hi].tobytes() == whole[lo:hi].tobytes()
    ema_pair_block_nb(src[0], src[1], lo, hi, alpha, 0.3, left, right)
    assert left[lo:hi].tobytes() == whole[lo:hi].tobytes()
    value = src[0, 0]
    for k in range(lo, hi):
        value = (1.0 - alpha) * value + alpha * src[0, k]
        assert whole[k] == pytest.approx(value, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), w=st.integers(2, 260), size=st.integers(1, 90))
def test_창의_표가_하나씩_센_것과_같다(seed: int, w: int, size: int) -> None:
    hi, depth = LO + size, w.bit_length()
    src = np.random.default_rng(seed).normal(0.0, 1.0, hi + 8)
    tables = np.full((5, depth, hi + 8), np.nan)
    tables[:, 0] = src
    tops, bottoms, totals, sums, ramps = tables
    ramps[0] = 0.0
    mask = (2 << depth) - 1
    max_levels_nb(tops, LO, hi, w, mask)
    min_levels_nb(bottoms, LO, hi, w, mask)
    sum_levels_nb(totals, LO, hi, w, mask)
    ramp_levels_nb(src, LO, hi, w, mask, sums, ramps)
    for level in range(1, depth):
        length = 1 << level
        for k in range(LO - w + length, hi):
            part = src[k - length + 1 : k + 1]
            assert tops[level, k] == part.max()
            assert bottoms[level, k] == part.min()
            assert totals[level, k] == sums[level, k] == pytest.approx(part.sum(), abs=1e-11)
            assert ramps[level, k] == pytest.approx(
                part[::-1] @ np.arange(length), rel=1e-10, abs=1e-9
            )


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    w=st.integers(1, 300),
    size=st.integers(1, 700),
    data=st.data(),
)
def test_회귀와_가중_평균이_글대로의_셈과_같고_잘라도_비트까지_같다(
    seed: int, w: int, size: int, data: st.DataObject
) -> None:
    """ring에 두는 길이(128 미만)와 그보다 긴 것, 한 번에 셈하는 두 창, out의 앞을 건드리지 않음."""
    hi, v = LO + size, data.draw(st.integers(0, w))
    src = np.random.default_rng(seed).normal(0.0, 1.0, hi + 8)
    sums, ramps = np.zeros((2, w.bit_length(), hi + 8))
    spare, out = np.zeros((4, max(hi + 8, 2048))), np.full((6, hi + 8), np.nan)
    cut = data.draw(st.integers(LO, hi))
    for end, rows in ((hi, out[:3]), (cut, out[3:])):
        linreg_end_nb(src, sums, ramps, LO, end, w, spare, rows[0])
        wma_pair_nb(src, sums, ramps, LO, end, w, v, spare, rows[1], rows[2])
    assert out[:3, LO:cut].tobytes() == out[3:, LO:cut].tobytes()
    assert np.isnan(out[:, :LO]).all()
    for k in range(LO, hi):
        part, x = src[k - w + 1 : k + 1], np.arange(w)
        line = np.polyval(np.polyfit(x, part, 1), w - 1) if w > 1 else part[0]
        assert out[0, k] == pytest.approx(line, abs=1e-9)
        assert out[1, k] == pytest.approx(np.average(part, weights=x + 1), abs=1e-10)
        if v > 0:
            other = np.average(part[w - v :], weights=np.arange(v) + 1)
            assert out[2, k] == pytest.approx(other, abs=1e-10)


@pytest.mark.parametrize("name", BUILTIN_STRATEGIES)
@settings(max_examples=8, deadline=None)
@given(values=st.randoms(use_true_random=False), cut=st.integers(700, 4900))
def test_뒤를_자른_신호는_앞이_비트까지_같다(name: str, values: object, cut: int) -> None:
    """탐색 공간 전체의 무작위 조합에서 네 배열 모두."""
    strategy, data = load_strategy(name), dataset(random_candles(5, 5000), "1m@15m")
    params = {}
    for p in strategy.parameters:
        if isinstance(p, ChoiceParameter):
            params[p.name] = values.choice(p.choices)  # type: ignore[attr-defined]
        elif isinstance(p, IntParameter):
            params[p.name] = values.randint(p.low, p.high)  # type: ignore[attr-defined]
        elif isinstance(p, FloatParameter):
            params[p.name] = values.uniform(p.low, p.high)  # type: ignore[attr-defined]
    whole, part = strategy.signals(data, params), strategy.signals(truncated(data, cut), params)
    for field in ("entry", "exit_long", "exit_short", "atr"):
        a, b = getattr(whole, field), getattr(part, field)
        assert (a is None) == (b is None)
        assert a is None or a[:cut].tobytes() == b.tobytes(), field
