"""서버가 거절한 실행의 오류: 드라이버가 까닭을 말해 주지 않아도(SQLSTATE가 없다) 무엇이 틀렸고 어떻게 고칠지 말한다."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimize.errors import StorageError
from optimize.runner.events import EventWriter
from optimize.runner.opening import reach_storage
from optimize.settings.arguments import parse_run_arguments
from optimize.settings.plan import make_plan
from optimize.storage.url import StorageUrl


def refused(url: str, tmp_path: Path) -> StorageError:
    plan = make_plan(parse_run_arguments(["--storage-url", url]))
    with pytest.raises(StorageError) as caught:
        reach_storage(plan, EventWriter(tmp_path / "run"))
    return caught.value


def test_a_wrong_password_is_told_in_korean_with_its_own_fix(
    postgres_url: StorageUrl, tmp_path: Path
) -> None:
    place = f"{postgres_url.host}:{postgres_url.port}/{postgres_url.database}"
    error = refused(f"postgresql://{postgres_url.username}:canary-7c2@{place}", tmp_path)
    assert "비밀번호가 틀렸거나" in error.cause
    assert "URL의 사용자와 비밀번호를 확인합니다" in error.fix
    assert "docker start" not in error.fix  # 서버는 켜져 있다
    assert "optimize.storage check" in error.fix
    assert "canary-7c2" not in f"{error.cause}{error.fix}"


def test_a_missing_database_is_told_with_the_command_that_makes_it(
    postgres_url: StorageUrl, tmp_path: Path
) -> None:
    place = f"{postgres_url.host}:{postgres_url.port}/nowhere"
    error = refused(
        f"postgresql://{postgres_url.username}:{postgres_url.password}@{place}", tmp_path
    )
    assert "데이터베이스 'nowhere'이(가) 없습니다" in error.cause
    # 붙여 넣으면 기본 저장소가 아니라 이 저장소에 한다.
    fix = next(line for line in error.fix.splitlines() if "--fix create_database" in line)
    assert f"--storage-url 'postgresql://{postgres_url.username}:***@{place}'" in fix


def test_another_computer_is_not_started_with_our_docker(tmp_path: Path) -> None:
    """없는 이름의 서버에 이 컴퓨터의 container를 켜라고 하지 않는다."""
    error = refused("postgresql://u:canary-7c3@no-such-host.invalid/d", tmp_path)
    assert "no-such-host.invalid" in error.cause
    assert "getent hosts no-such-host.invalid" in error.fix
    assert "docker" not in error.fix
    assert "canary-7c3" not in f"{error.cause}{error.fix}"
    here = refused("postgresql://u:p@127.0.0.1:1/d", tmp_path)
    assert "docker start optuna-postgres" in here.fix
