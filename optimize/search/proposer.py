"""다음에 평가할 파라미터를 내놓는 것(Proposer)의 규약과, 같은 조합을 두 번 내지 않는 뼈대.

모든 sampler는 이 규약 뒤에 선다. 관측했거나 평가 중인 조합은 다시 나오지 않는다: sampler가 거듭
같은 것을 내면 사전 분포에서 고르게 뽑아 보고, 그래도 없으면 남은 조합을 세어서 찾는다.
남은 조합이 없으면 청한 수보다 적게 준다.

씨앗이 있으면 한 번의 `ask`가 쓰는 난수는 (씨앗, 관측한 시행 수, 평가 중인 수)로만 정해진다.
그래서 작업 하나로 돌리면 다시 돌려도, 같은 자리에서 이어도 정해진 결과가 난다.
"""

from __future__ import annotations

import random
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from optimize.search.space import SearchSpace
from optimize.trial import FinishedTrial, Params, ParamValue, params_key

SAMPLERS = ("tpe", "random", "nsga2", "cmaes", "tpe_optuna")

# sampler나 사전 분포가 이미 낸 조합을 거듭 낼 때 그만두는 횟수.
_SUGGEST_TRIES = 8
_DRAW_TRIES = 64
# 이보다 작은 공간은 남은 조합을 모두 세어 그 가운데서 고르게 뽑는다.
_LISTED_SIZE = 20_000


class Proposer(Protocol):
    """다음 조합을 내놓는다. 스레드에 안전하지 않다: coordinator 하나만 쓴다."""

    def observe(self, trials: Sequence[FinishedTrial]) -> None:
        """끝난 시행을 배운다(증분). 이미 배운 조합과 지금의 공간에 없는 조합은 배우지 않는다."""
        ...

    def ask(self, n: int, pending: Sequence[Params]) -> list[dict[str, ParamValue]]:
        """새 조합 n개. pending: 지금 평가 중인 조합 모두. 공간이 다하면 n개보다 적다."""
        ...

    def block(self, keys: Iterable[str]) -> None:
        """다른 곳의 몫이라 내지 않을 조합들의 지문(`params_key`). 그 점수는 배우지 않는다."""
        ...


def make_proposer(
    name: str,
    space: SearchSpace,
    directions: Sequence[str] = ("maximize",),
    seed: int | None = None,
    target: int | None = None,
) -> Proposer:
    """이름으로 Proposer를 만든다. name: `SAMPLERS` 가운데 하나. directions: 목표마다의 방향.
    target: 시행이 많아야 몇 개인지, 모르면 None.

    모르는 이름, 모르는 방향, 여러 목표를 다루지 못하는 `cmaes`면 ValueError(설정의 검증이 먼저 거른다).
    """
    if not directions or not set(directions) <= {"maximize", "minimize"}:
        raise ValueError(f"방향을 알 수 없습니다: {directions!r}")
    if name == "random":
        return RandomProposer(space, seed)
    if name == "tpe":
        from optimize.search.tpe_proposer import TpeProposer

        return TpeProposer(space, directions, seed=seed, target=target)
    if name in ("nsga2", "cmaes", "tpe_optuna"):
        from optimize.search.optuna_proposer import OptunaProposer

        return OptunaProposer(name, space, directions, seed=seed)
    raise ValueError(f"모르는 sampler: {name!r} (있는 것: {', '.join(SAMPLERS)})")


class DistinctProposer(ABC):
    """같은 조합을 두 번 내지 않는 Proposer의 뼈대. 하위 클래스는 배우기와 내놓기만 한다."""

    def __init__(self, space: SearchSpace, seed: int | None) -> None:
        self.space = space
        self.seed = secrets.randbits(64) if seed is None else seed
        self._observed: set[str] = set()
        # 평가 중이거나 방금 낸 조합의 지문. 같은 객체가 거듭 오므로 id로 찾는다(값이 객체를 붙든다).
        self._keys: dict[int, tuple[Params, str]] = {}

    @property
    def n_observed(self) -> int:
        """배웠거나 막힌 서로 다른 조합의 수(FAIL도 든다)."""
        return len(self._observed)

    def observe(self, trials: Sequence[FinishedTrial]) -> None:
        fresh: dict[str, FinishedTrial] = {}
        for trial in trials:
            key = self._key(trial.params)
            if key not in self._observed:
                self._observed.add(key)
                # 지금의 공간에 없는 조합(범위를 바꾼 스터디 등)은 중복만 막고 배우지 않는다.
                if self.space.contains(trial.params):
                    fresh[key] = trial
        self._learn(fresh)

    def block(self, keys: Iterable[str]) -> None:
        self._observed.update(keys)

    def ask(self, n: int, pending: Sequence[Params]) -> list[dict[str, ParamValue]]:
        taken = {self._key(params): params for params in pending}
        self._keys = {id(params): (params, key) for key, params in taken.items()}
        # 암호가 아니라 탐색의 난수다.
        rng = random.Random(f"{self.seed}/{self.n_observed}/{len(taken)}")  # noqa: S311
        self._begin(taken, rng)
        proposed: list[dict[str, ParamValue]] = []
        while len(proposed) < n:
            params = self._next(taken, rng)
            if params is None:
                break
            proposed.append(params)
            taken[self._key(params)] = params
        return proposed

    def _next(
        self, taken: Mapping[str, Params], rng: random.Random
    ) -> dict[str, ParamValue] | None:
        """sampler → 사전 분포 → 남은 조합의 차례로 새 조합 하나를 찾는다."""
        if self.space.size is not None and self.space.size <= len(self._observed):
            return self._remaining(taken, rng)
        for _ in range(_SUGGEST_TRIES):
            params = self._suggest(taken, rng)
            if params is not None and self._is_new(params, taken):
                self._accept(params)
                return params
        for _ in range(_DRAW_TRIES):
            params = self.space.draw(rng)
            if self._is_new(params, taken):
                self._accept(params)
                return params
        return self._remaining(taken, rng)

    def _remaining(
        self, taken: Mapping[str, Params], rng: random.Random
    ) -> dict[str, ParamValue] | None:
        """남은 조합 하나. 다 썼거나 셀 수 없는 공간이면 None."""
        size = self.space.size
        if size is None:
            return None
        unused = (p for p in self.space.combinations() if self._is_unused(params_key(p), taken))
        if size > _LISTED_SIZE:
            # 앞에서부터 세면 많아야 (낸 조합 수 + 1)개 만에 찾는다.
            params = next(unused, None)
        else:
            rest = list(unused)
            params = rng.choice(rest) if rest else None
        if params is not None:
            self._accept(params)
        return params

    def _is_new(self, params: Params, taken: Mapping[str, Params]) -> bool:
        """낼 수 있는 조합인가. 그러면 지문을 적어 둔다."""
        key = self._key(params)
        new = self._is_unused(key, taken)
        if new:
            self._keys[id(params)] = (params, key)
        return new

    def _is_unused(self, key: str, taken: Mapping[str, Params]) -> bool:
        return key not in taken and key not in self._observed

    def _key(self, params: Params) -> str:
        known = self._keys.get(id(params))
        return params_key(params) if known is None else known[1]

    def _begin(self, pending: Mapping[str, Params], rng: random.Random) -> None:  # noqa: B027
        """한 번의 ask가 시작된다. pending: 지문 → 평가 중인 조합. 필요한 하위 클래스만 쓴다."""

    def _accept(self, params: Params) -> None:  # noqa: B027
        """조합 하나가 나갔다. 필요한 하위 클래스만 쓴다."""

    @abstractmethod
    def _learn(self, trials: Mapping[str, FinishedTrial]) -> None:
        """처음 보는 조합의 시행들(지문 → 시행)을 배운다."""

    @abstractmethod
    def _suggest(
        self, taken: Mapping[str, Params], rng: random.Random
    ) -> dict[str, ParamValue] | None:
        """조합 하나. 이미 낸 것이어도 되고, 낼 것이 없으면 None."""


class RandomProposer(DistinctProposer):
    """사전 분포에서 고르게 뽑는다."""

    def _learn(self, trials: Mapping[str, FinishedTrial]) -> None:
        """배울 것이 없다."""

    def _suggest(
        self, taken: Mapping[str, Params], rng: random.Random
    ) -> dict[str, ParamValue] | None:
        return self.space.draw(rng)
