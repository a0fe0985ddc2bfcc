"""SQLAlchemy 없이 읽는 연결: 목록처럼 바로 떠야 하는 것이 쓴다. 아무것도 바꾸지 않는다.

SQLAlchemy의 import만 0.2초라 드라이버(sqlite3, psycopg2, psycopg)를 바로 부른다. 블록 안의 모든
문장은 한 트랜잭션의 한 모습을 본다(PostgreSQL은 REPEATABLE READ READ ONLY).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimize.storage.options import StorageOptions
from optimize.storage.silence import Silence, answer_limit
from optimize.storage.url import Backend, StorageUrl

KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# SQLite의 page cache: 큰 파일의 집계가 같은 쪽을 두 번 읽지 않게 한다(KiB, 음수로 적는다).
_CACHE_KIB = 65_536


@dataclass(frozen=True, slots=True)
class Rows:
    """열린 연결. `rows(sql)`은 모든 행이며 시각은 SQLite면 글, PostgreSQL이면 datetime이다.

    문장에는 값의 자리(`?`, `%s`)를 두지 않는다: 수만 글로 넣는다.
    """

    backend: Backend
    run: Callable[[str], list[tuple[Any, ...]]]

    def __call__(self, sql: str) -> list[tuple[Any, ...]]:
        return self.run(sql)


@contextmanager
def reading_rows(url: StorageUrl, options: StorageOptions) -> Iterator[Rows]:
    """읽기만 하는 연결 하나. 드라이버의 오류는 그대로 낸다. 없는 SQLite 파일을 만들지 않는다."""
    if url.path is not None:
        with closing(open_readonly(url.path, options.sqlite_timeout)) as connection:
            connection.isolation_level = None
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.create_function("regexp", 2, _regexp, deterministic=True)
            connection.execute("BEGIN")
            yield Rows("sqlite", lambda sql: connection.execute(sql).fetchall())
        return
    with closing(_connect(url, options)) as server:
        server.autocommit = True
        cursor = server.cursor()
        limit = answer_limit(options)
        silence = Silence(limit) if limit is not None else None

        def run(sql: str) -> list[tuple[Any, ...]]:
            with silence.expecting(server) if silence else nullcontext():
                cursor.execute(sql)
            found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            return found

        run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield Rows("postgresql", run)


def _regexp(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def open_readonly(path: Path, timeout: float) -> sqlite3.Connection:
    """읽기만 하는 SQLite 연결. 없는 파일이면 sqlite3.OperationalError."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=timeout)


def connect_args(url: StorageUrl, options: StorageOptions) -> dict[str, Any]:
    """libpq에 줄 인자. URL의 query가 같은 열쇠를 가지면 사용자의 것을 따르고 options는 잇는다."""
    session = {
        "statement_timeout": options.statement_timeout_ms or 0,
        "lock_timeout": options.lock_timeout_ms,
        "TimeZone": "UTC",
    }
    ours = " ".join(f"-c {name}={value}" for name, value in session.items())
    given = dict(url.query)
    merged: dict[str, Any] = {
        "connect_timeout": options.connect_timeout,
        "application_name": options.application_name,
        **KEEPALIVES,
        **given,
    }
    merged["options"] = f"{ours} {given.get('options', '')}".strip()
    return merged


def _connect(url: StorageUrl, options: StorageOptions) -> Any:
    place = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "dbname": url.database,
    }
    given: dict[str, Any] = {key: value for key, value in place.items() if value is not None}
    if url.loadable_driver == "psycopg":
        import psycopg

        return psycopg.connect(**given, **connect_args(url, options))
    import psycopg2

    return psycopg2.connect(**given, **connect_args(url, options))
