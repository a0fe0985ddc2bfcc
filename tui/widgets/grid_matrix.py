"""LTF × HTF 표: 화살표로 옮기고 Space로 켜고 끄는 칸들."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.cells import fit
from tui.commands import Command, bindings
from tui.text import wizard as ko

_LABEL_CELLS = 8
_NARROW_LABEL = 5
_CELL_CELLS = 8
_NARROWEST = 5
_MARKS = {"on": "[x]", "off": "[ ]", "impossible": "-"}


class GridMatrix(Widget, can_focus=True):
    """표. 칸의 상태는 `state_of(row, column)`이 정한다: on | off | impossible."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid-matrix--label",
        "grid-matrix--on",
        "grid-matrix--off",
        "grid-matrix--impossible",
        "grid-matrix--cursor",
    }
    BINDINGS: ClassVar = bindings(
        (
            Command("matrix.toggle", "space", "toggle_cell", *ko.GRID_TOGGLE, in_palette=False),
            *(
                Command(
                    f"matrix.{key}",
                    key,
                    f"step({row}, {column})",
                    *ko.GRID_MOVE,
                    in_footer=False,
                    in_palette=False,
                )
                for key, row, column in (
                    ("up", -1, 0),
                    ("down", 1, 0),
                    ("left", 0, -1),
                    ("right", 0, 1),
                )
            ),
        )
    )
    row: reactive[int] = reactive(0)
    column: reactive[int] = reactive(0)

    @dataclass
    class Toggled(Message):
        """칸을 켜거나 끄려 했다(쓸 수 없는 칸도 알린다)."""

        matrix: GridMatrix
        row: int
        column: int

    @dataclass
    class Moved(Message):
        """커서가 다른 칸으로 갔다."""

        matrix: GridMatrix
        row: int
        column: int

    def __init__(
        self,
        rows: Sequence[str],
        columns: Sequence[str],
        state_of: Callable[[int, int], str],
        *,
        id: str | None = None,  # noqa: A002 — Textual의 이름
    ) -> None:
        super().__init__(id=id)
        self.row_labels = tuple(rows)
        self.column_labels = tuple(columns)
        self._state_of = state_of

    def get_content_width(self, container: Size, viewport: Size) -> int:
        label, cell = self._widths(container.width)
        return label + cell * len(self.column_labels)

    def _widths(self, room: int) -> tuple[int, int]:
        """(줄 이름의 칸 수, 칸의 칸 수). 좁으면 모든 열이 보이게 줄인다."""
        count = len(self.column_labels)
        if room >= _LABEL_CELLS + _CELL_CELLS * count:
            return _LABEL_CELLS, _CELL_CELLS
        return _NARROW_LABEL, max(_NARROWEST, min(_CELL_CELLS, (room - _NARROW_LABEL) // count))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.row_labels) + 1

    def action_step(self, rows: int, columns: int) -> None:
        self.row = min(max(0, self.row + rows), len(self.row_labels) - 1)
        self.column = min(max(0, self.column + columns), len(self.column_labels) - 1)
        self.post_message(self.Moved(self, self.row, self.column))

    def action_toggle_cell(self) -> None:
        self.post_message(self.Toggled(self, self.row, self.column))

    def on_click(self, event: events.Click) -> None:
        label, cell = self._widths(self.content_size.width)
        row, column = event.y - 1, (event.x - label) // cell
        if 0 <= row < len(self.row_labels) and 0 <= column < len(self.column_labels):
            self.row, self.column = row, column
            self.action_toggle_cell()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        width = self.content_size.width
        label_cells, cell_cells = self._widths(width)
        label = self.get_component_rich_style("grid-matrix--label")
        if y == 0:
            segments = [Segment(" " * label_cells, base)]
            segments += [
                Segment(fit(name, cell_cells, "center"), label) for name in self.column_labels
            ]
        elif y <= len(self.row_labels):
            row = y - 1
            segments = [Segment(fit(f"{self.row_labels[row]} ", label_cells, "right"), label)]
            for column in range(len(self.column_labels)):
                state = self._state_of(row, column)
                here = self.has_focus and (row, column) == (self.row, self.column)
                name = "cursor" if here else state
                style = self.get_component_rich_style(f"grid-matrix--{name}")
                segments.append(Segment(fit(_MARKS[state], cell_cells, "center"), style))
        else:
            segments = []
        return Strip(segments).adjust_cell_length(width, base)
