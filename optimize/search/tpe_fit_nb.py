"""TPE의 맞추기: 시행마다 커널 하나를 두고 폭을 매긴다. numba로 컴파일한다.

한 시행이 커널 하나다. 커널은 차원별 확률의 곱이고, 밀도는 커널들과 사전 커널의 무게 합이다
(Bergstra 등 2011, "Algorithms for Hyper-Parameter Optimization"; 폭·무게·사전의 규칙은 Optuna 5의
multivariate TPE와 같다):

- 수: 단위 구간에 잘린 정규 분포. 폭 σ는 정렬된 이웃과의 간격 가운데 큰 쪽을
  [1/min(100, n+2), 1]로 자른 값. 사전 커널은 가운데(½)에 σ = 1.
- 눈금이 있는 수: 눈금 위의 이산 정규 분포. s² = σ² + h²/12 (h는 눈금 간격; 눈금 하나를 고른
  분포로 본 분산). 정규화는 눈금에 대한 합이다.
- 고를 값: 같은 값 (1 + 1/n), 다른 값 1/n을 합이 1이 되게 나눈 것.

새 시행은 차원마다 정렬된 자리에 끼우고 이웃의 폭만 고친다: n개를 다시 맞추지 않는다. 폭과 상수는
그때의 정렬로만 정해지므로, 하나씩 끼우든 한꺼번에 정렬하든 같은 비트가 된다.

배열의 모양: D 차원 수, N 행(시행)의 용량. 좌표는 `tpe_dimensions`의 것.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from optimize.search.tpe_dimensions import KIND_CHOICE, KIND_GRID, KIND_LOG_INT, Layout

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_SQRT_HALF = math.sqrt(0.5)


class Kernels(NamedTuple):
    """커널들의 기둥(column). 행은 시행.

    mu: float32[D, N] 좌표. sigma: float32[D, N] 잘리기 전 정규 분포의 폭.
    inv: float32[D, N] 1/(s√2). logc: float32[D, N] 수 차원의 로그 상수. base: float32[N] 그 합.
    order: int32[D, N] 차원별로 (좌표, 행)의 차례로 늘어놓은 행. size: int64[1] 그 수.
    """

    mu: NDArray[np.float32]
    sigma: NDArray[np.float32]
    inv: NDArray[np.float32]
    logc: NDArray[np.float32]
    base: NDArray[np.float32]
    order: NDArray[np.int32]
    size: NDArray[np.int64]


def empty_kernels(n_dimensions: int, capacity: int) -> Kernels:
    """빈 기둥."""
    shape = (n_dimensions, capacity)
    return Kernels(
        mu=np.zeros(shape, np.float32),
        sigma=np.ones(shape, np.float32),
        inv=np.zeros(shape, np.float32),
        logc=np.zeros(shape, np.float32),
        base=np.zeros(capacity, np.float32),
        order=np.zeros(shape, np.int32),
        size=np.zeros(1, np.int64),
    )


def grown(kernels: Kernels, capacity: int) -> Kernels:
    """용량을 늘린 기둥(속은 그대로)."""
    larger = empty_kernels(kernels.mu.shape[0], capacity)
    n = kernels.base.shape[0]
    for name in ("mu", "sigma", "inv", "logc", "base", "order"):
        getattr(larger, name)[..., :n] = getattr(kernels, name)
    larger.size[:] = kernels.size
    return larger


@njit(cache=True, nogil=True)
def _log_int_width_nb(layout: Layout, d: int, u: float) -> float:
    """로그 정수의 좌표 u에 있는 정수가 차지하는 좌표의 폭."""
    span = layout.high[d] - layout.low[d]
    value = math.exp(layout.low[d] + u * span)
    width: float = (math.log(value + 0.5) - math.log(max(value - 0.5, 1e-9))) / span
    return width


@njit(cache=True, nogil=True)
def shape_nb(layout: Layout, d: int, mu: float, sigma: float) -> tuple[float, float]:
    """수 차원의 (s, 로그 상수). 로그 커널 값은 로그 상수 − (x − mu)²/(2s²)."""
    width = 0.0
    if layout.kind[d] == KIND_GRID:
        width = 1.0 / layout.levels[d]
    elif layout.kind[d] == KIND_LOG_INT:
        width = _log_int_width_nb(layout, d, mu)
    s = math.sqrt(sigma * sigma + width * width / 12.0)
    if layout.kind[d] == KIND_GRID and s < width:
        total = 0.0
        center = int(mu * layout.levels[d])
        for i in range(max(0, center - 8), min(layout.levels[d], center + 9)):
            z = ((i + 0.5) * width - mu) / s
            total += math.exp(-0.5 * z * z)
        return s, -math.log(total)
    mass = 0.5 * (math.erf((1.0 - mu) / s * _SQRT_HALF) + math.erf(mu / s * _SQRT_HALF))
    logc = -_LOG_SQRT_2PI - math.log(s * mass)
    if layout.kind[d] == KIND_GRID:
        logc += math.log(width)
    return s, logc


@njit(cache=True, nogil=True)
def _set_sigma_nb(kernels: Kernels, layout: Layout, d: int, row: int, sigma: float) -> None:
    s, logc = shape_nb(layout, d, kernels.mu[d, row], sigma)
    kernels.sigma[d, row] = sigma
    kernels.inv[d, row] = _SQRT_HALF / s
    kernels.logc[d, row] = logc
    # 더하고 빼지 않고 다시 더한다: 고친 차례와 무관하게 같은 비트가 된다.
    total = 0.0
    for other in range(layout.kind.shape[0]):
        total += kernels.logc[other, row]
    kernels.base[row] = total


@njit(cache=True, nogil=True)
def _gap_sigma_nb(left: float, mid: float, right: float, first: bool, last: bool, n: int) -> float:
    """이웃 간격에서 폭으로. 양 끝은 안쪽 간격만 본다(하나뿐이면 구간의 끝까지)."""
    if first and last:
        gap = max(mid, 1.0 - mid)
    elif first:
        gap = right - mid
    elif last:
        gap = mid - left
    else:
        gap = max(mid - left, right - mid)
    return min(max(gap, 1.0 / min(100.0, n + 2.0)), 1.0)


@njit(cache=True, nogil=True)
def _refresh_nb(kernels: Kernels, layout: Layout, d: int, start: int, stop: int) -> None:
    """정렬된 자리 start부터 stop까지의 폭을 다시 매긴다."""
    n = kernels.size[0]
    for p in range(max(start, 0), min(stop, n)):
        row = kernels.order[d, p]
        mid = kernels.mu[d, row]
        left = kernels.mu[d, kernels.order[d, p - 1]] if p > 0 else 0.0
        right = kernels.mu[d, kernels.order[d, p + 1]] if p + 1 < n else 1.0
        sigma = _gap_sigma_nb(left, mid, right, p == 0, p + 1 == n, n)
        _set_sigma_nb(kernels, layout, d, row, sigma)


@njit(cache=True, nogil=True)
def _position_nb(kernels: Kernels, d: int, row: int) -> int:
    """(좌표, 행)의 차례에서 row가 놓일 자리."""
    value = kernels.mu[d, row]
    low, high = 0, kernels.size[0]
    while low < high:
        middle = (low + high) // 2
        other = kernels.order[d, middle]
        mu = kernels.mu[d, other]
        if mu < value or (mu == value and other < row):
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def insert_row_nb(kernels: Kernels, layout: Layout, row: int) -> None:
    """mu를 적어 둔 행을 커널로 넣는다: 정렬된 자리에 끼우고 이웃의 폭을 고친다."""
    n = kernels.size[0]
    for d in range(layout.kind.shape[0]):
        kernels.logc[d, row] = 0.0
        if layout.kind[d] == KIND_CHOICE:
            continue
        kernels.size[0] = n
        p = _position_nb(kernels, d, row)
        kernels.size[0] = n + 1
        for i in range(n, p, -1):
            kernels.order[d, i] = kernels.order[d, i - 1]
        kernels.order[d, p] = row
        if n < 100:
            _refresh_nb(kernels, layout, d, 0, n + 1)  # 폭의 바닥이 n에 따라 바뀐다
        else:
            _refresh_nb(kernels, layout, d, p - 1, p + 2)
    kernels.size[0] = n + 1


@njit(cache=True, nogil=True)
def remove_row_nb(kernels: Kernels, layout: Layout, row: int) -> None:
    """커널에서 뺀다(좌표는 남는다). 그 행의 무게는 부르는 쪽이 0으로 둔다."""
    n = kernels.size[0]
    for d in range(layout.kind.shape[0]):
        if layout.kind[d] == KIND_CHOICE:
            continue
        kernels.size[0] = n
        p = _position_nb(kernels, d, row)
        for i in range(p, n - 1):
            kernels.order[d, i] = kernels.order[d, i + 1]
        kernels.size[0] = n - 1
        if n <= 101:
            _refresh_nb(kernels, layout, d, 0, n - 1)
        else:
            _refresh_nb(kernels, layout, d, p - 1, p + 1)
    kernels.size[0] = n - 1


@njit(cache=True, nogil=True)
def rebuild_nb(kernels: Kernels, layout: Layout, rows: NDArray[np.int64]) -> None:
    """rows(오름차순)만을 커널로 하여 처음부터 정렬하고 폭을 매긴다."""
    n = rows.shape[0]
    kernels.size[0] = n
    values = np.empty(n, np.float32)
    for d in range(layout.kind.shape[0]):
        for row in rows:
            kernels.logc[d, row] = 0.0
    for d in range(layout.kind.shape[0]):
        if layout.kind[d] == KIND_CHOICE:
            continue
        for i in range(n):
            values[i] = kernels.mu[d, rows[i]]
        # mergesort는 안정 정렬이므로 좌표가 같으면 행의 차례가 남는다.
        places = np.argsort(values, kind="mergesort")
        for i in range(n):
            kernels.order[d, i] = rows[places[i]]
        _refresh_nb(kernels, layout, d, 0, n)


@njit(cache=True, nogil=True)
def lie_rows_nb(kernels: Kernels, layout: Layout, start: int, stop: int) -> None:
    """평가 중인 조합의 행들 [start, stop): 정렬에 넣지 않고 이웃을 보아 자기 폭만 매긴다.

    constant liar. mu는 적어 두었어야 한다.
    """
    for row in range(start, stop):
        _lie_row_nb(kernels, layout, row)


@njit(cache=True, nogil=True)
def _lie_row_nb(kernels: Kernels, layout: Layout, row: int) -> None:
    n = kernels.size[0]
    for d in range(layout.kind.shape[0]):
        kernels.logc[d, row] = 0.0
    for d in range(layout.kind.shape[0]):
        if layout.kind[d] == KIND_CHOICE:
            continue
        mid = kernels.mu[d, row]
        p = _position_nb(kernels, d, row)
        left = kernels.mu[d, kernels.order[d, p - 1]] if p > 0 else 0.0
        right = kernels.mu[d, kernels.order[d, p]] if p < n else 1.0
        sigma = _gap_sigma_nb(left, mid, right, p == 0, p == n, n + 1)
        _set_sigma_nb(kernels, layout, d, row, sigma)


@njit(cache=True, nogil=True)
def weights_nb(n_rows: int, below: NDArray[np.int64]) -> NDArray[np.float32]:
    """g의 무게 float32[n_rows]. below(오름차순)의 행은 0.

    나머지는 차례대로 1/n에서 1까지 고르게 오르고 마지막 25개는 1이다(Optuna의 default_weights).
    """
    n = n_rows - below.shape[0]
    n_ramp = n - 25
    step = (1.0 - 1.0 / n) / (n_ramp - 1) if n_ramp > 1 else 0.0
    weight = np.zeros(n_rows, np.float32)
    place = 0
    skip = 0
    for row in range(n_rows):
        if skip < below.shape[0] and below[skip] == row:
            skip += 1
            continue
        weight[row] = 1.0 / n + place * step if place < n_ramp else 1.0
        place += 1
    return weight
