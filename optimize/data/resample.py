"""바탕 봉에서 LTF·HTF 봉 만들기와 HTF가 보이는 때. 순수 numpy, 한 번만 계산해 캐시한다.

봉은 epoch(UTC)에 맞춘다. 주 단위만 월요일 00:00 UTC에 연다(거래소들의 관례).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from optimize.data.dataset import Candles
from optimize.data.timeframes import Timeframe

_Value = TypeVar("_Value", bound=np.generic)
_WEEK_MINUTES = 10080
# 1970-01-05 00:00 UTC가 첫 월요일이다.
_FIRST_MONDAY_MS = 4 * 86_400_000


def anchor_ms(timeframe: Timeframe) -> int:
    """봉들이 맞춰 서는 기준 시각(UTC ms)."""
    return _FIRST_MONDAY_MS if timeframe.minutes % _WEEK_MINUTES == 0 else 0


def resample(base: Candles, base_ms: int, target: Timeframe) -> Candles:
    """빈틈없는 바탕 봉(간격 base_ms, 길이 b)을 target 봉으로 묶는다.

    바탕 봉이 모자라는 처음과 마지막 봉은 버린다. 묶인 봉이 모두 채운 봉일 때만 filled다.
    target은 base_ms의 정수배여야 한다.
    """
    step = target.ms
    ratio = step // base_ms
    if ratio == 1:
        return base
    anchor = anchor_ms(target)
    first_open = int(base.open_time[0]) if len(base) else 0
    skipped = (-(first_open - anchor) % step) // base_ms
    count = max(0, (len(base) - skipped) // ratio)
    used = slice(skipped, skipped + count * ratio)

    def blocks(values: NDArray[_Value]) -> NDArray[_Value]:
        return values[used].reshape(count, ratio)

    return Candles(
        open_time=np.ascontiguousarray(blocks(base.open_time)[:, 0]),
        open=np.ascontiguousarray(blocks(base.open)[:, 0]),
        high=blocks(base.high).max(axis=1),
        low=blocks(base.low).min(axis=1),
        close=np.ascontiguousarray(blocks(base.close)[:, -1]),
        volume=blocks(base.volume).sum(axis=1),
        filled=np.logical_and.reduce(blocks(base.filled), axis=1),
    )


def visible_htf(
    ltf_open: NDArray[np.int64], ltf_ms: int, htf_open: NDArray[np.int64], htf_ms: int
) -> NDArray[np.int32]:
    """LTF 봉마다 그 봉이 닫힐 때 이미 닫혀 있는 마지막 HTF 봉의 번호, 없으면 -1.

    int32[n]. T + HTF ≤ t + LTF, 곧 HTF 봉 T는 LTF 봉 T + HTF − LTF부터 보인다.
    """
    index = np.searchsorted(htf_open + htf_ms, ltf_open + ltf_ms, side="right") - 1
    return index.astype(np.int32)


def base_offsets(
    ltf_open: NDArray[np.int64], ltf_ms: int, base_open: NDArray[np.int64]
) -> NDArray[np.int64]:
    """int64[n+1]: LTF 봉 i를 이루는 바탕 봉은 base[offsets[i]:offsets[i+1]]."""
    edges = np.append(ltf_open, ltf_open[-1:] + ltf_ms)
    return np.searchsorted(base_open, edges, side="left").astype(np.int64)
