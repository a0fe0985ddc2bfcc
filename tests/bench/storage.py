"""저장소의 벤치마크. 그냥 실행한다: `python tests/bench/storage.py [append|threads|coordinators|load|listing|command] [--json]`.

command는 스터디 1,000개·시행 100만 개를 네 모양(우리가 쓴 SQLite·PostgreSQL, 다른 Optuna 도구만 쓴
SQLite·PostgreSQL)으로, 그리고 SQLite 파일 1,000개로 두고 `python -m optimize.studies list`를 명령으로 잰다.

PostgreSQL은 `BENCH_POSTGRES_URL`이 있으면 그것을, 없으면 내장 서버를 임시 폴더에 켜서 쓴다.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from optimize.storage import tables as t
from optimize.storage.embedded import EmbeddedServer
from optimize.storage.engine import make_engine, writing
from optimize.storage.listing import list_studies
from optimize.storage.options import StorageOptions
from optimize.storage.pointer import make_pointer
from optimize.storage.schema import create_optuna_schema
from optimize.storage.store import TrialStore
from optimize.storage.summary import compute_summaries, write_summaries
from optimize.storage.url import StorageUrl, parse_storage_url, sqlite_url
from optimize.trial import FinishedTrial, params_key

OPTIONS = StorageOptions()
RECORDS: list[dict[str, Any]] = []
SPACE: dict[str, BaseDistribution] = {
    **{f"f{i}": FloatDistribution(0, 1) for i in range(12)},
    **{f"i{i}": IntDistribution(0, 100, step=5) for i in range(8)},
}


def say(line: str, **figures: float) -> None:
    """한 줄의 결과를 보이고, JSON에 쓸 숫자와 함께 모은다."""
    RECORDS.append({"line": line, **figures})
    print(line, flush=True)


def make_trial(seed: int) -> FinishedTrial:
    r = random.Random(seed)
    now = datetime.now(UTC)
    params = {
        **{f"f{i}": r.random() for i in range(12)},
        **{f"i{i}": r.randrange(0, 101, 5) for i in range(8)},
    }
    metrics = {f"metric_{i}": r.random() for i in range(20)}
    return FinishedTrial(
        uuid.uuid4().hex,
        "COMPLETE",
        params,
        (r.random(),),
        now - timedelta(seconds=1),
        now,
        metrics=metrics,
        constraints=(r.random() - 0.5, -1.0),
    )


def open_store(url: StorageUrl, name: str = "bench") -> TrialStore:
    return TrialStore.open(url, OPTIONS, name, ["maximize"], SPACE, {})


def bench_append(label: str, url: StorageUrl) -> None:
    """묶음 크기마다 시행 하나의 ms와 문장·commit 수."""
    store = open_store(url, f"append-{uuid.uuid4().hex[:6]}")
    counts = {"statements": 0, "commits": 0}

    def count(key: str) -> Callable[..., None]:
        def listener(*_: object) -> None:
            counts[key] += 1

        return listener

    sa.event.listen(store.engine, "before_cursor_execute", count("statements"))
    sa.event.listen(store.engine, "commit", count("commits"))
    for size, total in ((1, 200), (10, 1000), (50, 5000)):
        batches = [[make_trial(k + j) for j in range(size)] for k in range(0, total, size)]
        counts.update(statements=0, commits=0)
        began = time.perf_counter()
        for batch in batches:
            store.append(batch)
        each = (time.perf_counter() - began) / total * 1e3
        say(
            f"{label} append 묶음 {size:>3}: 시행당 {each:6.2f} ms, "
            f"문장 {counts['statements'] / total:5.2f}, commit {counts['commits'] / total:5.3f}",
            batch=size,
            ms_per_trial=each,
            statements_per_trial=counts["statements"] / total,
            commits_per_trial=counts["commits"] / total,
        )
    store.close()


def bench_threads(label: str, url: StorageUrl) -> None:
    """네 writer가 한 스터디에 묶음 10으로."""
    stores = [open_store(url, f"threads-{label}") for _ in range(4)]
    batches = [[make_trial(k * 10 + j) for j in range(10)] for k in range(200)]

    def work(index: int) -> None:
        for batch in batches[index::4]:
            stores[index].append(batch)

    threads = [Thread(target=work, args=(index,)) for index in range(4)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = 2000 / (time.perf_counter() - began)
    say(f"{label} 함께 넷: {rate:.0f} 시행/초, {stores[0].counts()}")
    for store in stores:
        store.close()


def _coordinate(url: StorageUrl, index: int, target: int) -> tuple[int, int, int]:
    """묶음 20개씩 맡아 넣기를 목표까지. (넣은 수, 겹침, 쓴 트랜잭션)."""
    store = open_store(url, "coordinators")
    claims = store.claims(f"owner-{index}")
    commits = [0]

    def committed(*_: object) -> None:
        commits[0] += 1

    sa.event.listen(store.engine, "commit", committed)
    done = duplicates = 0
    seed = 0
    while True:
        batch = {params_key(x.params): x for x in (make_trial(seed + j) for j in range(20))}
        seed += 20
        result = claims.claim(list(batch), target)
        duplicates += len(result.duplicates)
        if result.granted:
            trials = [replace(batch[key], uid=uuid.uuid4().hex) for key in result.granted]
            done += len(store.append(trials, target))
        elif result.finished >= target:
            store.close()
            return done, duplicates, commits[0]


def bench_coordinators(label: str, url: StorageUrl) -> None:
    """두 프로세스가 같은 조합들을 내놓으며 10,000개를 나눈다."""
    target = 10_000
    open_store(url, "coordinators").close()
    began = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(_coordinate, [url] * 2, range(2), [target] * 2))
    elapsed = time.perf_counter() - began
    store = open_store(url, "coordinators")
    trials = store.load()
    exact = [trial.number for trial in trials] == list(range(target))
    distinct = len({params_key(trial.params) for trial in trials})
    say(
        f"{label} coordinator 둘: {len(trials):,}개(이어짐 {exact}, 서로 다른 조합 {distinct:,}), "
        f"{target / elapsed:,.0f} 시행/초, 나눔 {[part[0] for part in parts]}, "
        f"겹침 거절 {sum(part[1] for part in parts):,}, "
        f"시행당 트랜잭션 {sum(part[2] for part in parts) / target:.3f}"
    )
    store.close()


def bench_load(label: str, url: StorageUrl) -> None:
    store = open_store(url, "load")
    for k in range(0, 10_000, 500):
        store.append([make_trial(k + j) for j in range(500)])
    for after in (-1, 9_989):
        began = time.perf_counter()
        found = store.load(after)
        say(f"{label} load {len(found)}개: {(time.perf_counter() - began) * 1e3:.0f} ms")
    began = time.perf_counter()
    store.counts()
    say(f"{label} counts: {(time.perf_counter() - began) * 1e3:.1f} ms")
    store.close()


def fill_many_studies(
    url: StorageUrl, studies: int, each: int, *, ours: bool = True, constrained: bool = True
) -> None:
    """스터디 studies개에 시행 each개씩(파라미터 없이 값과 제약만) 서버에서 바로 만든다.

    ours: 우리 테이블과 요약이 있다. 아니면 Optuna의 테이블뿐이다.
    """
    if ours:
        open_store(url, "seed").close()
    else:
        make_engine(url, OPTIONS).dispose()
        create_optuna_schema(url, OPTIONS)
    engine = make_engine(url, OPTIONS)
    pg = engine.dialect.name == "postgresql"
    series = (
        "generate_series(1, {n}) g"
        if pg
        else (
            "(WITH RECURSIVE c(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM c WHERE g < {n}) SELECT g FROM c)"
        )
    )
    total = studies * each
    noise = "abs(mod(mod(g, 10007) * 7919, 10007)) / 10007.0"
    base_study, base_trial = 1000, 1_000_000
    with writing(engine) as c:
        run = c.exec_driver_sql
        run(
            f"INSERT INTO studies (study_id, study_name) SELECT {base_study} + g, 'study-' || g FROM {series.format(n=studies)}"
        )
        direction = "CAST('MAXIMIZE' AS studydirection)" if pg else "'MAXIMIZE'"
        run(
            f"INSERT INTO study_directions (study_direction_id, study_id, direction, objective) SELECT {base_study} + g, {base_study} + g, {direction}, 0 FROM {series.format(n=studies)}"
        )
        state = "CAST('COMPLETE' AS trialstate)" if pg else "'COMPLETE'"
        moment = "TIMESTAMP '2024-01-01 00:00:00'" if pg else "'2024-01-01 00:00:00.000000'"
        run(
            f"INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete) SELECT {base_trial} + g, mod(g - 1, {each}), {base_study} + 1 + (g - 1) / {each}, {state}, {moment}, {moment} FROM {series.format(n=total)}"
        )
        kind = "CAST('FINITE' AS trialvaluetype)" if pg else "'FINITE'"
        run(
            f"INSERT INTO trial_values (trial_value_id, trial_id, objective, value, value_type) SELECT {base_trial} + g, {base_trial} + g, 0, {noise}, {kind} FROM {series.format(n=total)}"
        )
        if constrained:
            sign = f"CASE WHEN {noise} > 0.8 THEN '[0.5, -1.0]' ELSE '[-0.5, 0.0]' END"
            run(
                f"INSERT INTO trial_system_attributes (trial_system_attribute_id, trial_id, key, value_json) SELECT {base_trial} + g, {base_trial} + g, 'constraints', {sign} FROM {series.format(n=total)}"
            )
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("ANALYZE")
        if ours:
            ids = list(connection.scalars(sa.select(t.studies.c.study_id)))
    if ours:
        with writing(engine) as connection:
            write_summaries(connection, compute_summaries(connection, ids))
    engine.dispose()


def bench_listing(label: str, url: StorageUrl) -> None:
    fill_many_studies(url, 1000, 1000)
    for _ in range(3):
        began = time.perf_counter()
        found = list_studies(url, OPTIONS)
        say(f"{label} 요약으로 {len(found)}개: {(time.perf_counter() - began) * 1e3:.0f} ms")


def time_command(label: str, home: Path, url: StorageUrl | None = None) -> None:
    """명령의 처음과 그다음들. CPU는 명령의 것뿐이고 서버의 것은 벽시계에만 든다."""
    (home / "studies").mkdir(parents=True, exist_ok=True)
    environ = {
        **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        "BACKTEST_WIZARD_HOME": str(home),
        "OPTUNA_STORAGE": url.secret if url and url.backend == "postgresql" else "",
    }
    walls, cpus = [], []
    time.sleep(2.5)  # 방금 바뀐 파일의 표식은 믿지 않는다
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "optimize.studies", "list"],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        walls.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    lines = len(done.stdout.splitlines()) - 1
    say(
        f"{label}: 줄 {lines:,}, 처음 {walls[0]:.2f}초, 그다음 {min(walls[1:]):.2f}~"
        f"{max(walls[1:]):.2f}초 (CPU {min(cpus[1:]):.2f}초), 부하 {os.getloadavg()[0]:.1f}",
        first_s=walls[0],
        next_s=min(walls[1:]),
        cpu_s=min(cpus[1:]),
    )


# 이름, 누가 쓴 것인가, 우리가 쓴 것인가, 시행마다 제약이 적혀 있는가
SHAPES = (
    ("ours", "우리가 쓴", True, True),
    ("foreign", "다른 도구가 쓴", False, True),
    ("plain", "다른 도구가 제약 없이 쓴", False, False),
)


def bench_command(folder: Path, postgres: StorageUrl) -> None:
    """목록 명령의 벽시계, 모양마다."""
    admin = make_engine(postgres, OPTIONS)
    for name, who, ours, constrained in SHAPES:
        home = folder / f"{name}-sqlite"
        url = sqlite_url(home / "studies" / "x" / "x.db")
        fill_many_studies(url, 1000, 1000, ours=ours, constrained=constrained)
        time_command(f"{who} SQLite", home)
        with admin.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(f"CREATE DATABASE {name}_list TEMPLATE template0")
        url = replace(postgres, database=f"{name}_list")
        fill_many_studies(url, 1000, 1000, ours=ours, constrained=constrained)
        time_command(f"{who} PostgreSQL", folder / f"{name}-pg", url)
    admin.dispose()
    bench_files(folder / "files")


def bench_files(home: Path) -> None:
    """SQLite 파일 1,000개(스터디 하나, 시행 100개씩)와 그 기록."""
    first = sqlite_url(home / "studies" / "s0" / "s0.db")
    store = open_store(first, "s0")
    store.append([make_trial(k) for k in range(100)])
    store.close()
    assert first.path is not None
    for k in range(1000):
        path = home / "studies" / f"s{k}" / f"s{k}.db"
        if k:
            path.parent.mkdir()
            shutil.copyfile(first.path, path)
        pointer = make_pointer(sqlite_url(path), OPTIONS, "s0", "cli_env")
        body = {**asdict(pointer), "sqlite_path": f"studies/s{k}/s{k}.db"}
        (path.parent / "storage.json").write_text(json.dumps(body))
    time_command("SQLite 파일 1,000개", home)


@contextmanager
def postgres_url(folder: Path) -> Iterator[StorageUrl]:
    given = os.environ.get("BENCH_POSTGRES_URL")
    if given:
        yield parse_storage_url(given)
        return
    server = EmbeddedServer(folder / "pg")
    server.start()
    try:
        yield server.url()
    finally:
        server.stop("immediate")


BENCHES: dict[str, Callable[[str, StorageUrl], None]] = {
    "append": bench_append,
    "threads": bench_threads,
    "coordinators": bench_coordinators,
    "load": bench_load,
    "listing": bench_listing,
}


def main() -> None:
    names = [*BENCHES, "command"]
    parser = argparse.ArgumentParser(description="저장소의 속도를 잰다")
    parser.add_argument("names", nargs="*", help=", ".join(names))
    parser.add_argument("--json", action="store_true", help="끝에 JSON을 쓴다")
    arguments = parser.parse_args()
    if set(arguments.names) - set(names):
        parser.error(f"쓸 수 있는 것: {', '.join(names)}")
    # JSON을 바라면 표준 출력에는 그것만 쓴다.
    with redirect_stdout(sys.stderr if arguments.json else sys.stdout):
        measure(arguments.names or names)
    if arguments.json:
        print(json.dumps({"records": RECORDS}, ensure_ascii=False))


def measure(chosen: list[str]) -> None:
    """고른 것을 SQLite와 PostgreSQL에서 잰다."""
    with tempfile.TemporaryDirectory(prefix="bench-storage-") as text:
        folder = Path(text)
        folder.chmod(0o711)
        with postgres_url(folder) as postgres:
            if "command" in chosen:
                bench_command(folder, postgres)
            for name in chosen:
                if name in BENCHES:
                    BENCHES[name]("SQLite", sqlite_url(folder / f"{name}.db"))
                    BENCHES[name]("PostgreSQL", postgres)


if __name__ == "__main__":
    main()
