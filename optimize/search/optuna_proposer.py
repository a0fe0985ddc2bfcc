"""Optuna의 sampler들을 Proposer로 감싼다: NSGA-II, CMA-ES, Optuna의 TPE.

저장소와 무관한, 메모리 안의 사사로운 study에 ask/tell 한다. 시행의 기록은 coordinator의 몫이다.

조건부 파라미터를 다루는 법:
- `tpe_optuna`: define-by-run 그대로. 켜진 것만 묻는다.
- `nsga2`, `cmaes`: 두 알고리즘은 모든 시행에 있는 차원만 다룬다. 그래서 사사로운 study에서는 꺼진
  차원까지 모두 가진 조합을 다루고(꺼진 차원은 점수에 영향이 없는 유전자다) 켜진 것만 내보낸다.
  밖에서 온 시행의 꺼진 차원은 기본값을 범위 안으로 옮긴 값으로 채운다.

CMA-ES는 제약을 모른다. 제약을 어긴 시행은 (지금까지 만족한 시행의 최악과 그 값 가운데 나쁜 쪽)에서
어긴 크기의 합만큼 더 나쁜 값으로 알린다. 다시 이을 때 NSGA-II는 세대를 차례로 되매기고,
CMA-ES는 관측한 시행으로 시작 분포를 정한다(warm start).
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from optimize.search.proposer import DistinctProposer
from optimize.search.space import SearchSpace, index_of, value_at, value_count
from optimize.strategy.parameter import FloatParameter, IntParameter, Parameter
from optimize.trial import FinishedTrial, Params, ParamValue, params_key

SamplerName = Literal["nsga2", "cmaes", "tpe_optuna"]

_POPULATION = 50
_GENERATION_KEY = "NSGAIISampler:generation"
_DIRECTIONS = {
    "maximize": optuna.study.StudyDirection.MAXIMIZE,
    "minimize": optuna.study.StudyDirection.MINIMIZE,
}
_STATES = {
    "COMPLETE": TrialState.COMPLETE,
    "PRUNED": TrialState.PRUNED,
    "FAIL": TrialState.FAIL,
}


class OptunaProposer(DistinctProposer):
    """Optuna sampler 하나를 감싼다. 작업 하나와 씨앗이면 되풀이할 수 있다.

    씨앗은 첫 ask 때의 (씨앗, 관측한 시행 수)로 정해지므로 이어 돌린 결과도 정해져 있다.
    """

    def __init__(
        self, name: str, space: SearchSpace, directions: Sequence[str], *, seed: int | None
    ) -> None:
        """name이 `cmaes`인데 목표가 여럿이면 ValueError."""
        if name == "cmaes" and len(directions) > 1:
            raise ValueError("cmaes는 목표가 하나여야 합니다")
        super().__init__(space, seed)
        self._name = name
        self._directions = list(directions)
        self._all_dimensions = name != "tpe_optuna"
        self._study: optuna.Study | None = None
        self._backlog: list[FinishedTrial] = []
        self._asked: dict[str, optuna.Trial] = {}
        self._n_complete = 0
        self._worst_feasible: float | None = None

    def _learn(self, trials: Mapping[str, FinishedTrial]) -> None:
        if self._study is None:
            self._backlog += trials.values()
            return
        for trial in trials.values():
            self._tell(self._study, trial)

    def _begin(self, pending: Mapping[str, Params], rng: random.Random) -> None:
        study = self._opened()
        for key in [key for key in self._asked if key not in pending]:
            # 결과 없이 사라진 조합(죽은 작업자 등): 다시 낼 수 있게 놓아준다.
            study.tell(self._asked.pop(key), state=TrialState.FAIL)

    def _opened(self) -> optuna.Study:
        """첫 ask에 study를 만든다: CMA-ES의 시작 분포가 그때까지의 관측으로 정해지기 때문이다."""
        if self._study is not None:
            return self._study
        frozen = [self._frozen(trial) for trial in self._backlog]
        # 범주형 차원을 따로 뽑는다는 등의 알림은 시행마다 되풀이되므로 끈다(뜻은 위에 적었다).
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(
            directions=[_DIRECTIONS[way] for way in self._directions],
            sampler=self._sampler([t for t in frozen if t.state == TrialState.COMPLETE]),
        )
        self._study.add_trials(frozen)
        self._backlog.clear()
        return self._study

    def _sampler(self, known: list[FrozenTrial]) -> optuna.samplers.BaseSampler:
        seed = random.Random(f"{self.seed}/{self.n_observed}").getrandbits(32)  # noqa: S311 — 암호가 아니라 탐색의 난수
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if self._name == "nsga2":
                return optuna.samplers.NSGAIISampler(population_size=_POPULATION, seed=seed)
            if self._name == "cmaes":
                return optuna.samplers.CmaEsSampler(
                    seed=seed, source_trials=known if self._warm_startable(known) else None
                )
        return optuna.samplers.TPESampler(seed=seed)

    def _warm_startable(self, known: list[FrozenTrial]) -> bool:
        numeric = [
            d
            for d in self.space.distributions.values()
            if not isinstance(d, CategoricalDistribution)
        ]
        # warm start는 좋은 쪽 10 %의 분산을 쓴다: 한두 개로는 정할 수 없다.
        return len(numeric) > 1 and len(known) >= 10 * len(numeric)

    def _suggest(
        self, taken: Mapping[str, Params], rng: random.Random
    ) -> dict[str, ParamValue] | None:
        study = self._opened()
        trial = study.ask()
        if self._all_dimensions:
            everything = {
                name: _suggested(trial, name, distribution)
                for name, distribution in self.space.distributions.items()
            }
            params = self.space.walk(lambda parameter: everything[parameter.name])
        else:
            params = self.space.walk(
                lambda p: _suggested(trial, p.name, self.space.distributions[p.name])
            )
        if self._is_new(params, taken):
            self._asked[params_key(params)] = trial
        else:
            study.tell(trial, state=TrialState.FAIL)
        return params

    def _tell(self, study: optuna.Study, finished: FinishedTrial) -> None:
        trial = self._asked.pop(params_key(finished.params), None)
        if trial is None:
            study.add_trial(self._frozen(finished))
            return
        frozen = self._frozen(finished)
        if frozen.state == TrialState.FAIL:
            study.tell(trial, state=TrialState.FAIL)
            return
        for name, violation in frozen.constraints.items():
            trial.set_constraint(name, violation)
        for step, value in finished.intermediate.items():
            trial.report(value, step)
        if frozen.state == TrialState.PRUNED:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, frozen.values)

    def _frozen(self, finished: FinishedTrial) -> FrozenTrial:
        """밖의 시행을 사사로운 study의 시행으로: 꺼진 차원을 채우고 값과 세대를 매긴다."""
        params = dict(finished.params)
        if self._all_dimensions:
            params = {p.name: params.get(p.name, _inside(p)) for p in self.space.dimensions}
        state = _STATES[finished.state]
        attributes = {}
        values: list[float] | None = None
        if state == TrialState.COMPLETE:
            attributes = {_GENERATION_KEY: self._n_complete // _POPULATION}
            self._n_complete += 1
            values = self._values(finished)
        elif state == TrialState.PRUNED and finished.values:
            values = list(finished.values)
        return optuna.trial.create_trial(
            state=state,
            params=params,
            distributions={name: self.space.distributions[name] for name in params},
            values=values,
            intermediate_values=dict(finished.intermediate),
            system_attrs=attributes if self._name == "nsga2" else None,
            # CMA-ES는 제약을 받지 않는다: 어긴 크기는 `_values`가 값에 담았다.
            constraints=None
            if self._name == "cmaes"
            else {str(i): value for i, value in enumerate(finished.constraints)},
        )

    def _values(self, finished: FinishedTrial) -> list[float]:
        """sampler에게 알릴 값. 제약을 모르는 CMA-ES에게는 어긴 만큼 나쁜 값을 알린다."""
        if self._name != "cmaes":
            return list(finished.values)
        value = finished.values[0]
        sign = 1.0 if self._directions[0] == "maximize" else -1.0
        score = sign * value
        violation = sum(c for c in finished.constraints if c > 0)
        if violation == 0:
            worst = self._worst_feasible
            self._worst_feasible = score if worst is None else min(worst, score)
            return [value]
        floor = score if self._worst_feasible is None else min(self._worst_feasible, score)
        return [sign * (floor - violation)]


def _suggested(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> ParamValue:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)  # type: ignore[return-value]
    if isinstance(distribution, optuna.distributions.IntDistribution):
        return trial.suggest_int(
            name,
            distribution.low,
            distribution.high,
            step=distribution.step,
            log=distribution.log,
        )
    if isinstance(distribution, optuna.distributions.FloatDistribution):
        return trial.suggest_float(
            name,
            distribution.low,
            distribution.high,
            step=distribution.step,
            log=distribution.log,
        )
    raise TypeError(f"모르는 분포: {distribution!r}")


def _inside(parameter: Parameter) -> ParamValue:
    """기본값, 범위 밖이면 범위 안의 가장 가까운 값(고를 값이면 첫 값)."""
    default = parameter.default
    if isinstance(parameter, (IntParameter, FloatParameter)) and isinstance(default, (int, float)):
        count = value_count(parameter)
        if count is None:
            return min(max(float(default), parameter.low), parameter.high)
        index = round((default - parameter.low) / (parameter.step or 1))
        return value_at(parameter, min(max(index, 0), count - 1))
    return default if index_of(parameter, default) is not None else value_at(parameter, 0)
