"""시행의 표: 수만 줄이 쉼 없이 늘어나도 보이는 줄만 그린다(Line API).

커서는 자리가 아니라 시행을 따라간다: 새 시행이 들어와도 보던 시행에 머문다.
다만 맨 위에 있을 때는 맨 위를 따라가며 새것(또는 새 최고)을 보인다.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.cells import fit, plain
from tui.commands import Command, bindings
from tui.run_model import RunModel
from tui.text import common
from tui.text import run as ko
from tui.trial_view import (
    COLUMN_COUNT,
    NEWEST,
    VALIDATION_COLUMNS,
    Predicate,
    TrialView,
    state_text,
)

_HEADER = 1
_WIDTHS = (7, 8, 9, 9, 8, 8, 9, 7, 6, 9, 6, 7, 7)
# 좁으면 숫자가 큰 열부터 숨긴다. 0은 늘 보인다.
_HIDE_FIRST = (0, 1, 2, 0, 8, 3, 0, 5, 6, 4, 9, 7, 10)
_LEFT = (1, 2)
# 넓으면 열마다 이만큼까지 더 준다.
_WIDEN = 4

_COMMANDS = (
    Command("trials.up", "up", "cursor_up", *common.ROW_UP, in_footer=False, in_palette=False),
    Command("trials.down", "down", "cursor_down", *common.ROW_DOWN, in_footer=False, in_palette=False),
    Command("trials.page_up", "pageup", "page_up", *common.ROW_PAGE_UP, in_footer=False,
            in_palette=False),
    Command("trials.page_down", "pagedown", "page_down", *common.ROW_PAGE_DOWN, in_footer=False,
            in_palette=False),
    Command("trials.first", "home", "first", *common.ROW_FIRST, in_footer=False, in_palette=False),
    Command("trials.last", "end", "last", *common.ROW_LAST, in_footer=False, in_palette=False),
    Command("trials.sort_left", "left", "sort_left", *ko.SORT_LEFT, in_footer=False,
            in_palette=False),
    Command("trials.sort_right", "right", "sort_right", *ko.SORT_RIGHT, in_footer=False,
            in_palette=False),
    Command("trials.invert", "i", "invert", *ko.INVERT, in_footer=False, in_palette=False),
)  # fmt: skip


class TrialTable(ScrollView, can_focus=True):
    """`RunModel`의 시행들을 보인다. 값은 model이 지니고 이 위젯은 차례와 커서만 지닌다."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "trial-table--header",
        "trial-table--sorted",
        "trial-table--cursor",
        "trial-table--cursor-blurred",
        "trial-table--muted",
        "trial-table--good",
        "trial-table--bad",
        "trial-table--best",
    }
    BINDINGS = bindings(_COMMANDS)

    @dataclass
    class Highlighted(Message):
        """커서가 다른 시행으로 갔다. row: 줄 번호 또는 None."""

        table: TrialTable
        row: int | None

        @property
        def control(self) -> TrialTable:
            return self.table

    @dataclass
    class Opened(Message):
        """시행을 열려 한다(커서가 있는 줄을 다시 눌렀다)."""

        table: TrialTable
        row: int

        @property
        def control(self) -> TrialTable:
            return self.table

    @dataclass
    class Sorted(Message):
        """차례가 바뀌었다."""

        table: TrialTable

        @property
        def control(self) -> TrialTable:
            return self.table

    def __init__(self, model: RunModel, *, id: str | None = None) -> None:  # noqa: A002 — Textual의 이름
        super().__init__(id=id)
        self.model = model
        self.view = TrialView(model.trials)
        self.frozen = False
        self._row: int | None = None
        self._announced: int | None = None
        self._renumbered = 0

    # ── 내용

    def add(self, rows: Sequence[int]) -> None:
        """새 시행들을 보인다. 멈추어 있으면 풀 때 보인다."""
        renumbered, self._renumbered = self._renumbered, self.model.renumbered
        if renumbered != self.model.renumbered:
            # 번호가 바뀐 시행은 (멈춘 표에서도) 번호의 차례에서 자리를 옮긴다. 새 시행도 함께 들어온다.
            follow = self._follows
            self.view.rebuild()
            self._settle(follow)
        elif rows and not self.frozen:
            follow = self._follows
            self.view.add(rows)
            self._settle(follow)

    @property
    def _follows(self) -> bool:
        """커서가 맨 위여서 맨 위를 따라가는가."""
        return self._row is None or not len(self.view) or self.view.row_at(0) == self._row

    def set_frozen(self, frozen: bool) -> None:
        """표를 멈추거나 푼다."""
        self.frozen = frozen
        follow = self._follows
        self.view.freeze(frozen)
        if not frozen:
            self._settle(follow)

    def sort_by(self, column: int, descending: bool) -> None:
        """열로 정렬하고 맨 위로 간다."""
        self.view.sort_by(column, descending)
        self._settle(follow=True)
        self.post_message(self.Sorted(self))

    def filter_by(self, predicate: Predicate | None) -> None:
        """거르기를 바꾼다. 보던 시행이 남아 있으면 거기에 머문다."""
        self.view.filter_by(predicate)
        self._settle(follow=False)

    @property
    def current(self) -> int | None:
        """커서가 있는 시행의 줄 번호."""
        return self._row

    @property
    def position(self) -> int | None:
        """커서의 보이는 자리."""
        return None if self._row is None else self.view.position_of(self._row)

    def _settle(self, follow: bool) -> None:
        """내용이 바뀐 뒤: 커서의 시행을 지키거나(follow면 맨 위를 따라가고) 다시 그린다."""
        if not len(self.view):
            self._row = None
        elif follow or self._row is None or self.view.position_of(self._row) is None:
            self._row = self.view.row_at(0)
        self._resize_content()
        if follow:
            self.scroll_to(y=0, animate=False, force=True)
        else:
            self._reveal()
        self.refresh()
        self._announce()

    def _announce(self) -> None:
        if self._row != self._announced:
            self._announced = self._row
            self.post_message(self.Highlighted(self, self._row))

    # ── 움직임

    def _move(self, position: int) -> None:
        if len(self.view):
            self._row = self.view.row_at(max(0, min(position, len(self.view) - 1)))
            self._reveal()
            self.refresh()
            self._announce()

    def action_cursor_up(self) -> None:
        self._move((self.position or 0) - 1)

    def action_cursor_down(self) -> None:
        self._move((self.position or 0) + 1)

    def action_page_up(self) -> None:
        self._move((self.position or 0) - self._page)

    def action_page_down(self) -> None:
        self._move((self.position or 0) + self._page)

    def action_first(self) -> None:
        self._move(0)

    def action_last(self) -> None:
        self._move(len(self.view) - 1)

    def action_sort_left(self) -> None:
        self._sort_step(-1)

    def action_sort_right(self) -> None:
        self._sort_step(1)

    def _sort_step(self, step: int) -> None:
        shown = [column for column, _ in self._layout(self._width)]
        at = shown.index(self.view.column) if self.view.column in shown else (-1 if step > 0 else 0)
        self.sort_by(shown[(at + step) % len(shown)], descending=True)

    def action_invert(self) -> None:
        self.sort_by(self.view.column, not self.view.descending)

    @property
    def _page(self) -> int:
        return max(1, self.scrollable_content_region.height - _HEADER)

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    def _reveal(self) -> None:
        position = self.position
        if position is None:
            return
        top = int(self.scroll_offset.y)
        if position < top:
            self.scroll_to(y=position, animate=False, force=True)
        elif position >= top + self._page:
            self.scroll_to(y=position - self._page + 1, animate=False, force=True)

    def _resize_content(self) -> None:
        self.virtual_size = Size(self._width, len(self.view) + _HEADER)

    def on_resize(self) -> None:
        self._resize_content()
        self._reveal()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        if event.y < _HEADER:
            self._sort_at(event.x)
            return
        position = event.y - _HEADER + int(self.scroll_offset.y)
        if position < len(self.view):
            row = self.view.row_at(position)
            if row == self._row:
                self.post_message(self.Opened(self, row))
            self._move(position)

    def _sort_at(self, x: int) -> None:
        left = 1
        for column, width in self._layout(self._width):
            if left <= x < left + width:
                again = column == self.view.column and self.view.descending
                self.sort_by(column, descending=not again)
                return
            left += width + 1

    # ── 그리기

    def render_line(self, y: int) -> Strip:
        width = self._width
        if y < _HEADER:
            return self._header(width)
        position = y - _HEADER + int(self.scroll_offset.y)
        if position >= len(self.view):
            empty = not len(self.view) and y == _HEADER
            text = self._empty_text() if empty else ""
            return Strip([Segment(fit(f" {text}", width), self.rich_style + self._style("muted"))])
        return self._line(self.view.row_at(position), width)

    def _empty_text(self) -> str:
        if self.model.trials:
            return ko.NO_MATCH
        return ko.NO_TRIALS if self.model.is_over else ko.WAITING

    def _header(self, width: int) -> Strip:
        muted, chosen = self._style("header"), self._style("sorted")
        segments = [Segment(" ", muted)]
        for column, size in self._layout(width):
            text = fit(ko.COLUMNS[column], size, "left" if column in _LEFT else "right")
            segments.append(Segment(text, chosen if column == self.view.column else muted))
            segments.append(Segment(" ", muted))
        return Strip(segments).adjust_cell_length(width, muted)

    def _line(self, row: int, width: int) -> Strip:
        selected = row == self._row
        base = self.rich_style
        if selected:
            base = self._style("cursor" if self.has_focus else "cursor-blurred")
        best = row == self.model.studies[self.model.trials[row].study].best_row
        segments = [Segment(">" if selected else " ", base)]
        texts, tones = self._texts(row)
        for column, size in self._layout(width):
            text = fit(texts[column], size, "left" if column in _LEFT else "right")
            tone = "" if selected else "best" if best and column == 3 else tones[column]
            segments.append(Segment(text, base + self._tone(tone) if tone else base))
            segments.append(Segment(" ", base))
        return Strip(segments).adjust_cell_length(width, base)

    def _texts(self, row: int) -> tuple[list[str], list[str]]:
        trial = self.model.trials[row]
        profit, sharpe, factor, drawdown, wins, count = trial.metrics
        texts = [
            f"{trial.number:,}",
            plain(self.model.studies[trial.study].cell),
            plain(state_text(trial)),
            _number(trial.score, 4),
            _number(trial.in_sample, 3),
            _number(trial.out_of_sample, 3),
            _number(profit, 2),
            _number(sharpe, 2),
            _number(factor, 2),
            _number(drawdown, 2),
            _number(wins, 1),
            "-" if count is None else f"{int(count):,}",
            f"{trial.duration_ms:,.1f}",
        ]
        tones = [""] * COLUMN_COUNT
        tones[0] = tones[1] = tones[-1] = "muted"
        tones[2] = "bad" if trial.state == "FAIL" else "" if trial.feasible else "muted"
        if profit is not None:
            tones[6] = "good" if profit > 0 else "bad" if profit < 0 else ""
        return texts, tones

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"trial-table--{name}")

    def _tone(self, name: str) -> Style:
        style = self._style(name)
        return Style(color=style.color, bold=style.bold)

    def _layout(self, width: int) -> list[tuple[int, int]]:
        """보일 열과 칸 수. 넘치면 덜 중요한 열부터 뺀다."""
        shown = list(range(COLUMN_COUNT))
        if len(self.model.studies) <= 1:
            shown.remove(1)
        if not self.model.validated:
            shown = [column for column in shown if column not in VALIDATION_COLUMNS]
        while sum(_WIDTHS[column] + 1 for column in shown) + 1 > width:
            droppable = [column for column in shown if _HIDE_FIRST[column]]
            if not droppable:
                break
            shown.remove(max(droppable, key=_HIDE_FIRST.__getitem__))
        spare = width - 1 - sum(_WIDTHS[column] + 1 for column in shown)
        wider = max(0, min(_WIDEN, spare // len(shown)))
        return [(column, _WIDTHS[column] + wider) for column in shown]


def _number(value: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:,.{digits}f}" if abs(value) < 1e5 else f"{value:.2e}"


def sort_text(view: TrialView) -> str:
    """지금의 차례를 말로."""
    if view.column == NEWEST:
        return ko.NEWEST
    direction = ko.DESCENDING if view.descending else ko.ASCENDING
    return ko.SORTED.format(column=ko.COLUMNS[view.column], direction=direction)
