"""우리가 만드는 Optuna의 테이블이 Optuna가 만드는 것과 같다: 열·제약·색인·enum·판의 기록까지."""

from __future__ import annotations

import glob
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from store_kit import OPTIONS, OpenStore

from optimize.storage import tables
from optimize.storage.schema import create_optuna_schema
from optimize.storage.url import StorageUrl


def _described(connection: sa.Connection) -> dict[str, Any]:
    """테이블마다 순서에 매이지 않게 적은 모양과, 판의 기록."""
    seen = sa.inspect(connection)
    found: dict[str, Any] = {
        name: {
            "columns": [
                {key: str(value) for key, value in column.items()}
                for column in seen.get_columns(name)
            ],
            "primary": seen.get_pk_constraint(name),
            "foreign": _sorted(seen.get_foreign_keys(name)),
            "unique": _sorted(seen.get_unique_constraints(name)),
            "checks": _sorted(seen.get_check_constraints(name)),
            "indexes": _sorted(
                index for index in seen.get_indexes(name) if "wizard" not in str(index["name"])
            ),
        }
        for name in tables.optuna.tables
    }
    if connection.dialect.name == "postgresql":
        enums = "SELECT typname, enumlabel FROM pg_enum JOIN pg_type t ON t.oid = enumtypid ORDER BY typname, enumsortorder"
        found["enums"] = [tuple(row) for row in connection.execute(sa.text(enums))]
    for table in (tables.version_info, tables.alembic_version):
        found[f"rows of {table.name}"] = [tuple(row) for row in connection.execute(table.select())]
    return found


def _sorted(items: Any) -> list[str]:
    return sorted(repr(sorted(item.items())) for item in items)


def _empty(engine: sa.Engine, url: StorageUrl) -> None:
    engine.dispose()
    if url.path is not None:
        for path in url.path.parent.glob(f"{glob.escape(url.path.name)}*"):
            path.unlink()
        return
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")


def test_ours_is_what_optuna_makes(storage_url: StorageUrl, open_store: OpenStore) -> None:
    """새 Optuna가 스키마를 바꾸거나 우리 선언이 어긋나면 실패한다."""
    engine = open_store().engine
    with engine.connect() as connection:
        ours = _described(connection)
    _empty(engine, storage_url)
    create_optuna_schema(storage_url, OPTIONS)
    with engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) == tables.optuna.tables.keys()
        assert _described(connection) == ours


def test_optuna_is_not_imported_to_make_it(tmp_path: Path) -> None:
    """빈 저장소를 여는 프로세스가 ORM과 alembic을 읽지 않는다(켜지는 CPU 0.25초)."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from optimize.storage.options import StorageOptions\n"
        "from optimize.storage.store import TrialStore\n"
        "from optimize.storage.url import sqlite_url\n"
        "TrialStore.open(sqlite_url(Path(sys.argv[1])), StorageOptions(), 's', ['maximize'], {}, {})\n"
        "print(sorted({'alembic', 'sqlalchemy.orm'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "new.db")],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
