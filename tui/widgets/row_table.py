"""줄을 고르는 표: 수백 줄의 목록에 쓴다(Line API, 칸 수로 맞춘 열).

시행처럼 쉼 없이 늘어나는 큰 표는 이 위젯이 아니라 실행 화면의 것이 맡는다.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.cells import Align, fit, plain
from tui.commands import Command, bindings
from tui.text import common as ko

# 남는 너비를 차지하는 열도, 글이 더 길지 않으면 이보다 넓어지지 않는다.
_READABLE = 48
_COMMANDS = (
    Command("table.up", "up", "cursor_up", *ko.ROW_UP, in_footer=False, in_palette=False),
    Command("table.down", "down", "cursor_down", *ko.ROW_DOWN, in_footer=False, in_palette=False),
    Command("table.page_up", "pageup", "page_up", *ko.ROW_PAGE_UP, in_footer=False, in_palette=False),
    Command(
        "table.page_down", "pagedown", "page_down", *ko.ROW_PAGE_DOWN, in_footer=False, in_palette=False
    ),
    Command("table.first", "home", "first", *ko.ROW_FIRST, in_footer=False, in_palette=False),
    Command("table.last", "end", "last", *ko.ROW_LAST, in_footer=False, in_palette=False),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """열 하나. width: 칸 수, 0이면 남는 너비를 차지한다. priority: 좁으면 큰 것부터 숨긴다(0은 늘 보임)."""

    title: str
    width: int = 0
    align: Align = "left"
    priority: int = 0
    min_width: int = 12


@dataclass(frozen=True, slots=True)
class Row:
    """줄 하나. key: 고른 줄을 알아보는 이름. cells: 열마다의 글. tones: 열마다의 색 이름.

    tone은 `row-table--<이름>` 꼴의 component class 가운데 하나(muted, good, warn, bad, strong)다.
    heading이면 고를 수 없는 묶음 제목이다.
    """

    key: str
    cells: tuple[str, ...]
    tones: tuple[str, ...] = ()
    heading: bool = False


class RowTable(ScrollView, can_focus=True):
    """고를 수 있는 줄들의 표. 커서는 줄의 key를 따라가므로 내용이 바뀌어도 같은 줄에 머문다."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-table--header",
        "row-table--heading",
        "row-table--cursor",
        "row-table--cursor-blurred",
        "row-table--muted",
        "row-table--good",
        "row-table--warn",
        "row-table--bad",
        "row-table--strong",
    }
    BINDINGS = bindings(_COMMANDS)

    cursor: reactive[int] = reactive(0)

    @dataclass
    class Highlighted(Message):
        """커서가 다른 줄로 갔다."""

        table: RowTable
        row: Row | None

        @property
        def control(self) -> RowTable:
            return self.table

    @dataclass
    class Clicked(Message):
        """커서가 있는 줄을 다시 눌렀다."""

        table: RowTable
        row: Row

        @property
        def control(self) -> RowTable:
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        show_header: bool = True,
        empty: str = ko.EMPTY_TABLE,
        driven: bool = False,
        id: str | None = None,  # noqa: A002 — Textual의 이름
        classes: str | None = None,
    ) -> None:
        """driven: 초점은 곁의 글 칸에 두고 화면이 커서를 옮긴다."""
        super().__init__(id=id, classes=classes)
        self.can_focus = not driven
        self._driven = driven
        self.columns = tuple(columns)
        self.rows: tuple[Row, ...] = ()
        self._needs = self._measure()
        self.show_header = show_header
        self.empty = empty

    @property
    def current(self) -> Row | None:
        """커서가 있는 줄. 비었으면 None."""
        row = self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None
        return None if row is None or row.heading else row

    def set_rows(self, rows: Sequence[Row], key: str | None = None) -> None:
        """줄들을 바꾼다. 커서는 key(없으면 지금 줄의 key)를 가진 줄로, 없으면 첫 줄로 간다."""
        before = self.current
        wanted = key if key is not None else before.key if before else None
        self.rows = tuple(rows)
        self._needs = self._measure()
        index = next((i for i, row in enumerate(self.rows) if row.key == wanted), None)
        self.set_reactive(RowTable.cursor, self._selectable(0, 1) if index is None else index)
        self._resize_content()
        self._settle()
        self.refresh()
        if self.current != before:
            self.post_message(self.Highlighted(self, self.current))

    def _measure(self) -> list[int]:
        """열마다 (제목까지) 가장 긴 글의 칸 수."""
        bodies = [tuple(column.title for column in self.columns)]
        bodies += [row.cells for row in self.rows if not row.heading]
        return [
            max(cell_len(cells[i]) for cells in bodies if i < len(cells))
            for i in range(len(self.columns))
        ]

    def select_key(self, key: str) -> bool:
        """그 key의 줄로 커서를 옮긴다. 없으면 False."""
        for index, row in enumerate(self.rows):
            if row.key == key and not row.heading:
                self.cursor = index
                return True
        return False

    def _selectable(self, start: int, step: int) -> int:
        """start에서 step 쪽으로 처음 만나는, 고를 수 있는 줄. 없으면 지금 자리."""
        index = start
        while 0 <= index < len(self.rows):
            if not self.rows[index].heading:
                return index
            index += step
        return self.cursor if 0 <= self.cursor < len(self.rows) else 0

    # ── 움직임

    def action_cursor_up(self) -> None:
        self.cursor = self._selectable(self.cursor - 1, -1)

    def action_cursor_down(self) -> None:
        self.cursor = self._selectable(self.cursor + 1, 1)

    def action_page_up(self) -> None:
        self.cursor = self._selectable(max(0, self.cursor - self._page), 1)

    def action_page_down(self) -> None:
        self.cursor = self._selectable(min(len(self.rows) - 1, self.cursor + self._page), -1)

    def action_first(self) -> None:
        self.cursor = self._selectable(0, 1)

    def action_last(self) -> None:
        self.cursor = self._selectable(len(self.rows) - 1, -1)

    @property
    def _page(self) -> int:
        return max(1, self.scrollable_content_region.height - self._header_height)

    @property
    def _header_height(self) -> int:
        return 1 if self.show_header else 0

    def watch_cursor(self, old: int, new: int) -> None:
        if old != new:
            self._scroll_to_cursor()
            self.refresh()
            self.post_message(self.Highlighted(self, self.current))

    def on_resize(self) -> None:
        self._resize_content()
        self._settle()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def _resize_content(self) -> None:
        self.virtual_size = Size(
            self.scrollable_content_region.width, len(self.rows) + self._header_height
        )

    def _settle(self) -> None:
        """커서가 첫 쪽에 있으면 맨 위부터 보이고, 아니면 커서가 보이게 한다."""
        if self.cursor < self._page:
            self.scroll_to(y=0, animate=False, force=True)
        else:
            self._scroll_to_cursor()

    def _scroll_to_cursor(self) -> None:
        height, top = self._page, int(self.scroll_offset.y)
        # 묶음의 첫 줄이면 그 제목까지 보이게 한다.
        above = self.rows[self.cursor - 1] if 0 < self.cursor < len(self.rows) else None
        first = self.cursor - 1 if above is not None and above.heading else self.cursor
        if first < top:
            self.scroll_to(y=max(0, first), animate=False, force=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True)

    def on_click(self, event: events.Click) -> None:
        line = event.y - self._header_height + int(self.scroll_offset.y)
        if event.y < self._header_height or not 0 <= line < len(self.rows):
            return
        row = self.rows[line]
        if row.heading:
            return
        if line == self.cursor:
            self.post_message(self.Clicked(self, row))
        self.cursor = line

    # ── 그리기

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        if self.show_header and y == 0:
            titles = tuple(column.title for column in self.columns)
            return self._strip(titles, self._style("header"), (), width)
        index = y - self._header_height + int(self.scroll_offset.y)
        if not 0 <= index < len(self.rows):
            text = self.empty if not self.rows and y == self._header_height else ""
            return Strip([Segment(fit(f" {text}", width), base + self._style("muted"))])
        row = self.rows[index]
        if row.heading:
            return Strip([Segment(fit(f" {row.cells[0]}", width), self._style("heading"))])
        if index == self.cursor:
            name = "cursor" if self.has_focus or self._driven else "cursor-blurred"
            return self._strip(row.cells, self._style(name), (), width, marker=">")
        return self._strip(row.cells, base, row.tones, width)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"row-table--{name}")

    def _strip(
        self,
        cells: Sequence[str],
        base: Style,
        tones: Sequence[str],
        width: int,
        marker: str = " ",
    ) -> Strip:
        segments = [Segment(marker, base)]
        for order, (position, size) in enumerate(self._layout(width - 1)):
            text = fit(plain(cells[position]), size, self.columns[position].align)
            tone = tones[position] if position < len(tones) else ""
            style = base + self._tone(tone) if tone else base
            segments.append(Segment(("  " if order else "") + text, style))
        return Strip(segments).adjust_cell_length(width, base)

    def _tone(self, name: str) -> Style:
        style = self._style(name)
        # 바탕은 줄의 것을 따른다.
        return Style(color=style.color, bold=style.bold)

    def _layout(self, width: int) -> list[tuple[int, int]]:
        """보일 열의 자리와 칸 수. 다 들어가지 않으면 priority가 큰 열부터 뺀다."""
        shown = list(range(len(self.columns)))
        while True:
            gaps = 2 * (len(shown) - 1)
            flexible = [i for i in shown if self.columns[i].width == 0]
            fixed = sum(self.columns[i].width for i in shown)
            needed = fixed + gaps + sum(self.columns[i].min_width for i in flexible)
            droppable = [i for i in shown if self.columns[i].priority]
            if needed <= width or not droppable:
                break
            shown.remove(max(droppable, key=lambda i: self.columns[i].priority))
        sizes = {i: self.columns[i].width for i in shown}
        wanted = {i: self._needs[i] for i in flexible}
        # 글이 잘리거나 창을 넘는 열이 있으면 남는 열에서 가져온다.
        lack = max(0, fixed + gaps + sum(wanted.values()) - width)
        for i in shown:
            given = min(lack, max(0, sizes[i] - self._needs[i])) if i not in wanted else 0
            sizes[i], lack, fixed = sizes[i] - given, lack - given, fixed - given
        if flexible:
            spare = max(0, width - fixed - gaps)
            left = max(0, spare - sum(wanted.values()))
            # 남는 너비는 먼저 글이 잘리는 열에 준다.
            for i in shown:
                more = min(left, max(0, self._needs[i] - sizes[i])) if i not in wanted else 0
                sizes[i], left, spare = sizes[i] + more, left - more, spare - more
            # 아주 넓은 창에서는 이름과 값이 한눈에 들어오게 왼쪽에 모은다.
            for i, need in wanted.items():
                sizes[i] = min(spare // len(flexible), max(_READABLE, need))
        return [(i, sizes[i]) for i in shown]
