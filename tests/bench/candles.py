"""한 해의 1분봉(Binance 달 zip 12개)을 받아 읽고 캐시에 넣는 CPU와, 캐시에서 여는 시간.

    python tests/bench/candles.py [--repeats 3] [--json]

zip은 실제 BTCUSDT 2024를 거래소의 형식으로 싸서 127.0.0.1의 시험 서버가 준다. 서버는 다른 프로세스의
것이라 재지 않는다: `optimize.data fetch`를 자식으로 띄워 그 CPU(user + system)만 잰다. 여는 시간은 둘이다:
실행이 준비된 자료를 찾아 crc32를 확인하고 여는 것(둘째부터의 최솟값)과, 작업자가 새 프로세스에서 처음 여는 것
(pyarrow를 들인 뒤, 모든 열을 한 번 읽는다; 여러 프로세스의 최솟값).
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
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

from optimize.data.dataset import DatasetRef
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


WORKER = """
import pickle, sys, time
ref = pickle.load(sys.stdin.buffer)
from optimize.data import arrow_io
cpu, wall = time.process_time(), time.perf_counter()
data = ref.open()
opened = time.process_time() - cpu, time.perf_counter() - wall
for candles in (data.ltf, data.htf):
    for name in candles.__dataclass_fields__:
        getattr(candles, name).sum()
read = time.process_time() - cpu, time.perf_counter() - wall
print(*opened, *read)
"""


def worker_ms(ref: DatasetRef, repeats: int) -> list[float]:
    """작업자가 처음 여는 (CPU, 벽시계)와 모든 값을 읽기까지의 (CPU, 벽시계), ms. 저마다의 최솟값."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", WORKER], cwd=REPO, check=True, capture_output=True,
            input=pickle.dumps(ref),
        ).stdout.split()
        for _ in range(repeats)
    ]  # fmt: skip
    return [min(float(run[i]) for run in runs) * 1000 for i in range(4)]


def open_ms(home: Path, repeats: int) -> tuple[float, float, float, DatasetRef]:
    """처음 준비하는 CPU, 준비된 자료를 찾아 여는 (CPU, 벽시계)의 최솟값, ms, 그리고 그 자료."""
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
    return cpu[0], min(cpu[1:]), min(wall[1:]), ref


def measure(repeats: int) -> dict[str, Any]:
    """모두 잰다."""
    exchange = Exchange(read_candles(REAL).candles, now_ms=month_start("2025-01") + 5 * 86_400_000)
    with tempfile.TemporaryDirectory() as folder, serve(exchange):
        fetched = []
        for number in range(repeats + 1):  # 첫 번은 서버가 zip을 싸느라 느리다
            home = Path(folder) / str(number)
            fetched.append(fetch_seconds(home, exchange.url))
        built, cpu, wall, ref = open_ms(home, 10)
        worker = worker_ms(ref, 5)
    best = min(fetched[1:])
    return {
        "fetch_cpu_s": round(best[0], 2),
        "fetch_wall_s": round(best[1], 2),
        "prepare_cpu_ms": round(built, 1),
        "open_cpu_ms": round(cpu, 1),
        "open_wall_ms": round(wall, 1),
        "worker_open_cpu_ms": round(worker[0], 1),
        "worker_open_wall_ms": round(worker[1], 1),
        "worker_read_cpu_ms": round(worker[2], 1),
        "worker_read_wall_ms": round(worker[3], 1),
        "ok": best[0] <= FETCH_CPU_S and max(cpu, worker[0]) <= OPEN_MS,
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
    print(f"  한 번만 하는 준비      CPU {found['prepare_cpu_ms']:.1f} ms (sha256 확인, 빈 봉 채우기, 15m 봉 묶기)")  # fmt: skip
    print(f"  캐시에서 열기          CPU {found['open_cpu_ms']:.1f} ms  벽 {found['open_wall_ms']:.1f} ms  (목표 ≤ {OPEN_MS:.0f} ms)")  # fmt: skip
    print(f"  작업자가 열기          CPU {found['worker_open_cpu_ms']:.1f} ms  벽 {found['worker_open_wall_ms']:.1f} ms  (목표 ≤ {OPEN_MS:.0f} ms)")  # fmt: skip
    print(f"  작업자가 다 읽기       CPU {found['worker_read_cpu_ms']:.1f} ms  벽 {found['worker_read_wall_ms']:.1f} ms")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
