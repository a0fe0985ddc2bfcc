"""HTF 추세 거름: HTF 종가가 EMA의 어느 쪽인가. m = HTF 봉 수, n = LTF 봉 수."""

from __future__ import annotations

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


def trend_filter(
    dataset: Dataset, length: int | None
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """(추세 int8[m], htf_index int32[n]). 거르지 않거나 HTF가 없는 칸이면 둘 다 길이 0."""
    if length is None or dataset.htf is None or dataset.htf_index is None:
        nothing = np.empty(0, dtype=np.int32)
        nothing.flags.writeable = False  # memory map된 htf_index와 같은 numba 형
        return np.empty(0, dtype=np.int8), nothing
    return htf_trend_nb(dataset.htf.close, length), dataset.htf_index
