"""여러 목표: 파레토 최적 시행들은 Optuna의 것과 같고, TPE는 그 차례로 좋은 쪽을 고른다."""

from __future__ import annotations

import itertools
import math
import random
from datetime import UTC, datetime

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_problem import MIXED

from optimize.search.pareto import Leaders, leaders_of
from optimize.search.proposer import make_proposer
from optimize.search.space import SearchSpace
from optimize.search.tpe_leaders import ParetoLeaders, nondominated, pareto_order, widest_subset
from optimize.strategy.parameter import FloatParameter
from optimize.trial import FinishedTrial

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WAYS = ("maximize", "minimize")
# 눈금이 성겨야 같은 값과 지배가 자주 나온다.
VALUES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30)


def trial(
    values: tuple[float, ...], number: int = 0, over: float = 0.0, **params: float
) -> FinishedTrial:
    return FinishedTrial(
        f"{number}", "COMPLETE", params, values, NOW, NOW, constraints=(over,), number=number
    )


@settings(max_examples=50, deadline=None)
@given(VALUES, st.data())
def test_the_front_is_the_one_optuna_finds(
    values: list[tuple[int, int]], data: st.DataObject
) -> None:
    """제약을 어긴 시행을 섞어도, 어느 차례로 넣어도 `study.best_trials`와 같다."""
    over = [data.draw(st.sampled_from((0.0, 0.0, 1.0))) for _ in values]
    mine = leaders_of(
        (trial(v, n, over[n]) for n, v in enumerate(values)), [way.upper() for way in WAYS]
    )
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials(
        optuna.trial.create_trial(values=[float(x) for x in v], constraints={"0": over[n]})
        for n, v in enumerate(values)
    )
    assert {t.number for t in mine.front} == {t.number for t in study.best_trials}
    firsts = [t.values[0] for t in mine.front]
    assert firsts == sorted(firsts, reverse=True)


def test_joining_the_front_and_the_representative() -> None:
    leaders = Leaders(WAYS)
    assert leaders.best is None
    assert leaders.front == []
    assert leaders.offer(trial((1.0, 10.0), 0))
    assert leaders.offer(trial((1.0, 10.0), 1)), "같은 값은 서로 지배하지 않는다"
    assert not leaders.offer(trial((0.5, 10.0), 2))
    assert not leaders.offer(trial((9.0, 1.0), 3, over=0.1)), "제약을 어기면 들지 않는다"
    assert leaders.offer(trial((2.0, 20.0), 4))
    assert leaders.offer(trial((2.0, 9.0), 5))
    assert [t.number for t in leaders.front] == [5]
    assert leaders.offer(trial((1.0, 3.0), 6))
    assert leaders.best is not None
    assert (leaders.best.number, len(leaders)) == (5, 2)


def test_one_goal_keeps_the_first_of_equals() -> None:
    leaders = Leaders(("maximize",))
    assert [leaders.offer(trial((v,), n)) for n, v in enumerate((1.0, 1.0, 2.0, 1.5))] == [
        True,
        False,
        True,
        False,
    ]
    assert [t.number for t in leaders.front] == [2]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(2, 4), st.integers(0, 999))
def test_layers_are_peeled_like_the_definition(n: int, goals: int, seed: int) -> None:
    losses = np.random.default_rng(seed).integers(0, 6, (n, goals)).astype(float)

    def beaten(b: int, among: set[int]) -> bool:
        return any((losses[a] <= losses[b]).all() and (losses[a] < losses[b]).any() for a in among)

    left, layers = set(range(n)), []
    while left:
        layers.append({b for b in left if not beaten(b, left)})
        left -= layers[-1]
    assert set(np.flatnonzero(nondominated(losses))) == layers[0]
    size = (n + 1) // 2
    chosen = pareto_order(losses, size)
    assert len(set(chosen)) == size
    depth = {i: d for d, layer in enumerate(layers) for i in layer}
    whole = sorted(depth.values())
    assert sorted(depth[i] for i in chosen) == whole[:size], "앞의 층부터 채운다"


def test_the_last_layer_is_filled_by_hypervolume() -> None:
    """한 점을 고르면 넓이가 가장 큰 것, 이어서 고른 것은 남은 점 가운데 가장 넓히는 것이다."""
    x = np.linspace(0.0, 1.0, 30)
    layer = np.column_stack([x, (1 - x) ** 2])

    def area(points: list[int]) -> float:
        total, top = 0.0, 2.0
        for i in sorted(points, key=lambda i: x[i]):
            total += (2.0 - layer[i, 0]) * (top - layer[i, 1])
            top = layer[i, 1]
        return total

    picked = widest_subset(layer, 5)
    for count in range(5):
        gains = [area([*picked[:count], i]) for i in range(30)]
        assert area(picked[: count + 1]) == pytest.approx(max(gains))


def test_three_goals_are_measured_closely_enough() -> None:
    """목표가 셋이면 초부피를 점들로 잰다: 고른 것의 참 부피가 greedy의 98 % 이상이다."""
    rng = np.random.default_rng(5)
    sphere = np.abs(rng.normal(size=(60, 3)))
    layer = 1 - sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
    scaled = (layer - layer.min(axis=0)) / np.ptp(layer, axis=0)

    def volume(points: list[int]) -> float:
        """포함과 배제로 센 부피."""
        total = 0.0
        for size in range(1, len(points) + 1):
            for some in itertools.combinations(points, size):
                corner = scaled[list(some)].max(axis=0)
                total -= (-1) ** size * float(np.prod(2.0 - corner))
        return total

    greedy: list[int] = []
    for _ in range(5):
        greedy.append(max(range(60), key=lambda i: volume([*greedy, i])))
    assert volume(widest_subset(layer, 5)) > 0.98 * volume(greedy)


def test_forgetting_trials_far_behind_changes_nothing() -> None:
    """지배하는 시행이 많은 것을 잊어도 고르는 것은 모두 기억한 것과 같다."""
    rng = np.random.default_rng(3)
    leaders = ParetoLeaders(2)
    losses = rng.random((2000, 2))
    for n, row in enumerate(losses):
        leaders.add((0, *row), n, [n])
    kept = [rows[0] for rows in leaders.chosen(2000)]
    assert sorted(kept) == sorted(pareto_order(losses, leaders.max_below))
    assert len(leaders._rows) < 1000


def test_infeasible_trials_fill_up_what_is_left() -> None:
    leaders = ParetoLeaders(2)
    leaders.add((2, 0.5, 0.0), 0, [0])
    leaders.add((0, 1.0, 1.0), 1, [1])
    leaders.add((2, 0.1, 0.0), 2, [2])
    assert leaders.chosen(20) == [[1], [2]]


@pytest.mark.parametrize("name", ["tpe", "nsga2", "tpe_optuna", "random"])
def test_every_sampler_takes_several_goals(name: str) -> None:
    space = SearchSpace(MIXED)
    proposer = make_proposer(name, space, WAYS, seed=1)
    for n in range(30):
        (params,) = proposer.ask(1, [])
        x = float(params["x"])
        proposer.observe([trial((x, x * x), n, over=float(n % 3 == 0), **params)])
    assert len(proposer.ask(3, [])) == 3


def test_tpe_covers_the_front_better_than_random() -> None:
    """두 목표의 초부피가 씨앗 셋 모두에서 무작위보다 넓다."""
    space = SearchSpace([FloatParameter(f"x{i}", 0.5) for i in range(6)])

    def area(name: str, seed: int) -> float:
        proposer = make_proposer(name, space, ("minimize", "maximize"), seed)
        found = []
        for _ in range(120):
            (params,) = proposer.ask(1, [])
            x = [float(params[f"x{i}"]) for i in range(6)]
            g = 1 + 9 * sum(x[1:]) / 5
            values = (x[0], -g * (1 - math.sqrt(x[0] / g)))
            proposer.observe([trial(values, **params)])
            found.append((values[0], -values[1]))
        total, top = 0.0, 5.0
        for left, height in sorted(found):
            if height < top:
                total += (1.1 - left) * (top - height)
                top = height
        return total

    for seed in range(3):
        assert area("tpe", seed) > area("random", seed)


def test_cmaes_is_refused() -> None:
    with pytest.raises(ValueError, match="하나"):
        make_proposer("cmaes", SearchSpace(MIXED), WAYS)


def test_asking_is_repeatable_with_a_seed() -> None:
    space = SearchSpace(MIXED)
    rng = random.Random(2)
    history = [space.draw(rng) for _ in range(40)]
    asked = []
    for _ in range(2):
        proposer = make_proposer("tpe", space, WAYS, seed=9)
        for n, params in enumerate(history):
            proposer.observe([trial((float(params["x"]), float(n % 7)), n, **params)])
        asked.append(proposer.ask(3, []))
    assert asked[0] == asked[1]
    assert len({tuple(map(str, itertools.chain(p.items()))) for p in asked[0]}) == 3
