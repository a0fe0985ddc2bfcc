"""캔들의 속도: `python tests/bench/bench_data.py`.

- 1년(12개 zip)의 해석과 캐시: CPU 2초 이하가 목표
- 진짜 1년 csv.gz의 마련하기: 처음과 둘째
- 캐시에서 열기: 20 ms 이하가 목표
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import hashlib

from exchange import make_zip
from market import MARKET

from optimize.data.binance import _parse_archive
from optimize.data.demo import make_demo
from optimize.data.period import month_start, months_between, next_month, parse_start
from optimize.data.prepare import prepare
from optimize.data.quality import between
from optimize.data.store import SymbolStore
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import MINUTE_MS, parse_grid


def measure(label: str, work: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{label:<40} {wall * 1000:9.1f} ms  CPU {cpu * 1000:9.1f} ms")


def main() -> None:
    start, end = parse_start("2024-01-01"), parse_start("2025-01-01")
    truth = make_demo("BTCUSDT", 1, start, (end - start) // MINUTE_MS)
    months = months_between(start, end)
    zips = {
        key: make_zip(f"{key}.csv", between(truth, month_start(key), month_start(next_month(key))), header=False)
        for key in months
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        symbol = parse_symbol("BINANCE:BTCUSDT")
        store = SymbolStore(cache, symbol)

        def parse_year() -> None:
            for key, body in zips.items():
                candles, digest = _parse_archive(body, hashlib.sha256(body).hexdigest())
                span = (month_start(key), month_start(next_month(key)))
                store.merge(candles, MINUTE_MS, span, "Binance 현물", {key: digest})

        def ready(file: Path | None = None) -> list[object]:
            return list(
                prepare(
                    symbol,
                    parse_grid("1m@15m,1m@1h"),
                    file=file,
                    offline=True,
                    cache_dir=cache,
                    on_progress=lambda *_: None,
                )
            )

        measure("12개 zip 해석 + 캐시(1년 1분봉)", parse_year)
        measure("캐시에서 마련하기, 처음", ready)
        measure("캐시에서 마련하기, 둘째", ready)
        (ref, _) = ready()
        measure("열기", ref.open)  # type: ignore[attr-defined]
        file = MARKET / "BINANCE_BTCUSDT_1m_2024.csv.gz"
        if file.exists():
            measure("진짜 1년 csv.gz 마련하기, 처음", lambda: ready(file))
            measure("진짜 1년 csv.gz 마련하기, 둘째", lambda: ready(file))


if __name__ == "__main__":
    main()
