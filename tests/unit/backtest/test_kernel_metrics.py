"""지표가 교과서의 식과 같고, 나눌 것이 없을 때 밝힌 규칙대로 유한함을 보인다."""

from __future__ import annotations

from math import sqrt
from statistics import mean, stdev

import numpy as np
import pytest
from reference.builders import candles, dataset
from reference.compare import run_fixed

from optimize.backtest.costs import CostModel
from optimize.backtest.metrics import METRICS, RATIO_CAP
from optimize.backtest.result import EXIT_REASONS
from optimize.strategy.protocol import Signals

FREE = CostModel(initial_cash=1000.0, fee_rate=0, slippage_rate=0, maintenance_margin_rate=0)
DAY_MS = 86_400_000


def held(prices: list[float], side: int = 1, costs: CostModel = FREE):
    """일봉. 첫 봉의 신호로 둘째 봉의 시가(= 첫 종가)에 들어가 끝까지 가진다."""
    closes = np.array(prices, float)
    opens = np.concatenate(([closes[0]], closes[:-1]))
    rows = candles(opens, np.maximum(opens, closes), np.minimum(opens, closes), closes, step=DAY_MS)
    base = dataset(rows, "1m")
    object.__setattr__(base.ref, "cell", "1d")
    nothing = np.zeros(len(closes), bool)
    entry = np.zeros(len(closes), np.int8)
    entry[0] = side
    return run_fixed(base, Signals(entry, nothing, nothing), costs)


def test_일간_수익률의_sharpe_sortino와_낙폭과_연복리() -> None:
    prices = [100.0, 110.0, 99.0, 108.9, 98.01, 98.9901]
    result = held(prices)
    returns = [0.0, 0.1, -0.1, 0.1, -0.1, 0.01]
    np.testing.assert_allclose(result.daily_returns(), returns, atol=1e-12)
    np.testing.assert_allclose(result.daily_equity, 10 * np.array(prices))
    m = result.metrics
    assert m["sharpe"] == pytest.approx(mean(returns) / stdev(returns) * sqrt(365))
    downside = sqrt((0.1**2 + 0.1**2) / 6)
    assert m["sortino"] == pytest.approx(mean(returns) / downside * sqrt(365))
    assert m["max_drawdown_pct"] == pytest.approx(100 * (1 - 98.01 / 110))
    assert m["net_profit_pct"] == pytest.approx(-1.0099)
    assert m["cagr_pct"] == pytest.approx(100 * (0.989901 ** (365 / 6) - 1))
    assert m["calmar"] == pytest.approx(m["cagr_pct"] / m["max_drawdown_pct"])


def test_낙폭은_닫힌_거래가_아니라_봉마다의_평가로_잰다() -> None:
    m = held([100.0, 50.0, 100.0, 200.0]).metrics
    assert m["max_drawdown_pct"] == pytest.approx(50.0)
    assert m["trades"] == 1.0
    assert m["net_profit_pct"] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([100.0, 101.0, 102.0, 103.0], {"profit_factor": RATIO_CAP, "sortino": RATIO_CAP, "calmar": RATIO_CAP, "win_rate_pct": 100.0}),
        ([100.0, 99.0, 98.0, 97.0], {"profit_factor": 0.0, "win_rate_pct": 0.0, "payoff_ratio": 0.0, "max_losing_streak": 1.0}),
        ([100.0, 100.0, 100.0, 100.0], {"sharpe": 0.0, "sortino": 0.0, "calmar": 0.0, "profit_factor": 0.0, "cagr_pct": 0.0}),
        ([100.0, 1e9, 1e9, 1e9], {"cagr_pct": 1e6}),
    ],
)  # fmt: skip
def test_나눌_것이_없을_때의_규칙(prices: list[float], expected: dict[str, float]) -> None:
    metrics = held(prices).metrics
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)


def test_거래가_없어도_모든_지표가_유한하다() -> None:
    metrics = held([100.0, 120.0, 90.0], side=0).metrics
    assert list(metrics) == list(METRICS)
    assert all(value == 0.0 for value in metrics.values())


def test_거래의_통계() -> None:
    """이익 +100, 손실 -55, 손실 -41.8: 손으로 셈한 값."""
    closes = np.array([100.0, 100.0, 110.0, 110.0, 104.5, 104.5, 100.32, 100.32])
    opens = np.concatenate(([100.0], closes[:-1]))
    rows = candles(opens, np.maximum(opens, closes), np.minimum(opens, closes), closes)
    entry = np.array([0, 1, 0, 1, 0, 1, 0, 0], np.int8)
    leave = np.array([0, 0, 1, 0, 1, 0, 1, 0], bool)
    m = run_fixed(dataset(rows), Signals(entry, leave, leave.copy()), FREE).metrics
    assert m["trades"] == m["long_trades"] == 3.0
    assert m["win_rate_pct"] == pytest.approx(100 / 3)
    assert m["profit_factor"] == pytest.approx(100 / (55 + 41.8))
    assert m["payoff_ratio"] == pytest.approx(100 / ((55 + 41.8) / 2))
    assert m["expectancy_pct"] == pytest.approx((10 - 5 - 4) / 3)
    assert m["max_losing_streak"] == 2.0
    assert m["avg_bars"] == 1.0
    assert m["exposure_pct"] == pytest.approx(100 * 3 / 8)


def test_이름표는_한국어와_방향을_갖고_청산의_까닭이_모두_이름을_갖는다() -> None:
    for name, info in METRICS.items():
        assert name.isidentifier()
        assert info.label
        assert info.label_ko == info.label
        assert info.goal in ("max", "min")
        assert info.description
    assert sorted(EXIT_REASONS) == list(range(1, 8))
