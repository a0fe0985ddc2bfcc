"""실행 화면: 사건 파일을 따라 읽어 표와 진행을 보인다. 새로 띄운 실행과 다시 붙은 실행이 같은 길을 간다."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.event_tail import EventTail, read_trial
from tui.processes import exit_code, interrupt, is_alive
from tui.run_model import Located, RunModel
from tui.runs import EVENTS_FILE, LOG_FILE
from tui.screens.base import BaseScreen
from tui.text import common
from tui.text import run as ko
from tui.trial_view import NEWEST, SCORE_COLUMN, FilterError, parse_filter
from tui.widgets.fields import TextField
from tui.widgets.run_panel import RunPanel, score_text
from tui.widgets.trial_card import card_text
from tui.widgets.trial_table import TrialTable, sort_text

_POLL_SECONDS = 0.15
_ALIVE_SECONDS = 1.0
# 이보다 좁으면 최고 시행의 카드를 감춘다(Enter로 볼 수 있다).
_CARD_WIDTH = 116
_TONES = {"failed": "bad", "dead": "bad", "interrupted": "warn", "done": "good"}


class RunScreen(BaseScreen[None]):
    """실행 하나. 화면을 닫아도 실행은 계속된다."""

    PATH = ko.PATH
    HELP_TEXT = ko.HELP
    COMMAND_LIST = (
        Command("run.detail", "enter", "detail", *ko.DETAIL, in_palette=False),
        Command("run.order", "b", "order", *ko.ORDER),
        Command("run.filter", "slash", "filter", *ko.FILTER),
        Command("run.pause", "space,p", "pause", *ko.PAUSE),
        Command("run.stop", "x", "stop", *ko.STOP),
        Command("run.log", "l", "log", *ko.LOG),
        Command("run.leave", "escape,q", "leave", *ko.LEAVE),
    )

    @dataclass
    class Batch(Message):
        """사건 파일에서 새로 읽은 사건들."""

        located: list[Located]

    def __init__(self, run_dir: Path) -> None:
        super().__init__()
        self.run_dir = run_dir
        self.model = RunModel()
        self._filter = ""
        self._alive = True

    def compose_body(self) -> ComposeResult:
        yield RunPanel(self.model)
        yield Static(id="run-note", classes="muted")
        with Horizontal(id="filter-row", classes="field-row"):
            yield Static(ko.FILTER_LABEL, classes="field-label")
            yield TextField(placeholder=ko.FILTER_HINT, id="filter", classes="wide")
        with Horizontal(id="run-columns"):
            yield TrialTable(self.model, id="trials")
            with VerticalScroll(id="card-scroll", can_focus=False):
                yield Static(id="card")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#filter-row").display = False
        self.query_one(TrialTable).focus()
        self.run_worker(self._follow, thread=True, exclusive=True, group="tail")
        self.set_interval(_ALIVE_SECONDS, self._check_alive)
        self._show_note()
        self._show_card()

    def _apply_size(self) -> None:
        super()._apply_size()
        self.set_class(self.app.size.width < _CARD_WIDTH, "-no-card")

    # ── 사건

    def _follow(self) -> None:
        """다른 thread: 파일을 이어 읽어 덩이로 알린다. 위젯은 만지지 않는다."""
        worker, tail = get_current_worker(), EventTail(self.run_dir / EVENTS_FILE)
        while not worker.is_cancelled:
            located = tail.read()
            if located:
                self.post_message(self.Batch(located))
            # 밀린 것을 읽을 때도 화면이 글쇠를 들을 틈을 준다.
            time.sleep(0.01 if located else _POLL_SECONDS)

    def on_run_screen_batch(self, message: Batch) -> None:
        """새 사건들을 접고 바뀐 곳만 그린다."""
        studies, best = len(self.model.studies), self.model.best_row
        rows = self.model.apply(message.located)
        panel = self.query_one(RunPanel)
        with self.app.batch_update():
            panel.refresh(layout=len(self.model.studies) != studies)
            if rows:
                self.query_one(TrialTable).add(rows)
            self._show_note()
            if self.model.best_row != best:
                self._show_card()

    def _check_alive(self) -> None:
        alive = self._is_alive()
        if alive != self._alive:
            self._alive = alive
            self._show_note()

    def _is_alive(self) -> bool:
        if self.model.exit_code is not None:
            return False
        if self.model.host and self.model.host != bridge.host_name():
            return True
        if not self.model.pid:
            return True
        return exit_code(self.model.pid) is None and is_alive(self.model.pid)

    # ── 보이기

    @property
    def state(self) -> str:
        """starting | running | done | failed | interrupted | dead."""
        code = self.model.exit_code
        if code is not None:
            return {0: "done", 130: "interrupted"}.get(code, "failed")
        if self.model.error is not None and not self._alive:
            return "failed"
        if not self._alive:
            return "dead"
        return "running" if self.model.studies else "starting"

    def _show_note(self) -> None:
        bar = self.top_bar
        bar.path = (*ko.PATH, self.model.symbol or self.run_dir.parent.parent.name)
        bar.badge = common.DEMO if self.model.is_demo else ""
        bar.note = ko.STATES[self.state]
        table = self.query_one(TrialTable)
        parts = [self._count_text(table), sort_text(table.view)]
        if table.frozen:
            parts.append(ko.PAUSED)
        if self.model.studies:
            first = self.model.studies[0]
            parts += [ko.WORKERS.format(n=first.workers)] if first.workers else []
            parts.append(ko.STORAGE.format(storage=first.storage))
        if self.model.messages:
            parts.insert(0, ko.WARNINGS.format(n=len(self.model.messages)))
        text = Text(plain("  ".join(parts)), no_wrap=True, overflow="ellipsis")
        ending = self._ending()
        if ending:
            text = Text.assemble((plain(ending), ""), "\n", text)
        note = self.query_one("#run-note", Static)
        for tone in ("good", "warn", "bad"):
            note.set_class(bool(ending) and _TONES.get(self.state) == tone, tone)
        note.update(text)

    def _count_text(self, table: TrialTable) -> str:
        total, shown = f"{len(self.model.trials):,}", f"{len(table.view):,}"
        if self._filter:
            return ko.COUNT_FILTERED.format(total=total, shown=shown)
        return ko.COUNT.format(shown=shown)

    def _ending(self) -> str:
        """끝난 실행의 한두 문장: 무엇을 찾았고 다음에 무엇을 하나."""
        match self.state:
            case "done":
                return self._findings()
            case "interrupted":
                return ko.INTERRUPTED
            case "failed":
                error = self.model.error
                return ko.FAILED.format(title=error.title if error else ko.LOG_TITLE)
            case "dead":
                return ko.DEAD
            case _:
                return ""

    def _findings(self) -> str:
        results = self.model.results
        count = sum(item.n_complete + item.n_pruned + item.n_failed for item in results)
        best = max(
            (item for item in results if item.best_value is not None),
            key=lambda item: item.best_value or 0.0,
            default=None,
        )
        if best is None:
            return ko.DONE.format(count=count, found=ko.FOUND_NONE)
        cells = {study.name: study.cell for study in self.model.studies}
        found = ko.FOUND.format(
            score=score_text(best.best_value), cell=cells.get(best.study, best.study)
        )
        return f"{ko.DONE.format(count=count, found=found)}. {ko.NEXT.format(slug=best.slug)}"

    def _show_card(self) -> None:
        row = self.model.best_row
        event = None if row is None else self._event_of(row)
        cell = "" if row is None else self.model.studies[self.model.trials[row].study].cell
        self.query_one("#card", Static).update(card_text(event, cell))

    def _event_of(self, row: int) -> bridge.TrialEvent | None:
        trial = self.model.trials[row]
        return read_trial(self.run_dir / EVENTS_FILE, trial.offset, trial.length)

    # ── 명령

    def action_order(self) -> None:
        """새것부터와 점수순을 오간다."""
        table = self.query_one(TrialTable)
        table.sort_by(SCORE_COLUMN if table.view.column == NEWEST else NEWEST, descending=True)
        self._show_note()

    def action_pause(self) -> None:
        """표를 멈추거나 푼다."""
        table = self.query_one(TrialTable)
        table.set_frozen(not table.frozen)
        self._show_note()

    def action_filter(self) -> None:
        """거르기 칸을 연다."""
        self.query_one("#filter-row").display = True
        self.query_one("#filter", TextField).focus()

    def on_input_changed(self, event: TextField.Changed) -> None:
        try:
            predicate = parse_filter(event.value, self.model.studies)
        except FilterError as error:
            self.query_one("#run-note", Static).update(Text(plain(str(error))))
            return
        self._filter = event.value.strip()
        self.query_one(TrialTable).filter_by(predicate)
        self._show_note()

    def action_detail(self) -> None:
        """커서가 있는 시행의 창. 거르기 칸에서는 표로 간다."""
        if self.query_one("#filter", TextField).has_focus:
            self.query_one("#filter-row").display = bool(self._filter)
            self.query_one(TrialTable).focus()
            return
        row = self.query_one(TrialTable).current
        if row is not None:
            self._open(row)

    def on_trial_table_opened(self, message: TrialTable.Opened) -> None:
        self._open(message.row)

    def _open(self, row: int) -> None:
        from tui.screens.trial_detail import TrialDetail

        trial = self.model.trials[row]
        self.app.push_screen(
            TrialDetail(self._event_of(row), self.model.studies[trial.study].cell, trial.number)
        )

    def action_log(self) -> None:
        """경고와 실행 기록의 창."""
        from tui.screens.run_log import RunLog

        self.app.push_screen(RunLog(self.model.messages, self.run_dir / LOG_FILE))

    def action_stop(self) -> None:
        """물어보고 멈춘다."""
        from tui.screens.confirm import Confirm

        if not self._is_alive() or not self.model.pid:
            self.wizard.toast(ko.STOP_GONE)
            return
        if self.model.host and self.model.host != bridge.host_name():
            self.wizard.toast(ko.STOP_ELSEWHERE.format(host=self.model.host), severity="warning")
            return
        self.app.push_screen(Confirm(ko.STOP_TITLE, ko.STOP_BODY), self._stop)

    def _stop(self, confirmed: bool | None) -> None:
        if confirmed:
            sent = interrupt(self.model.pid)
            self.wizard.toast(ko.STOP_SENT if sent else ko.STOP_GONE)

    def action_leave(self) -> None:
        """거르기를 지우거나, 처음 화면으로 간다."""
        field = self.query_one("#filter", TextField)
        if field.has_focus or self._filter:
            field.value = ""
            self.query_one("#filter-row").display = False
            self.query_one(TrialTable).focus()
            return
        if self._is_alive():
            self.wizard.toast(ko.LEFT)
        self.app.pop_screen()
