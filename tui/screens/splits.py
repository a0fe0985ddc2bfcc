"""학습과 검증의 나눔마다: 기간, 이긴 시행, 학습과 검증의 점수(walk-forward 표)."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.cells import plain
from tui.commands import Command
from tui.screens.base import CLOSE, BaseModal
from tui.text import common
from tui.text import insight as ko
from tui.verdicts import SplitRow, Validation
from tui.widgets.chrome import KeyBar
from tui.widgets.row_table import Column, Row, RowTable
from tui.widgets.run_panel import score_text


class SplitsScreen(BaseModal[None]):
    """validation이 None이면 기록이 없다고 말한다."""

    COMMAND_LIST = (
        CLOSE,
        Command("splits.close", "enter,q,w", "close", *common.CLOSE, in_footer=False),
    )

    def __init__(self, name: str, validation: Validation | None) -> None:
        super().__init__()
        self._name, self._validation = name, validation

    def compose(self) -> ComposeResult:
        titles = ko.SPLITS_COLUMNS
        with Vertical(classes="dialog", id="splits-dialog"):
            title = ko.SPLITS_TITLE.format(name=self._name)
            yield Static(Text(plain(title)), classes="dialog-title")
            about = self._validation.label if self._validation else ko.SPLITS_NONE
            yield Static(Text(plain(about.replace(" · ", ", "))), classes="muted")
            yield RowTable(
                [
                    Column(titles[0], 4, "right"),
                    Column(titles[1], 23, priority=2),
                    Column(titles[2], 23),
                    Column(titles[3], 6, "right", priority=4),
                    Column(titles[4], 9, "right", priority=3),
                    Column(titles[5], 9, "right"),
                    Column(titles[6], 9, "right"),
                    Column(titles[7], 9, "right", priority=1),
                    Column(titles[8], 8, "right", priority=1),
                ],
                id="splits",
            )
            yield Static(Text("\n".join(self._summary())), id="splits-summary")
        yield KeyBar()

    def on_mount(self) -> None:
        table = self.query_one(RowTable)
        if self._validation is not None:
            table.set_rows([_row(row) for row in self._validation.rows])
        table.focus()

    def _summary(self) -> list[str]:
        """이어 붙인 검증과 walk-forward efficiency."""
        found = self._validation
        lines: list[str] = []
        if found is None:
            return lines
        dates, metrics = found.stitched.get("dates"), found.stitched.get("metrics")
        if dates and isinstance(metrics, dict):
            lines.append(
                ko.SPLITS_STITCHED.format(
                    start=plain(str(dates[0][0])),
                    end=plain(str(dates[-1][-1])),
                    score=score_text(found.score),
                    profit=metrics.get("net_profit_pct", 0.0),
                    drawdown=metrics.get("max_drawdown_pct", 0.0),
                )
            )
        moving = "walk-forward" in found.label
        if moving and isinstance(found.efficiency.get("value"), (int, float)):
            lines.append(
                ko.SPLITS_EFFICIENCY.format(
                    value=found.efficiency["value"],
                    inside=found.efficiency.get("in_sample_cagr_pct", 0.0),
                    outside=found.efficiency.get("out_of_sample_cagr_pct", 0.0),
                )
            )
        return lines


def _row(row: SplitRow) -> Row:
    tone = "" if not row.out_of_sample else "good" if row.out_of_sample > 0 else "bad"
    return Row(
        str(row.number),
        (
            str(row.number),
            _dates(row.train),
            _dates(row.test),
            f"{row.trials:,}",
            ko.SPLITS_NO_WINNER if row.winner is None else f"{row.winner:,}",
            score_text(row.in_sample),
            score_text(row.out_of_sample),
            _percent(row.profit),
            _percent(row.drawdown),
        ),
        ("muted", "muted", "", "muted", "", "", tone, "", ""),
    )


def _dates(parts: Sequence[tuple[str, str]]) -> str:
    """`2024-01-01 ~ 2024-03-31`. 여러 토막이면 쉼표로."""
    return ", ".join(ko.RANGE.format(start=start, end=end) for start, end in parts)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
