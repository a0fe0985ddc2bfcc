"""진짜 엔진과 전략으로: 예측할 수 없는 시장은 이론의 비율로 의심받고, 심어 둔 추세는 의심받지 않는다.

200개의 씨앗으로 하는 큰 판은 `tests/bench/noise.py`이고 그 숫자는 docs/verdict.md에 있다.
"""

from __future__ import annotations

import numpy as np
import pytest
from noise_market import FREE, OBJECTIVE, SPACE, random_walk, search

from optimize.report.verdict import Bench, judge_studies, rerun_best
from optimize.verdict.figures import Judge
from optimize.verdict.judge import judge

SEEDS = 30


@pytest.fixture(scope="module")
def walks():
    found = [search(random_walk(seed, 200), seed, 20) for seed in range(SEEDS)]
    return [judge(Judge([study]).figures(study)) for study in found]


def test_a_market_without_an_edge_is_suspected(walks):
    """이론은 95 %: 30개 가운데 24개보다 적을 확률은 0.1 %보다 작다."""
    levels = [verdict.level for verdict in walks]
    assert levels.count("suspect") >= 24
    assert levels.count("clear") <= 1
    luck = [verdict.figures.luck.probability for verdict in walks]
    # 고른 분포의 30개의 평균은 99.9 %가 0.5 ± 0.18 안이다.
    assert np.mean(luck) == pytest.approx(0.5, abs=0.18)


def test_trials_of_one_market_resemble_each_other(walks):
    """같은 값을 보는 시행들은 닮았다: 독립인 것으로 친 수는 찾은 수보다 적다."""
    assert all(verdict.figures.effective.average < 20 for verdict in walks)
    assert np.mean([v.figures.effective.correlation for v in walks]) > 0.15


class _Ref:
    """연 자료를 그대로 주는 DatasetRef의 대역."""

    def __init__(self, data):
        self._data = data

    def open(self):
        return self._data


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_planted_trend_is_not_called_overfit(seed):
    data = random_walk(seed, 365, signal=0.0012)
    study = search(data, seed, 40)
    bench = Bench(_Ref(data), "ma_cross", FREE, OBJECTIVE, SPACE)
    (verdict,) = judge_studies([study], {study.study: bench})
    assert verdict.level == "clear", verdict.lines()
    figures = verdict.figures
    assert figures.plateau.stepped
    assert figures.trade_order.trades > 20
    assert figures.bootstrap.sharpe.low > 0
    # 다시 셈한 최선은 저장된 것과 같은 수익률이다.
    rerun = rerun_best(bench, study.best)
    daily = rerun.daily_returns
    again = daily.mean() / daily.std(ddof=1) * np.sqrt(365)
    assert again == pytest.approx(figures.record.sharpe, rel=1e-4)


def test_slow_strategies_are_not_rerun_for_their_neighbours():
    data = random_walk(1, 60)
    study = search(data, 1, 12)
    bench = Bench(_Ref(data), "ma_cross", FREE, OBJECTIVE, SPACE)
    assert rerun_best(bench, study.best, step_seconds=0.0).steps == []
    assert len(rerun_best(bench, study.best, step_seconds=60.0).steps) >= 2
