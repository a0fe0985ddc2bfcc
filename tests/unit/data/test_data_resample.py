"""묶기와 빈 봉 채우기와 점검을, 한 봉씩 도는 순진한 파이썬과 견준다."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optimize.data.dataset import Candles
from optimize.data.demo import make_demo
from optimize.data.period import parse_start
from optimize.data.quality import assess, clean, fill_gaps
from optimize.data.resample import base_offsets, resample, visible_htf
from optimize.data.timeframes import parse_timeframe

MINUTE = 60_000
START = parse_start("2024-01-01")


def keep(candles: Candles, mask: np.ndarray) -> Candles:
    return Candles(*(getattr(candles, name)[mask] for name in Candles.__dataclass_fields__))


@settings(max_examples=80, deadline=None)
@given(
    offset=st.integers(0, 3000),
    bars=st.integers(1, 4000),
    minutes=st.sampled_from([1, 3, 5, 7, 15, 60, 240, 1440]),
    seed=st.integers(0, 50),
)
def test_묶은_봉은_한_봉씩_센_것과_같고_온전한_봉뿐이다(
    offset: int, bars: int, minutes: int, seed: int
) -> None:
    base = make_demo("BTCUSDT", seed, START + offset * MINUTE, bars)
    step = minutes * MINUTE
    groups: dict[int, list[int]] = {}
    for i, moment in enumerate(base.open_time.tolist()):
        groups.setdefault(moment // step * step, []).append(i)
    whole = {moment: rows for moment, rows in groups.items() if len(rows) == minutes}
    found = resample(base, MINUTE, parse_timeframe(f"{minutes}m"))
    assert found.open_time.tolist() == sorted(whole)
    for j, moment in enumerate(sorted(whole)):
        rows = whole[moment]
        assert found.open[j] == base.open[rows[0]]
        assert found.close[j] == base.close[rows[-1]]
        assert found.high[j] == max(base.high[rows])
        assert found.low[j] == min(base.low[rows])
        np.testing.assert_allclose(found.volume[j], sum(base.volume[rows]), rtol=1e-12)


def test_주봉은_월요일_0시_UTC에_연다() -> None:
    base = make_demo("BTCUSDT", 1, parse_start("2024-01-03"), 21 * 1440)
    weekly = resample(base, MINUTE, parse_timeframe("1w"))
    assert weekly.open_time.tolist() == [parse_start("2024-01-08"), parse_start("2024-01-15")]


@settings(max_examples=80, deadline=None)
@given(
    offset=st.integers(0, 600),
    bars=st.integers(50, 3000),
    ltf=st.sampled_from([1, 5, 15]),
    ratio=st.sampled_from([3, 4, 12]),
)
def test_보이는_HTF는_이미_닫힌_마지막_봉이다(offset: int, bars: int, ltf: int, ratio: int) -> None:
    base = make_demo("BTCUSDT", 2, START + offset * MINUTE, bars)
    fine = resample(base, MINUTE, parse_timeframe(f"{ltf}m"))
    coarse = resample(base, MINUTE, parse_timeframe(f"{ltf * ratio}m"))
    index = visible_htf(fine.open_time, ltf * MINUTE, coarse.open_time, ltf * ratio * MINUTE)
    for i, moment in enumerate(fine.open_time.tolist()):
        now = moment + ltf * MINUTE
        closed = [
            j for j, t in enumerate(coarse.open_time.tolist()) if t + ltf * ratio * MINUTE <= now
        ]
        assert index[i] == (closed[-1] if closed else -1)


def test_바탕_봉의_자리는_처음의_모자란_봉을_건너뛴다() -> None:
    base = make_demo("BTCUSDT", 2, START + 4 * MINUTE, 100)
    fine = resample(base, MINUTE, parse_timeframe("15m"))
    offsets = base_offsets(fine.open_time, 15 * MINUTE, base.open_time)
    assert offsets.tolist() == [11, 26, 41, 56, 71, 86]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_채운_봉은_직전_종가로_평평하고_있던_봉은_그대로다(data: st.DataObject) -> None:
    whole = make_demo("BTCUSDT", 3, START, 200)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=200, max_size=200)))
    mask[[0, -1]] = True
    filled = fill_gaps(keep(whole, mask), MINUTE)
    assert len(filled) == 200
    np.testing.assert_array_equal(filled.filled, ~mask)
    last = None
    for i in range(200):
        if mask[i]:
            last = whole.close[i]
            assert filled.high[i] == whole.high[i]
            assert filled.volume[i] == whole.volume[i]
        else:
            assert filled.open[i] == filled.high[i] == filled.low[i] == filled.close[i] == last
            assert filled.volume[i] == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 120), min_size=2, max_size=80))
def test_점검의_수는_하나씩_센_것과_같다(minutes: list[int]) -> None:
    """겹친 시각과 빈 봉."""
    if len(set(minutes)) < 2:
        return
    whole = make_demo("BTCUSDT", 4, START, 121)
    candles = keep(whole, np.array(minutes))
    quality = assess(candles, MINUTE)
    unique = sorted(set(minutes))
    assert quality.duplicates == len(minutes) - len(unique)
    assert quality.missing == unique[-1] - unique[0] + 1 - len(unique)
    assert quality.gap_count == sum(b - a > 1 for a, b in pairwise(unique))
    tidy = clean(candles, quality, floor_off_grid=False)
    assert tidy.open_time.tolist() == [START + m * MINUTE for m in unique]


def test_내림해서_한_자리에_모인_봉은_합친다() -> None:
    times = np.array([START, START + 20_000, START + MINUTE], dtype=np.int64)
    candles = Candles(
        times,
        np.array([10.0, 11.0, 12.0]),
        np.array([15.0, 18.0, 13.0]),
        np.array([9.0, 10.0, 11.0]),
        np.array([11.0, 12.0, 12.5]),
        np.array([1.0, 2.0, 3.0]),
        np.zeros(3, dtype=np.bool_),
    )
    quality = assess(candles, MINUTE)
    assert quality.off_grid == 1
    floored = clean(candles, quality, floor_off_grid=True)
    assert floored.open_time.tolist() == [START, START + MINUTE]
    assert [floored.open[0], floored.high[0], floored.low[0], floored.close[0]] == [10, 18, 9, 12]
    assert floored.volume[0] == 3
