"""무리의 크기: dask scheduler와 작업자 1·2·4·8개, 한 PostgreSQL 스터디를 나누는 coordinator 넷.

    python tests/bench/cluster.py [--workers 1,2,4,8] [--trials 2500] [--pause 50] [--json]

작업자는 127.0.0.2부터 저마다 다른 loopback 주소에 앉는다. 시행은 CPU를 쓰지 않고 pause ms를 쉬므로
(`paced.py`) 코어가 둘이어도 작업자 여덟의 늘어남을 볼 수 있다. 작업자 w개는 trials × w개를 돈다:
8개면 기본으로 20,000 시행이다. 도는 동안 0.25초마다 서버에서 연결, 기다리는 잠금, 맡긴 시행의 수를
읽고, 앞뒤의 commit을 뺀다. 이상은 작업자 수 ÷ 시행 하나의 초(쉬는 시간 + 그때의 셈)다.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from conditions import conditions, load
from postgres import PostgresServer, embedded_binaries

REPO = Path(__file__).resolve().parents[2]
STRATEGY = Path(__file__).resolve().parent / "paced.py"
COORDINATORS = 4
_SAMPLE_SECONDS = 0.25
_QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Watch(threading.Thread):
    """도는 동안 서버의 상태를 읽는다."""

    def __init__(self, url: Any) -> None:
        super().__init__(daemon=True)
        self._stop_asked = threading.Event()
        self._connection = psycopg2.connect(url.secret.replace("postgresql+psycopg2", "postgresql"))
        self._connection.autocommit = True
        self.rows: list[tuple[int, int, int]] = []
        self.commits = 0

    def run(self) -> None:
        before = self._one("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")[0]  # fmt: skip
        while not self._stop_asked.wait(_SAMPLE_SECONDS):
            self.rows.append(
                self._one(
                    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) - 1,"
                    " (SELECT count(*) FROM pg_locks WHERE NOT granted),"
                    " (SELECT count(*) FROM wizard_claims)"
                )
            )
        time.sleep(1.0)  # 세션의 통계가 모일 때까지
        after = self._one("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")[0]  # fmt: skip
        self.commits = after - before - len(self.rows) - 2

    def _one(self, sql: str) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()

    def close(self) -> dict[str, float]:
        """모은 것."""
        self._stop_asked.set()
        self.join()
        self._connection.close()
        connections, waiting, claimed = zip(*self.rows, strict=True)
        return {"connections_max": max(connections), "waiting_max": max(waiting),
                "waiting_mean": statistics.mean(waiting), "claimed_max": max(claimed),
                "claimed_median": statistics.median(claimed), "commits": self.commits}  # fmt: skip


class Cluster:
    """scheduler와 작업자들. `with`로 쓴다."""

    def __init__(self, workers: int, folder: Path, environ: dict[str, str]) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._environ = environ
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", str(port))
        for index in range(workers):
            self._start(
                *("worker", self.address, "--host", f"127.0.0.{index + 2}", "--nthreads", "1"),
                *("--no-nanny", "--local-directory", str(folder / f"worker-{index}")),
            )

    def _start(self, kind: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, "--no-dashboard"]  # fmt: skip
        environ = {**self._environ, "PYTHONPATH": str(REPO), "OPTUNA_STORAGE": ""}
        self._processes.append(subprocess.Popen(command, env=environ, cwd=REPO, **_QUIET))

    def cpu(self) -> dict[str, float]:
        """scheduler와 작업자들이 쓴 CPU 초."""
        spent = [sum(psutil.Process(p.pid).cpu_times()[:2]) for p in self._processes]
        return {"scheduler": spent[0], "workers": sum(spent[1:])}

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


def run_once(workers: int, trials: int, pause: int) -> dict[str, Any]:
    """작업자 workers개로 trials개를 나누어 돈다."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = PostgresServer(embedded_binaries(), {"fsync": "on", "max_connections": "200"})
        stack.callback(server.close)
        url = server.create_database()
        environ = {**os.environ, "BACKTEST_WIZARD_HOME": str(home), "OPTUNA_STORAGE": url.secret}
        command = [
            *(sys.executable, "-m", "optimize.run", "--symbol", "DEMO:BTCUSDT"),
            *("--timeframe-grid", "15m", "--set", "data.demo_days=10"),
            *("--strategy", f"{STRATEGY}:Paced", "--set", f"strategy.space.pause_ms={pause}"),
            *("--study-name", "cluster"),
        ]
        # 캔들과 컴파일은 재지 않는다. 끝난 시행 열둘은 뒤의 목표에 든다.
        subprocess.run([*command, "--n-trials", "12"], env=environ, check=True, **_QUIET)
        cluster = Cluster(workers, home, environ)
        stack.callback(cluster.close)
        watch, before = Watch(url), load()
        watch.start()
        dask = [
            "--executor",
            "dask",
            "--dask-scheduler",
            cluster.address,
            "--n-trials",
            str(trials),
        ]
        began = time.time()
        runs = []
        for _ in range(COORDINATORS):
            runs.append(subprocess.Popen([*command, *dask], env=environ, **_QUIET))
            stack.callback(runs[-1].kill)
        meters = [psutil.Process(run.pid) for run in runs]
        cpu, idle, ready = dict.fromkeys(meters, 0.0), 0.0, cluster.cpu()
        while any(run.poll() is None for run in runs):
            time.sleep(0.1)
            for meter in meters:
                try:
                    cpu[meter] = sum(meter.cpu_times()[:2])
                except psutil.Error:
                    continue
            if not any(row[2] for row in watch.rows):
                # 켜지는 데 든 CPU는 시행의 값이 아니다.
                idle, ready = sum(cpu.values()), cluster.cpu()
        spent, seen = cluster.cpu(), watch.close()
        if any(run.returncode for run in runs):
            raise SystemExit(f"exit code {[run.returncode for run in runs]}")
        refuse_inexact(url, trials)
        found = summary(home, began)
        n = found["trials"]
        return {
            **found, **seen, "workers": workers, "pause_ms": pause, "load_before": before,
            "ideal_rate": workers * 1000 / found["trial_ms"],
            "commits_per_trial": seen["commits"] / n,
            "coordinator_cpu_ms": (sum(cpu.values()) - idle) * 1000 / n,
            "scheduler_cpu_ms": (spent["scheduler"] - ready["scheduler"]) * 1000 / n,
            "worker_cpu_ms": (spent["workers"] - ready["workers"]) * 1000 / n,
        }  # fmt: skip


def refuse_inexact(url: Any, target: int) -> None:
    """목표만큼 저장되고, 번호가 이어지고, 같은 조합이 없고, RUNNING이 없어야 잰 것이다."""
    with closing(psycopg2.connect(url.secret.replace("postgresql+psycopg2", "postgresql"))) as link:
        cursor = link.cursor()
        cursor.execute(
            "SELECT count(*), min(number), max(number), count(DISTINCT number),"
            " count(*) FILTER (WHERE state <> 'COMPLETE') FROM trials"
        )
        stored = cursor.fetchone()
        cursor.execute(
            "SELECT count(DISTINCT chosen) FROM (SELECT string_agg(param_name || '=' || param_value,"
            " ',' ORDER BY param_name) AS chosen FROM trial_params GROUP BY trial_id) AS each_trial"
        )
        distinct = cursor.fetchone()
    if (stored, distinct) != ((target, 0, target - 1, target, 0), (target,)):
        raise SystemExit(f"목표 {target}개와 다르다: {stored}, 서로 다른 조합 {distinct}")


def summary(home: Path, began: float) -> dict[str, Any]:
    """coordinator들의 사건에서 시행 수와 속도. 속도는 모두 도는 가운데 80 %의 것이다."""
    ends, each, shares = [], [], []
    for path in home.glob("studies/*/runs/*/events.ndjson"):
        with path.open(encoding="utf-8") as lines:
            events = [json.loads(line) for line in lines if '"type":"trial"' in line]
        moments = [datetime.fromisoformat(event["ts"]).timestamp() for event in events]
        mine = [(at, event) for at, event in zip(moments, events, strict=True) if at > began]
        if mine:
            shares.append(len(mine))
            ends += [at for at, _ in mine]
            each += [event["duration_ms"] for _, event in mine]
    ends.sort()
    part = ends[len(ends) // 10 : len(ends) * 9 // 10]
    return {"trials": len(ends), "rate": (len(part) - 1) / (part[-1] - part[0]),
            "trial_ms": statistics.median(each), "shares": shares,
            "wall_s": ends[-1] - ends[0]}  # fmt: skip


def line(row: dict[str, Any]) -> str:
    """사람이 읽는 한 줄."""
    return (
        f"작업자 {row['workers']}: {row['trials']:,} 시행, 초당 {row['rate']:.0f} (이상 {row['ideal_rate']:.0f}), "
        f"시행당 commit {row['commits_per_trial']:.3f}, 연결 {row['connections_max']}, "
        f"기다리는 잠금 평균 {row['waiting_mean']:.2f} 최대 {row['waiting_max']}, 맡긴 시행 최대 {row['claimed_max']}, "
        f"CPU ms/시행 coordinator {row['coordinator_cpu_ms']:.2f} scheduler {row['scheduler_cpu_ms']:.2f} "
        f"작업자 {row['worker_cpu_ms']:.2f}, load {row['load_before']}"
    )


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="dask 무리의 크기에 따른 속도를 잰다")
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--trials", type=int, default=2500, help="작업자 하나마다의 시행 수")
    parser.add_argument("--pause", type=int, default=50, help="시행 하나가 쉬는 ms")
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    options = parser.parse_args(argv)
    rows = []
    for text in options.workers.split(","):
        workers = int(text)
        rows.append(run_once(workers, options.trials * workers, options.pause))
        print(line(rows[-1]), file=sys.stderr if options.json else sys.stdout, flush=True)
    if options.json:
        print(json.dumps({"conditions": conditions(), "rows": rows}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
