"""좋은 시행 몇 개만 읽기: 시행이 많아도 다 읽지 않는다. Optuna를 import하지 않는다."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optimize.storage import tables as t
from optimize.storage.reader import constraint_values, load_numbers
from optimize.trial import FinishedTrial

# 값의 차례로 볼 시행의 수. 앞의 것들이 제약을 어겼으면 다음 토막까지 본다.
_PAGES = (200, 5_000)


def leading_trials(
    connection: Connection, study_id: int, *, maximize: bool, count: int
) -> list[FinishedTrial]:
    """끝까지 간 시행 가운데 좋은 것부터 count개: 제약을 만족하는 것이 먼저, 첫 목표의 값 차례, 같으면
    먼저 나온 것.
    """
    feasible: list[int] = []
    violating: list[int] = []
    seen = 0
    for size in (*_PAGES, None):
        ordered = _ordered(connection, study_id, maximize=maximize, skip=seen, limit=size)
        violated = violated_trials(connection, [trial_id for trial_id, _ in ordered])
        for trial_id, number in ordered:
            (violating if trial_id in violated else feasible).append(number)
        seen += len(ordered)
        if len(feasible) >= count or size is None or len(ordered) < size:
            break
    numbers = [*feasible, *violating][:count]
    found = {trial.number: trial for trial in load_numbers(connection, study_id, numbers)}
    return [found[number] for number in numbers]


def _ordered(
    connection: Connection, study_id: int, *, maximize: bool, skip: int, limit: int | None
) -> Sequence[tuple[int, int]]:
    """값이 좋은 차례의 (trial_id, 번호)."""
    tr, v = t.trials.c, t.trial_values.c
    # 무한대는 값의 칸이 비어 있다: 종류로 앞뒤에 세운다.
    rank = sa.case((v.value_type == "INF_POS", 1), (v.value_type == "INF_NEG", -1), else_=0)
    keys = (rank.desc(), v.value.desc()) if maximize else (rank.asc(), v.value.asc())
    query = (
        sa.select(tr.trial_id, tr.number)
        .join(t.trial_values, tr.trial_id == v.trial_id)
        .where(tr.study_id == study_id, tr.state == "COMPLETE", v.objective == 0)
        .order_by(*keys, tr.number)
    )
    query = query if limit is None else query.limit(limit)
    # SQLite는 LIMIT 없는 OFFSET을 모르지만 SQLAlchemy가 LIMIT -1을 붙인다.
    return [(row[0], row[1]) for row in connection.execute(query.offset(skip))]


def violated_trials(connection: Connection, trial_ids: Sequence[int]) -> set[int]:
    """제약을 어긴 시행들."""
    a = t.trial_system_attributes.c
    limits: dict[int, list[float]] = defaultdict(list)
    for start in range(0, len(trial_ids), _PAGES[-1]):
        part = trial_ids[start : start + _PAGES[-1]]
        query = sa.select(a.trial_id, a.key, a.value_json).where(a.trial_id.in_(part))
        for trial_id, key, text in connection.execute(query):
            limits[trial_id] += constraint_values(key, text)
    # NaN은 만족한 것이 아니다(`FinishedTrial.feasible`과 같다).
    return {key for key, values in limits.items() if not all(value <= 0 for value in values)}
