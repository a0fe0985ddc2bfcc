"""5단계: 고른 것을 한 쪽에서 보고 시작한다."""

from __future__ import annotations

import asyncio

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Label, Static

from tui import bridge
from tui.bridge_validation import describe_validation
from tui.cells import plain
from tui.commands import Command
from tui.draft import Draft
from tui.periods import shown_period
from tui.previews import Measured, expected_seconds, measure_trials
from tui.problem import ProblemError
from tui.runs import expected_seconds as past_seconds
from tui.runs import list_runs
from tui.screens.base import begin
from tui.screens.wizard_base import BACK, StepScreen
from tui.storage_test import readable
from tui.text import common
from tui.text import wizard as ko


class ReviewScreen(StepScreen):
    """명령은 그대로 복사해 쓸 수 있다."""

    INDEX = 4
    QUESTION = ko.REVIEW_QUESTION
    HELP_TEXT = ko.REVIEW_HELP
    COMMAND_LIST = (
        Command("review.start", "enter", "next", *ko.START),
        Command("review.copy", "f6,c", "copy_command", *ko.REVIEW_COPY),
        BACK,
    )

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._starting = False
        self._estimated = False

    def compose_step(self) -> ComposeResult:
        with VerticalScroll(id="review"):
            for label, value, classes in _rows(self.draft):
                yield _row(label, Static(plain(value), classes=classes, markup=False))
            yield _row(ko.REVIEW_STORAGE, Static("", id="review-storage", markup=False))
            measuring = Static(ko.REVIEW_MEASURING, id="review-estimate", markup=False)
            yield _row(ko.REVIEW_ESTIMATE, measuring)
            with Vertical(classes="panel"):
                yield Static(ko.REVIEW_COMMAND, classes="section-title")
                yield Static(plain(bridge.shown_command(self.draft)), id="command", markup=False)
            yield Static(ko.REVIEW_EXISTING, id="review-state", classes="muted", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#review", VerticalScroll).focus()

    def on_screen_resume(self) -> None:
        """도움말이나 진단을 열었다 오면 그사이에 그만둔 것을 다시 잰다."""
        super().on_screen_resume()
        if not self._estimated:
            begin(self, self._describe, "describe")
            begin(self, self._measure, "measure")

    async def _describe(self) -> None:
        try:
            target = await asyncio.to_thread(bridge.resolve_storage, self.draft.storage, self.draft)
            storage = readable(target.masked)
        except ProblemError as error:
            storage = error.problem.title
        self.query_one("#review-storage", Static).update(plain(storage))

    async def _measure(self) -> None:
        """시행을 조금 돌려 걸릴 시간을 어림한다. 재지 못하면 지난 실행의 속도로."""
        draft, measured = self.draft, list[Measured]()
        cells = len(bridge.parse_grid(draft.grid))
        try:
            async for item in measure_trials(draft):
                measured.append(item)
                self._estimate(
                    ko.REVIEW_MEASURED_PART.format(done=len(measured), total=cells)
                    if len(measured) < cells
                    else self._measured_text(measured)
                )
        except ProblemError as error:
            runs = await asyncio.to_thread(list_runs, bridge.studies_dir())
            seconds = past_seconds(runs, draft.symbol, cells, draft.n_trials, _at_once(draft))
            reason = ko.REVIEW_UNMEASURED.format(reason=error.problem.title)
            past = ko.REVIEW_ESTIMATE_VALUE.format(time=_duration(seconds or 0))
            self._estimate(reason if seconds is None else past)
        self._estimated = True

    def _measured_text(self, measured: list[Measured]) -> str:
        seconds = expected_seconds(measured, self.draft.n_trials, _at_once(self.draft))
        each = sum(item.ms for item in measured) / len(measured)
        return ko.REVIEW_MEASURED.format(time=_duration(seconds), ms=each)

    def _estimate(self, text: str) -> None:
        self.query_one("#review-estimate", Static).update(plain(text))

    def action_copy_command(self) -> None:
        """명령을 클립보드에."""
        command = bridge.shown_command(self.draft)
        self.app.copy_to_clipboard(command)
        self.wizard.toast(ko.REVIEW_COPIED_MASKED if "***" in command else ko.REVIEW_COPIED)

    def accept(self) -> None:
        """한 번만 시작한다."""
        if not self._starting:
            self._starting = True
            self.query_one("#review-state", Static).update(ko.REVIEW_STARTING)
            # 화면을 떠나도 시작은 끝까지 한다.
            self.app.run_worker(self._start(), group="start-run")

    async def _start(self) -> None:
        try:
            started = await asyncio.to_thread(bridge.start_run, self.draft)
        except ProblemError as error:
            self._starting = False
            if self in self.app.screen_stack:
                self.query_one("#review-state", Static).update(ko.REVIEW_EXISTING)
            self.wizard.show_problem(error.problem)
            return
        self.wizard.update_settings(self.wizard.settings.with_recent(self.draft.picked))
        self.wizard.finish_draft()
        self.wizard.open_run(started.run_dir)


def _rows(draft: Draft) -> list[tuple[str, str, str]]:
    """(이름, 값, class)."""
    cells = len(bridge.parse_grid(draft.grid))
    together = str(draft.dataset_jobs) if draft.dataset_jobs else ko.REVIEW_ALL_CELLS
    symbol = f"{draft.symbol}  ({common.DEMO})" if draft.is_demo else draft.symbol
    seed = ko.REVIEW_NO_SEED if draft.seed is None else str(draft.seed)
    strategy = ko.STRATEGY_NAMES.get(draft.strategy)
    trials = ko.REVIEW_TRIALS_VALUE.format(
        cells=cells,
        trials=draft.n_trials,
        sampler=ko.SAMPLER_NAMES.get(draft.sampler, draft.sampler),
        seed=seed,
    )
    narrowed = ", ".join(pair[1].split(".", 2)[2] for pair in bridge.space_pairs(draft.space))
    validation = describe_validation(draft.validation) if draft.validation else ""
    period = shown_period(draft.start, draft.end)
    label, body = ko.REVIEW_PERIOD
    doubted = draft.executor == "dask" and not draft.cluster_workers
    return [
        (ko.REVIEW_SYMBOL, symbol, "strong"),
        (ko.REVIEW_DATA, draft.data_note, "warn" if draft.is_demo else ""),
        *([(label, body.format(period=period), "")] if draft.start or draft.end else []),
        (ko.REVIEW_GRID, draft.grid.replace(",", ", "), ""),
        (ko.REVIEW_STRATEGY, f"{strategy} ({draft.strategy})" if strategy else draft.strategy, ""),
        *([(ko.REVIEW_SPACE, narrowed, "")] if narrowed else []),
        *([(ko.STUDY_NAME[0], draft.study_name, "")] if draft.study_name else []),
        (ko.REVIEW_TRIALS, trials, ""),
        *([(ko.REVIEW_VALIDATION, validation, "")] if validation else []),
        (ko.REVIEW_PARALLEL, _workforce(draft, together), "warn" if doubted else ""),
    ]


def _workforce(draft: Draft, together: str) -> str:
    """어디서 몇 개로 도는지."""
    unknown = draft.executor == "dask" and draft.n_jobs == -1 and not draft.cluster_workers
    words = ko.REVIEW_JOBS_ALL if unknown else ko.REVIEW_JOBS_COUNT
    jobs = ko.REVIEW_JOBS.format(jobs=words.format(jobs=_jobs(draft)), cells=together)
    if draft.executor != "dask":
        return jobs
    known = ko.REVIEW_CLUSTER if draft.cluster_workers else ko.REVIEW_CLUSTER_UNKNOWN
    cluster = known.format(scheduler=draft.scheduler, n=draft.cluster_workers)
    return f"{cluster}, {jobs}"


def _most(draft: Draft) -> int:
    """정말로 함께 셈할 수 있는 시행의 수."""
    return bridge.cores() if draft.executor == "local" else draft.cluster_workers or 1


def _jobs(draft: Draft) -> int:
    """띄우는 작업의 수."""
    return _most(draft) if draft.n_jobs == -1 else draft.n_jobs


def _at_once(draft: Draft) -> int:
    """함께 도는 시행의 수: 코어보다 작업이 많다고 빨라지지 않는다."""
    return min(_jobs(draft), _most(draft))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return ko.SECONDS.format(n=max(1, round(seconds)))
    if seconds < 5400:
        return ko.MINUTES.format(n=round(seconds / 60))
    return ko.HOURS.format(n=seconds / 3600)


def _row(label: str, value: Static) -> Horizontal:
    return Horizontal(Label(label, classes="field-label"), value, classes="review-row")
