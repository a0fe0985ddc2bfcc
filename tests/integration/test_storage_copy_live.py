"""복사하는 동안에도 원본과 대상은 살아 있다: 한 순간의 모습, 막지 않는 쓰기, 남이 먼저 만든 이름."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from copy_kit import OPTIONS, big_study, copy, load
from postgres import PostgresServer

from optimize.errors import StorageError
from optimize.storage.copy_rows import Transform
from optimize.storage.copy_source import open_source
from optimize.storage.copy_study import Target, copy_study
from optimize.storage.schema import open_rdb_storage
from optimize.storage.url import StorageUrl, sqlite_url


@pytest.fixture(params=["postgresql", "sqlite"])
def any_target(
    request: pytest.FixtureRequest, postgres_url: StorageUrl, tmp_path: Path
) -> StorageUrl:
    return postgres_url if request.param == "postgresql" else sqlite_url(tmp_path / "target.db")


def test_running_study_is_copied_as_one_moment(
    postgres_embedded: PostgresServer, postgres_url: StorageUrl, tmp_path: Path
) -> None:
    """복사하는 동안 원본이 자라도 한 순간의 모습만 옮긴다(PostgreSQL 원본)."""
    seed = big_study(tmp_path / "seed.db", 1_500)
    copy(seed, postgres_url, "--all")
    target_url = sqlite_url(tmp_path / "copy.db")
    grown = False

    def grow(stage: str, done: int, total: int) -> None:
        nonlocal grown
        if not grown:
            grown = True
            load(postgres_url, "큰것").add_trial(optuna.trial.create_trial(value=1.0))

    with open_source(postgres_url, OPTIONS) as opened, Target(target_url, OPTIONS) as target:
        result = copy_study(opened, opened.studies()[0], target, Transform(), grow)
    assert grown
    assert result.trials == 1_500
    assert len(load(target_url, "큰것").get_trials()) == 1_500


def test_a_study_made_meanwhile_is_not_overwritten(any_target: StorageUrl, tmp_path: Path) -> None:
    """복사하는 사이에 남이 같은 이름을 만들어도 그것을 두고 까닭을 말한다."""
    source_url = big_study(tmp_path / "source.db", 30)

    def make(stage: str, done: int, total: int) -> None:
        optuna.create_study(study_name="큰것", storage=open_rdb_storage(any_target, OPTIONS))

    with (
        open_source(source_url, OPTIONS) as opened,
        Target(any_target, OPTIONS) as target,
        pytest.raises(StorageError, match="이미 있습니다"),
    ):
        copy_study(opened, opened.studies()[0], target, Transform(), make)
    assert load(any_target, "큰것").get_trials() == []


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_writing_goes_on_while_a_file_is_copied(mode: str, tmp_path: Path) -> None:
    """복사하는 내내 다른 도구가 원본에 쓸 수 있다: WAL이 아닌 파일(Optuna의 기본)도 잠가 두지 않는다."""
    source_url = big_study(tmp_path / "source.db", 1_500)
    target_url = sqlite_url(tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "source.db")) as plain:
        assert plain.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
    written = 0

    def write(stage: str, done: int, total: int) -> None:
        nonlocal written
        with closing(sqlite3.connect(tmp_path / "source.db", timeout=0)) as writer, writer:
            writer.execute(
                "INSERT INTO trials (number, study_id, state) VALUES (?, 1, 'FAIL')", [9]
            )
        written += 1

    with open_source(source_url, OPTIONS) as opened, Target(target_url, OPTIONS) as target:
        result = copy_study(opened, opened.studies()[0], target, Transform(), write)
    assert written >= 3
    assert result.trials == 1_500
