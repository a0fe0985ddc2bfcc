"""함께 켜지는 차원들의 TPE: 자라는 기둥과, l·g를 드나드는 행들.

행 번호는 이 차원들이 켜진 시행을 배운 차례다. 평가 중인 조합의 행은 배운 행의 뒤에 붙는다.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimize.search import tpe_draw_nb, tpe_fit_nb
from optimize.search.tpe_dimensions import Codec

MAX_BELOW = 25
# 새 행이 이보다 많으면 하나씩 끼우지 않고 처음부터 정렬한다.
REBUILD_FROM = 64


class TpeGroup:
    """한 묶음의 l과 g."""

    def __init__(self, codec: Codec, max_below: int = MAX_BELOW) -> None:
        self.codec = codec
        n_dimensions = len(codec.dimensions)
        self._above = tpe_fit_nb.empty_kernels(n_dimensions, 256)
        self._below = tpe_fit_nb.empty_kernels(n_dimensions, max_below)
        self._below_rows = np.zeros(0, dtype=np.int64)
        self._n = 0
        self._n_fitted = 0
        self._n_pending = 0

    def append(self, place: NDArray[np.float64]) -> int:
        """시행 하나(좌표 float64[D])의 행 번호. 폭과 갈라 놓기는 다음 `fit`이 한다."""
        row = self._n
        self._reserve(row + 1)
        self._above.mu[:, row] = place
        self._n += 1
        return row

    def _reserve(self, n_rows: int) -> None:
        capacity = self._above.base.shape[0]
        while capacity < n_rows:
            capacity *= 2
        if capacity > self._above.base.shape[0]:
            self._above = tpe_fit_nb.grown(self._above, capacity)

    def fit(self, below: Sequence[int], pending: Sequence[NDArray[np.float64]]) -> None:
        """below: l에 드는 행들(오름차순). pending: 평가 중인 조합들의 좌표(g에 더한다)."""
        layout = self.codec.layout
        before = self._below_rows.tolist()
        entering = set(below) - set(before)
        leaving = set(before) - set(below)
        fresh = range(self._n_fitted, self._n)
        if len(fresh) > REBUILD_FROM:
            inside = set(below)
            rows = [row for row in range(self._n) if row not in inside]
            tpe_fit_nb.rebuild_nb(self._above, layout, np.array(rows, dtype=np.int64))
        else:
            for row in sorted(entering):
                if row < self._n_fitted:
                    tpe_fit_nb.remove_row_nb(self._above, layout, row)
            for row in [*sorted(leaving), *(row for row in fresh if row not in entering)]:
                tpe_fit_nb.insert_row_nb(self._above, layout, row)
        if entering or leaving:
            self._below.mu[:, : len(below)] = self._above.mu[:, list(below)]
            tpe_fit_nb.rebuild_nb(self._below, layout, np.arange(len(below), dtype=np.int64))
            self._below_rows = np.array(below, dtype=np.int64)
        self._n_fitted = self._n
        self._n_pending = 0
        if pending:
            self._lie(np.column_stack(pending))

    def add_pending(self, place: NDArray[np.float64]) -> None:
        """평가 중인 조합 하나를 g에 더한다(constant liar)."""
        self._lie(place[:, None])

    def _lie(self, places: NDArray[np.float64]) -> None:
        """places: float64[D, 조합의 수]."""
        start = self._n + self._n_pending
        stop = start + places.shape[1]
        self._reserve(stop)
        self._above.mu[:, start:stop] = places
        tpe_fit_nb.lie_rows_nb(self._above, self.codec.layout, start, stop)
        self._n_pending += places.shape[1]

    def candidates(self, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """l에서 뽑은 후보를 log l − log g가 큰 차례로. float64[size, D]. `fit` 뒤에 부른다."""
        ordered: NDArray[np.float64] = tpe_draw_nb.candidates_nb(
            self._below,
            self._above,
            self.codec.layout,
            self._below_rows,
            self._n + self._n_pending,
            size,
            rng,
        )
        return ordered
