"""내려받기 시험이 함께 쓰는 것: 참된 봉, 때, 짧게 부르는 download, 견주기."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from optimize.data.demo import make_demo
from optimize.data.download import download
from optimize.data.http import HttpOptions
from optimize.data.period import parse_start
from optimize.data.quality import between
from optimize.data.store import SymbolStore
from optimize.data.symbols import parse_symbol

DAY = 86_400_000
FIRST = parse_start("2024-12-28")
NOW = parse_start("2025-02-04T10:30:20")
QUICK = HttpOptions(connect_timeout=5, read_timeout=20, attempts=3, backoff_s=0.01)
IMPATIENT = HttpOptions(connect_timeout=5, read_timeout=0.7, attempts=3, backoff_s=0.01)
TRUTH = make_demo("BTCUSDT", 1, FIRST, (NOW - FIRST) // 60_000 + 1)


def silent(label: str, done: int, total: int) -> None:
    """진행을 버린다."""


def fetch(
    cache: Path,
    start: str = "2024-12-28",
    end: str = "2025-02-05",
    symbol: str = "BINANCE:BTCUSDT",
    **options: Any,
) -> tuple[SymbolStore, list[str]]:
    store = SymbolStore(cache, parse_symbol(symbol))
    notes = download(
        store,
        parse_start(start),
        parse_start(end),
        options.pop("on_progress", silent),
        fix="다른 길",
        **{"options": QUICK, **options},
    )
    return store, notes


def assert_same(store: SymbolStore, start: int, end: int) -> None:
    """캐시의 봉이 거래소의 참값과 모두 같다."""
    stored, truth = store.read(start, end), between(TRUTH, start, end)
    for name in ("open_time", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(truth, name), err_msg=name)
