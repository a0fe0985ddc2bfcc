"""스터디의 요약 `wizard_summaries`: 목록이 시행을 훑지 않게 한다.

요약은 (total, unfinished)가 지금과 같을 때만 맞다고 본다: 시행은 지워지지 않고, 끝난 시행은
바뀌지 않으며, 새로 생기면 total이, 끝나면 unfinished가 바뀌기 때문이다.
다른 도구가 바꾼 스터디는 다음에 읽을 때 집계로 다시 만든다.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optimize.storage import tables as t
from optimize.storage.census import Summary, count_studies, utc
from optimize.storage.dbapi import Rows
from optimize.storage.url import Backend
from optimize.trial import FinishedTrial


def add_to_summary(
    connection: Connection,
    study_id: int,
    fresh: Sequence[FinishedTrial],
    first: int,
    maximize: bool | None,
) -> None:
    """넣은 시행들을 요약에 더한다. 요약이 이미 어긋나 있으면 그대로 둔다(읽을 때 다시 만든다)."""
    s = t.summaries.c
    states = [trial.state for trial in fresh]
    last = max(trial.finished_at for trial in fresh).astimezone(UTC).replace(tzinfo=None)
    changes: dict[str, Any] = {
        "total": s.total + len(fresh),
        "n_complete": s.n_complete + states.count("COMPLETE"),
        "n_pruned": s.n_pruned + states.count("PRUNED"),
        "n_failed": s.n_failed + states.count("FAIL"),
        "last_activity": sa.case(
            (sa.or_(s.last_activity.is_(None), s.last_activity < last), last),
            else_=s.last_activity,
        ),
    }
    best = _best(fresh, first, maximize)
    if best is not None:
        value, number = best
        ahead = s.best_value < value if maximize else s.best_value > value
        better = sa.or_(s.best_value.is_(None), ahead)
        changes["best_value"] = sa.case((better, value), else_=s.best_value)
        changes["best_number"] = sa.case((better, number), else_=s.best_number)
    connection.execute(
        sa.update(t.summaries).where(s.study_id == study_id, s.total == first).values(changes)
    )


def _best(
    fresh: Sequence[FinishedTrial], first: int, maximize: bool | None
) -> tuple[float, int] | None:
    if maximize is None:
        return None
    scored = [
        (trial.values[0], first + index) for index, trial in enumerate(fresh) if trial.feasible
    ]
    pick = max if maximize else min
    # 같은 값이면 먼저 나온 것.
    return pick(scored, key=lambda item: item[0]) if scored else None


def signature(connection: Connection, study_id: int) -> tuple[int, int]:
    """한 스터디의 지금의 (total, unfinished)."""
    tr = t.trials.c
    last = connection.scalar(sa.select(sa.func.max(tr.number)).where(tr.study_id == study_id))
    unfinished = connection.scalar(
        sa.select(sa.func.count()).where(tr.study_id == study_id, sa.text(t.IS_UNFINISHED))
    )
    return (0 if last is None else last + 1, unfinished or 0)


def read_summaries(connection: Connection, study_id: int | None = None) -> dict[int, Summary]:
    """저장된 요약(study_id가 None이면 전부). 맞는지는 `signature`와 견준다."""
    columns = [c for c in t.summaries.c if c.name != "study_id"]
    query = sa.select(t.summaries.c.study_id, *columns)
    if study_id is not None:
        query = query.where(t.summaries.c.study_id == study_id)
    return {found: stored_summary(*values) for found, *values in connection.execute(query)}


def compute_summaries(connection: Connection, study_ids: Sequence[int]) -> dict[int, Summary]:
    """시행을 세어 요약을 만든다. 스터디가 많아도 문장 수는 같다."""
    backend: Backend = "postgresql" if connection.dialect.name == "postgresql" else "sqlite"

    def run(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]

    return count_studies(Rows(backend, run), study_ids)


def write_summaries(connection: Connection, found: dict[int, Summary]) -> None:
    """요약을 갈아 넣는다."""
    if not found:
        return
    connection.execute(sa.delete(t.summaries).where(t.summaries.c.study_id.in_(list(found))))
    connection.execute(
        sa.insert(t.summaries),
        [
            {
                "study_id": study_id,
                "total": s.total,
                "unfinished": s.unfinished,
                "n_complete": s.n_complete,
                "n_pruned": s.n_pruned,
                "n_failed": s.n_failed,
                "best_value": s.best_value,
                "best_number": s.best_number,
                "last_activity": s.last_activity and s.last_activity.replace(tzinfo=None),
            }
            for study_id, s in found.items()
        ],
    )


def stored_summary(*values: Any) -> Summary:
    """`wizard_summaries`의 칸들(study_id 뒤, 차례대로)로."""
    stored = Summary(*values)
    return replace(stored, last_activity=utc(stored.last_activity))
