"""평가금 곡선: 날마다의 평가금을 선으로, 처음 돈을 기준선으로, 학습과 검증의 날들을 아래의 띠로 그린다."""

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
from tui.text import run as ko
from tui.widgets.plots import Canvas

DayRange = tuple[int, int]
_LABEL = 11
_EDGE, _BASE, _DOWN, _UP = range(4)
_EPOCH = date(1970, 1, 1)
# 띠의 글자: 색이 없어도 학습과 검증이 갈린다.
_TRAIN_SIGN, _TEST_SIGN = "-", "="


class EquityPlot(Widget):
    """가로는 날(UTC), 세로는 평가금. 검증의 날들이 시작하고 끝나는 자리에는 세로줄이 선다."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "equity-plot--axis",
        "equity-plot--base",
        "equity-plot--up",
        "equity-plot--down",
        "equity-plot--test",
    }

    def __init__(self) -> None:
        super().__init__()
        self._equity: Sequence[float] = ()
        self._first_day = 0
        self._initial = 0.0
        self._train: Sequence[DayRange] = ()
        self._test: Sequence[DayRange] = ()

    def show(
        self,
        equity: Sequence[float],
        first_day: int,
        initial: float,
        train: Sequence[DayRange] = (),
        test: Sequence[DayRange] = (),
    ) -> None:
        """equity: 날마다의 평가금(길이 d). first_day: 1970-01-01부터의 날. initial: 처음 돈.

        train, test: 학습과 검증의 날의 범위들 [첫 날, 끝 날). 나누지 않았으면 비었다.
        """
        self._equity, self._first_day, self._initial = equity, first_day, initial
        self._train, self._test = train, test
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        lines = self._paint(width, height) if self._equity and height >= 5 else []
        return lines[y] if y < len(lines) else Strip.blank(width, self.rich_style)

    def _paint(self, width: int, height: int) -> list[Strip]:
        values = [self._initial, *self._equity]
        low, high = min(values), max(values)
        feet = [self._days_axis(width)]
        if self._test:
            feet.insert(0, self._split_axis(max(4, width - _LABEL - 1)))
        rows = height - len(feet)
        canvas = Canvas(max(4, width - _LABEL - 1), rows)
        self._draw(canvas, low, (high - low) or 1.0)
        labels = {0: f"{high:,.0f}", rows - 1: f"{low:,.0f}"}
        lines = []
        for index in range(rows):
            label = fit(labels.get(index, ""), _LABEL, "right") + " "
            line = [Segment(label, self._style("axis"))]
            line += [Segment(text, self._layer_style(layer)) for text, layer in canvas.row(index)]
            lines.append(self._strip(line, width))
        return [*lines, *(self._strip(line, width) for line in feet)]

    def _days_axis(self, width: int) -> list[Segment]:
        """첫 날과 끝 날."""
        start = str(_EPOCH + timedelta(days=self._first_day))
        end = str(_EPOCH + timedelta(days=self._first_day + len(self._equity) - 1))
        room = max(0, width - _LABEL - 1 - cell_len(start))
        axis = " " * (_LABEL + 1) + start + fit(end, room, "right")
        return [Segment(cut(axis, width), self._style("axis"))]

    def _split_axis(self, columns: int) -> list[Segment]:
        """칸마다 그 날이 학습(-)인지 검증(=)인지, 토막의 머리에는 그 말."""
        spans = [(day, _TRAIN_SIGN, ko.EQUITY_TRAIN, "axis") for day in self._train]
        spans += [(day, _TEST_SIGN, ko.EQUITY_HELD, "test") for day in self._test]
        line, at = [Segment(" " * (_LABEL + 1))], 0
        for (first, end), sign, word, style in sorted(spans):
            begin = max(at, self._column(first, columns))
            stop = max(begin, self._column(end, columns))
            head = f"{word} " if stop - begin > cell_len(word) else ""
            text = head + sign * (stop - begin - cell_len(head))
            line += [Segment(" " * (begin - at)), Segment(text, self._style(style))]
            at = stop
        return line

    def _column(self, day: int, columns: int) -> int:
        """그 날이 시작하는 칸. 기간 밖이면 가장자리."""
        share = (day - self._first_day) / max(1, len(self._equity))
        return min(columns, max(0, round(share * columns)))

    def _draw(self, canvas: Canvas, low: float, span: float) -> None:
        def y_of(value: float) -> int:
            return round((1 - (value - low) / span) * (canvas.height - 1))

        columns = canvas.width // 2
        for x in {self._column(day, columns) for part in self._test for day in part}:
            if 0 < x < columns:
                for y in range(0, canvas.height, 2):
                    canvas.dot(2 * x, y, _EDGE)
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
        strip = Strip([Segment(text, base + style if style else base) for text, style, _ in line])
        return strip.adjust_cell_length(width, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"equity-plot--{name}")

    def _layer_style(self, layer: int) -> Style:
        names = {_EDGE: "test", _BASE: "base", _DOWN: "down", _UP: "up"}
        return self._style(names[layer]) if layer in names else self.rich_style
