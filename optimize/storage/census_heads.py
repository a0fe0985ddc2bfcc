"""스터디마다의 시행을 센 한 줄(`Head`)을 SQL로 읽는다. SQLAlchemy 없이도 쓴다(`dbapi.Rows`).

PostgreSQL은 통째로 훑어 묶는다. SQLite에서 묶으면 색인과 테이블을 시행마다 오가므로, trial_id의
구간이 다른 스터디와 겹치지 않는 스터디는 그 구간을 차례로 훑는다(반의 시간). 겹치지 않는 구간의 시행은
모두 그 스터디의 것이다: 다른 스터디의 시행은 저마다의 구간 안에만 있다.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from optimize.storage.census_sql import where
from optimize.storage.dbapi import Rows

# FILTER는 SQLite 3.30부터 있다.
_COUNTS = (
    "count(*)",
    "coalesce(max(number), -1)",
    "count(*) FILTER (WHERE state = 'COMPLETE')",
    "count(*) FILTER (WHERE state = 'PRUNED')",
    "count(*) FILTER (WHERE state = 'FAIL')",
    "max(coalesce(datetime_complete, datetime_start))",
)


class Head(NamedTuple):
    """한 스터디의 시행을 센 한 줄. first·last: 가장 작은·큰 trial_id. moment: 마지막 시각."""

    study_id: int
    first: int
    last: int
    rows: int
    number: int
    complete: int
    pruned: int
    failed: int
    moment: datetime | str | None


class Span(NamedTuple):
    """한 스터디의 trial_id의 구간과 마지막 시행의 번호. study_id가 None이면 주인 없는 시행들."""

    study_id: int | None
    first: int
    last: int
    number: int


def read_heads(db: Rows, scope: Iterable[int] | None) -> list[Head]:
    """scope(None이면 모두)의 시행이 있는 스터디들."""
    spans = find_spans(db) if db.backend == "sqlite" else []
    wanted = {span.study_id for span in spans if span.study_id is not None}
    if scope is not None:
        wanted &= set(scope)
    alone = [span for span in _alone(spans) if span.study_id in wanted]
    if not alone:
        return _grouped(db, scope)
    rest = wanted - {span.study_id for span in alone}
    return _ranged(db, alone) + (_grouped(db, sorted(rest)) if rest else [])


def find_spans(db: Rows) -> list[Span]:
    """SQLite의 모든 스터디의 구간을 색인만 건너뛰며 찾는다. 그런 색인이 없으면 빈 목록."""
    (indexed,) = db(
        "SELECT count(*) FROM pragma_index_list('trials') l, pragma_index_info(l.name) c"
        " WHERE c.seqno = 0 AND c.name = 'study_id' AND NOT l.partial"
    )[0]
    return [Span(*row) for row in db(_SPANS)] if indexed else []


def _alone(spans: Sequence[Span]) -> list[Span]:
    """다른 것과 겹치지 않는 구간들."""
    found: list[Span] = []
    reached = -math.inf
    for span in sorted(spans, key=lambda item: item.first):
        if span.first > reached:
            found.append(span)
        elif found and found[-1].last >= span.first:
            found.pop()
        reached = max(reached, span.last)
    return found


def _ranged(db: Rows, spans: Sequence[Span]) -> list[Head]:
    values = ", ".join(f"({span.study_id}, {span.first}, {span.last})" for span in spans)
    # 구간마다 한 값만 받을 수 있어 글 하나로 잇는다. 비어 있을 수 있는 것은 시각뿐이고, 쉼표가 없다.
    joined = " || ',' || ".join((*_COUNTS[:-1], f"coalesce({_COUNTS[-1]}, '')"))
    rows = db(
        f"WITH r(study_id, first, last) AS (VALUES {values})"  # noqa: S608
        f" SELECT study_id, first, last, (SELECT {joined} FROM trials"
        " WHERE trial_id BETWEEN r.first AND r.last) FROM r"
    )
    heads = []
    for study_id, first, last, text in rows:
        *counts, moment = text.split(",")
        total, number, complete, pruned, failed = map(int, counts)
        heads.append(
            Head(study_id, first, last, total, number, complete, pruned, failed, moment or None)
        )
    return heads


def _grouped(db: Rows, scope: Iterable[int] | None) -> list[Head]:
    rows = db(
        f"SELECT study_id, min(trial_id), max(trial_id), {', '.join(_COUNTS)}"  # noqa: S608
        f" FROM trials t {where(scope)} GROUP BY study_id"
    )
    return [Head(*row) for row in rows if row[0] is not None]


_SPANS = """
WITH RECURSIVE ids(study_id) AS (
  SELECT min(study_id) FROM trials
  UNION ALL
  SELECT (SELECT min(t.study_id) FROM trials t WHERE t.study_id > ids.study_id)
  FROM ids WHERE ids.study_id IS NOT NULL
), spans AS MATERIALIZED (
  SELECT study_id,
    (SELECT min(t.trial_id) FROM trials t WHERE t.study_id IS ids.study_id) AS first,
    (SELECT max(t.trial_id) FROM trials t WHERE t.study_id IS ids.study_id) AS last
  FROM ids
)
SELECT study_id, first, last, coalesce((SELECT number FROM trials WHERE trial_id = last), -1)
FROM spans WHERE first IS NOT NULL
"""
