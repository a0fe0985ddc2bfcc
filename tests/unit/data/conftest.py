"""캔들 시험이 함께 쓰는 fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from download_kit import NOW, TRUTH
from exchange import Exchange, environment, serve

from optimize.data import clock


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    with serve(Exchange(TRUTH, NOW)) as running:
        for name, value in environment(running.url).items():
            monkeypatch.setenv(name, value)
        # 이 컴퓨터의 시계가 5분 빠르다: 닫힌 봉인지는 서버의 시계로 가린다.
        monkeypatch.setattr(clock, "now_ms", lambda: NOW // 60_000 * 60_000 + 300_000)
        yield running
