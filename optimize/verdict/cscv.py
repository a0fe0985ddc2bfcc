"""과최적화 확률(PBO): 조합 대칭 교차 검증(CSCV).

Bailey, Borwein, López de Prado & Zhu, "The Probability of Backtest Overfitting", Journal of Computational
Finance 20(4), 2017 (SSRN 2326253). 기간을 S조각으로 나누고, 그 절반을 고르는 모든 C(S, S/2)가지에서:

1. 고른 조각들(표본 안)에서 Sharpe가 가장 큰 시행 n*을 고른다.
2. 나머지 조각들(표본 밖)에서 n*의 Sharpe의 순위 r를 센다(1이 꼴찌). ω = r/(M+1), λ = ln(ω/(1−ω)).

PBO는 λ < 0인 몫이다(λ = 0은 절반만 센다: 서로 같은 잡음이면 기대가 0.5다). 같은 점수는 순위를 나눈다.
performance degradation은 n*의 표본 밖 Sharpe를 표본 안 Sharpe로 회귀한 기울기, probability of loss는 n*의
표본 밖 Sharpe가 0보다 작은 몫이다.

기호: M = 시행 수, B = 블록 수. Sharpe의 순위는 같은 날들에서 S/√Q(합/√제곱합)의 순위와 같다.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from optimize.validation.blocks import GROUPS

MIN_TRIALS = 10
MIN_DAYS = 2 * GROUPS
# 시행이 더 많으면 고르게 솎는다: 순위의 몫은 표본으로도 같고, 시간과 메모리는 시행 수에 비례한다.
MAX_TRIALS = 2000
_CELLS = 250_000
# S/√Q가 이보다 가까우면 같은 점수다(float32의 반올림). 하루 Sharpe로는 1e-5보다 작다.
_SAME = np.float32(1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """pbo: 과최적화 확률. loss: 표본 밖에서 손실일 확률. slope: 성과 저하의 기울기(1이면 그대로, 0 이하면 사라짐).

    logits, in_sample, out_of_sample: float64[갈래의 수], 갈래마다의 λ와 n*의 하루 Sharpe들. trials: 쓴 시행 수.
    """

    pbo: float
    loss: float
    slope: float
    logits: NDArray[np.float64]
    in_sample: NDArray[np.float64]
    out_of_sample: NDArray[np.float64]
    trials: int


def probability_of_overfitting(
    sums: NDArray[np.float64],
    squares: NDArray[np.float64],
    counts: NDArray[np.float64],
    groups: int = GROUPS,
) -> Overfitting | None:
    """CSCV. sums, squares: float64[M, B]. counts: float64[B]. groups: 짝수 S, B는 S의 배수.

    시행이 MIN_TRIALS보다, 날이 조각마다 이틀보다 적으면 None. S가 홀수이거나 B를 나누지 못하면 ValueError.
    """
    trials, blocks = sums.shape
    if trials < MIN_TRIALS or counts.sum() < 2 * groups:
        return None
    if groups % 2 or blocks % groups:
        raise ValueError(f"블록 {blocks}개를 {groups}조각으로 나눌 수 없습니다")
    if trials > MAX_TRIALS:
        kept = np.arange(MAX_TRIALS) * trials // MAX_TRIALS
        sums, squares = sums[kept], squares[kept]
    folded = [_fold(part, groups) for part in (sums, squares)]
    days = counts.reshape(groups, -1).sum(axis=1)
    return _evaluate(folded[0], folded[1], days)


def _fold(values: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """[M, B] → [S, M]."""
    return np.ascontiguousarray(values.reshape(len(values), groups, -1).sum(axis=2).T)


@lru_cache(maxsize=4)
def _halves(groups: int) -> NDArray[np.float32]:
    """첫 조각이 든 절반들의 0/1 표 float32[C(S, S/2)/2, S]. 나머지 절반들은 이것의 여집합이다."""
    chosen = list(combinations(range(1, groups), groups // 2 - 1))
    table = np.zeros((len(chosen), groups), dtype=np.float32)
    table[:, 0] = 1.0
    if groups > 2:
        table[np.arange(len(chosen))[:, None], np.array(chosen)] = 1.0
    return table


def _evaluate(
    sums: NDArray[np.float64], squares: NDArray[np.float64], days: NDArray[np.float64]
) -> Overfitting:
    trials = sums.shape[1]
    halves = _halves(len(days))
    chosen = _choose(halves, sums, squares)
    length = halves @ days
    other = days.sum() - length
    inside = _sharpe(chosen[0], np.concatenate((length, other)))
    outside = _sharpe(chosen[1], np.concatenate((other, length)))
    omega = chosen[2] / (trials + 1.0)
    logits = np.log(omega / (1.0 - omega))
    return Overfitting(
        pbo=float(np.mean(logits < 0) + 0.5 * np.mean(logits == 0)),
        loss=float(np.mean(outside < 0)),
        slope=_slope(inside, outside),
        logits=logits,
        in_sample=inside,
        out_of_sample=outside,
        trials=trials,
    )


def _choose(
    halves: NDArray[np.float32], sums: NDArray[np.float64], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """갈래마다의 float64[3, 갈래]: n*의 표본 안 S/√Q, 표본 밖 S/√Q, 표본 밖 순위.

    갈래의 앞 절반은 halves에서, 뒤 절반은 그 여집합에서 고른 것이다.
    """
    trials, count = sums.shape[1], len(halves)
    # float32의 덧셈에서 자릿수를 잃지 않게 크기를 맞춘다(순위는 그대로다).
    scale = np.sqrt(np.maximum(squares.sum(axis=0), 1e-300))
    small_sums = (sums / scale).astype(np.float32)
    small_squares = (squares / scale**2).astype(np.float32)
    found = np.empty((3, 2, count))
    step = max(1, _CELLS // trials)
    for start in range(0, count, step):
        part = halves[start : start + step]
        rows = slice(start, start + len(part))
        one = _strength(part, small_sums, small_squares)
        two = _strength(np.float32(1.0) - part, small_sums, small_squares)
        for side, (inside, outside) in enumerate(((one, two), (two, one))):
            best = inside.argmax(axis=1)[:, None]
            value = np.take_along_axis(outside, best, axis=1)
            below = np.count_nonzero(outside < value - _SAME, axis=1)
            above = np.count_nonzero(outside > value + _SAME, axis=1)
            found[0, side, rows] = np.take_along_axis(inside, best, axis=1)[:, 0]
            found[1, side, rows] = value[:, 0]
            found[2, side, rows] = (trials + 1 + below - above) / 2.0
    return found.reshape(3, 2 * count)


def _strength(
    part: NDArray[np.float32], sums: NDArray[np.float32], squares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """S/√Q [갈래, M]. 움직이지 않은 곳은 0."""
    below = part @ squares
    np.maximum(below, np.float32(1e-12), out=below)
    np.sqrt(below, out=below)
    found = part @ sums
    np.divide(found, below, out=found)
    return found


def _sharpe(strength: NDArray[np.float64], days: NDArray[np.float64]) -> NDArray[np.float64]:
    """S/√Q에서 하루 Sharpe: r·√(n−1) / (n·√(1−r²/n)), r² < n. 변하지 않으면(r² = n) 0이다."""
    room = 1.0 - strength * strength / days
    moving = room > 1e-6
    deviation = days * np.sqrt(np.where(moving, room, 1.0))
    return np.asarray(np.where(moving, strength * np.sqrt(days - 1.0) / deviation, 0.0))


def _slope(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    away = inside - inside.mean()
    spread = float(away @ away)
    return float(away @ outside) / spread if spread > 0 else 0.0
