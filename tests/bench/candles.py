"""한 해의 1분봉(Binance 달 zip 12개)을 받아 읽고 캐시에 넣는 CPU와, 캐시에서 여는 시간.

    python tests/bench/candles.py [--repeats 3] [--json]

zip은 실제 BTCUSDT 2024를 거래소의 형식으로 싸서 127.0.0.1의 시험 서버가 준다. 서버는 다른 프로세스의
것이라 재지 않는다: `optimize.data fetch`를 자식으로 띄워 그 CPU(user + system)만 잰다. 여는 시간은 준비된
자료를 다시 쓰는 둘째부터의 것이고, 앞의 것은 CPU, 뒤의 것은 벽시계의 최솟값이다.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from exchange import Exchange, environment, serve

sys.path.insert(0, str(Path(__file__).resolve().parent))
from kernel import REAL

from optimize.data.files import read_candles
from optimize.data.period import month_start
from optimize.data.prepare import prepare
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_cell

REPO = Path(__file__).resolve().parents[2]
FETCH_CPU_S, OPEN_MS = 2.0, 20.0
PERIOD = {"start": "2024-01-01", "end": "2025-01-01"}


def fetch_seconds(home: Path, url: str) -> tuple[float, float]:
    """(CPU, 벽시계) 초. 캐시는 비어 있어야 한다."""
    command = [sys.executable, "-m", "optimize.data", "fetch", "--symbol", "BINANCE:BTCUSDT"]
    command += ["--start", PERIOD["start"], "--end", PERIOD["end"]]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command, cwd=REPO, check=True, capture_output=True,
        env=os.environ | environment(url) | {"BACKTEST_WIZARD_HOME": str(home)},
    )  # fmt: skip
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def open_ms(home: Path, repeats: int) -> tuple[float, float]:
    """준비된 자료를 찾아 memory map하는 (CPU, 벽시계) ms의 최솟값."""
    cpu, wall = [], []
    for _ in range(repeats + 1):
        c, w = time.process_time(), time.perf_counter()
        (ref,) = prepare(
            parse_symbol("BINANCE:BTCUSDT"), [parse_cell("1m@15m")], **PERIOD, offline=True,
            cache_dir=home / "data", on_progress=lambda *_: None,
        )  # fmt: skip
        bars = len(ref.open().ltf)
        cpu.append((time.process_time() - c) * 1000)
        wall.append((time.perf_counter() - w) * 1000)
    assert bars == 527_040
    return min(cpu[1:]), min(wall[1:])


def measure(repeats: int) -> dict[str, Any]:
    """모두 잰다."""
    exchange = Exchange(read_candles(REAL).candles, now_ms=month_start("2025-01") + 5 * 86_400_000)
    with tempfile.TemporaryDirectory() as folder, serve(exchange):
        fetched = []
        for number in range(repeats + 1):  # 첫 번은 서버가 zip을 싸느라 느리다
            home = Path(folder) / str(number)
            fetched.append(fetch_seconds(home, exchange.url))
        cpu, wall = open_ms(home, 10)
    best = min(fetched[1:])
    return {
        "fetch_cpu_s": round(best[0], 2),
        "fetch_wall_s": round(best[1], 2),
        "open_cpu_ms": round(cpu, 1),
        "open_wall_ms": round(wall, 1),
        "ok": best[0] <= FETCH_CPU_S and cpu <= OPEN_MS,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="한 해의 1분봉을 받아 여는 시간")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    options = parser.parse_args()
    if not REAL.exists():
        print(f"실제 캔들이 없습니다: {REAL}", file=sys.stderr)
        return 4
    found = measure(options.repeats)
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    load = f"부하 {os.getloadavg()[0]:.1f}/{os.cpu_count()}코어"
    print(f"BTCUSDT 2024 1분봉 527,040개, 달 zip 12개, {load}")
    print(f"  받아 읽고 캐시에 넣기  CPU {found['fetch_cpu_s']:.2f} s  벽 {found['fetch_wall_s']:.2f} s  (목표 CPU ≤ {FETCH_CPU_S:.0f} s)")  # fmt: skip
    print(f"  캐시에서 열기          CPU {found['open_cpu_ms']:.1f} ms  벽 {found['open_wall_ms']:.1f} ms  (목표 ≤ {OPEN_MS:.0f} ms)")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
