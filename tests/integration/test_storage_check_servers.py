"""연결 점검: 서버의 상태(죽음, 대기, SSL 없음, 자리)와 PostgreSQL이 아닌 프로그램, 드라이버만 읽는 것."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from threading import Thread

import pytest
from check_kit import OPTIONS, check
from postgres import PostgresServer

from optimize.errors import StorageError
from optimize.storage.check import run_check
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl


def test_server_without_ssl(postgres_url: StorageUrl) -> None:
    """SSL이 없는 서버에 SSL을 요구했다."""
    step = check(replace(postgres_url, query=(("sslmode", "require"),)))["tls"]
    assert step.status == "fail"
    assert "SSL을 지원하지 않는데" in step.cause_ko
    assert "sslmode=prefer" in step.fix_ko


@pytest.mark.parametrize(
    "words", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b""]
)
def test_foreign_program_on_the_port(words: bytes) -> None:
    """PostgreSQL이 아닌 프로그램은, 그 말이 SSL을 쓰자는 답(`S`)처럼 시작해도 그렇다고 말한다."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                peer, _ = server.accept()
                with peer:
                    peer.sendall(words)
                    peer.recv(64)

        thread = Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        step = check(StorageUrl("postgresql", "psycopg2", "u", "p", "127.0.0.1", port, "d"))["tls"]
        thread.join()
    assert step.status == "fail"
    assert "PostgreSQL이 아닌 다른 프로그램" in step.cause_ko
    assert "ss -ltnp" in step.fix_ko


def test_server_dies_during_the_check(make_postgres: Callable[..., PostgresServer]) -> None:
    """점검 도중 서버가 죽으면 그 단계가 실패하고 뒤는 건너뛴다."""
    server = make_postgres()
    url = server.create_database()
    steps = []
    for step in run_check(url, OPTIONS, 5):
        steps.append(step)
        if step.name == "write":
            server.stop("immediate")
    by_name = {step.name: step for step in steps}
    assert by_name["read_only"].status == "fail"
    assert "연결을 끊었습니다" in by_name["read_only"].cause_ko
    assert {by_name[name].status for name in ("encoding", "latency", "dead_trials")} == {"skip"}


def test_what_only_the_driver_reads_is_named(
    postgres_url: StorageUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq의 환경 변수: 없는 PGSERVICE는 드라이버의 단계에서, PGOPTIONS의 search_path는 쓰기에서 막힌다."""
    monkeypatch.setenv("PGSERVICE", "없는것")
    step = check(postgres_url)["session"]
    assert (step.status, "env | grep ^PG" in step.fix_ko) == ("fail", True)
    monkeypatch.delenv("PGSERVICE")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")
    step = check(postgres_url)["write"]
    assert (step.status, step.detail_ko) == ("fail", "search_path = nowhere")
    with pytest.raises(StorageError):  # 점검과 실행이 같은 것을 본다
        TrialStore.open(postgres_url, OPTIONS, "s", ["maximize"], {}, {})


def test_recovering_standby(make_postgres: Callable[..., PostgresServer]) -> None:
    """대기 서버(standby)는 읽기 전용으로 판정된다."""
    server = make_postgres()
    url = server.create_database()
    server.stop()
    data = server.server.data
    (data / "standby.signal").touch()
    server.start()
    step = check(url)["read_only"]
    assert "대기 서버" in step.cause_ko
    assert "pg_promote" in step.fix_ko


def test_capacity_against_the_plan(postgres_url: StorageUrl) -> None:
    """max_connections가 계획보다 적으면 주의하고 맞는 값을 권한다."""
    steps = {step.name: step for step in run_check(postgres_url, OPTIONS, 10_000)}
    assert steps["capacity"].status == "warn"
    assert "storage_pool_size" in steps["capacity"].fix_ko
    assert "10000개까지" in steps["capacity"].cause_ko


def test_both_versions_are_green(any_postgres_url: StorageUrl) -> None:
    """갓 만든 데이터베이스에서 15와 18 모두 모든 단계가 정상이다."""
    assert {step.status for step in check(any_postgres_url).values()} == {"ok"}


def test_psycopg2_is_not_loaded_by_the_quick_check(postgres_url: StorageUrl) -> None:
    """빠른 점검은 SQLAlchemy도 드라이버도 읽지 않는다: 화면이 고르는 자리에서 바로 답한다."""
    done = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", "-m", "optimize.storage", "check"),
            *("--quick", "--json", "--storage-url-env", "CHECK_URL"),
        ],
        env={**os.environ, "CHECK_URL": postgres_url.secret},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert '"name": "identity"' in done.stdout
    for module in ("sqlalchemy", "psycopg2", "pydantic", "optuna"):
        assert f" {module}\n" not in done.stderr
