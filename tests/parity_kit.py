"""다른 도구와의 견줌(parity)이 벤치와 시험에서 함께 쓰는 것: 경우들, 우리 엔진의 거래, 견줄 숫자."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import equity_curve, make_signals, run_backtest
from optimize.data.dataset import Dataset
from optimize.data.prepare import prepare
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_cell
from optimize.strategy.protocol import Signals, Workspace
from optimize.strategy.registry import load_strategy

REPO = Path(__file__).resolve().parents[1]
MARKET = REPO.parent / "shared" / "market"
EXPECTED = REPO / "tests" / "unit" / "backtest" / "parity_expected.json"
DEFAULTS = {"average": "sma", "fast_len": 20, "slow_gap": 60, "use_htf": False, "use_stop": True}


@dataclass(frozen=True)
class Case:
    """견줌 하나. file이 비면 합성 데모다. tools: 견줄 도구."""

    name: str
    symbol: str
    cell: str
    file: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    fee: float = 0.0005
    slippage: float = 0.0
    cash: float = 10_000.0
    demo_days: int = 20
    tools: tuple[str, ...] = ("vectorbt", "backtesting.py")


BTC, PERP, ENA = (
    f"BINANCE_{name}_1m_{period}.csv.gz"
    for name, period in (("BTCUSDT", "2024"), ("BTCUSDT.P", "2025-05"), ("ENAUSDT.P", "2025-05"))
)
ONLY_VECTORBT = ("vectorbt",)
CASES = (
    Case("데모 1m", "DEMO:BTCUSDT", "1m"),
    Case("데모 1m@15m slippage", "DEMO:ETHUSDT", "1m@15m", params={"use_htf": True, "stop_atr": 1.0},
         slippage=0.0002, tools=ONLY_VECTORBT),
    Case("BTCUSDT 2024 1m", "BINANCE:BTCUSDT", "1m", BTC),
    Case("BTCUSDT 2024 1m@15m 손절 1 ATR", "BINANCE:BTCUSDT", "1m@15m", BTC,
         {"use_htf": True, "stop_atr": 1.0, "average": "ema"}),
    Case("BTCUSDT 2024 1m slippage", "BINANCE:BTCUSDT", "1m", BTC, slippage=0.0001, tools=ONLY_VECTORBT),
    Case("BTCUSDT.P 2025-05 1m", "BINANCE:BTCUSDT.P", "1m", PERP, {"stop_atr": 2.0}),
    Case("ENAUSDT.P 2025-05 1m@15m", "BINANCE:ENAUSDT.P", "1m@15m", ENA,
         {"use_htf": True, "average": "hma"}),
)  # fmt: skip
QUICK = ("데모 1m", "데모 1m@15m slippage", "BTCUSDT.P 2025-05 1m", "ENAUSDT.P 2025-05 1m@15m")


@dataclass(frozen=True)
class Fills:
    """한 도구의 거래들(길이 t)과 봉마다의 평가금(길이 n). 가격과 손익은 호가 통화, 손익은 수수료를 뺀 것."""

    entry_bar: Any
    exit_bar: Any
    side: Any
    quantity: Any
    entry_price: Any
    exit_price: Any
    pnl: Any
    equity: Any


def missing(case: Case) -> str:
    """이 경우를 돌릴 수 없는 까닭, 있으면 빈 글."""
    path = MARKET / case.file
    return "" if not case.file or path.exists() else f"실제 캔들이 없습니다: {path}"


def candles_of(case: Case, cache_dir: Path) -> Dataset:
    """경우의 자료. 펀딩은 두 도구에 없으므로 붙이지 않는다."""
    (ref,) = prepare(
        parse_symbol(case.symbol),
        [parse_cell(case.cell)],
        file=MARKET / case.file if case.file else None,
        demo_seed=11,
        demo_days=case.demo_days,
        cache_dir=cache_dir,
        on_progress=lambda *_: None,
    )
    return ref.open()


def _strategy(case: Case) -> tuple[Any, dict[str, Any]]:
    strategy = load_strategy("ma_cross")
    params = {p.name: p.default for p in strategy.parameters} | DEFAULTS | case.params
    return strategy, params


def signals_of(case: Case, data: Dataset) -> Signals:
    """세 도구가 함께 받는 신호."""
    strategy, params = _strategy(case)
    return make_signals(data, strategy, params, Workspace())


def our_fills(case: Case, data: Dataset) -> Fills:
    """우리 엔진의 거래와 평가금."""
    strategy, params = _strategy(case)
    costs = CostModel(
        initial_cash=case.cash, fee_rate=case.fee, slippage_rate=case.slippage, funding=False
    )
    trades = run_backtest(data, strategy, params, costs).trades
    names = ("entry_bar", "exit_bar", "side", "quantity", "entry_price", "exit_price", "pnl")
    return Fills(
        *(trades[name].copy() for name in names), equity_curve(data, strategy, params, costs)
    )


def figures(fills: Fills) -> dict[str, Any]:
    """거래와 평가금을 줄인 숫자들. 거래 하나만 달라져도 달라진다."""
    order = np.arange(1, len(fills.side) + 1)
    return {
        "trades": len(fills.side),
        "longs": int((fills.side > 0).sum()),
        "entry_bars": int((fills.entry_bar * order).sum()),
        "exit_bars": int((fills.exit_bar * order).sum()),
        "quantity": float((fills.quantity * order).sum()),
        "entry_price": float((fills.entry_price * order).sum()),
        "exit_price": float((fills.exit_price * order).sum()),
        "pnl": float((fills.pnl * order).sum()),
        "equity_mean": float(np.mean(fills.equity)),
        "equity_min": float(np.min(fills.equity)),
        "equity_last": float(fills.equity[-1]),
    }
