"""pruning의 문턱: Optuna의 PercentilePruner와 같은 판정."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

import optuna
import pytest

from optimize.search.pruning import PRUNERS, Pruner, is_hopeless, make_pruner
from optimize.trial import FinishedTrial

NOW = datetime.now(UTC)


def trial(intermediate: dict[int, float], state: str = "COMPLETE") -> FinishedTrial:
    return FinishedTrial(
        uid="",
        state=state,  # type: ignore[arg-type]
        params={},
        values=(0.0,),
        started_at=NOW,
        finished_at=NOW,
        intermediate=intermediate,
    )


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("percentile", [10.0, 25.0, 50.0, 90.0])
def test_decisions_equal_optunas_percentile_pruner(maximize: bool, percentile: float) -> None:
    """같은 기록과 같은 중간 값에 대해 그만둘지의 판정이 모두 같다."""
    rng = random.Random(f"{maximize}{percentile}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize" if maximize else "minimize",
        pruner=optuna.pruners.PercentilePruner(percentile, n_startup_trials=10),
    )
    ours = Pruner(percentile, maximize=maximize, n_startup_trials=10)
    pruned = 0
    for number in range(60):
        history = {step: round(rng.gauss(0, 1), 1) for step in (25, 50, 75)}
        asked = study.ask()
        thresholds = ours.thresholds()
        seen: dict[int, float] = {}
        for step, value in history.items():
            asked.report(value, step)
            seen[step] = value
            mine = is_hopeless(seen, thresholds.get(step), maximize=maximize)
            assert mine == asked.should_prune(), (number, step)
            pruned += mine
        # 판정만 견준다: 둘 다 끝까지 간 것으로 기록한다.
        study.tell(asked, history[75])
        ours.observe([trial(history)])
    assert 0 < pruned < 180


def test_no_threshold_before_enough_trials_and_before_warmup() -> None:
    pruner = Pruner(50.0, n_startup_trials=3, n_warmup_step=50)
    pruner.observe([trial({25: 1.0, 50: 1.0})] * 2)
    assert pruner.thresholds() == {}
    pruner.observe([trial({25: 3.0, 50: 5.0})])
    assert pruner.thresholds() == {50: 1.0}


def test_unfinished_and_non_finite_values_do_not_count() -> None:
    pruner = Pruner(50.0, n_startup_trials=1)
    pruner.observe([trial({25: 9.0}, "PRUNED"), trial({25: math.nan}), trial({25: 2.0})])
    assert pruner.thresholds() == {25: 2.0}
    assert is_hopeless({25: math.nan}, 2.0)
    assert not is_hopeless({25: math.nan}, None)
    assert not is_hopeless({25: 2.0}, 2.0)


def test_names() -> None:
    assert make_pruner("none") is None
    assert all(make_pruner(name) is not None for name in PRUNERS[1:])
    with pytest.raises(ValueError, match="mediam"):
        make_pruner("mediam")
    with pytest.raises(ValueError, match="percentile"):
        Pruner(0.0)
