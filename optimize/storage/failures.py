"""데이터베이스 드라이버의 오류를 이 프로젝트의 오류로 바꾸는 한 자리.

SQLAlchemy와 Optuna는 까닭을 감싸 숨기므로(`StorageInternalError`는 늘 같은 말만 한다)
`__cause__`·`__context__`·`orig`를 따라 드라이버의 오류까지 내려가 SQLSTATE를 본다.
서버의 언어에 기대지 않는다. SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
SQLAlchemy와 드라이버는 이름으로 알아본다: 목록처럼 그것들 없이 바로 떠야 하는 것도 쓴다.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from optimize.errors import StorageError
from optimize.masking import mask_secrets
from optimize.storage.url import StorageUrl

# 기다리면 풀리는 것: 연결(08), 서버 정지·기동(57P), 자원 부족(53), 교착·직렬화(40),
# 잠금·문장 시간 초과, 입출력(58), 승격 전의 대기 서버(25006).
_TRANSIENT_CLASSES = ("08", "53", "57P", "40", "58")
_TRANSIENT_CODES = frozenset({"55P03", "57014", "25006"})
_SQLITE_TRANSIENT = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
    | {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL}
)
# 오류의 글만으로는 까닭을 모를 때의 해결.
CHECK = "python -m optimize.storage check"
_CONNECTION_ERRORS = (
    "sqlalchemy.exc.OperationalError",
    "psycopg2.OperationalError",
    "psycopg.OperationalError",
)
_DRIVER_ERRORS = (
    "sqlalchemy.exc.SQLAlchemyError",
    "psycopg2.Error",
    "psycopg.Error",
    "sqlite3.Error",
    "optuna.exceptions.StorageInternalError",  # Optuna가 감싼 드라이버 오류
    "builtins.UnicodeDecodeError",
    "builtins.ConnectionError",
)
# SQLSTATE가 없는 연결 오류는 libpq가 이 컴퓨터에서 쓴 영어 글이거나 서버의 말이다: 아는 것만 옮긴다.
_CONNECTION_TEXTS = (
    ("Connection refused", "서버가 꺼져 있거나 포트가 다릅니다"),
    ("timeout expired", "제한 시간 안에 답이 없습니다"),
    ("could not translate host name", "서버의 이름을 찾지 못했습니다"),
    ("failed to resolve host", "서버의 이름을 찾지 못했습니다"),
    ("server closed the connection", "서버가 연결을 끊었습니다"),
    ("terminating connection", "서버가 연결을 끊었습니다"),
    ("connection has been closed", "서버가 연결을 끊었습니다"),
    ("the connection is closed", "연결이 끊어져 있습니다"),
    ("Connection reset by peer", "연결이 도중에 끊겼습니다"),
    ("Connection timed out", "서버가 답하지 않아 연결을 끊었습니다"),
    ("No route to host", "서버까지 가는 길이 없습니다"),
    ("Network is unreachable", "네트워크에 닿지 못합니다"),
    ("No such file or directory", "서버의 Unix socket이 없습니다(서버가 꺼져 있습니다)"),
    ("does not support SSL", "서버가 SSL을 쓰지 않는데 URL이 SSL을 요구합니다"),
    ("SSL connection has been closed", "서버가 연결을 끊었습니다"),
    ("no password supplied", "비밀번호가 없습니다"),
    ("invalid response to SSL negotiation", "그 포트에 PostgreSQL이 아닌 프로그램이 있습니다"),
    ("too many clients", "서버의 연결 자리가 모두 찼습니다"),
    ("remaining connection slots", "서버의 연결 자리가 모두 찼습니다"),
    ("the database system is", "서버가 켜지는 중이거나 꺼지는 중입니다"),
)

_CAUSES: dict[str, tuple[str, str]] = {
    "28P01": ("사용자 이름이나 비밀번호가 틀렸습니다", "URL의 사용자와 비밀번호를 확인합니다"),
    "28000": ("서버가 이 접속을 허락하지 않습니다(pg_hba.conf)", CHECK),
    "3D000": ("그 이름의 데이터베이스가 없습니다", 'psql -c "CREATE DATABASE optuna"'),
    "42501": ("이 사용자에게 권한이 없습니다", f"무엇이 막혔는지와 GRANT 문을 봅니다: {CHECK}"),
    "25006": ("서버가 읽기 전용입니다", "쓰기 서버의 주소로 바꿉니다"),
    "53300": (
        "서버의 연결 자리가 모두 찼습니다",
        "storage_pool_size나 max_connections를 조정합니다",
    ),
    "53100": ("서버의 디스크가 찼습니다", "디스크를 비웁니다"),
    "42703": (
        "같은 이름의 다른 테이블이 이미 있습니다(Optuna의 것이 아닙니다)",
        "다른 데이터베이스를 씁니다: CREATE DATABASE optuna",
    ),
    "57014": (
        "문장이 시간 제한을 넘었습니다",
        "storage_statement_timeout_ms를 늘리거나 0으로 끕니다",
    ),
    "55P03": ("다른 프로세스의 잠금을 기다리다 포기했습니다", CHECK),
    "57P01": ("서버가 연결을 끊었습니다(정지 또는 재시작)", "서버를 다시 켭니다"),
    "57P02": ("서버가 비정상 종료했습니다", "서버를 다시 켭니다"),
    "57P03": ("서버가 켜지는 중이거나 꺼지는 중입니다", "잠시 뒤 다시 합니다"),
}


_SQLITE_CAUSES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: ("다른 프로세스가 파일을 잠그고 있습니다", "잠시 뒤 다시 합니다"),
    sqlite3.SQLITE_LOCKED: (
        "같은 파일의 다른 일이 테이블을 잠그고 있습니다",
        "잠시 뒤 다시 합니다",
    ),
    sqlite3.SQLITE_FULL: ("디스크가 찼습니다", "디스크를 비웁니다"),
    sqlite3.SQLITE_IOERR: (
        "디스크가 읽거나 쓰기에 실패했습니다",
        "디스크가 찼거나 떨어지지 않았는지 봅니다: df -h",
    ),
    sqlite3.SQLITE_PROTOCOL: ("WAL의 잠금을 얻지 못했습니다", "이 컴퓨터의 디스크에 둡니다"),
    sqlite3.SQLITE_PERM: ("파일에 손댈 권한이 없습니다", "파일과 폴더의 권한을 확인합니다"),
    sqlite3.SQLITE_READONLY: ("파일에 쓸 수 없습니다", "파일과 폴더의 권한을 확인합니다"),
    sqlite3.SQLITE_CANTOPEN: ("파일을 열 수 없습니다", "폴더가 있고 쓸 수 있는지 확인합니다"),
    sqlite3.SQLITE_NOTADB: ("SQLite 파일이 아닙니다", "다른 파일을 고릅니다"),
    sqlite3.SQLITE_CORRUPT: ("파일이 깨졌습니다", "백업에서 되살립니다"),
}


class StorageOperationError(StorageError):
    """드라이버가 낸 실패. retryable: 기다렸다 다시 하면 될 일인가."""

    def __init__(self, title: str, cause: str = "", fix: str = "", *, retryable: bool) -> None:
        super().__init__(title, cause, fix)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """오류 하나의 판정. sqlstate: PostgreSQL의 다섯 글자, 없으면 빈 글."""

    sqlstate: str
    retryable: bool
    cause: str
    fix: str


def diagnose(error: BaseException) -> Diagnosis:
    """오류의 사슬을 따라가 원인을 정한다. 데이터베이스와 무관한 오류는 retryable이 아니다."""
    chain = list(_chain(error))
    for item in chain:
        sqlstate = getattr(item, "pgcode", None) or getattr(item, "sqlstate", None)
        if sqlstate:
            cause, fix = _CAUSES.get(sqlstate, (f"{_line(item)} ({sqlstate})", CHECK))
            retryable = sqlstate.startswith(_TRANSIENT_CLASSES) or sqlstate in _TRANSIENT_CODES
            return Diagnosis(sqlstate, retryable, cause, fix)
        if isinstance(item, sqlite3.Error):
            return _diagnose_sqlite(item)
    for item in chain:
        if _is_a(item, "sqlalchemy.exc.TimeoutError"):
            fix = "storage_pool_size, storage_max_overflow, storage_pool_timeout을 늘립니다"
            return Diagnosis("", True, "연결 풀에 빈 연결이 나지 않았습니다", fix)
        # SQLSTATE 없는 연결 오류: 서버에 닿지 못했거나 끊겼다.
        # CP949 서버의 거절은 드라이버가 글을 풀지 못한 UnicodeDecodeError로 온다.
        if isinstance(item, (UnicodeDecodeError, ConnectionError)) or (
            _is_a(item, *_CONNECTION_ERRORS) or getattr(item, "connection_invalidated", False)
        ):
            origin = getattr(item, "orig", None) or item
            return Diagnosis("", True, _connection_cause(origin), _connection_fix(origin))
    return Diagnosis("", False, f"{type(chain[0]).__name__}: {_line(chain[0])}", CHECK)


@contextmanager
def storage_errors(url: StorageUrl, doing: str) -> Iterator[None]:
    """블록 안의 드라이버 오류를 `StorageOperationError`로 바꾼다. doing: '시행을 저장' 같은 하던 일.

    데이터베이스와 무관한 예외는 그대로 둔다.
    """
    try:
        yield
    except Exception as error:
        if _is_a(error, *_DRIVER_ERRORS):
            raise _failure(url, doing, error) from error
        raise


def _failure(url: StorageUrl, doing: str, error: Exception) -> StorageOperationError:
    from optimize.storage.check_again import same_check
    from optimize.storage.local_server import EMBEDDED_START, is_embedded

    found = diagnose(error)
    cause = mask_secrets(f"{url.masked} — {found.cause}", url.secrets)
    # 붙여 넣으면 기본 저장소가 아니라 이 저장소를 점검한다.
    fix = found.fix.replace(CHECK, same_check(url))
    if found.fix == CHECK and is_embedded(url):
        fix = f"꺼져 있으면 켭니다: {EMBEDDED_START}\n켜져 있으면: {fix}"
    return StorageOperationError(f"{doing}하지 못했습니다", cause, fix, retryable=found.retryable)


def _diagnose_sqlite(error: sqlite3.Error) -> Diagnosis:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    retryable = primary in _SQLITE_TRANSIENT
    cause, fix = _SQLITE_CAUSES.get(
        primary or 0, (f"SQLite의 말: {error}", "파일과 폴더의 권한을 확인합니다")
    )
    return Diagnosis("", retryable, cause, fix)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """오류와 그 까닭들, 바깥부터. 되도는 사슬에서 멈춘다."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        item = queue.pop(0)
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        queue += [getattr(item, "orig", None), item.__cause__, item.__context__]


def _is_a(error: BaseException, *names: str) -> bool:
    return any(f"{cls.__module__}.{cls.__qualname__}" in names for cls in type(error).__mro__)


def _connection_cause(error: BaseException) -> str:
    text = str(error)
    for english, korean in _CONNECTION_TEXTS:
        if english in text:
            return f"서버에 닿지 못했습니다: {korean}"
    return f"서버에 닿지 못했습니다(연결되지 않았거나 거절됨): {_line(error)}"


def _connection_fix(error: BaseException) -> str:
    if "timeout expired" not in str(error):
        return CHECK
    return "느린 길이면 늘립니다: --set search.storage_connect_timeout=20  아니면 주소와 방화벽을 봅니다"


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
