"""두 파라미터의 등고선: 칸마다 최고 점수의 등급을 수로 적는다(색이 없어도 읽힌다)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui import bridge
from tui.cells import cut, fit, plain
from tui.landscape import Axis, contour
from tui.widgets.trial_card import value_text

_LABEL, _CELL = 10, 3
_FEWEST = 4
_BEST = "*"
_GRADES, _LEVELS = 9, 3


class ContourPlot(Widget):
    """가로와 세로가 파라미터 하나씩이다. 값이 없는 칸은 비워 둔다."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "contour-plot--axis",
        "contour-plot--best",
        *(f"contour-plot--level-{level}" for level in range(_LEVELS)),
    }

    def __init__(self) -> None:
        super().__init__()
        self._trials: Sequence[bridge.TrialEvent] = ()
        self._axes: tuple[Axis, Axis] | None = None
        self._best: bridge.TrialEvent | None = None
        self._minimize = False

    def show(
        self,
        trials: Sequence[bridge.TrialEvent],
        axes: tuple[Axis, Axis] | None,
        best: bridge.TrialEvent | None,
        minimize: bool,
    ) -> None:
        """axes: (가로, 세로). None이면 비운다."""
        self._trials, self._axes, self._best, self._minimize = trials, axes, best, minimize
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        lines = self._paint(*self._axes, width, height) if self._axes and height >= 4 else []
        return lines[y] if y < len(lines) else Strip.blank(width, self.rich_style)

    def _paint(self, x: Axis, y: Axis, width: int, height: int) -> list[Strip]:
        room, tall = width - _LABEL - 1, height - 1
        # 시행이 적으면 칸을 크게: 칸마다 시행이 두엇은 들게 한다.
        most = max(_FEWEST, round(math.sqrt(len(self._trials) / 2)))
        columns, rows = x.bins(min(most, room // _CELL)), y.bins(min(most, tall))
        across, down = room // columns, tall // rows
        found = contour(self._trials, x, y, columns, rows, self._minimize)
        ranked = sorted(set(found.values()), reverse=self._minimize)
        here = self._best_place(x, y, columns, rows)
        labels = _labels(y, rows)
        lines = []
        for row in reversed(range(rows)):
            cells = []
            for column in range(columns):
                place = column, row
                score = found.get(place)
                grade = 0 if score is None else _grade(ranked.index(score), len(ranked))
                mark = _BEST if place == here else ""
                name = "best" if mark else f"level-{max(0, grade - 1) // _LEVELS}"
                style = self._style(name) if grade or mark else self.rich_style
                cells.append((f"{grade or ''}{mark}", style))
            for line in range(down):
                middle = line == down // 2
                label = labels.get(row, "") if middle else ""
                segments = [Segment(fit(plain(label), _LABEL, "right") + " ", self._style("axis"))]
                segments += [
                    Segment(fit(text if middle else "", across, "center"), style)
                    for text, style in cells
                ]
                lines.append(self._strip(segments, width))
        ends = _labels(x, columns)
        axis = " " * (_LABEL + 1) + plain(ends.get(0, ""))
        left = _LABEL + 1 + columns * across - cell_len(axis)
        axis += fit(plain(ends.get(columns - 1, "")), max(0, left), "right")
        return [*lines, self._strip([Segment(cut(axis, width), self._style("axis"))], width)]

    def _best_place(self, x: Axis, y: Axis, columns: int, rows: int) -> tuple[int, int] | None:
        params = self._best.params if self._best is not None else {}
        if x.name not in params or y.name not in params:
            return None
        return x.place(params[x.name], columns), y.place(params[y.name], rows)

    def _strip(self, line: list[Segment], width: int) -> Strip:
        base = self.rich_style
        strip = Strip([Segment(text, base + style) for text, style, _ in line if style])
        return strip.adjust_cell_length(width, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"contour-plot--{name}")


def _grade(rank: int, count: int) -> int:
    """1…9. 가장 좋은 것이 9다."""
    return 1 + rank * (_GRADES - 1) // max(1, count - 1) if count > 1 else _GRADES


def _labels(axis: Axis, count: int) -> dict[int, str]:
    """칸 → 적을 글: 고르는 값이면 칸마다, 수이면 양 끝."""
    if axis.kinds:
        return {index: value_text(value) for index, value in enumerate(axis.kinds[:count])}
    return {0: value_text(axis.low), count - 1: value_text(axis.high)}
