"""`--sampler tpe`: 빠른 TPE를 Proposer로. Optuna의 객체를 만들지 않는다."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from optimize.memory import return_freed_memory, without_collection
from optimize.search.pareto import losses_of
from optimize.search.proposer import DistinctProposer
from optimize.search.space import SearchSpace
from optimize.search.tpe_rank import Rank, rank_of
from optimize.strategy.parameter import IntParameter, Parameter
from optimize.trial import FinishedTrial, Params, ParamValue

if TYPE_CHECKING:
    import numpy as np

    from optimize.search.tpe_leaders import Leaders
    from optimize.search.tpe_model import Coordinates, TpeModel

N_STARTUP = 10
# 조합의 dict는 좌표의 열 배쯤 크다: 긴 기록을 이어 읽을 때 이보다 많이 쌓아 두지 않는다.
_MAX_BACKLOG = 1000


class TpeProposer(DistinctProposer):
    """처음 10개는 고르게 뽑고, 그 뒤로 TPE 모형이 낸다.

    씨앗이 있으면 한 번의 ask는 (씨앗, 관측한 시행들, 평가 중인 조합)으로만 정해진다: 하나씩 청하고
    알리면 끊었다 이어도 끊지 않은 것과 같다. 컴파일된 코드는 곁의 스레드가 불러온다.
    """

    def __init__(
        self,
        space: SearchSpace,
        directions: Sequence[str],
        *,
        seed: int | None,
        target: int | None = None,
    ) -> None:
        """target: 시행이 많아야 몇 개인지, 모르면 None. 모형에 닿지 않을 만큼 적으면 불러 두지 않는다."""
        super().__init__(space, seed)
        self._directions = tuple(directions)
        # 중간 값은 목표가 하나일 때만 있다.
        self._sign = -1.0 if self._directions[0] == "maximize" else 1.0
        self._backlog: list[tuple[str, Params, Rank]] = []
        # 나가 있는 조합의 좌표(지금의 공간에 없는 것은 None). 물을 때마다 다시 셈하지 않는다.
        self._out: dict[str, Coordinates | None] = {}
        self._model: TpeModel | None = None
        self._rng: np.random.Generator | None = None
        self._loading: threading.Thread | None = None
        if target is None or target > N_STARTUP:
            # numba를 불러오는 1초 남짓을 처음 시행들이 도는 동안에 쓴다.
            self._loading = threading.Thread(target=self._load, name="tpe-load", daemon=True)
            self._loading.start()

    @without_collection()
    def _load(self) -> None:
        from optimize.search.tpe_model import warm_up

        warm_up(IntParameter("any", 0))
        return_freed_memory()

    def _learn(self, trials: Mapping[str, FinishedTrial]) -> None:
        self._backlog += [
            (key, trial.params, self._rank(trial))
            for key, trial in trials.items()
            if trial.state != "FAIL"
        ]
        if len(self._backlog) > _MAX_BACKLOG and self.space.dimensions:
            self._fed_model()

    def _rank(self, trial: FinishedTrial) -> Rank:
        complete = trial.state == "COMPLETE"
        return rank_of(
            complete=complete,
            losses=losses_of(trial.values, self._directions) if complete else (),
            intermediate=trial.intermediate,
            constraints=trial.constraints,
            sign=self._sign,
        )

    def _begin(self, pending: Mapping[str, Params], rng: random.Random) -> None:
        known = len(self._backlog) + (len(self._model) if self._model else 0)
        if known < N_STARTUP or not self.space.dimensions:
            return
        import numpy as np

        model = self._fed_model()
        for key, params in pending.items():
            if key not in self._out:
                inside = self.space.contains(params)
                self._out[key] = model.encode(params) if inside else None
        self._out = {key: self._out[key] for key in pending}
        model.fit([place for place in self._out.values() if place is not None])
        self._rng = np.random.default_rng(rng.getrandbits(128))

    def _fed_model(self) -> TpeModel:
        if self._loading is not None:
            self._loading.join()
        from optimize.search.tpe_model import TpeModel

        if self._model is None:
            self._model = TpeModel(self._groups(), leaders=self._leaders())
        for key, params, rank in self._backlog:
            self._model.add(self._out.get(key) or self._model.encode(params), rank)
        self._backlog.clear()
        return self._model

    def _groups(self) -> list[list[Parameter]]:
        """목표가 여럿이면 차원마다 따로 본다(Optuna의 기본과 같고, 재어 보면 front가 더 넓다)."""
        if len(self._directions) == 1:
            return condition_groups(self.space)
        return [[parameter] for parameter in self.space.dimensions]

    def _leaders(self) -> Leaders:
        from optimize.search.tpe_leaders import ParetoLeaders, ScoreLeaders

        n_goals = len(self._directions)
        return ScoreLeaders() if n_goals == 1 else ParetoLeaders(n_goals)

    def _suggest(
        self, taken: Mapping[str, Params], rng: random.Random
    ) -> dict[str, ParamValue] | None:
        if self._model is None or self._rng is None:
            return self.space.draw(rng)
        draw = self._model.draw(self._rng)
        for nth in range(len(draw)):
            params = self.space.walk(lambda p: draw.value(p.name, nth))  # noqa: B023 — 바로 부른다
            if self._is_new(params, taken):
                return params
        return None

    def _accept(self, params: Params) -> None:
        if self._model is not None and self._rng is not None:
            place = self._model.encode(params)
            self._out[self._key(params)] = place
            self._model.add_pending(place)


def condition_groups(space: SearchSpace) -> list[list[Parameter]]:
    """같은 조건에서 함께 켜지는 차원들의 묶음. 고정된 파라미터의 조건은 이미 맞은 것이다."""
    groups: dict[str, list[Parameter]] = {}
    for parameter in space.dimensions:
        condition = sorted(
            (name, sorted(map(repr, allowed)))
            for name, allowed in parameter.requires.items()
            if name not in space.fixed
        )
        groups.setdefault(repr(condition), []).append(parameter)
    return list(groups.values())
