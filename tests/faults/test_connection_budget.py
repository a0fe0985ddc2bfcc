"""연결의 예산: 남은 연결이 모자란 계획은 시작하기 전에 거절하고, 꼭 맞는 계획은 끝까지 돈다."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from postgres import PostgresServer
from run_cases import RunCase, load

from optimize.storage.budget import run_connections, seats
from optimize.storage.url import StorageUrl

GRID = "15m@1h,15m@2h,15m@4h"


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


@pytest.fixture
def limited_url(postgres_embedded: PostgresServer, postgres_url: StorageUrl) -> StorageUrl:
    """연결 한도가 있는 역할로 여는 데이터베이스."""
    role = f"limited_{postgres_url.database}"
    postgres_embedded.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'pw'",
        f"ALTER DATABASE {postgres_url.database} OWNER TO {role}",
    )
    return replace(postgres_url, username=role, password="pw")


def test_a_plan_that_cannot_fit_is_refused_and_one_that_just_fits_completes(
    case: RunCase, limited_url: StorageUrl, postgres_embedded: PostgresServer
) -> None:
    needed = run_connections(3)
    limit = f"ALTER ROLE {limited_url.username} CONNECTION LIMIT"
    command = ("--timeframe-grid", GRID, "--storage-url", limited_url.secret)
    postgres_embedded.execute(f"{limit} {needed - 1}")
    refused = case.run(*command, n=6)
    assert refused.returncode == 3, refused.stderr
    assert "서버에 남은 연결이 모자랍니다" in refused.stderr
    assert f"스터디 3개에 연결 {needed}개" in refused.stderr
    assert "max_connections" in refused.stderr
    assert "2칸으로 나누어" in refused.stderr

    postgres_embedded.execute(f"{limit} {needed}")
    done = case.run(*command, n=6)
    assert done.returncode == 0, done.stderr
    postgres_embedded.execute(f"{limit} -1")
    for cell in ("1h", "2h", "4h"):
        assert len(load(limited_url, f"demo_btcusdt_15m_{cell}").get_trials()) == 6


def test_every_limit_of_the_server_counts() -> None:
    """max_connections, 역할의 한도, 데이터베이스의 한도 가운데 가장 좁은 것. 묻는 연결은 돌려준다."""
    assert seats((97, 10, -1, -1, "100")).free == 88
    assert seats((97, 10, 5, -1, "100")).free == 5
    assert seats((97, 10, 50, 3, "100")).free == 3
    assert seats((97, 100, -1, -1, "100")).free == -2
