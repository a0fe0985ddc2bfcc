"""처음 화면: 새 실행, 진행 중인 실행, 지난 실행."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from textual.app import ComposeResult
from textual.widgets import Static

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.runs import RunSummary, list_runs
from tui.screens.base import BaseScreen, begin
from tui.text import common
from tui.text import home as ko
from tui.widgets.row_table import Column, Row, RowTable

_NEW = "new"
_REFRESH_SECONDS = 2.0
_TONES = {"running": "good", "starting": "good", "failed": "bad", "dead": "bad"}


def now() -> datetime:
    """지금(UTC). 시험이 바꾼다."""
    return datetime.now(UTC)


class HomeScreen(BaseScreen[None]):
    """첫 줄은 늘 새 실행이어서 Enter만으로 시작할 수 있다."""

    PATH = ko.PATH
    HELP_TEXT = ko.HELP
    COMMAND_LIST = (
        Command("home.open", "enter", "open", *ko.OPEN, in_palette=False),
        Command("home.new", "f2,n", "app.new_run", *ko.NEW_RUN),
        Command("home.studies", "f3,s", "app.studies", *ko.STUDIES),
        Command("home.settings", "f4", "app.settings", *common.SETTINGS, in_palette=False),
        Command("home.refresh", "f5,r", "refresh_runs", *ko.REFRESH, in_footer=False),
        Command("home.diagnostics", "d", "app.diagnostics", *common.DIAGNOSTICS, in_footer=False,
                in_palette=False),
        Command("home.quit", "q", "app.quit", *common.QUIT, in_footer=False, in_palette=False),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[str, RunSummary] = {}

    def compose_body(self) -> ComposeResult:
        titles = ko.COLUMNS
        yield RowTable(
            [
                Column(titles[0], 0, min_width=18),
                Column(titles[1], 18, priority=3),
                Column(titles[2], 9),
                Column(titles[3], 13, "right", priority=1),
                Column(titles[4], 10, "right"),
                Column(titles[5], 11, "right", priority=2),
            ],
            id="runs",
        )
        yield Static(ko.EMPTY, id="empty", classes="muted gap")
        yield Static("", id="run-detail", classes="panel muted", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self._show([])
        self.action_refresh_runs()
        self.set_interval(_REFRESH_SECONDS, self.action_refresh_runs)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.action_refresh_runs()

    def action_refresh_runs(self) -> None:
        """실행 폴더들을 다시 훑는다(다른 thread에서)."""
        if self.is_current:
            begin(self, self._read, "runs")

    async def _read(self) -> None:
        self._show(await asyncio.to_thread(list_runs, bridge.studies_dir()))

    def _show(self, runs: list[RunSummary]) -> None:
        self._runs = {str(run.run_dir): run for run in runs}
        running = [run for run in runs if run.is_running]
        recent = [run for run in runs if not run.is_running]
        rows = [Row(_NEW, (ko.NEW_ROW, "", "", "", "", ""), ("strong",))]
        for title, group in ((ko.RUNNING, running), (ko.RECENT, recent)):
            if group:
                rows.append(Row(f"heading-{title}", (title,), heading=True))
                rows += [_row(run, now()) for run in group]
        table = self.query_one(RowTable)
        if tuple(rows) != table.rows:
            table.set_rows(rows)
        self.set_class(not runs, "-empty")
        self._describe()
        self.top_bar.note = (
            ko.SUMMARY.format(running=len(running), recent=len(recent)) if runs else ""
        )

    def on_row_table_highlighted(self) -> None:
        self._describe()

    def _describe(self) -> None:
        """고른 줄에서 무엇을 할 수 있는지와, 좁아서 열에 없는 것들."""
        row = self.query_one(RowTable).current
        run = self._runs.get(row.key) if row else None
        lines = ko.NEW_ROW_DETAIL
        if run is not None:
            folder = run.run_dir.relative_to(bridge.studies_dir().parent)
            where = ko.DETAIL.format(cells=", ".join(run.cells) or ko.NO_SCORE, folder=folder)
            lines = where, ko.DETAIL_RUNNING if run.is_running else ko.DETAIL_ENDED
        self.query_one("#run-detail", Static).update("\n".join(plain(line) for line in lines))

    async def action_open(self) -> None:
        """새 실행이면 마법사를, 아니면 그 실행을 연다."""
        row = self.query_one(RowTable).current
        if row is None or row.key == _NEW:
            await self.wizard.action_new_run()
        else:
            self.wizard.open_run(Path(row.key))

    async def on_row_table_clicked(self) -> None:
        await self.action_open()


def _row(run: RunSummary, moment: datetime) -> Row:
    symbol = f"{run.symbol or run.run_dir.parent.parent.name}"
    if run.is_demo:
        symbol = f"{symbol} ({common.DEMO})"
    score = ko.NO_SCORE if run.best is None else f"{run.best:.4g}"
    count = f"{run.done:,}/{run.target:,}" if run.target else ko.NO_SCORE
    return Row(
        str(run.run_dir),
        (
            symbol,
            ",".join(run.cells),
            ko.STATES[run.state],
            count,
            score,
            ago(run.updated_at, moment),
        ),
        ("", "muted", _TONES.get(run.state, ""), "", "strong", "muted"),
    )


def ago(then: datetime, moment: datetime) -> str:
    """'방금', '5분 전', '3시간 전', '2일 전'."""
    minutes = int((moment - then).total_seconds() // 60)
    if minutes < 1:
        return ko.JUST_NOW
    if minutes < 60:
        return ko.MINUTES_AGO.format(n=minutes)
    if minutes < 1440:
        return ko.HOURS_AGO.format(n=minutes // 60)
    return ko.DAYS_AGO.format(n=minutes // 1440)
