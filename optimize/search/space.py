"""탐색 공간: 전략의 파라미터 선언에 YAML의 덮어쓰기를 얹은 것.

- 고정한 값, 값이 하나뿐인 파라미터, 켜질 길이 없는 파라미터는 차원이 아니다.
- `requires`가 맞지 않아 꺼진 파라미터는 그 시행의 조합에 들어가지 않는다.
- optuna는 `distributions`를 처음 읽을 때에만 불러온다(`--plan`은 검증만 한다).
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING

from optimize.search.overrides import apply_overrides, grid_size, grid_value, same_value
from optimize.strategy.parameter import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    is_active,
)
from optimize.trial import Params, ParamValue

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# 파라미터마다 외워 두는 눈금의 자리.
_REMEMBERED = 10_000


class SearchSpace:
    """한 전략의 탐색 공간. 만든 뒤에는 바뀌지 않는다.

    parameters: 덮어쓴 뒤의 모든 파라미터(선언의 차례).
    fixed: 고정된 값(덮어쓰기로 고정했거나 값이 하나뿐인 것).
    dimensions: 실제로 탐색하는 파라미터(선언의 차례). 조건부인 것도 든다.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        overrides: Mapping[str, object] | None = None,
        prefix: str = "strategy.space",
    ) -> None:
        """overrides: `strategy.space`. 틀리면 SettingsError(키의 경로, 값, 허용되는 것, 비슷한 키)."""
        self.parameters, fixed = apply_overrides(parameters, overrides or {}, prefix)
        for parameter in self.parameters:
            if parameter.name not in fixed and value_count(parameter) == 1:
                fixed[parameter.name] = value_at(parameter, 0)
        self.fixed: Mapping[str, ParamValue] = fixed
        self._possible = self._possible_values()
        self.dimensions: tuple[Parameter, ...] = tuple(
            p for p in self.parameters if p.name in self._possible and p.name not in fixed
        )

    def _possible_values(self) -> dict[str, Parameter]:
        """켜질 길이 있는 파라미터들: 조건으로 삼은 것이 그 값을 가질 수 있는가."""
        possible: dict[str, Parameter] = {}
        for parameter in self.parameters:
            if all(
                name in possible and any(self._can_be(possible[name], value) for value in allowed)
                for name, allowed in parameter.requires.items()
            ):
                possible[parameter.name] = parameter
        return possible

    def _can_be(self, parameter: Parameter, value: ParamValue) -> bool:
        if parameter.name in self.fixed:
            return same_value(self.fixed[parameter.name], value)
        return index_of(parameter, value) is not None

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """차원의 이름 → Optuna의 분포. 처음 읽을 때 optuna를 불러온다."""
        return {parameter.name: _distribution(parameter) for parameter in self.dimensions}

    @cached_property
    def size(self) -> int | None:
        """서로 다른 조합의 수(조건부를 셈에 넣는다). 연속인 차원이 켜질 수 있으면 None."""
        total = self._count(0, {})
        return None if math.isinf(total) else int(total)

    def _count(self, position: int, on: dict[str, ParamValue]) -> float:
        """position부터의 조합 수. 뒤의 조건이 가리키지 않는 차원은 곱하기만 한다."""
        total: float = 1
        for i in range(position, len(self.parameters)):
            parameter = self.parameters[i]
            if not is_active(parameter, on):
                continue
            if parameter.name in self.fixed:
                on = {**on, parameter.name: self.fixed[parameter.name]}
                continue
            count = value_count(parameter)
            if count is None:
                return math.inf
            named = self._values_named_later(i)
            if not named:
                total *= count
                on = {**on, parameter.name: value_at(parameter, 0)}
                continue
            branches = sum(self._count(i + 1, {**on, parameter.name: v}) for v in named)
            if count > len(named):
                # 어느 조건에도 적히지 않은 값들은 서로 같은 가지를 연다.
                branches += (count - len(named)) * self._count(i + 1, on)
            return total * branches
        return total

    def _values_named_later(self, position: int) -> list[ParamValue]:
        """뒤의 `requires`가 이 파라미터에 대해 적은, 실제로 가질 수 있는 값들."""
        parameter = self.parameters[position]
        named = {
            index
            for later in self.parameters[position + 1 :]
            for value in later.requires.get(parameter.name, ())
            if (index := index_of(parameter, value)) is not None
        }
        return [value_at(parameter, index) for index in sorted(named)]

    def walk(self, choose: Callable[[Parameter], ParamValue]) -> dict[str, ParamValue]:
        """선언의 차례로 켜진 차원마다 `choose`를 불러 조합 하나를 만든다."""
        on: dict[str, ParamValue] = {}
        chosen: dict[str, ParamValue] = {}
        for parameter in self.parameters:
            if not is_active(parameter, on):
                continue
            name = parameter.name
            if name in self.fixed:
                on[name] = self.fixed[name]
            else:
                on[name] = chosen[name] = choose(parameter)
        return chosen

    def draw(self, rng: random.Random) -> dict[str, ParamValue]:
        """사전 분포(범위에서 고르게, log면 로그 눈금에서 고르게)에서 조합 하나를 뽑는다."""
        return self.walk(lambda parameter: _draw(parameter, rng))

    def contains(self, params: Params) -> bool:
        """이 공간에서 나올 수 있는 조합인가: 켜진 차원이 빠짐없이, 범위 안의 값으로만 있는가."""
        on: dict[str, ParamValue] = {}
        used = 0
        for parameter in self.parameters:
            if parameter.requires and not is_active(parameter, on):
                continue
            name = parameter.name
            if name in self.fixed:
                on[name] = self.fixed[name]
            elif name in params and self._levels[name].holds(params[name]):
                on[name] = params[name]
                used += 1
            else:
                return False
        return used == len(params)

    @cached_property
    def _levels(self) -> dict[str, Levels]:
        return {parameter.name: Levels(parameter) for parameter in self.parameters}

    def combinations(self) -> Iterator[dict[str, ParamValue]]:
        """모든 조합을 하나씩. `size`가 None이면 ValueError."""
        if self.size is None:
            raise ValueError("연속인 차원이 있는 공간은 다 셀 수 없습니다")
        yield from self._combinations(0, {}, {})

    def _combinations(
        self, position: int, on: dict[str, ParamValue], chosen: dict[str, ParamValue]
    ) -> Iterator[dict[str, ParamValue]]:
        if position == len(self.parameters):
            yield chosen
            return
        parameter = self.parameters[position]
        name = parameter.name
        if not is_active(parameter, on):
            yield from self._combinations(position + 1, on, chosen)
        elif name in self.fixed:
            yield from self._combinations(position + 1, {**on, name: self.fixed[name]}, chosen)
        else:
            for index in range(value_count(parameter) or 0):
                value = value_at(parameter, index)
                yield from self._combinations(
                    position + 1, {**on, name: value}, {**chosen, name: value}
                )

    def complete(self, active_params: Params) -> dict[str, ParamValue]:
        """전략에 넘길 모든 파라미터: 꺼진 것은 선언의 기본값, 고정한 것은 고정 값."""
        return {
            parameter.name: active_params.get(
                parameter.name, self.fixed.get(parameter.name, parameter.default)
            )
            for parameter in self.parameters
        }

    @cached_property
    def described(self) -> dict[str, str]:
        """파라미터의 이름 → 사람이 읽는 범위나 고정한 값."""
        return {
            parameter.name: f"{self.fixed[parameter.name]}"
            if parameter.name in self.fixed
            else _range_text(parameter)
            for parameter in self.parameters
        }

    @cached_property
    def fingerprint(self) -> str:
        """공간의 지문(sha256의 앞 32자). 범위·고정 값·기본값·조건 가운데 무엇이 달라도 다르다."""
        described = [
            {"kind": type(parameter).__name__, **asdict(parameter), "description": ""}
            for parameter in self.parameters
        ]
        text = json.dumps([described, dict(self.fixed)], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _range_text(parameter: Parameter) -> str:
    if isinstance(parameter, ChoiceParameter):
        return "|".join(map(str, parameter.choices))
    if isinstance(parameter, (IntParameter, FloatParameter)):
        step = f" 간격 {parameter.step:g}" if parameter.step not in (None, 1) else ""
        return f"{parameter.low:g}~{parameter.high:g}{step}{' log' if parameter.log else ''}"
    raise TypeError(f"모르는 파라미터 종류: {type(parameter).__name__}")


def value_count(parameter: Parameter) -> int | None:
    """파라미터가 가질 수 있는 값의 수. 연속이면 None."""
    if isinstance(parameter, ChoiceParameter):
        return len(parameter.choices)
    if isinstance(parameter, (IntParameter, FloatParameter)):
        return grid_size(parameter)
    raise TypeError(f"모르는 파라미터 종류: {type(parameter).__name__}")


def value_at(parameter: Parameter, index: int) -> ParamValue:
    """index번째(0부터) 값. 연속인 파라미터에는 0만 뜻이 있다(low)."""
    if isinstance(parameter, ChoiceParameter):
        return parameter.choices[index]
    if isinstance(parameter, (IntParameter, FloatParameter)):
        return grid_value(parameter, index)
    raise TypeError(f"모르는 파라미터 종류: {type(parameter).__name__}")


def index_of(parameter: Parameter, value: ParamValue) -> int | None:
    """값의 자리(0부터). 가질 수 없는 값이거나 연속이면 None."""
    if isinstance(parameter, ChoiceParameter):
        for index, choice in enumerate(parameter.choices):
            if same_value(choice, value):
                return index
        return None
    count = value_count(parameter)
    if count is None or isinstance(value, (bool, str)):
        return None
    if not isinstance(parameter, (IntParameter, FloatParameter)):
        return None
    index = round((value - parameter.low) / (parameter.step or 1))
    if 0 <= index < count and math.isclose(grid_value(parameter, index), value, abs_tol=1e-12):
        return index
    return None


class Levels:
    """한 파라미터의 값 → 자리. 눈금의 자리를 외운다: 이어 돌릴 때 몇 안 되는 값을 시행의 수만큼 묻는다."""

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter
        self._continuous = value_count(parameter) is None
        # True와 1은 다른 값인데 dict의 열쇠로는 같다.
        self._known: dict[tuple[ParamValue, bool], int] = {}

    def index(self, value: ParamValue) -> int | None:
        """`index_of`와 같다."""
        key = (value, value is True or value is False)
        found = self._known.get(key)
        if found is None:
            found = index_of(self._parameter, value)
            if found is not None and len(self._known) < _REMEMBERED:
                self._known[key] = found
        return found

    def holds(self, value: ParamValue) -> bool:
        """이 파라미터가 가질 수 있는 값인가."""
        if not self._continuous:
            return self.index(value) is not None
        if isinstance(value, (bool, str)) or not isinstance(self._parameter, FloatParameter):
            return False
        return self._parameter.low <= value <= self._parameter.high


def _draw(parameter: Parameter, rng: random.Random) -> ParamValue:
    if isinstance(parameter, (IntParameter, FloatParameter)) and parameter.log:
        if isinstance(parameter, FloatParameter):
            value = math.exp(rng.uniform(math.log(parameter.low), math.log(parameter.high)))
            return min(max(value, parameter.low), parameter.high)
        # 정수의 log 눈금: 각 정수가 [x−½, x+½]의 로그 폭만큼 뽑힌다(Optuna의 사전 분포와 같다).
        low, high = math.log(parameter.low - 0.5), math.log(parameter.high + 0.5)
        whole = round(math.exp(rng.uniform(low, high)))
        return min(max(whole, parameter.low), parameter.high)
    count = value_count(parameter)
    if count is not None:
        return value_at(parameter, rng.randrange(count))
    if isinstance(parameter, FloatParameter):
        return rng.uniform(parameter.low, parameter.high)
    raise TypeError(f"모르는 파라미터 종류: {type(parameter).__name__}")


def _distribution(parameter: Parameter) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(parameter, ChoiceParameter):
        return CategoricalDistribution(parameter.choices)
    if isinstance(parameter, IntParameter):
        last = parameter.high if parameter.log else int(value_at(parameter, _last(parameter)))
        return IntDistribution(parameter.low, last, log=parameter.log, step=parameter.step)
    if isinstance(parameter, FloatParameter):
        if parameter.step is None:
            return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        last_value = float(value_at(parameter, _last(parameter)))
        return FloatDistribution(parameter.low, last_value, step=parameter.step)
    raise TypeError(f"모르는 파라미터 종류: {type(parameter).__name__}")


def _last(parameter: Parameter) -> int:
    return (value_count(parameter) or 1) - 1
