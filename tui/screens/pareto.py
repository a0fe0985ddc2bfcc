"""파레토 최적의 창: 목표마다의 값의 표와, 두 목표의 산점도."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.landscape import feasible
from tui.problem import ProblemError
from tui.screens.base import CLOSE, BaseModal
from tui.studies_commands import Front, pareto_front
from tui.studies_model import StudyItem
from tui.text import common
from tui.text import insight as ko
from tui.text import run as run_ko
from tui.widgets.chrome import KeyBar
from tui.widgets.plots_front import FrontPlot, Pair
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.run_panel import score_text


class ParetoScreen(BaseModal[None]):
    """trials: 산점도에 찍을 시행들(많으면 덜어 낸 것). find: 번호의 시행(없으면 None)."""

    COMMAND_LIST = (
        Command("pareto.detail", "enter", "detail", *run_ko.DETAIL),
        CLOSE,
        Command("pareto.close", "q,o", "close", *common.CLOSE, in_footer=False),
    )

    def __init__(
        self,
        item: StudyItem,
        trials: Sequence[bridge.TrialEvent],
        find: Callable[[int], bridge.TrialEvent | None],
    ) -> None:
        super().__init__()
        self._item, self._find = item, find
        self._others = [
            (trial.values[0], trial.values[1])
            for trial in trials
            if len(trial.values) >= 2 and feasible(trial)
        ]
        self._front: Front | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="pareto-dialog"):
            title = ko.FRONT_TITLE.format(name=self._item.name)
            yield Static(Text(plain(title)), classes="dialog-title")
            yield Static(ko.FRONT_WORKING, id="pareto-note", classes="muted")
            yield RowTable(
                [Column(ko.FRONT_NUMBER, 8, "right"), *(Column("", 22, "right") for _ in range(3))],
                empty="",
                id="pareto-front",
            )
            yield Static("", id="pareto-axes", classes="muted", markup=False)
            yield FrontPlot()
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(RowTable).focus()
        self.run_worker(self._read(), exclusive=True, group="pareto")

    async def _read(self) -> None:
        note = self.query_one("#pareto-note", Static)
        try:
            front = await pareto_front(self._item)
        except ProblemError as error:
            note.update(Text(plain(error.problem.title)))
            return
        if len(front.goals) < 2:
            note.update(ko.FRONT_ONE_GOAL)
            return
        self._front = front
        note.update(ko.FRONT_COUNT.format(count=len(front.trials)))
        axes = ko.FRONT_AXES.format(x=_goal(front, 0), y=_goal(front, 1))
        self.query_one("#pareto-axes", Static).update(plain(axes))
        table = self.query_one(RowTable)
        table.columns = (
            Column(ko.FRONT_NUMBER, 8, "right"),
            *(Column(plain(_goal(front, index)), 22, "right") for index in range(len(front.goals))),
        )
        table.set_rows(
            [
                Row(str(number), (f"{number:,}", *(score_text(value) for value in values)))
                for number, values in front.trials
            ]
        )
        self._paint()

    def action_detail(self) -> None:
        """고른 최적 시행의 지표와 파라미터."""
        from tui.screens.trial_detail import TrialDetail

        row = self.query_one(RowTable).current
        if row is not None:
            number = int(row.key)
            self.app.push_screen(TrialDetail(self._find(number), self._item.cell, number))

    def on_row_table_clicked(self) -> None:
        self.action_detail()

    def on_row_table_highlighted(self) -> None:
        self._paint()

    def _paint(self) -> None:
        if self._front is None:
            return
        row = self.query_one(RowTable).current
        pairs = {str(number): _pair(values) for number, values in self._front.trials}
        chosen = pairs.get(row.key) if row is not None else None
        self.query_one(FrontPlot).show(self._others, list(pairs.values()), chosen)


def _pair(values: Sequence[float]) -> Pair:
    return values[0], values[1]


def _goal(front: Front, index: int) -> str:
    """`Sharpe 클수록`: 목표의 이름과 좋은 쪽."""
    label, minimize = front.goals[index]
    return f"{label} {ko.GOOD_DOWN if minimize else ko.GOOD_UP}"
