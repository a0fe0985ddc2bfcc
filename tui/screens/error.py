"""오류 창: 제목, 원인, 해결, 복사. 바깥에서 온 글은 markup으로 읽지 않는다."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui.cells import plain
from tui.commands import Command
from tui.problem import Problem
from tui.screens.base import CLOSE, BaseModal
from tui.text import common as ko
from tui.widgets.chrome import KeyBar


class ErrorScreen(BaseModal[None]):
    """문제 하나를 보인다."""

    COMMAND_LIST = (
        Command("error.copy", "c", "copy", *ko.COPY),
        CLOSE,
        Command("error.close", "enter,q", "close", *ko.CLOSE, in_footer=False),
    )

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog error"):
            yield Static(Text(plain(self.problem.title)), classes="dialog-title bad")
            with VerticalScroll():
                for label, body in (
                    (ko.ERROR_CAUSE, self.problem.cause),
                    (ko.ERROR_FIX, self.problem.fix),
                ):
                    if body:
                        yield Static(label, classes="section-title")
                        yield Static(Text("\n".join(plain(line) for line in body.splitlines())))
        yield KeyBar()

    def action_copy(self) -> None:
        """제목·원인·해결을 클립보드에."""
        self.app.copy_to_clipboard(self.problem.as_text())
        self.app.notify(ko.COPIED)
