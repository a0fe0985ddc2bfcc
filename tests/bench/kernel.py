"""kernel의 속도: 실제 BTCUSDT 2024년 1분봉(527,040봉), 캐시가 데워진 한 코어.

실행: .venv/bin/python tests/bench/kernel.py [--repeats 30] [--json]
시간은 시행 하나의 thread CPU 시간과 벽시계의 최솟값·중앙값(ms)이고 모든 지표까지 든다. "함께"는 run_batch로
자료를 한 번 훑으며 여덟 조합씩 돈 것, 무작위는 기본 탐색 공간에서 고르게 뽑은 조합이다. 다른 일이 코어를 나눠 쓰면 벽시계가 길어진다.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from goals import against

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import make_signals, run_backtest, run_batch, simulate
from optimize.data.dataset import Dataset
from optimize.data.prepare import prepare
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_cell
from optimize.strategy.parameter import ChoiceParameter, IntParameter
from optimize.strategy.protocol import Strategy, Workspace
from optimize.strategy.registry import BUILTIN_STRATEGIES, load_strategy

MARKET = Path(__file__).resolve().parents[3] / "shared" / "market"
RANDOM = 32
GOAL_START_S = 1.5
REAL = MARKET / "BINANCE_BTCUSDT_1m_2024.csv.gz"
START = """
import time
begin = time.perf_counter()
from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.strategy.registry import load_strategy
import pickle, sys
ref = pickle.loads(bytes.fromhex(sys.argv[1]))
strategy = load_strategy("squeeze_momentum")
run_backtest(ref.open(), strategy, {p.name: p.default for p in strategy.parameters}, CostModel())
print(time.perf_counter() - begin)
"""


@dataclass
class Figure:
    """한 줄. cpu: thread CPU 시간, wall: 벽시계, ms."""

    name: str
    cpu_min: float
    cpu_median: float
    wall_min: float
    wall_median: float
    goal: float | None = None


def timed(
    name: str, work: Callable[[], object], repeats: int, per: int = 1, goal: float | None = None
) -> Figure:
    work()
    cpu, wall = [], []
    for _ in range(repeats):
        c, w = time.thread_time(), time.perf_counter()
        work()
        cpu.append((time.thread_time() - c) * 1000 / per)
        wall.append((time.perf_counter() - w) * 1000 / per)
    return Figure(name, min(cpu), statistics.median(cpu), min(wall), statistics.median(wall), goal)


def open_real(folder: Path) -> Dataset:
    refs = prepare(
        parse_symbol("BINANCE:BTCUSDT"), [parse_cell("1m@15m")], file=REAL, cache_dir=folder,
        on_progress=lambda *_: None,
    )  # fmt: skip
    return refs[0].open()


def drawn(strategy: Strategy, count: int) -> list[dict[str, Any]]:
    """기본 탐색 공간에서 고르게 뽑은 조합들(씨앗은 정해져 있다)."""
    rng = random.Random(7)
    return [
        {
            p.name: rng.choice(p.choices)
            if isinstance(p, ChoiceParameter)
            else rng.randint(p.low, p.high)
            if isinstance(p, IntParameter)
            else rng.uniform(p.low, p.high)
            for p in strategy.parameters
        }
        for _ in range(count)
    ]


def measure(data: Dataset, repeats: int) -> list[Figure]:
    figures = []
    for name in BUILTIN_STRATEGIES:
        figures += _of_strategy(data, name, repeats)
    return [*figures, *_parts(data, repeats)]


def _of_strategy(data: Dataset, name: str, repeats: int) -> list[Figure]:
    """기본값과, 탐색 공간에서 뽑은 조합들: 하나씩과 한 번에 함께."""
    costs, workspace, strategy = CostModel(), Workspace(), load_strategy(name)
    params = {p.name: p.default for p in strategy.parameters}
    batch, few, main = drawn(strategy, RANDOM), max(3, repeats // 6), name == "squeeze_momentum"

    def alone() -> None:
        for one in batch:
            run_backtest(data, strategy, one, costs, workspace)

    def single() -> object:
        return run_backtest(data, strategy, params, costs, workspace)

    def together() -> object:
        return run_batch(data, strategy, batch, costs, workspace)

    return [
        timed(f"{name} 기본값 한 번", single, repeats, goal=12.0 if main else None),
        timed(f"  무작위 {RANDOM}조합, 하나씩", alone, few, RANDOM, 12.0 if main else None),
        timed(f"  무작위 {RANDOM}조합, 함께", together, few, RANDOM, 6.0 if main else None),
    ]


def _parts(data: Dataset, repeats: int) -> list[Figure]:
    """기본값에 가까운 여덟 조합, 신호와 체결의 몫, ma_cross + 손절."""
    costs, workspace = CostModel(), Workspace()
    strategy, cross = load_strategy("squeeze_momentum"), load_strategy("ma_cross")
    params = {p.name: p.default for p in strategy.parameters}
    near = [{**params, "kc_len": 12 + 2 * k, "osc_len": 10 + 3 * k} for k in range(8)]
    stopped = {p.name: p.default for p in cross.parameters} | {"use_stop": True}
    signals = make_signals(data, strategy, params, Workspace())
    return [
        timed(
            "squeeze_momentum 기본값 곁의 여덟 조합, 함께",
            lambda: run_batch(data, strategy, near, costs, workspace),
            max(3, repeats // 4),
            per=8,
            goal=6.0,
        ),
        timed("  신호만", lambda: make_signals(data, strategy, params, workspace), repeats),
        timed("  체결과 지표만", lambda: simulate(data, signals, costs, workspace), repeats),
        timed(
            "ma_cross + 손절", lambda: run_backtest(data, cross, stopped, costs, workspace), repeats
        ),
    ]


def second_process(data: Dataset) -> float:
    """기계어 캐시가 있는 새 프로세스가 첫 시행을 마칠 때까지, 초(interpreter의 시작은 뺀다)."""
    import pickle

    argument = pickle.dumps(data.ref).hex()
    runs = [
        float(
            subprocess.run(
                [sys.executable, "-c", START, argument], capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(3)
    ]
    return min(runs)


def main() -> int:
    parser = argparse.ArgumentParser(description="kernel의 속도를 잰다")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    options = parser.parse_args()
    if not REAL.exists():
        print(f"실제 캔들이 없습니다: {REAL}", file=sys.stderr)
        return 4
    with tempfile.TemporaryDirectory() as folder:
        data = open_real(Path(folder))
        figures = measure(data, options.repeats)
        start = second_process(data)
    if options.json:
        print(json.dumps({"figures": [asdict(f) for f in figures], "second_process_s": start}))
        return 0
    load = os.getloadavg()[0]
    print(
        f"{len(data.ltf):,}봉 1m@15m, 한 코어, 데워짐, 그때의 부하 {load:.1f}/{os.cpu_count()}코어"
    )
    print(f"{'':44}{'CPU 최소':>9}{'중앙':>8}{'벽 최소':>9}{'중앙':>8}   목표(CPU 최소)")
    for f in figures:
        goal = "" if f.goal is None else against(f.cpu_min, f.goal, " ms")
        print(
            f"{f.name:40}{f.cpu_min:9.2f}{f.cpu_median:9.2f}{f.wall_min:9.2f}{f.wall_median:9.2f}   {goal}"
        )
    print(f"새 프로세스의 첫 시행까지 {start:.2f} s ({against(start, GOAL_START_S, ' s')})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
