"""저장소의 고장을 진짜로 일으키는 것들: 서버의 고장마다 하나의 context manager, 작은 디스크.

모두 `with` 안에서만 고장이고 나오면 낫는다. 도는 실행이 그 고장을 겪었는지는 `Ordeal`이 사건 기록과
저장소에서 보고 나서 고친다: 시간이 아니라 일어난 일을 기다린다.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))
from faults import Bench
from postgres import PostgresServer

from optimize.storage.url import StorageUrl

APPLICATION = "backtest-wizard"
Fault = Callable[[PostgresServer, StorageUrl], contextlib.AbstractContextManager[None]]


class Ordeal:
    """도는 실행 하나에 고장을 차례로 일으킨다."""

    def __init__(self, bench: Bench, process: subprocess.Popen[str]) -> None:
        self.bench = bench
        self.process = process

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                pytest.fail(f"실행이 끝났다({what}): {self.process.communicate()[1]}")
            assert time.monotonic() < deadline, what
            time.sleep(0.02)

    def count(self, word: str) -> int:
        logs = (self.bench.folder / "home").glob("studies/*/runs/*/events.ndjson")
        return sum(path.read_text("utf-8").count(word) for path in logs)

    def suffer(self, fault: contextlib.AbstractContextManager[None], name: str) -> None:
        """시행이 몇 개 더 적히면 고장을 일으키고, 실행이 기다린다고 말하면 고친 뒤 되살아남을 본다."""
        at = self.bench.written() + 5
        self.wait(lambda: self.bench.written() >= at, f"{name}: 시행 {at}개")
        waits, wakes = self.count("응답하지 않아 기다립니다"), self.count("되살아났습니다")
        with fault:
            self.wait(lambda: self.count("응답하지 않아 기다립니다") > waits, f"{name}: 기다림")
        self.wait(lambda: self.count("되살아났습니다") > wakes, f"{name}: 되살아남")


# ── PostgreSQL의 고장들


@contextmanager
def stopped(server: PostgresServer, url: StorageUrl) -> Iterator[None]:
    """immediate로 꺼지고, 다시 켜진다."""
    server.stop("immediate")
    try:
        yield
    finally:
        server.start()


@contextmanager
def exhausted(server: PostgresServer, url: StorageUrl) -> Iterator[None]:
    """남이 연결 자리를 관리자 몫까지 모두 차지하고, 실행이 얻은 자리도 뺏는다."""
    held: list[psycopg2.extensions.connection] = []

    def take() -> None:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                held.append(_connect(url))

    with _repeating(url, take):
        yield
    for connection in held:
        connection.close()


@contextmanager
def terminated(server: PostgresServer, url: StorageUrl) -> Iterator[None]:
    """서버가 실행의 연결을 보이는 대로 끊는다."""
    with _repeating(url, lambda: None):
        yield


@contextmanager
def _repeating(url: StorageUrl, then: Callable[[], None]) -> Iterator[None]:
    """실행의 연결을 끊고 then을 하기를 되풀이한다."""
    over = threading.Event()

    def work() -> None:
        with connected(url) as connection, connection.cursor() as cursor:
            while not over.wait(0.01):
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    f" WHERE application_name = '{APPLICATION}'"
                )
                then()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def locked(server: PostgresServer, url: StorageUrl) -> Iterator[None]:
    """남이 시행의 테이블을 잠그고 놓지 않는다."""
    with connected(url, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE trials IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@contextmanager
def sluggish(server: PostgresServer, url: StorageUrl) -> Iterator[None]:
    """시행을 넣는 문장이 statement_timeout보다 오래 걸린다(잠금이 아니라 일이)."""
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END';"
            "CREATE TRIGGER dawdle AFTER INSERT ON trials FOR EACH STATEMENT"
            " EXECUTE FUNCTION dawdle()"
        )
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER dawdle ON trials; DROP FUNCTION dawdle()")


@contextmanager
def read_only(server: PostgresServer, url: StorageUrl) -> Iterator[None]:
    """서버가 읽기 전용이 된다(장애 조치의 도중처럼)."""
    server.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        server.execute(
            "SET default_transaction_read_only = off",
            "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
        )


def _connect(url: StorageUrl) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database,
        application_name="fault",
    )


@contextmanager
def connected(
    url: StorageUrl, *, autocommit: bool = True
) -> Iterator[psycopg2.extensions.connection]:
    with contextlib.closing(_connect(url)) as connection:
        connection.autocommit = autocommit
        yield connection
