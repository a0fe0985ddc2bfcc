"""PostgreSQL의 고장: 도는 실행이 기다렸다 이어 가고, 아무 일 없던 실행과 같은 시행과 값을 남긴다.

큰 판(멈춤 60초, 시행 2,000개)은 `tests/bench/faults.py ordeal`이다.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import optuna
import pytest
from faults import Bench, exact_values, leftover
from postgres import PostgresServer
from small_disk import full, small_disk
from storage_lab import (
    Ordeal,
    exhausted,
    locked,
    read_only,
    sluggish,
    stopped,
    terminated,
)
from tcp_proxy import TcpProxy

from optimize.storage.url import StorageUrl

TARGET = 200
QUICK = (
    *("--set", "search.storage_lock_timeout_ms=200"),
    *("--set", "search.storage_statement_timeout_ms=600"),
    *("--set", "search.storage_connect_timeout=1"),
)
Values = dict[str, tuple[float, ...]]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_every_fault_of_the_server_is_waited_out(
    tmp_path: Path, make_postgres: Callable[..., PostgresServer], undisturbed: Values
) -> None:
    """한 실행이 서버의 고장을 차례로 겪는다: 연결 끊김, 잠금, 느린 문장, 읽기 전용, 연결 자리, 디스크, 멈춤."""
    server = make_postgres({"max_connections": "20"})
    bench = Bench(tmp_path / "run", TARGET, 2, TARGET)
    owner = server.server.data.stat().st_uid
    with small_disk(server.directory / "disk", 48 * 1024, owner=owner) as disk:
        space = disk / "space"
        space.mkdir()
        os.chown(space, owner, -1)
        server.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        url = server.create_database("TABLESPACE small")
        process = bench.start(url.secret, 0.25, *QUICK)
        ordeal = Ordeal(bench, process)
        try:
            faults: list[tuple[str, AbstractContextManager[None]]] = [
                (fault.__name__, fault(server, url))
                for fault in (terminated, locked, sluggish, read_only, exhausted, stopped)
            ]
            faults.append(("full", full(disk)))
            for name, fault in faults:
                ordeal.suffer(fault, name)
            bench.hurry()
            said = bench.finish(process)
            values = exact_values(url.secret, TARGET)
            leftover(url)
        finally:
            process.kill()
            server.stop("immediate")
    assert values == undisturbed
    for words in (
        "서버가 연결을 끊었습니다",
        "다른 프로세스의 잠금을 기다리다",
        "문장이 시간 제한을 넘었습니다",
        "서버가 읽기 전용입니다",
        "연결 자리가 모두 찼습니다",
        "서버의 디스크가 찼습니다",
    ):
        assert words in said, words


def test_a_slow_breaking_and_silent_network(
    tmp_path: Path, postgres_url: StorageUrl, undisturbed: Values
) -> None:
    """왕복 200 ms에 조각의 1%가 RST로 끊기는 길로 돌고, 도중에 길이 패킷을 삼킨다(half-open)."""
    bench = Bench(tmp_path / "run", TARGET, 2, TARGET)
    assert postgres_url.host
    assert postgres_url.port
    with TcpProxy(postgres_url.host, postgres_url.port) as proxy:
        address = f":{postgres_url.port}/"
        url = postgres_url.secret.replace(address, f":{proxy.port}/")
        limits = ("--set", "search.storage_connect_timeout=2")
        limits += ("--set", "search.storage_statement_timeout_ms=500")
        process = bench.start(url, 0.25, *limits)
        ordeal = Ordeal(bench, process)
        try:
            ordeal.wait(lambda: bench.written() >= 5, "시작")
            proxy.latency, proxy.reset_rate = 0.1, 0.01
            stored = ordeal.count('"type":"stored"')
            ordeal.wait(lambda: ordeal.count('"type":"stored"') >= stored + 2, "느린 길")
            proxy.latency = proxy.reset_rate = 0.0
            ordeal.suffer(_silent(proxy), "삼키는 길")
            bench.hurry()
            bench.finish(process)
        finally:
            process.kill()
    assert exact_values(postgres_url.secret, TARGET) == undisturbed
    leftover(postgres_url)


class _silent(AbstractContextManager[None]):  # noqa: N801 — with에 쓰는 동사다
    def __init__(self, proxy: TcpProxy) -> None:
        self._proxy = proxy

    def __enter__(self) -> None:
        self._proxy.frozen = True

    def __exit__(self, *_: object) -> None:
        self._proxy.frozen = False
