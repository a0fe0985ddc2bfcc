"""파라미터 하나의 범위를 좁히거나 한 값으로 고정하는 창."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from tui.bridge_space import Override, SpaceRow, Value, choice_override, number, range_override
from tui.cells import plain
from tui.commands import Command
from tui.problem import ProblemError
from tui.screens.base import CLOSE, BaseModal, begin
from tui.text import common
from tui.text import space as ko
from tui.widgets.chrome import KeyBar
from tui.widgets.fields import Choice, TextField

# (파라미터, 좁힌 것) → 틀린 까닭, 맞으면 빈 글.
Apply = Callable[[str, "Override | None"], Awaitable[str]]


class SpaceEdit(BaseModal[None]):
    """row: 처음 모습. override: 지금 좁힌 것, 없으면 None. 틀리면 까닭을 말하고 열린 채로 있다."""

    COMMAND_LIST = (
        Command("space_edit.save", "enter", "save", *ko.SAVE, in_palette=False),
        CLOSE,
        Command("space_edit.up", "up", "app.focus_previous", *common.PREVIOUS_FIELD,
                in_footer=False, in_palette=False),
        Command("space_edit.down", "down", "app.focus_next", *common.NEXT_FIELD,
                in_footer=False, in_palette=False),
    )  # fmt: skip

    def __init__(self, row: SpaceRow, override: Override | None, apply: Apply) -> None:
        super().__init__()
        self._row, self._override, self._apply = row, override, apply

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(plain(self._row.name), classes="dialog-title", markup=False)
            yield Static(plain(self._row.description), classes="prose", markup=False)
            yield from self._choices() if self._row.kind == "choice" else self._numbers()
            yield Static("", id="space-error", classes="bad", markup=False)
        yield KeyBar()

    def _numbers(self) -> ComposeResult:
        row, override = self._row, self._override
        bounds = override if isinstance(override, dict) else {"low": row.low, "high": row.high}
        fixed = row.fixed if override is None else override
        fixed_text = "" if fixed is None or isinstance(fixed, dict) else value_text(fixed)
        for name, (label, hint), value in (
            ("low", ko.LOW, value_text(bounds["low"])),
            ("high", ko.HIGH, value_text(bounds["high"])),
            ("fixed", ko.FIXED, fixed_text),
        ):
            with Horizontal(classes="field-row"):
                yield Label(label, classes="field-label")
                yield TextField(value, restrict=r"[-+0-9.eE]*", max_length=14, id=f"space-{name}")
                yield Label(hint, classes="field-hint")

    def _choices(self) -> ComposeResult:
        chosen = self._chosen()
        for index, value in enumerate(self._row.choices):
            state = "in" if value in chosen else "out"
            with Horizontal(classes="field-row"):
                yield Label(_label(value), classes="field-label")
                yield Choice({"in": ko.IN, "out": ko.OUT}, state, id=f"space-choice-{index}")

    def _chosen(self) -> tuple[Value, ...]:
        override = self._row.fixed if self._override is None else self._override
        if isinstance(override, dict):
            return tuple(override["choices"])
        return self._row.choices if override is None else (override,)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_save()

    def action_save(self) -> None:
        """맞으면 적용하고 닫는다."""
        begin(self, self._save, "save")

    async def _save(self) -> None:
        try:
            problem = await self._apply(self._row.name, self._read())
        except ProblemError as error:
            problem = error.problem.title
        if problem:
            self.query_one("#space-error", Static).update(plain(problem))
        else:
            self.dismiss()

    def _read(self) -> Override | None:
        """적은 것. 틀린 수는 ProblemError."""
        if self._row.kind != "choice":
            low, high, fixed = (self._text(name) for name in ("low", "high", "fixed"))
            if fixed:
                value = number(fixed)
                return None if value == self._row.fixed else value
            return range_override(self._row, low, high)
        chosen = [
            value
            for index, value in enumerate(self._row.choices)
            if self.query_one(f"#space-choice-{index}", Choice).value == "in"
        ]
        return choice_override(self._row, chosen)

    def _text(self, name: str) -> str:
        return self.query_one(f"#space-{name}", TextField).value.strip()


def value_text(value: Value) -> str:
    """YAML에 적는 꼴: true·false, 수는 짧게."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).removesuffix(".0")


def _label(value: Value) -> str:
    if isinstance(value, bool):
        return ko.TRUE if value else ko.FALSE
    return plain(str(value))
