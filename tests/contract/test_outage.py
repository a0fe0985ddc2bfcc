"""서버가 죽었다 살아나도 시행이 사라지지도 겹치지도 않는다."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from store_kit import OPTIONS, SPACE, make_trial
from tcp_proxy import TcpProxy

from optimize.storage.dbapi import reading_rows
from optimize.storage.engine import make_engine
from optimize.storage.failures import StorageOperationError, storage_errors
from optimize.storage.resilient import Backoff, Outage, Resilient
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl

QUICK = Backoff(first=0.02, limit=0.2)


def failing(times: int, *, retryable: bool) -> Callable[[], str]:
    left = [times]

    def action() -> str:
        if left[0]:
            left[0] -= 1
            raise StorageOperationError("저장하지 못했습니다", "끊김", retryable=retryable)
        return "됨"

    return action


def test_waits_with_growing_delays_and_reports() -> None:
    outages: list[Outage] = []
    recovered: list[float] = []
    backoff = Backoff(first=0.01, factor=2, limit=0.03, jitter=0)
    resilient = Resilient(threading.Event(), outages.append, recovered.append, backoff)
    assert resilient(failing(4, retryable=True)) == "됨"
    assert [o.delay_s for o in outages] == [0.01, 0.02, 0.03, 0.03]
    assert [o.attempt for o in outages] == [1, 2, 3, 4]
    assert len(recovered) == 1
    assert recovered[0] >= 0.09
    assert backoff.delay(100_000) == 0.03


def test_permanent_failure_is_not_retried() -> None:
    outages: list[Outage] = []
    with pytest.raises(StorageOperationError):
        Resilient(threading.Event(), outages.append)(failing(1, retryable=False))
    assert outages == []


def test_stop_ends_the_wait_at_once() -> None:
    stop = threading.Event()
    resilient = Resilient(stop, lambda outage: stop.set(), backoff=Backoff(first=60))
    began = time.monotonic()
    with pytest.raises(StorageOperationError):
        resilient(failing(9, retryable=True))
    assert time.monotonic() - began < 5


def test_bug_is_not_hidden_as_a_storage_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        Resilient(threading.Event(), lambda outage: None)(lambda: 1 // 0)


def test_immediate_stops_lose_and_repeat_nothing(make_postgres: Callable[..., Any]) -> None:
    """쓰는 동안 서버를 세 번 immediate로 죽이고 되살려도 모두 한 번씩, 번호가 이어져 들어간다."""
    server = make_postgres()
    url = server.create_database()
    store = TrialStore.open(url, OPTIONS, "정전", ["maximize"], SPACE, {})
    claims = store.claims("me", lease_s=5)
    trials = [make_trial(seed) for seed in range(1500)]
    outages: list[Outage] = []
    numbers: list[int] = []
    resilient = Resilient(threading.Event(), outages.append, backoff=QUICK)

    def write() -> None:
        for start in range(0, len(trials), 3):
            batch = trials[start : start + 3]
            resilient(claims.renew)
            numbers.extend(resilient(lambda batch=batch: store.append(batch)))

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        time.sleep(0.4)
        server.stop("immediate")
        time.sleep(0.2)
        server.start()
    writer.join(60)
    assert not writer.is_alive()
    assert outages, "서버를 죽였는데 멈춤이 없었다"
    assert numbers == list(range(len(trials)))
    stored = store.load()
    assert [trial.number for trial in stored] == numbers
    assert [trial.uid for trial in stored] == [trial.uid for trial in trials]
    assert store.counts().running == 0
    store.close()


def test_first_open_against_a_stopped_server_fails_fast(make_postgres: Callable[..., Any]) -> None:
    server = make_postgres()
    url = server.url()
    server.stop()
    began = time.monotonic()
    with pytest.raises(StorageOperationError) as caught:
        TrialStore.open(url, replace(OPTIONS, connect_timeout=3), "s", ["maximize"], SPACE, {})
    assert time.monotonic() - began < 4
    assert caught.value.retryable
    assert "서버에 닿지 못했습니다: 서버가 꺼져 있거나 포트가 다릅니다" in caught.value.cause


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_a_peer_that_swallows_everything_is_given_up(postgres_url: StorageUrl, driver: str) -> None:
    """답이 오지 않는 연결은 문장의 제한과 연결의 제한을 더한 초 뒤에 끊긴 것으로 본다.

    문장을 기다리던 연결도, 풀에서 쉬다 빌려지며 살아 있는지 묻는(pre-ping) 연결도 그렇다.
    """
    assert postgres_url.host
    assert postgres_url.port
    with TcpProxy(postgres_url.host, postgres_url.port) as proxy:
        url = replace(postgres_url, driver=driver, port=proxy.port)  # type: ignore[arg-type]
        limits = replace(OPTIONS, statement_timeout_ms=300, connect_timeout=2)
        engine = make_engine(url, limits)
        try:
            with engine.connect() as connection:
                assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
                proxy.frozen = True
                with pytest.raises(StorageOperationError) as caught, storage_errors(url, "조회"):
                    connection.exec_driver_sql("SELECT 2")
                assert caught.value.retryable
                connection.invalidate()
            proxy.frozen = False
            with engine.connect() as connection:
                assert connection.exec_driver_sql("SELECT 3").scalar_one() == 3
            proxy.frozen = True
            with pytest.raises(StorageOperationError), storage_errors(url, "조회"):
                engine.connect()
            proxy.frozen = False
            # SQLAlchemy 없이 읽는 목록도 그렇다.
            with reading_rows(url, limits) as db:
                proxy.frozen = True
                with pytest.raises(StorageOperationError), storage_errors(url, "조회"):
                    db("SELECT 4")
        finally:
            proxy.frozen = False
            engine.dispose()


def test_slow_statements_within_the_limit_are_left_alone(postgres_url: StorageUrl) -> None:
    limits = replace(OPTIONS, statement_timeout_ms=30_000, connect_timeout=1)
    engine = make_engine(postgres_url, limits)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT pg_sleep(1.2), 7").one()[1] == 7
    engine.dispose()
