"""저장소 연결의 설정값. 표준 라이브러리만 쓴다.

`config/params.yaml`의 `search.storage_*` 열쇠가 이 값이 되며, 기본값은 사용자 가이드의 것이다.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IsolationLevel = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """연결 풀과 시간 제한. PostgreSQL의 것이며, SQLite에는 `sqlite_timeout`만 쓰인다.

    pool_size: 늘 열어 두는 연결 수(1 이상). max_overflow: 몰릴 때 더 여는 수(0 이상).
    pool_timeout: 풀에서 연결을 기다리는 초. pool_recycle: 이 초보다 오래된 연결은 새로 연다(-1은 끔).
    connect_timeout: 연결 한 번의 초(1 이상). statement_timeout_ms: 문장 하나의 ms, 0이나 None은 끔.
    isolation_level: 트랜잭션 격리. 시행을 넣는 트랜잭션만은 늘 READ COMMITTED다
    (REPEATABLE READ는 번호를 겹치게 한다). lock_timeout_ms: 잠금을 기다리는 ms, 0은 끔.
    application_name: `pg_stat_activity`에 보이는 이름. sqlite_timeout: SQLite 잠금을 기다리는 초.
    """

    pool_size: int = 8
    max_overflow: int = 16
    pool_timeout: float = 30
    pool_recycle: int = 1800
    connect_timeout: int = 10
    statement_timeout_ms: int | None = 300_000
    isolation_level: IsolationLevel = "READ COMMITTED"
    lock_timeout_ms: int = 10_000
    application_name: str = "backtest-wizard"
    sqlite_timeout: float = 60

    @property
    def max_connections(self) -> int:
        """한 프로세스가 열 수 있는 연결의 최대 수."""
        return self.pool_size + self.max_overflow
