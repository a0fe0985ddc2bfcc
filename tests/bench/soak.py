"""soak: 오래 도는 실행. 시행 100,000개를 싼 목표로 이어 돌며 메모리와 파일 손잡이가 늘지 않는지 본다.

    python tests/bench/soak.py [--trials 100000] [--storage postgresql|sqlite] [--sampler tpe] [--json]

합성 데모 10일의 15분봉, `ma_cross`(한 시행이 1 ms보다 짧다), 작업자 둘, 진짜 `python -m optimize.run`.
초마다 coordinator와 작업자의 상주 메모리(RSS)와 열린 파일의 수를 적고, 끝난 뒤 그 스터디를
`python -m optimize.studies show`로 여는 벽시계를 잰다. 목표: 1초 안.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from conditions import load

STUDY = "demo_btcusdt_15m_1h"
GOAL_OPEN_SECONDS = 1.0


@contextmanager
def storage_url(kind: str, folder: Path) -> Iterator[str]:
    """빈 저장소의 URL."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'soak.db'}"
        return
    from postgres import PostgresServer, embedded_binaries

    server = PostgresServer(embedded_binaries())
    try:
        yield server.create_database().secret
    finally:
        server.close()


def sample(process: psutil.Process) -> dict[str, float]:
    """coordinator의 RSS(MB)와 손잡이, 가장 큰 작업자의 RSS."""
    flock = [child for child in process.children(recursive=True) if child.is_running()]
    sizes = [child.memory_info().rss for child in flock]
    return {
        "rss": process.memory_info().rss / 2**20,
        "files": process.num_fds(),
        "threads": process.num_threads(),
        "worker_rss": max(sizes, default=0) / 2**20,
        "processes": len(flock),
    }


def soak(trials: int, storage: str, sampler: str) -> dict[str, Any]:
    """한 실행의 표본들과, 끝난 뒤 여는 시간."""
    with tempfile.TemporaryDirectory() as name, storage_url(storage, Path(name)) as url:
        environment = {**os.environ, "BACKTEST_WIZARD_HOME": name, "OPTUNA_STORAGE": url}
        command = [
            *(sys.executable, "-m", "optimize.run", "--symbol", "DEMO:BTCUSDT"),
            *("--timeframe-grid", "15m@1h", "--strategy", "ma_cross", "--n-jobs", "2"),
            *("--n-trials", str(trials), "--sampler", sampler, "--set", "data.demo_days=10"),
            *("--set", "objective.constraints.min_trades=0"),
        ]
        began = time.monotonic()
        run = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        watched, samples = psutil.Process(run.pid), []
        while run.poll() is None:
            try:
                samples.append({"at": time.monotonic() - began, **sample(watched)})
            except psutil.Error:
                continue
            time.sleep(1.0)
        if run.returncode != 0:
            raise SystemExit(run.stderr.read() if run.stderr else "실행이 실패했다")
        seconds = time.monotonic() - began
        opened = time.monotonic()
        shown = subprocess.run(
            [sys.executable, "-m", "optimize.studies", "show", STUDY],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return {
            "trials": trials,
            "storage": storage,
            "sampler": sampler,
            "seconds": seconds,
            "open_seconds": time.monotonic() - opened,
            "complete": f"{trials:,}" in shown.stdout,
            "samples": samples,
        }


def quarter(samples: list[dict[str, float]], number: int, key: str) -> float:
    """넷으로 나눈 number째 동안의 최고."""
    size = max(len(samples) // 4, 1)
    return max(item[key] for item in samples[(number - 1) * size : number * size] or samples)


def main() -> None:
    """재고, 넷으로 나눈 동안마다의 최고를 보인다."""
    parser = argparse.ArgumentParser(description="오래 도는 실행의 메모리와 손잡이를 잰다")
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--storage", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    before = load()
    found = soak(options.trials, options.storage, options.sampler)
    if options.json:
        print(json.dumps({**found, "load_before": before}))
        return
    rate = found["trials"] / found["seconds"]
    print(
        f"{found['storage']}, {found['sampler']}, 시행 {found['trials']:,}개, 작업자 2, 시작 전 load {before}: "
        f"{found['seconds']:.0f}초, 초마다 {rate:.0f}개"
    )
    for key, label in (
        ("rss", "coordinator RSS MB"),
        ("worker_rss", "작업자 RSS MB"),
        ("files", "열린 파일"),
        ("threads", "thread"),
        ("processes", "자식 프로세스"),
    ):
        values = " → ".join(f"{quarter(found['samples'], n, key):.0f}" for n in (1, 2, 3, 4))
        print(f"  {label:20} {values}")
    print(f"  studies show {found['open_seconds']:.2f}초 (목표 {GOAL_OPEN_SECONDS:g}초)")


if __name__ == "__main__":
    main()
