"""로그인한 뒤의 점검: 질의, 권한, 읽기 전용, 인코딩, 격리, 시간대, 스키마, 연결 수, 지연, 멈춘 시행.

probe의 연결로 SQL을 돌리므로 실패도 SQLSTATE로 판정한다. 쓰기는 트랜잭션 안에서 하고 되돌린다.
"""

from __future__ import annotations

import secrets
import statistics
import time
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

from optimize.storage.budget import FREE_CONNECTIONS, seats
from optimize.storage.check_grants import judge_grants
from optimize.storage.check_schema import STALE_MINUTES, judge_revision, judge_running
from optimize.storage.check_step import Outcome
from optimize.storage.diagnosis_server import END_IDLE, WRITABLE_SESSION
from optimize.storage.diagnosis_situation import Situation, quote_identifier
from optimize.storage.options import StorageOptions
from optimize.storage.probe import Probe, ProbeError

LATENCY_ROUNDS = 30
QUICK_LATENCY_ROUNDS = 5
_SLOW_P95_MS = 50.0
_CLOCK_SKEW_S = 5.0
_DENIED, _READ_ONLY, _NO_SCHEMA = "42501", "25006", "3F000"


class ServerChecks:
    """로그인한 probe 하나로 하는 점검들. 메서드 이름이 단계의 이름이다."""

    def __init__(
        self, probe: Probe, situation: Situation, options: StorageOptions, needed: int, rounds: int
    ) -> None:
        self._probe = probe
        self._situation = situation
        self._options = options
        self._needed = needed
        self._rounds = rounds
        # 잠금을 기다리는 문장은 lock_timeout이 먼저 끝낸다.
        self._timeout = options.connect_timeout + 5.0

    def identity(self) -> Outcome:
        row = self._row("SELECT current_database(), current_user, version()")
        version = " ".join((row[2] or "").split()[:2])
        return Outcome("ok", f"데이터베이스 {row[0]} · 사용자 {row[1]} · {version}")

    def write(self) -> Outcome:
        blocked = judge_grants(self._query, self._situation)
        if blocked is not None:
            return blocked
        table = quote_identifier(f"wizard_check_{secrets.token_hex(6)}")
        try:
            self._query("BEGIN")
            self._query(f"CREATE TABLE {table} (value double precision)")
            self._query(f"INSERT INTO {table} VALUES (1)")  # noqa: S608 — 방금 지은 이름
        except ProbeError as error:
            if error.sqlstate == _READ_ONLY:
                return Outcome("skip", "읽기 전용이라 시험하지 못했습니다(다음 단계를 보세요)")
            if error.sqlstate == _NO_SCHEMA:
                return self._no_schema()
            if error.sqlstate == _DENIED:
                return self._no_create(error)
            raise
        finally:
            with suppress(ProbeError):
                self._query("ROLLBACK")
        return Outcome("ok", "테이블을 만들고 쓴 뒤 되돌렸습니다")

    def read_only(self) -> Outcome:
        recovery, now, default = self._row(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), "
            "current_setting('default_transaction_read_only')"
        )
        if recovery == "t":
            return Outcome(
                "fail",
                "pg_is_in_recovery() = true",
                "대기 서버(standby)이거나 복구 중이라 쓸 수 없습니다",
                "쓰기 서버의 주소로 바꾸세요. 승격하려면 대기 서버에서: SELECT pg_promote();",
            )
        if now == "on" or default == "on":
            database, role = self._situation.database, self._situation.role
            return Outcome(
                "fail",
                f"transaction_read_only = {now}",
                "서버나 데이터베이스가 읽기 전용입니다",
                f"관리자로 풀기:\n{WRITABLE_SESSION}\n"
                f"ALTER DATABASE {database} RESET default_transaction_read_only;\n"
                f"ALTER ROLE {role} RESET default_transaction_read_only;\n"
                "ALTER SYSTEM RESET default_transaction_read_only;\nSELECT pg_reload_conf();",
            )
        return Outcome("ok", "쓸 수 있는 서버입니다")

    def encoding(self) -> Outcome:
        encoding = self._value(
            "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
        )
        if encoding == "UTF8":
            return Outcome("ok", "UTF8")
        return Outcome(
            "warn",
            f"server_encoding = {encoding}",
            "UTF8이 아니어서 한글 스터디 이름이나 속성을 쓸 때 실패할 수 있습니다",
            "UTF8 데이터베이스를 새로 만듭니다:\nCREATE DATABASE optuna_utf8 ENCODING 'UTF8' "
            "LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;",
        )

    def isolation(self) -> Outcome:
        default = str(self._value("SHOW default_transaction_isolation")).upper()
        ours = self._options.isolation_level
        shown = f"서버 {default} · 이 프로그램 {ours}"
        if ours != "READ COMMITTED":
            return Outcome(
                "warn",
                shown,
                f"{ours}에서는 다른 도구(study.optimize)가 시행 번호를 겹치게 하거나 자주 실패합니다",
                "config/params.yaml 에 storage_isolation_level: READ COMMITTED",
            )
        if default != "READ COMMITTED":
            return Outcome(
                "warn",
                shown,
                f"서버의 기본값이 {default}라, 이 프로그램은 안전하지만 다른 Optuna 도구는 번호를 겹치게 할 수 있습니다",
                f"ALTER DATABASE {self._situation.database} SET default_transaction_isolation = "
                "'read committed';",
            )
        return Outcome("ok", shown)

    def timezone(self) -> Outcome:
        zone, epoch = self._row(
            "SELECT reset_val, extract(epoch FROM clock_timestamp()) FROM pg_settings "
            "WHERE name = 'TimeZone'"
        )
        skew = time.time() - float(Decimal(epoch or "0"))
        shown = f"서버 {zone} · 세션 UTC · 시계 차이 {skew:+.1f}초"
        if abs(skew) > _CLOCK_SKEW_S:
            return Outcome(
                "warn",
                shown,
                "서버와 이 컴퓨터의 시계가 다릅니다. 시행의 시각이 어긋나 보입니다",
                "시계를 맞추세요: sudo timedatectl set-ntp true",
            )
        return Outcome("ok", shown)

    def schema(self) -> Outcome:
        tables = frozenset(
            str(row[0])
            for row in self._query(
                # information_schema는 권한이 있는 테이블만 보여, 막힌 것을 없는 것으로 보게 한다.
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'f') "
                "AND relnamespace = to_regnamespace(quote_ident(current_schema()))"
            )
        )
        columns: frozenset[str] = frozenset()
        if "studies" in tables:
            found = self._query(
                "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('studies') "
                "AND attnum > 0 AND NOT attisdropped"
            )
            columns = frozenset(str(row[0]) for row in found)
        revision = None
        if {"studies", "alembic_version"} <= tables:
            rows = self._query("SELECT version_num FROM alembic_version")
            revision = rows[0][0] if rows else None
        judged = judge_revision(tables, columns, revision, self._situation.check)
        if judged.status == "ok" and "studies" in tables:
            count = self._value("SELECT count(*) FROM studies")
            return Outcome("ok", f"{judged.detail} · 스터디 {count}개")
        return judged

    def capacity(self) -> Outcome:
        found = seats(self._row(FREE_CONNECTIONS))
        free = found.free
        shown = (
            f"max_connections {found.maximum} · 쓰는 중 {found.used} · 남음 {free}"
            f" · 필요 {self._needed}"
        )
        if free >= self._needed:
            return Outcome("ok", shown)
        s = self._situation
        more = {
            "role": f"ALTER ROLE {s.role} CONNECTION LIMIT -1;",
            "database": f"ALTER DATABASE {s.database} CONNECTION LIMIT -1;",
            "server": f"ALTER SYSTEM SET max_connections = {found.maximum + self._needed};\n"
            f"그 뒤 서버를 다시 켭니다: {s.server_restart}",
        }[found.bound]
        # 실행은 연결이 적어도 둘이어야 한다.
        size = free // 2
        fewer = (
            f"config/params.yaml 에 storage_pool_size: {size} 와 storage_max_overflow: {free - size}\n또는 "
            if size
            else f"노는 연결 끊기: {END_IDLE}\n또는 "
        )
        return Outcome(
            "warn" if size else "fail",
            shown,
            f"이 설정은 연결을 {self._needed}개까지 열 수 있는데 {max(free, 0)}개만 남았습니다"
            + {
                "role": "(사용자의 CONNECTION LIMIT)",
                "database": "(데이터베이스의 CONNECTION LIMIT)",
            }.get(found.bound, ""),
            f"{fewer}관리자로: {more}",
        )

    def latency(self) -> Outcome:
        samples = []
        for _ in range(self._rounds):
            began = time.perf_counter()
            self._query("SELECT 1")
            samples.append((time.perf_counter() - began) * 1000)
        p50 = statistics.median(samples)
        p95 = statistics.quantiles(samples, n=20, method="inclusive")[-1]
        shown = f"p50 {p50:.2f} ms · p95 {p95:.2f} ms ({self._rounds}번)"
        if p95 <= _SLOW_P95_MS:
            return Outcome("ok", shown)
        return Outcome(
            "warn",
            shown,
            "왕복이 느려 시행을 넣는 데 시간이 듭니다",
            "같은 망의 서버나 내장 PostgreSQL을 쓰세요: python -m optimize.storage embedded start",
        )

    def dead_trials(self) -> Outcome:
        if self._value("SELECT to_regclass('trials')") is None:
            return Outcome("ok", "시행이 없습니다")
        stale, total, oldest = self._row(
            "SELECT count(*) FILTER (WHERE datetime_start < (now() AT TIME ZONE 'UTC') "  # noqa: S608
            f"- interval '{STALE_MINUTES} minutes'), count(*), extract(epoch FROM min(datetime_start)) "
            "FROM trials WHERE state = 'RUNNING'"
        )
        began = datetime.fromtimestamp(float(oldest), UTC) if oldest else None
        return judge_running(int(stale or 0), int(total or 0), began, self._situation.check)

    def _no_schema(self) -> Outcome:
        self._query("ROLLBACK")
        path = self._value("SHOW search_path")
        return Outcome(
            "fail",
            f"search_path = {path}",
            "search_path에 적힌 스키마가 없어 테이블을 만들 자리가 없습니다(no schema has been selected)",
            "스키마를 만듭니다: CREATE SCHEMA 이름;\n"
            f"또는 되돌립니다: ALTER ROLE {self._situation.role} RESET search_path;\n"
            "URL의 options=나 환경 변수 PGOPTIONS에 적었으면 그것을 지웁니다",
        )

    def _no_create(self, error: ProbeError) -> Outcome:
        schema = self._value("SELECT coalesce(current_schema(), 'public')", rollback=True)
        role = self._situation.role
        text = error.server.text if error.server else ""
        return Outcome(
            "fail",
            f"서버의 말: {text} (SQLSTATE {error.sqlstate})",
            f"사용자 '{self._situation.target.user}'에게 스키마 {schema}에 테이블을 만들 권한(CREATE)이 "
            "없습니다. PostgreSQL 15부터는 기본으로 주어지지 않습니다",
            "관리자로 이 데이터베이스에서: "
            f"GRANT USAGE, CREATE ON SCHEMA {quote_identifier(str(schema))} TO {role};\n"
            f"또는: ALTER DATABASE {self._situation.database} OWNER TO {role};",
        )

    def _query(self, sql: str) -> list[list[str | None]]:
        return self._probe.query(sql, self._timeout)

    def _row(self, sql: str) -> list[str | None]:
        return self._query(sql)[0]

    def _value(self, sql: str, *, rollback: bool = False) -> str | None:
        if rollback:
            self._query("ROLLBACK")
        return self._row(sql)[0]
