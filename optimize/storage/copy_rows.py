"""복사할 행들을 읽고 지문을 낸다. 시행 한 개의 모든 행(파라미터·값·중간 값·속성)이 지문 하나가 된다.

행의 첫 칸 seq는 스터디 안의 차례(번호순, 0부터)다: 원본과 대상의 trial_id는 다르므로 이것으로 잇는다.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optimize.storage import tables as t

BATCH = 1000
NOTE_ATTRIBUTE = "wizard_note"
NOTE = json.dumps("복사할 때 RUNNING이어서 FAIL로 바꾼 시행")
Row = tuple[Any, ...]
TRIALS = "trials"
TRIAL_COLUMNS = ("number", "state", "datetime_start", "datetime_complete")
# 곁 테이블과 복사할 칸들(trial_id는 빼고).
CHILDREN: dict[str, tuple[sa.Table, tuple[str, ...]]] = {
    "params": (t.trial_params, ("param_name", "param_value", "distribution_json")),
    "values": (t.trial_values, ("objective", "value", "value_type")),
    "steps": (
        t.trial_intermediate_values,
        ("step", "intermediate_value", "intermediate_value_type"),
    ),
    "user": (t.trial_user_attributes, ("key", "value_json")),
    "system": (t.trial_system_attributes, ("key", "value_json")),
    "stored": (t.stored, ("uid", "params_hash")),
}


@dataclass(frozen=True, slots=True)
class Transform:
    """옮기며 바꾸는 것. zone: 옛 Optuna가 적은 현지 시각의 시간대(None이면 이미 UTC)."""

    zone: ZoneInfo | None = None
    fail_running: bool = True

    def moment(self, stored: datetime | None) -> datetime | None:
        if stored is None or self.zone is None:
            return stored
        return stored.replace(tzinfo=self.zone).astimezone(UTC).replace(tzinfo=None)


AS_IS = Transform(fail_running=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """이어진 시행들. rows: 이름(`trials`와 CHILDREN의 열쇠) → 행들. digests: seq 차례의 지문들."""

    first: int
    rows: dict[str, list[Row]]
    digests: list[bytes]

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"".join(self.digests)).hexdigest()


def trial_heads(connection: Connection, study_id: int) -> list[tuple[int, Row]]:
    """스터디의 모든 시행의 (trial_id, (번호, 상태, 시작, 끝)), 번호순."""
    c = t.trials.c
    query = (
        sa.select(c.trial_id, *(c[name] for name in TRIAL_COLUMNS))
        .where(c.study_id == study_id)
        .order_by(c.number, c.trial_id)
    )
    return [(row[0], tuple(row[1:])) for row in connection.execute(query)]


def batches(
    connection: Connection,
    heads: Sequence[tuple[int, Row]],
    transform: Transform,
    *,
    with_stored: bool,
) -> Iterator[Batch]:
    """시행들을 BATCH개씩 읽는다. with_stored: 우리 테이블(uid)이 있는가."""
    for first in range(0, len(heads), BATCH):
        yield _read(connection, heads[first : first + BATCH], first, transform, with_stored)


def _read(
    connection: Connection,
    heads: Sequence[tuple[int, Row]],
    first: int,
    transform: Transform,
    with_stored: bool,
) -> Batch:
    seqs = {trial_id: first + index for index, (trial_id, _) in enumerate(heads)}
    rows: dict[str, list[Row]] = {TRIALS: []}
    notes: list[Row] = []
    for trial_id, (number, state, start, complete) in heads:
        started, ended = transform.moment(start), transform.moment(complete)
        if state == "RUNNING" and transform.fail_running:
            state, ended = "FAIL", started
            notes.append((seqs[trial_id], NOTE_ATTRIBUTE, NOTE))
        rows[TRIALS].append((seqs[trial_id], number, state, started, ended))
    for name, (table, columns) in CHILDREN.items():
        if name == "stored" and not with_stored:
            rows[name] = []
            continue
        query = sa.select(table.c.trial_id, *(table.c[column] for column in columns)).where(
            table.c.trial_id.in_(list(seqs))
        )
        if name != "stored":  # 파라미터와 속성의 차례를 지킨다
            query = query.order_by(*table.primary_key.columns)
        rows[name] = [(seqs[row[0]], *row[1:]) for row in connection.execute(query)]
    noted = {row[0] for row in rows["user"] if row[1] == NOTE_ATTRIBUTE}
    rows["user"] += [note for note in notes if note[0] not in noted]
    return Batch(first, rows, _digests(rows))


def _digests(rows: dict[str, list[Row]]) -> list[bytes]:
    lines: dict[int, list[str]] = defaultdict(list)
    for name, items in rows.items():
        for row in items:
            lines[row[0]].append(f"{name}{row[1:]!r}")
    return [
        hashlib.sha256("\n".join(sorted(lines[seq])).encode("utf-8", "surrogatepass")).digest()
        for seq in sorted(lines)
    ]
