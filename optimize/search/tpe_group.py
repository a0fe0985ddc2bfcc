"""함께 켜지는 차원들의 TPE: 자라는 기둥과, l·g를 드나드는 행들.

행 번호는 이 차원들이 켜진 시행을 배운 차례다. 평가 중인 조합의 행은 배운 행의 뒤에 붙는다.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimize.search import tpe_draw_nb, tpe_fit_nb
from optimize.search.tpe_dimensions import Codec
from optimize.trial import Params

MAX_BELOW = 25
# 새 행이 이보다 많으면 하나씩 끼우지 않고 처음부터 정렬한다.
REBUILD_FROM = 64


class TpeGroup:
    """한 묶음의 l과 g."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        n_dimensions = len(codec.dimensions)
        self._above = tpe_fit_nb.empty_kernels(n_dimensions, 256)
        self._below = tpe_fit_nb.empty_kernels(n_dimensions, MAX_BELOW)
        self._below_rows: list[int] = []
        self._n = 0
        self._n_fitted = 0
        self._n_pending = 0

    def append(self, params: Params) -> int:
        """시행 하나의 행 번호. 폭과 갈라 놓기는 다음 `fit`이 한다."""
        row = self._n
        self._write(row, params)
        self._n += 1
        return row

    def _write(self, row: int, params: Params) -> None:
        capacity = self._above.base.shape[0]
        if row >= capacity:
            self._above = tpe_fit_nb.grown(self._above, 2 * capacity)
        self._above.mu[:, row] = self.codec.encode(params)

    def fit(self, below: Sequence[int], pending: Sequence[Params]) -> None:
        """below: l에 드는 행들(오름차순). pending: 평가 중인 조합들(g에 더한다)."""
        layout = self.codec.layout
        entering = set(below) - set(self._below_rows)
        leaving = set(self._below_rows) - set(below)
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
        self._below_rows = list(below)
        self._n_fitted = self._n
        self._n_pending = 0
        for params in pending:
            self.add_pending(params)

    def add_pending(self, params: Params) -> None:
        """평가 중인 조합 하나를 g에 더한다(constant liar)."""
        row = self._n + self._n_pending
        self._write(row, params)
        tpe_fit_nb.lie_row_nb(self._above, self.codec.layout, row)
        self._n_pending += 1

    def candidates(self, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """l에서 뽑은 후보를 log l − log g가 큰 차례로. float64[size, D]. `fit` 뒤에 부른다."""
        layout = self.codec.layout
        n_below = len(self._below_rows)
        drawn = tpe_draw_nb.sample_nb(self._below, layout, size, rng)
        good = tpe_draw_nb.log_density_nb(
            self._below, layout, n_below + 1, np.ones(n_below, np.float32), drawn
        )
        n_rows = self._n + self._n_pending
        weight = tpe_fit_nb.weights_nb(n_rows, np.array(self._below_rows, dtype=np.int64))
        rest = tpe_draw_nb.log_density_nb(self._above, layout, n_rows - n_below + 1, weight, drawn)
        ordered: NDArray[np.float64] = drawn[np.argsort(rest - good, kind="stable")]
        return ordered
