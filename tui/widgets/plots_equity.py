"""평가금 곡선: 날마다의 평가금을 선으로, 처음 돈을 기준선으로 그린다."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.cells import cut, fit
from tui.widgets.plots import Canvas

_LABEL = 11
_BASE, _DOWN, _UP = range(3)
_EPOCH = date(1970, 1, 1)


class EquityPlot(Widget):
    """가로는 날(UTC), 세로는 평가금."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "equity-plot--axis",
        "equity-plot--base",
        "equity-plot--up",
        "equity-plot--down",
    }

    def __init__(self) -> None:
        super().__init__()
        self._equity: Sequence[float] = ()
        self._first_day = 0
        self._initial = 0.0

    def show(self, equity: Sequence[float], first_day: int, initial: float) -> None:
        """equity: 날마다의 평가금(길이 d). first_day: 1970-01-01부터의 날. initial: 처음 돈."""
        self._equity, self._first_day, self._initial = equity, first_day, initial
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        lines = self._paint(width, height) if self._equity and height >= 4 else []
        return lines[y] if y < len(lines) else Strip.blank(width, self.rich_style)

    def _paint(self, width: int, height: int) -> list[Strip]:
        values = [self._initial, *self._equity]
        low, high = min(values), max(values)
        canvas = Canvas(max(4, width - _LABEL - 1), height - 1)
        self._draw(canvas, low, (high - low) or 1.0)
        labels = {0: f"{high:,.0f}", height - 2: f"{low:,.0f}"}
        lines = []
        for index in range(height - 1):
            label = fit(labels.get(index, ""), _LABEL, "right") + " "
            line = [Segment(label, self._style("axis"))]
            line += [Segment(text, self._layer_style(layer)) for text, layer in canvas.row(index)]
            lines.append(self._strip(line, width))
        start = str(_EPOCH + timedelta(days=self._first_day))
        end = str(_EPOCH + timedelta(days=self._first_day + len(self._equity) - 1))
        room = max(0, width - _LABEL - 1 - cell_len(start))
        axis = " " * (_LABEL + 1) + start + fit(end, room, "right")
        return [*lines, self._strip([Segment(cut(axis, width), self._style("axis"))], width)]

    def _draw(self, canvas: Canvas, low: float, span: float) -> None:
        def y_of(value: float) -> int:
            return round((1 - (value - low) / span) * (canvas.height - 1))

        base = y_of(self._initial)
        for x in range(0, canvas.width, 3):
            canvas.dot(x, base, _BASE)
        last, before = max(1, len(self._equity) - 1), y_of(self._initial)
        for x in range(canvas.width):
            value = self._equity[min(len(self._equity) - 1, x * last // (canvas.width - 1))]
            y = y_of(value)
            layer = _UP if value >= self._initial else _DOWN
            for dot in range(min(y, before), max(y, before) + 1):
                canvas.dot(x, dot, layer)
            before = y

    def _strip(self, line: list[Segment], width: int) -> Strip:
        base = self.rich_style
        strip = Strip([Segment(text, base + style) for text, style, _ in line if style])
        return strip.adjust_cell_length(width, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"equity-plot--{name}")

    def _layer_style(self, layer: int) -> Style:
        names = {_BASE: "base", _DOWN: "down", _UP: "up"}
        return self._style(names[layer]) if layer in names else self.rich_style
