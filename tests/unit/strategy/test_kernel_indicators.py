"""지표가 창마다 처음부터 세는 느린 참조와 같음, 평평한 값에서 오차가 쌓이지 않음을 보인다."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import plain_indicators as plain
from reference.builders import random_candles

from optimize.strategy import indicators as ta

PAIRS: dict[str, tuple[Callable[..., np.ndarray], Callable[..., list[float | None]]]] = {
    "sma": (ta.sma_nb, plain.sma),
    "wma": (ta.wma_nb, plain.wma),
    "hma": (ta.hma_nb, plain.hma),
    "stdev": (ta.stdev_nb, plain.std),
    "highest": (ta.highest_nb, plain.highest),
    "lowest": (ta.lowest_nb, plain.lowest),
    "linreg": (ta.linreg_nb, plain.linreg_end),
}


def known(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values])


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 60) | st.integers(1000, 1300),
    length=st.integers(1, 40),
    leading=st.integers(0, 5),
    level=st.sampled_from([1e-4, 1.0, 60_000.0]),
)
def test_창_지표가_참조와_같다(
    name: str, seed: int, n: int, length: int, leading: int, level: float
) -> None:
    """토막(1024)의 경계와 앞쪽의 NaN을 넘는다."""
    x = level * (1 + 0.01 * np.random.default_rng(seed).normal(size=n).cumsum())
    x[:leading] = np.nan
    fast, slow = PAIRS[name]
    expected = known(slow([None if np.isnan(v) else float(v) for v in x], length))
    np.testing.assert_allclose(fast(x, length), expected, rtol=1e-9, atol=1e-9 * level)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 2200), length=st.integers(1, 60))
def test_지수_평활과_atr와_heikin_ashi가_참조와_같다(seed: int, n: int, length: int) -> None:
    c = random_candles(seed, n)
    o, h, low, close = (getattr(c, k).tolist() for k in ("open", "high", "low", "close"))
    ema = known(plain.smooth(close, 2 / (length + 1)))
    ema[: length - 1] = np.nan
    np.testing.assert_allclose(ta.ema_nb(c.close, length), ema, rtol=1e-11)
    np.testing.assert_allclose(ta.rma_nb(c.close, length), known(plain.wilder(close, length)))
    ranges = plain.true_range(h, low, close)
    np.testing.assert_allclose(ta.true_range_nb(c.high, c.low, c.close), ranges, atol=1e-12)
    np.testing.assert_allclose(
        ta.atr_nb(c.high, c.low, c.close, length), known(plain.wilder(ranges, length)), rtol=1e-9
    )
    ours = ta.heikin_ashi_nb(c.open, c.high, c.low, c.close)
    for a, b in zip(ours, plain.heikin_ashi(o, h, low, close), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def test_큰_값_뒤의_평평한_구간에서_표준편차와_평균에_찌꺼기가_없다() -> None:
    """더하고 빼며 미는 방식은 여기서 오차를 남긴다."""
    x = np.concatenate((np.random.default_rng(0).normal(1e9, 1e6, 5000), np.full(3000, 0.25)))
    assert np.all(ta.sma_nb(x, 50)[5050:] == 0.25)
    np.testing.assert_allclose(ta.stdev_nb(x, 50)[5050 + 2048 :], 0.0, atol=1e-12)
    assert np.all(ta.linreg_nb(x, 50)[5050:] == pytest.approx(0.25, abs=1e-15))


@pytest.mark.parametrize("name", [*PAIRS, "ema", "rma"])
def test_자료보다_긴_창은_모두_NaN이고_1보다_짧은_창은_거절한다(name: str) -> None:
    fast = getattr(ta, f"{name}_nb")
    assert np.isnan(fast(np.arange(5.0), 6)).all()
    with pytest.raises(ValueError, match="1 이상"):
        fast(np.arange(5.0), 0)


def test_HTF의_값은_닫힌_뒤에만_LTF에_보인다() -> None:
    index = np.array([-1, -1, 0, 0, 1], dtype=np.int32)
    found = ta.on_ltf(np.array([10.0, 20.0]), index)
    np.testing.assert_array_equal(found, [np.nan, np.nan, 10.0, 10.0, 20.0])


def test_위로_넘음은_앞_봉에서_같거나_아래였을_때뿐이다() -> None:
    a = np.array([1.0, 2.0, 3.0, 3.0, np.nan, 5.0])
    b = np.array([2.0, 2.0, 2.0, 3.0, 3.0, 3.0])
    assert ta.crossed_above_nb(a, b).tolist() == [False, False, True, False, False, False]
