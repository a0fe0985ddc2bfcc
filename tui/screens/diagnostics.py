"""진단 화면: 저장소 점검의 단계가 끝나는 대로 보이고, 한 걸음 해결을 글쇠 하나로 한다."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui import bridge, bridge_studies
from tui.cells import plain, wrap
from tui.commands import Command
from tui.draft import StorageChoice
from tui.problem import ProblemError
from tui.screens.base import BACK, BaseScreen
from tui.storage_test import readable
from tui.text import common
from tui.text import diagnostics as ko
from tui.widgets.row_table import Column, Row, RowTable

# '원인: '의 칸 수.
_INDENT = 6
_TONES = {"ok": "good", "warn": "warn", "fail": "bad", "skip": "muted"}


@dataclass(frozen=True, slots=True)
class Step:
    """점검의 한 단계. status: ok | warn | fail | skip."""

    name: str
    title: str
    status: str
    ms: float
    detail: str
    cause: str
    fix: str
    remedy: str


class DiagnosticsScreen(BaseScreen[None]):
    """저장소 하나의 점검.

    masked: 보던 스터디의 가린 저장소. 비었으면 choice를, 그것도 None이면 설정이 정하는 저장소를 본다.
    """

    PATH = ko.PATH
    HELP_TEXT = ko.HELP
    COMMAND_LIST = (
        Command("diagnostics.rerun", "f5,r", "rerun", *ko.RERUN),
        Command("diagnostics.remedy", "f6", "remedy", *ko.REMEDY),
        Command("diagnostics.copy", "c", "copy_report", *ko.COPY_REPORT),
        BACK,
        Command("diagnostics.close", "q", "back", *common.BACK, in_footer=False, in_palette=False),
    )

    def __init__(self, choice: StorageChoice | None, masked: str = "") -> None:
        super().__init__()
        self.storage_choice, self.storage_masked = choice, masked
        self.steps: list[Step] = []
        self._storage = ""
        self._verdict = ko.RUNNING
        self._tone = ""

    def compose_body(self) -> ComposeResult:
        yield Static(id="check-storage", classes="muted")
        yield Static(id="check-verdict", classes="question")
        titles = ko.COLUMNS
        yield RowTable(
            [
                Column(titles[0], 26),
                Column(titles[1], 8),
                Column(titles[2], 8, "right"),
                Column(titles[3], 0, min_width=16),
            ],
            empty=ko.EMPTY,
            id="steps",
        )
        with VerticalScroll(id="check-detail", classes="panel"):
            yield Static(id="check-detail-text")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(RowTable).focus()
        self.action_rerun()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self.call_after_refresh(self._show_detail)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """고칠 것이 있을 때만 고치기를 보인다."""
        return action != "remedy" or any(step.remedy in ko.REMEDIES for step in self.steps)

    # ── 점검

    def action_rerun(self) -> None:
        """처음부터 다시 점검한다. 하던 점검은 그만둔다."""
        self.run_worker(self._check(""), exclusive=True, group="check")

    async def _check(self, remedy: str) -> None:
        self.steps = []
        name = ko.REMEDIES[remedy][0] if remedy else ""
        self._say(ko.REMEDY_RUNNING.format(name=name) if remedy else ko.RUNNING, "")
        try:
            target = await asyncio.to_thread(self._target)
        except ProblemError as error:
            problem = error.problem
            self.steps = [
                Step("url", problem.title, "fail", 0.0, "", problem.cause, problem.fix, "")
            ]
            self._say(problem.title, "bad")
            return
        kind = self.storage_choice.kind if self.storage_choice and not self.storage_masked else ""
        rule = ko.CHOSEN_RULES.get(kind) or readable(target.rule_ko)
        self._storage = ko.RULE.format(url=target.masked, rule=rule) if rule else target.masked
        checks = bridge.check_storage(target, quick=False, remedy=remedy)
        finished = False
        async with aclosing(checks) as items:
            async for item in items:
                if item.get("type") == "step":
                    self.steps.append(_step(item))
                    self._say(self._verdict, self._tone)
                elif item.get("type") == "result":
                    finished = True
                    self._conclude(str(item.get("cause_ko", "")), remedy)
                    if name and self.steps:
                        self.wizard.toast(ko.REMEDY_DONE.format(name=name))
        if not finished:
            self._say(ko.BROKEN, "bad")

    def _target(self) -> bridge.StorageTarget:
        """점검할 저장소. 정하지 못하면 ProblemError. SQLAlchemy를 부를 수 있어 다른 thread에서 돈다."""
        if not self.storage_masked:
            return bridge.resolve_storage(self.storage_choice)
        backend = "sqlite" if self.storage_masked.startswith("sqlite") else "postgresql"
        url = bridge_studies.stored_url(self.storage_masked)
        return bridge.StorageTarget(backend, "study", ko.STUDY_RULE, self.storage_masked, url)

    def _conclude(self, cause: str, remedy: str) -> None:
        failed = next((step for step in self.steps if step.status == "fail"), None)
        warned = sum(step.status == "warn" for step in self.steps)
        if failed is not None and remedy == "start_embedded":
            # 점검한 주소의 서버가 아니라 다른 포트의 서버가 켜졌다.
            self._say(ko.STARTED_ELSEWHERE, "warn")
            self.query_one(RowTable).select_key(failed.name)
        elif failed is not None:
            self._say(ko.FAILED.format(step=failed.title), "bad")
            self.query_one(RowTable).select_key(failed.name)
        elif not self.steps:
            self._say(cause or ko.BROKEN, "bad")
        elif warned:
            self._say(ko.SOME_WARN.format(n=warned), "warn")
        else:
            self._say(ko.ALL_OK, "good")

    # ── 보이기

    def _say(self, verdict: str, tone: str) -> None:
        self._verdict, self._tone = verdict, tone
        line = self.query_one("#check-verdict", Static)
        for name in ("good", "warn", "bad"):
            line.set_class(name == tone, name)
        line.update(Text(plain(verdict)))
        self.refresh_bindings()
        self.query_one("#check-storage", Static).update(Text(plain(self._storage)))
        self.query_one(RowTable).set_rows([_row(step) for step in self.steps])
        self._show_detail()

    def on_row_table_highlighted(self) -> None:
        self._show_detail()

    @property
    def _current(self) -> Step | None:
        row = self.query_one(RowTable).current
        return next((step for step in self.steps if row and step.name == row.key), None)

    def _show_detail(self) -> None:
        step = self._current
        panel = self.query_one("#check-detail")
        panel.display = step is not None
        if step is None:
            return
        text = Text()
        title = f"{plain(step.title)}: {ko.STATUS.get(step.status, step.status)}"
        if step.remedy in ko.REMEDIES:
            # 해결이 길어도 가려지지 않게 맨 위에.
            title += f"   {ko.REMEDY_HINT.format(name=ko.REMEDIES[step.remedy][0])}"
        text.append(f"{title}\n", "bold")
        if step.detail:
            text.append(f"{plain(readable(step.detail))}\n")
        for label, body in ((common.ERROR_CAUSE, step.cause), (common.ERROR_FIX, step.fix)):
            room = max(20, panel.content_size.width - _INDENT)
            lines = [
                part for line in body.splitlines() for part in wrap(plain(readable(line)), room)
            ]
            if lines:
                text.append(f"{label}: ", "bold")
                text.append(f"\n{' ' * _INDENT}".join(lines) + "\n")
        text.rstrip()
        self.query_one("#check-detail-text", Static).update(text)

    # ── 명령

    def action_remedy(self) -> None:
        """고른 단계(없으면 막힌 단계)의 한 걸음 해결을 물어보고 한다."""
        from tui.screens.confirm import Confirm

        current = self._current
        steps = [current] if current and current.remedy else self.steps
        remedy = next((step.remedy for step in steps if step.remedy in ko.REMEDIES), "")
        if not remedy:
            self.wizard.toast(ko.NO_REMEDY)
            return

        def apply(confirmed: bool | None) -> None:
            if confirmed:
                self.run_worker(self._check(remedy), exclusive=True, group="check")

        self.app.push_screen(Confirm(*ko.REMEDIES[remedy]), apply)

    def action_copy_report(self) -> None:
        """점검 결과를 글로 복사한다. 비밀번호는 가린다."""
        lines = [self._storage, self._verdict]
        for step in self.steps:
            status = ko.STATUS.get(step.status, step.status)
            lines.append(f"[{status}] {step.title} ({step.ms:.1f} ms) {step.detail}")
            for label, body in ((common.ERROR_CAUSE, step.cause), (common.ERROR_FIX, step.fix)):
                lines += [f"    {label}: {line}" for line in body.splitlines()]
        self.app.copy_to_clipboard(bridge.mask_secrets("\n".join(lines)))
        self.app.notify(common.COPIED)


def _step(item: dict[str, object]) -> Step:
    ms = item.get("ms", 0.0)

    def text(key: str) -> str:
        return bridge.mask_secrets(str(item.get(key, "")))

    detail = text("detail_ko")
    if bridge.CHECK_ENV in detail:
        # 화면이 자식에게 URL을 건넨 길이지, 사용자가 정한 것이 아니다.
        detail = detail.partition(" · ")[0]
    return Step(
        text("name"),
        text("title_ko"),
        text("status"),
        float(ms) if isinstance(ms, (int, float)) else 0.0,
        detail,
        text("cause_ko"),
        text("fix_ko"),
        text("remedy"),
    )


def _row(step: Step) -> Row:
    status = ko.STATUS.get(step.status, step.status)
    ms = f"{step.ms:,.1f}" if step.status != "skip" else "-"
    tone = _TONES.get(step.status, "")
    return Row(
        step.name,
        (readable(step.title), status, ms, readable(step.detail)),
        ("muted" if step.status == "skip" else "", tone, "muted", "muted"),
    )
