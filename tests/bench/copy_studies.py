"""스터디 복사의 빠르기를 `optuna.copy_study`와 같은 실행에서 견준다.

    python tests/bench/copy_studies.py [--trials 10000] [--optuna-trials 1000]

원본은 파라미터 20개의 SQLite, 대상은 내장 PostgreSQL이다. `optuna.copy_study`는 시행 수에
비례하므로(1,000개에 수십 초) 적은 수로 재어 늘려 셈할 수 있고, `--optuna-trials 10000`이면 그대로 잰다.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import optuna
from postgres import PostgresServer, wheel_binaries

from optimize.storage.copy_rows import Transform
from optimize.storage.copy_source import open_source
from optimize.storage.copy_study import Target, copy_study
from optimize.storage.options import StorageOptions
from optimize.storage.schema import open_rdb_storage
from optimize.storage.url import StorageUrl, sqlite_url

PARAMS = 20
OPTIONS = StorageOptions()


def make_source(path: Path, trials: int) -> StorageUrl:
    """시행 trials개, 파라미터 20개, 값 하나, JSON 속성 하나의 스터디."""
    url = sqlite_url(path)
    study = optuna.create_study(study_name="bench", storage=open_rdb_storage(url, OPTIONS))
    text = optuna.distributions.distribution_to_json(optuna.distributions.FloatDistribution(0, 1))
    moment = "2026-01-01 00:00:00.000000"
    ids = range(1, trials + 1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, "
            "datetime_complete) VALUES (?, ?, ?, 'COMPLETE', ?, ?)",
            [(i, i - 1, study._study_id, moment, moment) for i in ids],
        )
        connection.executemany(
            "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
            "VALUES (?, ?, ?, ?)",
            [(i, f"p{j}", (i * 7919 + j) % 997 / 997, text) for i in ids for j in range(PARAMS)],
        )
        connection.executemany(
            "INSERT INTO trial_values (trial_id, objective, value, value_type) "
            "VALUES (?, 0, ?, 'FINITE')",
            [(i, i / 3) for i in ids],
        )
        connection.executemany(
            "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, 'm', ?)",
            [(i, f'{{"sharpe": {i / 7}, "trades": {i}}}') for i in ids],
        )
    return url


def ours(source: StorageUrl, target_url: StorageUrl) -> float:
    began = time.perf_counter()
    with open_source(source, OPTIONS) as opened, Target(target_url, OPTIONS) as target:
        copy_study(opened, opened.studies()[0], target, Transform(), lambda *_: None)
    return time.perf_counter() - began


def theirs(source: StorageUrl, target_url: StorageUrl) -> float:
    # 스키마를 만드는 시간은 견주지 않는다.
    to_storage = open_rdb_storage(target_url, OPTIONS)
    from_storage = open_rdb_storage(source, OPTIONS)
    began = time.perf_counter()
    optuna.copy_study(
        from_study_name="bench",
        from_storage=from_storage,
        to_storage=to_storage,
        to_study_name="theirs",
    )
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--optuna-trials", type=int, default=1_000)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # 제품의 서버처럼 fsync를 켠다.
    server = PostgresServer(wheel_binaries(), {"fsync": "on", "full_page_writes": "on"})
    try:
        with tempfile.TemporaryDirectory() as folder:
            big = make_source(Path(folder) / "big.db", args.trials)
            mine = ours(big, server.create_database())
            print(f"optimize.storage copy  {args.trials:>6,}개  {mine:8.2f}초", flush=True)
            back = ours(big, sqlite_url(Path(folder) / "copy.db"))
            print(f"  (SQLite → SQLite)    {args.trials:>6,}개  {back:8.2f}초", flush=True)
            small = make_source(Path(folder) / "small.db", args.optuna_trials)
            other = theirs(small, server.create_database())
            print(f"optuna.copy_study      {args.optuna_trials:>6,}개  {other:8.2f}초")
            same = ours(small, server.create_database())
            print(f"optimize.storage copy  {args.optuna_trials:>6,}개  {same:8.2f}초")
            ratio = (other / args.optuna_trials) / (mine / args.trials)
            print(f"시행 하나의 시간으로 {ratio:.0f}배 빠르다(같은 수로는 {other / same:.0f}배)")
    finally:
        server.close()


if __name__ == "__main__":
    main()
