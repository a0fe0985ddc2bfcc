"""시행 하나의 평가금 곡선 창. 자식이 같은 설정과 캔들로 다시 셈한다."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from contextlib import aclosing
from datetime import date
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
from tui.widgets.plots_equity import DayRange, EquityPlot

_EPOCH = date(1970, 1, 1).toordinal()


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
        train, test = self._split(item.get("splits", ()))
        self.query_one(EquityPlot).show(equity, first, initial, train, test)
        profit = (equity[-1] / initial - 1) * 100 if initial else 0.0
        trough = _max_drawdown(initial, equity)
        note = ko.EQUITY_NOTE.format(
            start=initial, end=equity[-1], profit=profit, drawdown=trough, days=len(equity)
        )
        self._say("\n".join([note, *_test_lines(test, [initial, *equity], first)]))

    def _split(self, splits: Sequence[Any]) -> tuple[list[DayRange], list[DayRange]]:
        """이 시행의 나눔의 (학습, 검증). 나눔을 모르면 둘 다 비었다."""
        fold = self._event.fold if self._event.fold is not None else 0
        mine = splits[fold] if 0 <= fold < len(splits) else {"train": (), "test": ()}
        train, test = ([(int(a), int(b)) for a, b in mine[key]] for key in ("train", "test"))
        return train, test

    def _say(self, text: str, *, bad: bool = False) -> None:
        note = self.query_one("#equity-note", Static)
        note.set_class(bad, "bad")
        note.update(Text("\n".join(plain(line) for line in text.splitlines())))


def _test_lines(test: Sequence[DayRange], money: Sequence[float], first: int) -> list[str]:
    """검증의 날들과 그 동안의 수익. money: 처음 돈과 날마다의 평가금."""
    if not test:
        return []
    growth = math.prod(
        money[end - first] / money[start - first] if money[start - first] > 0 else 1.0
        for start, end in test
    )
    start, end = (date.fromordinal(_EPOCH + day) for day in (test[0][0], test[-1][1] - 1))
    days = sum(stop - begin for begin, stop in test)
    words = ko.EQUITY_TEST if len(test) == 1 else ko.EQUITY_TESTS
    profit = (growth - 1) * 100
    return [words.format(start=start, end=end, days=days, profit=profit, parts=len(test))]


def _max_drawdown(initial: float, equity: list[float]) -> float:
    """날마다의 평가금으로 본 최대 낙폭(%)."""
    peak, worst = initial, 0.0
    for value in equity:
        peak = max(peak, value)
        worst = max(worst, (peak - value) / peak * 100 if peak > 0 else 0.0)
    return worst
