"""한 파라미터의 단면: 가로는 값, 세로는 점수. 조건을 지킨 시행이 밝다."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.cells import cut, fit, plain
from tui.widgets.plots import Canvas
from tui.widgets.run_panel import score_text
from tui.widgets.trial_card import value_text

_LABEL = 9
_INFEASIBLE, _FEASIBLE, _BEST = range(3)
# 점수의 아래쪽 이만큼은 바닥에 모은다.
_FLOOR_SHARE = 0.05

# (값, 점수, 조건을 지켰나)
Point = tuple[object, float, bool]


class SlicePlot(Widget):
    """수이면 값의 자리에, 고르는 값이면 차례대로 나란히 놓는다."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "slice-plot--axis",
        "slice-plot--infeasible",
        "slice-plot--feasible",
        "slice-plot--best",
    }

    def __init__(self) -> None:
        super().__init__()
        self._points: Sequence[Point] = ()
        self._best: object = None

    def show(self, points: Sequence[Point], best: object) -> None:
        """best: 최고 시행의 값(없으면 None). 세로줄로 보인다."""
        self._points, self._best = points, best
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        lines = self._paint(width, height) if self._points and height >= 4 else []
        return lines[y] if y < len(lines) else Strip.blank(width, self.rich_style)

    def _paint(self, width: int, height: int) -> list[Strip]:
        scores = sorted(score for _, score, _ in self._points)
        low, high = scores[int(len(scores) * _FLOOR_SHARE)], scores[-1]
        places, ends = _places([value for value, _, _ in self._points])
        canvas = Canvas(max(4, width - _LABEL - 1), height - 1)
        span = (high - low) or 1.0

        def x_of(value: object) -> int:
            return round(places[value] * (canvas.width - 1))

        if self._best in places:
            for y in range(0, canvas.height, 2):
                canvas.dot(x_of(self._best), y, _BEST)
        for value, score, feasible in self._points:
            y = round((1 - min(1.0, max(0.0, (score - low) / span))) * (canvas.height - 1))
            canvas.dot(x_of(value), y, _FEASIBLE if feasible else _INFEASIBLE)
        labels = {0: score_text(high), height - 2: score_text(low)}
        lines = []
        for index in range(height - 1):
            label = fit(labels.get(index, ""), _LABEL, "right") + " "
            line = [Segment(label, self._style("axis"))]
            line += [Segment(text, self._layer_style(layer)) for text, layer in canvas.row(index)]
            lines.append(self._strip(line, width))
        room = width - _LABEL - 1 - cell_len(ends[0])
        axis = " " * (_LABEL + 1) + ends[0] + fit(ends[1], max(0, room), "right")
        return [*lines, self._strip([Segment(cut(axis, width), self._style("axis"))], width)]

    def _strip(self, line: list[Segment], width: int) -> Strip:
        base = self.rich_style
        strip = Strip([Segment(text, base + style) for text, style, _ in line if style])
        return strip.adjust_cell_length(width, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"slice-plot--{name}")

    def _layer_style(self, layer: int) -> Style:
        names = {_INFEASIBLE: "infeasible", _FEASIBLE: "feasible", _BEST: "best"}
        return self._style(names[layer]) if layer in names else self.rich_style


def _places(values: Sequence[object]) -> tuple[dict[object, float], tuple[str, str]]:
    """값 → 가로 자리(0…1)와, 양 끝에 적을 글."""
    distinct = list(dict.fromkeys(values))
    numbers = [v for v in distinct if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) == len(distinct):
        low, high = min(numbers), max(numbers)
        span = (high - low) or 1
        places: dict[object, float] = {value: (value - low) / span for value in numbers}
        return places, (value_text(low), value_text(high))
    ordered = sorted(distinct, key=str)
    last = max(1, len(ordered) - 1)
    # 고르는 값은 차례대로 적는다: 왼쪽부터 이 순서다.
    names = ", ".join(plain(value_text(value)) for value in ordered)
    return {value: index / last for index, value in enumerate(ordered)}, (names, "")
