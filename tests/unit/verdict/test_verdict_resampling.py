"""거래의 차례 섞기와 stationary bootstrap, 파라미터의 고원."""

from __future__ import annotations

import random

import numpy as np
import pytest

from optimize.search.space import SearchSpace
from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter
from optimize.verdict.plateau import distances, near, one_step, plateau_of
from optimize.verdict.resampling import (
    bootstrap_returns,
    mean_block,
    shuffle_trades,
    stationary_indices,
)


def test_only_the_order_of_trades_changes():
    """+10 %와 −10 %를 번갈아 낸 거래: 실제의 낙폭이 가장 얕고, 몰아서 지는 차례가 가장 깊다."""
    returns = np.tile([0.1, -0.1], 20)
    found = shuffle_trades(returns, draws=2000)
    assert found is not None
    assert found.trades == 40
    ends = 100 * (1 - 0.99**20)
    assert found.actual == pytest.approx(100 * (1 - 0.99**19 * 0.9), abs=1e-9)
    assert found.drawdown.low >= min(found.actual, ends) - 1e-9
    assert found.drawdown.high <= 100 * (1 - 0.9**20)
    assert found.worse == 1.0


def test_a_single_loss_has_the_same_drawdown_in_any_order():
    returns = np.array([0.01] * 29 + [-0.2])
    found = shuffle_trades(returns)
    assert found is not None
    assert found.drawdown.low == pytest.approx(20.0)
    assert found.drawdown.high == pytest.approx(20.0)


def test_few_trades_are_not_shuffled():
    assert shuffle_trades(np.full(19, 0.01)) is None


def test_stationary_blocks_are_consecutive_with_the_mean_length():
    rng = np.random.default_rng(1)
    picked = stationary_indices(300, 7, 400, rng)
    assert picked.shape == (400, 300)
    assert picked.min() >= 0
    assert picked.max() < 300
    follows = (picked[:, 1:] - picked[:, :-1]) % 300 == 1
    # 새 블록도 300분의 1은 우연히 이어진다.
    assert 1 / (1 - follows.mean()) == pytest.approx(7, rel=0.05)
    # 어느 날도 똑같이 뽑힌다(정상성).
    assert np.bincount(picked.ravel(), minlength=300) == pytest.approx(400, abs=150)


def test_bootstrap_covers_the_truth():
    """진짜 Sharpe가 90 % 구간에 드는 몫은 90 %에 가깝다."""
    truth, inside = 0.08 * np.sqrt(365), 0
    for seed in range(60):
        returns = np.random.default_rng(seed).normal(0.08, 1.0, 365) * 0.01
        found = bootstrap_returns(returns, draws=150)
        assert found is not None
        inside += found.sharpe.low <= truth <= found.sharpe.high
    assert 44 <= inside <= 60


def test_bootstrap_of_a_sure_gain_and_of_little():
    found = bootstrap_returns(np.full(365, 0.001))
    assert found is not None
    assert found.loss == 0.0
    assert found.cagr_pct.low == pytest.approx(100 * (1.001**365 - 1))
    assert found.max_drawdown_pct.high == 0.0
    assert found.block == mean_block(365) == 7
    assert bootstrap_returns(np.full(29, 0.001)) is None


def test_ruin_is_a_full_drawdown():
    returns = np.zeros(60)
    returns[30] = -1.0
    found = bootstrap_returns(returns)
    assert found is not None
    assert found.max_drawdown_pct.high == pytest.approx(100.0)
    assert found.cagr_pct.low == pytest.approx(-100.0)


def test_distance_is_scaled_and_sees_switched_off_parameters():
    best = {"len": 20, "kind": "SMA", "use": True, "mult": 1.0}
    others = [
        best,
        {**best, "len": 30},
        {**best, "kind": "EMA"},
        {"len": 20, "kind": "SMA", "use": False},
    ]
    assert distances(best, others) == pytest.approx([0, 1 / 4, 1 / 4, 2 / 4])


def test_near_leaves_out_itself_and_the_far():
    best = {"x": 0.0}
    others = [{"x": 0.0}, {"x": 0.05}, {"x": 0.5}, {"x": 1.0}]
    assert near(best, others, [9.0, 8.0, 7.0, 6.0]) == [8.0]


def test_plateau_keeps_the_median_share():
    found = plateau_of(2.0, [1.0, 1.8, 1.6, -1.0, 1.9], stepped=True)
    assert found is not None
    assert (found.count, found.kept, found.worst) == (5, 0.8, -0.5)
    assert plateau_of(2.0, [1.0] * 4, stepped=True) is None
    assert plateau_of(0.0, [1.0] * 9, stepped=True) is None


SPACE = SearchSpace(
    (
        IntParameter("len", 20, low=10, high=110),
        FloatParameter("mult", 1.0, low=1.0, high=3.0),
        FloatParameter("rate", 0.01, low=0.001, high=1.0, log=True),
        ChoiceParameter("use", True),
        IntParameter("depth", 2, low=1, high=4, requires={"use": (True,)}),
    )
)


def test_one_step_moves_one_number_inside_the_space():
    best = {"len": 10, "mult": 2.0, "rate": 0.01, "use": True, "depth": 2}
    found = one_step(SPACE, best)
    moved = [{k: v for k, v in params.items() if v != best[k]} for params in found]
    assert {"len": 15} in moved
    assert {"mult": 1.9} in moved
    assert {"depth": 1} in moved
    assert {"depth": 3} in moved
    assert all(len(change) == 1 and "use" not in change for change in moved)
    assert len(found) == 7
    assert all(SPACE.contains(params) for params in found)


def test_every_drawn_point_has_valid_neighbours():
    rng = random.Random(1)
    for _ in range(50):
        best = SPACE.draw(rng)
        for params in one_step(SPACE, best):
            assert SPACE.contains(params)
            assert params != best
