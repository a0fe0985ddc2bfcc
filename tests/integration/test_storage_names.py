"""스터디의 이름과 방향: 한글, 긴 이름, 한글을 못 담는 데이터베이스, 방향이 다른 스터디."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from postgres import PostgresServer
from run_cases import SLUG, RunCase, assert_exact, load

from optimize.cli import command
from optimize.run import main
from optimize.storage.url import StorageUrl

LONGEST = "긴" * 66  # UTF-8로 198바이트


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunCase]:
    monkeypatch.setenv("OPTUNA_STORAGE", "")
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


def test_the_longest_hangul_name_works_to_the_reports(case: RunCase) -> None:
    """파일 이름의 한도(255바이트)까지 이름이 그대로 파일·폴더·스터디의 이름이 된다."""
    done = case.run("--study-name", LONGEST, n=5, jobs=1)
    assert done.returncode == 0, done.stderr
    assert "File name too long" not in done.stderr
    folder = case.home / "studies" / SLUG
    assert_exact(load(f"sqlite:///{folder / LONGEST}.db", LONGEST), 5)
    assert (folder / LONGEST / "trials.csv").exists()


@pytest.mark.parametrize("name", [LONGEST + "다", "a" * 201, "a" * 600, "가/나", ".숨김"])
def test_an_impossible_name_is_refused_before_anything_is_made(
    case: RunCase, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """명령의 입구를 이 프로세스에서 부른다: 아무것도 띄우기 전에 거절하는 일이다."""
    _, _, _, *arguments = case.command("--study-name", name, n=5)
    assert command(main)(arguments) == 2
    said = capsys.readouterr().err
    assert "스터디 이름은 UTF-8로 200바이트(한글 66자) 이하" in said
    assert "Traceback" not in said
    assert not (case.home / "studies").exists()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_hangul(
    case: RunCase,
    postgres_embedded: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
) -> None:
    """한글 이름은 까닭과 해결을 말하며 멈추고, 영문 이름은 그대로 된다."""
    url = postgres_embedded.create_database(f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
    monkeypatch.setenv("OPTUNA_STORAGE", url.secret)
    refused = case.run("--study-name", "한글 이름", n=5, jobs=1)
    assert refused.returncode == 3
    assert "데이터베이스의 인코딩이 한글 이름을 담지 못합니다" in refused.stderr
    assert f"server_encoding이 {encoding}입니다" in refused.stderr
    assert "CREATE DATABASE optuna ENCODING 'UTF8' TEMPLATE template0;" in refused.stderr
    assert case.run(n=5, jobs=1).returncode == 0
    assert_exact(load(url), 5)
    postgres_embedded.drop_database(url)


def test_a_study_of_the_other_direction_is_not_mixed_into(
    case: RunCase, postgres_url: StorageUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """최소화하는 스터디에 최대화하는 시행을 섞지 않는다(Optuna는 조용히 섞는다)."""
    monkeypatch.setenv("OPTUNA_STORAGE", postgres_url.secret)
    optuna.create_study(study_name="반대", storage=postgres_url.secret, direction="minimize")
    refused = case.run("--study-name", "반대", n=5, jobs=1)
    assert refused.returncode == 2
    assert "목표 방향이 지금 설정과 다릅니다" in refused.stderr
    assert "저장된 방향 최소화, 지금 설정 최대화" in refused.stderr
    assert load(postgres_url, "반대").get_trials() == []
