"""FastTPESampler: 보통의 Optuna study에서 쓰는 sampler."""

from __future__ import annotations

import pickle
import statistics
import warnings

import optuna
import pytest

from optimize.search.tpe_sampler import FastTPESampler


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial: optuna.Trial) -> float:
    """define-by-run: 조건부, None이 섞인 고를 값, 간격, log, 제약."""
    x = trial.suggest_float("x", -5, 5)
    n = trial.suggest_int("n", 1, 100, log=True)
    choice = trial.suggest_categorical("c", ["a", None, 3])
    loss = (x - 1) ** 2 + (n - 20) ** 2 / 400 + (choice != 3)
    if choice == 3:
        loss += abs(trial.suggest_float("y", 0, 1, step=0.05) - 0.4)
    trial.suggest_int("fixed", 7, 7)
    trial.set_constraint("right", x + 1.0)
    return loss


def test_optimises_a_define_by_run_study_and_respects_constraints() -> None:
    """x ≤ −1만 만족하고 최선은 4다. 무작위는 중앙값 5.4에 40 %만 만족한다."""
    best, feasible = [], []
    for seed in range(5):
        study = optuna.create_study(sampler=FastTPESampler(seed=seed))
        study.optimize(objective, n_trials=120)
        best.append(study.best_value)
        feasible.append(statistics.fmean(t.params["x"] <= -1.0 for t in study.trials[60:]))
    assert min(best) >= 4.0
    assert statistics.median(best) < 5.1
    assert statistics.median(feasible) > 0.5


def test_seed_reproduces_the_study() -> None:
    studies = [optuna.create_study(sampler=FastTPESampler(seed=8)) for _ in range(2)]
    for study in studies:
        study.optimize(objective, n_trials=40)
    assert [t.params for t in studies[0].trials] == [t.params for t in studies[1].trials]


def test_a_pickled_sampler_goes_on_as_if_nothing_happened() -> None:
    """Optuna의 FAQ처럼 sampler를 pickle해 두었다 이어도 그대로 이은 것과 같다."""
    whole, cut = (optuna.create_study(sampler=FastTPESampler(seed=4)) for _ in range(2))
    whole.optimize(objective, n_trials=50)
    cut.optimize(objective, n_trials=30)
    cut.sampler = pickle.loads(pickle.dumps(cut.sampler))
    cut.optimize(objective, n_trials=20)
    assert [t.params for t in cut.trials] == [t.params for t in whole.trials]


def test_threads_share_one_sampler() -> None:
    study = optuna.create_study(sampler=FastTPESampler(seed=3))
    study.optimize(objective, n_trials=60, n_jobs=2)
    assert len(study.trials) == 60
    assert all(t.state.is_finished() for t in study.trials)


def test_new_dimension_and_changed_range_are_followed() -> None:
    def early(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0, 1)

    def late(trial: optuna.Trial) -> float:
        return abs(trial.suggest_float("x", 0.5, 2) - 1.7) + trial.suggest_float("z", 0, 1)

    sampler = FastTPESampler(seed=1)
    study = optuna.create_study(sampler=sampler)
    study.optimize(early, n_trials=30)
    study.optimize(late, n_trials=60)
    assert all(0.5 <= t.params["x"] <= 2 for t in study.trials[30:])
    assert study.trials[-1].params.keys() == {"x", "z"}
    other = optuna.create_study(sampler=sampler)
    other.optimize(early, n_trials=20)
    assert len(other.trials) == 20


def test_works_under_a_wrapping_sampler_and_with_pruned_and_failed_trials() -> None:
    def bumpy(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        y = trial.suggest_float("y", 0, 1)
        trial.report(x + y, 1)
        if trial.number % 5 == 1:
            raise optuna.TrialPruned
        if trial.number % 7 == 1:
            raise ValueError("시험")
        return x + y

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.PartialFixedSampler({"y": 0.25}, FastTPESampler(seed=2))
    study = optuna.create_study(sampler=sampler)
    study.optimize(bumpy, n_trials=60, catch=(ValueError,))
    assert {t.params["y"] for t in study.trials} == {0.25}
    assert study.best_params["x"] < 0.1


def test_study_with_several_goals_is_refused() -> None:
    study = optuna.create_study(directions=["minimize"] * 2, sampler=FastTPESampler())
    with pytest.raises(ValueError, match="multi-objective"):
        study.optimize(lambda t: (t.suggest_float("x", 0, 1), 0.0), n_trials=1)
