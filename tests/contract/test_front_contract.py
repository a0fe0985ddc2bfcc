"""파레토 최적과 split의 이긴 시행만 읽는 것이, 모두 읽고 고른 것과 같다: 같은 값, 무한대, 어긴 제약, 실패."""

from __future__ import annotations

import math
import random

import pytest
from store_kit import OpenStore, make_trial

from optimize.search.pareto import leaders_of
from optimize.search.winners import Winners
from optimize.storage.front import front_trials, split_winners
from optimize.trial import FinishedTrial

LIMITS: list[tuple[float, ...]] = [(), (-1.0,), (0.0, -2.0), (0.5,), (-1.0, math.inf), (math.nan,)]


def trials_of(
    directions: tuple[str, ...], r: random.Random, limits: list[tuple[float, ...]]
) -> list[FinishedTrial]:
    def values() -> tuple[float, ...]:
        return tuple(
            r.choice([math.inf, -math.inf, *(n / 2 for n in range(-6, 7))]) for _ in directions
        )

    found = []
    for seed in range(80):
        checked = {
            "fold": r.randrange(4),
            "in_sample": values(),
            "in_sample_constraints": r.choice(LIMITS),
            "out_of_sample": values(),
        }
        trial = make_trial(seed, values=values(), constraints=r.choice(limits), **checked)
        found.append(trial)
    failed = make_trial(99, state="FAIL", values=(), constraints=(), metrics={}, fold=1)
    return [*found[:30], failed, *found[30:]]


@pytest.mark.parametrize("directions", [("maximize", "minimize"), ("maximize",) * 3])
@pytest.mark.parametrize("limits", [LIMITS, [(0.5,)], [()]], ids=["some", "all", "none"])
def test_only_the_front_is_read(
    open_store: OpenStore, directions: tuple[str, ...], limits: list[tuple[float, ...]]
) -> None:
    """limits: 앞선 것들이 제약을 더러 어기는 것, 모두 어기는 것, 어기지 않는 것."""
    store = open_store(directions=directions)
    store.append(trials_of(directions, random.Random(3), limits))
    expected = leaders_of(store.load(), directions).front
    with store.engine.connect() as connection:
        found = front_trials(connection, store.study_id, [way.upper() for way in directions])
    assert found == expected
    assert bool(found) == (limits != [(0.5,)])


@pytest.mark.parametrize("directions", [("maximize",), ("minimize", "maximize")])
def test_only_the_winners_of_splits_are_read(
    open_store: OpenStore, directions: tuple[str, ...]
) -> None:
    store = open_store(directions=directions)
    store.append(trials_of(directions, random.Random(5), LIMITS))
    expected = Winners(4, directions)
    for trial in store.load():
        expected.offer(trial)
    with store.engine.connect() as connection:
        counts, best = split_winners(connection, store.study_id, directions)
    found = Winners.of(counts, best, directions)
    assert found.counts == expected.counts
    assert found.trials == expected.trials
    assert all(found.trials)
