"""파라미터 분석: 중요도의 목록과, 고른 파라미터의 단면."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.problem import ProblemError
from tui.screens.base import CLOSE, BaseModal
from tui.studies_commands import Importance, importances
from tui.studies_model import StudyItem
from tui.text import common
from tui.text import studies as ko
from tui.widgets.chrome import KeyBar
from tui.widgets.plots_slice import Point, SlicePlot
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.trial_card import value_text

_BAR = 12


class AnalysisScreen(BaseModal[None]):
    """trials: 단면에 찍을 시행들(많으면 덜어 낸 것). best: 최고 시행."""

    COMMAND_LIST = (
        CLOSE,
        Command("analysis.close", "enter,q,n", "close", *common.CLOSE, in_footer=False),
    )

    def __init__(
        self, item: StudyItem, trials: Sequence[bridge.TrialEvent], best: bridge.TrialEvent | None
    ) -> None:
        super().__init__()
        self._item, self._trials, self._best = item, trials, best
        self._items: list[Importance] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="analysis-dialog"):
            title = ko.ANALYSIS_TITLE.format(name=self._item.name)
            yield Static(Text(plain(title)), classes="dialog-title")
            yield Static(ko.ANALYSIS_WORKING, id="analysis-note")
            with Horizontal(id="analysis-columns"):
                titles = ko.ANALYSIS_COLUMNS
                columns = [Column(titles[0], 18), Column(titles[1], 7, "right")]
                yield RowTable([*columns, Column("", _BAR, priority=1)], id="importances")
                with Vertical(id="analysis-right"):
                    yield Static(id="slice-title")
                    yield SlicePlot()
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(RowTable).focus()
        self.run_worker(self._measure(), exclusive=True, group="analysis")

    async def _measure(self) -> None:
        try:
            self._items = await importances(self._item)
        except ProblemError as error:
            note = self.query_one("#analysis-note", Static)
            lines = error.problem.as_text().splitlines()
            note.update(Text("\n".join(plain(line) for line in lines)))
            return
        text = ko.ANALYSIS_NOTE if self._items else ko.ANALYSIS_FEW
        self.query_one("#analysis-note", Static).update(text)
        top = self._items[0].share if self._items else 1.0
        rows = [
            Row(i.name, (i.name, f"{i.share:.1%}", "=" * round(i.share / (top or 1.0) * _BAR)))
            for i in self._items
        ]
        await asyncio.sleep(0)
        self.query_one(RowTable).set_rows(rows)

    def on_row_table_highlighted(self, message: RowTable.Highlighted) -> None:
        if message.row is None:
            return
        name = message.row.key
        points: list[Point] = [
            (trial.params[name], trial.score, _feasible(trial))
            for trial in self._trials
            if name in trial.params and trial.score is not None
        ]
        best = self._best.params.get(name) if self._best is not None else None
        self.query_one(SlicePlot).show(points, best)
        title = ko.SLICE_TITLE.format(name=name, count=len(points))
        if best is not None:
            title += ko.SLICE_BEST.format(value=value_text(best))
        self.query_one("#slice-title", Static).update(Text(plain(title), "bold"))


def _feasible(trial: bridge.TrialEvent) -> bool:
    return trial.state == "COMPLETE" and all(value <= 0 for value in trial.constraints)
