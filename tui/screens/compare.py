"""고른 스터디들을 나란히: 시행 수, 최고 점수, 최고 시행의 지표와 파라미터."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from tui import bridge
from tui.cells import plain
from tui.problem import ProblemError
from tui.screens.base import BACK, BaseScreen
from tui.storage_test import readable
from tui.studies_commands import best_trial
from tui.studies_model import StudyItem
from tui.text import run as run_ko
from tui.text import studies as ko
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.run_panel import score_text
from tui.widgets.trial_card import value_text

LIMIT = 4
_NAME_WIDTH = 22


class CompareScreen(BaseScreen[None]):
    """스터디 둘에서 LIMIT개까지. 서로 다른 값은 굵게 보인다."""

    PATH = (*ko.PATH, ko.COMPARE[0])
    HELP_TEXT = ko.COMPARE_HELP
    COMMAND_LIST = (BACK,)

    def __init__(self, items: Sequence[StudyItem]) -> None:
        super().__init__()
        self.items = tuple(items)

    def compose_body(self) -> ComposeResult:
        yield Static(ko.COMPARE_READING, id="compare-note", classes="muted")
        columns = [Column(item.label, 0, "right", min_width=14) for item in self.items]
        yield RowTable([Column(ko.COMPARE_ITEM, _NAME_WIDTH), *columns], id="compare")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(RowTable).focus()
        self._show([None] * len(self.items))
        self.run_worker(self._read(), exclusive=True, group="compare")

    async def _read(self) -> None:
        note = self.query_one("#compare-note", Static)
        try:
            trials = await asyncio.gather(*(best_trial(item) for item in self.items))
        except ProblemError as error:
            note.update(Text(plain(error.problem.title)))
            self.wizard.show_problem(error.problem)
            return
        note.update(ko.COMPARE_NOTE)
        self._show(trials)

    def _show(self, trials: Sequence[Mapping[str, Any] | None]) -> None:
        rows = [
            _row(ko.COLUMNS[1], [item.cell or ko.NO_SCORE for item in self.items]),
            _row(ko.COLUMNS[3], [f"{item.total:,}" for item in self.items]),
            _row(ko.COLUMNS[5], [readable(item.place) for item in self.items]),
            _row(ko.COLUMNS[4], [score_text(item.best) for item in self.items]),
        ]
        for title, key in (
            (run_ko.IN_SAMPLE, "in_sample"),
            (run_ko.OUT_OF_SAMPLE, "out_of_sample"),
        ):
            checked = [_first(trial.get(key)) if trial else None for trial in trials]
            if any(value is not None for value in checked):
                rows.append(_row(title, [score_text(value) for value in checked], key))
        labels = bridge.metric_labels()
        for title, key in ((ko.COMPARE_METRICS, "metrics"), (run_ko.PARAMS_TITLE, "params")):
            tables = [trial[key] if trial else {} for trial in trials]
            names = list(dict.fromkeys(name for table in tables for name in table))
            if names:
                rows.append(Row(title, (title,), heading=True))
            for name in names:
                label, unit = labels.get(name, (name, "")) if key == "metrics" else (name, "")
                texts = [_text(table.get(name), key, unit) for table in tables]
                if unit and unit != run_ko.COUNT_UNIT:
                    label = ko.COMPARE_WITH_UNIT.format(label=label, unit=unit)
                rows.append(_row(label, texts, f"{key}.{name}"))
        self.query_one(RowTable).set_rows(rows)


def _row(title: str, texts: Sequence[str], key: str = "") -> Row:
    tone = "strong" if len(set(texts)) > 1 else "muted"
    return Row(key or title, (plain(title), *texts), ("muted", *[tone] * len(texts)))


def _first(values: object) -> float | None:
    """첫 목표의 값. 없거나 유한하지 않으면 None."""
    first = values[0] if isinstance(values, list) and values else None
    return first if isinstance(first, (int, float)) else None


def _text(value: object, key: str, unit: str) -> str:
    if value is None:
        return ko.NO_SCORE
    if key == "metrics" and isinstance(value, (int, float)):
        return f"{value:,.0f}" if unit == run_ko.COUNT_UNIT else f"{value:,.2f}"
    return value_text(value)
