"""자료의 한 토막과, 뒤를 자르거나 흔든 자료. 미래를 보는지 시험할 때 쓴다.

기호: n = LTF 봉 수, m = HTF 봉 수, k = 자르는 봉(봉 0 .. k-1까지 안다). HTF와 바탕 봉은 봉 k-1이
닫힐 때 이미 닫힌 것만 아는 것으로 친다. 시각은 UTC ms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optimize.data.dataset import Candles, Dataset, FundingSchedule

Part = Literal["ltf", "htf", "base", "funding"]
PARTS: tuple[Part, ...] = ("ltf", "htf", "base", "funding")
# 흔드는 폭(로그): 값을 크게 바꾸는 것과, 문턱을 넘지 않을 만큼 조금 바꾸는 것.
WILD, MILD = float(np.log(2.0)), 0.01


def window(dataset: Dataset, first: int, bars: int) -> Dataset:
    """LTF 봉 first부터 bars봉의 자료. HTF와 바탕 봉, 펀딩도 그 안에서 연 것만 남긴다."""
    last = first + bars
    if first == 0 and last >= len(dataset.ltf):
        return dataset
    ltf = _cut(dataset.ltf, first, last)
    start = int(ltf.open_time[0])
    end = dataset.ref.end_ms if last >= len(dataset.ltf) else int(dataset.ltf.open_time[last])
    htf, index = dataset.htf, dataset.htf_index
    if htf is not None and index is not None:
        low, high = (int(at) for at in np.searchsorted(htf.open_time, [start, end]))
        htf, index = _cut(htf, low, high), np.maximum(index[first:last] - low, -1).astype(np.int32)
        index.flags.writeable = False
    base, starts = dataset.base, dataset.base_start
    if base is not None and starts is not None:
        low, high = int(starts[first]), int(starts[last])
        base, starts = _cut(base, low, high), starts[first : last + 1] - low
        starts.flags.writeable = False
    ref = replace(dataset.ref, bars=len(ltf), start_ms=start, end_ms=end)
    return Dataset(ref, ltf, htf, index, base, starts, _between(dataset.funding, start, end))


def truncated(dataset: Dataset, bars: int) -> Dataset:
    """LTF bars봉까지만 아는 자료. 1 이상 n 이하."""
    seen, subs = _known(dataset, bars)
    whole = bars == len(dataset.ltf)
    end = dataset.ref.end_ms if whole else int(dataset.ltf.open_time[bars])
    return Dataset(
        replace(dataset.ref, bars=bars, end_ms=end),
        _cut(dataset.ltf, 0, bars),
        None if dataset.htf is None else _cut(dataset.htf, 0, seen),
        None if dataset.htf_index is None else dataset.htf_index[:bars],
        None if dataset.base is None else _cut(dataset.base, 0, subs),
        None if dataset.base_start is None else dataset.base_start[: bars + 1],
        _between(dataset.funding, 0, end),
    )


def perturbed(
    dataset: Dataset,
    bars: int,
    rng: np.random.Generator,
    *,
    spread: float = WILD,
    parts: tuple[Part, ...] = PARTS,
) -> Dataset:
    """LTF bars봉 뒤의 값을 무작위로 바꾼 자료. spread: 가격에 곱하는 배수의 로그 폭. parts: 바꿀 것."""
    seen, subs = _known(dataset, bars)
    ltf, htf, base, funding = dataset.ltf, dataset.htf, dataset.base, dataset.funding
    if "ltf" in parts:
        ltf = _shaken(ltf, bars, rng, spread)
    if htf is not None and "htf" in parts:
        htf = _shaken(htf, seen, rng, spread)
    if base is not None and "base" in parts:
        base = _shaken(base, subs, rng, spread)
    if funding is not None and "funding" in parts and bars < len(ltf):
        later = funding.time >= ltf.open_time[bars]
        rate = np.where(later, funding.rate + rng.normal(0.0, 1e-3, len(later)), funding.rate)
        rate.flags.writeable = False
        funding = FundingSchedule(funding.time, rate)
    return replace(dataset, ltf=ltf, htf=htf, base=base, funding=funding)


def _known(dataset: Dataset, bars: int) -> tuple[int, int]:
    """(아는 HTF 봉 수, 아는 바탕 봉 수)."""
    seen = 0 if dataset.htf_index is None else int(dataset.htf_index[bars - 1]) + 1
    subs = 0 if dataset.base_start is None else int(dataset.base_start[bars])
    return seen, subs


def _cut(candles: Candles, first: int, last: int) -> Candles:
    return Candles(*(getattr(candles, name)[first:last] for name in Candles.__slots__))


def _between(funding: FundingSchedule | None, start: int, end: int) -> FundingSchedule | None:
    if funding is None:
        return None
    low, high = np.searchsorted(funding.time, [start, end])
    return FundingSchedule(funding.time[low:high], funding.rate[low:high])


def _shaken(candles: Candles, first: int, rng: np.random.Generator, spread: float) -> Candles:
    """first번째부터 봉마다 가격에 한 배수를 곱한다(봉 안의 고저 관계는 지켜진다). 거래량은 따로 곱한다."""
    prices, volumes = (_scales(len(candles), first, rng, spread) for _ in range(2))

    def times(values: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = values * scale
        moved.flags.writeable = False
        return moved

    return replace(
        candles,
        open=times(candles.open, prices),
        high=times(candles.high, prices),
        low=times(candles.low, prices),
        close=times(candles.close, prices),
        volume=times(candles.volume, volumes),
    )


def _scales(
    length: int, first: int, rng: np.random.Generator, spread: float
) -> NDArray[np.float64]:
    scale = np.ones(length)
    scale[first:] = np.exp(rng.uniform(-spread, spread, max(length - first, 0)))
    return scale
