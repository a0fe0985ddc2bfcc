"""빠른 TPE를 Optuna의 sampler로: 어느 Optuna 도구의 study에서도 쓸 수 있다.

    study = optuna.create_study(sampler=FastTPESampler(seed=7))

Optuna의 TPESampler(multivariate, group, constant_liar)와 같은 규칙이며, 끝난 시행을 한 번만 읽어
기둥에 쌓는 것이 다르다. 늘 함께 나온 차원들을 한 묶음으로 본다. 목표는 하나여야 한다.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from optimize.search.tpe_model import N_CANDIDATES, Coordinates, TpeModel
from optimize.search.tpe_proposer import N_STARTUP
from optimize.search.tpe_rank import Rank, rank_of
from optimize.strategy.parameter import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)

_LARGEST = 1e300


class FastTPESampler(optuna.samplers.BaseSampler):
    """자라는 기둥을 쓰는 TPE. 한 study에 하나를 쓴다(다른 study에 쓰면 처음부터 다시 배운다).

    seed: 난수의 씨앗, None이면 매번 다르다. n_startup_trials: 그 수만큼 끝날 때까지 고르게 뽑는다.
    n_ei_candidates: 한 번에 견주는 후보의 수.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        n_startup_trials: int = N_STARTUP,
        n_ei_candidates: int = N_CANDIDATES,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._independent = optuna.samplers.RandomSampler(seed=seed)
        self._n_startup = n_startup_trials
        self._n_candidates = n_ei_candidates
        self._lock = threading.RLock()
        self._forget("")

    def _forget(self, study_name: str) -> None:
        self._study_name = study_name
        self._n_seen = 0
        self._running: list[int] = []
        self._finished: list[FrozenTrial] = []
        self._distributions: dict[str, BaseDistribution] = {}
        self._groups: list[list[str]] = []
        self._proposed: dict[int, dict[str, Any]] = {}
        self._model: TpeModel | None = None
        self._n_learned = 0

    def __getstate__(self) -> dict[str, Any]:
        """pickle과 deepcopy: 배운 시행은 옮기고 모형은 그것으로 다시 세운다."""
        with self._lock:
            return {**self.__dict__, "_lock": None, "_model": None, "_n_learned": 0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    def reseed_rng(self) -> None:
        self._rng = np.random.default_rng()
        self._independent.reseed_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """끝난 시행들에 나온 모든 차원. 시행이 모자라면 비어 있다."""
        self._raise_error_if_multi_objective(study)
        with self._lock:
            self._read(study)
            if len(self._finished) < self._n_startup:
                return {}
            return dict(self._distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """search_space의 차원들의 값. search_space가 비면 빈 사전."""
        if not search_space:
            return {}
        with self._lock:
            model = self._fitted(study, trial)
            draw = model.draw(self._rng)
            params = {name: draw.value(name) for name in search_space}
            self._proposed[trial.number] = params
        return params

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """아직 본 적 없는 차원: 고르게 뽑는다."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _read(self, study: optuna.Study) -> None:
        """지난번 뒤로 끝난 시행만 읽는다."""
        trials = study.get_trials(deepcopy=False)
        if study.study_name != self._study_name or len(trials) < self._n_seen:
            self._forget(study.study_name)
        candidates = [*self._running, *range(self._n_seen, len(trials))]
        self._n_seen = len(trials)
        self._running = []
        for number in candidates:
            trial = trials[number]
            if not trial.state.is_finished():
                self._running.append(number)
                continue
            self._proposed.pop(number, None)
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._note(trial)

    def _note(self, trial: FrozenTrial) -> None:
        self._finished.append(trial)
        for name, distribution in trial.distributions.items():
            if not distribution.single() and self._distributions.get(name) != distribution:
                # 새 차원이나 바뀐 범위: 모형을 다시 만든다.
                self._distributions[name] = distribution
                self._model = None
        self._split(trial.distributions.keys())

    def _split(self, names: Collection[str]) -> None:
        """묶음을 이 시행에 나온 것과 나오지 않은 것으로 가른다. 처음 나온 차원들은 새 묶음이 된다."""
        known = {name for group in self._groups for name in group}
        fresh = [name for name in names if name in self._distributions and name not in known]
        parts = [fresh]
        for group in self._groups:
            parts.append([name for name in group if name in names])
            parts.append([name for name in group if name not in names])
        parts = [part for part in parts if part]
        if len(parts) != len(self._groups):
            self._groups = parts
            self._model = None

    def _fitted(self, study: optuna.Study, current: FrozenTrial) -> TpeModel:
        if self._model is None:
            self._model = TpeModel(
                [[_parameter(n, self._distributions[n]) for n in names] for names in self._groups],
                self._n_candidates,
            )
            self._n_learned = 0
        model = self._model
        sign = -1.0 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1.0
        for trial in self._finished[self._n_learned :]:
            model.add(self._place(model, trial.params), _rank(trial, sign))
        self._n_learned = len(self._finished)
        trials = study.get_trials(deepcopy=False)
        model.fit(
            [
                self._place(model, {**self._proposed.get(number, {}), **trials[number].params})
                for number in self._running
                if number != current.number
            ]
        )
        return model

    def _place(self, model: TpeModel, params: dict[str, Any]) -> Coordinates:
        """좌표. 지금의 범위를 벗어난 값(범위가 바뀐 차원)은 없는 것으로 본다."""
        usable = {
            name: value
            for name, value in params.items()
            if name in self._distributions and _contains(self._distributions[name], value)
        }
        return model.encode(usable)


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    if isinstance(distribution, (IntDistribution, FloatDistribution)):
        if (
            not isinstance(value, (int, float))
            or not distribution.low <= value <= distribution.high
        ):
            return False
        steps = (value - distribution.low) / distribution.step if distribution.step else 0.0
        return abs(steps - round(steps)) < 1e-8
    return False


def _parameter(name: str, distribution: BaseDistribution) -> Parameter:
    """Optuna의 분포를 차원의 선언으로."""
    if isinstance(distribution, CategoricalDistribution):
        choices: Sequence[Any] = distribution.choices
        return ChoiceParameter(name, choices[0], choices=tuple(choices))
    if isinstance(distribution, IntDistribution):
        return IntParameter(
            name,
            distribution.low,
            low=distribution.low,
            high=distribution.high,
            step=distribution.step,
            log=distribution.log,
        )
    if isinstance(distribution, FloatDistribution):
        return FloatParameter(
            name,
            distribution.low,
            low=distribution.low,
            high=distribution.high,
            step=distribution.step,
            log=distribution.log,
        )
    raise TypeError(f"모르는 분포: {distribution!r}")


def _rank(trial: FrozenTrial, sign: float) -> Rank:
    complete = trial.state == TrialState.COMPLETE
    return rank_of(
        complete=complete,
        losses=(_bounded(sign * float(trial.value or 0.0)),) if complete else (),
        intermediate={s: _bounded(sign * v) for s, v in trial.intermediate_values.items()},
        constraints=[_bounded(c) for c in trial.constraints.values()],
        sign=1.0,
    )


def _bounded(loss: float) -> float:
    """차례를 매길 수 있게: NaN은 가장 나쁜 값, 무한대는 아주 큰 수."""
    return _LARGEST if math.isnan(loss) else min(max(loss, -_LARGEST), _LARGEST)
