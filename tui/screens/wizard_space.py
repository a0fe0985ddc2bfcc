"""전략의 탐색 공간: 파라미터마다 범위를 보고, 좁히고, 되돌린다."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui import bridge
from tui.bridge_space import Override, Space, SpaceRow, read_space
from tui.cells import plain
from tui.commands import Command
from tui.draft import Draft
from tui.problem import ProblemError
from tui.screens.base import BACK, BaseScreen, begin
from tui.screens.space_edit import SpaceEdit, value_text
from tui.text import space as ko
from tui.text import wizard
from tui.widgets.row_table import Column, Row, RowTable


class SpaceScreen(BaseScreen[None]):
    """보이는 것은 실행이 쓸 바로 그 공간이다(설정 파일의 덮어쓰기를 얹은 것)."""

    PATH = (wizard.PATH, wizard.STEPS[3], ko.PATH)
    HELP_TEXT = ko.HELP
    COMMAND_LIST = (
        Command("space.edit", "enter", "edit", *ko.EDIT),
        Command("space.reset", "delete", "reset", *ko.RESET),
        Command("space.reset_all", "", "reset_all", *ko.RESET_ALL),
        BACK,
        Command("space.close", "f6", "back", *wizard.BACK, in_footer=False, in_palette=False),
    )

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.draft = draft
        self._base: Space | None = None

    def compose_body(self) -> ComposeResult:
        yield Static(ko.LOADING, id="space-line", classes="question", markup=False)
        name, bounds, step, state, condition, meaning = ko.COLUMNS
        yield RowTable(
            (
                Column(name, 16),
                Column(bounds, 19),
                Column(step, 5, "right"),
                Column(state, 9),
                Column(condition, 26, priority=2),
                Column(meaning, priority=1, min_width=16),
            ),
            empty="",
            id="space",
        )
        with Vertical(classes="panel", id="space-panel"):
            yield Static("", id="space-meaning", markup=False)
            yield Static("", id="space-condition", classes="muted", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.top_bar.badge = wizard_badge(self.draft)
        self.query_one("#space", RowTable).focus()
        begin(self, self._load, "space")

    async def _load(self) -> None:
        try:
            self._base = await self._read({})
            self._show(await self._read(self.draft.space))
        except ProblemError as error:
            self.query_one("#space-line", Static).update(ko.FAILED)
            self.wizard.show_problem(error.problem)

    async def _read(self, overrides: dict[str, Override]) -> Space:
        draft = replace(self.draft, spaces={self.draft.strategy: overrides})
        return await asyncio.to_thread(read_space, bridge.run_arguments(draft))

    def _show(self, space: Space) -> None:
        name = wizard.STRATEGY_NAMES.get(self.draft.strategy, self.draft.strategy)
        size = ko.ENDLESS if space.size is None else _count(space.size)
        line = ko.QUESTION.format(strategy=name, dimensions=space.dimensions, size=size)
        self.query_one("#space-line", Static).update(line)
        rows = [self._row(row) for row in space.rows]
        self.query_one("#space", RowTable).set_rows(rows)
        self._describe()

    def _row(self, row: SpaceRow) -> Row:
        changed = row.name in self.draft.space
        state = ko.STATES[row.state] + (f" {ko.CHANGED}" if changed else "")
        tone = "muted" if row.state == "off" else "good" if changed else ""
        cells = (
            row.name,
            bounds_text(row),
            step_text(row),
            state,
            condition_text(row),
            row.description,
        )
        return Row(row.name, cells, ("strong", tone, "muted", tone, "muted", "muted"))

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        self._describe()

    def on_row_table_clicked(self, event: RowTable.Clicked) -> None:
        self.action_edit()

    def _describe(self) -> None:
        row = self._current()
        if row is None:
            return
        condition = condition_text(row)
        parts = [ko.CONDITION.format(text=condition) if condition else ko.ALWAYS]
        if row.name in self.draft.space:
            parts.append(ko.BEFORE.format(text=bounds_text(row)))
        self.query_one("#space-meaning", Static).update(plain(row.description or row.name))
        self.query_one("#space-condition", Static).update(plain(", ".join(parts)))

    def _current(self) -> SpaceRow | None:
        """커서가 있는 파라미터의 처음 모습."""
        row = self.query_one("#space", RowTable).current
        return None if row is None or self._base is None else self._base.row(row.key)

    # ── 고치기

    def action_edit(self) -> None:
        """고치는 창을 연다."""
        row = self._current()
        if row is not None:
            self.app.push_screen(SpaceEdit(row, self.draft.space.get(row.name), self.apply))

    async def apply(self, name: str, override: Override | None) -> str:
        """좁힌 것을 초안에 적고 다시 보인다. 틀렸으면 적지 않고 까닭을 준다."""
        overrides = {key: value for key, value in self.draft.space.items() if key != name}
        if override is not None:
            overrides[name] = override
        try:
            space = await self._read(overrides)
        except ProblemError as error:
            return error.problem.cause or error.problem.title
        self.draft.spaces[self.draft.strategy] = overrides
        self._show(space)
        return ""

    async def action_reset(self) -> None:
        """지금 파라미터를 처음 범위로."""
        row = self._current()
        if row is not None and row.name in self.draft.space:
            await self.apply(row.name, None)
            self.wizard.toast(ko.RESET_DONE.format(name=row.name))

    async def action_reset_all(self) -> None:
        """모두 처음 범위로."""
        if self._base is not None and self.draft.space:
            self.draft.spaces.pop(self.draft.strategy)
            self._show(self._base)
            self.wizard.toast(ko.RESET_ALL_DONE)


def wizard_badge(draft: Draft) -> str:
    """머리줄에 밝힐 것."""
    from tui.text.common import DEMO

    return DEMO if draft.is_demo else ""


def bounds_text(row: SpaceRow) -> str:
    """`8 ~ 120`, `kc, avg`, 고정이면 그 값."""
    if row.fixed is not None:
        return value_text(row.fixed)
    if row.kind == "choice":
        return ", ".join(value_text(value) for value in row.choices)
    return f"{value_text(row.low)} ~ {value_text(row.high)}"


def step_text(row: SpaceRow) -> str:
    """간격. 고를 값이면 빈 글."""
    if row.kind == "choice":
        return ""
    if row.log:
        return ko.LOG_STEP
    return ko.CONTINUOUS if row.step is None else value_text(row.step)


def condition_text(row: SpaceRow) -> str:
    """`use_stop = true`. 조건이 없으면 빈 글."""
    return ", ".join(
        f"{name} = {' | '.join(value_text(value) for value in values)}"
        for name, values in row.requires
    )


def _count(size: int) -> str:
    return f"{size:,}" if size < 1_000_000 else f"{size:.1e}"
