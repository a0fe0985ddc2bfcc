"""찾은 만큼의 운: 유효 시행 수와, 잡음만으로 이만한 최선이 나올 확률(우연 확률).

기호: M = 시행 수, B = 블록 수. sums: float64[M, B] 블록마다의 일간 수익률의 합.

- 평균 상관의 유효 시행 수 N̂ = ρ̂ + (1−ρ̂)·M (Bailey & López de Prado 2014, 부록 A.3). ρ̂는 시행들 사이의 평균
  상관이다. 모두 같은 상관일 때의 식이라, 비슷한 시행이 많으면 실제보다 많이 센다(엄한 쪽).
- 고윳값의 유효 시행 수 (Σλ)²/Σλ² (participation ratio). 가장 큰 몇 무리만 보므로 적게 센다(느슨한 쪽).
  표본 상관의 제곱은 잡음만큼 크게 나오므로 r² → (r²·(B−1)−1)/(B−2)로 바로잡는다.
- 우연 확률: 모든 시행의 진짜 Sharpe가 0일 때, 시행들 가운데 가장 큰 t값(Sharpe·√날 수)이 최선의 것 이상일
  확률. t값은 자유도(날 수 − 1)를 셈에 넣은 정규 점수로 견준다(`sharpe.normal_score`). White의 reality check("A Reality Check for Data Snooping", Econometrica 68(5), 2000)를 studentize하고
  블록마다 정규 난수를 곱해 뽑는다(Chernozhukov, Chetverikov & Kato, "Gaussian approximations and multiplier
  bootstrap for maxima of sums of high-dimensional random vectors", Annals of Statistics 41(6), 2013).
  시행 사이의 상관이 그대로 들므로 유효 시행 수를 어림할 까닭이 없다. 시행들이 자료와 상관없이 뽑힌 것일 때 맞다: 지난
  시행을 보고 고른 시행들은 `replay`가 본다.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from optimize.verdict.sharpe import trials_for_maximum, upper_tail

_DRAWS = 2000
_CHUNK = 500
_MIN_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class EffectiveTrials:
    """유효 시행 수의 두 어림. correlation: 평균 상관 ρ̂(0 이상으로 자른 것)."""

    correlation: float
    average: float
    spectral: float


@dataclass(frozen=True, slots=True)
class Luck:
    """잡음에서 뽑은 최댓값들. maxima: float64[뽑은 수], 오름차순의 정규 점수. independent: 같은 기대의 독립 시행 수."""

    maxima: NDArray[np.float64]
    independent: float

    @property
    def expected(self) -> float:
        """잡음만으로 얻는 가장 큰 정규 점수의 기대."""
        return float(self.maxima.mean())

    def probability(self, score: float, repeats: float = 1.0, trials: int | None = None) -> float:
        """최댓값이 score(정규 점수) 이상일 확률. repeats: 이 시행들과 같은 묶음을 몇 번 더 찾은 셈으로 볼지(1이 한 번).

        trials: 찾은 횟수를 모두 주면 뽑은 것이 닿지 않는 먼 꼬리를 합의 부등식 P(최댓값 ≥ z) ≤ trials·(1 − Φ(z))으로
        자른다. 되풀이한 것까지 센 것이라 repeats를 다시 곱하지 않는다.
        """
        above = len(self.maxima) - int(np.searchsorted(self.maxima, score, side="left"))
        once = (above + 1.0) / (len(self.maxima) + 1.0)
        drawn = -math.expm1(max(repeats, 1.0) * math.log1p(-min(once, 1.0 - 1e-12)))
        return drawn if trials is None else min(drawn, trials * upper_tail(score))

    def score(self, level: float, repeats: float, trials: int) -> float:
        """그 확률이 level이 되는 정규 점수(`probability`의 역)."""
        far = -NormalDist().inv_cdf(level / trials)
        once = 1.0 - (1.0 - level) ** (1.0 / max(repeats, 1.0))
        if once * (len(self.maxima) + 1.0) < 1.0:
            return far
        return min(float(np.quantile(self.maxima, 1.0 - once)), far)


def moving_rows(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """bool[M], 수익률이 움직인 시행(거래가 있는 것)인가. counts: float64[B] 블록마다의 날 수."""
    return _centred(sums, counts)[2]


def unit_blocks(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """블록들에서 시행의 평균을 빼고 길이를 1로. float64[움직인 시행, B]; 내적이 상관이다.

    counts: float64[B] 블록마다의 날 수. 변하지 않은 시행(거래가 없는 것)은 뺀다.
    """
    away, length, moving = _centred(sums, counts)
    return np.asarray(away[moving] / length[moving, None])


def _centred(
    sums: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """(평균을 뺀 블록, 그 길이, 움직인 시행인가)."""
    mean = sums.sum(axis=1, keepdims=True) / counts.sum()
    away = sums - mean * counts
    length = np.sqrt((away * away).sum(axis=1))
    return away, length, length > 1e-9 * np.maximum(np.abs(sums).sum(axis=1), 1e-30)


def effective_trials(units: NDArray[np.float64], trials: int) -> EffectiveTrials:
    """유효 시행 수. units: `unit_blocks`의 것. trials: 셀 시행의 수(블록이 없는 것도 든다)."""
    moving, blocks = units.shape
    if moving < 2 or blocks < _MIN_BLOCKS:
        return EffectiveTrials(0.0, float(trials), float(trials))
    pairs = moving * (moving - 1.0)
    total = units.sum(axis=0)
    correlation = min(max((float(total @ total) - moving) / pairs, 0.0), 1.0)
    gram = units.T @ units
    squared = (float((gram * gram).sum()) - moving) / pairs
    squared = min(max((squared * (blocks - 1) - 1.0) / (blocks - 2), 0.0), 1.0)
    return EffectiveTrials(
        correlation,
        correlation + (1.0 - correlation) * trials,
        trials / (1.0 + (trials - 1.0) * squared),
    )


def luck_of(units: NDArray[np.float64], seed: int = 0, draws: int = _DRAWS) -> Luck | None:
    """잡음의 최댓값들. 움직인 시행이 없거나 블록이 8개보다 적으면 None.

    메모리는 시행 500개씩 나누어 쓴다. seed가 같으면 같은 값이다.
    """
    moving, blocks = units.shape
    if moving == 0 or blocks < _MIN_BLOCKS:
        return None
    weights = np.random.default_rng(seed).standard_normal((draws, blocks), dtype=np.float32)
    maxima = np.full(draws, -np.inf, dtype=np.float32)
    for start in range(0, moving, _CHUNK):
        part = units[start : start + _CHUNK].astype(np.float32)
        np.maximum(maxima, (weights @ part.T).max(axis=1), out=maxima)
    found = np.sort(maxima.astype(np.float64))
    return Luck(found, trials_for_maximum(float(found.mean())))
