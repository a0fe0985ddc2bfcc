"""YAML `strategy.space`의 덮어쓰기를 전략의 선언에 얹는다. 표준 라이브러리만 쓴다.

쓰는 꼴 (이름마다 하나):

    kc_length: {low: 10, high: 60, step: 5}   # 범위. 빠진 칸은 전략의 선언을 따른다
    threshold: {low: 0.1, high: 3, log: true}
    ma_type:   {choices: [SMA, EMA]}          # 고를 값
    osc_length: {choices: [10, 20, 40]}       # 수도 몇 값으로 좁힐 수 있다
    use_stop: true                            # 한 값으로 고정: 탐색 차원을 쓰지 않는다

    선언의 low가 0 이상인 수는 음수로, 1 이상인 정수(봉 수 같은 길이)는 0으로 넓힐 수 없다.
    bb_length:                                # 비우면 전략의 선언 그대로
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

from optimize.errors import SettingsError
from optimize.strategy.parameter import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)
from optimize.trial import ParamValue

_RANGE_KEYS = ("low", "high", "step", "log")
_KEYS = (*_RANGE_KEYS, "choices")


class _RefusalError(Exception):
    """덮어쓰기 한 칸의 잘못. key: `strategy.space` 아래의 경로, value: 받은 값, reason: 허용되는 것."""

    def __init__(self, key: str, value: object, reason: str) -> None:
        super().__init__(key, value, reason)
        self.line = f"{key} = {value!r}: {reason}"


def apply_overrides(
    parameters: Sequence[Parameter],
    overrides: Mapping[str, object],
    prefix: str = "strategy.space",
) -> tuple[tuple[Parameter, ...], dict[str, ParamValue]]:
    """(덮어쓴 파라미터들, 고정한 값들)을 준다. 선언의 차례를 지킨다.

    overrides: 이름 → 범위·고를 값·고정 값. prefix: 오류에 보일 키의 앞부분.
    잘못이 있으면 모두 모아 SettingsError 하나로 올린다(키의 경로, 값, 허용되는 것, 비슷한 키).
    """
    check_declaration(parameters)
    by_name = {parameter.name: parameter for parameter in parameters}
    fixed: dict[str, ParamValue] = {}
    problems: list[str] = []
    for name, override in overrides.items():
        try:
            changed = _apply_one(by_name, name, override, f"{prefix}.{name}")
        except _RefusalError as refusal:
            problems.append(refusal.line)
            continue
        if isinstance(changed, Parameter):
            by_name[name] = changed
        else:
            fixed[name] = changed
    if problems:
        raise SettingsError(
            "탐색 공간이 틀렸습니다",
            "\n".join(problems),
            f"{prefix} 아래를 '이름: {{low: 낮은 값, high: 높은 값}}', "
            "'이름: {choices: [값, …]}', '이름: 고정할 값' 가운데 하나로 쓰세요",
        )
    return tuple(by_name[parameter.name] for parameter in parameters), fixed


def check_declaration(parameters: Sequence[Parameter]) -> None:
    """전략이 선언한 파라미터들이 말이 되는지 본다. 틀리면 SettingsError."""
    seen: dict[str, Parameter] = {}
    problems: list[str] = []
    for parameter in parameters:
        key = f"파라미터 '{parameter.name}'"
        if parameter.name in seen:
            problems.append(f"{key}: 이름이 두 번 선언되었습니다")
        try:
            _check_parameter(parameter, key)
        except _RefusalError as refusal:
            problems.append(refusal.line)
        for controller in parameter.requires:
            if controller not in seen:
                problems.append(f"{key}: requires의 '{controller}'가 앞에 선언되어 있지 않습니다")
            elif isinstance(seen[controller], FloatParameter):
                problems.append(
                    f"{key}: requires의 '{controller}'는 실수라서 조건이 될 수 없습니다"
                )
        seen[parameter.name] = parameter
    if problems:
        raise SettingsError(
            "전략의 파라미터 선언이 틀렸습니다",
            "\n".join(problems),
            "전략 파일의 parameters를 고치세요",
        )


def _apply_one(
    by_name: Mapping[str, Parameter], name: str, override: object, key: str
) -> Parameter | ParamValue:
    parameter = by_name.get(name)
    if parameter is None:
        close = difflib.get_close_matches(str(name), by_name, n=1, cutoff=0.6)
        hint = f" — 혹시 '{close[0]}'인가요?" if close else f" (있는 것: {', '.join(by_name)})"
        raise _RefusalError(key, override, f"이 전략에 없는 파라미터입니다{hint}")
    if override is None:
        return parameter
    if isinstance(override, Mapping):
        return _narrowed(parameter, override, key)
    if isinstance(override, (list, tuple)):
        raise _RefusalError(key, override, f"여러 값은 {{choices: {list(override)!r}}} 로 씁니다")
    return _value(parameter, override, key)


def _narrowed(parameter: Parameter, override: Mapping[object, object], key: str) -> Parameter:
    """범위나 고를 값을 바꾼 파라미터."""
    for name in override:
        if name not in _KEYS:
            close = difflib.get_close_matches(str(name), _KEYS, n=1, cutoff=0.5)
            hint = f" — 혹시 '{close[0]}'인가요?" if close else ""
            raise _RefusalError(
                f"{key}.{name}", override[name], f"{', '.join(_KEYS)} 가운데 하나여야 합니다{hint}"
            )
    if not override:
        raise _RefusalError(
            key, dict(override), "low, high, step, log 또는 choices가 있어야 합니다"
        )
    if "choices" in override:
        if len(override) > 1:
            raise _RefusalError(
                key, dict(override), "choices는 low, high, step, log와 함께 쓰지 않습니다"
            )
        return _with_choices(parameter, override["choices"], f"{key}.choices")
    if isinstance(parameter, ChoiceParameter):
        raise _RefusalError(
            key,
            dict(override),
            f"범위가 없는 파라미터입니다. choices로 고르세요: {list(parameter.choices)!r}",
        )
    if not isinstance(parameter, (IntParameter, FloatParameter)):
        raise _RefusalError(key, dict(override), "이 파라미터는 덮어쓸 수 없습니다")
    values = {str(name): value for name, value in override.items()}
    changed = _with_range(parameter, values, key)
    _check_parameter(changed, key)
    _require_floor(parameter, changed.low, f"{key}.low")
    return changed


def _with_range(
    parameter: IntParameter | FloatParameter, values: Mapping[str, object], key: str
) -> IntParameter | FloatParameter:
    log = values.get("log", parameter.log)
    if not isinstance(log, bool):
        raise _RefusalError(f"{key}.log", log, "true 또는 false여야 합니다")
    is_int = isinstance(parameter, IntParameter)
    number = _integer if is_int else _real
    changes: dict[str, object] = {"log": log}
    changes |= {
        name: number(values[name], f"{key}.{name}") for name in ("low", "high") if name in values
    }
    if "step" in values:
        step = values["step"]
        changes["step"] = None if step is None and not is_int else number(step, f"{key}.step")
    elif log and not parameter.log:
        # log 눈금에는 간격이 없다: 선언의 간격을 내려놓는다.
        changes["step"] = 1 if is_int else None
    return dataclasses.replace(parameter, **changes)  # type: ignore[arg-type]


def _with_choices(parameter: Parameter, choices: object, key: str) -> Parameter:
    if not isinstance(choices, (list, tuple)) or not choices:
        raise _RefusalError(key, choices, "값이 하나 이상인 목록이어야 합니다")
    values = tuple(_value(parameter, value, f"{key}[{i}]") for i, value in enumerate(choices))
    for i, value in enumerate(values):
        if any(same_value(value, other) for other in values[:i]):
            raise _RefusalError(key, choices, f"{value!r}가 두 번 있습니다")
    return ChoiceParameter(
        name=parameter.name,
        default=parameter.default,
        description=parameter.description,
        requires=parameter.requires,
        choices=values,
    )


def _value(parameter: Parameter, value: object, key: str) -> ParamValue:
    """이 파라미터가 가질 수 있는 값으로."""
    if isinstance(parameter, IntParameter):
        return _require_floor(parameter, _integer(value, key), key)
    if isinstance(parameter, FloatParameter):
        return _require_floor(parameter, _real(value, key), key)
    if isinstance(parameter, ChoiceParameter):
        for choice in parameter.choices:
            if same_value(choice, value):
                return choice
        text = [str(choice) for choice in parameter.choices]
        close = difflib.get_close_matches(str(value), text, n=1, cutoff=0.6)
        hint = f" — 혹시 '{close[0]}'인가요?" if close else ""
        raise _RefusalError(key, value, f"{list(parameter.choices)!r} 가운데 하나여야 합니다{hint}")
    raise _RefusalError(key, value, "이 파라미터는 고정할 수 없습니다")


_Number = TypeVar("_Number", int, float)


def _require_floor(parameter: IntParameter | FloatParameter, value: _Number, key: str) -> _Number:
    """길이나 배수가 뜻을 잃는 값을 거절한다: 선언의 low가 넘지 않는 0을 넘는 값."""
    floor = 1 if isinstance(parameter, IntParameter) and parameter.low >= 1 else 0
    # 선언의 default는 받는다: best.yaml에는 꺼진 파라미터의 default도 든다.
    if parameter.low >= floor > value and value != parameter.default:
        raise _RefusalError(key, value, f"{floor} 이상이어야 합니다")
    return value


def same_value(left: object, right: object) -> bool:
    """두 값이 같은가. True와 1은 다르고 1과 1.0은 같다."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _integer(value: object, key: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _RefusalError(key, value, "정수여야 합니다")
    return value


def _real(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _RefusalError(key, value, "유한한 수여야 합니다")
    return float(value)


def _check_parameter(parameter: Parameter, key: str) -> None:
    if isinstance(parameter, ChoiceParameter):
        if not parameter.choices:
            raise _RefusalError(key, parameter.choices, "고를 값이 하나 이상이어야 합니다")
    elif isinstance(parameter, (IntParameter, FloatParameter)):
        _check_range(parameter, key)
    else:
        raise _RefusalError(
            key,
            type(parameter).__name__,
            "IntParameter, FloatParameter, ChoiceParameter여야 합니다",
        )


def _check_range(parameter: IntParameter | FloatParameter, key: str) -> None:
    low, high, step = parameter.low, parameter.high, parameter.step
    if low > high:
        raise _RefusalError(f"{key}.low", low, f"high({high}) 이하여야 합니다")
    if step is not None and step <= 0:
        raise _RefusalError(f"{key}.step", step, "0보다 커야 합니다")
    if parameter.log:
        if low <= 0:
            raise _RefusalError(f"{key}.low", low, "log 눈금에서는 0보다 커야 합니다")
        if step is not None and not (isinstance(parameter, IntParameter) and step == 1):
            raise _RefusalError(f"{key}.step", step, "log 눈금과 함께 쓸 수 없습니다")


def grid_size(parameter: IntParameter | FloatParameter) -> int | None:
    """눈금의 수. 연속이면 None. high가 눈금에 맞지 않으면 그 아래 마지막 눈금까지다."""
    if isinstance(parameter, IntParameter):
        return (parameter.high - parameter.low) // parameter.step + 1
    if parameter.low == parameter.high:
        return 1
    if parameter.step is None:
        return None
    return _decimal_grid_size(parameter.low, parameter.high, parameter.step)


def grid_value(parameter: IntParameter | FloatParameter, index: int) -> int | float:
    """index번째(0부터) 눈금의 값."""
    if isinstance(parameter, IntParameter):
        return parameter.low + index * parameter.step
    return _decimal_grid_value(parameter.low, parameter.step or 0.0, index)


# 0.1 같은 십진 간격이 이진 오차로 한 칸 줄거나 0.30000000000000004가 되지 않게 Decimal로 센다.
@lru_cache(maxsize=1024)
def _decimal_grid_size(low: float, high: float, step: float) -> int:
    return int((Decimal(str(high)) - Decimal(str(low))) // Decimal(str(step))) + 1


@lru_cache(maxsize=16_384)
def _decimal_grid_value(low: float, step: float, index: int) -> float:
    return float(Decimal(str(low)) + index * Decimal(str(step)))
