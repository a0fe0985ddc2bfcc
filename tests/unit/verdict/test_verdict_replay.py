"""되찾기: 지난 시행을 보고 고르는 찾기의 운을, 잡음의 지형에서 다시 찾아 셈한다.

200개의 씨앗으로 하는 큰 판은 `tests/bench/noise.py --sampler tpe`이고 그 숫자는 docs/verdict.md에 있다.
"""

from __future__ import annotations

import numpy as np
import pytest
from noise_market import random_walk, search

from optimize.search.space import SearchSpace
from optimize.strategy.parameter import ChoiceParameter, FloatParameter
from optimize.verdict import replay as replaying
from optimize.verdict.figures import Judge
from optimize.verdict.judge import judge
from optimize.verdict.luck import luck_of
from optimize.verdict.replay import Replayed, Surface, fit_surface, replay
from optimize.verdict.sharpe import expected_maximum

BLOCKS = 48
# 차원 넷의 매끈한 공간: 조합이 가까우면 수익률도 가깝다.
PARAMETERS = [FloatParameter(name, 0.5, low=0.0, high=1.0) for name in "abcd"]
SPACE = SearchSpace(PARAMETERS)
RATE = 4.0


def draws(trials: int, seed: int) -> tuple[list[dict[str, float]], np.ndarray]:
    """(고르게 뽑은 조합들, 상관이 exp(−4·거리²)인 그 수익률의 단위 블록들)."""
    rng = np.random.default_rng(seed)
    places = rng.random((trials, 4))
    away = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    root = np.linalg.cholesky(np.exp(-RATE * away) + 1e-6 * np.eye(trials))
    blocks = root @ rng.standard_normal((trials, BLOCKS))
    blocks -= blocks.mean(axis=1, keepdims=True)
    params = [dict(zip("abcd", map(float, place), strict=True)) for place in places]
    return params, blocks / np.linalg.norm(blocks, axis=1, keepdims=True)


def test_the_surface_is_learned_from_noisy_pairs():
    """표본 상관의 잡음 속에서 차원마다의 빠르기와 멀어도 남는 상관을 되찾는다."""
    rng = np.random.default_rng(1)
    gaps = (rng.random((4000, 3)) - rng.random((4000, 3))) ** 2
    rates, shared = np.array([12.0, 3.0, 0.0]), 0.25
    exact = shared + (1 - shared) * np.exp(-gaps @ rates)
    surface = fit_surface(gaps, exact + 0.14 * rng.standard_normal(4000), 0.02)
    assert surface.rates[0] == pytest.approx(12.0, rel=0.25)
    assert surface.rates[1] == pytest.approx(3.0, rel=0.25)
    assert surface.rates[2] < 0.3
    assert surface.shared == pytest.approx(shared, abs=0.05)


def test_the_search_is_one_of_the_process(monkeypatch: pytest.MonkeyPatch):
    """고르게 찾으면 되찾은 최댓값의 기대가, 같은 공분산의 시행들을 다시 뽑은 것(reality check)과 같다."""
    params, units = draws(60, seed=3)
    make = replaying.make_proposer
    monkeypatch.setattr(
        replaying, "make_proposer", lambda _name, space, seed: make("random", space, seed=seed)
    )
    again = replay(SPACE, params, units, 60)
    luck = luck_of(units)
    assert luck is not None
    # 되찾은 64개의 평균의 오차는 0.06 남짓이고, 차원마다의 빠르기도 어림한 것이다.
    assert again.searches == 64
    assert again.mean == pytest.approx(luck.expected, abs=0.25)


def test_a_surface_gone_astray_is_set_right_by_the_known_maximum(monkeypatch: pytest.MonkeyPatch):
    """지형을 서로 무관한 것으로 잘못 배워도, 고르게 찾은 최댓값의 기대는 reality check의 것이다."""
    params, units = draws(60, seed=6)
    make = replaying.make_proposer
    monkeypatch.setattr(
        replaying, "make_proposer", lambda _name, space, seed: make("random", space, seed=seed)
    )
    rough = Surface(np.full(4, 1e4), 0.0)
    monkeypatch.setattr(replaying, "fit_surface", lambda *_: rough)
    luck = luck_of(units)
    assert luck is not None
    assert luck.expected < 2.0 < expected_maximum(60)
    assert replay(SPACE, params, units, 60).mean == pytest.approx(luck.expected, abs=0.2)


def test_an_adaptive_search_climbs_higher_than_the_same_number_of_draws():
    """몰려가는 찾기는 같은 수를 고르게 뽑은 것보다 멀리 찾고, 오래 찾을수록 더 멀리 찾는다."""
    params, units = draws(60, seed=4)
    luck = luck_of(units)
    assert luck is not None
    short, long = replay(SPACE, params, units, 40), replay(SPACE, params, units, 120)
    assert short.mean > luck.expected + 0.25
    assert long.mean > short.mean
    assert replay(SPACE, params, units, 40) == short


def test_switched_off_and_chosen_dimensions_have_a_place():
    """꺼진 파라미터와 고를 값이 있어도 되찾는다."""
    parts = [
        ChoiceParameter("on", False, choices=(False, True)),
        FloatParameter("x", 0.5, low=0.0, high=1.0, requires={"on": (True,)}),
        FloatParameter("y", 0.5, low=0.0, high=1.0),
    ]
    rng = np.random.default_rng(5)
    params = [
        {
            "on": bool(n % 2),
            "y": float(rng.random()),
            **({"x": float(rng.random())} if n % 2 else {}),
        }
        for n in range(40)
    ]
    blocks = rng.standard_normal((40, BLOCKS))
    units = blocks / np.linalg.norm(blocks, axis=1, keepdims=True)
    again = replay(SearchSpace(parts), params, units, 40)
    assert 1.0 < again.mean < 4.0


def test_the_tail_is_that_of_many_searches():
    """score는 probability의 역이고, N번 찾은 것은 한 번의 것의 1 − (1 − p)^N이며, 되찾은 것이 적으면 꼬리가 두껍다."""
    found = Replayed(trials=100, searches=10_000, mean=2.0, spread=0.5)
    for repeats in (1.0, 7.5):
        assert found.probability(found.score(0.05, repeats), repeats) == pytest.approx(0.05)
    once = found.probability(3.0, 1.0)
    assert once == pytest.approx(0.02275, rel=0.01)
    assert found.probability(3.0, 10.0) == pytest.approx(1 - (1 - once) ** 10)
    assert found.expected_of(1.0) == 2.0
    assert found.expected_of(10.0) == pytest.approx(2.0 + 0.5 * 1.57, abs=0.01)
    assert 0.0 <= found.probability(40.0, 1.0) < 1e-9
    assert found.probability(-40.0, 1.0) == pytest.approx(1.0)
    # t분포의 자유도 23에서 2 / √(1 + 1/24)의 오른쪽 꼬리.
    few = Replayed(trials=100, searches=24, mean=2.0, spread=0.5)
    assert few.probability(3.0, 1.0) == pytest.approx(0.0311, rel=0.02)


# 닮음만 세면 운으로 볼 확률이 5 %보다 작은 잡음.
LUCKY_SEED = 2


def test_noise_found_by_climbing_is_suspected():
    """기본의 sampler와 기본의 전략이 잡음에서 올라가 찾은 최선: 시행들을 다시 뽑기만 하면 빠져나가던 것이다."""
    study = search(random_walk(LUCKY_SEED, 365), LUCKY_SEED, 120, "tpe", "squeeze_momentum")
    found = judge(Judge([study]).figures(study))
    assert found.figures.luck.searches > 0
    assert found.figures.luck.probability > 0.05
    assert found.level == "suspect"
    study.space = None
    blind = Judge([study]).figures(study)
    assert blind.luck.searches == 0
    assert blind.luck.probability < 0.05


def test_a_planted_trend_found_by_climbing_is_kept():
    """진짜 우위는 되찾아도 운으로 보지 않는다."""
    study = search(random_walk(1, 730, signal=0.0012), 1, 60, "tpe")
    figures = Judge([study]).figures(study)
    assert figures.luck.searches > 0
    assert figures.luck.probability < 0.05
