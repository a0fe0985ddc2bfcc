"""시행 하나의 평가금 곡선 창. 자식이 같은 설정과 캔들로 다시 셈한다."""

from __future__ import annotations

import json
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui import bridge
from tui.cells import plain
from tui.commands import Command
from tui.environment import child_environment
from tui.processes import Finished, json_lines
from tui.screens.base import CLOSE, BaseModal
from tui.studies_commands import parse_problem
from tui.text import common
from tui.text import run as ko
from tui.widgets.chrome import KeyBar
from tui.widgets.plots_equity import EquityPlot


class EquityScreen(BaseModal[None]):
    """plan: 그 실행의 plan.json. 닫으면 셈하던 자식도 끝난다."""

    COMMAND_LIST = (
        CLOSE,
        Command("equity.close", "enter,q,g", "close", *common.CLOSE, in_footer=False),
    )

    def __init__(self, event: bridge.TrialEvent, cell: str, plan: Path) -> None:
        super().__init__()
        self._event, self._cell, self._plan = event, cell, plan

    def compose(self) -> ComposeResult:
        title = ko.EQUITY_TITLE.format(number=f"{self._event.number:,}", cell=self._cell)
        with Vertical(classes="dialog", id="equity-dialog"):
            yield Static(Text(plain(title)), classes="dialog-title")
            yield Static(ko.EQUITY_WORKING, id="equity-note")
            yield EquityPlot()
        yield KeyBar()

    def on_mount(self) -> None:
        self.run_worker(self._compute(), exclusive=True, group="equity")

    async def _compute(self) -> None:
        argv = [sys.executable, "-m", "optimize.report", "equity", "--plan", str(self._plan)]
        argv += ["--cell", self._cell, "--params", json.dumps(dict(self._event.params))]
        async with aclosing(json_lines(argv, child_environment(), bridge.home())) as lines:
            async for item in lines:
                if isinstance(item, Finished):
                    if item.exit_code:
                        self._say(parse_problem(item.stderr, ko.EQUITY_FAILED).as_text(), bad=True)
                elif item.get("type") == "equity":
                    self._show(item)

    def _show(self, item: dict[str, Any]) -> None:
        equity = [float(value) for value in item.get("equity", ())]
        initial, first = float(item.get("initial_cash", 0.0)), int(item.get("first_day", 0))
        if not equity:
            self._say(ko.EQUITY_EMPTY, bad=True)
            return
        self.query_one(EquityPlot).show(equity, first, initial)
        profit = (equity[-1] / initial - 1) * 100 if initial else 0.0
        trough = _max_drawdown(initial, equity)
        self._say(
            ko.EQUITY_NOTE.format(
                start=initial, end=equity[-1], profit=profit, drawdown=trough, days=len(equity)
            )
        )

    def _say(self, text: str, *, bad: bool = False) -> None:
        note = self.query_one("#equity-note", Static)
        note.set_class(bad, "bad")
        note.update(Text("\n".join(plain(line) for line in text.splitlines())))


def _max_drawdown(initial: float, equity: list[float]) -> float:
    """날마다의 평가금으로 본 최대 낙폭(%)."""
    peak, worst = initial, 0.0
    for value in equity:
        peak = max(peak, value)
        worst = max(worst, (peak - value) / peak * 100 if peak > 0 else 0.0)
    return worst
