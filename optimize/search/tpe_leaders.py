"""TPE의 좋은 쪽 l에 드는 시행을 고르는 규칙. 한 목표는 차례의 앞, 여러 목표는 파레토 차례의 앞.

여러 목표의 규칙(Optuna의 multi-objective TPE와 같은 생각; Ozaki 외 2022, "Multiobjective
Tree-Structured Parzen Estimator", JAIR 73): 지배되지 않는 것부터 벗겨 낸 층(nondomination rank)을
앞에서부터 담고, 마지막 층은 초부피(hypervolume)를 가장 넓히는 것부터 채운다.

초부피: 층의 값을 목표마다 [0, 1]로 맞추고 (2, …)까지의 부피다(기준점이 멀수록 양 끝을 먼저 담아
front가 넓게 퍼진다). 하나씩 고르는 greedy는 최적의
1 − 1/e 이상이다(Guerreiro 외 2016, "Greedy Hypervolume Subset Selection in Low Dimensions").
목표가 둘이면 정확히, 셋 이상이면 고정된 점 2,048개(Halton)로 잰다.
"""

from __future__ import annotations

import bisect
import math
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from optimize.search.tpe_group import MAX_BELOW
from optimize.search.tpe_rank import Rank

Rows = list[int]

_REFERENCE = 2.0
_N_POINTS = 2048


class Leaders(ABC):
    """배운 시행 가운데 l에 들 수 있는 것들. 시행은 사라지지 않으므로 뒤처진 것은 잊는다."""

    max_below: int

    def size(self, n: int) -> int:
        """배운 시행이 n개일 때 l의 크기."""
        return min(math.ceil(0.1 * n), self.max_below)

    @abstractmethod
    def add(self, rank: Rank, nth: int, rows: Rows) -> None:
        """시행 하나. nth: 배운 차례. rows: 묶음마다의 행(꺼진 묶음은 −1)."""

    @abstractmethod
    def chosen(self, n: int) -> list[Rows]:
        """l에 드는 시행들의 행."""


class ScoreLeaders(Leaders):
    """한 목표: 차례가 앞선 것들."""

    def __init__(self, max_below: int = MAX_BELOW) -> None:
        self.max_below = max_below
        self._ordered: list[tuple[Rank, int, Rows]] = []

    def add(self, rank: Rank, nth: int, rows: Rows) -> None:
        bisect.insort(self._ordered, (rank, nth, rows))
        del self._ordered[self.max_below :]

    def chosen(self, n: int) -> list[Rows]:
        return self.first(self.size(n))

    def first(self, count: int) -> list[Rows]:
        """앞의 count개."""
        return [rows for _, _, rows in self._ordered[:count]]


class ParetoLeaders(Leaders):
    """여러 목표: rank가 (0, loss…)인 시행은 파레토 차례로, 나머지는 그 뒤에 rank의 차례로.

    저보다 앞선 시행이 max_below개인 시행은 l에 들 수 없으므로, 지배하는 시행이 그만큼 모이면 잊는다.
    """

    max_below = 50

    def __init__(self, n_goals: int) -> None:
        self._losses = np.empty((0, n_goals))
        self._above = np.empty(0, dtype=np.int64)
        self._rows: list[Rows] = []
        self._rest = ScoreLeaders(self.max_below)
        self._cached: tuple[int, list[int]] | None = None

    def add(self, rank: Rank, nth: int, rows: Rows) -> None:
        if rank[0] != 0:
            self._rest.add(rank, nth, rows)
            return
        losses = np.array(rank[1:])
        apart = (self._losses != losses).any(axis=1)
        beats = apart & (self._losses <= losses).all(axis=1)
        self._above += apart & (losses <= self._losses).all(axis=1)
        n_above = int(beats.sum())
        if n_above < self.max_below:
            self._losses = np.vstack([self._losses, losses])
            self._above = np.append(self._above, n_above)
            self._rows.append(rows)
            self._cached = None
        if self._above.size and int(self._above.max()) >= self.max_below:
            self._forget()

    def _forget(self) -> None:
        kept = self._above < self.max_below
        self._losses, self._above = self._losses[kept], self._above[kept]
        self._rows = [rows for rows, keep in zip(self._rows, kept, strict=True) if keep]
        self._cached = None

    def chosen(self, n: int) -> list[Rows]:
        size = self.size(n)
        if self._cached is None or self._cached[0] != size:
            self._cached = size, pareto_order(self._losses, min(size, len(self._rows)))
        picked = [self._rows[i] for i in self._cached[1]]
        return picked + self._rest.first(size - len(picked))


def pareto_order(losses: NDArray[np.float64], size: int) -> list[int]:
    """파레토 차례의 앞 size개의 번호. losses: float64[n, 목표] (작을수록 좋다)."""
    left = np.arange(len(losses))
    picked: list[int] = []
    while len(picked) < size:
        on_front = nondominated(losses[left])
        layer = left[on_front]
        room = size - len(picked)
        if len(layer) <= room:
            picked += layer.tolist()
        else:
            picked += layer[widest_subset(losses[layer], room)].tolist()
        left = left[~on_front]
    return picked


def nondominated(losses: NDArray[np.float64]) -> NDArray[np.bool_]:
    """지배되지 않는 것들 bool[n]. 값이 같은 것은 서로 지배하지 않는다."""
    unique, places = np.unique(losses, axis=0, return_inverse=True)
    # 사전 차례이므로 뒤의 것이 앞의 것을 지배하지 못한다: 앞에서부터 벗겨 낸다.
    on_front = np.zeros(len(unique), dtype=bool)
    left = np.arange(len(unique))
    while left.size:
        first, left = left[0], left[1:]
        on_front[first] = True
        left = left[(unique[left] < unique[first]).any(axis=1)]
    return on_front[places.reshape(-1)]


def widest_subset(losses: NDArray[np.float64], size: int) -> list[int]:
    """초부피를 가장 넓히는 것부터 size개의 번호(greedy). losses: float64[n, 목표], 한 층의 값."""
    low, high = losses.min(axis=0), losses.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    scaled = (losses - low) / span
    return _widest_2d(scaled, size) if losses.shape[1] == 2 else _widest_sampled(scaled, size)


def _widest_2d(points: NDArray[np.float64], size: int) -> list[int]:
    """두 목표: 고른 점들이 비운 직사각형의 넓이로. 첫 목표로 늘어놓으면 이웃만 서로 가린다."""
    order = np.lexsort((points[:, 1], points[:, 0]))
    x, y = points[order, 0], points[order, 1]
    right, top = np.full(len(x), _REFERENCE), np.full(len(x), _REFERENCE)
    free = np.ones(len(x), dtype=bool)
    picked = []
    for _ in range(size):
        gain = np.where(free, (right - x) * (top - y), -1.0)
        best = int(np.argmax(gain))
        free[best] = False
        picked.append(int(order[best]))
        right[:best] = np.minimum(right[:best], x[best])
        top[best + 1 :] = np.minimum(top[best + 1 :], y[best])
    return picked


def _widest_sampled(points: NDArray[np.float64], size: int) -> list[int]:
    """목표 셋 이상: 고정된 점들 가운데 새로 덮는 수로."""
    grid = _halton(points.shape[1])
    covers: NDArray[np.bool_] = np.all(points[:, None, :] <= grid[None, :, :], axis=2)
    free = np.ones(len(points), dtype=bool)
    picked = []
    for _ in range(size):
        gain = np.where(free, covers.sum(axis=1), -1)
        best = int(np.argmax(gain))
        free[best] = False
        picked.append(best)
        covers &= ~covers[best]
    return picked


def _halton(n_dimensions: int) -> NDArray[np.float64]:
    """[0, 2]ᵈ의 Halton 점들 float64[2048, d]. 출처: Halton (1960)."""
    points = np.empty((_N_POINTS, n_dimensions))
    for d, base in enumerate(_primes(n_dimensions)):
        index = np.arange(1, _N_POINTS + 1)
        value, scale = np.zeros(_N_POINTS), 1.0
        while index.any():
            scale /= base
            value += scale * (index % base)
            index //= base
        points[:, d] = value
    return _REFERENCE * points


def _primes(count: int) -> tuple[int, ...]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return tuple(found)
