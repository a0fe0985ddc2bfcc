"""최선의 거래 목록의 sample 열: 한 구간 안에서 들어가고 나온 거래만 그 구간의 것이다."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from reference.builders import dataset, random_candles

from optimize.backtest.result import TRADE_DTYPE, BacktestResult
from optimize.backtest.segments import Calendar, Segment
from optimize.report.best import _samples
from optimize.validation.splits import Rules, make_scheme


def test_a_trade_that_crosses_the_boundary_belongs_to_neither_side() -> None:
    data = dataset(random_candles(3, 10 * 1440), "1h")
    calendar = Calendar.of(data)
    days = len(calendar.day_last)
    scheme = make_scheme(Rules("hold_out"), calendar.first_day, calendar.first_day + days)
    (split,) = scheme.splits
    (_, _, first, end), (_, _, test, last) = (
        Segment.of(calendar, part).ranges[0].tolist() for part in (split.train, split.test)
    )
    bars = [(first, end - 1), (first, end), (end, test), (test - 1, test), (test, last - 1)]
    trades = np.zeros(len(bars), dtype=TRADE_DTYPE)
    trades["entry_bar"], trades["exit_bar"] = zip(*bars, strict=True)
    zeros = np.zeros(days)
    held = np.zeros(days, dtype=np.int32)
    result = BacktestResult({}, trades, zeros, calendar.first_day, 1.0, zeros, zeros, zeros, held)
    assert _samples(result, data, scheme) == [
        "in_sample",
        "boundary",
        "boundary",
        "boundary",
        "out_of_sample",
    ]
    assert _samples(result, data, None) == [""] * len(bars)
    assert _samples(result, data, replace(scheme, splits=(split, split))) == [""] * len(bars)
