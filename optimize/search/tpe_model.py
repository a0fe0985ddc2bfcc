"""TPE 모형: 자라는 기둥에 시행을 쌓고, 한 번 맞추어 여러 후보를 낸다.

Optuna 5의 multivariate TPE와 같은 규칙을 따른다: 좋은 쪽 l(x)는 앞의 min(⌈0.1n⌉, 25)개, 나머지와
평가 중인 것은 g(x). 좋은 차례는 제약을 만족하고 끝난 것(점수순) → pruning된 것(간 데가 먼 것, 값순)
→ 제약을 어긴 것(어긴 크기순). g의 무게는 오래된 것일수록 작다(1/n에서 1까지, 마지막 25개는 1).
l에서 24개를 뽑아 log l − log g가 큰 차례로 낸다.

다른 점은 셈뿐이다: 시행을 다시 읽지 않고 정렬된 자리에 끼우며, l과 g를 드나드는 시행만 옮긴다.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimize.search import tpe_draw_nb, tpe_fit_nb
from optimize.search.tpe_dimensions import KIND_CHOICE, Codec
from optimize.search.tpe_rank import Rank

N_CANDIDATES = 24

_MAX_BELOW = 25
_FLAT = 25
# 새 시행이 이보다 많으면 하나씩 끼우지 않고 처음부터 정렬한다.
_REBUILD_FROM = 64


class TpeModel:
    """한 스터디의 TPE 모형. 행 번호는 배운 차례다."""

    def __init__(self, codec: Codec, n_candidates: int = N_CANDIDATES) -> None:
        self.codec = codec
        self._n_candidates = n_candidates
        n_dimensions = len(codec.dimensions)
        self._above = tpe_fit_nb.empty_kernels(n_dimensions, 256)
        self._below = tpe_fit_nb.empty_kernels(n_dimensions, _MAX_BELOW)
        self._ranked: list[tuple[Rank, int]] = []
        self._below_rows: set[int] = set()
        self._n_fitted = 0
        self._n_pending = 0
        self._n = 0

    def __len__(self) -> int:
        """배운 시행의 수."""
        return self._n

    def add(self, coordinates: NDArray[np.float64], rank: Rank) -> None:
        """시행 하나를 배운다. coordinates: float64[D]. 폭과 갈라 놓기는 다음 `fit`이 한다."""
        if not all(map(math.isfinite, rank)):
            raise ValueError(f"차례를 매길 값이 유한하지 않습니다: {rank}")
        self._clear_pending()
        self._reserve(self._n + 1)
        tpe_fit_nb.put_row_nb(self._above, self.codec.layout, self._n, coordinates)
        bisect.insort(self._ranked, (rank, self._n))
        self._n += 1

    def fit(self, pending: Sequence[NDArray[np.float64]] = ()) -> None:
        """배운 시행과 평가 중인 조합으로 l과 g를 맞춘다."""
        self._clear_pending()
        n_below = min(math.ceil(0.1 * self._n), _MAX_BELOW)
        below = {row for _, row in self._ranked[:n_below]}
        fresh = range(self._n_fitted, self._n)
        if len(fresh) > _REBUILD_FROM:
            rows = np.array([i for i in range(self._n) if i not in below], dtype=np.int64)
            tpe_fit_nb.rebuild_nb(self._above, self.codec.layout, rows)
        else:
            self._move(below, fresh)
        if below != self._below_rows or self._n_fitted == 0:
            self._fit_below(sorted(below))
        self._below_rows = below
        self._n_fitted = self._n
        for coordinates in pending:
            self._put_pending(coordinates)
        self._weigh()

    def _move(self, below: set[int], fresh: range) -> None:
        """l로 들어간 것을 g에서 빼고, l에서 나온 것과 새것을 g에 끼운다."""
        layout = self.codec.layout
        for row in below - self._below_rows:
            if row < self._n_fitted:
                tpe_fit_nb.remove_row_nb(self._above, layout, row)
        for row in sorted(self._below_rows - below):
            tpe_fit_nb.insert_row_nb(self._above, layout, row)
        for row in fresh:
            if row not in below:
                tpe_fit_nb.insert_row_nb(self._above, layout, row)

    def _fit_below(self, rows: list[int]) -> None:
        for name in ("mu", "present"):
            getattr(self._below, name)[:, : len(rows)] = getattr(self._above, name)[:, rows]
        self._below.inv[:] = 0.0
        tpe_fit_nb.rebuild_nb(self._below, self.codec.layout, np.arange(len(rows), dtype=np.int64))

    def add_pending(self, coordinates: NDArray[np.float64]) -> None:
        """방금 낸 조합을 g에 더한다(constant liar). `fit` 뒤에만 뜻이 있다."""
        self._put_pending(coordinates)
        self._weigh()

    def _put_pending(self, coordinates: NDArray[np.float64]) -> None:
        row = self._n + self._n_pending
        self._reserve(row + 1)
        tpe_fit_nb.put_row_nb(self._above, self.codec.layout, row, coordinates)
        tpe_fit_nb.lie_row_nb(self._above, self.codec.layout, row)
        self._n_pending += 1

    def _clear_pending(self) -> None:
        # 평가 중인 행은 배운 행의 뒤에 있으므로 수만 되돌리면 다음 것이 덮어쓴다.
        self._n_pending = 0

    def _weigh(self) -> None:
        """g의 무게 float32[n + pending]. l의 행은 0, 나머지는 차례대로 1/n에서 1까지."""
        n_rows = self._n + self._n_pending
        inside = np.ones(n_rows, dtype=np.bool_)
        inside[list(self._below_rows)] = False
        n_above = n_rows - len(self._below_rows)
        ramp = np.ones(n_above, dtype=np.float32)
        if n_above > _FLAT:
            ramp[: n_above - _FLAT] = np.linspace(1.0 / n_above, 1.0, n_above - _FLAT)
        self._weight = np.zeros(n_rows, dtype=np.float32)
        self._weight[inside] = ramp

    def candidates(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """l에서 뽑은 후보를 log l − log g가 큰 차례로. float64[C, D]. `fit` 뒤에 부른다."""
        layout = self.codec.layout
        n_below = len(self._below_rows)
        drawn = tpe_draw_nb.sample_nb(self._below, layout, n_below, self._n_candidates, rng)
        good = tpe_draw_nb.log_density_nb(
            self._below, layout, n_below, 0, np.ones(n_below, np.float32), drawn
        )
        rest = tpe_draw_nb.log_density_nb(
            self._above, layout, self._n + self._n_pending, self._n_pending, self._weight, drawn
        )
        ordered: NDArray[np.float64] = drawn[np.argsort(rest - good, kind="stable")]
        return ordered

    def _reserve(self, rows: int) -> None:
        capacity = self._above.base.shape[0]
        if rows > capacity:
            self._above = tpe_fit_nb.grown(self._above, max(2 * capacity, rows))


def warm_up(codec: Codec) -> None:
    """컴파일된 코드를 미리 불러온다(없으면 컴파일한다). 차원이 없으면 할 일이 없다."""
    if not codec.dimensions:
        return
    rng = np.random.default_rng(0)
    middle = np.where(codec.layout.kind == KIND_CHOICE, 0.0, 0.5)
    model = TpeModel(codec)
    for _ in range(2):
        for i in range(_REBUILD_FROM + 1):
            # 점점 나은 시행: 좋은 쪽을 드나드는 길까지 지난다.
            model.add(middle, (0, -float(i), 0.0))
        model.fit([middle])
        model.add(middle, (0, 1.0, 0.0))
        model.add(middle, (0, -1e3, 0.0))
        model.fit()
    model.add_pending(model.candidates(rng)[0])
