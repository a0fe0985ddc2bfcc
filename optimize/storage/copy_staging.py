"""대상에 복사 중인 시행을 모아 두는 임시 테이블 `wizard_copy_<id>_*`.

묶음마다 commit하므로 kill -9 뒤에 이어서 하고, 마지막 한 트랜잭션이 Optuna의 테이블로 옮기고
임시 테이블을 지운다: 그 전에는 누구에게도 스터디가 보이지 않는다.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from optimize.storage import tables as t
from optimize.storage.copy_rows import CHILDREN, TRIAL_COLUMNS, TRIALS, Batch, Row
from optimize.storage.engine import writing

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Staging:
    """복사 하나의 임시 테이블들. copy_id: 원본과 이름에서 나온 16진수."""

    def __init__(self, engine: Engine, copy_id: str) -> None:
        self._engine = engine
        metadata = sa.MetaData()
        prefix = f"wizard_copy_{copy_id}_"
        self._batches = sa.Table(
            f"{prefix}batches",
            metadata,
            sa.Column("first", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("digest", sa.String(64), nullable=False),
        )
        self._tables = {
            TRIALS: sa.Table(
                f"{prefix}{TRIALS}",
                metadata,
                sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
                *(_plain(t.trials.c[name]) for name in TRIAL_COLUMNS),
                sa.Column("trial_id", sa.Integer),
            )
        }
        for name, (table, columns) in CHILDREN.items():
            self._tables[name] = sa.Table(
                f"{prefix}{name}",
                metadata,
                sa.Column("seq", sa.Integer, nullable=False),
                sa.Column("position", sa.Integer, nullable=False),
                *(_plain(table.c[column]) for column in columns),
            )
        self._metadata = metadata

    def prepare(self) -> dict[int, str]:
        """테이블을 만들고(있으면 그대로), 이미 옮긴 묶음의 지문을 준다."""
        with writing(self._engine) as connection:
            self._metadata.create_all(connection)
            columns = self._batches.c
            found = connection.execute(sa.select(columns.first, columns.digest))
            return dict(found.all())

    def drop(self) -> None:
        """복사를 버린다."""
        with writing(self._engine) as connection:
            self._metadata.drop_all(connection)

    def write(self, batch: Batch, *, replace: bool) -> None:
        """묶음 하나를 한 트랜잭션으로 넣는다. replace: 어긋난 옛 묶음을 갈아 넣는다."""
        with writing(self._engine) as connection:
            if replace:
                last = batch.first + len(batch.digests)
                for table in self._tables.values():
                    connection.execute(
                        sa.delete(table).where(table.c.seq >= batch.first, table.c.seq < last)
                    )
                connection.execute(
                    sa.delete(self._batches).where(self._batches.c.first == batch.first)
                )
            trials = self._tables[TRIALS]
            bulk_insert(connection, trials, ("seq", *TRIAL_COLUMNS), batch.rows[TRIALS])
            for name, (_, columns) in CHILDREN.items():
                rows = [
                    (row[0], position, *row[1:]) for position, row in enumerate(batch.rows[name])
                ]
                if rows:
                    names = ("seq", "position", *columns)
                    bulk_insert(connection, self._tables[name], names, rows)
            connection.execute(
                sa.insert(self._batches).values(first=batch.first, digest=batch.digest)
            )

    def publish(self, connection: Connection, study_id: int) -> None:
        """모아 둔 행을 study_id의 것으로 옮기고 임시 테이블을 지운다. 쓰는 트랜잭션 안에서 부른다."""
        staged = self._tables[TRIALS]
        self._assign_ids(connection, staged)
        values = [_typed(staged.c[name], t.trials.c[name]) for name in TRIAL_COLUMNS]
        connection.execute(
            sa.insert(t.trials).from_select(
                ["trial_id", "study_id", *TRIAL_COLUMNS],
                sa.select(staged.c.trial_id, sa.literal(study_id), *values).order_by(staged.c.seq),
            )
        )
        for name, (table, columns) in CHILDREN.items():
            child = self._tables[name]
            extra = {"study_id": sa.literal(study_id)} if "study_id" in table.c else {}
            connection.execute(
                sa.insert(table).from_select(
                    ["trial_id", *extra, *columns],
                    sa.select(
                        staged.c.trial_id,
                        *extra.values(),
                        *(_typed(child.c[column], table.c[column]) for column in columns),
                    )
                    .join_from(child, staged, staged.c.seq == child.c.seq)
                    .order_by(child.c.seq, child.c.position),
                )
            )
        self._metadata.drop_all(connection)

    def _assign_ids(self, connection: Connection, staged: sa.Table) -> None:
        """새 trial_id를 차례대로 매긴다. PostgreSQL은 sequence에서 받아 남의 것과 겹치지 않는다."""
        if connection.dialect.name == "postgresql":
            name = staged.name
            connection.exec_driver_sql(
                f"UPDATE {name} SET trial_id = ids.id FROM (SELECT seq, "  # noqa: S608 — 우리가 지은 이름
                "nextval(pg_get_serial_sequence('trials', 'trial_id')) AS id "
                f"FROM (SELECT seq FROM {name} ORDER BY seq) ordered) ids WHERE {name}.seq = ids.seq"
            )
            return
        last = connection.scalar(sa.select(sa.func.max(t.trials.c.trial_id))) or 0
        connection.execute(sa.update(staged).values(trial_id=staged.c.seq + last + 1))


def bulk_insert(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    """행들을 넣는다. psycopg2에서는 COPY로(INSERT의 몇 배 빠르다), 그 밖에는 여러 행 INSERT로."""
    if connection.dialect.driver == "psycopg2":
        raw: Any = connection.connection.driver_connection
        names = ", ".join(f'"{column}"' for column in columns)
        with raw.cursor() as cursor:
            cursor.copy_expert(f'COPY "{table.name}" ({names}) FROM STDIN', _copy_text(rows))
        return
    connection.execute(sa.insert(table), [dict(zip(columns, row, strict=True)) for row in rows])


def _copy_text(rows: Iterable[Row]) -> io.StringIO:
    return io.StringIO("".join("\t".join(map(_copy_value, row)) + "\n" for row in rows))


def _copy_value(value: Any) -> str:
    """COPY의 text 꼴. https://www.postgresql.org/docs/current/sql-copy.html"""
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return repr(value)


def _typed(column: sa.Column[Any], target: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """글로 둔 enum만 대상의 enum으로 되돌린다."""
    return sa.cast(column, target.type) if isinstance(target.type, sa.Enum) else column


def _plain(column: sa.Column[Any]) -> sa.Column[Any]:
    """enum을 글로 바꾼 같은 칸(임시 테이블은 데이터베이스의 enum에 기대지 않는다)."""
    kind = sa.String(32) if isinstance(column.type, sa.Enum) else column.type
    return sa.Column(column.name, kind)
