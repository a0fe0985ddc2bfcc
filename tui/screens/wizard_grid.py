"""2단계: 시간 격자."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from tui import bridge
from tui.cells import plain
from tui.draft import Draft
from tui.hangul import as_letters
from tui.screens.wizard_base import BACK, NEXT, StepScreen
from tui.text import wizard as ko
from tui.widgets.fields import TextField
from tui.widgets.grid_matrix import GridMatrix

_LTF = tuple(bridge.Timeframe(minutes) for minutes in (1, 3, 5, 15, 30, 60, 240))
_HTF = (None, *(bridge.Timeframe(minutes) for minutes in (5, 15, 30, 60, 120, 240, 1440)))


class GridScreen(StepScreen):
    """표와 글이 서로를 따른다. 글이 틀린 동안에는 표가 마지막으로 바른 것을 보인다."""

    INDEX = 1
    QUESTION = ko.GRID_QUESTION
    HELP_TEXT = ko.GRID_HELP
    COMMAND_LIST = (NEXT, BACK)

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._cells: tuple[bridge.Cell, ...] = bridge.parse_grid(draft.grid)

    def compose_step(self) -> ComposeResult:
        yield Static(ko.GRID_HINT, classes="muted")
        matrix = GridMatrix(
            [str(ltf) for ltf in _LTF],
            [ko.GRID_NO_HTF if htf is None else str(htf) for htf in _HTF],
            self._state_of,
            id="matrix",
        )
        yield matrix
        with Horizontal(classes="field-row gap"):
            yield Label(ko.GRID_TEXT, classes="field-label")
            yield TextField(self.draft.grid, joint=",", id="grid-text", classes="wide")
        with Vertical(classes="panel"):
            yield Static("", id="grid-line", markup=False)
            yield Static("", id="grid-detail", classes="muted", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        matrix = self.query_one(GridMatrix)
        on = [
            (row, column)
            for row in range(len(_LTF))
            for column in range(len(_HTF))
            if self._state_of(row, column) == "on"
        ]
        matrix.row, matrix.column = on[0] if on else (0, 0)
        matrix.focus()
        self._say()

    def _cell_at(self, row: int, column: int) -> bridge.Cell:
        return bridge.Cell(_LTF[row], _HTF[column])

    def _state_of(self, row: int, column: int) -> str:
        cell = self._cell_at(row, column)
        if _impossible(cell):
            return "impossible"
        return "on" if cell in self._cells else "off"

    def on_grid_matrix_toggled(self, event: GridMatrix.Toggled) -> None:
        cell = self._cell_at(event.row, event.column)
        reason = _impossible(cell)
        if reason:
            self._say(ko.GRID_CELL_IMPOSSIBLE.format(reason=reason), "warn")
            return
        on = cell not in self._cells
        kept = {*self._cells, cell} if on else {*self._cells} - {cell}
        self._cells = tuple(sorted(kept, key=_order))
        field = self.query_one("#grid-text", TextField)
        with field.prevent(Input.Changed):
            field.value = bridge.format_grid(self._cells)
        self.query_one(GridMatrix).refresh()
        text = ko.GRID_CELL_ON if on else ko.GRID_CELL_OFF
        self._say(text.format(cell=cell))

    def on_grid_matrix_moved(self, event: GridMatrix.Moved) -> None:
        reason = _impossible(self._cell_at(event.row, event.column))
        self._say(ko.GRID_CELL_IMPOSSIBLE.format(reason=reason) if reason else "", "warn")

    def on_input_changed(self, event: Input.Changed) -> None:
        problem = self._read(event.value)
        self.query_one(GridMatrix).refresh()
        self._say(problem, "bad")

    def _read(self, text: str) -> str:
        """글의 격자를 받아들인다. 틀렸으면 그대로 두고 까닭을 준다. 한글 자판으로 친 `15ㅡ`은 15m이다."""
        try:
            self._cells = bridge.parse_grid(as_letters(text))
        except bridge.TimeframeError as error:
            return str(error)
        return ""

    def _say(self, text: str = "", tone: str = "") -> None:
        """첫 줄은 방금 일어난 일, 둘째 줄은 격자 전체. 할 말이 없으면 첫 줄에 전체를 보인다."""
        count = ko.GRID_COUNT.format(count=len(self._cells))
        table = {(ltf, htf) for ltf in _LTF for htf in _HTF}
        outside = [str(cell) for cell in self._cells if (cell.ltf, cell.htf) not in table]
        rest = f"  {ko.GRID_OUTSIDE.format(cells=', '.join(outside))}" if outside else ""
        line = self.query_one("#grid-line", Static)
        line.set_classes(tone if text else "")
        line.update(plain(text or f"{count}{rest}"))
        self.query_one("#grid-detail", Static).update(f"{count}{rest}" if text else "")

    def keep(self) -> str:
        problem = self._read(self.query_one("#grid-text", TextField).value)
        if not problem:
            self.draft.grid = bridge.format_grid(self._cells)
        return problem

    def accept(self) -> None:
        """글 칸의 격자가 맞아야 다음으로 간다."""
        problem = self.keep()
        if problem:
            self._say(problem, "bad")
            self.wizard.toast(problem, severity="warning")
            return
        from tui.screens.wizard_storage import StorageScreen

        self.app.push_screen(StorageScreen(self.draft))


def _impossible(cell: bridge.Cell) -> str:
    """쓸 수 없는 칸이면 그 까닭, 아니면 빈 글."""
    if cell.htf is None:
        return ""
    if cell.htf <= cell.ltf:
        return ko.GRID_HTF_NOT_LARGER.format(htf=cell.htf, ltf=cell.ltf)
    if cell.htf.minutes % cell.ltf.minutes:
        return ko.GRID_HTF_NOT_MULTIPLE.format(htf=cell.htf, ltf=cell.ltf)
    return ""


def _order(cell: bridge.Cell) -> tuple[int, int]:
    return cell.ltf.minutes, cell.htf.minutes if cell.htf else 0
