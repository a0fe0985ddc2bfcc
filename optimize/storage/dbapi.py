"""SQLAlchemy 없이 읽는 연결: 목록처럼 바로 떠야 하는 것이 쓴다. 아무것도 바꾸지 않는다.

SQLAlchemy의 import만 0.2초라 드라이버(sqlite3, psycopg2, psycopg)를 바로 부른다. 블록 안의 모든
문장은 한 트랜잭션의 한 모습을 본다(PostgreSQL은 REPEATABLE READ READ ONLY).
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimize.errors import StorageError
from optimize.storage.options import StorageOptions
from optimize.storage.silence import Silence, answer_limit
from optimize.storage.url import Backend, StorageUrl

# SQLite 파일의 첫머리. https://www.sqlite.org/fileformat.html
SQLITE_MAGIC = b"SQLite format 3\0"
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# SQLite의 page cache: 큰 파일의 집계가 같은 쪽을 두 번 읽지 않게 한다(KiB, 음수로 적는다).
_CACHE_KIB = 65_536
# 이보다 큰 SQLite 파일은 두 연결로 읽는다(byte).
_TWIN_BYTES = 16 * 1024**2
# 그 파일은 메모리에 이어 읽는다: 쪽마다 베껴 오는 일이 셈의 삼분의 일이다(SQLite의 최대).
_MMAP_BYTES = 2**31 - 65536


@dataclass(frozen=True, slots=True)
class Rows:
    """열린 연결. `rows(sql)`은 모든 행이며 시각은 SQLite면 글, PostgreSQL이면 datetime이다.

    문장에는 값의 자리(`?`, `%s`)를 두지 않는다: 수만 글로 넣는다.
    `rows.twin()`은 같은 모습을 보는 또 하나의 연결이다(다른 thread에서 함께 센다). 블록에 들어갈 때
    연결하며(그 thread에서), 얻지 못하면 None이다.
    """

    backend: Backend
    run: Callable[[str], list[tuple[Any, ...]]]
    twin: Callable[[], AbstractContextManager[Rows | None]] = nullcontext

    def __call__(self, sql: str) -> list[tuple[Any, ...]]:
        return self.run(sql)


@contextmanager
def reading_rows(url: StorageUrl, options: StorageOptions) -> Iterator[Rows]:
    """읽기만 하는 연결 하나. 드라이버의 오류는 그대로 낸다. 없는 SQLite 파일을 만들지 않는다."""
    if url.path is not None:
        with _reading_file(url.path, options.sqlite_timeout) as rows:
            yield rows
        return
    with _reading_server(url, options) as rows:
        yield rows


@contextmanager
def _reading_server(url: StorageUrl, options: StorageOptions, snapshot: str = "") -> Iterator[Rows]:
    """snapshot: 함께 볼 모습의 이름(`pg_export_snapshot`). 비면 지금의 모습."""
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

        def twin() -> AbstractContextManager[Rows | None]:
            # standby는 모습을 나누어 줄 수 없다.
            exported = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_export_snapshot() END"
            name = run(exported)[0][0]
            return nullcontext() if name is None else _reading_twin(url, options, name)

        run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if snapshot:
            run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        # 집계는 한 번 하고 마는 문장이라, JIT로 옮기는 데 세는 시간의 몇 배가 든다. PostgreSQL 11부터 있다.
        run("SELECT set_config('jit', 'off', true) FROM pg_settings WHERE name = 'jit'")
        yield Rows("postgresql", run, twin)


@contextmanager
def _reading_twin(url: StorageUrl, options: StorageOptions, snapshot: str) -> Iterator[Rows | None]:
    with ExitStack() as stack:
        other = None
        # 연결 자리가 없으면 하나로 센다: 느릴 뿐이다.
        with suppress(_driver(url).OperationalError):
            other = stack.enter_context(_reading_server(url, options, snapshot))
        yield other


@contextmanager
def reading_quiet_file(path: Path) -> Iterator[Rows | None]:
    """남은 WAL이 없는 작은 SQLite 파일을 잠그지 않고 읽는다. 그런 파일이 아니면 None.

    읽는 동안 파일이 그대로였는지는 부른 쪽이 확인해야 한다(`file_stamp`). WAL의 곁 파일(-wal, -shm)을
    만들지 않으므로 열 배 빠르다: 만드는 데 파일 하나에 1.7 ms가 든다.
    """
    if not _is_settled_wal(path) or os.path.getsize(path) >= _TWIN_BYTES:
        yield None
        return
    location = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(location, uri=True)) as connection:
        connection.create_function("regexp", 2, _regexp, deterministic=True)
        yield _sqlite_rows(connection)


@contextmanager
def _reading_file(path: Path, timeout: float) -> Iterator[Rows]:
    with closing(_open_reader(path, timeout)) as first:
        if os.path.getsize(path) < _TWIN_BYTES:
            _begin(first)
            yield _sqlite_rows(first)
            return
        with closing(_open_reader(path, timeout)) as second:
            # data_version은 남이 commit하면 바뀐다: 두 연결이 모습을 잡는 동안 그대로면 같은 모습이다.
            before = _data_version(second)
            for connection in (first, second):
                connection.execute(f"PRAGMA mmap_size = {_MMAP_BYTES}")
            _begin(first)
            _begin(second)
            same = _data_version(second) == before
            yield _sqlite_rows(first, _sqlite_rows(second) if same else None)


def _open_reader(path: Path, timeout: float) -> sqlite3.Connection:
    connection = open_readonly(path, timeout)
    connection.isolation_level = None
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.create_function("regexp", 2, _regexp, deterministic=True)
    return connection


def _begin(connection: sqlite3.Connection) -> None:
    """지금의 모습을 잡는다(BEGIN만으로는 잡히지 않는다)."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchall()


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _sqlite_rows(connection: sqlite3.Connection, twin: Rows | None = None) -> Rows:
    return Rows("sqlite", lambda sql: connection.execute(sql).fetchall(), lambda: nullcontext(twin))


def _regexp(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def open_readonly(path: Path, timeout: float) -> sqlite3.Connection:
    """읽기만 하는 SQLite 연결. 파일이 없거나 폴더면 StorageError."""
    if not path.is_file():
        raise StorageError(
            "SQLite 파일이 없습니다",
            f"{path}: {'파일이 아니라 폴더입니다' if path.is_dir() else '그런 파일이 없습니다'}",
            f"경로를 확인합니다: ls -l {shlex.quote(str(path))}",
        )
    location = f"{path.absolute().as_uri()}?mode=ro"
    if not os.access(path.parent, os.W_OK) and _is_settled_wal(path):
        # 읽기 전용 폴더에서는 WAL의 색인(-shm)을 만들 수 없어 열리지 않는다. 쓸 수 있는 폴더의 파일은 열어 보지
        # 않는다: 닫으면 이 프로세스의 다른 연결이 쥔 잠금까지 풀린다.
        location += "&immutable=1"
    return sqlite3.connect(location, uri=True, timeout=timeout, check_same_thread=False)


def is_wal(path: Path) -> bool:
    """읽는 동안에도 쓸 수 있는 WAL의 파일인가. 파일의 19·20째 바이트가 2면 WAL이다. OSError를 낸다."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"


def _is_settled_wal(path: Path) -> bool:
    """WAL인데 남은 WAL이 없는 파일인가."""
    try:
        with suppress(FileNotFoundError):
            if os.stat(f"{path}-wal").st_size:
                return False
        return is_wal(path)
    except OSError:
        return False


def connect_args(url: StorageUrl, options: StorageOptions) -> dict[str, Any]:
    """libpq에 줄 인자. URL의 query가 같은 열쇠를 가지면 사용자의 것을 따르고 options는(없으면 PGOPTIONS를) 잇는다."""
    session = {
        "statement_timeout": options.statement_timeout_ms or 0,
        "lock_timeout": options.lock_timeout_ms,
        "TimeZone": "UTC",
    }
    ours = " ".join(f"-c {name}={value}" for name, value in session.items())
    given = dict(url.query)
    theirs = given.get("options") or os.environ.get("PGOPTIONS", "")
    merged: dict[str, Any] = {
        "connect_timeout": options.connect_timeout,
        "application_name": options.application_name,
        **KEEPALIVES,
        **given,
    }
    merged["options"] = f"{ours} {theirs}".strip()
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
    return _driver(url).connect(**given, **connect_args(url, options))


def _driver(url: StorageUrl) -> Any:
    return importlib.import_module(url.loadable_driver)
