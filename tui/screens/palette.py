"""Ctrl+P: 지금 쓸 수 있는 모든 명령을 한국어로 찾아 실행한다."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from tui.commands import Command
from tui.hangul import matches
from tui.screens.base import CLOSE, BaseModal
from tui.text import common
from tui.text import help as ko
from tui.widgets.chrome import KeyBar
from tui.widgets.fields import TextField
from tui.widgets.row_table import Column, Row, RowTable


class PaletteScreen(BaseModal[Command | None]):
    """고른 명령을 돌려준다."""

    COMMAND_LIST = (
        Command("palette.run", "enter", "choose", *common.RUN_COMMAND),
        CLOSE,
        Command("palette.up", "up", "move(-1)", *common.ROW_UP, in_footer=False),
        Command("palette.down", "down", "move(1)", *common.ROW_DOWN, in_footer=False),
    )

    def __init__(self, commands: Sequence[Command]) -> None:
        super().__init__()
        self._commands = {command.id: command for command in commands}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide palette"):
            yield Static(ko.PALETTE_TITLE, classes="dialog-title")
            yield TextField(placeholder=ko.PALETTE_PLACEHOLDER, id="palette-query")
            yield RowTable(
                [Column("", 12), Column("", 0), Column("", 8, "right", priority=1)],
                show_header=False,
                empty=ko.PALETTE_EMPTY,
                driven=True,
                id="palette-list",
            )
        yield KeyBar()

    def on_mount(self) -> None:
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def _show(self, query: str) -> None:
        found = [
            command
            for command in self._commands.values()
            if matches(query, f"{command.label} {command.help} {command.key_label}")
        ]
        # 이름이 맞는 것이 설명만 맞는 것보다 앞이다.
        found.sort(key=lambda command: not matches(query, command.label))
        self.query_one(RowTable).set_rows(
            [
                Row(command.id, (command.label, command.help, command.key_label), ("", "muted"))
                for command in found
            ],
            key="",
        )

    def action_move(self, step: int) -> None:
        table = self.query_one(RowTable)
        if step < 0:
            table.action_cursor_up()
        else:
            table.action_cursor_down()

    def action_choose(self) -> None:
        row = self.query_one(RowTable).current
        if row is not None:
            self.dismiss(self._commands[row.key])

    def on_row_table_clicked(self, event: RowTable.Clicked) -> None:
        self.dismiss(self._commands[event.row.key])
