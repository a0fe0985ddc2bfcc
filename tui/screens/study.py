"""스터디 하나: 저장된 시행을 실행 화면과 같은 표로 보고, 일을 시킨다."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.problem import ProblemError
from tui.processes import run_to_file
from tui.screens import home
from tui.screens.run_trials import EQUITY, PLOTS, TRIAL_COMMANDS, TrialsScreen
from tui.screens.study_actions import ACTION_COMMANDS, StudyActions
from tui.storage_test import readable
from tui.studies_commands import events_command, parse_problem, write_plan
from tui.studies_model import StudyItem
from tui.text import common
from tui.text import studies as ko
from tui.widgets.trial_table import TrialTable, sort_text

_EVENTS = "events.ndjson"
# 단면에 찍는 시행은 이만큼쯤까지다.
_SLICE_TRIALS = 3000


class StudyScreen(StudyActions, TrialsScreen):
    """저장된 시행. 자식이 시행을 임시 폴더(0700)에 사건으로 쓰고 이 화면이 따라 읽는다."""

    PATH = ko.PATH
    HELP_TEXT = ko.STUDY_HELP
    COMMAND_LIST = (
        *TRIAL_COMMANDS,
        PLOTS,
        EQUITY,
        Command("study.analysis", "n", "analysis", *ko.ANALYSIS),
        *ACTION_COMMANDS,
        Command("study.refresh", "f5,r", "reload", *ko.REFRESH),
        Command("study.leave", "escape,q", "leave", *ko.CLEAR_FILTER),
    )

    def __init__(self, item: StudyItem, storages: Sequence[str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="backtest-wizard-"))
        super().__init__(self._folder / _EVENTS)
        self.item = item
        self._storages = storages
        self._said = ko.STUDY_READING

    def compose_head(self) -> ComposeResult:
        yield Static(id="study-head")

    def on_mount(self) -> None:
        super().on_mount()
        self._show_head()
        self.run_worker(self._read(), exclusive=True, group="study")

    def on_unmount(self) -> None:
        with suppress(OSError):
            shutil.rmtree(self._folder)

    # ── 읽기

    async def _read(self) -> None:
        try:
            argv, env = await events_command(self.item)
            self.events_path.unlink(missing_ok=True)
            self.follow()
            finished = await run_to_file(argv, env, bridge.home(), self.events_path)
            if finished.exit_code:
                raise ProblemError(parse_problem(finished.stderr, ko.READ_FAILED))
        except ProblemError as error:
            self.wizard.show_problem(error.problem)
        self.say("")

    def action_reload(self) -> None:
        """처음부터 다시 읽는다: 새 화면으로 바꾼다."""
        self.app.switch_screen(StudyScreen(self.item, self._storages))

    # ── 보이기

    @property
    def target(self) -> StudyItem | None:
        return self.item

    @property
    def storages(self) -> Sequence[str]:
        return self._storages

    def plan_file(self) -> Path | None:
        try:
            return write_plan(self.item, self._folder)
        except ProblemError as error:
            self.wizard.show_problem(error.problem)
            return None

    def _show_head(self) -> None:
        item = self.item
        bar = self.top_bar
        bar.path = (*ko.PATH, item.name)
        bar.badge = common.DEMO if item.is_demo else ""
        bar.note = ko.STATES.get(item.state, item.state)
        counts = ko.DETAIL_COUNTS.format(
            complete=item.complete, pruned=item.pruned, failed=item.failed, running=item.running
        )
        updated = home.ago(item.updated, home.now()) if item.updated else ko.NO_SCORE
        strategy = str(item.described.get("strategy", ""))
        source = [ko.DETAIL_STRATEGY.format(strategy=strategy)] if strategy else []
        source += [readable(item.source)] if item.source else []
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{plain(readable(item.storage))}\n")
        text.append(f"{counts}, {updated}\n")
        text.append(plain(", ".join(source)) or ko.OTHER_TOOL)
        self.query_one("#study-head", Static).update(text)

    def show_note(self) -> None:
        """시행 수와 차례, 하는 일."""
        parts = [self._said] if self._said else []
        parts += [self.count_text(), sort_text(self.query_one(TrialTable).view)]
        text = Text(plain("  ".join(parts)), no_wrap=True, overflow="ellipsis")
        self.query_one("#run-note", Static).update(text, layout=False)

    def say(self, text: str) -> None:
        self._said = text
        self.show_note()

    def study_changed(self, item: StudyItem | None) -> None:
        if item is None:
            self.app.pop_screen()
        else:
            self.item = item
            self.action_reload()

    def action_analysis(self) -> None:
        """파라미터의 중요도와 단면의 창."""
        self.run_worker(self._analyse(), exclusive=True, group="analysis")

    async def _analyse(self) -> None:
        from tui.screens.study_analysis import AnalysisScreen

        rows = range(0, len(self.model.trials), max(1, len(self.model.trials) // _SLICE_TRIALS))
        trials = await asyncio.to_thread(lambda: [self.event_of(row) for row in rows])
        best = None if self.model.best_row is None else self.event_of(self.model.best_row)
        kept = [trial for trial in trials if trial is not None]
        self.app.push_screen(AnalysisScreen(self.item, kept, best))

    def action_leave(self) -> None:
        """거르기를 지우거나 목록으로 간다."""
        if not self.clear_filter():
            self.app.pop_screen()
