"""시험에 쓸 파라미터 묶음과, 묶음마다 새로 읽은 전략."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping

from optimize.search.space import SearchSpace
from optimize.strategy.parameter import ChoiceParameter, Parameter
from optimize.strategy.protocol import Strategy
from optimize.strategy.registry import BUILTIN_STRATEGIES, load_strategy, reload_strategy
from optimize.trial import Params, ParamValue

Draw = Callable[[Parameter], ParamValue]


def parameter_sets(
    strategy: Strategy, overrides: Mapping[str, object], count: int, seed: int
) -> list[Params]:
    """기본값 하나와 탐색 공간에서 뽑은 count-1개. 서로 다른 것만 남으므로 적을 수 있다.

    고르는 파라미터는 덜 뽑힌 값을 먼저 쓴다: 켜고 끄는 값이 모두 시험에 든다. 틀린 overrides는 SettingsError.
    """
    space = SearchSpace(strategy.parameters, overrides)
    chosen: list[Params] = [space.complete({})]
    rng = random.Random(seed)  # noqa: S311 — 되풀이할 수 있어야 한다
    used: Counter[tuple[str, ParamValue]] = Counter(
        (name, value) for name, value in chosen[0].items()
    )
    for _ in range(count - 1):
        drawn = space.draw(rng)
        params = space.complete(space.walk(_preferring(drawn, space.draw(rng), used, rng)))
        used.update(params.items())
        if params not in chosen:
            chosen.append(params)
    return chosen


def _preferring(
    drawn: Params, spare: Params, used: Counter[tuple[str, ParamValue]], rng: random.Random
) -> Draw:
    """뽑은 값을 쓰되, 고르는 파라미터는 덜 쓴 값으로 바꾼다. spare는 그래서 새로 켜진 것의 값이다."""

    def choose(parameter: Parameter) -> ParamValue:
        if isinstance(parameter, ChoiceParameter):
            fewest = min(used[parameter.name, value] for value in parameter.choices)
            rare = [value for value in parameter.choices if used[parameter.name, value] == fewest]
            return rng.choice(rare)
        for params in (drawn, spare):
            if parameter.name in params:
                return params[parameter.name]
        return parameter.default

    return choose


def separate_copies(spec: str) -> tuple[Strategy, Callable[[], Strategy]]:
    """(자료 전체에 쓸 전략, 바꾼 자료에 쓸 전략을 새로 만드는 함수).

    사용자의 파일은 두 번 따로 읽는다: 전략이 module이나 class에 기억한 것이 둘 사이에 오가지 않는다.
    """
    if spec.strip() in BUILTIN_STRATEGIES:
        return load_strategy(spec), lambda: load_strategy(spec)
    first, second = reload_strategy(spec), reload_strategy(spec)
    return first, lambda: type(second)()
