"""진행의 셈: 최근의 속도와 남은 초, 달라진 칸만."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from optimize.runner import progress
from optimize.runner.progress import ProgressMeter


def test_the_rate_is_that_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """앞의 30초는 초마다 10개, 그 뒤 15초는 한 초 걸러 4개(모두 32개): 15초의 것만 본다. 시행을 잃어도 0보다 작지 않다."""
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    cell: Any = SimpleNamespace(index=0, study="s", done=0, target=1000)
    idle: Any = SimpleNamespace(index=1, study="쉼", done=5, target=5)
    pool: Any = SimpleNamespace(workers=2, hosts={})
    meter = ProgressMeter([cell, idle], pool)
    last = [event.study for event in meter.due()]
    assert last == ["s", "쉼"]
    assert meter.due() == []
    for second in range(1, 46):
        now = 100.0 + second
        cell.done += 10 if second <= 30 else 4 * (second % 2)
        events = meter.due()
        assert [event.study for event in events] == (["s"] if second <= 30 or second % 2 else [])
    (event,) = events
    assert event.rate == pytest.approx(32 / 15)
    assert event.eta_s == pytest.approx((1000 - 332) / (32 / 15))
    now += 1.0
    cell.done -= 200
    (event,) = meter.due()
    assert (event.rate, event.eta_s) == (0.0, None)
    assert [event.eta_s for event in meter.due(force=True)] == [None, 0.0]
