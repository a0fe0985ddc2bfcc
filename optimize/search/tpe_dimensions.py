"""파라미터의 값과 TPE 모형의 좌표 사이. numpy만 쓴다.

좌표: 수는 [0, 1]의 단위 구간(log는 로그를 취한 뒤). 눈금이 있는 수는 양 끝을 반 눈금씩 넓힌
구간을 [0, 1]로 보므로 L개 눈금의 i번째는 (i + ½)/L이다. 고를 값은 0부터의 번호.
꺼진 차원은 NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimize.search.space import SearchSpace, index_of, value_at, value_count
from optimize.strategy.parameter import FloatParameter, IntParameter, Parameter
from optimize.trial import Params, ParamValue

KIND_FLOAT = 0  # 연속(로그를 취했을 수 있다)
KIND_GRID = 1  # 고른 눈금
KIND_LOG_INT = 2  # 로그 눈금의 정수
KIND_CHOICE = 3  # 고를 값


class Dimension:
    """차원 하나의 부호기."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        self.name = parameter.name
        self.levels = value_count(parameter) or 0
        self.low = self.high = 0.0
        if isinstance(parameter, (IntParameter, FloatParameter)):
            if parameter.log and isinstance(parameter, IntParameter):
                self.kind = KIND_LOG_INT
                self.low = math.log(parameter.low - 0.5)
                self.high = math.log(parameter.high + 0.5)
            elif self.levels:
                self.kind = KIND_GRID
            else:
                self.kind = KIND_FLOAT
                self.low, self.high = float(parameter.low), float(parameter.high)
                if parameter.log:
                    self.low, self.high = math.log(self.low), math.log(self.high)
        else:
            self.kind = KIND_CHOICE

    def encode(self, value: ParamValue) -> float:
        """값을 좌표로. 이 차원이 가질 수 없는 값이면 ValueError."""
        if self.kind == KIND_GRID or self.kind == KIND_CHOICE:
            index = index_of(self.parameter, value)
            if index is None:
                raise ValueError(f"{self.name}이 가질 수 없는 값: {value!r}")
            return (index + 0.5) / self.levels if self.kind == KIND_GRID else float(index)
        number = float(value)
        if self.kind == KIND_LOG_INT or self._is_log:
            number = math.log(number)
        return min(max((number - self.low) / (self.high - self.low), 0.0), 1.0)

    def decode(self, coordinate: float) -> ParamValue:
        """좌표를 값으로. 눈금이 있으면 가장 가까운 눈금이다."""
        if self.kind == KIND_CHOICE:
            return value_at(self.parameter, int(coordinate))
        if self.kind == KIND_GRID:
            index = min(max(math.floor(coordinate * self.levels), 0), self.levels - 1)
            return value_at(self.parameter, index)
        number = self.low + coordinate * (self.high - self.low)
        parameter = self.parameter
        if isinstance(parameter, IntParameter):
            return min(max(round(math.exp(number)), parameter.low), parameter.high)
        if isinstance(parameter, FloatParameter):
            value = math.exp(number) if parameter.log else number
            return min(max(value, parameter.low), parameter.high)
        raise TypeError(type(parameter).__name__)

    @property
    def _is_log(self) -> bool:
        return isinstance(self.parameter, FloatParameter) and self.parameter.log


class Layout(NamedTuple):
    """차원들의 성질을 컴파일된 코드가 읽는 꼴로. D는 차원의 수.

    kind: int64[D]. levels: int64[D], 연속이면 0. low, high: float64[D], 로그 정수의 로그 구간.
    always: bool[D], 언제나 켜져 있는가.
    condition_start: int64[D+1]. 차원 d의 조건은 condition_start[d]부터 condition_start[d+1]까지.
    condition_dim: int64[조건 수], 조건으로 삼는 차원(d보다 앞).
    level_start: int64[조건 수+1], level: int64[…], 그 차원이 가져야 할 번호들.
    """

    kind: NDArray[np.int64]
    levels: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    always: NDArray[np.bool_]
    condition_start: NDArray[np.int64]
    condition_dim: NDArray[np.int64]
    level_start: NDArray[np.int64]
    level: NDArray[np.int64]


class Codec:
    """조합 ↔ 좌표 벡터. dimensions의 차례가 좌표의 차례다."""

    def __init__(self, dimensions: Sequence[Dimension], layout: Layout) -> None:
        self.dimensions = tuple(dimensions)
        self.layout = layout

    @classmethod
    def of_space(cls, space: SearchSpace) -> Codec:
        """`requires`를 아는 탐색 공간의 부호기."""
        dimensions = [Dimension(parameter) for parameter in space.dimensions]
        position = {dimension.name: i for i, dimension in enumerate(dimensions)}
        conditions = [
            [
                (position[name], _levels(dimensions[position[name]], allowed))
                for name, allowed in dimension.parameter.requires.items()
                # 고정된 파라미터의 조건은 공간을 만들 때 이미 맞는 것으로 정해졌다.
                if name in position
            ]
            for dimension in dimensions
        ]
        return cls(dimensions, _layout(dimensions, conditions))

    @classmethod
    def of_parameters(cls, parameters: Sequence[Parameter]) -> Codec:
        """조건을 모르는(모두 켜진 것으로 보는) 부호기."""
        dimensions = [Dimension(parameter) for parameter in parameters]
        return cls(dimensions, _layout(dimensions, [[] for _ in dimensions]))

    def encode(self, params: Params) -> NDArray[np.float64]:
        """float64[D]. params에 없는 차원은 NaN."""
        return np.array(
            [d.encode(params[d.name]) if d.name in params else math.nan for d in self.dimensions]
        )

    def decode(self, coordinates: NDArray[np.float64]) -> dict[str, ParamValue]:
        """켜진(NaN이 아닌) 차원만 담은 조합."""
        return {
            dimension.name: dimension.decode(coordinate)
            for dimension, coordinate in zip(self.dimensions, coordinates.tolist(), strict=True)
            if not math.isnan(coordinate)
        }


def _levels(dimension: Dimension, allowed: Sequence[ParamValue]) -> list[int]:
    indices = (index_of(dimension.parameter, value) for value in allowed)
    return [index for index in indices if index is not None]


def _layout(
    dimensions: Sequence[Dimension], conditions: Sequence[Sequence[tuple[int, list[int]]]]
) -> Layout:
    flat = [condition for per_dimension in conditions for condition in per_dimension]
    return Layout(
        kind=np.array([d.kind for d in dimensions], dtype=np.int64),
        levels=np.array([d.levels for d in dimensions], dtype=np.int64),
        low=np.array([d.low for d in dimensions], dtype=np.float64),
        high=np.array([d.high for d in dimensions], dtype=np.float64),
        always=np.array([not c for c in conditions], dtype=np.bool_),
        condition_start=_starts([len(c) for c in conditions]),
        condition_dim=np.array([dim for dim, _ in flat], dtype=np.int64),
        level_start=_starts([len(levels) for _, levels in flat]),
        level=np.array([level for _, levels in flat for level in levels], dtype=np.int64),
    )


def _starts(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
