"""스터디마다의 최선을 SQL로 찾는다. SQLAlchemy 없이도 쓴다(`dbapi.Rows`).

대개는 trial_id의 구간에서 추려 정하고(`census_likely`), 그렇게 정할 수 없는 스터디(남과 섞여 있거나
같은 값이 많은 것)만 시행과 값을 이어 훑는다.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimize.storage.census_heads import Head
from optimize.storage.census_likely import likely_bests, ways_to_list
from optimize.storage.census_sql import constraint_texts, feasible, is_violated, value_of, where
from optimize.storage.dbapi import Rows

# trial_id의 구간이 시행 수의 이 배보다 넓으면 남의 것과 섞인 것으로 보고 추리지 않는다.
_SPARSE = 4


def find_bests(
    db: Rows, heads: Sequence[Head], scope: Sequence[int] | None
) -> dict[int, tuple[float, int]]:
    """한 목표의 스터디마다 제약을 만족하는 최선의 (값, 번호). 같은 값이면 먼저 나온 것.

    scope: heads를 센 범위(None이면 모두).
    """
    counted = {head.study_id: head for head in heads if head.complete}
    maximize = {
        study_id: direction == "MAXIMIZE"
        for study_id, direction, count in db(
            "SELECT study_id, max(direction), count(*) FROM study_directions GROUP BY study_id"
        )
        if count == 1 and study_id in counted
    }
    gathered = [counted[key] for key in maximize if _is_gathered(counted[key])]
    ways = ways_to_list(db, list(counted.values()))
    constrained = ways[-1].bounded  # 제약을 쓰면 마지막 길은 늘 이것이다
    found, unsure = likely_bests(db, gathered, maximize, ways)
    unsure |= maximize.keys() - {head.study_id for head in gathered}
    if unsure:
        rows = sum(counted[key].rows for key in unsure)
        narrow = scope is not None or rows < sum(head.rows for head in heads) / 4
        again = {key: maximize[key] for key in unsure}
        found |= _exact(db, again, sorted(unsure) if narrow else None, constrained=constrained)
    return found


def _is_gathered(head: Head) -> bool:
    return head.last - head.first < _SPARSE * head.rows


def _exact(
    db: Rows, maximize: Mapping[int, bool], scope: Sequence[int] | None, *, constrained: bool
) -> dict[int, tuple[float, int]]:
    """시행과 값을 이어 훑는다. constrained: 제약을 쓰는 것으로 보인다.

    제약을 쓰지 않으면 제약의 테이블을 훑지 않는다: 최선을 먼저 찾고 그 시행의 제약만 읽어 본다.
    """
    found: dict[int, tuple[float, int, int]] = {}
    again = maximize
    if not constrained:
        found = _top(db, maximize, scope, constrained=False)
        texts = constraint_texts(db, [trial_id for _, _, trial_id in found.values()])
        violated = {key for key, (*_, trial_id) in found.items() if is_violated(texts[trial_id])}
        found = {key: place for key, place in found.items() if key not in violated}
        again = {key: maximize[key] for key in violated}
        scope = sorted(again)
    found |= _top(db, again, scope, constrained=True)
    return {key: (value, number) for key, (value, number, _) in found.items()}


def _top(
    db: Rows, maximize: Mapping[int, bool], scope: Sequence[int] | None, *, constrained: bool
) -> dict[int, tuple[float, int, int]]:
    """스터디 → 최선의 (값, 번호, trial_id). constrained: 제약을 어긴 시행을 뺀다."""
    if not maximize:
        return {}
    number = value_of(db)
    plain = f"v.objective = 0 AND t.state = 'COMPLETE'{where(scope, ' AND')}"
    gathered = feasible(db, "t", gather=scope is None) if constrained else ""
    looked_up = feasible(db, "t", gather=False) if constrained else ""
    extremes = db(
        f"SELECT t.study_id, max({number}), min({number})"  # noqa: S608
        f" FROM trial_values v JOIN trials t ON t.trial_id = v.trial_id WHERE {plain}{gathered}"
        " GROUP BY t.study_id"
    )
    best = {key: high if maximize[key] else low for key, high, low in extremes if key in maximize}
    if not best:
        return {}
    pairs = ", ".join(f"({key}, {_literal(db, value)})" for key, value in best.items())
    first = (
        "(min(ARRAY[t.number, t.trial_id]))[1], (min(ARRAY[t.number, t.trial_id]))[2]"
        if db.backend == "postgresql"
        # SQLite는 min이 하나뿐이면 나머지 칸을 그 행에서 가져온다(문서에 적힌 약속).
        else "min(t.number), t.trial_id"
    )
    # 최선의 값들과 같은 값을 먼저 거르면 남는 행이 적어 나머지는 색인으로 찾는다.
    rows = db(
        f"WITH best(study_id, value) AS (VALUES {pairs}), v AS MATERIALIZED"  # noqa: S608
        f" (SELECT v.trial_id, v.objective, {number} AS value FROM trial_values v"
        f" WHERE v.objective = 0 AND {number} IN (SELECT value FROM best))"
        f" SELECT t.study_id, {first} FROM v CROSS JOIN trials t WHERE t.trial_id = v.trial_id"
        f" AND {plain} AND (t.study_id, v.value) IN (SELECT study_id, value FROM best)"
        f"{looked_up} GROUP BY t.study_id"
    )
    return {key: (best[key], number, trial_id) for key, number, trial_id in rows}


def _literal(db: Rows, value: float) -> str:
    if db.backend == "postgresql":
        return f"'{float(value)!r}'::float8"
    return {float("inf"): "9e999", float("-inf"): "-9e999"}.get(value, repr(float(value)))
