"""집계의 규약: 시행이 어떻게 놓여 있어도 하나씩 읽어 센 것과 같다."""

from __future__ import annotations

import json
import math
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from store_kit import OPTIONS

from optimize.storage import census_heads, tables
from optimize.storage.census import Summary, count_studies, utc
from optimize.storage.census_sql import feasible, is_violated, plainly_violated, violated_places
from optimize.storage.dbapi import Rows, reading_rows
from optimize.storage.engine import make_engine
from optimize.storage.schema import create_optuna_schema
from optimize.storage.url import StorageUrl

MOMENT = datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None)
STATES = ("COMPLETE", "COMPLETE", "COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
# 스터디 → trial_id들. 홀로인 것, 둘이 섞인 것, 큰 것 안에 든 것, 사이가 빈 것, 시행이 하나인 것.
LAYOUTS: dict[str, dict[int, list[int]]] = {
    "apart": {
        1: list(range(1, 81)),
        2: list(range(81, 161)),
        3: [200],
        4: list(range(300, 600, 7)),
    },
    "mixed": {1: list(range(1, 120, 2)), 2: list(range(2, 121, 2)), 3: list(range(200, 280))},
    "inside": {1: [1, *range(60, 120), 300], 2: list(range(2, 60)), 3: list(range(150, 220))},
}


@pytest.fixture
def database(storage_url: StorageUrl) -> Iterator[Connection]:
    """Optuna의 테이블만 있는 데이터베이스."""
    make_engine(storage_url, OPTIONS).dispose()
    create_optuna_schema(storage_url, OPTIONS)
    engine = make_engine(storage_url, OPTIONS)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def fill(database: Connection, layout: dict[int, list[int]], seed: str) -> dict[int, Summary]:
    """시행을 넣고, 넣으면서 하나씩 센 집계를 준다. 좋은 값일수록 제약을 자주 어긴다."""
    r = random.Random(seed)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("t", "v", "a")}
    expected = {}
    for study_id, trial_ids in layout.items():
        maximize = study_id % 2 == 1
        insert(database, tables.studies, [{"study_id": study_id, "study_name": f"s{study_id}"}])
        direction = "MAXIMIZE" if maximize else "MINIMIZE"
        insert(
            database,
            tables.study_directions,
            [{"study_id": study_id, "direction": direction, "objective": 0}],
        )
        seen: list[str] = []
        best: tuple[float, int] | None = None
        last: datetime | None = None
        for number, trial_id in enumerate(trial_ids):
            state = r.choice(STATES)
            value = round(r.random(), 2)
            good = value if maximize else 1 - value
            limits = [r.uniform(-1, 0), 0.0, 0.04 if good > 0.4 and r.random() < 0.95 else -0.04]
            started = None if state == "WAITING" else MOMENT + timedelta(seconds=r.randrange(999))
            ended = started and started + timedelta(seconds=5) if state in tables.FINISHED else None
            seen.append(state)
            moments = [moment for moment in (last, ended or started) if moment]
            last = max(moments, default=None)
            rows["t"].append(
                {
                    "trial_id": trial_id,
                    "study_id": study_id,
                    "number": number,
                    "state": state,
                    "datetime_start": started,
                    "datetime_complete": ended,
                }
            )
            if state in {"COMPLETE", "PRUNED"}:
                rows["v"].append(
                    {"trial_id": trial_id, "objective": 0, "value": value, "value_type": "FINITE"}
                )
                rows["a"].append(
                    {"trial_id": trial_id, "key": "constraints", "value_json": json.dumps(limits)}
                )
            better = best is None or (value > best[0] if maximize else value < best[0])
            if state == "COMPLETE" and max(limits) <= 0 and better:
                best = value, number
        expected[study_id] = Summary(
            total=len(trial_ids),
            unfinished=seen.count("RUNNING") + seen.count("WAITING"),
            n_complete=seen.count("COMPLETE"),
            n_pruned=seen.count("PRUNED"),
            n_failed=seen.count("FAIL"),
            best_value=best[0] if best else None,
            best_number=best[1] if best else None,
            last_activity=utc(last),
        )
    insert(database, tables.trials, rows["t"])
    insert(database, tables.trial_values, rows["v"])
    insert(database, tables.trial_system_attributes, rows["a"])
    database.commit()
    return expected


def insert(database: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    database.execute(sa.insert(table), rows)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_counts_equal_reading_one_by_one(
    database: Connection, storage_url: StorageUrl, layout: str
) -> None:
    """trial_id가 홀로 모여 있든, 섞였든, 남의 구간 안에 있든, 좋은 것들이 거의 다 제약을 어겼든."""
    expected = fill(database, LAYOUTS[layout], f"{layout}{storage_url.backend}")
    with reading_rows(storage_url, OPTIONS) as db:
        assert count_studies(db, sorted(expected)) == expected
        assert count_studies(db, [2]) == {2: expected[2]}


@pytest.mark.parametrize("places", [(0,), (0, 1, 2)])
def test_plainly_violated_rows_are_violated(
    database: Connection, storage_url: StorageUrl, places: tuple[int, ...]
) -> None:
    """글의 차례로 솎은 것은 모두 정말 어긴 것이고, 살핀 자리의 0보다 큰 수는 하나도 놓치지 않는다."""
    r = random.Random(7)
    odd = [
        0,
        0.0,
        -0.0,
        1,
        -1,
        5e-324,
        1e-05,
        0.0001,
        0.00099,
        0.05,
        1e22,
        -1e-05,
        math.inf,
        -math.inf,
    ]
    numbers = [*odd, math.nan, *(r.choice([-1, 1]) * 10 ** r.uniform(-6, 6) for _ in range(60))]
    shapes: list[Any] = [*numbers, *([number] for number in numbers)]
    shapes += [[r.choice(numbers) for _ in range(r.randint(2, 3))] for _ in range(400)]
    written = dict(enumerate(shapes, 1))
    fill(database, {1: list(written)}, "shapes")
    database.execute(sa.delete(tables.trial_system_attributes))
    rows = [
        {
            "trial_id": trial_id,
            "key": "constraints" if isinstance(shape, list) else "constraints:이름",
            "value_json": json.dumps(shape),
        }
        for trial_id, shape in written.items()
    ]
    insert(database, tables.trial_system_attributes, rows)
    database.commit()
    if storage_url.backend == "sqlite":
        places = (0,)
    with reading_rows(storage_url, OPTIONS) as db:
        weeded = {row[0] for row in db(f"SELECT a.trial_id {plainly_violated(db, places)}")}
        texts = {row["trial_id"]: row["value_json"] for row in rows}
        assert weeded <= {key for key, text in texts.items() if is_violated([text])}
    listed = {key: shape if isinstance(shape, list) else [shape] for key, shape in written.items()}
    plain = {
        key
        for key, values in listed.items()
        if any(0 < value < math.inf for value in (values[k] for k in places if k < len(values)))
    }
    assert plain <= weeded
    for key, values in listed.items():
        assert violated_places([texts[key]]) == {k for k, v in enumerate(values) if not v <= 0}


@pytest.mark.parametrize("where", [0, 1, 2])
def test_best_when_only_one_constraint_is_ever_violated(
    database: Connection, storage_url: StorageUrl, where: int
) -> None:
    """어긴 제약이 몇째든, 좋은 것이 모두 그것을 어긴 스터디에서도 만족하는 최선을 찾는다."""
    studies = {k: list(range(200 * k, 200 * k + 150)) for k in range(1, 6)}
    fill(database, studies, "one")
    database.execute(sa.update(tables.trials).values(state="COMPLETE"))
    database.execute(sa.delete(tables.trial_values))
    database.execute(sa.delete(tables.trial_system_attributes))
    values, limits = [], []
    for study_id, trial_ids in studies.items():
        for number, trial_id in enumerate(trial_ids):
            good = number / 150 if study_id % 2 else -number / 150
            values.append(
                {"trial_id": trial_id, "objective": 0, "value": good, "value_type": "FINITE"}
            )
            row = [-1.0, 0.0, -0.5]
            row[where] = 0.003 if number > 100 else row[where]
            limits.append(
                {"trial_id": trial_id, "key": "constraints", "value_json": json.dumps(row)}
            )
    insert(database, tables.trial_values, values)
    insert(database, tables.trial_system_attributes, limits)
    database.commit()
    with reading_rows(storage_url, OPTIONS) as db:
        found = count_studies(db, sorted(studies))
    for study_id, summary in found.items():
        sign = 1 if study_id % 2 else -1
        assert (summary.best_value, summary.best_number) == (sign * 100 / 150, 100)


@pytest.mark.parametrize("limit", [None, -1.0])
def test_the_first_of_many_equal_bests(
    database: Connection, storage_url: StorageUrl, limit: float | None
) -> None:
    """같은 최선이 추리는 수보다 많아도 번호가 가장 앞선 것이다. 번호는 trial_id의 차례가 아닐 수 있다."""
    studies = {1: list(range(1, 31)), 2: list(range(101, 131))}
    fill(database, studies, "ties")
    database.execute(sa.delete(tables.trial_values))
    database.execute(sa.delete(tables.trial_system_attributes))
    trials = tables.trials
    database.execute(sa.update(trials).values(state="COMPLETE", number=29 - trials.c.number))
    ids = [trial_id for mine in studies.values() for trial_id in mine]
    same = {"objective": 0, "value": 0.5, "value_type": "FINITE"}
    insert(database, tables.trial_values, [{"trial_id": trial_id, **same} for trial_id in ids])
    if limit is not None:
        written = {"key": "constraints", "value_json": json.dumps([limit])}
        rows = [{"trial_id": trial_id, **written} for trial_id in ids]
        insert(database, tables.trial_system_attributes, rows)
    database.commit()
    with reading_rows(storage_url, OPTIONS) as db:
        found = count_studies(db, [1, 2])
    assert [(one.best_value, one.best_number) for one in found.values()] == [(0.5, 0), (0.5, 0)]


@pytest.mark.parametrize("storage_url", ["sqlite"], indirect=True)
def test_trials_without_a_study_are_nobodys(database: Connection, storage_url: StorageUrl) -> None:
    """지워진 스터디의 시행이나 주인 없는 시행이 남의 구간 안에 있어도 남의 것으로 세지 않는다."""
    expected = fill(database, {1: list(range(1, 40)), 2: list(range(50, 90))}, "고아")
    assert storage_url.path is not None
    # Optuna는 외래 열쇠를 켜지 않는다: 스터디를 손으로 지우면 시행이 남는다.
    with closing(sqlite3.connect(storage_url.path)) as plain, plain:
        plain.execute("UPDATE trials SET study_id = NULL WHERE trial_id IN (10, 60)")
        plain.execute("UPDATE trials SET study_id = 77 WHERE trial_id = 20")
    with reading_rows(storage_url, OPTIONS) as db:
        heads = {head.study_id: head.rows for head in census_heads.read_heads(db, None)}
    assert heads == {1: expected[1].total - 2, 2: expected[2].total - 1, 77: 1}


@pytest.mark.parametrize("storage_url", ["sqlite"], indirect=True)
def test_only_lone_spans_are_scanned_as_ranges(
    database: Connection, storage_url: StorageUrl
) -> None:
    """홀로인 스터디는 구간으로, 섞인 스터디만 묶어서 센다. 색인이 없으면 모두 묶는다."""
    fill(database, LAYOUTS["mixed"], "길")
    statements: list[str] = []
    with reading_rows(storage_url, OPTIONS) as db:
        traced = Rows("sqlite", lambda sql: (statements.append(sql), db(sql))[1])
        right = sorted(census_heads.read_heads(traced, None))
        (ranged,) = [sql for sql in statements if "BETWEEN" in sql]
        (grouped,) = [sql for sql in statements if "GROUP BY" in sql]
        assert "(3, 200, 279)" in ranged
        assert "IN (1, 2)" in grouped
    database.exec_driver_sql("DROP INDEX ix_trials_study_id")
    database.commit()
    statements.clear()
    with reading_rows(storage_url, OPTIONS) as db:
        traced = Rows("sqlite", lambda sql: (statements.append(sql), db(sql))[1])
        assert sorted(census_heads.read_heads(traced, None)) == right
        assert not [sql for sql in statements if "BETWEEN" in sql]


@pytest.mark.parametrize("storage_url", ["postgres15", "postgres18"], indirect=True)
def test_counting_is_not_compiled(storage_url: StorageUrl) -> None:
    """한 번뿐인 집계를 JIT로 옮기지 않는다(PostgreSQL 15에서 세는 시간의 두 배가 든다). 두 연결 모두."""
    with reading_rows(storage_url, OPTIONS) as db, db.twin() as other:
        assert other is not None
        assert [rows("SHOW jit") for rows in (db, other)] == [[("off",)], [("off",)]]


@pytest.mark.parametrize("gather", [True, False])
def test_feasible_means_every_limit_is_at_most_zero(
    database: Connection, storage_url: StorageUrl, gather: bool
) -> None:
    """어떻게 적힌 JSON이든(여러 줄, 빈칸 없이, true, null) 값으로 읽은 것과 같다."""
    r = random.Random(5)
    numbers = [0, 0.0, -0.0, 1, -1, 0.5, 10.05, -10.05, 1e-05, -1e-05, 5e-324, 1e22, -1e22]
    numbers += [math.inf, -math.inf, math.nan, True, False]
    shapes: list[Any] = [None, [], *numbers]
    shapes += [[r.choice(numbers) for _ in range(r.randint(1, 4))] for _ in range(300)]
    layouts: list[dict[str, Any]] = [
        {},
        {"indent": 1},
        {"indent": "\t"},
        {"separators": (",", ":")},
    ]
    written = dict(enumerate(((shape, layout) for shape in shapes for layout in layouts), 1))
    fill(database, {1: list(written)}, "꼴")
    database.execute(sa.delete(tables.trial_system_attributes))
    rows = [
        {
            "trial_id": trial_id,
            "key": "constraints" if isinstance(shape, list) or shape is None else "constraints:a",
            "value_json": json.dumps(shape, **layout),
        }
        for trial_id, (shape, layout) in written.items()
    ]
    insert(database, tables.trial_system_attributes, rows)
    database.commit()
    with reading_rows(storage_url, OPTIONS) as db:
        found = {
            row[0]
            for row in db(
                f"SELECT t.trial_id FROM trials t WHERE 1 = 1{feasible(db, 't', gather=gather)}"
            )
        }
    limits = {
        key: shape if isinstance(shape, list) else [] if shape is None else [shape]
        for key, (shape, _) in written.items()
    }
    assert found == {key for key, values in limits.items() if all(value <= 0 for value in values)}
    texts = {row["trial_id"]: row["value_json"] for row in rows}
    assert found == {key for key, text in texts.items() if not is_violated([text])}
