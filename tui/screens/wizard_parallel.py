"""4단계: 전략, 시행 수, 병렬. 이 컴퓨터와 서버에 맞는지 미리 본다."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from functools import partial
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from tui import bridge, bridge_studies
from tui.bridge_validation import describe_validation
from tui.cells import plain, plain_lines
from tui.commands import Command
from tui.draft import Draft
from tui.previews import cluster_hosts
from tui.problem import ProblemError
from tui.screens.base import begin
from tui.screens.wizard_base import BACK, FIELD_MOVES, NEXT, StepScreen
from tui.storage_test import readable
from tui.text import wizard as ko
from tui.widgets.fields import Choice, TextField

# 작업자 하나(Python, numba, 커널의 작업 공간)와 coordinator의 대략의 메모리. 캔들은 나누어 쓴다.
_WORKER_BYTES = 220 * 2**20
_COORDINATOR_BYTES = 300 * 2**20
# 글 칸 → (이름표, 가장 작은 값, 가장 큰 값).
_NUMBERS = {
    "n-trials": (ko.N_TRIALS[0], 1, 10_000_000),
    "n-jobs": (ko.N_JOBS[0], -1, 4096),
    "dataset-jobs": (ko.DATASET_JOBS[0], 0, 4096),
    "seed": (ko.SEED[0], 0, 2**32 - 1),
}
_TONES = {"ok": "good", "warn": "warn", "fail": "bad", "unknown": "muted"}


class ParallelScreen(StepScreen):
    """칸을 고칠 때마다 미리 보기가 바뀐다."""

    INDEX = 3
    QUESTION = ko.PARALLEL_QUESTION
    HELP_TEXT = ko.PARALLEL_HELP
    COMMAND_LIST = (
        NEXT,
        BACK,
        Command("parallel.space", "f6", "open_space", *ko.OPEN_SPACE),
        Command("parallel.validation", "f7", "open_validation", *ko.OPEN_VALIDATION),
        *FIELD_MOVES,
    )

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._server: tuple[str, str] = ("", "")

    def compose_step(self) -> ComposeResult:
        draft = self.draft
        strategies = dict.fromkeys((*bridge.strategies(), draft.strategy))
        names = {name: ko.STRATEGY_NAMES.get(name, name) for name in strategies}
        yield from _row(
            ko.STRATEGY, Choice(names, draft.strategy, id="strategy"), hint_id="strategy-hint"
        )
        yield from _row(ko.N_TRIALS, _number(str(draft.n_trials), "n-trials"))
        yield from _row(
            ko.SAMPLER,
            Choice(
                {name: ko.SAMPLER_NAMES.get(name, name) for name in bridge.samplers()},
                draft.sampler,
                id="sampler",
            ),
        )
        if draft.validation:
            method = str(draft.validation["method"])
            choice = Choice(ko.VALIDATION_METHODS, method, id="validation")
            yield from _row(ko.VALIDATION, choice, hint_id="validation-hint")
        jobs_hint = ko.N_JOBS[1].format(cores=bridge.cores())
        yield from _row((ko.N_JOBS[0], jobs_hint), _number(str(draft.n_jobs), "n-jobs"))
        yield from _row(ko.DATASET_JOBS, _number(str(draft.dataset_jobs), "dataset-jobs"))
        yield from _row(ko.SEED, _number("" if draft.seed is None else str(draft.seed), "seed"))
        yield from _row(ko.STUDY_NAME, TextField(draft.study_name, id="study-name"))
        yield from _row(ko.EXECUTOR, Choice(ko.EXECUTOR_NAMES, draft.executor, id="executor"))
        with Vertical(id="scheduler-row", classes="fields"):
            yield from _row(ko.SCHEDULER, TextField(draft.scheduler, id="scheduler"))
        with Vertical(classes="panel", id="preflight"):
            yield Static(ko.PREFLIGHT_TITLE, classes="section-title")
            for name in ("total", "cores", "memory", "cluster", "server"):
                yield Static("", id=f"preflight-{name}", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#n-trials").focus()
        self._show_scheduler()
        self._preflight()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "scheduler":
            self._ask_cluster()
        self._preflight()

    # ── 탐색 공간

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self._hint_space()
        self._hint_validation()
        # 다른 화면에 다녀오는 사이에 그만둔 것을 다시 묻는다.
        if not self._server[1]:
            begin(self, self._ask_server, "server")
        if not self.draft.cluster_workers:
            self._ask_cluster(0)

    def on_choice_changed(self, event: Choice.Changed) -> None:
        if event.choice.id == "strategy":
            self.draft.strategy = event.value
            self._hint_space()
        elif event.choice.id == "validation":
            self.draft.validation["method"] = event.value
            self._hint_validation()
            self._preflight()
        elif event.choice.id == "executor":
            self._show_scheduler()
            self._ask_cluster()
            self._preflight()

    def _hint_space(self) -> None:
        count = len(self.draft.space)
        text = ko.STRATEGY_NARROWED.format(count=count) if count else ko.STRATEGY[1]
        self.query_one("#strategy-hint", Label).update(text)

    def action_open_space(self) -> None:
        """고른 전략의 탐색 공간을 연다."""
        from tui.screens.wizard_space import SpaceScreen

        self.app.push_screen(SpaceScreen(self.draft))

    # ── 검증

    def _hint_validation(self) -> None:
        """검증을 한 줄로. 설정의 수가 고른 방법에 맞지 않으면 까닭을 말한다(F7에서 고친다)."""
        if not self.draft.validation:
            return
        hint = self.query_one("#validation-hint", Label)
        try:
            text = describe_validation(self.draft.validation).partition(", ")[2]
        except ProblemError as error:
            text = error.problem.title
            hint.add_class("bad")
        else:
            hint.remove_class("bad")
        hint.update(plain(ko.VALIDATION_HINT.format(text=text) if text else ko.VALIDATION[1]))

    def action_open_validation(self) -> None:
        """검증의 방법과 수를 고르는 창."""
        from tui.screens.validation_edit import ValidationEdit

        if self.draft.validation:
            self.app.push_screen(ValidationEdit(self.draft.validation), self._set_validation)

    def _set_validation(self, values: dict[str, Any] | None) -> None:
        if values is not None:
            self.draft.validation = values
            self.query_one("#validation", Choice).value = str(values["method"])
            self._hint_validation()
            self._preflight()

    # ── 클러스터

    @property
    def _scheduler(self) -> str:
        """dask scheduler의 주소. 이 컴퓨터에서 돌면 빈 글."""
        is_dask = self.query_one("#executor", Choice).value == "dask"
        return self.query_one("#scheduler", TextField).value.strip() if is_dask else ""

    def _show_scheduler(self) -> None:
        is_dask = self.query_one("#executor", Choice).value == "dask"
        self.query_one("#scheduler-row").display = is_dask
        for name in ("cores", "memory"):
            self.query_one(f"#preflight-{name}").display = not is_dask

    def _ask_cluster(self, delay: float | None = None) -> None:
        """잠시 뒤에 클러스터를 본다. 앞의 것은 취소된다(자식도 끝난다)."""
        self.draft.cluster_workers = 0
        address = self._scheduler
        self._line("cluster", "", ko.CLUSTER_TESTING if address else "")
        self.query_one("#preflight-cluster").display = bool(address)
        if not address:
            self.workers.cancel_group(self, "test")
        elif delay is None:
            self.debounce(partial(self._check_cluster, address))
        else:
            self.debounce(partial(self._check_cluster, address), delay)

    async def _check_cluster(self, address: str) -> None:
        try:
            hosts = await cluster_hosts(address)
        except ProblemError as error:
            problem = error.problem
            cause, fix = (text.partition("\n")[0] for text in (problem.cause, problem.fix))
            lines = [f"{problem.title}. {cause}" if cause else problem.title]
            lines += [ko.TEST_FIX.format(text=fix)] if fix else []
            self._line("cluster", "bad", "\n".join(lines))
            return
        self.draft.cluster_workers = sum(hosts.values())
        each = ", ".join(ko.CLUSTER_HOST.format(host=h, n=n) for h, n in sorted(hosts.items()))
        text = ko.CLUSTER_OK.format(n=self.draft.cluster_workers, hosts=each)
        self._line("cluster", "good", plain(text))

    # ── 미리 보기

    async def _ask_server(self) -> None:
        """서버에 남은 연결을 묻는다. SQLite이면 물을 것이 없다."""
        try:
            target = bridge.resolve_storage(self.draft.storage, self.draft)
            if target.backend == "sqlite":
                self._server = ("ok", ko.PREFLIGHT_SQLITE)
            else:
                async with aclosing(bridge.check_storage(target, quick=False)) as steps:
                    async for step in steps:
                        if step.get("name") == "capacity":
                            text = str(step.get("detail_ko") or step.get("cause_ko"))
                            self._server = (str(step.get("status")), readable(text))
        except ProblemError as error:
            self._server = ("fail", error.problem.title)
        self._preflight()

    def _preflight(self) -> None:
        if not self.is_mounted:
            return
        found, problems = self._read()
        # 주소는 지금 적고 있는 것일 수 있다: 다음으로 갈 때 묻는다.
        problems.pop("scheduler", None)
        if problems:
            self._line("total", "bad", next(iter(problems.values())))
            return
        trials, jobs = found["n-trials"] or 0, _all_jobs(found["n-jobs"] or 1)
        cells = len(bridge.parse_grid(self.draft.grid))
        total = ko.PREFLIGHT_TOTAL.format(cells=cells, trials=trials, total=cells * trials)
        self._line("total", "", total)
        cores = bridge.cores()
        self._judged(
            "cores",
            "ok" if jobs <= cores else "warn",
            ko.PREFLIGHT_CORES.format(cores=cores, jobs=jobs),
        )
        need, (free, _) = jobs * _WORKER_BYTES + _COORDINATOR_BYTES, bridge.memory_bytes()
        self._judged(
            "memory",
            "unknown" if not free else "ok" if need < free else "warn",
            ko.PREFLIGHT_MEMORY.format(need=_gib(need), free=_gib(free)),
        )
        status, text = self._server
        if text:
            self._judged("server", status, text)

    def _judged(self, name: str, status: str, text: str) -> None:
        word = ko.PREFLIGHT_WORDS.get(status, ko.PREFLIGHT_WORDS["unknown"])
        self._line(name, _TONES.get(status, ""), f"{word}  {text}")

    def _line(self, name: str, tone: str, text: str) -> None:
        line = self.query_one(f"#preflight-{name}", Static)
        line.set_classes(tone)
        line.update(plain_lines(text))

    # ── 읽기

    def _read(self) -> tuple[dict[str, int | None], dict[str, str]]:
        """(칸마다의 수, 칸마다의 틀린 까닭). 빈 seed는 None이다."""
        found: dict[str, int | None] = {}
        problems: dict[str, str] = {}
        for name, (label, low, high) in _NUMBERS.items():
            text = self.query_one(f"#{name}", TextField).value.strip()
            if name == "seed" and not text:
                found[name] = None
                continue
            try:
                value = int(text)
            except ValueError:
                problems[name] = ko.BAD_INT.format(label=label)
                continue
            if name == "n-jobs" and value == 0:
                problems[name] = ko.BAD_JOBS
            elif not low <= value <= high:
                problems[name] = ko.BAD_RANGE.format(label=label, low=low, high=high)
            else:
                found[name] = value
        name = self._study_name
        if name and (problem := bridge_studies.name_problem(name)):
            problems["study-name"] = problem
        if self.query_one("#executor", Choice).value == "dask" and not self._scheduler:
            problems["scheduler"] = ko.BAD_SCHEDULER
        try:
            if self.draft.validation:
                describe_validation(self.draft.validation)
        except ProblemError as error:
            problems["validation"] = error.problem.title
        return found, problems

    @property
    def _study_name(self) -> str:
        return self.query_one("#study-name", TextField).value.strip()

    def keep(self) -> str:
        """바른 칸을 모두 적는다. 틀린 칸이 있으면 첫 칸으로 가고 까닭을 준다."""
        found, problems = self._read()
        draft = self.draft
        for name, value in found.items():
            setattr(draft, name.replace("-", "_"), value)
        draft.study_name = self._study_name
        draft.sampler = self.query_one("#sampler", Choice).value
        draft.executor = self.query_one("#executor", Choice).value
        draft.scheduler = self.query_one("#scheduler", TextField).value.strip()
        for name, problem in problems.items():
            self.query_one(f"#{name}").focus()
            return problem
        return ""

    def accept(self) -> None:
        """모든 칸이 맞아야 다음으로 간다."""
        problem = self.keep()
        if problem:
            self.wizard.toast(problem, severity="warning")
            return
        from tui.screens.wizard_review import ReviewScreen

        self.app.push_screen(ReviewScreen(self.draft))


def _all_jobs(jobs: int) -> int:
    """함께 도는 작업의 수. -1은 모든 코어다."""
    return bridge.cores() if jobs == -1 else jobs


def _row(
    texts: tuple[str, str], field: TextField | Choice, hint_id: str | None = None
) -> Iterable[Horizontal]:
    label, hint = texts
    yield Horizontal(
        Label(label, classes="field-label"),
        field,
        Label(hint, classes="field-hint", id=hint_id),
        classes="field-row",
    )


def _number(value: str, name: str) -> TextField:
    return TextField(value, restrict=r"-?[0-9]*", max_length=10, id=name)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GB"
