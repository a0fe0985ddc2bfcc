"""복사할 저장소를 고르는 창: 아는 저장소들, 또는 새로 적는 것."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.cells import plain
from tui.commands import Command
from tui.screens.base import CLOSE, BaseModal
from tui.storage_test import readable
from tui.text import studies as ko
from tui.widgets.chrome import KeyBar
from tui.widgets.row_table import Column, Row, RowTable

OTHER = "other"


class ChooseStorage(BaseModal[str | None]):
    """고른 저장소의 가린 URL, 새로 적으려면 OTHER, Esc면 None으로 닫힌다."""

    COMMAND_LIST = (Command("storage.ok", "enter", "ok", *ko.FORM_OK, in_palette=False), CLOSE)

    def __init__(self, name: str, storages: Sequence[str]) -> None:
        super().__init__()
        self._name, self._storages = name, storages

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(ko.COPY_TITLE, classes="dialog-title")
            yield Static(Text(plain(ko.COPY_BODY.format(name=self._name))), classes="prose")
            yield RowTable([Column(ko.STORAGE_COLUMN)], show_header=False, id="storage-choices")
        yield KeyBar()

    def on_mount(self) -> None:
        rows = [Row(storage, (readable(storage),)) for storage in self._storages]
        table = self.query_one(RowTable)
        table.set_rows([*rows, Row(OTHER, (ko.COPY_OTHER,), ("strong",))])
        table.focus()

    def action_ok(self) -> None:
        """고른 것으로 닫는다."""
        row = self.query_one(RowTable).current
        if row is not None:
            self.dismiss(row.key)

    def on_row_table_clicked(self) -> None:
        self.action_ok()
