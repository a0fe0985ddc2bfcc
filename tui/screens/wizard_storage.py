"""3단계: 저장소. 고르는 동안 연결을 시험해 보인다."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from tui import bridge
from tui.cells import plain_lines
from tui.commands import Command
from tui.draft import STORAGE_KINDS, Draft, StorageChoice, StorageKind
from tui.problem import ProblemError
from tui.screens.base import begin
from tui.screens.wizard_base import BACK, FIELD_MOVES, NEXT, StepScreen
from tui.storage_test import TestResult, readable, run_test
from tui.text import wizard as ko
from tui.widgets.fields import TextField
from tui.widgets.row_table import Column, Row, RowTable

_IDLE = TestResult("idle")
_TONES = {"ok": "good", "failed": "bad", "testing": "", "starting": ""}
_FIX_LINES = 3
_URL_FIELDS = (
    ("host", ko.FIELD_HOST, "127.0.0.1"),
    ("port", ko.FIELD_PORT, "5432"),
    ("database", ko.FIELD_DATABASE, "optuna"),
    ("user", ko.FIELD_USER, "postgres"),
    ("password", ko.FIELD_PASSWORD, ""),
)


class StorageScreen(StepScreen):
    """위 표에서 고르고 아래 칸에 적는다. 시험은 한 번에 하나만 돈다."""

    INDEX = 2
    QUESTION = ko.STORAGE_QUESTION
    HELP_TEXT = ko.STORAGE_HELP
    COMMAND_LIST = (NEXT, BACK, Command("storage.retest", "f5", "retest", *ko.RETEST), *FIELD_MOVES)

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._results: dict[StorageKind, TestResult] = {}
        self._auto_label = ""
        self._auto_place = ""
        self._embedded = ""
        self._touched = False
        self._waiting = False
        self._notice = ""
        self._host_cells = 0

    def compose_step(self) -> ComposeResult:
        titles = ko.STORAGE_COLUMNS
        yield RowTable(
            [Column(titles[0], 24), Column(titles[1], 0, min_width=16), Column(titles[2], 9)],
            id="storages",
        )
        with Horizontal(classes="field-row", id="env-fields"):
            yield Label(ko.ENV_NAME, classes="field-label")
            yield TextField(self.draft.storage.env_name, id="env-name", restrict=r"[A-Za-z0-9_]*")
            yield Label(ko.ENV_HINT, classes="field-hint")
        with Vertical(id="url-fields"):
            given = bridge.split_url(self.draft.storage.url) or {}
            for name, label, default in _URL_FIELDS:
                with Horizontal(classes="field-row"):
                    yield Label(label, classes="field-label")
                    yield TextField(
                        given.get(name, default), password=name == "password", id=f"url-{name}"
                    )
                    if name == "host":
                        yield Label(ko.URL_HINT, classes="field-hint")
                    elif name == "password":
                        yield Label(ko.PASSWORD_HINT, classes="field-hint")
        with Vertical(classes="panel", id="test"):
            yield Static("", id="test-notice", classes="warn", markup=False)
            yield Static("", id="test-line", markup=False)
            yield Static("", id="test-detail", markup=False)
            yield Static("", id="test-fix", classes="muted", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self._show_rows(self.draft.storage.kind)
        self.query_one(RowTable).focus()
        begin(self, self._look_around, "look")

    async def _look_around(self) -> None:
        """이 컴퓨터의 형편을 보고 처음 고를 것을 정한다."""
        self._embedded = await asyncio.to_thread(bridge.embedded_state)
        try:
            target = await asyncio.to_thread(bridge.resolve_storage, StorageChoice(), self.draft)
        except ProblemError:
            self._auto_label = ko.STORAGE_AUTO["pointer"]
        else:
            label = ko.STORAGE_AUTO.get(target.rule, ko.STORAGE_AUTO["default"])
            self._auto_label = label.format(env=target.env_name)
            self._auto_place = readable(target.masked)
        undecided = not self._touched and self.draft.storage.kind == "auto"
        by_pointer = self._auto_label == ko.STORAGE_AUTO["pointer"]
        if (
            undecided
            and by_pointer
            and await asyncio.to_thread(bridge.pointer_is_embedded, self.draft)
        ):
            self._show_rows("embedded")
        self._show_rows()
        self._schedule(0)

    # ── 표

    @property
    def kind(self) -> StorageKind:
        """지금 고른 종류."""
        row = self.query_one(RowTable).current
        return next((kind for kind in STORAGE_KINDS if row and row.key == kind), "auto")

    @property
    def storage_choice(self) -> StorageChoice:
        """지금 고르고 적은 저장소(진단도 이것을 본다)."""
        choice = replace(self.draft.storage, kind=self.kind)
        if self.kind == "env":
            return replace(choice, env_name=self._text("env-name"))
        if self.kind == "url":
            parts = [self._text(f"url-{name}") for name, _, _ in _URL_FIELDS]
            return replace(choice, url=bridge.storage_url(*parts))
        return choice

    def _text(self, name: str) -> str:
        value = self.query_one(f"#{name}", TextField).value
        return value if name == "url-password" else value.strip()

    def _show_rows(self, key: StorageKind | None = None) -> None:
        places = {
            "auto": self._auto_place,
            "env": ko.STORAGE_ENV_PLACE,
            "url": ko.STORAGE_URL_PLACE,
            "embedded": ko.EMBEDDED_PLACE.get(self._embedded, ""),
            "sqlite": ko.STORAGE_SQLITE_PLACE,
        }
        names = {
            "auto": self._auto_label or ko.STORAGE_AUTO["default"],
            "env": ko.STORAGE_ENV,
            "url": ko.STORAGE_URL,
            "embedded": ko.STORAGE_EMBEDDED,
            "sqlite": ko.STORAGE_SQLITE,
        }
        rows = []
        for kind in STORAGE_KINDS:
            state = self._result(kind).state
            word = ko.STORAGE_STATES.get(state, "")
            tones = ("", "muted", _TONES.get(state, ""))
            rows.append(Row(kind, (names[kind], places[kind], word), tones))
        table = self.query_one(RowTable)
        with self.prevent(RowTable.Highlighted):
            table.set_rows(rows, key=key)
        self._show_fields()

    def _show_fields(self) -> None:
        self.query_one("#env-fields").display = self.kind == "env"
        self.query_one("#url-fields").display = self.kind == "url"

    def _result(self, kind: StorageKind) -> TestResult:
        return self._results.get(kind, _IDLE)

    def on_row_table_highlighted(self) -> None:
        self._touched = True
        self._waiting = False
        self._notice = ""
        self._show_fields()
        self._schedule()

    def on_row_table_clicked(self) -> None:
        self.action_next()

    def on_input_changed(self, event: Input.Changed) -> None:
        if not self.is_mounted or not self._auto_label:
            return
        self._touched = True
        self._results.pop(self.kind, None)
        if event.input.id == "url-host":
            pasted = len(event.value) - self._host_cells > 1
            self._host_cells = len(event.value)
            if pasted:
                self._spread()
        self._schedule()

    def on_input_blurred(self, event: Input.Blurred) -> None:
        if event.input.id == "url-host":
            self._spread()

    @property
    def _is_unfinished(self) -> bool:
        """서버 칸에 URL을 손으로 적고 있는가(아직 칸마다 나누지 않았다)."""
        return self.kind == "url" and "://" in self._text("url-host")

    def _spread(self) -> None:
        """서버 칸의 URL을 칸마다 나누어 채운다. URL이 아니면 그대로 둔다."""
        parts = bridge.split_url(self._text("url-host"))
        if parts is None:
            return
        with self.prevent(Input.Changed):
            for name, value in parts.items():
                self.query_one(f"#url-{name}", TextField).value = value
        self._host_cells = len(parts["host"])
        self._results.pop("url", None)
        self._schedule()

    # ── 시험

    def _schedule(self, delay: float | None = None) -> None:
        """지금 고른 것을 잠시 뒤에 시험한다. 앞의 시험은 취소된다."""
        kind = self.kind
        # 도중에 그만둔 시험은 하지 않은 것이다: 다시 고르면 다시 시험한다.
        for other in STORAGE_KINDS:
            if other != kind and self._result(other).state == "testing":
                self._results.pop(other)
        if kind == "embedded" and self._embedded != "running":
            self.workers.cancel_group(self, "test")
        elif self._is_unfinished:
            self.workers.cancel_group(self, "test")
            self._results[kind] = TestResult("incomplete", lines=(ko.URL_UNFINISHED,))
        elif kind == "url" and not bridge.is_port(self._text("url-port")):
            self.workers.cancel_group(self, "test")
            self._results[kind] = TestResult("failed", cause=ko.BAD_PORT)
        elif self._result(kind).state not in ("ok", "failed"):
            self._results[kind] = TestResult("testing")
            if delay is None:
                self.debounce(partial(self._test, kind))
            else:
                self.debounce(partial(self._test, kind), delay)
        self._show_rows()
        self._show_result()

    async def _test(self, kind: StorageKind) -> None:
        result = await run_test(self.storage_choice, self.draft)
        self._results[kind] = result
        if kind == "auto" and result.state == "failed" and not self._touched:
            self._fall_back(result)
        self._show_rows()
        self._show_result()
        if self._waiting and kind == self.kind:
            self._waiting = False
            if result.state == "ok":
                self.accept()

    def _fall_back(self, failed: TestResult) -> None:
        """기본 PostgreSQL이 없으면 쓸 수 있는 것을 고르고 그렇게 알린다. 정해 둔 저장소는 바꾸지 않는다."""
        if failed.target is None or failed.target.rule != "default":
            return
        usable = self._embedded in ("running", "stopped", "absent")
        self._notice = ko.FALLBACK_EMBEDDED if usable else ko.FALLBACK_SQLITE
        self._waiting = False
        self._show_rows("embedded" if usable else "sqlite")
        self._schedule(0)

    def _show_result(self) -> None:
        kind = self.kind
        result = self._result(kind)
        cause, fix, tone = result.cause, result.fix, _TONES.get(result.state, "")
        word = ko.STORAGE_STATES.get(result.state, "")
        lines = list(result.lines)
        if kind == "embedded" and result.state == "idle":
            lines = [ko.EMBEDDED_PLACE.get(self._embedded, "")]
        elif result.state == "starting":
            lines = [ko.EMBEDDED_STARTING]
        elif self._waiting and result.state == "testing":
            lines = [ko.TEST_WAIT]
        why = self._result("auto").cause
        notice = f"{self._notice}\n{ko.TEST_CAUSE.format(text=why)}" if why else self._notice
        self._set("test-notice", notice if self._notice else "")
        head = f"{ko.TEST_TITLE}  {word}" if word else ko.TEST_TITLE
        self._set("test-line", "  ".join([head, *lines[:1]]))
        self.query_one("#test-line", Static).set_classes(tone)
        body = lines[1:]
        body += [ko.TEST_CAUSE.format(text=cause)] if cause else []
        if kind == "auto" and result.target is not None:
            body.append(ko.STORAGE_RULE.format(rule=result.target.rule_ko))
        if kind == "sqlite" and result.state == "ok":
            body.append(ko.SQLITE_NOTE)
        self._set("test-detail", "\n".join(body))
        # 길은 여럿일 수 있다: 모두는 진단(F9)이 보인다.
        short = "\n".join(fix.splitlines()[:_FIX_LINES])
        remedy = f"{ko.TEST_FIX.format(text=short)}\n{ko.TEST_MORE}" if fix else ""
        self._set("test-fix", remedy)

    def _set(self, name: str, text: str) -> None:
        widget = self.query_one(f"#{name}", Static)
        widget.update(plain_lines(text))
        widget.display = bool(text)

    def action_retest(self) -> None:
        """지금 고른 것을 다시 시험한다."""
        self._results.pop(self.kind, None)
        self._schedule(0)

    # ── 다음

    def keep(self) -> str:
        """스스로 고른 것만 적는다: 그대로 두었으면 돌아왔을 때 다시 살펴 고른다."""
        if self._touched:
            self.draft.storage = self.storage_choice
        return ""

    def accept(self) -> None:
        """시험이 끝난 저장소만 받는다. 내장 서버가 꺼져 있으면 켜고 간다."""
        if self._is_unfinished:
            self._spread()
        kind, result = self.kind, self._result(self.kind)
        if result.state == "ok":
            self.draft.storage = self.storage_choice
            from tui.screens.wizard_parallel import ParallelScreen

            self.app.push_screen(ParallelScreen(self.draft))
        elif kind == "embedded" and self._embedded in ("stopped", "absent"):
            if result.state != "starting":
                begin(self, self._start_embedded, "start")
        elif result.state == "testing" or not self._auto_label:
            self._waiting = True
            self._show_result()
        else:
            self.wizard.toast(ko.STORAGE_NOT_READY, severity="warning")

    async def _start_embedded(self) -> None:
        self._results["embedded"] = TestResult("starting")
        self._show_rows()
        self._show_result()
        try:
            await asyncio.to_thread(bridge.start_embedded)
        except ProblemError as error:
            problem = error.problem
            self._results["embedded"] = TestResult(
                "failed", None, (), f"{problem.title}. {problem.cause}", problem.fix
            )
            self._show_rows()
            self._show_result()
            return
        self._embedded = "running"
        self._results.pop("embedded", None)
        if self.kind == "embedded":
            self._waiting = True
            self._schedule(0)
