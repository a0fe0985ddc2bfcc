"""스터디의 요약 `wizard_summaries`: 목록이 시행을 훑지 않게 한다.

요약은 (total, unfinished)가 지금과 같을 때만 맞다고 본다: 시행은 지워지지 않고, 끝난 시행은
바뀌지 않으며, 새로 생기면 total이, 끝나면 unfinished가 바뀌기 때문이다.
다른 도구가 바꾼 스터디는 다음에 읽을 때 집계로 다시 만든다.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optimize.storage import tables as t
from optimize.trial import FinishedTrial

# 제약 JSON에 0보다 큰 값이나 NaN이 있는가. 값은 Python json의 글이라 0이 아닌 수는 1-9를 담는다.
_VIOLATED = r"(^|[\[,])\s*(Infinity|NaN|[0-9.]*[1-9])"


@dataclass(frozen=True, slots=True)
class Summary:
    """한 스터디의 집계. best_*는 제약을 만족하는 한 목표 스터디의 최선. last_activity: UTC."""

    total: int = 0
    unfinished: int = 0
    n_complete: int = 0
    n_pruned: int = 0
    n_failed: int = 0
    best_value: float | None = None
    best_number: int | None = None
    last_activity: datetime | None = None


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
    """집계 세 문장으로 요약을 만든다. 스터디가 많아도 문장 수는 같다."""
    if not study_ids:
        return {}
    tr = t.trials.c
    scope = tr.study_id.in_(study_ids)
    count = sa.func.count()
    groups = connection.execute(
        sa.select(
            tr.study_id,
            tr.state,
            count,
            sa.func.max(tr.number),
            sa.func.max(sa.func.coalesce(tr.datetime_complete, tr.datetime_start)),
        )
        .where(scope)
        .group_by(tr.study_id, tr.state)
    ).all()
    bests = _feasible_bests(connection, scope)
    by_study: dict[int, list[Any]] = defaultdict(list)
    for row in groups:
        by_study[row[0]].append(row)
    found: dict[int, Summary] = {}
    for study_id in study_ids:
        rows = by_study[study_id]
        by_state: dict[str, int] = {row[1]: row[2] for row in rows}
        value, number = bests.get(study_id, (None, None))
        found[study_id] = Summary(
            total=max((row[3] for row in rows), default=-1) + 1,
            unfinished=sum(by_state.get(state, 0) for state in t.UNFINISHED),
            n_complete=by_state.get("COMPLETE", 0),
            n_pruned=by_state.get("PRUNED", 0),
            n_failed=by_state.get("FAIL", 0),
            best_value=value,
            best_number=number,
            last_activity=_utc(max((row[4] for row in rows if row[4]), default=None)),
        )
    return found


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


def _feasible_bests(
    connection: Connection, scope: sa.ColumnElement[bool]
) -> dict[int, tuple[float, int]]:
    """한 목표의 스터디마다 제약을 만족하는 최선의 (값, 번호)."""
    tr, v, a, d = t.trials.c, t.trial_values.c, t.trial_system_attributes.c, t.study_directions.c
    single = (
        sa.select(d.study_id, sa.func.max(d.direction).label("direction"))
        .group_by(d.study_id)
        .having(sa.func.count() == 1)
        .subquery()
    )
    violated = (
        sa.select(a.trial_id)
        .where(a.trial_id == tr.trial_id)
        .where(sa.or_(a.key == "constraints", a.key.like("constraints:%")))
        .where(a.value_json.regexp_match(_VIOLATED))
        .exists()
    )
    number = sa.case(
        (v.value_type == "INF_POS", float("inf")),
        (v.value_type == "INF_NEG", float("-inf")),
        else_=v.value,
    )
    signed = sa.case((single.c.direction == "MAXIMIZE", number), else_=-number)
    rank = sa.func.row_number().over(
        partition_by=tr.study_id, order_by=(signed.desc(), tr.number.asc())
    )
    ranked = (
        sa.select(tr.study_id, number.label("value"), tr.number.label("number"), rank.label("rank"))
        .join(t.trial_values, sa.and_(v.trial_id == tr.trial_id, v.objective == 0))
        .join(single, single.c.study_id == tr.study_id)
        .where(scope, tr.state == "COMPLETE", ~violated)
        .subquery()
    )
    rows = connection.execute(
        sa.select(ranked.c.study_id, ranked.c.value, ranked.c.number).where(ranked.c.rank == 1)
    )
    return {study_id: (value, best) for study_id, value, best in rows}


def stored_summary(*values: Any) -> Summary:
    """`wizard_summaries`의 칸들(study_id 뒤, 차례대로)로."""
    stored = Summary(*values)
    return replace(stored, last_activity=_utc(stored.last_activity))


def _utc(stored: datetime | None) -> datetime | None:
    return stored.replace(tzinfo=UTC) if stored is not None else None
