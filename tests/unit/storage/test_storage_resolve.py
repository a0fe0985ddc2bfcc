"""어느 저장소를 쓸지 정하는 여섯 규칙과 pointer의 비밀번호."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from optimize.errors import SettingsError, StorageError
from optimize.settings.dotenv_file import read_dotenv
from optimize.settings.model import SearchSection
from optimize.settings.storage_part import storage_options
from optimize.storage.options import StorageOptions
from optimize.storage.pointer import Pointer, make_pointer, read_pointer, write_pointer
from optimize.storage.resolve import ResolvedStorage, resolve
from optimize.storage.url import DEFAULT_POSTGRES_URL, parse_storage_url, sqlite_url

A, B, C, D = (f"postgresql://u:secret{i}@host{i}:5432/db" for i in range(4))
POINTER = Pointer("sqlite", "s", "cli_url", sqlite_path="studies/s/s.db")


def pick(
    *,
    cli_url: str | None = None,
    cli_env: str | None = None,
    yaml_env: str | None = "OPTUNA_STORAGE",
    yaml_url: str | None = None,
    pointer: Pointer | None = None,
    environ: dict[str, str] | None = None,
    dotenv: dict[str, str] | None = None,
) -> ResolvedStorage:
    # HOME을 없는 곳으로: 만든 이의 ~/.pgpass가 시험에 끼어들지 않는다.
    base = {"HOME": "/nonexistent", **(environ or {})}
    return resolve(cli_url, cli_env, yaml_env, yaml_url, pointer, base, dotenv or {})


def pg_pointer(url: str, env: str | None = None) -> Pointer:
    return make_pointer(parse_storage_url(url), StorageOptions(), "s", "cli_env", env)


def test_each_rule_beats_every_later_one() -> None:
    """앞 규칙부터 하나씩 치우면 다음 규칙이 이긴다."""
    everything = {
        "cli_url": A,
        "cli_env": "CLI",
        "yaml_url": C,
        "pointer": POINTER,
        "environ": {"CLI": B, "OPTUNA_STORAGE": D},
    }
    expected = [("cli_url", A), ("cli_env", B), ("yaml_env", D), ("yaml_url", C)]
    for (rule, url), removed in zip(
        expected, [{}, {"cli_url": None}, {"cli_env": None}, {"yaml_env": None}], strict=True
    ):
        everything |= removed
        found = pick(**everything)  # type: ignore[arg-type]
        assert (found.rule, found.url) == (rule, parse_storage_url(url))
        assert found.rule_ko
        assert "secret" not in repr(found)
    everything["yaml_url"] = " "
    assert pick(**everything).rule == "pointer"  # type: ignore[arg-type]
    everything["pointer"] = None
    last = pick(**everything)  # type: ignore[arg-type]
    assert (last.rule, last.url) == ("default", parse_storage_url(DEFAULT_POSTGRES_URL))


def test_process_environment_beats_dotenv_even_when_empty() -> None:
    assert pick(dotenv={"OPTUNA_STORAGE": A}).url == parse_storage_url(A)
    both = pick(environ={"OPTUNA_STORAGE": B}, dotenv={"OPTUNA_STORAGE": A})
    assert both.url == parse_storage_url(B)
    empty = pick(environ={"OPTUNA_STORAGE": ""}, dotenv={"OPTUNA_STORAGE": A})
    assert (empty.url, empty.backend, empty.env_name) == (None, "sqlite", "OPTUNA_STORAGE")


@pytest.mark.parametrize("where", ["environ", "dotenv"])
@pytest.mark.parametrize("blank", ["", "  "])
def test_empty_variable_means_sqlite(where: str, blank: str) -> None:
    """있지만 빈 변수는 SQLite이고 pointer나 YAML URL보다 먼저다."""
    found = pick(pointer=pg_pointer(A), yaml_url=C, **{where: {"OPTUNA_STORAGE": blank}})  # type: ignore[arg-type]
    assert (found.url, found.backend, found.rule) == (None, "sqlite", "yaml_env")
    assert "OPTUNA_STORAGE" in found.rule_ko


def test_unset_cli_variable_falls_on_and_says_so() -> None:
    found = pick(cli_env="NOPE", environ={"OPTUNA_STORAGE": A})
    assert found.rule == "yaml_env"
    last = pick(cli_env="NOPE")
    assert last.rule == "default"
    assert "NOPE" in last.rule_ko


def test_bad_url_names_its_source_not_its_content() -> None:
    with pytest.raises(SettingsError) as caught:
        pick(environ={"OPTUNA_STORAGE": "postgresql://u:canary@h:x/d"})
    assert "OPTUNA_STORAGE" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_pointer_password_from_its_variable_then_pgpassword_then_pgpass(tmp_path: Path) -> None:
    pointer = pg_pointer(A, "MINE")
    assert pick(pointer=pointer, environ={"MINE": A}).url == parse_storage_url(A)
    other = pick(pointer=pointer, environ={"MINE": B, "PGPASSWORD": "pgpw"})
    assert other.url is not None
    assert (other.url.host, other.url.password) == ("host0", "pgpw")  # host1의 것을 보내지 않는다
    passfile = tmp_path / ".pgpass"
    passfile.write_text("# 주석\nhost9:*:*:*:no\nhost0:5432:*:u:a\\:b\\\\c\n")
    passfile.chmod(0o600)
    found = pick(pointer=pointer, environ={"HOME": str(tmp_path)})
    assert found.url is not None
    assert found.url.password == "a:b\\c"
    passfile.chmod(0o644)
    with pytest.raises(StorageError):  # libpq도 남이 읽는 파일은 무시한다
        pick(pointer=pointer, environ={"HOME": str(tmp_path)})


def test_pointer_to_the_default_server_uses_the_default_password() -> None:
    for text in (DEFAULT_POSTGRES_URL, DEFAULT_POSTGRES_URL.replace("127.0.0.1", "localhost")):
        found = pick(pointer=pg_pointer(text))
        assert found.url is not None
        assert (found.rule, found.url.password) == ("pointer", "5432")


def test_pointer_without_any_password_is_a_clear_error() -> None:
    with pytest.raises(StorageError) as caught:
        pick(pointer=pg_pointer(A, "MINE"))
    assert caught.value.exit_code == 3
    assert "MINE" in caught.value.fix
    assert "secret0" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://O'Brien:pw@[::1]:5433/한글 디비?sslmode=require",
        "postgresql://u:pw@/d?host=/srv",
    ],
)
def test_fixes_for_the_missing_password_work_when_pasted(url: str, tmp_path: Path) -> None:
    """bash에 붙여 넣은 export와, 파일에 붙여 넣은 ~/.pgpass의 줄이 비밀번호를 준다."""
    pointer = pg_pointer(url, "MINE")
    with pytest.raises(StorageError) as caught:
        pick(pointer=pointer)
    lines = caught.value.fix.splitlines()
    pasted = lines[0].replace(":***@", ":new@")
    shown = subprocess.run(
        ["bash", "-c", f'{pasted}\nprintf %s "$MINE"'], capture_output=True, text=True, check=True
    ).stdout
    found = pick(pointer=pointer, environ={"MINE": shown}).url
    assert found is not None
    assert found.password == "new"
    passfile = tmp_path / "pgpass"
    passfile.write_text(lines[-1].partition(": ")[2].replace("<비밀번호>", "kept") + "\n")
    passfile.chmod(0o600)
    found = pick(pointer=pointer, environ={"PGPASSFILE": str(passfile)}).url
    assert found is not None
    assert found.password == "kept"


def test_errors_say_which_of_the_two_urls_is_broken() -> None:
    """기록된 변수의 URL이 틀렸는지, 기록 자신이 틀렸는지 제목이 말한다."""
    with pytest.raises(SettingsError, match="환경 변수 MINE"):
        pick(pointer=pg_pointer(A, "MINE"), environ={"MINE": "틀린 글"})
    broken = Pointer("postgresql", "s", "cli_url", storage_url_masked="틀린 글")
    with pytest.raises(SettingsError, match=r"storage\.json"):
        pick(pointer=broken)


def test_an_unreadable_pointer_is_not_to_be_deleted(tmp_path: Path) -> None:
    """읽지 못했을 뿐인 기록은 멀쩡할 수 있다: 지우라고 하지 않는다."""
    (tmp_path / "storage.json").mkdir()
    with pytest.raises(StorageError) as caught:
        read_pointer(tmp_path / "storage.json")
    assert "파일이 아니라 폴더입니다" in caught.value.cause
    assert caught.value.fix.partition(": ")[2].startswith("ls -ld ")


def test_pointer_that_never_had_a_password_keeps_none() -> None:
    """peer·trust 인증으로 쓰던 저장소는 비밀번호 없이 그대로 쓴다."""
    found = pick(pointer=pg_pointer("postgresql://me@h/db"))
    assert found.url is not None
    assert found.url.password is None


def test_pointer_file_round_trips_private_and_without_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    path = tmp_path / "studies" / "slug" / "storage.json"
    assert read_pointer(path) is None
    pointer = pg_pointer("postgresql://u:c@n/ary@h/db?sslpassword=canary2", "ENV")
    write_pointer(path, pointer)
    assert read_pointer(path) == pointer
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    text = path.read_text()
    assert "ary" not in text
    assert set(json.loads(text)) == {
        "version", "updated_at", "backend", "study_name", "source", "storage_url_env",
        "storage_url_masked", "sqlite_path", "pool", "connect_timeout",
        "statement_timeout_ms", "isolation_level", "embedded",
    }  # fmt: skip
    assert list(path.parent.iterdir()) == [path]


def test_sqlite_pointer_survives_moving_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """프로젝트 안의 SQLite 파일은 상대 경로로 적혀 폴더를 옮겨도 이어진다."""
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path / "old"))
    url = sqlite_url(tmp_path / "old" / "studies" / "s" / "s.db")
    pointer = make_pointer(url, StorageOptions(), "s", "yaml_env", "OPTUNA_STORAGE")
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path / "new"))
    found = pick(pointer=pointer)
    assert found.url is not None
    assert (found.backend, found.url.path) == ("sqlite", tmp_path / "new/studies/s/s.db")


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"version": 2}', '{"version": 1, "backend": "sqlite"}']
)
def test_broken_pointer_is_an_error_with_the_way_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "storage.json"
    path.write_text(text)
    with pytest.raises(StorageError) as caught:
        read_pointer(path)
    assert str(path) in caught.value.fix


def test_pointer_skips_unknown_fields(tmp_path: Path) -> None:
    path = tmp_path / "storage.json"
    write_pointer(path, POINTER)
    path.write_text(json.dumps({**json.loads(path.read_text()), "later": 1}))
    assert read_pointer(path) == POINTER


@pytest.mark.skipif(os.geteuid() != 0, reason="다른 계정이 되어 보려면 root여야 합니다")
def test_an_unreadable_dotenv_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """남의 `.env`(0600)를 없는 것으로 보고 기본 저장소로 넘어가지 않는다."""
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        path = Path(home, ".env")
        path.write_text(f"OPTUNA_STORAGE={A}\n")
        path.chmod(0o600)
        monkeypatch.setenv("BACKTEST_WIZARD_HOME", home)
        child = os.fork()
        if child == 0:
            cause = ""
            try:
                os.setuid(65534)
                read_dotenv()
            except SettingsError as error:
                cause = error.cause
            finally:
                os._exit(0 if "권한이 없습니다" in cause else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_resolving_imports_no_heavy_module() -> None:
    """계획을 보이는 데 SQLAlchemy도 optuna도 import하지 않는다."""
    code = (
        "import sys, optimize.storage.resolve, optimize.storage.options\n"
        "print([m for m in ('sqlalchemy', 'optuna', 'psycopg2') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_pointer_to_the_embedded_server_follows_its_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """내장 서버의 기록은 비밀번호를 그 서버의 파일에서 찾고, 포트가 바뀌어도 따라간다."""
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    directory = tmp_path / "studies" / ".postgres"
    directory.mkdir(parents=True)
    (directory / "port").write_text("6011\n")
    (directory / "password").write_text("generated\n")
    pointer = pg_pointer("postgresql://postgres:generated@127.0.0.1:6011/optuna")
    assert pointer.embedded
    assert "generated" not in repr(pointer)
    (directory / "port").write_text("6012\n")
    found = pick(pointer=pointer)
    assert found.url is not None
    assert (found.embedded, found.url.port, found.url.password) == (True, 6012, "generated")
    assert not pg_pointer(DEFAULT_POSTGRES_URL).embedded


@pytest.mark.parametrize("name", [A, "$OPTUNA_STORAGE", "${X}", "a b", "1X"])
@pytest.mark.parametrize("where", ["cli_env", "yaml_env"])
def test_a_url_given_as_a_variable_name_is_refused_unseen(where: str, name: str) -> None:
    """변수의 이름 자리에 URL을 적는 실수: 넘어가지 않고 멈추며, 받은 글(비밀번호)을 보이지 않는다."""
    with pytest.raises(SettingsError) as caught:
        pick(cli_url=B, **{where: name})  # type: ignore[arg-type]
    assert "환경 변수의 이름" in caught.value.title
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (f"OPTUNA_STORAGE={A}\n", A),
        (f'export OPTUNA_STORAGE="{A}"\r\nB=1\r\n', A),
        (f"\ufeffOPTUNA_STORAGE='{A}'\n", A),
        (f"OPTUNA_STORAGE = {A} # 서버\n", A),
        ("OPTUNA_STORAGE=postgresql://u:a#b$c{d}@h/x\n", "postgresql://u:a#b$c{d}@h/x"),
        ("OPTUNA_STORAGE=\n", ""),
        ("# OPTUNA_STORAGE=x\n아무 말\nOPTUNA_STORAGE\n", None),
    ],
)
def test_dotenv_is_read_as_people_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, read: str | None
) -> None:
    """따옴표, CRLF, BOM, export, 주석. `=`가 없는 줄은 빈 값(SQLite)이 아니라 없는 것이다."""
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    (tmp_path / ".env").write_bytes(written.encode())
    assert read_dotenv().get("OPTUNA_STORAGE") == read


@pytest.mark.parametrize("line", [f'OPTUNA_STORAGE="{A}', f"OPTUNA_STORAGE: {A}"])
def test_a_broken_dotenv_line_is_not_skipped(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """닫지 않은 따옴표나 `=` 대신 쓴 `:`로 읽지 못한 변수를 없는 것으로 보지 않는다."""
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    (tmp_path / ".env").write_text(f"A=1\n{line}\n")
    with pytest.raises(SettingsError) as caught:
        read_dotenv()
    assert "2번째 줄" in caught.value.cause
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("written", ["read committed", "Read_Committed", " READ  COMMITTED "])
def test_isolation_level_is_read_in_any_case(written: str) -> None:
    options = storage_options(SearchSection(storage_isolation_level=written))  # type: ignore[arg-type]
    assert options.isolation_level == "READ COMMITTED"
