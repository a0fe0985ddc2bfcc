"""끊고 죽이고 나누어 돌려 저장소를 괴롭힌다: 진짜 `python -m optimize.run`과 진짜 서버로.

    python tests/bench/faults.py [outages|kills|ordeal|coordinators] [--trials N] [--workers N]

outages       2,000 시행, 작업자 4개: 도는 동안 PostgreSQL을 세 번 `immediate`로 끄고 켠다.
kills         같은 탐색의 coordinator를 아무 때나 열 번 `kill -9`로 죽이고 다시 실행한다.
ordeal        같은 탐색이 서버의 고장을 차례로 겪는다: 끊는 연결, 남의 잠금, 느린 문장, 읽기 전용, 모자란 연결 자리,
              찬 디스크, 60초 동안 꺼진 서버.
coordinators  coordinator 둘이 작업자 32개(16씩)로 한 스터디의 10,000 시행을 나눈다. SQLite와 PostgreSQL.

outages와 kills의 탐색 공간은 조합이 꼭 목표만큼이라, 아무 일 없이 돈 실행과 시행의 집합이 같아야 하고
조합마다 값이 같아야 한다. 하나라도 어긋나면 AssertionError로 끝난다.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parent))
from connection_watch import Watcher
from postgres import PostgresServer, embedded_binaries
from small_disk import full, small_disk

from optimize.storage.url import StorageUrl

SLUG = "demo_btcusdt_15m"
Values = dict[str, tuple[float, ...]]
# 이동 평균 교차를 그대로 쓰되 시행마다 쉰다: 죽이고 끊을 겨를을 만든다.
STRATEGY = """
import os, time
from optimize.strategy.ma_cross import MaCross

class Slow:
    name = "slow"
    parameters = MaCross.parameters

    def __init__(self):
        self._cross = MaCross()

    def signals(self, dataset, params):
        if not os.path.exists(os.path.join(os.path.dirname(__file__), "hurry")):
            time.sleep(float(os.environ["FAULTS_SLEEP"]))
        return self._cross.signals(dataset, params)
"""
_FIXED = "average: ema, use_htf: false, use_stop: false, use_target: false, atr_len: 14"


class Bench:
    """한 실험의 폴더와 그 위에서 도는 실행들."""

    def __init__(self, folder: Path, target: int, workers: int, combinations: int) -> None:
        self.folder = folder
        self.target = target
        self.workers = workers
        folder.mkdir(parents=True)
        # 빠른 길이 50개 × 차이 combinations/50개.
        gaps = combinations // 50
        self.space = (
            f"{{{_FIXED}, fast_len: {{low: 5, high: 54}}, slow_gap: {{low: 5, high: {4 + gaps}}}}}"
        )
        (folder / "slow.py").write_text(STRATEGY, encoding="utf-8")

    def start(self, url: str, sleep: float, *extra: str) -> subprocess.Popen[str]:
        command = [
            *(sys.executable, "-m", "optimize.run", "--symbol", "DEMO:BTCUSDT"),
            *("--strategy", f"{self.folder / 'slow.py'}:Slow", "--timeframe-grid", "15m"),
            *("--n-trials", str(self.target), "--n-jobs", str(self.workers)),
            *("--sampler", "random", "--set", "data.demo_days=5"),
            *("--set", "objective.constraints.min_trades=0"),
            *("--set", f"strategy.space={self.space}"),
            *extra,
        ]
        environment = {
            **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
            "BACKTEST_WIZARD_HOME": str(self.folder / "home"),
            "OPTUNA_STORAGE": url,
            "FAULTS_SLEEP": str(sleep),
        }
        (self.folder / "home").mkdir(exist_ok=True)
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def hurry(self) -> None:
        """이제부터 시행이 쉬지 않는다."""
        (self.folder / "hurry").touch()

    def finish(self, process: subprocess.Popen[str]) -> str:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        return errors

    def written(self) -> int:
        """모든 실행의 기록에 적힌 시행 수."""
        logs = (self.folder / "home").glob("studies/*/runs/*/events.ndjson")
        return sum(path.read_text("utf-8").count('"type":"trial"') for path in logs)

    def wait_for(self, count: int, process: subprocess.Popen[str]) -> None:
        while self.written() < count:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)


def exact_values(url: str, total: int) -> Values:
    """조합 → 값. 끝난 시행이 꼭 total개이고 번호가 이어지고 겹침과 RUNNING이 없음을 본다."""
    trials = optuna.load_study(study_name=SLUG, storage=url).get_trials()
    states = {trial.state.name for trial in trials}
    assert states == {"COMPLETE"}, states
    assert [trial.number for trial in trials] == list(range(total))
    assert len({trial.user_attrs["wizard"]["uid"] for trial in trials}) == total
    values = {json.dumps(t.params, sort_keys=True): tuple(t.values) for t in trials}
    assert len(values) == total
    return values


def reference(folder: Path, target: int, workers: int) -> Values:
    """아무 일 없이 돈 실행의 값."""
    bench = Bench(folder, target, workers, target)
    url = f"sqlite:///{folder / 'reference.db'}"
    bench.finish(bench.start(url, 0.0))
    return exact_values(url, target)


def outages(
    folder: Path, target: int, workers: int, down: float = 2.0, expected: Values | None = None
) -> None:
    """세 번의 immediate stop. down: 꺼 두는 초. expected: 이미 아는 기준 값."""
    expected = expected or reference(folder / "reference", target, workers)
    bench = Bench(folder / "outages", target, workers, target)
    with server() as postgres:
        url = postgres.create_database()
        began = time.monotonic()
        process = bench.start(url.secret, 0.025)
        for part in (0.15, 0.4, 0.7):
            bench.wait_for(int(target * part), process)
            postgres.stop("immediate")
            written = bench.written()
            time.sleep(down)
            postgres.start()
            print(f"  immediate stop: 시행 {written}개째, {down}초 뒤 켬", flush=True)
        said = bench.finish(process)
        elapsed = time.monotonic() - began
        values = exact_values(url.secret, target)
        left = leftover(url)
    assert values == expected
    print(
        f"outages: {target:,} 시행, 작업자 {workers}개, {elapsed:.1f}초, "
        f"'기다립니다' {said.count('기다립니다')}번, '되살아났습니다' {said.count('되살아났습니다')}번: "
        f"COMPLETE {len(values):,}, 번호 0~{target - 1} 이어짐, RUNNING 0, {left}, "
        "값은 아무 일 없던 실행과 모두 같음"
    )


def kills(
    folder: Path,
    target: int,
    workers: int,
    times: int = 10,
    longest: float = 6.0,
    expected: Values | None = None,
) -> None:
    """kill -9를 times번: 띄운 지 0.3~longest초의 아무 때와, 새 시행이 적히기 시작한 뒤의 아무 때를 번갈아.

    expected: 이미 아는 기준 값.
    """
    expected = expected or reference(folder / "reference", target, workers)
    bench = Bench(folder / "kills", target, workers, target)
    rng = random.Random()
    with server() as postgres:
        url = postgres.create_database()
        moments = []
        for turn in range(times):
            process = bench.start(url.secret, 0.06)
            if turn % 2:
                bench.wait_for(moments[-1] + 1, process)
                time.sleep(rng.uniform(0, longest / 4))
            else:
                # 짧으면 준비하는 동안에 죽는다.
                time.sleep(rng.uniform(0.3, longest))
            assert process.poll() is None, process.communicate()[1]
            flock = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.communicate()
            _, alive = psutil.wait_procs(flock, timeout=10)
            assert alive == [], "작업자가 남았다"
            moments.append(bench.written())
        print(f"  kill -9: 그때까지 적힌 시행 {moments}", flush=True)
        began = time.monotonic()
        said = bench.finish(bench.start(url.secret, 0.0))
        elapsed = time.monotonic() - began
        values = exact_values(url.secret, target)
        left = leftover(url)
        written = bench.written()
    assert values == expected
    print(
        f"kills: kill -9 {times}번 뒤 다시 실행({elapsed:.1f}초, {recovered(said)}): "
        f"COMPLETE {len(values):,}, 번호 0~{target - 1} 이어짐, RUNNING 0, {left}, "
        f"기록에 적힌 시행 {written:,}, 값은 아무 일 없던 실행과 모두 같음"
    )


def ordeal(folder: Path, target: int, workers: int, down: float = 60.0) -> None:
    """`tests/faults`의 고장들을 큰 실행 하나에 차례로. down: 마지막에 꺼 두는 초."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "faults"))
    import storage_lab as lab

    expected = reference(folder / "reference", target, workers)
    bench = Bench(folder / "ordeal", target, workers, target)
    made = PostgresServer(embedded_binaries(), {"max_connections": "20"})
    owner = made.server.data.stat().st_uid
    try:
        with small_disk(made.directory / "disk", 96 * 1024, owner=owner) as disk:
            space = disk / "space"
            space.mkdir()
            os.chown(space, owner, -1)
            made.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
            url = made.create_database("TABLESPACE small")
            limits = ("--set", "search.storage_lock_timeout_ms=1000")
            limits += ("--set", "search.storage_statement_timeout_ms=3000")
            process = bench.start(url.secret, 0.1, *limits)
            suffering = lab.Ordeal(bench, process)
            for fault in (lab.terminated, lab.locked, lab.sluggish, lab.read_only, lab.exhausted):
                suffering.suffer(fault(made, url), fault.__name__)
                print(f"  {fault.__name__}: 시행 {bench.written()}개째", flush=True)
            suffering.suffer(full(disk), "full")
            print(f"  full: 시행 {bench.written()}개째", flush=True)
            with lab.stopped(made, url):
                time.sleep(down)
            print(f"  stopped {down:.0f}초: 시행 {bench.written()}개째", flush=True)
            bench.hurry()
            bench.finish(process)
            values = exact_values(url.secret, target)
            left = leftover(url)
            made.stop("immediate")
    finally:
        made.close()
    assert values == expected
    print(
        f"ordeal: COMPLETE {len(values):,}, 번호 0~{target - 1} 이어짐, RUNNING 0, {left}, "
        "값은 아무 일 없던 실행과 모두 같음"
    )


def recovered(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if "되살렸습니다" in line]
    return lines[0] if lines else "되살릴 것 없음"


def coordinators(folder: Path, target: int, workers: int) -> None:
    """한 스터디, coordinator 둘."""
    half = workers // 2
    # 커널의 컴파일은 재지 않는다.
    reference(folder / "warm", 100, 1)
    bench = Bench(folder / "sqlite", target, half, 2 * target)
    path = folder / "sqlite" / "shared.db"
    _share(bench, f"sqlite:///{path}", "SQLite", path, None)
    with server() as postgres:
        url = postgres.create_database()
        bench = Bench(folder / "postgres", target, half, 2 * target)
        committed = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        name = url.database or ""
        before = int(postgres.execute(committed, database=name)[0][0])
        _share(bench, url.secret, f"PostgreSQL {postgres.major}", None, postgres)
        time.sleep(1)
        spent = int(postgres.execute(committed, database=name)[0][0]) - before
        print(f"  PostgreSQL xact_commit: 시행당 {spent / target:.3f} 트랜잭션 (준비와 읽기까지)")


def _share(
    bench: Bench, url: str, label: str, sqlite: Path | None, postgres: PostgresServer | None
) -> None:
    both = [bench.start(url, 0.0) for _ in range(2)]
    watcher = Watcher([process.pid for process in both], sqlite, postgres)
    watcher.start()
    began = time.monotonic()
    said = "".join(bench.finish(process) for process in both)
    elapsed = time.monotonic() - began
    watcher.stopped.set()
    watcher.join()
    exact_values(url, bench.target)
    assert "locked" not in said
    assert "기다립니다" not in said, said
    logs = sorted((bench.folder / "home").glob("studies/*/runs/*/events.ndjson"))
    events = [[json.loads(line) for line in path.read_text("utf-8").splitlines()] for path in logs]
    shares = [sum(event["type"] == "trial" for event in run) for run in events]
    stored = sum(event["type"] == "stored" for run in events for event in run)
    assert sum(shares) == bench.target, shares
    assert watcher.workers == 0, "작업자가 저장소에 닿았다"
    print(
        f"coordinators {label}: {bench.target:,} 시행 = {' + '.join(map(str, shares))}, "
        f"자식 프로세스 {watcher.processes}개, 처음부터 끝까지 {elapsed:.1f}초, "
        f"탐색 중 {_rate(events):,.0f} 시행/초, 저장 트랜잭션 시행당 {stored / bench.target:.3f}, "
        f"연결 최대 coordinator 둘 {watcher.coordinators} · 작업자 {watcher.workers}, "
        "겹친 조합 0, 번호 이어짐, 잠김 오류 0",
        flush=True,
    )


def _rate(events: list[list[dict[str, Any]]]) -> float:
    """첫 시행부터 마지막 시행까지의 시행/초."""
    from datetime import datetime

    times = [
        datetime.fromisoformat(event["ts"]).timestamp()
        for run in events
        for event in run
        if event["type"] == "trial"
    ]
    return len(times) / max(max(times) - min(times), 1e-9)


def leftover(url: StorageUrl) -> str:
    """남은 자리(claim)."""
    import psycopg2

    connection = psycopg2.connect(url.secret.replace("+psycopg2", ""))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM trials WHERE state = 'RUNNING'")
            row = cursor.fetchone()
            assert row == (0,), row
    finally:
        connection.close()
    return "RUNNING 행 0(SQL)"


@contextmanager
def server() -> Iterator[PostgresServer]:
    made = PostgresServer(embedded_binaries())
    try:
        yield made
    finally:
        made.close()


BENCHES = {
    "outages": (outages, 2_000, 4),
    "kills": (kills, 2_000, 4),
    "ordeal": (ordeal, 2_000, 4),
    "coordinators": (coordinators, 10_000, 32),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="비우면 모두")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--workers", type=int)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="bench-faults-") as text:
        for name in args.names or BENCHES:
            run, trials, workers = BENCHES[name]
            run(Path(text) / name, args.trials or trials, args.workers or workers)


if __name__ == "__main__":
    main()
