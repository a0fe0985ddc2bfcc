"""연결 점검: 오류 표의 모든 줄이 진짜 서버에서, 서버가 어느 언어로 말하든 같은 판정을 받는다."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import psycopg2
import pytest
from check_kit import OPTIONS, check
from postgres import PostgresServer
from postgres_lab import LANGUAGES, Lab, make_lab

from optimize.errors import StorageError
from optimize.storage.check_cli import check_command
from optimize.storage.check_step import POSTGRES_STEPS, CheckStep
from optimize.storage.remedy import apply_remedy
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl


@pytest.fixture(scope="module", params=list(LANGUAGES))
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = make_lab(request.param)
    yield lab
    lab.close()


@dataclass(frozen=True)
class Row:
    """오류 표의 한 줄: 어디로 접속하면 어느 단계가 어떤 판정을 내는가."""

    id: str
    step: str
    cause: str
    fix: str
    database: str = "main"
    user: str = "plain"
    sslmode: str = ""
    sqlstate: str = ""
    status: str = "fail"
    remedy: str = ""
    change: Callable[[StorageUrl], StorageUrl] = lambda url: url


def wrong_password(url: StorageUrl) -> StorageUrl:
    return replace(url, password="틀린 비밀번호")


def no_password(url: StorageUrl) -> StorageUrl:
    return replace(url, password=None)


ROWS = [
    Row("wrong_password", "auth", "비밀번호가 틀렸거나", "docker exec -it optuna-postgres psql",
        sqlstate="28P01", change=wrong_password),
    Row("unknown_role", "auth", "그 사용자가 없거나", "postgresql://", user="nobody_here",
        sqlstate="28P01"),
    Row("expired_role", "auth", "유효 기간이 지났습니다", "VALID UNTIL 'infinity'", user="expired",
        sqlstate="28P01"),
    Row(
        "no_password",
        "auth",
        "비밀번호가 없습니다",
        "read -rs PGPASSWORD; export PGPASSWORD",
        change=no_password,
    ),
    Row("no_database", "database", "'missing'이(가) 없습니다", 'CREATE DATABASE "missing";',
        database="missing", sqlstate="3D000", remedy="create_database"),
    Row("hba_rejects", "auth", "pg_hba.conf가 127.0.0.1에서 온", "host   main   rejected   127.0.0.1/32",
        user="rejected", sqlstate="28000"),
    Row("hba_wants_ssl", "auth", "SSL 접속만 허락", "sslmode=require", user="sslonly",
        sslmode="disable", sqlstate="28000"),
    Row("ident_differs", "auth", "운영 체제의 사용자(peer·ident)", "\\password \"identified\"",
        user="identified", sqlstate="28000"),
    Row("may_not_log_in", "auth", "로그인 권한", 'ALTER ROLE "nologin" LOGIN;', user="nologin",
        sqlstate="28000"),
    Row("no_connect", "database", "CONNECT 권한이 없습니다",
        'GRANT CONNECT ON DATABASE "noconnect" TO "plain";', database="noconnect", sqlstate="42501"),
    Row("database_closed", "database", "닫혀 있습니다", "ALLOW_CONNECTIONS true", database="closed",
        sqlstate="55000"),
    Row("role_limit", "auth", "CONNECTION LIMIT", 'ALTER ROLE "limited" CONNECTION LIMIT -1',
        user="limited", sqlstate="53300"),
    Row("database_limit", "database", "데이터베이스 'limited'에 허락된 연결 수",
        'ALTER DATABASE "limited" CONNECTION LIMIT -1', database="limited", sqlstate="53300"),
    Row("bad_certificate", "tls", "인증서를 sslmode=verify-full로 확인할 수 없습니다", "root.crt",
        sslmode="verify-full"),
    Row("no_create", "write", "만들 권한(CREATE)이 없습니다",
        'GRANT USAGE, CREATE ON SCHEMA "public" TO "reader";', user="reader", sqlstate="42501"),
    Row("select_only", "write", "읽기만 할 수 있습니다", "GRANT SELECT, INSERT, UPDATE, DELETE",
        database="readers", user="reader"),
    Row("read_only", "read_only", "읽기 전용입니다", "RESET default_transaction_read_only",
        database="readonly"),
    Row("older_schema", "schema", "옛 Optuna의 것", "--fix upgrade_schema", database="older",
        remedy="upgrade_schema"),
    Row("newer_schema", "schema", "더 새로운 Optuna의 것", "pip install -U optuna", database="newer"),
    Row("foreign_table", "schema", "같은 이름의 테이블(studies)", "CREATE DATABASE optuna_wizard",
        database="foreign_one"),
    Row("sql_ascii", "encoding", "UTF8이 아니어서", "ENCODING 'UTF8'", database="sqlascii",
        status="warn"),
    Row("repeatable_read", "isolation", "번호를 겹치게", "default_transaction_isolation",
        database="serial", status="warn"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_row_of_the_error_table(lab: Lab, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """각 줄은 그 단계에서, 그 원인과 붙여 넣을 해결로 판정된다. 앞 단계들은 정상이다."""
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/nonexistent")
    url = row.change(lab.url(row.database, row.user))
    if row.sslmode:
        url = replace(url, query=(("sslmode", row.sslmode),))
    found = check(url)
    step = found[row.step]
    assert step.status == row.status, step
    assert step.remedy == row.remedy
    assert row.fix in step.fix_ko
    assert row.cause in step.cause_ko
    if row.sqlstate:
        assert f"SQLSTATE {row.sqlstate}" in step.detail_ko
        said = any("가" <= char <= "힣" for char in step.detail_ko.partition("서버의 말:")[2])
        assert said == (lab.language != "english"), step.detail_ko
    before = POSTGRES_STEPS[: POSTGRES_STEPS.index(row.step)]
    assert {found[name].status for name in before} <= {"ok", "warn", "skip"}


def test_too_many_clients(lab: Lab) -> None:
    """연결 자리가 모두 찼다: 관리자 자리만 남은 경우와 아무 자리도 없는 경우."""
    with lab.filled():
        step = check(lab.url())["auth"]
    assert step.status == "fail"
    assert "SQLSTATE 53300" in step.detail_ko
    assert "max_connections" in step.cause_ko
    assert "storage_pool_size: 4" in step.fix_ko
    assert "ALTER SYSTEM SET max_connections" in step.fix_ko


def test_lock_timeout(lab: Lab) -> None:
    with lab.locked("older", "alembic_version"):
        step = check(lab.url("older"), replace(OPTIONS, lock_timeout_ms=200))["schema"]
        shown = step.fix_ko.splitlines()[0].partition(": ")[2]
        holders = lab.server.execute(shown, database="older")
    assert "SQLSTATE 55P03" in step.detail_ko
    assert "잠그고 있어" in step.cause_ko
    assert [row[3] for row in holders] == ["alembic_version"]


def test_statement_timeout(lab: Lab) -> None:
    with lab.locked("older", "alembic_version"):
        step = check(lab.url("older"), replace(OPTIONS, statement_timeout_ms=200))["schema"]
    assert "SQLSTATE 57014" in step.detail_ko
    assert "statement_timeout" in step.cause_ko
    assert "storage_statement_timeout_ms: 600000" in step.fix_ko


def test_healthy_database_is_all_green_over_tls(lab: Lab) -> None:
    """함정이 없는 데이터베이스는 모든 단계가 정상이고 SSL로 이어진다(EUC-KR만 인코딩을 주의한다)."""
    found = check(lab.url())
    assert tuple(found) == POSTGRES_STEPS
    bad = {name for name, step in found.items() if step.status != "ok"}
    assert bad == ({"encoding"} if lab.language == "korean_euckr" else set())
    assert "암호화됨" in found["tls"].detail_ko
    assert "데이터베이스 main · 사용자 plain" in found["identity"].detail_ko
    assert "statement_timeout 5min · READ COMMITTED · TimeZone UTC" in found["session"].detail_ko


def test_md5_and_ssl_rejected_then_plain(lab: Lab) -> None:
    """md5 인증도 말한다. sslonly 사용자는 prefer로 그냥 통과한다."""
    assert check(lab.url(user="md5user"), quick=True)["auth"].status == "ok"
    assert check(lab.url(user="sslonly"), quick=True)["identity"].status == "ok"


def test_certificate_of_another_name(lab: Lab) -> None:
    """믿는 인증서라도 verify-full은 이름을 본다: CA가 아니라 이름을 고치라고 한다."""
    root = ("sslrootcert", str(lab.server.server.data / "server.crt"))
    step = check(replace(lab.url(), query=(("sslmode", "verify-full"), root)))["tls"]
    assert "'127.0.0.1'의 것이 아닙니다" in step.cause_ko
    assert "sslmode=verify-ca" in step.fix_ko
    by_name = replace(lab.url(), host="localhost", query=(("sslmode", "verify-full"), root))
    assert check(by_name, quick=True)["identity"].status == "ok"


def test_client_certificate(lab: Lab, tmp_path: Path) -> None:
    """클라이언트 인증서로만 들어가는 사용자도 드라이버처럼 점검이 들어간다."""
    certificate, key = lab.client_certificate("certonly", tmp_path)
    given = (("sslcert", str(certificate)), ("sslkey", str(key)))
    url = replace(lab.url(user="certonly"), password=None, query=(("sslmode", "require"), *given))
    found = check(url)
    assert (found["identity"].status, found["session"].status) == ("ok", "ok")
    assert check(replace(url, query=url.query[:1]))["auth"].status == "fail"
    mixed = replace(url, query=(*url.query[:2], ("sslkey", str(certificate))))
    assert "sslkey" in check(mixed)["tls"].cause_ko


def test_the_second_connection_is_refused(lab: Lab) -> None:
    """점검의 연결 하나가 마지막 자리였다: 드라이버의 실패도 SQLSTATE로 판정하고, 풀 곳을 댄다."""
    found = check(lab.url(user="single"))
    assert "SQLSTATE 53300" in found["session"].detail_ko
    assert 'ALTER ROLE "single" CONNECTION LIMIT -1' in found["session"].fix_ko
    assert found["capacity"].status == "fail"
    assert 'ALTER ROLE "single" CONNECTION LIMIT -1' in found["capacity"].fix_ko
    assert "storage_pool_size" not in found["capacity"].fix_ko


def test_grants_on_the_tables_of_another_role(postgres_embedded: PostgresServer) -> None:
    """남이 만든 Optuna의 테이블: sequence·읽기·색인·외래 열쇠까지 보고, 적어 준 SQL이면 실행된다."""
    server = postgres_embedded
    url = server.create_database()
    role = f"guest_{os.getpid()}"
    server.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    guest = replace(url, username=role, password="pw")
    optuna.create_study(storage=url.secret, study_name="theirs")

    def blocked() -> CheckStep:
        step = check(guest)["write"]
        if step.status == "fail":
            _, _, statements = step.fix_ko.partition(":\n")
            server.execute(*statements.splitlines(), database=url.database or "")
        return step

    try:
        assert "trials_trial_id_seq" in blocked().detail_ko
        assert "ALTER TABLE trials OWNER TO" in blocked().fix_ko
        assert blocked().status == "ok"
        TrialStore.open(guest, OPTIONS, "ours", ["maximize"], {}, {}).close()
        server.execute(
            f"REVOKE SELECT ON alembic_version FROM {role}",
            f"REVOKE USAGE ON SEQUENCE trial_values_trial_value_id_seq FROM {role}",
            database=url.database or "",
        )
        assert blocked().detail_ko.endswith("alembic_version, trial_values_trial_value_id_seq")
        assert blocked().status == "ok"
    finally:
        server.drop_database(url)
        server.execute(f"DROP ROLE {role}")


def test_read_only_is_undone_by_the_pasted_sql(postgres_url: StorageUrl) -> None:
    """읽기 전용이 된 그 데이터베이스에 관리자로 붙여 넣어도 풀린다."""

    def paste(*statements: str) -> None:
        given = {"user": postgres_url.username, "password": postgres_url.password}
        place = {"host": postgres_url.host, "port": postgres_url.port}
        connection = psycopg2.connect(dbname=postgres_url.database, **given, **place)
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    paste(f"ALTER DATABASE {postgres_url.database} SET default_transaction_read_only = on")
    step = check(postgres_url)["read_only"]
    assert step.status == "fail"
    paste(*step.fix_ko.splitlines()[1:])
    assert check(postgres_url)["read_only"].status == "ok"


def test_bad_session_options(lab: Lab) -> None:
    """서버가 모르는 세션 값은 URL의 options를 고치라고 한다."""
    step = check(replace(lab.url(), query=(("options", "-c no_such=1"),)))["database"]
    assert "SQLSTATE 42704" in step.detail_ko
    assert "options=" in step.fix_ko


def test_create_database_without_the_right_names_the_statement(lab: Lab) -> None:
    """만들 권한이 없으면 관리자가 붙여 넣을 SQL을 주고, 그것이면 된다."""
    url = lab.url("made-by-admin")
    with pytest.raises(StorageError) as caught:
        apply_remedy("create_database", url, OPTIONS)
    assert "CREATEDB" in caught.value.cause
    statement = caught.value.fix.splitlines()[0].partition(": ")[2]
    lab.server.execute(statement)
    try:
        assert check(url)["write"].status == "ok"
    finally:
        lab.server.drop_database(replace(url, database='"made-by-admin"'))


def test_database_names_the_server_cannot_match(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """EUC-KR인 데이터베이스에서 한글 이름을 만들면 접속할 수 없는 것이 된다: 만들기 전에 말한다."""
    monkeypatch.setattr("optimize.storage.remedy._MAINTENANCE_DATABASES", ("main",))
    url = lab.server.url("한글디비")
    if lab.language == "korean_euckr":
        with pytest.raises(StorageError, match="EUC_KR"):
            apply_remedy("create_database", url, OPTIONS)
        return
    apply_remedy("create_database", url, OPTIONS)
    try:
        assert check(url, quick=True)["identity"].status == "ok"
    finally:
        lab.server.drop_database(url)


@pytest.mark.parametrize("remedy", ["create_database", "upgrade_schema", "clear_dead_trials"])
def test_a_remedy_that_cannot_log_in_says_why(
    lab: Lab, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """드라이버의 연결 오류(서버의 언어, CP949면 UnicodeDecodeError)가 아니라 점검의 판정을 보인다."""
    monkeypatch.setenv("MY_STORAGE", wrong_password(lab.url()).secret)
    with pytest.raises(StorageError) as caught:
        check_command(["--fix", remedy, "--storage-url-env", "MY_STORAGE"])
    assert "비밀번호가 틀렸거나" in caught.value.cause
    assert "codec" not in f"{caught.value.cause}{caught.value.fix}"


def test_check_writes_nothing(lab: Lab) -> None:
    """쓰기 시험은 되돌려져 테이블이 남지 않는다."""
    check(lab.url())
    tables = lab.server.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database="main"
    )
    assert tables == [(0,)]


@pytest.mark.parametrize("moment", ["starting_up", "shutting_down"])
def test_server_not_accepting_connections(lab: Lab, moment: str) -> None:
    """켜지는 중이거나 꺼지는 중인 서버(57P03)."""
    url = lab.url()
    with getattr(lab, moment)():
        deadline = time.monotonic() + 5
        step = check(url)["auth"]
        while step.status == "ok" and time.monotonic() < deadline:
            step = check(url)["auth"]
    assert "SQLSTATE 57P03" in step.detail_ko
    assert "켜지는 중이거나 꺼지는 중" in step.cause_ko
    assert "docker logs" in step.fix_ko
