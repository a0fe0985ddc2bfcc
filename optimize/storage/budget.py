"""연결의 예산: 서버에 남은 연결과 계획이 쓸 연결을 견준다.

실행 하나는 스터디마다 연결 하나를 쥐고, 읽고 쓰는 동안 하나를 더 쓴다(`run_connections`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from optimize.errors import StorageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

FREE_CONNECTIONS = (
    "SELECT current_setting('max_connections')::int"
    " - CASE WHEN r.rolsuper THEN 0 ELSE"
    "   current_setting('superuser_reserved_connections')::int"
    "   + coalesce(current_setting('reserved_connections', true), '0')::int END,"
    " (SELECT coalesce(sum(numbackends), 0) FROM pg_stat_database),"
    " r.rolconnlimit, d.datconnlimit, current_setting('max_connections')"
    " FROM pg_roles r, pg_database d"
    " WHERE r.rolname = current_user AND d.datname = current_database()"
)


class BudgetError(StorageError):
    """닿았지만 남은 연결이 모자란다."""


@dataclass(frozen=True, slots=True)
class Seats:
    """maximum: 서버의 max_connections. used: 쓰는 중. free: 더 열 수 있는 수(묻는 연결도 돌려줄 것으로 센다).

    bound: free를 정한 것이 서버의 자리인가, 역할이나 데이터베이스의 CONNECTION LIMIT인가.
    """

    maximum: int
    used: int
    free: int
    bound: Literal["server", "role", "database"] = "server"


def seats(row: Sequence[Any]) -> Seats:
    """`FREE_CONNECTIONS`의 한 줄에서. 역할과 데이터베이스의 한도도 본다."""
    usable, used, role_limit, database_limit, maximum = (int(value or 0) for value in row)
    found = Seats(maximum, used, usable - used + 1)
    if 0 <= database_limit < found.free:
        found = replace(found, free=database_limit, bound="database")
    if 0 <= role_limit < found.free:
        found = replace(found, free=role_limit, bound="role")
    return found


def run_connections(studies: int) -> int:
    """한 서버의 스터디 studies개를 여는 실행이 한꺼번에 쓰는 연결의 최대."""
    return studies + 1


def require_connections(connection: Connection, studies: int) -> None:
    """서버에 남은 연결이 이 실행에 모자라면 BudgetError."""
    row = connection.exec_driver_sql(FREE_CONNECTIONS).one()
    found, needed = seats(row), run_connections(studies)
    if found.free >= needed:
        return
    fits = max(found.free - 1, 0)
    fewer = f"시간 격자를 {fits}칸으로 나누어 실행하거나, " if fits else ""
    raise BudgetError(
        "서버에 남은 연결이 모자랍니다",
        f"이 계획은 스터디 {studies}개에 연결 {needed}개를 쓰는데, max_connections {found.maximum} 가운데 "
        f"{found.used}개를 쓰는 중이라 {found.free}개가 남았습니다",
        f"{fewer}다른 실행이 끝나기를 기다리거나, 서버에서 늘리세요:\n"
        f"ALTER SYSTEM SET max_connections = {found.maximum + 2 * needed};\n"
        "그 뒤 서버를 다시 켭니다: docker restart optuna-postgres",
    )
