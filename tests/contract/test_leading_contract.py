"""좋은 시행 몇 개만 읽는 것이 모두 읽고 고른 것과 같다: 같은 값, 무한대, 어긴 제약, 실패, 모자람."""

from __future__ import annotations

import math
import random

import pytest
from store_kit import OpenStore, make_trial

from optimize.storage import leading
from optimize.storage.leading import leading_trials
from optimize.studies.present import top_trials


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_leading_trials_are_those_picked_from_all(
    open_store: OpenStore, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "_PAGES", (4, 16))
    r = random.Random(3)
    store = open_store(directions=(direction,))
    limits = [(), (-1.0,), (0.0, -2.0), (0.5,), (-1.0, math.inf), (math.nan,)]
    trials = [
        make_trial(
            seed,
            values=(r.choice([math.inf, -math.inf, *(n / 2 for n in range(-6, 7))]),),
            constraints=r.choice(limits),
        )
        for seed in range(60)
    ]
    failed = make_trial(99, state="FAIL", values=(), constraints=(), metrics={})
    store.append([*trials[:30], failed, *trials[30:]])
    everything = store.load()
    # 절반은 제약을 어겼다: 좋은 것의 앞 토막이 모두 어긴 것일 수도, 어긴 것까지 세어야 할 수도 있다.
    with store.engine.connect() as connection:
        for count in (0, 1, 3, 10, 40, 60, 100):
            found = leading_trials(
                connection, store.study_id, maximize=direction == "maximize", count=count
            )
            assert found == top_trials(everything, [direction.upper()], count), count
