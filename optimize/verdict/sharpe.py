"""Sharpe의 불확실성: PSR, 필요한 최소 기간(MinTRL), 최댓값의 기대, deflated Sharpe ratio.

여기의 Sharpe는 모두 관측 하나(하루)의 것이다: 연율로 늘리지 않은 평균/표준편차. 첨도는 정규분포가 3이다.

출처
- PSR, MinTRL: Bailey & López de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2), 2012.
- 무관한 것들의 최댓값: Šidák, "Rectangular Confidence Regions for the Means of Multivariate Normal Distributions",
  JASA 62(318), 1967.
- Student t와 정규 점수: Wallace, "Bounds on Normal Approximations to Student's and the Chi-Square Distributions",
  Annals of Mathematical Statistics 30(4), 1959. 자유도 5에서도 오차가 0.01보다 작다.
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


def normal_score(t_value: float, days: int) -> float:
    """날 수가 days인 t값(Sharpe·√날)과 같은 확률의 표준 정규 값. 날이 적으면 t의 꼬리가 두꺼워 더 작다.

    z = (8ν+1)/(8ν+3)·√(ν·ln(1 + t²/ν)), ν = days − 1. days가 2보다 작으면 ValueError.
    """
    if days < 2:
        raise ValueError("이틀은 있어야 합니다")
    free = days - 1.0
    away = math.sqrt(free * math.log1p(t_value * t_value / free))
    return math.copysign(away * (8.0 * free + 1.0) / (8.0 * free + 3.0), t_value)


def student_value(score: float, days: int) -> float:
    """`normal_score`의 역: 같은 확률의 t값."""
    free = days - 1.0
    squared = (score * (8.0 * free + 3.0) / (8.0 * free + 1.0)) ** 2
    # 날이 아주 적으면 t가 끝없이 커진다: 연율 Sharpe로 읽을 수 있는 데서 자른다.
    return math.copysign(math.sqrt(free * math.expm1(min(squared / free, 50.0))), score)


def days_for_score(score: float, sharpe: float) -> float:
    """하루 Sharpe가 이어질 때 `normal_score`가 score에 이르는 날 수(ν가 클 때의 근사). 0 이하면 inf."""
    return score * score / math.log1p(sharpe * sharpe) + 0.5 if sharpe > 0 else math.inf


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


def chance_of_maximum(score: float, trials: int) -> float:
    """서로 무관한 표준 정규 trials개(1 이상)의 최댓값이 score 이상일 확률 1 − Φ(score)^N (Šidák 1967)."""
    once = 0.5 * math.erfc(score / math.sqrt(2.0))
    return -math.expm1(trials * math.log1p(-min(once, 1.0 - 1e-16)))


def score_of_maximum(chance: float, trials: int) -> float:
    """`chance_of_maximum`이 chance인 score."""
    return -_NORMAL.inv_cdf(-math.expm1(math.log1p(-chance) / trials))


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
