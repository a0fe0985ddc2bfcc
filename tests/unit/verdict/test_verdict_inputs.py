"""판정에 드는 것: 고르게 남긴 시행들과, 심볼들을 한 포트폴리오로 본 거래의 수익률."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from verdict_kit import gathered, trial

from optimize.backtest.result import TRADE_DTYPE
from optimize.report.verdict import _portfolio
from optimize.verdict import collect


def test_the_kept_trials_are_spread_over_the_whole_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """뒤의 시행이 앞의 것을 밀어내지 않는다: 남긴 것의 가운데는 모두의 가운데다(5 표준편차 안)."""
    monkeypatch.setattr(collect, "MAX_KEPT", 100)
    found = gathered([trial(n, None, values=(float(n),)) for n in range(2000)])
    assert len(found.scores) == 100
    assert np.mean(found.scores) == pytest.approx(1000, abs=5 * 577 / 10)
    assert sum(score < 1000 for score in found.scores) > 20


def result(daily: list[float], trades: list[tuple[int, float]]) -> Any:
    """trades: (나온 봉, 진입 때 평가금에 대한 수익률 %)."""
    rows = np.zeros(len(trades), dtype=TRADE_DTYPE)
    rows["exit_bar"], rows["return_pct"] = zip(*trades, strict=True)
    return SimpleNamespace(daily_returns=lambda: np.array(daily), trades=rows)


def test_trades_are_fractions_of_the_whole_account_in_the_order_they_ended() -> None:
    one = result([0.02, -0.01], [(5, 10.0), (9, -50.0)])
    daily, trades = _portfolio([one])
    assert daily.tolist() == [0.02, -0.01]
    assert trades == pytest.approx([0.1, -0.5])
    daily, trades = _portfolio([one, result([0.04, 0.01], [(7, 20.0)])])
    assert daily == pytest.approx([0.03, 0.0])
    assert trades == pytest.approx([0.05, 0.1, -0.25])
