"""되돌리기 어려운 일을 하기 전에 묻는 창."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.cells import plain
from tui.commands import Command
from tui.screens.base import CLOSE, BaseModal
from tui.text import common as ko
from tui.widgets.chrome import KeyBar


class Confirm(BaseModal[bool]):
    """Enter나 Y면 True, Esc나 N이면 None으로 닫힌다."""

    COMMAND_LIST = (
        Command("confirm.yes", "enter,y", "yes", *ko.YES, in_palette=False),
        CLOSE,
        Command("confirm.no", "n,q", "close", *ko.CLOSE, in_footer=False),
    )

    def __init__(self, title: str, body: str) -> None:
        super().__init__()
        self._title, self._body = title, body

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(plain(self._title)), classes="dialog-title")
            yield Static(Text(plain(self._body)), classes="prose")
        yield KeyBar()

    def action_yes(self) -> None:
        """그렇게 한다."""
        self.dismiss(True)
