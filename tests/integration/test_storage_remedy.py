"""SQLite의 점검과 한 걸음 해결, 그리고 명령의 겉모습."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import psycopg2
import pytest
from postgres import PostgresServer
from small_disk import full, small_disk

from optimize.errors import SettingsError
from optimize.storage.__main__ import main
from optimize.storage.check import run_check
from optimize.storage.check_step import SQLITE_STEPS, CheckStep
from optimize.storage.options import StorageOptions
from optimize.storage.remedy import apply_remedy
from optimize.storage.schema import open_rdb_storage
from optimize.storage.url import StorageUrl, sqlite_url

OPTIONS = StorageOptions(connect_timeout=5)
FILES = Path(__file__).parent / "optuna_files"
optuna.logging.set_verbosity(optuna.logging.WARNING)


def check(url: StorageUrl) -> dict[str, CheckStep]:
    return {step.name: step for step in run_check(url, OPTIONS, 5)}


def running_since(url: StorageUrl, ages: list[timedelta]) -> optuna.Study:
    """RUNNING 시행들이 있는 스터디. ages: 시작한 지 얼마나 되었는가."""
    study = optuna.create_study(storage=open_rdb_storage(url, OPTIONS), study_name="s")
    now = datetime.now(UTC)
    for age in ages:
        study.add_trial(
            optuna.trial.FrozenTrial(
                number=-1,
                trial_id=-1,
                state=optuna.trial.TrialState.RUNNING,
                value=None,
                datetime_start=(now - age).astimezone().replace(tzinfo=None),
                datetime_complete=None,
                params={},
                distributions={},
                user_attrs={},
                system_attrs={},
                intermediate_values={},
            )
        )
    return study


@pytest.fixture(params=["postgresql", "sqlite"])
def any_url(request: pytest.FixtureRequest, postgres_url: StorageUrl, tmp_path: Path) -> StorageUrl:
    return postgres_url if request.param == "postgresql" else sqlite_url(tmp_path / "a.db")


def test_dead_trials_are_found_and_cleared(any_url: StorageUrl) -> None:
    """오래 멈춘 RUNNING만 FAIL이 되고 까닭이 남는다. 갓 시작한 것은 그대로다."""
    study = running_since(any_url, [timedelta(hours=5), timedelta(minutes=1)])
    step = check(any_url)["dead_trials"]
    assert step.status == "warn"
    assert "시행 1개" in step.detail_ko
    assert "5시간 전" in step.detail_ko
    assert step.remedy == "clear_dead_trials"
    assert "1개를 FAIL로" in apply_remedy("clear_dead_trials", any_url, OPTIONS)
    first, second = study.get_trials()
    assert first.state.name == "FAIL"
    assert "RUNNING" in first.user_attrs["wizard"]["error"]
    assert first.datetime_complete is not None
    assert second.state.name == "RUNNING"
    assert check(any_url)["dead_trials"].status == "ok"
    assert "0개를" in apply_remedy("clear_dead_trials", any_url, OPTIONS)


def test_nothing_to_clear_in_an_empty_storage(any_url: StorageUrl) -> None:
    """시행이 없는 저장소에서도 실패하지 않고, 없는 SQLite 파일을 만들지 않는다."""
    assert apply_remedy("clear_dead_trials", any_url, OPTIONS) == "시행이 없습니다"
    assert any_url.path is None or not any_url.path.exists()


def test_create_database(postgres_embedded: PostgresServer) -> None:
    url = replace(postgres_embedded.url("none"), database='새 "데이터"')
    assert check(url)["database"].remedy == "create_database"
    try:
        assert "만들었습니다" in apply_remedy("create_database", url, OPTIONS)
        assert {step.status for step in check(url).values()} == {"ok"}
        assert "이미 있습니다" in apply_remedy("create_database", url, OPTIONS)
    finally:
        postgres_embedded.execute('DROP DATABASE "새 ""데이터""" WITH (FORCE)')


@pytest.mark.parametrize("version", ["3.1.1", "2.10.1"])
def test_upgrade_schema_keeps_a_backup(version: str, tmp_path: Path) -> None:
    """옛 Optuna의 진짜 파일을 올리고, 올리기 전의 것을 0600으로 남긴다."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FILES / f"optuna-{version}-kst.sql").read_text())
    url = sqlite_url(path)
    step = check(url)["schema"]
    assert step.remedy == "upgrade_schema"
    assert "옛 Optuna" in step.cause_ko
    assert "올렸습니다" in apply_remedy("upgrade_schema", url, OPTIONS)
    assert check(url)["schema"].status == "ok"
    (backup,) = tmp_path.glob("old.db.*.bak")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert check(sqlite_url(backup))["schema"].remedy == "upgrade_schema"


def test_upgrading_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "없는.db")
    assert "올릴 스키마가 없습니다" in apply_remedy("upgrade_schema", url, StorageOptions())
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_not_called_a_broken_file(tmp_path: Path) -> None:
    """찬 디스크의 멀쩡한 파일을 깨졌다고 하지 않는다."""
    with small_disk(tmp_path / "disk", 3 * 1024) as disk:
        with closing(sqlite3.connect(disk / "a.db")) as connection:
            connection.execute("CREATE TABLE mine (value int)")
        with full(disk):
            steps = check(sqlite_url(disk / "a.db"))
    failed = [step for step in steps.values() if step.status == "fail"]
    assert failed
    assert all("디스크" in step.cause_ko for step in failed), failed


def test_a_folder_that_cannot_hold_files_is_a_verdict() -> None:
    """쓸 수 있다고 답하지만 만들어지지 않는 폴더에서도 traceback이 아니라 판정이다."""
    step = check(sqlite_url(Path("/proc/없는.db")))["wal"]
    assert (step.status, step.cause_ko) == ("fail", "폴더나 디스크를 쓸 수 없습니다")


def test_unknown_remedy_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        apply_remedy("magic", sqlite_url(tmp_path / "a.db"), OPTIONS)
    assert "create_database" in caught.value.fix


def test_start_embedded_remedy(wizard_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """거절당한 서버 대신 내장 서버를 켜고, 그 URL로 점검하면 모두 정상이다."""
    from optimize.storage.embedded import default_server

    server = default_server()
    try:
        code = main(
            ["check", "--fix", "start_embedded", "--storage-url", "postgresql://u:p@127.0.0.1:1/x"]
        )
        assert code == 3  # 그 URL은 여전히 닿지 않는다
        assert "내장 PostgreSQL을 켰습니다" in capsys.readouterr().err
        assert {step.status for step in check(server.url()).values()} == {"ok"}
    finally:
        server.stop("immediate")


def test_absent_sqlite_file_is_fine_and_is_not_created(tmp_path: Path) -> None:
    found = check(sqlite_url(tmp_path / "하위" / "없음.db"))
    assert tuple(found) == SQLITE_STEPS
    assert {step.status for step in found.values()} == {"ok"}
    assert list(tmp_path.iterdir()) == []


def spoil_not_a_database(path: Path) -> None:
    path.write_text("이것은 SQLite가 아니다" * 10)


def spoil_directory(path: Path) -> None:
    path.mkdir()


def spoil_parent_is_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("x")


def spoil_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE studies (study_id, study_name); CREATE TABLE alembic_version "
            "(version_num); INSERT INTO alembic_version VALUES ('v9.9.9.a')"
        )


def spoil_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE studies (id)")


def spoil_corrupt(path: Path) -> None:
    optuna.create_study(storage=f"sqlite:///{path}")
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "step", "cause"),
    [
        (spoil_not_a_database, "path", "SQLite 파일이 아닙니다"),
        (spoil_directory, "path", "폴더입니다"),
        (spoil_parent_is_a_file, "path", "폴더가 아닌 것"),
        (spoil_newer, "schema", "더 새로운 Optuna"),
        (spoil_foreign, "schema", "같은 이름의 테이블"),
        (spoil_corrupt, "wal", "깨졌습니다"),
    ],
)
def test_spoiled_sqlite_files(
    spoil: Callable[[Path], None], step: str, cause: str, tmp_path: Path
) -> None:
    path = tmp_path / "sub" / "a.db"
    path.parent.mkdir()
    spoil(path)
    found = check(sqlite_url(path))
    failed = next(item for item in found.values() if item.status == "fail")
    assert failed.name == step
    assert cause in failed.cause_ko
    assert failed.fix_ko


def test_locked_sqlite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """다른 프로세스가 오래 쓰고 있는 파일(database is locked)."""
    from optimize.storage import check_sqlite

    monkeypatch.setattr(check_sqlite, "BUSY_TIMEOUT_S", 0.1)
    path = tmp_path / "a.db"
    optuna.create_study(storage=f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        step = check(sqlite_url(path))["writable"]
    assert step.status == "warn"
    assert "database is locked" in step.cause_ko
    assert "fuser" in step.fix_ko


@pytest.mark.skipif(os.geteuid() != 0, reason="다른 계정이 되어 보려면 root여야 합니다")
def test_sqlite_without_permission() -> None:
    """쓸 수 없는 폴더와 읽기 전용 파일(다른 계정으로)."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        path = home / "a.db"
        optuna.create_study(storage=f"sqlite:///{path}")
        path.chmod(0o644)
        check(sqlite_url(path))  # 계정을 바꾼 뒤에는 파이썬의 모듈을 읽지 못할 수 있다
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            causes = [check(sqlite_url(p))["writable"].cause_ko for p in (path, home / "b.db")]
            os.write(writer, json.dumps(causes).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            causes = json.loads(answer.read())
    assert all("쓸 권한이 없거나" in cause for cause in causes)
    assert len(causes) == 2


def test_json_lines_and_exit_codes(
    postgres_url: StorageUrl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json`은 단계마다 한 줄과 result 한 줄, 정상은 0, 실패는 3, 틀린 인자는 2."""
    monkeypatch.setenv("CHECK_URL", postgres_url.secret)
    assert main(["check", "--json", "--storage-url-env", "CHECK_URL"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines[:-1]] == ["step"] * (len(lines) - 1)
    assert lines[-1]["type"] == "result"
    assert lines[-1]["ok"] is True
    assert set(lines[0]) == {
        *("type", "name", "title_ko", "status", "ms", "detail_ko", "cause_ko", "fix_ko", "remedy")
    }
    monkeypatch.setenv("CHECK_URL", replace(postgres_url, database="none").secret)
    assert main(["check", "--json", "--quick", "--storage-url-env", "CHECK_URL"]) == 3
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["ok"], result["failed"], result["remedy"]) == (
        *(False, "database"),
        "create_database",
    )
    assert main(["check", "--storage-url", "mysql://x"]) == 2
    assert main(["check", "--no-such-option"]) == 2
    assert main([]) == 2


def test_table_shows_cause_and_fix(
    postgres_url: StorageUrl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """사람이 읽는 표: 막힌 단계에 원인과 해결, 뒤는 생략. 비밀번호는 없다."""
    monkeypatch.setenv("CHECK_URL", replace(postgres_url, database="none").secret)
    assert main(["check", "--storage-url-env", "CHECK_URL"]) == 3
    out = capsys.readouterr().out
    assert "✗ 실패  데이터베이스 열기" in out
    assert "원인: 데이터베이스 'none'이(가) 없습니다" in out
    assert 'CREATE DATABASE "none";' in out
    assert "저장소를 쓸 수 없습니다" in out
    assert postgres_url.password not in out


def test_settings_of_the_config_file_are_used(
    wizard_home: Path, postgres_url: StorageUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    """config의 storage_* 값이 점검에 쓰이고, 어느 규칙이 이겼는지 보인다."""
    config = wizard_home / "params.yaml"
    config.write_text(
        "search:\n  storage_url_env: MY_DB\n  storage_statement_timeout_ms: 1234\n"
        "  storage_pool_size: 3\n  storage_max_overflow: 4\n"
    )
    (wizard_home / ".env").write_text(f"MY_DB={postgres_url.secret}\n")
    assert main(["check", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert "statement_timeout 1234ms" in out
    assert "필요 7" in out
    assert ".env의 환경 변수 MY_DB" in out


def test_pgpassword_and_pgpass_are_honoured(
    postgres_url: StorageUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """URL에 비밀번호가 없으면 PGPASSWORD, 그다음 ~/.pgpass를 쓴다."""
    bare = replace(postgres_url, password=None)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    assert "비밀번호가 없습니다" in check(bare)["auth"].cause_ko
    monkeypatch.setenv("PGPASSWORD", postgres_url.password or "")
    assert check(bare)["session"].status == "ok"
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pgpass").write_text(f"*:*:*:*:{postgres_url.password}\n")
    (tmp_path / "pgpass").chmod(0o600)
    assert check(bare)["session"].status == "ok"


def test_embedded_command(wizard_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """start → status → url → stop: exit code와 JSON, url만 비밀번호를 보인다."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["embedded", *arguments])
        return code, capsys.readouterr().out

    assert run("status")[0] == 3
    assert main(["embedded", "url"]) == 3
    assert "embedded start" in capsys.readouterr().err
    try:
        code, started = run("start", "--json")
        assert code == 0
        body = json.loads(started)
        assert body["state"] == "running"
        assert body["url_masked"].startswith("postgresql://postgres:***@127.0.0.1:")
        code, url = run("url")
        assert code == 0
        psycopg2.connect(url.strip()).close()
        assert json.loads(run("url", "--json")[1])["url"] == url.strip()
        code, shown = run("status")
        assert code == 0
        password = url.split(":")[2].split("@")[0]
        assert password not in shown + started
    finally:
        code, stopped = run("stop")
    assert code == 0
    assert "데이터는 그대로" in stopped
    assert run("status", "--json")[0] == 3
