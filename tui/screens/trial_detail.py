"""시행 하나의 창: 모든 지표와 파라미터, 파라미터 복사."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui import bridge
from tui.commands import Command
from tui.screens.base import CLOSE, BaseModal
from tui.text import common
from tui.text import run as ko
from tui.widgets.chrome import KeyBar
from tui.widgets.trial_card import params_yaml, trial_text, trial_title


class TrialDetail(BaseModal[None]):
    """시행의 속. event가 None이면 기록을 읽지 못했다고 말한다."""

    COMMAND_LIST = (
        Command("trial.copy", "c", "copy", *ko.COPY_PARAMS),
        CLOSE,
        Command("trial.close", "enter,q", "close", *common.CLOSE, in_footer=False),
    )

    def __init__(self, event: bridge.TrialEvent | None, cell: str, number: int) -> None:
        super().__init__()
        self._event, self._cell, self._number = event, cell, number

    def compose(self) -> ComposeResult:
        title = trial_title(self._number, self._cell)
        with Vertical(classes="dialog"):
            yield Static(Text(title), classes="dialog-title")
            with VerticalScroll():
                yield Static(trial_text(self._event) if self._event else Text(ko.DETAIL_GONE))
        yield KeyBar()

    def action_copy(self) -> None:
        """파라미터를 클립보드에."""
        if self._event is not None:
            self.app.copy_to_clipboard(params_yaml(self._event))
            self.app.notify(common.COPIED)
