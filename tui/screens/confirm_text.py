"""글을 하나 묻는 창: 이름, 수, 파일. 맞지 않으면 까닭을 보이고 닫히지 않는다."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tui.cells import plain
from tui.commands import Command
from tui.screens.base import CLOSE, BaseModal
from tui.text import studies as ko
from tui.widgets.chrome import KeyBar
from tui.widgets.fields import TextField

# 글 → 맞지 않는 까닭. 맞으면 빈 글.
Check = Callable[[str], str]


def above(floor: int, message: str) -> Check:
    """floor보다 큰 정수여야 한다."""

    def check(text: str) -> str:
        return "" if text.isascii() and text.isdigit() and int(text) > floor else message

    return check


class AskText(BaseModal[str | None]):
    """Enter면 적은 글, Esc면 None으로 닫힌다."""

    COMMAND_LIST = (Command("ask.ok", "enter", "ok", *ko.FORM_OK, in_palette=False), CLOSE)

    def __init__(
        self,
        title: str,
        body: str,
        label: str,
        value: str,
        check: Check,
        *,
        password: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._body, self._label, self._value = title, body, label, value
        self._check, self._password = check, password

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(plain(self._title)), classes="dialog-title")
            yield Static(Text(plain(self._body)), classes="prose")
            with Horizontal(classes="field-row"):
                yield Static(self._label, classes="field-label")
                yield TextField(
                    plain(self._value), password=self._password, id="answer", classes="wide"
                )
            yield Static(id="answer-error", classes="bad")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(TextField).focus()

    def on_input_changed(self) -> None:
        self.query_one("#answer-error", Static).update("")

    def action_ok(self) -> None:
        """맞으면 닫는다."""
        text = self.query_one(TextField).value.strip()
        problem = self._check(text)
        if problem:
            self.query_one("#answer-error", Static).update(Text(plain(problem)))
        else:
            self.dismiss(text)
