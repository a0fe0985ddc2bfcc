"""드문 진입만 골라 보는 부품: warm-up과 HTF 추세로 거르며 남은 자리를 모은다."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.jit import compiled


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
    words = entry[: len(entry) // 8 * 8].view(np.int64)
    count = 0
    for w in range(len(words) + 1):
        if w < len(words) and words[w] == 0:
            continue
        for k in range(8 * w, min(8 * w + 8, len(entry))):
            if entry[k] == 0:
                continue
            i = start + k
            ok = i >= first
            if ok and row >= 0:
                j = htf_index[i]
                ok = j >= 0 and trends[row, j] == entry[k]
            if ok:
                kept[count] = k
                count += 1
            else:
                entry[k] = 0
    return count
