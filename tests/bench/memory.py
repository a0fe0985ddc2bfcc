"""메모리: 작업자가 캔들 때문에 더 쓰는 제 메모리와, 시행이 쌓인 coordinator의 제 메모리.

    python tests/bench/memory.py [--trials 50000] [--only worker|coordinator] [--json]

작업자: 두 프로세스가 실제 1년 1분봉의 같은 캐시를 열고 모든 열을 읽은 채로, 하나의
`/proc/self/smaps_rollup`에서 Private_Clean + Private_Dirty를 열기 전과 뒤에 읽어 뺀다. 목표 ≤ 5 MB.
coordinator: 진짜 `python -m optimize.run`으로 스터디를 만들고, 탐색 공간에서 뽑은 시행을 그 스터디에
채운 뒤 같은 명령을 더 큰 `--n-trials`로 이어 돌리며 그 프로세스의 상주 메모리(RSS)의 최고를 잰다.
목표 ≤ 300 MB(50,000 시행). 견주는 도구가 끌어온 scipy는 사용자의 설치에 없고 numba가 있으면 읽으므로 가린다.
제 메모리(USS)는 라이브러리를 함께 쓰는 다른 프로세스가 있으면 줄어든다.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import uuid
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from goals import against
from kernel import REAL, open_real
from process_meter import WARM_TRIALS, CpuMeter

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.data.dataset import DatasetRef
from optimize.search.space import SearchSpace
from optimize.storage.options import StorageOptions
from optimize.storage.store import TrialStore
from optimize.storage.url import sqlite_url
from optimize.strategy.protocol import Workspace
from optimize.strategy.registry import load_strategy
from optimize.trial import FinishedTrial

GOAL_WORKER_MB, GOAL_COORDINATOR_MB = 5.0, 300.0
_MORE = 40
# `python -m optimize.run`, scipy가 깔리지 않은 것처럼.
_WITHOUT_SCIPY = (
    "import runpy, sys; sys.modules['scipy'] = None; "
    "runpy.run_module('optimize.run', run_name='__main__', alter_sys=True)"
)
_COLUMNS = ("open_time", "open", "high", "low", "close", "volume", "filled")


def private_mb() -> float:
    """이 프로세스의 제 메모리, MB."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _worker(ref: DatasetRef, pipe: Connection) -> None:
    """캔들을 열어 다 읽고, 백테스트를 한 번 돌며, 그때마다의 제 메모리를 보낸다."""
    strategy, workspace = load_strategy("squeeze_momentum"), Workspace()
    params = {p.name: p.default for p in strategy.parameters}
    before = private_mb()
    dataset = ref.open()
    for candles in filter(None, (dataset.ltf, dataset.htf, dataset.base)):
        for name in _COLUMNS:
            getattr(candles, name).max()
    pipe.send("열었다")
    pipe.recv()
    candles_mb = private_mb() - before
    run_backtest(dataset, strategy, params, CostModel(), workspace)
    pipe.send((candles_mb, private_mb()))
    pipe.recv()


def worker() -> dict[str, Any]:
    """두 작업자가 함께 연 때의 값 중 큰 것."""
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_real(Path(folder))
        pipes, processes = [], []
        for _ in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(target=_worker, args=(dataset.ref, theirs))
            process.start()
            pipes.append(ours)
            processes.append(process)
        for pipe in pipes:
            pipe.recv()
        for pipe in pipes:
            pipe.send("재라")
        found = [pipe.recv() for pipe in pipes]
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send("끝")
            process.join()
        candles = max(mb for mb, _ in found)
        return {"bars": len(dataset.ltf), "candles_mb": candles, "ok": candles <= GOAL_WORKER_MB,
                "whole_worker_mb": max(mb for _, mb in found)}  # fmt: skip


def coordinator(trials: int) -> dict[str, Any]:
    """시행 trials개가 쌓인 스터디를 이어 도는 coordinator의 제 메모리."""
    with tempfile.TemporaryDirectory() as folder:
        url = sqlite_url(Path(folder) / "study.db")
        environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environ |= {"BACKTEST_WIZARD_HOME": folder, "OPTUNA_STORAGE": url.secret}
        command = [
            *(sys.executable, "-c", _WITHOUT_SCIPY, "--symbol", "BINANCE:BTCUSDT"),
            *("--data", str(REAL), "--timeframe-grid", "1m@15m", "--n-jobs", "1", "--n-trials"),
        ]
        quiet: dict[str, Any] = {"env": environ, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # fmt: skip
        # 컴파일(커널과 TPE)은 재지 않는다.
        subprocess.run([*command, str(WARM_TRIALS)], check=True, **quiet)
        fill(url, trials)
        process = subprocess.Popen([*command, str(trials + _MORE)], **quiet)
        meter = CpuMeter(process.pid, None)
        meter.start()
        code = process.wait()
        meter.stopped.set()
        meter.join()
        if code:
            raise SystemExit(f"실행이 exit code {code}로 끝났다")
        private, resident = (book["coordinator"] for book in (meter.private_mb, meter.resident_mb))
        return {"trials": trials + _MORE, "private_mb": private, "resident_mb": resident,
                "ok": resident <= GOAL_COORDINATOR_MB}  # fmt: skip


def fill(url: Any, trials: int) -> None:
    """url의 하나뿐인 스터디를 시행 trials개까지 채운다. 지표 20개씩."""
    from optuna import get_all_study_names

    space = SearchSpace(load_strategy("squeeze_momentum").parameters)
    (name,) = get_all_study_names(url.secret)
    store = TrialStore.open(url, StorageOptions(), name, ["maximize"], space.distributions, {})
    rng, now = random.Random(1), datetime.now(UTC)
    have = len(store.load())
    for first in range(have, trials, 1000):
        store.append(
            [
                FinishedTrial(
                    uuid.uuid4().hex, "COMPLETE", space.draw(rng), (rng.gauss(0, 1),), now, now,
                    metrics={f"metric_{i}": rng.random() for i in range(20)},
                )
                for _ in range(min(1000, trials - first))
            ]
        )  # fmt: skip
    store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="작업자와 coordinator의 메모리를 잰다")
    parser.add_argument("--trials", type=int, default=50_000)
    parser.add_argument("--only", choices=("worker", "coordinator"))
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    chosen = parser.parse_args()
    if not REAL.exists():
        print(f"실제 캔들이 없습니다: {REAL}", file=sys.stderr)
        return 4
    result: dict[str, Any] = {}
    if chosen.only != "coordinator":
        result["worker"] = worker()
    if chosen.only != "worker":
        result["coordinator"] = coordinator(chosen.trials)
    if chosen.json:
        print(json.dumps(result, ensure_ascii=False))
        return 0
    if "worker" in result:
        row = result["worker"]
        print(
            f"작업자: 캔들 {row['bars']:,}봉에 제 메모리 {row['candles_mb']:.2f} MB "
            f"({against(row['candles_mb'], GOAL_WORKER_MB)}), 백테스트까지 마친 프로세스 전체 {row['whole_worker_mb']:.0f} MB"
        )
    if "coordinator" in result:
        row = result["coordinator"]
        print(
            f"coordinator: {row['trials']:,} 시행에서 상주 메모리의 최고 {row['resident_mb']:.0f} MB "
            f"({against(row['resident_mb'], GOAL_COORDINATOR_MB)}), 그 가운데 제 메모리 {row['private_mb']:.0f} MB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
