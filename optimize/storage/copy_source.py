"""복사의 원본 열기: 바꾸지 않고 읽는다. 옛 스키마의 SQLite 파일은 사본을 올려서 읽는다.

WAL이 아닌 SQLite 파일(다른 도구의 것)도 사본을 읽는다: 읽는 동안은 쓸 수 없는 파일이라, 복사하는 내내 열어 두면
그 파일에 쓰던 최적화가 `database is locked`로 죽는다(Optuna는 5초만 기다린다).
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optimize.errors import SettingsError, StorageError
from optimize.storage import tables as t
from optimize.storage.dbapi import is_wal, open_readonly
from optimize.storage.engine import reading
from optimize.storage.options import StorageOptions
from optimize.storage.url import StorageUrl, sqlite_url

_FIRST_UTC_MAJOR = 5


@dataclass(frozen=True, slots=True)
class SourceStudy:
    """원본의 스터디 하나. states: 상태 → 수."""

    study_id: int
    name: str
    directions: tuple[str, ...]
    states: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Source:
    """열린 원본. connection은 한 순간의 모습만 본다. library: 만든 Optuna의 판(`4.2.1`), 모르면 빈 글."""

    connection: Connection
    url: StorageUrl
    library: str
    revision: str
    upgraded: bool
    has_stored: bool

    @property
    def local_times(self) -> bool:
        """시각이 UTC가 아니라 그 컴퓨터의 현지 시각인가(Optuna 4까지)."""
        major = self.library.split(".")[0]
        return not (major.isdigit() and int(major) >= _FIRST_UTC_MAJOR)

    def studies(self) -> list[SourceStudy]:
        """모든 스터디, 만들어진 차례로."""
        s, d, r = t.studies.c, t.study_directions.c, t.trials.c
        names = self.connection.execute(
            sa.select(s.study_id, s.study_name).order_by(s.study_id)
        ).all()
        directions: dict[int, list[str]] = {}
        for study_id, direction in self.connection.execute(
            sa.select(d.study_id, d.direction).order_by(d.study_id, d.objective)
        ):
            directions.setdefault(study_id, []).append(direction)
        states: dict[int, dict[str, int]] = {}
        for study_id, state, count in self.connection.execute(
            sa.select(r.study_id, r.state, sa.func.count()).group_by(r.study_id, r.state)
        ):
            states.setdefault(study_id, {})[state] = count
        return [
            SourceStudy(key, name, tuple(directions.get(key, ())), states.get(key, {}))
            for key, name in names
        ]


@contextmanager
def open_source(url: StorageUrl, options: StorageOptions) -> Iterator[Source]:
    """원본을 연다. 옛 스키마면 SQLite는 임시 사본을 올리고, PostgreSQL은 StorageError다."""
    if url.path is not None and not url.path.exists():
        raise StorageError(
            "원본 SQLite 파일이 없습니다", str(url.path), "--from 의 경로를 확인하세요"
        )
    with tempfile.TemporaryDirectory(prefix="backtest-wizard-copy-") as scratch:
        revision, library = _version(url, options)
        upgraded = revision != t.SUPPORTED_REVISION
        opened = url
        if upgraded:
            opened = _upgraded_copy(url, options, Path(scratch), revision)
        elif url.path is not None and not is_wal(url.path):
            opened = _scratch_copy(url.path, options, Path(scratch))
        with reading(opened, options) as connection:
            _begin_snapshot(connection)
            names = set(sa.inspect(connection).get_table_names())
            yield Source(connection, url, library, revision, upgraded, t.stored.name in names)


def source_zone(source: Source, name: str | None) -> ZoneInfo | None:
    """시각을 옮길 시간대. Optuna 5의 것이면 None. 옛 것인데 정하지 않았거나 틀린 이름이면 SettingsError."""
    zone = None if name is None else _zone(name)
    if not source.local_times:
        return None
    if zone is None:
        raise SettingsError(
            "원본의 시간대를 알려 주세요",
            f"Optuna {source.library or '4 이하'}이(가) 시각을 그 컴퓨터의 현지 시각으로 적었습니다. "
            "그대로 옮기면 한국의 기록은 9시간 어긋납니다",
            "--source-timezone Asia/Seoul 을 붙이세요(UTC로 적었다면 --source-timezone UTC)",
        )
    return zone


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            "모르는 시간대입니다", f"받은 것: {name}", "예: --source-timezone Asia/Seoul"
        ) from None


def _begin_snapshot(connection: Connection) -> None:
    """끝까지 한 순간의 모습을 본다: 실행 중인 스터디를 복사해도 앞뒤가 맞는다."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="REPEATABLE READ")
        connection.execute(sa.select(1))
    else:
        connection.exec_driver_sql("BEGIN")


def _version(url: StorageUrl, options: StorageOptions) -> tuple[str, str]:
    """(schema revision, Optuna의 판). Optuna의 저장소가 아니면 StorageError."""
    with reading(url, options) as connection:
        names = set(sa.inspect(connection).get_table_names())
        if not {"studies", "trials"} <= names:
            raise StorageError(
                "원본에 Optuna의 스터디가 없습니다", url.masked, "--from 을 확인하세요"
            )
        revision = library = ""
        if "alembic_version" in names:
            revision = connection.scalar(sa.select(t.alembic_version.c.version_num)) or ""
        if "version_info" in names:
            library = connection.scalar(sa.text("SELECT library_version FROM version_info")) or ""
        return revision, library


def _upgraded_copy(
    url: StorageUrl, options: StorageOptions, scratch: Path, revision: str
) -> StorageUrl:
    from optimize.storage.check_revision import installed_revisions, upgrade_quietly
    from optimize.storage.schema import open_rdb_storage

    if revision and revision not in installed_revisions().known:
        raise StorageError(
            "원본의 스키마가 더 새로운 Optuna의 것입니다", revision, "pip install -U optuna"
        )
    if url.path is None:
        raise StorageError(
            "원본 PostgreSQL의 스키마가 옛 Optuna의 것입니다",
            f"{url.masked}: {revision or '기록 없음'}. 원본은 건드리지 않습니다",
            "백업(pg_dump)한 뒤 원본을 올리세요: "
            "python -m optimize.storage check --storage-url 원본 --fix upgrade_schema",
        )
    copied = _scratch_copy(url.path, options, scratch)
    storage = open_rdb_storage(copied, options)
    try:
        upgrade_quietly(storage)
    finally:
        storage.engine.dispose()
    return copied


def _scratch_copy(path: Path, options: StorageOptions, scratch: Path) -> StorageUrl:
    """한 순간의 모습의 사본. 100 MB에 0.2초쯤만 잠근다."""
    copy = scratch / "copy.db"
    with (
        closing(open_readonly(path, options.sqlite_timeout)) as old,
        closing(sqlite3.connect(copy)) as new,
    ):
        old.backup(new)
    return sqlite_url(copy)
