"""SQLAlchemy engine 만들기: 연결 풀, 시간 제한, SQLite의 WAL.

PostgreSQL의 세션: TimeZone=UTC, statement_timeout·lock_timeout, keepalive와 tcp_user_timeout
(죽은 서버를 30초 안에 알아챈다), 빌리기 전의 pre-ping.
SQLite의 연결: WAL(질의로 확인), synchronous=NORMAL, foreign_keys=ON, busy timeout.
SQLite의 쓰는 트랜잭션은 BEGIN IMMEDIATE로 시작한다(`writing`): 읽기에서 쓰기로 올라가다
다른 writer와 부딪히는 일이 없다.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import NullPool

from optimize import paths
from optimize.errors import StorageError, os_reason
from optimize.storage.dbapi import connect_args, open_readonly
from optimize.storage.failures import diagnose
from optimize.storage.options import StorageOptions
from optimize.storage.silence import Silence, answer_limit
from optimize.storage.url import StorageUrl

_WRITING = "wizard_writing"
# SQLite 파일의 가장 작은 크기: 가장 작은 쪽 하나.
_SMALLEST_SQLITE = 512


def make_engine(url: StorageUrl, options: StorageOptions) -> Engine:
    """쓰는 engine. SQLite면 파일을 0600으로 만들고 WAL로 바꾼다.

    연결은 처음 쓸 때 한다. SQLite 파일을 만들 수 없거나 WAL이 되지 않으면 StorageError.
    """
    if url.path is not None:
        prepare_sqlite_file(url.path, options)
        engine = sa.create_engine(_sa_url(url), **engine_kwargs(url, options))
        event.listen(engine, "connect", _prepare_sqlite_connection)
        event.listen(engine, "begin", partial(_begin_sqlite, _SameFile(url.path)))
        return engine
    engine = sa.create_engine(_sa_url(url), **engine_kwargs(url, options))
    limit = answer_limit(options)
    if limit is not None:
        Silence(limit).watch(engine)
    return engine


def make_readonly_engine(url: StorageUrl, options: StorageOptions) -> Engine:
    """바꾸지 않고 읽기만 하는 engine. 없는 SQLite 파일을 만들지 않는다."""
    path = url.path
    if path is not None:
        return sa.create_engine(
            "sqlite://",
            creator=lambda: open_readonly(path, options.sqlite_timeout),
            poolclass=NullPool,
        )
    engine = sa.create_engine(_sa_url(url), **engine_kwargs(url, options))
    return engine.execution_options(postgresql_readonly=True)


@contextmanager
def reading(url: StorageUrl, options: StorageOptions) -> Iterator[Connection]:
    """바꾸지 않고 읽기만 하는 연결 하나(목록·내보내기). 없는 SQLite 파일을 만들지 않는다."""
    if url.path is not None:
        token = _reading_path.set(url.path)
        try:
            with _sqlite_reader(options.sqlite_timeout).connect() as connection:
                yield connection
        finally:
            _reading_path.reset(token)
        return
    engine = make_readonly_engine(url, options)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


_reading_path: ContextVar[Path] = ContextVar("reading_path")


@cache
def _sqlite_reader(timeout: float) -> Engine:
    """파일이 수천 개여도 문장을 한 번만 compile하게 읽는 engine은 하나를 나누어 쓴다."""

    return sa.create_engine(
        "sqlite://",
        creator=lambda: open_readonly(_reading_path.get(), timeout),
        poolclass=NullPool,
    )


def engine_kwargs(url: StorageUrl, options: StorageOptions) -> dict[str, Any]:
    """`create_engine`에 줄 인자. Optuna의 `RDBStorage(engine_kwargs=…)`에도 쓴다."""
    if url.backend == "sqlite":
        return {"connect_args": {"timeout": options.sqlite_timeout}}
    return {
        "pool_size": options.pool_size,
        "max_overflow": options.max_overflow,
        "pool_timeout": options.pool_timeout,
        "pool_recycle": options.pool_recycle,
        "pool_pre_ping": True,
        "isolation_level": options.isolation_level,
        "connect_args": connect_args(url, options),
    }


def prepare_sqlite_file(path: Path, options: StorageOptions) -> None:
    """파일이 없으면 0600으로 만들고 WAL로 바꾼다. 여러 프로세스가 함께 불러도 된다."""
    try:
        paths.private_dir(path.parent)
        paths.refuse_links(path)
        _refuse_foreign(path, options)
        with sqlite_lock(path, options):
            _create_or_require_file(path)
            connection = sqlite3.connect(path, timeout=options.sqlite_timeout)
            try:
                _require_wal(connection.cursor(), path)
            finally:
                connection.close()
    except sqlite3.Error as error:
        found = diagnose(error)
        raise StorageError(
            "SQLite 파일을 열지 못했습니다",
            f"{path}: {found.cause}",
            f"{found.fix}\nls -ld '{path.parent}' '{path}'",
        ) from error
    except OSError as error:
        blocked = isinstance(error, (FileExistsError, NotADirectoryError))
        raise StorageError(
            "SQLite 파일을 열지 못했습니다",
            f"{path}: "
            + ("경로의 가운데에 폴더가 아닌 것이 있습니다" if blocked else os_reason(error)),
            "링크가 가리키는 파일을 쓰려면 그 경로를 곧바로 주세요: --storage-url sqlite:////경로/이름.db"
            if error.errno == errno.ELOOP
            else f"폴더의 권한과 디스크를 확인합니다: ls -ld '{path.parent}' && df -h '{path.parent}'",
        ) from error


def _refuse_foreign(path: Path, options: StorageOptions) -> None:
    """SQLite가 아닌 남의 파일이면, 곁에 잠금 파일을 만들기 전에 거절한다.

    한 쪽이 못 되는 글은 SQLite가 빈 파일로 보고 덮어쓰므로 크기로 안다. 나머지는 SQLite가 연다(sqlite3.Error).
    """
    size = path.stat().st_size if path.is_file() else 0
    if 0 < size < _SMALLEST_SQLITE:
        raise StorageError(
            "SQLite 파일을 열지 못했습니다",
            f"{path}: SQLite 파일이 아닙니다",
            "다른 파일을 고릅니다. 이 파일은 건드리지 않았습니다",
        )
    if size:
        with closing(open_readonly(path, options.sqlite_timeout)) as connection:
            connection.execute("PRAGMA schema_version")


def _create_or_require_file(path: Path) -> None:
    """없으면 빈 파일을 만들고, 있으면 읽고 쓸 수 있는지 본다. 아니면 OSError.

    있는 파일은 열지 않는다. POSIX의 잠금은 손잡이 하나만 닫아도 그 프로세스의 것이 모두 풀려, 이 파일을 쓰고 있는
    다른 스터디의 연결을 다른 실행이 보지 못하고 WAL을 지운다(https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    with suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def sqlite_lock(path: Path, options: StorageOptions) -> FileLock:
    """스키마를 만드는 동안의 파일 잠금 `.<이름>.lock`."""
    return FileLock(
        path.with_name(f".{path.name}.lock"), timeout=options.sqlite_timeout, mode=0o600
    )


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """쓰는 트랜잭션 하나. 격리는 늘 READ COMMITTED(SQLite는 BEGIN IMMEDIATE)다.

    번호를 매기는 일은 잠금을 얻은 뒤의 사실을 보아야 한다: REPEATABLE READ는 잠금을 기다리기
    전의 모습을 보여 같은 번호를 두 번 준다.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="READ COMMITTED")
        else:
            connection.execution_options(**{_WRITING: True})
        with connection.begin():
            yield connection


class _SameFile:
    """연 뒤에 지워지거나 바뀐 파일을 알아챈다: 열린 연결은 이름 없는 파일에 계속 쓸 수 있다."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = self._identity()

    def require(self) -> None:
        """처음 연 그 파일이 그 자리에 있는가. 아니면 StorageError."""
        if self._identity() != self._opened:
            raise StorageError(
                "SQLite 파일이 지워졌거나 다른 파일로 바뀌었습니다",
                f"{self._path}: 실행하는 동안 일어난 일이라, 더 적어도 남지 않습니다",
                "파일을 제자리에 되돌리고 같은 명령을 다시 실행하세요. 되돌릴 것이 없으면 새로 만들어지고, "
                "저장하지 못한 시행은 사건 기록에서 되살아납니다",
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _begin_sqlite(file: _SameFile, connection: Connection) -> None:
    immediate = connection.get_execution_options().get(_WRITING, False)
    if immediate:
        file.require()
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _prepare_sqlite_connection(connection: Any, record: object) -> None:
    # 드라이버가 멋대로 BEGIN하지 않게 한다: 트랜잭션의 시작은 _begin_sqlite가 정한다.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        _require_wal(cursor, None)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
    finally:
        cursor.close()


def _require_wal(cursor: sqlite3.Cursor, path: Path | None) -> None:
    mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise StorageError(
            "SQLite를 WAL로 바꾸지 못했습니다",
            f"{path or '파일'}: journal_mode가 {mode}입니다. 네트워크 디스크에서는 WAL을 쓸 수 없습니다",
            "studies 폴더를 이 컴퓨터의 디스크에 두거나 PostgreSQL을 씁니다",
        )


def _sa_url(url: StorageUrl) -> URL:
    if url.path is not None:
        return URL.create("sqlite+pysqlite", database=str(url.path))
    query = {"host": url.host} if url.host and url.host.startswith("/") else {}
    return URL.create(
        f"postgresql+{url.loadable_driver}",
        username=url.username,
        password=url.password,
        host=None if query else url.host,
        port=url.port,
        database=url.database,
        query=query,
    )
