"""점검이 권하는 한 걸음 해결: 데이터베이스 만들기, 스키마 올리기, 멈춘 시행 정리, 내장 서버 켜기.

모두 여러 번 불러도 해가 없고, 시행을 지우지 않는다.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from optimize.errors import SettingsError, StorageError
from optimize.storage.check_schema import STALE_MINUTES
from optimize.storage.options import StorageOptions
from optimize.storage.url import StorageUrl

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MAINTENANCE_DATABASES = ("postgres", "template1")


def apply_remedy(name: str, url: StorageUrl, options: StorageOptions) -> str:
    """해결 하나를 하고, 한 일을 한국어로 준다. 모르는 이름은 SettingsError, 실패는 StorageError."""
    action = REMEDIES.get(name)
    if action is None:
        raise SettingsError(
            "모르는 해결입니다", f"받은 것: {name}", f"고를 수 있는 것: {', '.join(REMEDIES)}"
        )
    return action(url, options)


def create_database(url: StorageUrl, options: StorageOptions) -> str:
    """url의 데이터베이스를 UTF8로 만든다. 이미 있으면 그대로 둔다. 만들 권한이 없으면 관리자의 SQL을 대는 StorageError."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from optimize.storage.diagnosis_situation import quote_identifier
    from optimize.storage.engine import make_engine
    from optimize.storage.failures import diagnose, storage_errors

    if url.backend != "postgresql" or not url.database:
        raise StorageError("만들 데이터베이스가 없습니다", url.masked, "PostgreSQL URL에만 씁니다")
    statement = (
        f"CREATE DATABASE {quote_identifier(url.database)} ENCODING 'UTF8' "
        "LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    with storage_errors(url, "데이터베이스를 생성"):
        for maintenance in _MAINTENANCE_DATABASES:
            engine = make_engine(replace(url, database=maintenance), options)
            try:
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    _require_reachable_name(connection, url.database)
                    connection.execute(text(statement))
            except DBAPIError as error:
                if diagnose(error).sqlstate in {"42P04", "23505"}:
                    return f"데이터베이스 '{url.database}'이(가) 이미 있습니다"
                if diagnose(error).sqlstate == "42501":
                    raise _may_not_create(url, statement) from error
                # 접속의 실패는 SQLSTATE가 없다: 다음 관리용 데이터베이스로 해 본다.
                if diagnose(error).sqlstate or maintenance == _MAINTENANCE_DATABASES[-1]:
                    raise
            else:
                return f"데이터베이스 '{url.database}'을(를) 만들었습니다"
            finally:
                engine.dispose()
        raise AssertionError("마지막 차례는 돌려주거나 예외를 낸다")


def upgrade_schema(url: StorageUrl, options: StorageOptions) -> str:
    """옛 Optuna의 스키마를 지금 것으로 올린다. SQLite는 먼저 곁에 백업한다."""
    from optimize.storage.check_revision import upgrade_quietly
    from optimize.storage.failures import storage_errors
    from optimize.storage.schema import open_rdb_storage

    if url.path is not None and not url.path.exists():
        return "올릴 스키마가 없습니다(파일이 아직 없습니다)"
    backup = _backup_sqlite(url.path) if url.path is not None and url.path.exists() else None
    with storage_errors(url, "스키마를 갱신"):
        storage = open_rdb_storage(url, options)
        try:
            before = storage.get_current_version()
            upgrade_quietly(storage)
            after = storage.get_current_version()
        finally:
            storage.engine.dispose()
    kept = f"\n백업: {backup}" if backup else ""
    if before == after:
        return f"스키마가 이미 지금 것입니다: {after}{kept}"
    return (
        f"스키마를 올렸습니다: {before} → {after}{kept}\n"
        "Optuna 4까지의 시각은 현지 시각 그대로입니다. UTC로 바로잡으려면 올리는 대신 복사하세요: "
        "python -m optimize.storage copy … --source-timezone Asia/Seoul"
    )


def clear_dead_trials(url: StorageUrl, options: StorageOptions) -> str:
    """오래 RUNNING인 시행을 까닭을 적어 FAIL로 바꾼다(`studies clean`과 같은 일). heartbeat가 있는 것은 둔다."""
    from optimize.storage.admin import StudyAdmin
    from optimize.storage.listing import list_studies

    if url.path is not None and not url.path.exists():
        return "시행이 없습니다"
    studies = list_studies(url, options)
    if not any(info.summary.total for info in studies):
        return "시행이 없습니다"
    age = timedelta(minutes=STALE_MINUTES)
    with closing(StudyAdmin(url, options)) as admin:
        count = sum(admin.clean(info.name, age) for info in studies if info.summary.unfinished)
    return f"멈춘 RUNNING 시행 {count}개를 FAIL로 바꾸었습니다"


def start_embedded(url: StorageUrl, options: StorageOptions) -> str:
    """내장 PostgreSQL을 켠다. 이 URL과는 다른 서버이므로 쓰는 법을 함께 알린다."""
    from optimize.storage.embedded import default_server

    server = default_server()
    server.start()
    return (
        f"내장 PostgreSQL을 켰습니다: {server.url().masked}\n"
        'export OPTUNA_STORAGE="$(python -m optimize.storage embedded url)" 로 쓰세요'
    )


REMEDIES: dict[str, Callable[[StorageUrl, StorageOptions], str]] = {
    "create_database": create_database,
    "upgrade_schema": upgrade_schema,
    "clear_dead_trials": clear_dead_trials,
    "start_embedded": start_embedded,
}


def _require_reachable_name(connection: Connection, name: str) -> None:
    """만들어도 접속할 수 없는 이름이면 StorageError.

    접속하며 보내는 이름은 인코딩이 바뀌지 않고 저장된 바이트와 견주어진다.
    """
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if not name.isascii() and encoding not in {"UTF8", "SQL_ASCII"}:
        raise StorageError(
            "이 이름의 데이터베이스는 만들어도 접속할 수 없습니다",
            f"서버의 인코딩이 {encoding}인데 '{name}'에 영어가 아닌 글자가 있습니다",
            "URL의 데이터베이스 이름을 영어로 적습니다. 예: …/optuna",
        )


def _may_not_create(url: StorageUrl, statement: str) -> StorageError:
    from optimize.storage.diagnosis_situation import quote_identifier

    role = quote_identifier(url.username) if url.username else "CURRENT_USER"
    return StorageError(
        "데이터베이스를 만들지 못했습니다",
        f"사용자 '{url.username or ''}'에게 데이터베이스를 만들 권한(CREATEDB)이 없습니다",
        f"관리자로: {statement} OWNER {role};\n또는 권한을 줍니다: ALTER ROLE {role} CREATEDB;",
    )


def _backup_sqlite(path: Path) -> Path:
    """쓰는 중이어도 온전한 사본을 곁에 0600으로 둔다."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    backup = path.with_name(f"{path.name}.{stamp}.bak")
    backup.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    return backup
