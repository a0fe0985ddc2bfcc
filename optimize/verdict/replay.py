"""되찾기: 지난 시행을 보고 고르는 sampler를 잡음의 지형에서 처음부터 다시 돌려, 얼마나 좋은 최선을 찾아내는지 본다.

정해진 시행들의 reality check는 시행이 자료와 상관없이 뽑혔을 때만 맞다. tpe는 좋아 보이는 쪽으로 몰려가므로 이미 몰린
시행들을 다시 뽑는 것으로는 그 오름을 볼 수 없다: 잡음마다 찾기를 되풀이해야 한다(찾는 절차 전체를 귀무가설 아래에서
되풀이하는 parametric bootstrap; Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, 6.5와 16장). 백테스트를 되풀이하는
대신, 진짜 Sharpe가 모두 0일 때 t값들이 이루는 Gauss 과정을 시행들의 블록에서 배워 그 위에서 찾는다.

- 과정의 공분산은 두 조합의 수익률의 상관이다: ρ(θ, θ′) = c + (1−c)·exp(−Σ_d a_d·(θ_d − θ′_d)²) (Rasmussen & Williams,
  "Gaussian Processes for Machine Learning", 2006, 5.1의 차원마다 길이가 다른 squared exponential). 시행의 짝들의 표본 상관에 최소제곱으로
  맞춘다(Levenberg–Marquardt).
- 찾기는 프로그램의 tpe 그대로다. 낸 조합의 값은 앞의 값들이 주어졌을 때의 조건부 정규에서 뽑는다: 전체 지형을 미리
  그리지 않아도 정확하다.
- 배운 지형이 실제와 어긋난 만큼은 견주어 뺀다(control variate): 정해진 시행들의 최댓값의 기대는 reality check가 정확히 알므로,
  같은 시행들을 지형에서 뽑은 기대와의 차이를 되찾은 평균에서 뺀다.
- 최댓값은 정규로 본다: Gauss 과정의 최댓값은 제 평균의 둘레에 정규보다 두껍지 않은 꼬리로 모인다(Borell–TIS 부등식;
  Adler & Taylor, "Random Fields and Geometry", 2007, 정리 2.1.1). 되찾은 횟수가 적은 만큼은 예측의 t분포로 셈한다.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimize.search.proposer import make_proposer
from optimize.search.tpe_dimensions import KIND_CHOICE, Dimension
from optimize.trial import FinishedTrial, Params
from optimize.verdict.luck import luck_of
from optimize.verdict.sharpe import expected_maximum, normal_score, student_value, upper_tail

if TYPE_CHECKING:
    from optimize.search.space import SearchSpace

# 한 번의 되찾기가 이보다 길면 나머지는 따로 찾은 것으로 센다: 값의 셈이 시행 수의 세제곱으로 늘기 때문이다.
MAX_TRIALS = 400
_TOTAL_TRIALS = 4000
_FEWEST, _MOST = 16, 64
_PAIRS = 4000
_ROWS = 400
_DRAWS = 1000
_ROUNDS = 60
# 꺼진 파라미터의 자리. 어느 한 점이어야 공분산이 양의 준정부호다(꺼짐의 차이는 그것을 끄는 파라미터가 센다).
_OFF = 0.5
# 같은 조합에 가까운 것이 거듭 나와도 풀리게 하는, 상관에 곱하는 수.
_NUGGET = 0.99
_RATE = 0.3
_LOOSE = 1.5
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Replayed:
    """되찾은 최댓값들의 평균과 표준편차(정규 점수). trials: 한 번의 되찾기의 시행 수. searches: 되찾은 횟수(둘 넘게)."""

    trials: int
    searches: int
    mean: float
    spread: float

    @property
    def _reach(self) -> float:
        """다음 최댓값 하나를 예측할 때의 표준편차: 평균을 모르는 만큼 넓다."""
        return self.spread * math.sqrt(1.0 + 1.0 / self.searches)

    def expected_of(self, repeats: float) -> float:
        """repeats번 따로 찾은 것의 최선의 기대."""
        return self.mean + self.spread * expected_maximum(repeats)

    def probability(self, score: float, repeats: float) -> float:
        """repeats번 찾은 최선이 score 이상일 확률."""
        once = upper_tail(normal_score((score - self.mean) / self._reach, self.searches))
        return -math.expm1(max(repeats, 1.0) * math.log1p(-min(once, 1.0 - 1e-12)))

    def score(self, level: float, repeats: float) -> float:
        """그 확률이 level인 정규 점수(`probability`의 역)."""
        once = -math.expm1(math.log1p(-level) / max(repeats, 1.0))
        away = student_value(-NormalDist().inv_cdf(once), self.searches)
        return self.mean + self._reach * away


class _Places:
    """조합을 차원마다의 좌표로."""

    def __init__(self, space: SearchSpace) -> None:
        self._dimensions = [Dimension(parameter) for parameter in space.dimensions]
        self._choice = np.array([d.kind == KIND_CHOICE for d in self._dimensions], dtype=np.bool_)

    def of(self, params: Params) -> NDArray[np.float64]:
        """float64[D]."""
        return np.array(
            [d.encode(params[d.name]) if d.name in params else _OFF for d in self._dimensions]
        )

    def gaps(self, here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
        """차원마다의 거리의 제곱 float64[n, D]. 고를 값은 다르면 1이다."""
        away = (there - here) ** 2
        return np.where(self._choice, (away > 0).astype(np.float64), away)


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """잡음의 지형의 공분산. rates: float64[D] 차원마다 상관이 풀리는 빠르기. shared: 멀어도 남는 상관 c."""

    rates: NDArray[np.float64]
    shared: float

    def correlation(self, gaps: NDArray[np.float64]) -> NDArray[np.float64]:
        """거리의 제곱들(float64[n, D])의 상관 float64[n]."""
        near = np.exp(-(gaps @ self.rates))
        return np.asarray(_NUGGET * (self.shared + (1.0 - self.shared) * near))


def fit_surface(
    gaps: NDArray[np.float64], correlations: NDArray[np.float64], noise: float
) -> Surface:
    """짝들의 거리의 제곱(float64[n, D])과 표본 상관(float64[n])에 맞춘 지형.

    noise: 표본 상관의 분산. 짝들이 말해 주지 않는 차원이 있을 수 있어 log a_d에 느슨한 정규 사전(가운데 log 0.3)을 둔다.
    """
    centre = math.log(_RATE)
    logs, shared, damping = np.full(gaps.shape[1], centre), 0.1, 1.0
    pull = np.append(np.full(len(logs), noise / _LOOSE**2), 0.0)

    def left(
        logs: NDArray[np.float64], shared: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        near = np.exp(-(gaps @ np.exp(logs)))
        away = correlations - (shared + (1.0 - shared) * near)
        return away, near, float(away @ away + pull[:-1] @ (logs - centre) ** 2)

    away, near, cost = left(logs, shared)
    for _ in range(_ROUNDS):
        slope = np.column_stack([-(1.0 - shared) * near[:, None] * gaps * np.exp(logs), 1.0 - near])
        curve = slope.T @ slope + np.diag(pull)
        downhill = slope.T @ away - pull * np.append(logs - centre, 0.0)
        step = np.linalg.solve(curve + damping * np.diag(np.diag(curve) + 1e-9), downhill)
        new_logs = np.clip(logs + step[:-1], -8.0, 4.0)
        new_shared = min(max(shared + float(step[-1]), 0.0), 0.99)
        found = left(new_logs, new_shared)
        if found[2] < cost:
            logs, shared, damping = new_logs, new_shared, max(damping / 3.0, 1e-4)
            away, near, cost = found
        elif damping > 1e6:
            break
        else:
            damping *= 4.0
    return Surface(np.exp(logs), shared)


def replay(
    space: SearchSpace,
    params: Sequence[Params],
    units: NDArray[np.float64],
    trials: int,
    seed: int = 0,
) -> Replayed:
    """되찾은 최댓값들. params, units: 움직인 시행들의 조합과 `unit_blocks`. trials: sampler 하나가 찾은 시행 수."""
    rng = np.random.default_rng(seed)
    places = _Places(space)
    rows = rng.permutation(len(params))[:_ROWS]
    units = units[rows]
    found = np.stack([places.of(params[row]) for row in rows])
    first, second = rng.integers(0, len(found), (2, _PAIRS))
    apart = first != second
    first, second = first[apart], second[apart]
    surface = fit_surface(
        places.gaps(found[first], found[second]),
        (units[first] * units[second]).sum(axis=1),
        1.0 / (units.shape[1] - 1),
    )
    length = min(max(trials, 2), MAX_TRIALS)
    count = min(max(_TOTAL_TRIALS // length, _FEWEST), _MOST)
    maxima = [_search(space, places, surface, length, rng) for _ in range(count)]
    spread = max(float(np.std(maxima, ddof=1)), 1e-6)
    exact = luck_of(units)
    astray = 0.0 if exact is None else _drawn_maximum(places, surface, found, rng) - exact.expected
    return Replayed(length, count, float(np.mean(maxima)) - astray, spread)


def _drawn_maximum(
    places: _Places, surface: Surface, found: NDArray[np.float64], rng: np.random.Generator
) -> float:
    """정해진 조합들(float64[n, D])의 값을 지형에서 뽑은 최댓값의 기대."""
    shape = np.stack([surface.correlation(places.gaps(one, found)) for one in found])
    np.fill_diagonal(shape, 1.0)
    values = np.linalg.cholesky(shape) @ rng.standard_normal((len(found), _DRAWS))
    return float(values.max(axis=0).mean())


def _search(
    space: SearchSpace,
    places: _Places,
    surface: Surface,
    trials: int,
    rng: np.random.Generator,
) -> float:
    """지형 하나에서 찾은 가장 큰 값."""
    proposer = make_proposer("tpe", space, seed=int(rng.integers(2**63)))
    draws = rng.standard_normal(trials)
    seen = np.empty((trials, len(space.dimensions)))
    # 공분산의 Cholesky 인자의 역을 한 줄씩 늘린다.
    inverse = np.zeros((trials, trials))
    best = -math.inf
    for number in range(trials):
        asked = proposer.ask(1, [])
        if not asked:
            break
        seen[number] = places.of(asked[0])
        weights = inverse[:number, :number] @ surface.correlation(
            places.gaps(seen[number], seen[:number])
        )
        spread = math.sqrt(max(1.0 - float(weights @ weights), 1e-9))
        value = float(weights @ draws[:number]) + spread * float(draws[number])
        inverse[number, :number] = -(weights @ inverse[:number, :number]) / spread
        inverse[number, number] = 1.0 / spread
        best = max(best, value)
        proposer.observe([_trial(number, asked[0], value)])
    return best


def _trial(number: int, params: Params, value: float) -> FinishedTrial:
    return FinishedTrial(f"{number}", "COMPLETE", params, (value,), _MOMENT, _MOMENT, number=number)
