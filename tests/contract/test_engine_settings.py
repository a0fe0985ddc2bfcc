"""연결 설정을 서버에서 되읽어 확인한다. `search.storage_*`의 뜻이 정말로 지켜지는가."""

from __future__ import annotations

import stat
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import sqlalchemy as sa
from store_kit import OPTIONS, SPACE, make_trial

from optimize.errors import StorageError
from optimize.storage.dbapi import connect_args
from optimize.storage.engine import make_engine, reading, writing
from optimize.storage.failures import diagnose, storage_errors
from optimize.storage.options import StorageOptions
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl, parse_storage_url, sqlite_url

DRIVERS = ["psycopg2", "psycopg"]


@pytest.fixture(params=DRIVERS)
def driver_url(request: pytest.FixtureRequest, any_postgres_url: StorageUrl) -> StorageUrl:
    if request.param == "psycopg":
        pytest.importorskip("psycopg")
    return replace(any_postgres_url, driver=request.param)


def show(engine: sa.Engine, name: str) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql(f"SHOW {name}").scalar_one())


def test_session_settings_are_what_was_asked(driver_url: StorageUrl) -> None:
    """statement_timeout·lock_timeout·시간대·격리·이름·keepalive를 SHOW로 되읽는다."""
    options = StorageOptions(
        statement_timeout_ms=4321,
        lock_timeout_ms=1234,
        application_name="wizard-test",
        isolation_level="SERIALIZABLE",
    )
    engine = make_engine(driver_url, options)
    assert engine.dialect.driver == driver_url.driver
    expected = {
        "statement_timeout": "4321ms",
        "lock_timeout": "1234ms",
        "TimeZone": "UTC",
        "transaction_isolation": "serializable",
        "application_name": "wizard-test",
    }
    for name, value in expected.items():
        assert show(engine, name) == value
    with engine.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wizard-test'"
        )
        assert row.scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize("off", [0, None])
def test_zero_or_blank_statement_timeout_is_off(
    any_postgres_url: StorageUrl, off: int | None
) -> None:
    engine = make_engine(any_postgres_url, StorageOptions(statement_timeout_ms=off))
    assert show(engine, "statement_timeout") == "0"
    engine.dispose()


def test_keepalives_reach_the_socket(postgres_url: StorageUrl) -> None:
    """keepalive와 tcp_user_timeout이 연결의 socket에 실제로 걸려 있다."""
    import os
    import socket

    engine = make_engine(postgres_url, OPTIONS)
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        with socket.socket(fileno=os.dup(driver.fileno())) as copy:
            assert copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
            assert copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    engine.dispose()


def test_users_own_options_are_kept() -> None:
    """URL의 options와 connect_timeout은 사용자의 것을 따른다."""
    url = parse_storage_url("postgresql://h/d?options=-c%20work_mem%3D8MB&connect_timeout=3")
    found = connect_args(url, StorageOptions())
    assert "statement_timeout=300000" in found["options"]
    assert "work_mem=8MB" in found["options"]
    assert found["connect_timeout"] == "3"


def test_pool_limits(postgres_url: StorageUrl) -> None:
    """풀은 pool_size + max_overflow를 넘지 않고, pool_timeout 뒤에 재시도할 수 있는 실패가 된다."""
    engine = make_engine(
        postgres_url, replace(OPTIONS, pool_size=1, max_overflow=1, pool_timeout=0.2)
    )
    first, second = engine.connect(), engine.connect()
    began = time.monotonic()
    with pytest.raises(StorageError) as caught, storage_errors(postgres_url, "연결"):
        engine.connect()
    assert 0.1 < time.monotonic() - began < 3
    assert "연결 풀" in caught.value.cause
    assert caught.value.retryable  # type: ignore[attr-defined]
    first.close()
    second.close()
    engine.dispose()


def test_recycle_replaces_old_connections(postgres_url: StorageUrl) -> None:
    engine = make_engine(postgres_url, replace(OPTIONS, pool_recycle=0))
    pids = set()
    for _ in range(2):
        with engine.connect() as connection:
            pids.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        time.sleep(0.01)
    assert len(pids) == 2
    engine.dispose()


def test_pre_ping_survives_a_killed_connection(postgres_url: StorageUrl) -> None:
    """쉬던 연결을 서버가 끊어도 다음 빌림은 새 연결로 된다."""
    engine, killer = make_engine(postgres_url, OPTIONS), make_engine(postgres_url, OPTIONS)
    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with killer.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() != pid
    engine.dispose()
    killer.dispose()


def test_timeouts_are_diagnosed_by_code(driver_url: StorageUrl) -> None:
    """statement_timeout과 lock_timeout은 SQLSTATE로 알아보고 재시도할 수 있다고 한다."""
    options = replace(OPTIONS, statement_timeout_ms=100, lock_timeout_ms=50, pool_size=2)
    engine = make_engine(driver_url, options)
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as slow:
        connection.exec_driver_sql("SELECT pg_sleep(5)")
    assert diagnose(slow.value).sqlstate == "57014"
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE a (x int)")
    with engine.begin() as holder:
        holder.exec_driver_sql("LOCK TABLE a")
        with engine.connect() as waiter, pytest.raises(sa.exc.DBAPIError) as locked:
            waiter.exec_driver_sql("SELECT * FROM a")
    assert diagnose(locked.value).sqlstate == "55P03"
    assert diagnose(slow.value).retryable
    assert diagnose(locked.value).retryable
    engine.dispose()


def test_silent_host_is_given_up_at_connect_timeout() -> None:
    """받기만 하고 말하지 않는 서버는 connect_timeout에 포기한다."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        url = parse_storage_url(f"postgresql://u:canary99@127.0.0.1:{port}/d")
        began = time.monotonic()
        with pytest.raises(StorageError) as caught:
            TrialStore.open(url, replace(OPTIONS, connect_timeout=2), "s", ["maximize"], SPACE, {})
        assert 1 < time.monotonic() - began < 6
    assert "canary99" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_wrong_password_fails_with_the_url_masked(postgres_url: StorageUrl) -> None:
    with pytest.raises(StorageError) as caught:
        TrialStore.open(
            postgres_url.with_password("wr@ng/canary"), OPTIONS, "s", ["maximize"], SPACE, {}
        )
    assert "canary" not in str(caught.value)


def test_writing_is_read_committed_whatever_the_setting(driver_url: StorageUrl) -> None:
    engine = make_engine(driver_url, replace(OPTIONS, isolation_level="REPEATABLE READ"))
    with writing(engine) as connection:
        level = connection.exec_driver_sql("SHOW transaction_isolation").scalar_one()
        assert level == "read committed"
    assert show(engine, "transaction_isolation") == "repeatable read"
    engine.dispose()


def test_psycopg3_store_works_end_to_end(postgres_url: StorageUrl) -> None:
    """psycopg 3을 골라도 규약의 큰 길(열기·넣기·읽기·맡기)이 같다."""
    pytest.importorskip("psycopg")
    url = replace(postgres_url, driver="psycopg")
    store = TrialStore.open(url, OPTIONS, "세 번째", ["maximize"], SPACE, {})
    trials = [make_trial(seed) for seed in range(30)]
    assert store.append(trials) == list(range(30))
    assert store.append(trials) == list(range(30))
    assert store.load()[3].params == trials[3].params
    assert store.claims("me").claim(["a"], 40).granted == ["a"]
    store.close()


def test_sqlite_pragmas(tmp_path: Path) -> None:
    """WAL·synchronous·foreign_keys·busy timeout을 질의로 확인하고 파일은 0600이다."""
    url = sqlite_url(tmp_path / "sub" / "a.db")
    engine = make_engine(url, StorageOptions())
    with engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert values == {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "busy_timeout": 60000,
    }
    assert url.path is not None
    assert stat.S_IMODE(url.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(url.path.parent.stat().st_mode) == 0o700
    engine.dispose()


def test_existing_rollback_journal_file_is_moved_to_wal(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE x (a)")
    connection.close()
    engine = make_engine(sqlite_url(path), OPTIONS)
    with engine.connect() as opened:
        assert opened.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    engine.dispose()


def test_reading_never_creates_or_writes(tmp_path: Path, postgres_url: StorageUrl) -> None:
    with pytest.raises(StorageError), reading(sqlite_url(tmp_path / "none.db"), OPTIONS):
        pass
    assert not (tmp_path / "none.db").exists()
    with reading(postgres_url, OPTIONS) as connection, pytest.raises(sa.exc.DBAPIError) as caught:
        connection.exec_driver_sql("CREATE TABLE nope (a int)")
    assert diagnose(caught.value).sqlstate == "25006"


def test_sqlite_in_an_unwritable_place_is_a_korean_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("폴더가 아니다")
    with pytest.raises(StorageError) as caught:
        make_engine(sqlite_url(tmp_path / "file" / "a.db"), OPTIONS)
    assert caught.value.cause
    not_a_database = tmp_path / "text.db"
    not_a_database.write_text("이것은 데이터베이스가 아니다" * 100)
    with pytest.raises(StorageError):
        make_engine(sqlite_url(not_a_database), OPTIONS)


def _hammer(url: StorageUrl, seed: int) -> int:
    store = TrialStore.open(url, OPTIONS, "s", ["maximize"], SPACE, {})
    for step in range(25):
        store.append([make_trial(seed * 1000 + step)])
        store.counts()
    store.close()
    return 25


def test_sqlite_has_no_lock_error_with_many_writers(tmp_path: Path) -> None:
    """다섯 프로세스가 한 파일에 함께 써도 database is locked가 없다."""
    url = sqlite_url(tmp_path / "shared.db")
    with ProcessPoolExecutor(5, mp_context=get_context("spawn")) as pool:
        assert sum(pool.map(_hammer, [url] * 5, range(5))) == 125
    store = TrialStore.open(url, OPTIONS, "s", ["maximize"], SPACE, {})
    assert [trial.number for trial in store.load()] == list(range(125))
    store.close()
