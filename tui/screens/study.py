"""스터디 하나: 저장된 시행을 실행 화면과 같은 표로 보고, 일을 시킨다."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.event_tail import append_new_trials
from tui.problem import ProblemError
from tui.processes import run_to_file
from tui.run_model import Located
from tui.screens import home
from tui.screens.run_trials import (
    EQUITY,
    PARETO,
    PLOTS,
    SPLITS,
    TRIAL_COMMANDS,
    VERDICT,
    TrialsScreen,
)
from tui.screens.study_actions import ACTION_COMMANDS, StudyActions
from tui.storage_test import readable
from tui.studies_commands import events_command, parse_problem, verdict, write_plan
from tui.studies_model import StudyItem
from tui.text import common
from tui.text import studies as ko
from tui.verdicts import Verdict
from tui.widgets.trial_table import TrialTable, sort_text

_EVENTS = "events.ndjson"
# 실행 중인 스터디를 다시 읽는 초와, 이만큼 이어서 새것이 없으면 그친다.
_REFRESH_SECONDS = 3.0
_QUIET_READS = 20


class StudyScreen(StudyActions, TrialsScreen):
    """저장된 시행. 자식이 시행을 임시 폴더(0700)에 사건으로 쓰고 이 화면이 따라 읽는다."""

    PATH = ko.PATH
    HELP_TEXT = ko.STUDY_HELP
    COMMAND_LIST = (
        *TRIAL_COMMANDS,
        Command("study.analysis", "n", "analysis", *ko.ANALYSIS),
        VERDICT,
        Command("study.leave", "escape,q", "leave", *ko.CLEAR_FILTER),
        PLOTS,
        EQUITY,
        PARETO,
        SPLITS,
        *ACTION_COMMANDS,
        Command("study.refresh", "f5,r", "reload", *ko.REFRESH),
    )

    def __init__(self, item: StudyItem, storages: Sequence[str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="backtest-wizard-"))
        super().__init__(self._folder / _EVENTS)
        self.item = item
        self._storages = storages
        self._said = ko.STUDY_READING
        self._pause = _REFRESH_SECONDS

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
            return
        self.say("")
        if self.item.state == "running":
            await self._keep_reading(argv, env)

    async def _keep_reading(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """실행이 시행을 더하는 동안 새 시행을 이어 붙인다. 한동안 더해지지 않으면 그친다."""
        fresh, quiet = self._folder / "fresh.ndjson", 0
        while quiet < _QUIET_READS:
            began = time.monotonic()
            await asyncio.sleep(self._pause)
            finished = await run_to_file(argv, env, bridge.home(), fresh)
            if finished.exit_code:
                # 저장소가 잠시 끊겼다: 다음에 다시 읽는다.
                quiet += 1
                continue
            added = await asyncio.to_thread(append_new_trials, fresh, self.events_path)
            quiet = 0 if added else quiet + 1
            # 큰 스터디는 읽는 데 오래 걸린다: 그만큼 드물게 읽는다.
            self._pause = max(_REFRESH_SECONDS, 2 * (time.monotonic() - began - self._pause))

    def action_reload(self) -> None:
        """처음부터 다시 읽는다: 새 화면으로 바꾼다."""
        self.app.switch_screen(StudyScreen(self.item, self._storages))

    # ── 보이기

    @property
    def target(self) -> StudyItem | None:
        return self.item

    @property
    def storage_masked(self) -> str:
        """진단이 볼 저장소."""
        return self.item.storage

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
        parts += [self.count_text(), sort_text(self.query_one(TrialTable).view), *self.goal_text()]
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

        best = None if self.model.best_row is None else self.event_of(self.model.best_row)
        self.app.push_screen(AnalysisScreen(self.item, await asyncio.to_thread(self.sample), best))

    def action_verdict(self) -> None:
        """과최적화의 판정."""
        from tui.screens.verdict import VerdictScreen

        async def load() -> list[Verdict]:
            return [await verdict(self.item)]

        self.app.push_screen(VerdictScreen(self.item.name, load))

    def action_splits(self) -> None:
        """학습과 검증의 나눔."""
        self.show_splits(self.item.name)

    def action_pareto(self) -> None:
        """파레토 최적 시행들."""
        self.show_pareto(self.item)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """목표가 하나인 스터디에는 파레토가 없다."""
        return action != "pareto" or any(study.goals > 1 for study in self.model.studies)

    def apply_events(self, located: list[Located]) -> range:
        studies = len(self.model.studies)
        rows = super().apply_events(located)
        if len(self.model.studies) != studies:
            self.refresh_bindings()
        return rows

    def action_leave(self) -> None:
        """거르기를 지우거나 목록으로 간다."""
        if not self.clear_filter():
            self.app.pop_screen()
