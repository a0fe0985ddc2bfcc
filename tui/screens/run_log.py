"""실행의 경고·오류와 기록 파일의 끝을 보이는 창."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.console import OverflowMethod
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.screens.base import CLOSE, BaseModal
from tui.text import common
from tui.text import run as ko
from tui.widgets.chrome import KeyBar

_TAIL = 32 * 1024
_MESSAGES = 50
_TABLE_EDGES = tuple("┏┃┡│└├╭╰")


class RunLog(BaseModal[None]):
    """최근 경고 50개와 run.log의 마지막 32 KB."""

    COMMAND_LIST = (
        Command("log.copy", "c", "copy", *common.COPY),
        CLOSE,
        Command("log.close", "enter,q", "close", *common.CLOSE, in_footer=False),
    )

    def __init__(
        self, messages: Sequence[bridge.WarningEvent | bridge.ErrorEvent], log: Path
    ) -> None:
        super().__init__()
        self._text = log_text(messages, log)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(ko.LOG_TITLE, classes="dialog-title")
            with VerticalScroll():
                for is_table, lines in groupby(self._text.splitlines(), _is_table):
                    # 표의 줄을 접으면 읽을 수 없다: 넘치는 만큼 자른다.
                    overflow: OverflowMethod = "ellipsis" if is_table else "fold"
                    yield Static(Text("\n".join(lines), no_wrap=is_table, overflow=overflow))
        yield KeyBar()

    def action_copy(self) -> None:
        """보이는 글을 클립보드에."""
        self.app.copy_to_clipboard(self._text)
        self.app.notify(common.COPIED)


def _is_table(line: str) -> bool:
    """실행의 끝에 그린 표의 줄인가."""
    return line.lstrip()[:1] in _TABLE_EDGES


def log_text(messages: Sequence[bridge.WarningEvent | bridge.ErrorEvent], log: Path) -> str:
    """경고들, 그다음 기록 파일의 끝. 비밀번호는 가린다."""
    parts: list[str] = []
    for message in messages[-_MESSAGES:]:
        parts.append(message.title)
        for label, body in ((common.ERROR_CAUSE, message.cause), (common.ERROR_FIX, message.fix)):
            parts += [f"  {label}: {line}" for line in body.splitlines()]
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            parts += file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        pass
    text = "\n".join(plain(line) for line in parts)
    return bridge.mask_secrets(text) or ko.LOG_EMPTY
