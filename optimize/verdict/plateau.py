"""파라미터의 고원: 최선의 둘레에서도 점수가 남는가. 외딴 봉우리는 그 기간에만 맞은 것이기 쉽다.

이웃은 둘 가운데 하나다.
- 저장된 시행: 정규화한 거리가 반지름 안인 것. 거리는 파라미터마다의 차이의 평균이며(Gower, "A General
  Coefficient of Similarity and Some of Its Properties", Biometrics 27(4), 1971), 수는 시행들이 쓴 범위로
  나누고, 선택지는 다르면 1, 한쪽에만 켜져 있으면 1이다.
- 한 걸음 이웃: 최선에서 수 파라미터 하나만 위나 아래로 한 걸음 옮겨 새로 평가한 것. 걸음은 격자 한 칸과
  범위의 5 % 가운데 큰 것이다.

점수의 남은 몫은 이웃들의 점수의 가운데 값 / 최선의 점수다. 최선의 점수가 0보다 클 때만 뜻이 있다.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimize.search.space import index_of, value_at, value_count
from optimize.strategy.parameter import FloatParameter, IntParameter, Parameter
from optimize.trial import Params, ParamValue

if TYPE_CHECKING:
    from optimize.search.space import SearchSpace

RADIUS = 0.1
STEP = 0.05
MIN_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Plateau:
    """count: 이웃의 수. kept: 점수의 남은 몫(가운데 값). worst: 가장 나쁜 이웃의 몫. stepped: 한 걸음 이웃인가."""

    count: int
    kept: float
    worst: float
    stepped: bool


def plateau_of(best: float, neighbours: Sequence[float], *, stepped: bool) -> Plateau | None:
    """이웃들의 점수에서. 이웃이 MIN_NEIGHBOURS보다 적거나 최선이 0 이하면 None."""
    if len(neighbours) < MIN_NEIGHBOURS or not best > 0:
        return None
    kept = statistics.median(neighbours) / best
    return Plateau(len(neighbours), kept, min(neighbours) / best, stepped)


def distances(best: Params, others: Sequence[Params]) -> NDArray[np.float64]:
    """최선에서 시행들까지의 정규화한 거리 float64[len(others)]. 0은 같은 조합, 1은 모든 것이 다른 조합."""
    names = dict.fromkeys([*best, *(name for params in others for name in params)])
    total = np.zeros(len(others))
    used = np.zeros(len(others))
    for name in names:
        column = [params.get(name) for params in others]
        gaps = np.array(list(_gaps(best.get(name), column)))
        on = ~np.isnan(gaps)
        total[on] += gaps[on]
        used += on
    return np.asarray(total / np.maximum(used, 1.0))


def _gaps(mine: ParamValue | None, column: Sequence[ParamValue | None]) -> Iterator[float]:
    """파라미터 하나의 차이들. 둘 다 꺼져 있으면 NaN(세지 않는다)."""
    here = _number(mine)
    numbers = [n for value in (mine, *column) if (n := _number(value)) is not None]
    width = max(numbers) - min(numbers) if numbers else 0.0
    for value in column:
        there = _number(value)
        if mine is None and value is None:
            yield math.nan
        elif here is not None and there is not None:
            yield abs(there - here) / width if width else 0.0
        else:
            yield 0.0 if value == mine else 1.0


def _number(value: ParamValue | None) -> float | None:
    return None if value is None or isinstance(value, (bool, str)) else float(value)


def near(
    best: Params, others: Sequence[Params], scores: Sequence[float], radius: float = RADIUS
) -> list[float]:
    """저장된 시행 가운데 반지름 안의 이웃들의 점수(최선 자신은 뺀다)."""
    if not others:
        return []
    away = distances(best, others)
    return [
        score
        for score, gap in zip(scores, away, strict=True)
        if 0.0 < gap <= radius and math.isfinite(score)
    ]


def one_step(space: SearchSpace, best: Params) -> list[dict[str, ParamValue]]:
    """한 걸음 이웃들: 켜진 수 파라미터마다 아래와 위, 범위를 넘으면 뺀다."""
    found = []
    for parameter in space.dimensions:
        if parameter.name not in best:
            continue
        for way in (-1, 1):
            value = _moved(parameter, best[parameter.name], way)
            if value is not None:
                moved = {**best, parameter.name: value}
                # 다른 파라미터를 켜고 끄는 걸음은 한 파라미터만의 이웃이 아니다.
                if space.contains(moved):
                    found.append(moved)
    return found


def _moved(parameter: Parameter, value: ParamValue, way: int) -> ParamValue | None:
    if not isinstance(parameter, (IntParameter, FloatParameter)) or isinstance(value, (bool, str)):
        return None
    count = value_count(parameter)
    if count is not None:
        index = index_of(parameter, value)
        if index is None:
            return None
        there = index + way * max(1, round(STEP * (count - 1)))
        return value_at(parameter, there) if 0 <= there < count else None
    low, high = float(parameter.low), float(parameter.high)
    if parameter.log:
        moved = math.exp(math.log(value) + way * STEP * math.log(high / low))
    else:
        moved = value + way * STEP * (high - low)
    return moved if low <= moved <= high else None
