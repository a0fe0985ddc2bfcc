"""F1: 지금 칸의 글쇠를 먼저, 다음에 화면의 글쇠를 보인다."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from tui.cells import fit
from tui.commands import Command, key_name
from tui.screens.base import CLOSE, BaseModal
from tui.text import help as ko
from tui.widgets.chrome import KeyBar

_KEY_CELLS = 16


class HelpScreen(BaseModal[None]):
    """글쇠의 표. 어느 글쇠로 무엇을 하는지 초점에서 가까운 것부터 늘어놓는다."""

    COMMAND_LIST = (
        CLOSE,
        Command("help.close", "f1,enter,q", "close", CLOSE.label, CLOSE.help, in_footer=False),
    )

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__()
        self._about = str(getattr(screen, "HELP_TEXT", ""))
        focused_help = getattr(screen.focused, "help_text", "") if screen.focused else ""
        self._focused_about = str(focused_help)
        self._groups = list(_groups(screen))

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(ko.TITLE, classes="dialog-title")
            with VerticalScroll(id="help-scroll"):
                if self._about:
                    yield Static(Text(self._about), classes="prose")
                for title, rows in self._groups:
                    yield Static(title, classes="section-title")
                    if title == ko.FOCUSED and self._focused_about:
                        yield Static(Text(self._focused_about), classes="prose")
                    for keys, help_text in rows:
                        with Horizontal(classes="help-row"):
                            yield Static(Text(fit(keys, _KEY_CELLS)), classes="help-keys")
                            yield Static(Text(help_text), classes="help-text")
                yield Static(ko.FOOT, classes="muted gap")
        yield KeyBar()


def _groups(screen: Screen[object]) -> Iterable[tuple[str, list[tuple[str, str]]]]:
    by_title: dict[str, dict[str, tuple[list[str], str]]] = {
        ko.FOCUSED: {},
        ko.SCREEN: {},
        ko.APP: {},
    }
    for key, active in screen.active_bindings.items():
        binding = active.binding
        if not binding.tooltip or not key.isascii() or "super" in key:
            continue
        title = (
            ko.SCREEN
            if active.node is screen
            else ko.APP
            if active.node is screen.app
            else ko.FOCUSED
        )
        keys, _ = by_title[title].setdefault(binding.action, ([], binding.tooltip))
        keys.append(key_name(key))
    for title, actions in by_title.items():
        if actions:
            yield title, [(", ".join(keys), help_text) for keys, help_text in actions.values()]
