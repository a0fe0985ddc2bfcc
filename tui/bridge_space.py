"""`bridge`의 탐색 공간 몫: 전략의 파라미터를 읽고, 좁힌 것을 `--set`으로 바꾼다.

Optuna와 numba는 불러오지 않는다. 검증은 실행이 하는 것과 같은 `SearchSpace`가 한다.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tui.bridge_storage import translated
from tui.problem import Problem, ProblemError

if TYPE_CHECKING:
    from optimize.strategy.parameter import Parameter

Value = bool | int | float | str
# 파라미터 하나를 좁힌 것: 고정한 값, 또는 {low, high, step, log}나 {choices}.
Override = Value | dict[str, Any]


@dataclass(frozen=True, slots=True)
class SpaceRow:
    """탐색 공간의 파라미터 하나.

    kind: int | float | choice. state: searched | fixed | off(켜질 길이 없다).
    choices: 고를 수 있는 값(choice일 때). requires: 켜지는 조건.
    extra: 선언과 다른 step·log(범위를 새로 적을 때 함께 적어야 남는다).
    """

    name: str
    description: str
    kind: str
    state: str
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()
    fixed: Value | None = None
    requires: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    extra: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Space:
    """전략의 탐색 공간. dimensions: 탐색하는 차원의 수. size: 조합의 수, 셀 수 없으면 None."""

    rows: tuple[SpaceRow, ...]
    dimensions: int
    size: int | None

    def row(self, name: str) -> SpaceRow:
        """그 이름의 줄. 없으면 KeyError."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)


def read_space(arguments: Sequence[str]) -> Space:
    """이 인자로 실행할 때의 탐색 공간. 틀렸으면 ProblemError.

    arguments: `bridge.run_arguments`가 준 것. 전략 파일을 읽을 수 있으니 다른 thread에서 부른다.
    """
    return translated(lambda: _read_space(arguments))


def _read_space(arguments: Sequence[str]) -> Space:
    from optimize.search.space import SearchSpace
    from optimize.settings.arguments import parse_run_arguments
    from optimize.settings.load import load_params
    from optimize.strategy.registry import load_strategy

    parsed = parse_run_arguments(list(arguments))
    section = load_params(parsed.config, parsed.overrides).strategy
    declared = load_strategy(section.name).parameters
    space = SearchSpace(declared, section.space)
    searched = {parameter.name for parameter in space.dimensions}
    rows = []
    for before, parameter in zip(declared, space.parameters, strict=True):
        fixed = space.fixed.get(parameter.name)
        state = "searched" if parameter.name in searched else "off" if fixed is None else "fixed"
        rows.append(_row(before, parameter, state, fixed))
    return Space(tuple(rows), len(space.dimensions), space.size)


def _row(declared: Parameter, parameter: Parameter, state: str, fixed: Value | None) -> SpaceRow:
    from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter

    row = SpaceRow(
        parameter.name,
        parameter.description,
        "int" if isinstance(parameter, IntParameter) else "float",
        state,
        fixed=fixed,
        requires=tuple((name, tuple(values)) for name, values in parameter.requires.items()),
    )
    if isinstance(parameter, ChoiceParameter):
        return replace(row, kind="choice", choices=parameter.choices)
    if not isinstance(parameter, (IntParameter, FloatParameter)):
        raise TypeError(f"모르는 파라미터 종류: {type(parameter).__name__}")
    extra = tuple(
        (name, getattr(parameter, name))
        for name in ("step", "log")
        if getattr(parameter, name) != getattr(declared, name)
    )
    return replace(
        row,
        low=parameter.low,
        high=parameter.high,
        step=parameter.step,
        log=parameter.log,
        extra=extra,
    )


def number(text: str) -> int | float:
    """글 칸의 수. 수가 아니면 ProblemError(범위와 종류는 `read_space`가 본다)."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        from tui.text.space import EMPTY_BOUNDS, NOT_A_NUMBER

        title = NOT_A_NUMBER.format(text=text) if text else EMPTY_BOUNDS
        raise ProblemError(Problem(title)) from None


def range_override(row: SpaceRow, low: str, high: str) -> Override | None:
    """낮은 값과 높은 값으로 좁힌 것. row의 범위와 같으면 None(바꾸지 않음)."""
    bounds = number(low), number(high)
    if row.fixed is None and bounds == (row.low, row.high):
        return None
    return {"low": bounds[0], "high": bounds[1], **dict(row.extra)}


def choice_override(row: SpaceRow, chosen: Sequence[Value]) -> Override | None:
    """고른 값들로 좁힌 것. 하나면 고정, row의 것과 같으면 None."""
    if row.fixed is None and tuple(chosen) == row.choices:
        return None
    return chosen[0] if len(chosen) == 1 else {"choices": list(chosen)}


def space_pairs(overrides: Mapping[str, Override]) -> list[tuple[str, str]]:
    """`optimize.run`의 `--set strategy.space.이름=값` 쌍들. 값은 한 줄의 YAML이다."""
    if not overrides:
        return []
    import yaml

    pairs = []
    for name, value in overrides.items():
        text = yaml.safe_dump(
            value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
        )
        pairs.append(("--set", f"strategy.space.{name}={text.split(chr(10))[0]}"))
    return pairs
