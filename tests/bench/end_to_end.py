"""처음부터 끝까지의 속도: 시행 하나에 커널 밖에서 드는 시간과, 코어가 커널에 쓴 몫.

    python tests/bench/end_to_end.py [--trials 2500] [--jobs 2] [--storage postgresql|sqlite] [--stock] [--json]

실제 캔들(BTCUSDT 2024년 1분봉, 두 칸)을 `python -m optimize.run`으로 돌리고 사건 기록을 읽는다.

    overhead  = (wall × jobs − 커널 시간의 합) / 시행 수         목표 ≤ 3 ms (1,000번째), ≤ 4 ms (10,000번째)
    share     = 커널 시간의 합 / (wall × jobs)                  목표 ≥ 85 %

커널 시간은 작업자가 잰 시행의 시간(wall)이다. 다른 일이 도는 컴퓨터에서는 그 시간도 늘어나므로,
프로세스들의 CPU 시간도 함께 잰다: coordinator와 데이터베이스 서버가 시행 하나에 쓴 CPU ms.
`--stock`은 같은 서버의 그 스터디(칸 하나)를 Optuna의 `study.optimize`와 TPESampler로 이어 돌려, 커널
없는 시행 하나의 벽시계 시간을 견준다.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from goals import against
from kernel import GOAL_START_S
from postgres import PostgresServer, embedded_binaries
from process_meter import WARM_TRIALS, CpuMeter
from sampler import suggest

from optimize.search.space import SearchSpace
from optimize.strategy.registry import load_strategy

MARKET = Path(__file__).resolve().parents[3] / "shared/market/BINANCE_BTCUSDT_1m_2024.csv.gz"
STOCK_TRIALS = 20
LEAST_MS = 0.01
GOAL_SHARE, GOAL_TIMES = 0.85, 30.0
GOAL_FROM, GOAL_EARLY_MS, GOAL_LATE_MS = 1_000, 3.0, 4.0
CENTERS = (100, 300, 1_000, 2_000, 3_000, 5_000, 7_000)


def run_once(trials: int, jobs: int, storage: str, grid: str, stock: bool) -> dict[str, Any]:
    """한 번 돌려 잰 것들. stock이면 Optuna로 이어 돌린 것도."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environ |= {"BACKTEST_WIZARD_HOME": str(home), "OPTUNA_STORAGE": ""}
        server = None
        if storage == "postgresql":
            server = PostgresServer(embedded_binaries(), {"fsync": "on"})
            stack.callback(server.close)
            environ["OPTUNA_STORAGE"] = server.create_database().secret
        command = [
            *(sys.executable, "-m", "optimize.run", "--symbol", "BINANCE:BTCUSDT"),
            *("--data", str(MARKET), "--timeframe-grid", grid, "--n-jobs", str(jobs)),
        ]
        # 캔들의 캐시와 컴파일(커널과 TPE)은 재지 않는다.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*command, "--n-trials", str(WARM_TRIALS)], env=environ, check=True, **quiet)
        launched = time.time()
        process = subprocess.Popen([*command, "--n-trials", str(trials)], env=environ, **quiet)
        meter = CpuMeter(process.pid, server.pid if server else None)
        meter.start()
        code = process.wait()
        meter.stopped.set()
        meter.join()
        if code:
            raise SystemExit(f"실행이 exit code {code}로 끝났다")
        newest = max(home.glob("studies/*/runs/*/events.ndjson"), key=lambda p: p.stat().st_mtime)
        result = measure(newest, jobs, launched, meter)
        if stock:
            result["stock"] = continue_with_stock(environ["OPTUNA_STORAGE"])
            # 작업자가 쉬지 않은 구간의 overhead는 0이나 그보다 조금 작게 재인다.
            ours = max(result["windows"][-1]["overhead_ms"], LEAST_MS)
            result["stock"]["times"] = result["stock"]["wall_ms"] / ours
        return result


def continue_with_stock(url: str) -> dict[str, Any]:
    """끝난 실행의 첫 스터디를 Optuna로 몇 시행 이어 돈다. 목표 함수는 값만 뽑는다."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = SearchSpace(load_strategy("squeeze_momentum").parameters)
    name = min(optuna.get_all_study_names(url))
    sampler = optuna.samplers.TPESampler(seed=1)
    study = optuna.load_study(study_name=name, storage=url, sampler=sampler)
    source, moments = random.Random(1), []

    def objective(trial: optuna.Trial) -> float:
        space.walk(lambda p: suggest(trial, p))
        return source.gauss(0, 1)

    at = len(study.get_trials(deepcopy=False))
    moments.append(time.perf_counter())
    study.optimize(
        objective, STOCK_TRIALS + 1, callbacks=[lambda *_: moments.append(time.perf_counter())]
    )
    # 첫 시행은 기록을 처음 읽는 몫이 섞이므로 뺀다.
    each = [(b - a) * 1000 for a, b in itertools.pairwise(moments[1:])]
    return {"at_trial": at, "dimensions": len(space.dimensions), "wall_ms": statistics.median(each)}


def window_centers(n: int) -> list[int]:
    """구간들의 가운데: 처음의 100번째부터 끝까지."""
    inner = [c for c in CENTERS if c + half_width(c) < n - 100]
    return [*inner, n - half_width(n)] if n > 200 else [n // 2]


def half_width(center: int) -> int:
    """구간의 반 폭: 앞은 좁게, 뒤는 흔들림이 적게 넓게."""
    return 100 if center < 1_000 else 250


def window(center: int, ends: list[float], kernels: list[float], jobs: int) -> dict[str, float]:
    """가운데가 center인 구간의 overhead와 커널의 중앙값, ms."""
    half = min(half_width(center), center)
    part = slice(center - half, center + half)
    wall = (ends[part][-1] - ends[part][0]) * 1000 * jobs
    spent = kernels[part][1:]
    return {
        "at_trial": center,
        "overhead_ms": (wall - sum(spent)) / len(spent),
        "kernel_ms": statistics.median(kernels[part]),
    }


def measure(path: Path, jobs: int, launched: float, meter: CpuMeter) -> dict[str, Any]:
    """사건 기록에서 overhead와 몫을, 전체와 구간마다."""
    with path.open(encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines if '"type":"trial"' in line]
    ends = [datetime.fromisoformat(event["ts"]).timestamp() for event in events]
    starts = [datetime.fromisoformat(event["started_at"]).timestamp() for event in events]
    kernels = [event["duration_ms"] for event in events]
    wall = (max(ends) - min(starts)) * 1000 * jobs
    return {
        "trials": len(events),
        "first_trial_s": min(starts) - launched,
        "wall_s": max(ends) - min(starts),
        "kernel_ms_median": statistics.median(kernels),
        "overhead_ms": (wall - sum(kernels)) / len(events),
        "kernel_share": sum(kernels) / wall,
        "windows": [window(c, ends, kernels, jobs) for c in window_centers(len(events))],
        "cpu_ms_per_trial": {k: v * 1000 / len(events) for k, v in meter.cpu.items()},
        "peak_private_mb": meter.private_mb,
    }


def _overhead_goal(window: dict[str, float]) -> str:
    """구간의 목표. 처음의 시행들에는 작업자가 커널을 읽는 시간이 섞이므로 없다."""
    at = window["at_trial"]
    if at < GOAL_FROM:
        return ""
    goal = GOAL_EARLY_MS if at == GOAL_FROM else GOAL_LATE_MS
    return f" ({against(window['overhead_ms'], goal, ' ms')})"


def main() -> None:
    parser = argparse.ArgumentParser(description="실행의 처음부터 끝까지를 잰다")
    parser.add_argument("--trials", type=int, default=2500, help="칸마다의 시행 수")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--storage", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--grid", default="1m@15m,1m@1h")
    parser.add_argument("--stock", action="store_true", help="Optuna로도 이어 돌려 견준다")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if not MARKET.exists():
        raise SystemExit(f"실제 캔들이 없다: {MARKET}")
    load = os.getloadavg()[0]
    if chosen.stock and chosen.storage != "postgresql":
        parser.error("--stock은 PostgreSQL에서만 잰다")
    result = run_once(chosen.trials, chosen.jobs, chosen.storage, chosen.grid, chosen.stock)
    result |= {"storage": chosen.storage, "jobs": chosen.jobs, "load_before": load}
    if chosen.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    print(f"{chosen.storage}, 작업자 {chosen.jobs}, {chosen.grid}, 시작 전 load {load:.1f}")
    print(
        f"시행 {result['trials']}개, wall {result['wall_s']:.1f}초, 첫 시행까지 {result['first_trial_s']:.2f}초 "
        f"({against(result['first_trial_s'], GOAL_START_S, '초')})"
    )
    print(
        f"커널 중앙값 {result['kernel_ms_median']:.1f} ms, overhead {result['overhead_ms']:.2f} ms/시행, 커널의 몫 {result['kernel_share']:.1%} "
        f"({against(100 * result['kernel_share'], 100 * GOAL_SHARE, ' %', least=True)})"
    )
    for window in result["windows"]:
        print(
            f"  {window['at_trial']:>6}번째: overhead {window['overhead_ms']:.2f} ms, 커널 {window['kernel_ms']:.1f} ms"
            + _overhead_goal(window)
        )
    if "stock" in result:
        row = result["stock"]
        print(
            f"  Optuna의 study.optimize + TPESampler, 같은 서버, {row['dimensions']}차원, {row['at_trial']}번째: "
            f"{row['wall_ms']:.1f} ms/시행, 우리의 마지막 구간의 {row['times']:.0f}배 ({against(row['times'], GOAL_TIMES, '배', least=True)})"
        )
    for kind, value in result["cpu_ms_per_trial"].items():
        print(
            f"  CPU {kind:<12} {value:6.2f} ms/시행, 제 메모리 {result['peak_private_mb'][kind]:.0f} MB"
        )


if __name__ == "__main__":
    main()
