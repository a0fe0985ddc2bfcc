"""파라미터의 값과 TPE 모형의 좌표 사이. numpy만 쓴다.

좌표: 수는 [0, 1]의 단위 구간(log는 로그를 취한 뒤). 눈금이 있는 수는 양 끝을 반 눈금씩 넓힌
구간을 [0, 1]로 보므로 L개 눈금의 i번째는 (i + ½)/L이다. 고를 값은 0부터의 번호.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimize.search.space import Levels, value_at, value_count
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
        self._places = Levels(parameter)
        self.low = self.high = 0.0
        self._is_log = False
        if not isinstance(parameter, (IntParameter, FloatParameter)):
            self.kind = KIND_CHOICE
        elif isinstance(parameter, IntParameter) and parameter.log:
            self.kind = KIND_LOG_INT
            self._is_log = True
            self.low = math.log(parameter.low - 0.5)
            self.high = math.log(parameter.high + 0.5)
        elif self.levels:
            self.kind = KIND_GRID
        else:
            self.kind = KIND_FLOAT
            self._is_log = parameter.log
            self.low, self.high = float(parameter.low), float(parameter.high)
            if self._is_log:
                self.low, self.high = math.log(self.low), math.log(self.high)

    def encode(self, value: ParamValue) -> float:
        """값을 좌표로. 이 차원이 가질 수 없는 값이면 ValueError."""
        if self.kind in (KIND_GRID, KIND_CHOICE):
            index = self._places.index(value)
            if index is None:
                raise ValueError(f"{self.name}이 가질 수 없는 값: {value!r}")
            return (index + 0.5) / self.levels if self.kind == KIND_GRID else float(index)
        number = float(value)
        if self._is_log:
            number = math.log(number)
        return min(max((number - self.low) / (self.high - self.low), 0.0), 1.0)

    def decode(self, coordinate: float) -> ParamValue:
        """좌표를 값으로. 눈금이 있으면 가장 가까운 눈금이다."""
        parameter = self.parameter
        if self.kind == KIND_CHOICE:
            return value_at(parameter, int(coordinate))
        if self.kind == KIND_GRID:
            index = min(max(math.floor(coordinate * self.levels), 0), self.levels - 1)
            return value_at(parameter, index)
        number = self.low + coordinate * (self.high - self.low)
        if isinstance(parameter, IntParameter):
            return min(max(round(math.exp(number)), parameter.low), parameter.high)
        if isinstance(parameter, FloatParameter):
            value = math.exp(number) if parameter.log else number
            return min(max(value, float(parameter.low)), float(parameter.high))
        raise TypeError(f"모르는 파라미터 종류: {type(parameter).__name__}")


class Layout(NamedTuple):
    """차원들의 성질을 컴파일된 코드가 읽는 꼴로. D는 차원의 수.

    kind: int64[D]. levels: int64[D], 연속이면 0. low, high: float64[D], 로그를 취한 구간.
    """

    kind: NDArray[np.int64]
    levels: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class Codec:
    """함께 켜지는 차원들의 조합 ↔ 좌표 벡터. dimensions의 차례가 좌표의 차례다."""

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self.dimensions = tuple(dimensions)
        self.names = tuple(dimension.name for dimension in dimensions)
        self.layout = Layout(
            kind=np.array([d.kind for d in dimensions], dtype=np.int64),
            levels=np.array([d.levels for d in dimensions], dtype=np.int64),
            low=np.array([d.low for d in dimensions], dtype=np.float64),
            high=np.array([d.high for d in dimensions], dtype=np.float64),
        )

    def covers(self, params: Params) -> bool:
        """조합에 이 차원들이 모두 켜져 있는가."""
        return all(name in params for name in self.names)

    def encode(self, params: Params) -> NDArray[np.float64]:
        """float64[D]."""
        return np.array([d.encode(params[d.name]) for d in self.dimensions])
