"""파라미터 분석: 중요도의 목록과, 고른 파라미터의 단면."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.landscape import axis_of, feasible, plateau
from tui.problem import ProblemError
from tui.screens.base import CLOSE, BaseModal
from tui.studies_commands import Importance, importances
from tui.studies_model import StudyItem
from tui.text import common, insight
from tui.text import studies as ko
from tui.widgets.chrome import KeyBar
from tui.widgets.plots_contour import ContourPlot
from tui.widgets.plots_slice import Point, SlicePlot
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.run_panel import score_text
from tui.widgets.trial_card import value_text

_BAR = 12


class AnalysisScreen(BaseModal[None]):
    """trials: 단면에 찍을 시행들(많으면 덜어 낸 것). best: 최고 시행."""

    COMMAND_LIST = (
        Command("analysis.contour", "f6,v", "contour", *insight.CONTOUR),
        Command("analysis.partner", "space", "partner", *insight.PARTNER),
        CLOSE,
        Command("analysis.close", "enter,q,n", "close", *common.CLOSE, in_footer=False),
    )

    def __init__(
        self, item: StudyItem, trials: Sequence[bridge.TrialEvent], best: bridge.TrialEvent | None
    ) -> None:
        super().__init__()
        self._item, self._trials, self._best = item, trials, best
        self._items: list[Importance] = []
        # 중요도를 재기 전에도 단면과 등고선을 볼 수 있다.
        self._names = list(dict.fromkeys(name for trial in trials for name in trial.params))
        self._partner = next(iter(self._names[1:]), "")
        self._moved = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="analysis-dialog"):
            title = ko.ANALYSIS_TITLE.format(name=self._item.name)
            yield Static(Text(plain(title)), classes="dialog-title")
            yield Static(ko.ANALYSIS_WORKING, id="analysis-note")
            with Horizontal(id="analysis-columns"):
                titles = ko.ANALYSIS_COLUMNS
                columns = [Column(titles[0], 18), Column(titles[1], 7, "right")]
                yield RowTable([*columns, Column("", _BAR, priority=1)], empty="", id="importances")
                with Vertical(id="analysis-right"):
                    yield Static(id="slice-title")
                    yield SlicePlot()
                    yield ContourPlot()
                    yield Static(Text(self._plateau_text()), id="plateau", classes="muted")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(RowTable).focus()
        self._show_rows()
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
        if self._items:
            measured = [item.name for item in self._items]
            self._names = [*measured, *(name for name in self._names if name not in measured)]
            if self._partner not in measured[:2] and not self.has_class("-contour"):
                self._partner = next(iter(self._names[1:]), "")
        self._show_rows(first=not self._moved)

    def _show_rows(self, *, first: bool = False) -> None:
        """파라미터들을 중요한 차례로. first: 커서를 맨 위로."""
        shares = {item.name: item.share for item in self._items}
        top = max(shares.values(), default=0.0) or 1.0
        rows = []
        for name in self._names:
            mark = f"{insight.PARTNER_SIGN} " if name == self._partner else ""
            share = shares.get(name)
            text = ko.NO_SCORE if share is None else f"{share:.1%}"
            bar = "=" * round((share or 0.0) / top * _BAR)
            rows.append(Row(name, (f"{mark}{name}", text, bar)))
        self.query_one(RowTable).set_rows(rows, self._names[0] if first and rows else None)
        self._paint()

    def _plateau_text(self) -> str:
        """최고의 둘레가 어떤지 한 줄로."""
        best = self._best
        if best is None or best.score is None:
            return insight.PLATEAU_FEW
        found = plateau(self._trials, best, self._item.minimize)
        if found is None:
            return insight.PLATEAU_FEW
        return insight.PLATEAU.format(
            count=found.count,
            middle=score_text(found.middle),
            low=score_text(found.low),
            best=score_text(best.score),
        )

    def action_contour(self) -> None:
        """단면과 등고선을 오간다."""
        self.toggle_class("-contour")
        legend = f"{insight.CONTOUR_LEGEND}\n" if self.has_class("-contour") else ""
        self.query_one("#plateau", Static).update(Text(f"{legend}{self._plateau_text()}"))
        self._paint()

    def action_partner(self) -> None:
        """고른 파라미터를 등고선의 세로축으로."""
        row = self.query_one(RowTable).current
        if row is not None:
            self._partner = row.key
            self._show_rows()

    def on_row_table_highlighted(self, message: RowTable.Highlighted) -> None:
        self._moved = self._moved or (message.row is not None and message.row.key != self._names[0])
        self._paint()

    def _paint(self) -> None:
        row = self.query_one(RowTable).current
        if row is not None:
            if self.has_class("-contour"):
                self._paint_contour(row.key)
            else:
                self._paint_slice(row.key)

    def _paint_contour(self, name: str) -> None:
        partner = self._partner if self._partner != name else ""
        partner = partner or next((one for one in self._names if one != name), "")
        x, y = (axis_of(one, self._trials) for one in (name, partner))
        axes = (x, y) if x is not None and y is not None else None
        self.query_one(ContourPlot).show(self._trials, axes, self._best, self._item.minimize)
        title = insight.CONTOUR_TITLE.format(x=name, y=partner) if axes else insight.CONTOUR_FEW
        self.query_one("#slice-title", Static).update(Text(plain(title), "bold"))

    def _paint_slice(self, name: str) -> None:
        points: list[Point] = [
            (trial.params[name], trial.score, feasible(trial))
            for trial in self._trials
            if name in trial.params and trial.score is not None
        ]
        best = self._best.params.get(name) if self._best is not None else None
        self.query_one(SlicePlot).show(points, best)
        title = ko.SLICE_TITLE.format(name=name, count=len(points))
        if best is not None:
            title += ko.SLICE_BEST.format(value=value_text(best))
        self.query_one("#slice-title", Static).update(Text(plain(title), "bold"))
