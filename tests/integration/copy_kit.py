"""스터디 복사의 시험이 함께 쓰는 것: 명령 부르기, 견줄 그림, 큰 스터디 만들기."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from in_process import Done, call
from postgres import PostgresServer

from optimize.storage.__main__ import main
from optimize.storage.options import StorageOptions
from optimize.storage.schema import open_rdb_storage
from optimize.storage.url import StorageUrl, sqlite_url

OPTIONS = StorageOptions()
optuna.logging.set_verbosity(optuna.logging.WARNING)
FILES = Path(__file__).parent / "optuna_files"
NASTY = "탭\t줄\n되돌림\r역슬래시\\N \\. 따옴표'\" 이모지 🙂 끝"


def run(*arguments: str, env: dict[str, str] | None = None, expect: int = 0) -> Done:
    done = call(main, "copy", *arguments, env=env)
    assert done.returncode == expect, done.stderr
    return done


def copy(
    source: StorageUrl, target: StorageUrl, *more: str, expect: int = 0
) -> list[dict[str, Any]]:
    """URL을 환경 변수로 건네 복사하고 JSON 줄들을 준다. 비밀번호는 어디에도 나오지 않는다."""
    done = run(
        *("--from-env", "COPY_FROM", "--to-env", "COPY_TO", "--json", *more),
        env={"COPY_FROM": source.secret, "COPY_TO": target.secret},
        expect=expect,
    )
    for url in (source, target):
        for secret in url.secrets:
            assert secret not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def load(url: StorageUrl, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_rdb_storage(url, OPTIONS))


def picture(study: optuna.Study) -> list[Any]:
    """Optuna가 읽는 모든 것(NaN도 견줄 수 있게 글로)."""
    return [
        study.directions,
        sorted(study.user_attrs.items()),
        sorted(study._storage.get_study_system_attrs(study._study_id).items()),
        *(
            repr((
                *(trial.number, trial.state, trial.values, list(trial.params.items())),
                *(trial.distributions, trial.datetime_start, trial.datetime_complete),
                *(trial.user_attrs, trial.system_attrs, trial.intermediate_values),
            ))
            for trial in study.get_trials()
        ),
    ]  # fmt: skip


def rich_study(url: StorageUrl) -> str:
    """값의 온갖 꼴을 담은 두 목표 스터디."""
    storage = open_rdb_storage(url, OPTIONS)
    study = optuna.create_study(
        study_name="온갖 꼴", storage=storage, directions=["maximize", "minimize"]
    )
    study.set_user_attr("메모", NASTY)
    study._storage.set_study_system_attr(study._study_id, "속", [1, 2])
    distributions = {
        "z": optuna.distributions.FloatDistribution(1e-9, 1.0, log=True),
        "a": optuna.distributions.IntDistribution(-5, 100, step=5),
        "글": optuna.distributions.CategoricalDistribution(["가", None, True, 1.5]),
    }
    started = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC).replace(tzinfo=None)
    for index, values in enumerate(
        [[0.1 + 0.2, 1e308], [math.inf, -math.inf], [5e-324, -0.0], [1 / 3, 2.0]]
    ):
        study.add_trial(
            optuna.trial.FrozenTrial(
                number=-1,
                trial_id=-1,
                state=optuna.trial.TrialState.COMPLETE,
                value=None,
                values=values,
                datetime_start=started + timedelta(seconds=index),
                datetime_complete=started + timedelta(seconds=index, microseconds=1),
                params={"z": 0.1**index, "a": 5 * index, "글": ["가", None, True, 1.5][index]},
                distributions=distributions,
                user_attrs={"메모": NASTY, "수": index},
                system_attrs={"constraints": [-1.0, 0.5]},
                intermediate_values={0: math.nan, 3: math.inf, 7: -math.inf, 9: 0.25},
            )
        )
    study.enqueue_trial({"a": 10})
    study.ask()
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    study.ask()
    return study.study_name


def big_study(path: Path, count: int, params: int = 5) -> StorageUrl:
    """시행이 많은 SQLite 스터디 '큰것'을 SQL로 곧장 만든다."""
    url = sqlite_url(path)
    storage = open_rdb_storage(url, OPTIONS)
    study = optuna.create_study(study_name="큰것", storage=storage, direction="maximize")
    json_text = optuna.distributions.distribution_to_json(
        optuna.distributions.FloatDistribution(0, 1)
    )
    now = "2026-01-01 00:00:00.000000"
    with closing(sqlite3.connect(path)) as connection, connection:
        ids = range(1, count + 1)
        connection.executemany(
            "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, "
            "datetime_complete) VALUES (?, ?, ?, 'COMPLETE', ?, ?)",
            [(i, i - 1, study._study_id, now, now) for i in ids],
        )
        connection.executemany(
            "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
            "VALUES (?, ?, ?, ?)",
            [(i, f"p{j}", i / (j + 7), json_text) for i in ids for j in range(params)],
        )
        connection.executemany(
            "INSERT INTO trial_values (trial_id, objective, value, value_type) "
            "VALUES (?, 0, ?, 'FINITE')",
            [(i, i / 3) for i in ids],
        )
    return url


def study_names(url: StorageUrl) -> list[str]:
    return optuna.get_all_study_names(open_rdb_storage(url, OPTIONS))


def leftovers(server: PostgresServer, url: StorageUrl) -> list[Any]:
    return server.execute(
        "SELECT tablename FROM pg_tables WHERE tablename LIKE 'wizard_copy%'",
        database=url.database or "",
    )
