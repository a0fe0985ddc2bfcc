"""TPE의 뽑기와 밀도: l에서 후보를 뽑고 l과 g의 로그 밀도를 낸다. numba로 컴파일한다.

지수는 차이의 제곱 합이고 자르기·정규화 상수는 후보와 무관하므로, 커널마다 상수(`base`)로 모아 두고
후보마다 exp 한 번을 쓴다. 커널은 1024개씩 묶어 모든 후보에 쓴다(묶음이 cache에 남는다). 묶음의 가장
큰 값이 지금까지의 최대보다 e²⁵배 넘게 작으면 그 묶음은 더하지 않는다(10,000개를 빠뜨려도 밀도의
상대 오차 1.4e-7 이하). 합은 묶음 안에서 float32, 묶음 사이는 float64다.

배열의 모양: D 차원 수, C 후보 수. 좌표는 `tpe_dimensions`, 커널의 뜻은 `tpe_fit_nb`의 것.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from optimize.search.tpe_dimensions import KIND_CHOICE, KIND_GRID, KIND_LOG_INT, Layout
from optimize.search.tpe_fit_nb import Kernels, shape_nb, weights_nb

_BLOCK = 1024
_SKIP = 25.0
_VOID = -1e30
_LOG2_E = 1.0 / math.log(2.0)
# 2^f = exp(f·ln 2)의 Taylor 계수. |f| ≤ ½에서 7차 항은 1.2e-7이다.
_C1, _C2, _C3, _C4, _C5, _C6 = (
    np.float32(math.log(2.0) ** k / math.factorial(k)) for k in range(1, 7)
)


@njit(cache=True, nogil=True)
def _snap_nb(layout: Layout, d: int, u: float) -> float:
    """좌표를 눈금 위로."""
    if layout.kind[d] == KIND_GRID:
        n = layout.levels[d]
        center: float = (min(max(int(u * n), 0), n - 1) + 0.5) / n
        return center
    if layout.kind[d] == KIND_LOG_INT:
        span = layout.high[d] - layout.low[d]
        first = round(math.exp(layout.low[d]) + 0.5)
        last = round(math.exp(layout.high[d]) - 0.5)
        whole = min(max(round(math.exp(layout.low[d] + u * span)), first), last)
        place: float = (math.log(whole) - layout.low[d]) / span
        return place
    return u


@njit(cache=True, nogil=True)
def sample_nb(
    kernels: Kernels, layout: Layout, size: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """0행부터의 커널들과 사전 커널에서 고르게 하나씩 골라 후보를 뽑는다. float64[size, D]."""
    n_rows = kernels.size[0]
    n_dimensions = layout.kind.shape[0]
    x = np.empty((size, n_dimensions))
    for c in range(size):
        row = int(rng.random() * (n_rows + 1))
        is_prior = row >= n_rows
        for d in range(n_dimensions):
            if layout.kind[d] == KIND_CHOICE:
                choices = layout.levels[d]
                inverse = 1.0 / (n_rows + 1.0)
                other = inverse / (1.0 + choices * inverse)
                u = rng.random()
                if is_prior:
                    x[c, d] = int(u * choices)
                elif u < other * (choices - 1):
                    pick = int(u / other)
                    x[c, d] = pick if pick < kernels.mu[d, row] else pick + 1
                else:
                    x[c, d] = kernels.mu[d, row]
                continue
            mu = 0.5 if is_prior else kernels.mu[d, row]
            sigma = 1.0 if is_prior else kernels.sigma[d, row]
            u = mu + sigma * rng.standard_normal()
            while u < 0.0 or u > 1.0:  # 받아들여질 확률이 0.34 이상이다
                u = mu + sigma * rng.standard_normal()
            x[c, d] = _snap_nb(layout, d, u)
    return x


@njit(cache=True, nogil=True)
def _prior_nb(layout: Layout, x: NDArray[np.float64]) -> float:
    """사전 커널의 로그 밀도."""
    total = 0.0
    for d in range(layout.kind.shape[0]):
        if layout.kind[d] == KIND_CHOICE:
            total -= math.log(layout.levels[d])
        else:
            s, logc = shape_nb(layout, d, 0.5, 1.0)
            z = (x[d] - 0.5) / s
            total += logc - 0.5 * z * z
    return total


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "nnan", "reassoc"})
def _largest_nb(values: NDArray[np.float32], n: int, part: NDArray[np.float32]) -> float:
    """앞의 n개(1개 이상) 가운데 가장 큰 것. 반씩 접어 벡터로 셈한다. part는 빈 자리."""
    part[:n] = values[:n]
    while n > 1:
        half = (n + 1) // 2
        left, right = part[: n - half], part[half:n]
        for j in range(n - half):
            left[j] = left[j] if left[j] > right[j] else right[j]
        n = half
    return float(part[0])


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "nnan", "reassoc"})
def _block_nb(
    kernels: Kernels,
    layout: Layout,
    start: int,
    stop: int,
    x: NDArray[np.float32],
    n_kernels: int,
    weight: NDArray[np.float32],
    acc: NDArray[np.float32],
    part: NDArray[np.float32],
) -> float:
    """행 start부터 stop까지의 로그 커널 값을 acc에 담고 가장 큰 것을 준다."""
    n = stop - start
    # 조각을 먼저 잘라 둔다: 색인이 음수일 수 없어야 벡터가 된다.
    base, used = kernels.base[start:stop], weight[start:stop]
    for j in range(n):
        acc[j] = base[j]
    for d in range(layout.kind.shape[0]):
        v = x[d]
        mu = kernels.mu[d, start:stop]
        if layout.kind[d] == KIND_CHOICE:
            inverse = 1.0 / n_kernels
            norm = math.log(1.0 + layout.levels[d] * inverse)
            same = np.float32(math.log(1.0 + inverse) - norm)
            other = np.float32(math.log(inverse) - norm)
            for j in range(n):
                acc[j] += same if mu[j] == v else other
            continue
        inv = kernels.inv[d, start:stop]
        for j in range(n):
            z = (v - mu[j]) * inv[j]
            acc[j] -= z * z
    for j in range(n):
        acc[j] = acc[j] if used[j] > 0 else np.float32(_VOID)
    return _largest_nb(acc, n, part)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "nnan", "reassoc"})
def _sum_exp_nb(
    acc: NDArray[np.float32],
    weight: NDArray[np.float32],
    peak: float,
    part: NDArray[np.float32],
    bits: NDArray[np.int32],
) -> float:
    """Σ weight·exp(acc − peak). acc와 weight는 같은 길이이며 acc ≤ peak, part와 bits는 빈 자리.

    exp(t) = 2^n · 2^f (n은 t·log₂e에 가장 가까운 정수). 2^n은 float32의 지수 자리에 바로 적는다:
    분기도 함수 호출도 없어 벡터로 셈된다.
    """
    n_rows = acc.shape[0]
    low = np.float32(peak)
    for j in range(n_rows):
        t = max((acc[j] - low) * np.float32(_LOG2_E), np.float32(-126.0))
        n = np.floor(t + np.float32(0.5))
        f = t - n
        power = _C3 + f * (_C4 + f * (_C5 + f * _C6))
        part[j] = np.float32(1.0) + f * (_C1 + f * (_C2 + f * power))
        bits[j] = (np.int32(n) + np.int32(127)) << np.int32(23)
    scale = bits.view(np.float32)
    total = np.float32(0.0)
    for j in range(n_rows):
        total += weight[j] * part[j] * scale[j]
    return float(total)


@njit(cache=True, nogil=True)
def log_density_nb(
    kernels: Kernels,
    layout: Layout,
    n_kernels: int,
    weight: NDArray[np.float32],
    x: NDArray[np.float64],
) -> NDArray[np.float64]:
    """후보들의 로그 밀도 float64[C]. 무게의 합으로 나누지 않는다(후보의 차례에 영향이 없다).

    n_kernels: 사전 커널까지 센 커널의 수. weight: float32[행의 수], 0인 행은 빠진다.
    """
    n_candidates = x.shape[0]
    n_rows = weight.shape[0]
    peak = np.empty(n_candidates)
    total = np.ones(n_candidates)
    x32 = x.astype(np.float32)
    twin = _twins_nb(x)
    for c in range(n_candidates):
        peak[c] = _prior_nb(layout, x[c])
    acc = np.empty(_BLOCK, np.float32)
    part = np.empty(_BLOCK, np.float32)
    bits = np.empty(_BLOCK, np.int32)
    for start in range(0, n_rows, _BLOCK):
        stop = min(start + _BLOCK, n_rows)
        for c in range(n_candidates):
            if twin[c] < c:
                continue
            top = _block_nb(kernels, layout, start, stop, x32[c], n_kernels, weight, acc, part)
            if top < peak[c] - _SKIP:
                continue
            if top > peak[c]:
                total[c] *= math.exp(peak[c] - top)
                peak[c] = top
            total[c] += _sum_exp_nb(acc[: stop - start], weight[start:stop], peak[c], part, bits)
    density = peak + np.log(total)
    return density[twin]


@njit(cache=True, nogil=True)
def _twins_nb(x: NDArray[np.float64]) -> NDArray[np.int64]:
    """후보마다, 좌표가 모두 같은 첫 후보의 자리. 값이 몇 없는 차원들은 거의 모두 겹친다."""
    twin = np.arange(x.shape[0])
    for c in range(x.shape[0]):
        for other in range(c):
            if twin[other] == other and np.all(x[c] == x[other]):
                twin[c] = other
                break
    return twin


@njit(cache=True, nogil=True)
def candidates_nb(
    below: Kernels,
    above: Kernels,
    layout: Layout,
    below_rows: NDArray[np.int64],
    n_rows: int,
    size: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """l(below)에서 뽑은 후보 size개를 log l − log g가 큰 차례로. float64[size, D].

    below_rows: above에서 l로 간 행들(오름차순). n_rows: above의 행의 수(평가 중인 것도 든다).
    """
    n_below = below_rows.shape[0]
    drawn = sample_nb(below, layout, size, rng)
    even = np.ones(n_below, np.float32)
    good = log_density_nb(below, layout, n_below + 1, even, drawn)
    weight = weights_nb(n_rows, below_rows)
    rest = log_density_nb(above, layout, n_rows - n_below + 1, weight, drawn)
    return drawn[np.argsort(rest - good, kind="mergesort")]
