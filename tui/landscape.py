"""파라미터의 지형: 두 파라미터의 등고선과 최고의 둘레. Textual을 모르는 순수한 셈이다.

둘레는 파라미터마다 본 범위로 나눈 거리(고르는 값은 같으면 0, 다르면 1; 한쪽만 켜진 것은 1)의 제곱합이
가까운 시행들이다.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tui import bridge

NEIGHBOURS = 12


@dataclass(frozen=True, slots=True)
class Axis:
    """축 하나. kinds: 고르는 값이면 그 값들(차례대로), 수이면 비었다."""

    name: str
    low: float = 0.0
    high: float = 0.0
    kinds: tuple[object, ...] = ()

    def bins(self, most: int) -> int:
        """칸의 수, 많아야 most."""
        return min(most, len(self.kinds)) if self.kinds else max(1, most)

    def place(self, value: object, count: int) -> int:
        """값이 놓이는 칸(0부터)."""
        if self.kinds:
            return min(count - 1, self.kinds.index(value))
        span = self.high - self.low
        share = (float(value) - self.low) / span if span else 0.0  # type: ignore[arg-type]
        return min(count - 1, max(0, int(share * count)))


@dataclass(frozen=True, slots=True)
class Plateau:
    """최고의 둘레: 가까운 시행의 수, 점수의 중앙값, 아래 사분위."""

    count: int
    middle: float
    low: float


def is_number(value: object) -> bool:
    """참·거짓이 아닌 수인가."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def feasible(trial: bridge.TrialEvent) -> bool:
    """끝까지 평가되고 조건을 지켰는가."""
    return trial.state == "COMPLETE" and all(value <= 0 for value in trial.constraints)


def axis_of(name: str, trials: Sequence[bridge.TrialEvent]) -> Axis | None:
    """그 파라미터의 축. 값이 없으면 None."""
    values = list(dict.fromkeys(trial.params[name] for trial in trials if name in trial.params))
    if not values:
        return None
    if all(is_number(value) for value in values):
        numbers = [float(value) for value in values]
        return Axis(name, min(numbers), max(numbers))
    return Axis(name, kinds=tuple(sorted(values, key=str)))


def contour(
    trials: Sequence[bridge.TrialEvent], x: Axis, y: Axis, columns: int, rows: int, minimize: bool
) -> dict[tuple[int, int], float]:
    """(가로 칸, 세로 칸) → 그 칸에서 조건을 지킨 시행의 가장 좋은 점수. 세로 0이 낮은 값이다."""
    better = min if minimize else max
    found: dict[tuple[int, int], float] = {}
    for trial in trials:
        if trial.score is None or not feasible(trial):
            continue
        if x.name in trial.params and y.name in trial.params:
            place = x.place(trial.params[x.name], columns), y.place(trial.params[y.name], rows)
            found[place] = better(found.get(place, trial.score), trial.score)
    return found


def plateau(
    trials: Sequence[bridge.TrialEvent], best: bridge.TrialEvent, minimize: bool
) -> Plateau | None:
    """최고에서 가장 가까운 시행들의 점수. 조건을 지킨 시행이 모자라면 None."""
    kept = [t for t in trials if feasible(t) and t.score is not None and t.number != best.number]
    if len(kept) < NEIGHBOURS:
        return None
    spans = _spans([*kept, best])
    kept.sort(key=lambda trial: _distance(trial.params, best.params, spans))
    scores = sorted(
        (trial.score for trial in kept[:NEIGHBOURS] if trial.score is not None), reverse=minimize
    )
    return Plateau(len(scores), statistics.median(scores), scores[len(scores) // 4])


def _spans(trials: Sequence[bridge.TrialEvent]) -> dict[str, float]:
    spans: dict[str, float] = {}
    for name in {name for trial in trials for name in trial.params}:
        axis = axis_of(name, trials)
        spans[name] = 0.0 if axis is None or axis.kinds else axis.high - axis.low
    return spans


def _distance(
    left: Mapping[str, object], right: Mapping[str, object], spans: Mapping[str, float]
) -> float:
    total = 0.0
    for name in {*left, *right}:
        if name not in left or name not in right:
            total += 1.0
        elif spans.get(name) and is_number(left[name]) and is_number(right[name]):
            gap = float(left[name]) - float(right[name])  # type: ignore[arg-type]
            total += (gap / spans[name]) ** 2
        else:
            total += float(left[name] != right[name])
    return total
