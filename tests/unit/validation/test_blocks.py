"""블록의 글: 줄였다 풀어도 어떤 합집합의 평균·분산·Sharpe와 시행 사이의 상관이 남는다."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from optimize.validation.blocks import (
    GROUPS,
    block_count,
    block_counts,
    decode_blocks,
    encode_blocks,
    sharpe_of,
)

RETURNS = arrays(
    np.float64,
    st.integers(1, 900),
    elements=st.floats(-0.9, 9.0, allow_subnormal=False),
)


@settings(deadline=None, max_examples=50)
@given(RETURNS, st.data())
def test_any_union_of_blocks_keeps_mean_and_variance(returns, data):
    blocks = decode_blocks(encode_blocks(returns))
    count = block_count(len(returns))
    chosen = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    pick = sorted(chosen)
    edges = [i * len(returns) // count for i in range(count + 1)]
    days = np.concatenate([returns[edges[i] : edges[i + 1]] for i in pick])
    assert blocks.days == len(returns)
    assert blocks.counts[pick].sum() == len(days)
    scale = np.sqrt((days**2).sum()) + 1e-12
    assert blocks.sums[pick].sum() == pytest.approx(days.sum(), abs=1e-6 * len(days) * scale)
    assert blocks.squares[pick].sum() == pytest.approx((days**2).sum(), rel=1e-6, abs=1e-40)


@pytest.mark.parametrize("days", [2, 5, 15, 16, 17, 47, 48, 90, 366, 3000])
def test_sharpe_skew_and_kurtosis_survive(days):
    returns = np.random.default_rng(days).standard_t(4, days) * 0.02 + 0.001
    blocks = decode_blocks(encode_blocks(returns))
    assert blocks.sharpe() == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-4)
    away = returns - returns.mean()
    assert blocks.skew == pytest.approx((away**3).mean() / returns.std() ** 3, rel=1e-5)
    assert blocks.kurtosis == pytest.approx((away**4).mean() / returns.std() ** 4, rel=1e-5)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 5000))
def test_blocks_regroup_into_sixteen_and_stay_small(days):
    count = block_count(days)
    counts = block_counts(days)
    assert counts.sum() == days
    assert counts.min() >= 1
    assert len(counts) == count
    assert len(encode_blocks(np.full(days, 0.01))) <= 600
    if days < GROUPS:
        assert count == days
        return
    assert count % GROUPS == 0
    grouped = counts.reshape(GROUPS, -1).sum(axis=1)
    edges = np.arange(GROUPS + 1) * days // GROUPS
    assert grouped.tolist() == np.diff(edges).tolist()


def test_correlation_between_trials_survives():
    draw = np.random.default_rng(3)
    common = draw.normal(0, 0.01, 480)
    one, two = common + draw.normal(0, 0.005, 480), common + draw.normal(0, 0.005, 480)
    sums = np.array([decode_blocks(encode_blocks(r)).sums for r in (one, two)])
    exact = np.corrcoef(one.reshape(48, -1).sum(axis=1), two.reshape(48, -1).sum(axis=1))
    assert np.corrcoef(sums) == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.01, -0.5, 1e-9])
def test_unmoving_returns_have_no_sharpe_and_a_normal_shape(value):
    blocks = decode_blocks(encode_blocks(np.full(100, value)))
    assert (blocks.sharpe(), blocks.skew, blocks.kurtosis) == (0.0, 0.0, 3.0)


def test_one_day_has_no_sharpe():
    assert decode_blocks(encode_blocks(np.array([0.1]))).sharpe() == 0.0
    assert float(sharpe_of(0.0, 0.0, 0.0)) == 0.0


def test_no_days_is_no_text():
    assert encode_blocks(np.zeros(0)) == ""


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_unusable_returns_are_refused(bad):
    with pytest.raises(ValueError, match="유한하지"):
        encode_blocks(np.array([0.0, bad, 0.1]))


@pytest.mark.parametrize("text", ["", "2abcd", "1", "1AAAA", "1" + "A" * 40, "1한글"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match=r"."):
        decode_blocks(text)


def test_returns_too_small_for_their_moments_do_not_move():
    """분산의 거듭제곱이 0이 되는 수익률에 나눗셈이 죽지 않는다(hypothesis가 찾은 것)."""
    blocks = decode_blocks(encode_blocks(np.array([1.8e-116, 0.0])))
    assert (blocks.skew, blocks.kurtosis) == (0.0, 3.0)
