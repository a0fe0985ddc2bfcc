"""Sharpe의 불확실성: PSR, 필요한 최소 기간(MinTRL), 최댓값의 기대, deflated Sharpe ratio.

여기의 Sharpe는 모두 관측 하나(하루)의 것이다: 연율로 늘리지 않은 평균/표준편차. 첨도는 정규분포가 3이다.

출처
- PSR, MinTRL: Bailey & López de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2), 2012.
- 최댓값의 기대, DSR: Bailey & López de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio
  Management 40(5), 2014, 식 (1)과 (2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

EULER_MASCHERONI = 0.5772156649015329
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """일간 수익률의 요약. sharpe: 하루의 Sharpe. days: 날 수. skew: 비대칭도. kurtosis: 첨도(정규 3)."""

    sharpe: float
    days: int
    skew: float = 0.0
    kurtosis: float = 3.0

    @property
    def spread(self) -> float:
        """√(1 − γ₃·SR + (γ₄−1)/4·SR²): Sharpe 추정의 표준편차에 √(n−1)을 곱한 것."""
        sharpe = self.sharpe
        inside = 1.0 - self.skew * sharpe + (self.kurtosis - 1.0) / 4.0 * sharpe * sharpe
        # 적률의 부등식 γ₄ ≥ γ₃² + 1 때문에 0보다 작을 수 없다: 반올림만 막는다.
        return math.sqrt(max(inside, 1e-12))


def probabilistic_sharpe(record: TrackRecord, benchmark: float = 0.0) -> float:
    """진짜 Sharpe가 benchmark(하루)보다 클 확률.

    PSR(SR*) = Φ[(SR − SR*)·√(n−1) / √(1 − γ₃·SR + (γ₄−1)/4·SR²)]. n이 2보다 작으면 ValueError.
    """
    if record.days < 2:
        raise ValueError("이틀은 있어야 합니다")
    away = (record.sharpe - benchmark) * math.sqrt(record.days - 1)
    return _NORMAL.cdf(away / record.spread)


def minimum_track_record(
    record: TrackRecord, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """Sharpe가 benchmark보다 크다고 confidence로 말하는 데 필요한 관측(날) 수.

    MinTRL = 1 + (1 − γ₃·SR + (γ₄−1)/4·SR²)·(Z_α / (SR − SR*))². benchmark보다 크지 않으면 inf.
    """
    if record.sharpe <= benchmark:
        return math.inf
    return 1.0 + (record.spread * _NORMAL.inv_cdf(confidence) / (record.sharpe - benchmark)) ** 2


def expected_maximum(trials: float) -> float:
    """평균 0, 분산 1인 독립 정규 변수 trials개의 최댓값의 기대(근사).

    (1−γ)·Z⁻¹[1 − 1/N] + γ·Z⁻¹[1 − 1/(N·e)], γ는 Euler–Mascheroni 상수. N은 정수가 아니어도 된다(유효
    시행 수). 하나 이하면 0이고, 근사가 0 아래로 가는 작은 N에서도 0이다.
    """
    if trials <= 1.0:
        return 0.0
    first = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return max((1.0 - EULER_MASCHERONI) * first + EULER_MASCHERONI * second, 0.0)


def trials_for_maximum(expected: float) -> float:
    """최댓값의 기대가 expected인 독립 시행의 수(`expected_maximum`의 역). 0 이하면 1."""
    low, high = 0.0, math.log(1e12)
    if expected <= 0.0:
        return 1.0
    for _ in range(80):
        middle = (low + high) / 2.0
        if expected_maximum(math.exp(middle)) < expected:
            low = middle
        else:
            high = middle
    return math.exp(high)


@dataclass(frozen=True, slots=True)
class Deflated:
    """benchmark: 운으로 얻을 최대 Sharpe SR₀(하루). probability: DSR = PSR(SR₀)."""

    benchmark: float
    probability: float


def deflated_sharpe(record: TrackRecord, trials: float, variance: float) -> Deflated:
    """여러 번 찾아 고른 것을 셈에 넣은 PSR.

    SR₀ = √V·E[max_N], V = 시행들의 (하루) Sharpe의 분산, N = 독립 시행의 수. DSR = PSR(SR₀).
    """
    benchmark = math.sqrt(max(variance, 0.0)) * expected_maximum(trials)
    return Deflated(benchmark, probabilistic_sharpe(record, benchmark))
