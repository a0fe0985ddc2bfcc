"""드문 진입만 골라 보는 부품: warm-up과 HTF 추세로 거르며 남은 자리를 모은다."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.bytes_nb import lowest_nb
from optimize.strategy.jit import compiled


@compiled
def _stands_nb(
    side: int, i: int, first: int, trends: NDArray[np.int8], row: int, htf_index: NDArray[np.int32]
) -> bool:
    """봉 i의 진입이 warm-up과 HTF 추세를 지나는가."""
    if i < first:
        return False
    if row < 0:
        return True
    j = htf_index[i]
    return bool(j >= 0 and trends[row, j] == side)


@compiled
def filter_nb(
    entry: NDArray[np.int8],
    start: int,
    first: int,
    trends: NDArray[np.int8],
    row: int,
    htf_index: NDArray[np.int32],
    kept: NDArray[np.int32],
) -> int:
    """entry(봉 start부터)에서 봉 first 앞의 것과 HTF 추세(trends의 row 줄, 음수면 거르지 않음)에 거스르는 것을 지운다.

    남은 진입의 자리(entry의 번호)를 kept의 앞에 적고 그 수를 준다. kept의 길이는 entry의 것 이상.
    """
    count = 0
    whole = len(entry) // 8 * 8
    words = entry[:whole].view(np.int64)
    for w in range(len(words)):
        word = words[w]
        while word != 0:
            place = lowest_nb(word)
            word &= ~(255 << 8 * place)
            k = 8 * w + place
            if _stands_nb(entry[k], start + k, first, trends, row, htf_index):
                kept[count] = k
                count += 1
            else:
                entry[k] = 0
    for k in range(whole, len(entry)):
        if entry[k] == 0:
            continue
        if _stands_nb(entry[k], start + k, first, trends, row, htf_index):
            kept[count] = k
            count += 1
        else:
            entry[k] = 0
    return count
