"""검증의 방법과 그 수를 고르는 창."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from tui.bridge_validation import describe_validation
from tui.cells import plain
from tui.commands import Command
from tui.draft import VALIDATION_FIELDS
from tui.problem import ProblemError
from tui.screens.base import CLOSE, BaseModal
from tui.text import common
from tui.text import space as space_ko
from tui.text import wizard as ko
from tui.widgets.chrome import KeyBar
from tui.widgets.fields import Choice, TextField

_FRACTIONS = ("test_fraction",)


class ValidationEdit(BaseModal[dict[str, Any] | None]):
    """Enter면 고른 값들, Esc면 None으로 닫힌다. 고칠 때마다 나누는 모습을 한 줄로 말한다."""

    COMMAND_LIST = (
        Command("validation.save", "enter", "save", *space_ko.SAVE, in_palette=False),
        CLOSE,
        Command("validation.up", "up", "app.focus_previous", *common.PREVIOUS_FIELD,
                in_footer=False, in_palette=False),
        Command("validation.down", "down", "app.focus_next", *common.NEXT_FIELD,
                in_footer=False, in_palette=False),
    )  # fmt: skip

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self._values = dict(values)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(ko.VALIDATION_TITLE, classes="dialog-title")
            with Horizontal(classes="field-row"):
                yield Label(ko.VALIDATION_METHOD, classes="field-label")
                yield Choice(ko.VALIDATION_METHODS, str(self._values["method"]), id="method")
            for name, (label, hint) in ko.VALIDATION_NUMBERS.items():
                with Horizontal(classes="field-row", id=f"row-{name}"):
                    yield Label(label, classes="field-label")
                    yield self._field(name)
                    yield Label(hint, classes="field-hint")
            yield Static("", id="validation-about", classes="muted prose", markup=False)
            yield Static("", id="validation-line", markup=False)
        yield KeyBar()

    def _field(self, name: str) -> TextField | Choice:
        if name == "window":
            return Choice(ko.VALIDATION_WINDOWS, str(self._values[name]), id=f"v-{name}")
        value = self._values[name]
        text = f"{100 * value:g}" if name in _FRACTIONS else str(value)
        return TextField(text, restrict=r"[0-9.]*", max_length=8, id=f"v-{name}")

    def on_mount(self) -> None:
        self.query_one("#method", Choice).focus()
        self._show()

    def on_choice_changed(self, event: Choice.Changed) -> None:
        event.stop()
        self._show()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_save()

    @property
    def _method(self) -> str:
        return self.query_one("#method", Choice).value

    def _show(self) -> None:
        used = VALIDATION_FIELDS[self._method]
        for name in ko.VALIDATION_NUMBERS:
            self.query_one(f"#row-{name}").display = name in used
        self.query_one("#validation-about", Static).update(ko.VALIDATION_ABOUT[self._method])
        line = self.query_one("#validation-line", Static)
        try:
            text = describe_validation(self._read())
        except ProblemError as error:
            line.set_classes("bad")
            line.update(plain(error.problem.title))
        else:
            line.set_classes("strong")
            line.update(text)

    def _read(self) -> dict[str, Any]:
        """적은 값들. 수가 아니면 ProblemError는 검증이 낸다."""
        values: dict[str, Any] = {**self._values, "method": self._method}
        for name in VALIDATION_FIELDS[self._method]:
            if name == "window":
                values[name] = self.query_one(f"#v-{name}", Choice).value
                continue
            text = self.query_one(f"#v-{name}", TextField).value.strip()
            values[name] = _number(text, name)
        return values

    def action_save(self) -> None:
        """맞으면 닫는다. 틀리면 까닭이 이미 보인다."""
        try:
            values = self._read()
            describe_validation(values)
        except ProblemError:
            return
        self.dismiss(values)


def _number(text: str, name: str) -> float | int | str:
    """수. 읽을 수 없는 글은 그대로 두어 검증이 까닭을 말하게 한다."""
    try:
        return round(float(text) / 100, 6) if name in _FRACTIONS else int(text)
    except ValueError:
        return text
