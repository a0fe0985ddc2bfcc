"""제품의 결과와 참조 결과를 거래마다 견준다."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from reference.plain_engine import PlainEngine, PlainRun
from reference.plain_metrics import metrics as plain_metrics

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.backtest.result import BacktestResult
from optimize.data.dataset import Dataset
from optimize.data.timeframes import parse_cell
from optimize.strategy.protocol import Signals

REASONS = {
    1: "signal", 2: "stop", 3: "trail", 4: "target", 5: "time", 6: "liquidation", 7: "end",
}  # fmt: skip


class Fixed:
    """미리 정한 신호를 내는 전략."""

    name = "fixed"
    parameters = ()

    def __init__(self, signals: Signals) -> None:
        self.fixed = signals

    def signals(self, dataset: Dataset, params: Mapping[str, Any]) -> Signals:
        return self.fixed


def run_fixed(data: Dataset, signals: Signals, costs: CostModel) -> BacktestResult:
    return run_backtest(data, Fixed(signals), {}, costs)


def run_plain(data: Dataset, signals: Any, costs: CostModel, rules: dict[str, Any]) -> PlainRun:
    return PlainEngine(data, signals, costs, rules).run(parse_cell(data.ref.cell).ltf.ms)


def rules_of(signals: Signals) -> dict[str, Any]:
    names = ("stop_atr", "trail_atr", "target_atr", "max_bars")
    return {name: getattr(signals, name) for name in names}


def assert_same(result: BacktestResult, plain: PlainRun, data: Dataset, costs: CostModel) -> None:
    """거래의 봉·쪽·까닭은 같고, 값은 1e-9(상대)까지, 지표는 1e-7까지 같다."""
    ours = [
        (
            int(t["side"]),
            int(t["entry_bar"]),
            int(t["exit_bar"]),
            REASONS[int(t["reason"])],
            int(t["bars"]),
        )
        for t in result.trades
    ]
    theirs = [(t.side, t.entry_bar, t.exit_bar, t.reason, t.bars) for t in plain.trades]
    assert ours == theirs
    for name in ("entry_price", "exit_price", "quantity", "fees", "funding", "pnl"):
        np.testing.assert_allclose(
            result.trades[name], [getattr(t, name) for t in plain.trades],
            rtol=1e-9, atol=1e-7, err_msg=name,
        )  # fmt: skip
    expected = plain_metrics(
        plain, data.ltf.open_time.tolist(), parse_cell(data.ref.cell).ltf.ms, costs.initial_cash
    )
    assert set(result.metrics) == set(expected)
    for name, value in expected.items():
        assert np.isfinite(result.metrics[name]), name
        np.testing.assert_allclose(result.metrics[name], value, rtol=1e-7, atol=1e-8, err_msg=name)
