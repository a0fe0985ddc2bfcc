"""HTF 추세 거름: HTF 종가가 EMA의 어느 쪽인가. m = HTF 봉 수, n = LTF 봉 수."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimize.data.dataset import Dataset
from optimize.strategy.jit import compiled


@compiled
def htf_trend_nb(close: NDArray[np.float64], length: int) -> NDArray[np.int8]:
    """종가가 EMA(length) 위면 +1, 아래면 -1, 같거나 length봉이 차기 전이면 0. 모양 int8[m]."""
    trend = np.zeros(len(close), dtype=np.int8)
    alpha = 2.0 / (length + 1.0)
    ema = close[0] if len(close) > 0 else 0.0
    for j in range(len(close)):
        ema = (1.0 - alpha) * ema + alpha * close[j]
        if j >= length - 1:
            trend[j] = np.int8(close[j] > ema) - np.int8(close[j] < ema)
    return trend


def trend_filters(
    dataset: Dataset, lengths: Sequence[int | None]
) -> tuple[NDArray[np.int8], NDArray[np.int32], list[int]]:
    """(추세 int8[u, m], htf_index int32[n], 시행마다의 줄 번호). 거르지 않는 시행의 번호는 -1.

    같은 length의 시행은 한 줄을 나눠 쓴다. HTF가 없는 칸이면 아무도 거르지 않고 htf_index의 길이는 0이다.
    """
    if dataset.htf is None or dataset.htf_index is None:
        trend, index = trend_filter(dataset, None)
        return trend.reshape(1, 0), index, [-1] * len(lengths)
    order = list(dict.fromkeys(length for length in lengths if length is not None))
    trends = np.zeros((max(len(order), 1), len(dataset.htf)), dtype=np.int8)
    for row, length in enumerate(order):
        trends[row] = htf_trend_nb(dataset.htf.close, length)
    rows = [-1 if length is None else order.index(length) for length in lengths]
    return trends, dataset.htf_index, rows


def trend_filter(
    dataset: Dataset, length: int | None
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """(추세 int8[m], htf_index int32[n]). 거르지 않거나 HTF가 없는 칸이면 둘 다 길이 0."""
    if length is None or dataset.htf is None or dataset.htf_index is None:
        nothing = np.empty(0, dtype=np.int32)
        nothing.flags.writeable = False  # memory map된 htf_index와 같은 numba 형
        return np.empty(0, dtype=np.int8), nothing
    return htf_trend_nb(dataset.htf.close, length), dataset.htf_index
