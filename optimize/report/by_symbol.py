"""심볼이 여럿인 시행의, 심볼마다의 점수를 글로."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optimize.backtest.metrics import METRICS
from optimize.trial import FinishedTrial

_SHOWN = ("net_profit_pct", "max_drawdown_pct", "trades")


def symbol_lines(trial: FinishedTrial) -> list[str]:
    """심볼마다 한 줄: 점수, 있으면 검증 점수, 몇 지표. 심볼이 하나면 비었다."""
    return [f"{symbol}: {_text(found)}" for symbol, found in trial.by_symbol.items()]


def _text(found: dict[str, Any]) -> str:
    parts = [f"점수 {_values(found['values'])}"]
    if found["out_of_sample"]:
        parts.append(f"검증 {_values(found['out_of_sample'])}")
    for name in _SHOWN:
        if name in found["metrics"]:
            info = METRICS[name]
            number = f"{found['metrics'][name]:,.{info.digits}f}"
            parts.append(f"{info.label} {number}{f' {info.unit}' if info.unit else ''}")
    return " · ".join(parts)


def _values(values: Sequence[float]) -> str:
    return ", ".join(f"{value:,.4g}" for value in values)
