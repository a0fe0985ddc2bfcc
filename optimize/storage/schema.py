"""스키마 만들기: Optuna의 테이블과 `wizard_*` 테이블과 색인.

설치된 Optuna의 revision이 `tables`의 것이면 그 선언으로 만든다: Optuna로 만들려면 ORM과 alembic을
import해야 하고, 그 CPU 0.25초가 첫 시행을 늦춘다. 다른 revision이면 Optuna가 만든다.

여러 프로세스가 함께 빈 데이터베이스를 열어도 한 프로세스만 만든다: PostgreSQL은 advisory lock,
SQLite는 파일 잠금 아래에서 한다(Optuna만으로는 여덟 가운데 다섯이 실패한다).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from optimize.errors import StorageError
from optimize.storage import tables
from optimize.storage.check_again import same_check
from optimize.storage.check_revision import installed_revisions
from optimize.storage.engine import engine_kwargs, sqlite_lock, writing
from optimize.storage.options import StorageOptions
from optimize.storage.url import StorageUrl

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

# 이 프로젝트의 스키마 잠금. 데이터베이스마다 따로이며 값은 임의로 정한 것이다.
ADVISORY_LOCK = 0x6274_7769_7A61
# 남이 만드는 동안 기다리는 초(SQLite의 파일 잠금과 같다). 바쁜 컴퓨터에서는 Optuna를 읽는 데만 10초가 넘기도 한다.
_SCHEMA_WAIT_S = 60


def ensure_schema(engine: Engine, url: StorageUrl, options: StorageOptions) -> str:
    """없는 테이블과 색인을 만들고 Optuna의 schema revision을 돌려준다.

    StorageError: 이 Optuna로 열 수 없는 revision이거나, 만들 권한이 없다(드라이버 오류 그대로).
    """
    state = _inspect(engine)
    if not state.complete:
        with _schema_lock(engine, url, options):
            state = _inspect(engine)
            if state.foreign:
                raise StorageError(
                    "같은 이름의 다른 테이블이 이미 있습니다",
                    f"{url.masked}: studies 테이블이 Optuna의 것이 아닙니다",
                    "다른 데이터베이스를 씁니다: CREATE DATABASE optuna2",
                )
            if not state.revision:
                if _is_known_optuna() and not state.tables & tables.optuna.tables.keys():
                    _create_known_schema(engine)
                else:
                    create_optuna_schema(url, options)
                state = _inspect(engine)
            _create_wizard_schema(engine, state)
    if state.revision != tables.SUPPORTED_REVISION:
        _require_compatible(url, options, state.revision)
    return state.revision


def _is_known_optuna() -> bool:
    try:
        return installed_revisions().head == tables.SUPPORTED_REVISION
    except RuntimeError:
        # 짜임이 바뀐 Optuna다: 스스로 만들게 한다.
        return False


def _create_known_schema(engine: Engine) -> None:
    """빈 데이터베이스에 `tables`가 아는 revision의 테이블을. 잠금 아래에서 부른다."""
    with writing(engine) as connection:
        tables.optuna.create_all(connection)
        connection.execute(
            sa.insert(tables.version_info).values(
                version_info_id=1,
                schema_version=tables.SCHEMA_VERSION,
                library_version=version("optuna"),
            )
        )
        connection.execute(
            sa.insert(tables.alembic_version).values(version_num=tables.SUPPORTED_REVISION)
        )


def create_optuna_schema(url: StorageUrl, options: StorageOptions) -> None:
    """Optuna의 테이블을 만든다. 여럿이 함께 부르지 않는다(잠금 아래에서)."""
    storage = open_rdb_storage(url, options)
    storage.engine.dispose()


def open_rdb_storage(url: StorageUrl, options: StorageOptions) -> RDBStorage:
    """같은 설정의 Optuna `RDBStorage`. 연결을 쓰고 바로 닫으므로 풀이 작아도 막히지 않는다."""
    from optuna.storages import RDBStorage

    kwargs = engine_kwargs(url, options)
    for name in ("pool_size", "max_overflow", "pool_timeout", "pool_recycle", "pool_pre_ping"):
        kwargs.pop(name, None)
    return RDBStorage(
        url.secret,
        engine_kwargs={**kwargs, "poolclass": NullPool},
        skip_compatibility_check=True,
    )


class _State:
    """데이터베이스에 지금 있는 것."""

    def __init__(self, connection: Connection) -> None:
        inspector = sa.inspect(connection)
        self.tables = frozenset(inspector.get_table_names())
        self.revision = ""
        self.indexes: frozenset[str | None] = frozenset()
        self.foreign = "studies" in self.tables and "study_name" not in {
            column["name"] for column in inspector.get_columns("studies")
        }
        if {"alembic_version", "trials"} <= self.tables:
            self.revision = connection.scalar(sa.select(tables.alembic_version.c.version_num)) or ""
            self.indexes = frozenset(item["name"] for item in inspector.get_indexes("trials"))

    @property
    def complete(self) -> bool:
        wanted = {table.name for table in tables.WIZARD_TABLES}
        indexes = {tables.NUMBER_INDEX, tables.UNFINISHED_INDEX}
        return bool(self.revision) and wanted <= self.tables and indexes <= self.indexes


def _inspect(engine: Engine) -> _State:
    with engine.connect() as connection:
        return _State(connection)


@contextmanager
def _schema_lock(engine: Engine, url: StorageUrl, options: StorageOptions) -> Iterator[None]:
    if url.path is not None:
        with sqlite_lock(url.path, options):
            yield
        return
    # 풀의 연결을 잡고 있지 않게 따로 연다: pool_size=1이어도 막히지 않는다.
    locker = sa.create_engine(
        engine.url, poolclass=NullPool, connect_args=engine_kwargs(url, options)["connect_args"]
    )
    with locker.connect() as connection, connection.begin():
        # 잠근 쪽도 곧 끝낼 우리의 것이다: lock_timeout(남의 잠금에 쓰는 한도)으로 포기하지 않는다.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_SCHEMA_WAIT_S}s'")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        yield


def _create_wizard_schema(engine: Engine, state: _State) -> None:
    with writing(engine) as connection:
        tables.wizard.create_all(connection, tables=list(tables.WIZARD_TABLES))
        if not {tables.NUMBER_INDEX, tables.UNFINISHED_INDEX} <= state.indexes:
            connection.exec_driver_sql(
                f"CREATE INDEX IF NOT EXISTS {tables.NUMBER_INDEX} ON trials (study_id, number)"
            )
            connection.exec_driver_sql(
                f"CREATE INDEX IF NOT EXISTS {tables.UNFINISHED_INDEX} ON trials (study_id) "
                f"WHERE {tables.IS_UNFINISHED}"
            )


def _require_compatible(url: StorageUrl, options: StorageOptions, revision: str) -> None:
    """아는 revision이 아니면 설치된 Optuna의 것이어야 한다(그러면 Optuna의 API로 쓴다)."""
    storage = open_rdb_storage(url, options)
    try:
        head, known = storage.get_head_version(), storage.get_all_versions()
    finally:
        storage.engine.dispose()
    if revision == head:
        return
    if revision in known:
        raise StorageError(
            "저장소의 스키마가 옛 Optuna의 것입니다",
            f"{url.masked}: {revision}인데 지금 Optuna는 {head}입니다",
            f"올립니다(SQLite는 먼저 백업합니다): {same_check(url)} --fix upgrade_schema",
        )
    raise StorageError(
        "저장소의 스키마가 더 새로운 Optuna의 것입니다",
        f"{url.masked}: {revision}을(를) 지금 Optuna({head})가 모릅니다",
        "pip install -U optuna",
    )
