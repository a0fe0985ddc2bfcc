"""전략이 밝히는 파라미터의 선언. 표준 라이브러리만 쓴다.

`requires`는 다른 파라미터의 값이 정해진 것일 때만 이 파라미터가 켜진다는 뜻이다.
꺼진 파라미터는 시행에 들어가지 않고 탐색 차원을 쓰지 않는다(전략에는 `default`가 간다).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optimize.trial import Params, ParamValue


@dataclass(frozen=True, slots=True)
class Parameter:
    """파라미터의 공통 칸.

    name: 소문자 snake_case. default: 꺼졌거나 고정되지 않았을 때의 값.
    description: 단위를 밝힌 한국어 한 줄.
    requires: 앞서 선언된 파라미터 이름 → 켜지는 값들. 모두 맞아야 켜진다.
    """

    name: str
    default: ParamValue
    description: str = ""
    requires: Mapping[str, tuple[ParamValue, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IntParameter(Parameter):
    """low 이상 high 이하의 정수, step 간격."""

    low: int = 0
    high: int = 1
    step: int = 1
    log: bool = False


@dataclass(frozen=True, slots=True)
class FloatParameter(Parameter):
    """low 이상 high 이하의 실수. step이 있으면 그 간격, log면 로그 눈금(둘을 함께 쓰지 않는다)."""

    low: float = 0.0
    high: float = 1.0
    step: float | None = None
    log: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceParameter(Parameter):
    """몇 값 가운데 하나. 켬/끔은 (False, True)다."""

    choices: tuple[ParamValue, ...] = (False, True)


def is_active(parameter: Parameter, values: Params) -> bool:
    """앞선 파라미터들의 값이 이 파라미터를 켜는가.

    꺼진 파라미터를 조건으로 삼는 파라미터도 꺼진다.
    """
    return all(
        name in values and values[name] in allowed for name, allowed in parameter.requires.items()
    )
