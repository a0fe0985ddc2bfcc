"""두 목표의 산점도: 모든 시행은 흐리게, 파레토 최적은 밝게."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.cells import cut, fit
from tui.widgets.plots import Canvas
from tui.widgets.run_panel import score_text

_LABEL = 10
_OTHER, _FRONT, _CHOSEN = range(3)
# 양 끝의 이만큼은 가장자리에 모은다(몇 개의 큰 손실이 그림을 누르지 않게).
_EDGE = 0.02

Pair = tuple[float, float]


class FrontPlot(Widget):
    """가로는 첫 목표, 세로는 둘째 목표. 값은 자기 단위 그대로다."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "front-plot--axis",
        "front-plot--other",
        "front-plot--front",
        "front-plot--chosen",
    }

    def __init__(self) -> None:
        super().__init__()
        self._others: Sequence[Pair] = ()
        self._front: Sequence[Pair] = ()
        self._chosen: Pair | None = None

    def show(self, others: Sequence[Pair], front: Sequence[Pair], chosen: Pair | None) -> None:
        """others: 조건을 지킨 모든 시행. chosen: 고른 최적."""
        self._others, self._front, self._chosen = others, front, chosen
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        lines = self._paint(width, height) if self._front and height >= 4 else []
        return lines[y] if y < len(lines) else Strip.blank(width, self.rich_style)

    def _paint(self, width: int, height: int) -> list[Strip]:
        (left, right), (low, high) = (self._bounds(axis) for axis in (0, 1))
        canvas = Canvas(max(4, width - _LABEL - 1), height - 1)

        def place(pair: Pair) -> tuple[int, int]:
            x = _share(pair[0], left, right) * (canvas.width - 1)
            y = (1 - _share(pair[1], low, high)) * (canvas.height - 1)
            return round(x), round(y)

        for pair in self._others:
            canvas.dot(*place(pair), _OTHER)
        for pair in self._front:
            _blob(canvas, *place(pair), _FRONT)
        if self._chosen is not None:
            _blob(canvas, *place(self._chosen), _CHOSEN)
        labels = {0: score_text(high), height - 2: score_text(low)}
        lines = []
        for index in range(height - 1):
            label = fit(labels.get(index, ""), _LABEL, "right") + " "
            line = [Segment(label, self._style("axis"))]
            line += [Segment(text, self._layer_style(layer)) for text, layer in canvas.row(index)]
            lines.append(self._strip(line, width))
        start, end = score_text(left), score_text(right)
        room = max(0, width - _LABEL - 1 - cell_len(start))
        axis = " " * (_LABEL + 1) + start + fit(end, room, "right")
        return [*lines, self._strip([Segment(cut(axis, width), self._style("axis"))], width)]

    def _bounds(self, axis: int) -> Pair:
        """그릴 범위: 파레토 최적은 모두 들고, 나머지는 양 끝을 조금 자른다."""
        values = sorted(pair[axis] for pair in self._others) or [0.0]
        skip = int(len(values) * _EDGE)
        front = [pair[axis] for pair in self._front]
        return min(values[skip], *front), max(values[-1 - skip], *front)

    def _strip(self, line: list[Segment], width: int) -> Strip:
        base = self.rich_style
        strip = Strip([Segment(text, base + style) for text, style, _ in line if style])
        return strip.adjust_cell_length(width, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"front-plot--{name}")

    def _layer_style(self, layer: int) -> Style:
        names = {_OTHER: "other", _FRONT: "front", _CHOSEN: "chosen"}
        return self._style(names[layer]) if layer in names else self.rich_style


def _blob(canvas: Canvas, x: int, y: int, layer: int) -> None:
    """눈에 띄는 점: 둘레의 점까지."""
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            if 0 <= x + dx < canvas.width and 0 <= y + dy < canvas.height:
                canvas.dot(x + dx, y + dy, layer)


def _share(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / ((high - low) or 1.0)))
