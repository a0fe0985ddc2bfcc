"""PSR·MinTRL·DSR이 논문에 실린 숫자를 되낸다."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from optimize.verdict.sharpe import (
    TrackRecord,
    chance_of_maximum,
    days_for_score,
    deflated_sharpe,
    expected_maximum,
    minimum_track_record,
    normal_score,
    probabilistic_sharpe,
    score_of_maximum,
    student_value,
    trials_for_maximum,
)


@pytest.mark.parametrize(
    ("months", "skew", "kurtosis", "expected"),
    [(24, 0.0, 3.0, 0.982), (24, -2.448, 10.164, 0.913), (36, -2.448, 10.164, 0.953)],
)
def test_psr_of_the_hedge_fund_of_bailey_and_lopez_de_prado_2012(months, skew, kurtosis, expected):
    """절 4의 예: 월간 Sharpe 0.458(연율 1.59)인 두 해와 세 해의 기록."""
    record = TrackRecord(0.458, months, skew, kurtosis)
    assert probabilistic_sharpe(record) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(
    ("per_year", "skew", "kurtosis", "years"),
    [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_mintrl_of_bailey_and_lopez_de_prado_2012(per_year, skew, kurtosis, years):
    """연율 Sharpe 2가 1보다 크다고 95 %로 말하는 데 필요한 해."""
    root = math.sqrt(per_year)
    record = TrackRecord(2 / root, per_year, skew, kurtosis)
    assert minimum_track_record(record, 1 / root) / per_year == pytest.approx(years, abs=0.006)


def test_mintrl_is_where_psr_reaches_the_confidence():
    record = TrackRecord(0.1, 500, -0.5, 6.0)
    needed = minimum_track_record(record, confidence=0.95)
    there = TrackRecord(0.1, round(needed), -0.5, 6.0)
    assert probabilistic_sharpe(there) == pytest.approx(0.95, abs=1e-3)
    assert math.isinf(minimum_track_record(TrackRecord(-0.1, 500)))


@pytest.mark.parametrize(
    ("trials", "skew", "kurtosis", "expected"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_dsr_of_bailey_and_lopez_de_prado_2014(trials, skew, kurtosis, expected):
    """수치 예: 연율 Sharpe 2.5, 다섯 해의 일간 자료 1,250개(한 해 250일), V = 1/2(연율)."""
    record = TrackRecord(2.5 / math.sqrt(250), 1250, skew, kurtosis)
    deflated = deflated_sharpe(record, trials, 0.5 / 250)
    assert deflated.probability == pytest.approx(expected, abs=5e-5)
    if trials == 100:
        assert deflated.benchmark == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(
    ("t_value", "degrees", "score"),
    # Student t의 분위수 표: 같은 확률의 표준 정규 값.
    [
        (2.571, 5, 1.960),
        (1.812, 10, 1.645),
        (2.539, 19, 2.326),
        (3.646, 40, 3.373),
        (1.96, 10**6, 1.96),
    ],
)
def test_normal_score_is_the_table_of_student(t_value, degrees, score):
    found = normal_score(t_value, degrees + 1)
    assert found == pytest.approx(score, abs=0.01)
    assert normal_score(-t_value, degrees + 1) == -found
    assert student_value(found, degrees + 1) == pytest.approx(t_value)


@pytest.mark.parametrize(("sharpe", "score"), [(0.05, 3.0), (0.3, 3.0), (1.0, 3.5)])
def test_days_for_score_reach_the_score(sharpe, score):
    days = round(days_for_score(score, sharpe))
    assert normal_score(sharpe * math.sqrt(days), days) == pytest.approx(score, rel=0.04)
    assert math.isinf(days_for_score(score, 0.0))


@pytest.mark.parametrize(
    ("trials", "exact"),
    # 표준 정규 n개의 최댓값의 기대의 정확한 값(순서 통계량의 표).
    [(2, 0.5642), (5, 1.1630), (10, 1.5388), (20, 1.8675), (100, 2.5076), (1000, 3.2414)],
)
def test_expected_maximum_is_near_the_table(trials, exact):
    assert expected_maximum(trials) == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("trials", [1, 20, 100_000])
def test_chance_of_the_maximum_of_independent_ones(trials):
    edge = score_of_maximum(0.05, trials)
    assert chance_of_maximum(edge, trials) == pytest.approx(0.05)
    assert NormalDist().cdf(edge) ** trials == pytest.approx(0.95, abs=1e-6)
    assert chance_of_maximum(-40.0, trials) == pytest.approx(1.0)
    assert 0.0 < chance_of_maximum(9.0, trials) < 1e-10


def test_expected_maximum_of_ten_is_the_one_of_pseudo_mathematics():
    """Bailey 외 2014: 열 개를 찾으면 한 해의 Sharpe의 최댓값이 1.57로 기대된다."""
    assert expected_maximum(10) == pytest.approx(1.57, abs=0.005)


def test_expected_maximum_of_one_or_less_is_zero_and_grows():
    found = [expected_maximum(n) for n in (0.0, 1.0, 1.1, 1.5, 2.0, 3.0, 50.0, 1e6)]
    assert found[:2] == [0.0, 0.0]
    assert found == sorted(found)


@pytest.mark.parametrize("trials", [3.0, 77.0, 12_345.0])
def test_trials_for_maximum_is_the_inverse(trials):
    assert trials_for_maximum(expected_maximum(trials)) == pytest.approx(trials, rel=1e-6)
    assert trials_for_maximum(0.0) == 1.0


def test_psr_is_the_share_of_samples_above_the_truth():
    """정의의 확인: 진짜 Sharpe에 대한 PSR은 [0, 1]에서 고르게 나온다."""
    draws = np.random.default_rng(5).normal(0.1, 1.0, (2000, 250))
    sharpe = draws.mean(axis=1) / draws.std(axis=1, ddof=1)
    found = [probabilistic_sharpe(TrackRecord(float(s), 250), 0.1) for s in sharpe]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)


def test_a_single_day_has_no_psr():
    with pytest.raises(ValueError, match="이틀"):
        probabilistic_sharpe(TrackRecord(0.1, 1))
