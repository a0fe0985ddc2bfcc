"""이어 붙인 길: 한 조각은 그 구간의 지표 그대로이고, 나누어 이어도 평가금의 지표는 같다."""

from __future__ import annotations

import numpy as np
import pytest
from reference.builders import dataset, random_candles
from reference.compare import Fixed

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.backtest.result import BacktestResult
from optimize.backtest.segments import Calendar, Segment, segment_metrics
from optimize.backtest.stitch import stitch
from optimize.strategy.protocol import Signals

FROM_EQUITY = (
    "net_profit_pct",
    "cagr_pct",
    "sharpe",
    "sortino",
    "max_drawdown_pct",
    "exposure_pct",
)


@pytest.fixture(scope="module")
def case() -> tuple[BacktestResult, Calendar]:
    data = dataset(random_candles(11, 12 * 1440), "1h")
    rng = np.random.default_rng(5)
    n = len(data.ltf)
    entry = np.where(rng.random(n) < 0.2, rng.choice([-1, 1], n), 0).astype(np.int8)
    strategy = Fixed(Signals(entry, rng.random(n) < 0.2, rng.random(n) < 0.2))
    return run_backtest(data, strategy, {}, CostModel(initial_cash=1000.0)), Calendar.of(data)


def test_one_piece_has_the_metrics_of_its_days(case: tuple[BacktestResult, Calendar]) -> None:
    """돈의 지표(수수료, 손익)와 보유한 봉까지: 조각의 금액은 처음 돈에서 시작하게 곱해진다."""
    result, calendar = case
    days = (calendar.first_day + 3, calendar.first_day + 9)
    assert abs(result.daily_equity[2] - 1000.0) > 1.0
    segment = Segment.of(calendar, [days])
    whole = segment_metrics(result, segment)
    assert whole["trades"] > 5
    assert whole["exposure_pct"] > 0
    assert segment_metrics(stitch([(result, days)], calendar), segment) == pytest.approx(whole)


def test_pieces_join_into_the_same_path(case: tuple[BacktestResult, Calendar]) -> None:
    result, calendar = case
    first = calendar.first_day
    segment = Segment.of(calendar, [(first + 2, first + 10)])
    whole = segment_metrics(result, segment)
    cuts = [(first + 2, first + 5), (first + 5, first + 6), (first + 6, first + 10)]
    found = segment_metrics(stitch([(result, days) for days in cuts], calendar), segment)
    for name in FROM_EQUITY:
        assert found[name] == pytest.approx(whole[name]), name


def test_days_without_a_backtest_stand_still(case: tuple[BacktestResult, Calendar]) -> None:
    result, calendar = case
    first = calendar.first_day
    path = stitch([(result, (first, first + 4)), (None, (first + 4, first + 8))], calendar)
    assert (path.daily_equity[4:] == path.daily_equity[3]).all()
    assert path.daily_held[:4].sum() > 0 == path.daily_held[4:].sum()
    with pytest.raises(ValueError, match="붙어"):
        stitch([(result, (first, first + 4)), (None, (first + 5, first + 8))], calendar)
