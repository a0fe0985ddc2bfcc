"""서버가 거절한 까닭: SQLSTATE(와 routine)에서 한국어 원인과 붙여 넣을 해결로.

서버의 글은 서버의 언어라 판정에 쓰지 않는다. 같은 SQLSTATE는 routine(서버 소스의 함수 이름,
번역되지 않는다)으로 가른다. https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import shlex
from collections.abc import Callable

from optimize.storage.check_step import Outcome, Remedy
from optimize.storage.diagnosis_situation import (
    CONTAINER,
    USE_EMBEDDED,
    Situation,
    hba_line,
)
from optimize.storage.probe import ProbeError

# 사용자의 제한을 보는 서버 함수의 이름.
USER_CHECK = "InitializeSessionUserId"
# 인증 방식이 아니라고 답했을 때의 것(pg_hba.conf가 거절하면 다른 함수다).
FAILED_LOGIN = "auth_failed"
# 오래 노는 연결을 끊는 SQL.
END_IDLE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE state = 'idle' AND state_change < now() - interval '10 min';"
)
# 읽기 전용인 데이터베이스에 접속해 푸는 관리자의 세션도 읽기 전용으로 시작한다.
WRITABLE_SESSION = "SET default_transaction_read_only = off;"
# 테이블을 통째로 쥔 세션을 보는 SQL.
LOCK_HOLDERS = (
    "SELECT a.pid, a.usename, a.state, l.relation::regclass, a.query FROM pg_locks l "
    "JOIN pg_stat_activity a USING (pid) WHERE l.granted AND l.mode ~ 'Exclusive' "
    "AND l.locktype = 'relation' AND a.datname = current_database() AND a.pid <> pg_backend_pid();"
)
Finding = tuple[str, str, Remedy]


def diagnose_server(error: ProbeError, situation: Situation) -> Outcome:
    """서버의 오류를 판정한다. 모르는 SQLSTATE도 서버의 말과 함께 알린다."""
    text = error.server.text if error.server else ""
    state = error.sqlstate
    finder = _BY_SQLSTATE.get(state) or _BY_CLASS.get(state[:2]) or _unknown
    cause, fix, remedy = finder(situation, error)
    return Outcome("fail", f"서버의 말: {text} (SQLSTATE {state})", cause, fix, remedy)


def _bad_password(s: Situation, error: ProbeError) -> Finding:
    if s.embedded:
        return (
            f"내장 PostgreSQL에서 사용자 '{s.target.user}'의 비밀번호가 틀렸습니다"
            "(URL이 서버를 다시 만들기 전의 것일 수 있습니다)",
            USE_EMBEDDED,
            "",
        )
    # \\password는 새 비밀번호를 물어보므로 명령에 비밀번호가 남지 않는다.
    change = f"\\password {s.role}"
    docker = f"docker exec -it {CONTAINER} psql -U postgres -c {shlex.quote(change)}"
    return (
        f"사용자 '{s.target.user}'의 비밀번호가 틀렸거나, 그 사용자가 없거나, 유효 기간이 지났습니다"
        "(password authentication failed; PostgreSQL은 셋을 갈라 알려 주지 않습니다)",
        f"URL의 사용자와 비밀번호를 확인합니다: {s.url_without_password}\n"
        f"비밀번호 바꾸기(물어봅니다): {docker if s.local else s.psql(change)}\n"
        f"유효 기간 풀기: ALTER ROLE {s.role} VALID UNTIL 'infinity';",
        "",
    )


def _not_authorised(s: Situation, error: ProbeError) -> Finding:
    if error.server is not None and error.server.routine == USER_CHECK:
        return (
            f"사용자 '{s.target.user}'이(가) 없거나 로그인 권한(LOGIN)이 없습니다",
            f"관리자로: ALTER ROLE {s.role} LOGIN;\n없는 사용자라면: CREATE ROLE {s.role} LOGIN PASSWORD '비밀번호';",
            "",
        )
    reload = "그 뒤: SELECT pg_reload_conf();"
    if error.server is not None and error.server.routine == FAILED_LOGIN:
        return _not_the_same_user(s, reload)
    if s.needs_ssl:
        return (
            "서버의 pg_hba.conf가 SSL 접속만 허락하는데 SSL 없이 접속했습니다",
            f"URL에서 sslmode=require 로 접속합니다: {s.with_sslmode('require')}\n"
            f"또는 서버의 pg_hba.conf에: {hba_line(s, 'scram-sha-256')}\n{reload}",
            "",
        )
    return (
        f"서버의 pg_hba.conf가 {s.client or '이 컴퓨터'}에서 온 사용자 '{s.target.user}', "
        f"데이터베이스 '{s.target.database}'의 접속을 허락하지 않습니다",
        f"서버의 pg_hba.conf 맨 위에: {hba_line(s, 'scram-sha-256')}\n{reload}\n"
        "(파일의 자리: SHOW hba_file;)"
        + (
            "\n클라이언트 인증서를 요구하는 줄(cert)이라면 URL에 sslcert와 sslkey를 적습니다"
            if s.encrypted
            else ""
        ),
        "",
    )


def _not_the_same_user(s: Situation, reload: str) -> Finding:
    """비밀번호가 아닌 인증의 실패. Debian의 서버는 Unix socket에 peer를 쓴다."""
    set_password = shlex.join(
        ["sudo", "-u", "postgres", "psql", "-p", str(s.target.port), "-c", f"\\password {s.role}"]
    )
    over_tcp = f"TCP와 비밀번호로 접속합니다: {s.over_tcp}\n" if s.target.is_socket else ""
    return (
        f"서버가 비밀번호가 아니라 운영 체제의 사용자(peer·ident)나 클라이언트 인증서로 '{s.target.user}'인지 "
        "확인했는데 맞지 않습니다",
        f"{over_tcp}비밀번호를 정합니다(물어봅니다): {set_password}\n"
        f"또는 서버의 pg_hba.conf 맨 위에: {hba_line(s, 'scram-sha-256')}\n{reload}",
        "",
    )


def _no_database(s: Situation, error: ProbeError) -> Finding:
    return (
        f"데이터베이스 '{s.target.database}'이(가) 없습니다",
        f"만들기: CREATE DATABASE {s.database};\n"
        f"명령으로: {s.psql(f'CREATE DATABASE {s.database}')}\n"
        f"또는: {s.check} --fix create_database",
        "create_database",
    )


def _denied(s: Situation, error: ProbeError) -> Finding:
    if error.stage == "database":
        return (
            f"사용자 '{s.target.user}'에게 데이터베이스 '{s.target.database}'의 CONNECT 권한이 없습니다",
            f"관리자로: GRANT CONNECT ON DATABASE {s.database} TO {s.role};",
            "",
        )
    return (
        f"사용자 '{s.target.user}'에게 권한이 없습니다",
        "관리자로 이 데이터베이스에서: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
        f"public TO {s.role};",
        "",
    )


def _database_closed(s: Situation, error: ProbeError) -> Finding:
    return (
        f"데이터베이스 '{s.target.database}'이(가) 접속을 받지 않게 닫혀 있습니다",
        f"관리자로: ALTER DATABASE {s.database} WITH ALLOW_CONNECTIONS true;",
        "",
    )


def _starting(s: Situation, error: ProbeError) -> Finding:
    return (
        "서버가 켜지는 중이거나 꺼지는 중이거나 복구하는 중입니다",
        "몇 초 뒤에 다시 점검하세요. 계속되면 기록을 봅니다: "
        f"{s.server_log}\n꺼져 있었다면: {s.server_start}",
        "",
    )


def _stopped(s: Situation, error: ProbeError) -> Finding:
    return (
        "서버가 연결을 끊었습니다(정지 또는 재시작)",
        f"서버를 켭니다: {s.server_start}",
        "",
    )


def _too_many(s: Situation, error: ProbeError) -> Finding:
    routine = error.server.routine if error.server else ""
    lower = "config/params.yaml 에 storage_pool_size: 4 와 storage_max_overflow: 4"
    if routine == USER_CHECK:
        return (
            f"사용자 '{s.target.user}'에게 허락된 연결 수(CONNECTION LIMIT)가 모두 찼습니다",
            f"관리자로: ALTER ROLE {s.role} CONNECTION LIMIT -1;\n또는 {lower}",
            "",
        )
    if routine == "CheckMyDatabase":
        return (
            f"데이터베이스 '{s.target.database}'에 허락된 연결 수가 모두 찼습니다",
            f"관리자로: ALTER DATABASE {s.database} CONNECTION LIMIT -1;\n또는 {lower}",
            "",
        )
    return (
        "서버의 연결 자리(max_connections)가 모두 찼습니다",
        f"노는 연결 끊기: {END_IDLE}\n"
        "늘리기: ALTER SYSTEM SET max_connections = 200; 그 뒤 서버를 다시 켭니다"
        f"({s.server_restart})\n또는 {lower}",
        "",
    )


def _read_only(s: Situation, error: ProbeError) -> Finding:
    return (
        "서버나 데이터베이스가 읽기 전용입니다",
        f"관리자로 풀기:\n{WRITABLE_SESSION}\n"
        f"ALTER DATABASE {s.database} RESET default_transaction_read_only;\n"
        "대기 서버(standby)라면 쓰기 서버의 주소로 바꾸세요",
        "",
    )


def _statement_timeout(s: Situation, error: ProbeError) -> Finding:
    return (
        "문장이 시간 제한(statement_timeout)을 넘어 서버가 끊었습니다",
        "config/params.yaml 에 storage_statement_timeout_ms: 600000  (0은 끔)\n"
        f"서버의 제한: SHOW statement_timeout; 풀기: ALTER ROLE {s.role} RESET statement_timeout;",
        "",
    )


def _lock_timeout(s: Situation, error: ProbeError) -> Finding:
    return (
        "다른 세션이 테이블을 잠그고 있어 기다리다 포기했습니다(lock timeout)",
        # 점검은 이미 기다리기를 그만두었으므로 기다리는 쪽이 아니라 쥔 쪽을 찾는다.
        f"관리자로 이 데이터베이스에서 잠근 세션 보기: {LOCK_HOLDERS}\n"
        "그 pid를 넣어 끊기: SELECT pg_terminate_backend(pid);",
        "",
    )


def _foreign_table(s: Situation, error: ProbeError) -> Finding:
    return (
        "이 데이터베이스에 Optuna의 것이 아닌 같은 이름의 테이블(studies)이 있습니다",
        "다른 데이터베이스를 씁니다: CREATE DATABASE optuna_wizard; 그리고 URL의 끝을 /optuna_wizard 로",
        "",
    )


def _disk(s: Situation, error: ProbeError) -> Finding:
    return ("서버의 디스크나 메모리가 모자랍니다", "서버에서 df -h 와 free -h 를 보고 비우세요", "")


def _bad_options(s: Situation, error: ProbeError) -> Finding:
    if error.stage == "query":
        return _unknown(s, error)
    return (
        "접속하며 정한 세션 값을 서버가 받지 않습니다(URL의 options나 환경 변수 PGOPTIONS)",
        "URL에서 options=를 지우거나 고칩니다\n환경 변수에 적었으면: unset PGOPTIONS",
        "",
    )


def _server_config(s: Situation, error: ProbeError) -> Finding:
    return (
        "서버의 설정 파일(postgresql.conf·pg_hba.conf)에 틀린 것이 있습니다(위 서버의 말을 보세요)",
        f"고친 뒤 다시 읽힙니다: SELECT pg_reload_conf();\n서버의 기록: {s.server_log}",
        "",
    )


def _unknown(s: Situation, error: ProbeError) -> Finding:
    return (
        "서버가 요청을 거절했습니다(위 서버의 말을 보세요)",
        f"서버의 기록을 보세요: {s.server_log}",
        "",
    )


_BY_SQLSTATE: dict[str, Callable[[Situation, ProbeError], Finding]] = {
    "28P01": _bad_password,
    "28000": _not_authorised,
    "3D000": _no_database,
    "42501": _denied,
    "55000": _database_closed,
    "57P03": _starting,
    "57P01": _stopped,
    "57P02": _stopped,
    "53300": _too_many,
    "25006": _read_only,
    "57014": _statement_timeout,
    "55P03": _lock_timeout,
    "42703": _foreign_table,
    "42601": _bad_options,
    "42704": _bad_options,
    "22023": _bad_options,
}
_BY_CLASS: dict[str, Callable[[Situation, ProbeError], Finding]] = {
    "53": _disk,
    "57": _stopped,
    "F0": _server_config,
}
