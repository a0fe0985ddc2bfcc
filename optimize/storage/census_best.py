"""스터디마다의 최선을 SQL로 찾는다. SQLAlchemy 없이도 쓴다(`dbapi.Rows`).

빠른 길: 한 스터디의 trial_id는 대개 모여 있으므로, 그 구간의 값들에서 좋은 것 몇 개를 시행을 보지 않고
추린 뒤 그것들의 스터디·상태·제약만 확인한다. 제약을 쓰면 좋은 것부터 제약을 보며 추린다.
구간에 남의 시행이 섞여도 확인이 걸러 내므로 틀리지 않는다. 추린 것으로 정할 수 없는 스터디(섞여 있거나
같은 값이 많은 것)만 시행과 값을 이어 훑는다.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from optimize.storage.dbapi import Rows

# 제약 JSON에 0보다 큰 값이나 NaN이 있는가. 값은 Python json의 글이라 0이 아닌 수는 1-9를 담는다.
_VIOLATED = r"(^|[\[,])\s*(Infinity|NaN|[0-9.]*[1-9])"
_IS_CONSTRAINT = "(a.key = 'constraints' OR substr(a.key, 1, 12) = 'constraints:')"
# 추리는 수.
_LISTED = 4
# trial_id의 구간이 시행 수의 이 배보다 넓으면 남의 것과 섞인 것으로 보고 추리지 않는다.
_SPARSE = 4


class Head(NamedTuple):
    """한 스터디의 시행을 센 한 줄. first·last: 가장 작은·큰 trial_id. moment: 마지막 시각."""

    study_id: int
    rows: int
    number: int
    first: int
    last: int
    complete: int
    pruned: int
    failed: int
    moment: datetime | str | None


class _Candidate(NamedTuple):
    trial_id: int
    study_id: int
    number: int
    state: str
    value: float | None


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
    constrained = bool(_constraints(db, [head.last for head in counted.values()]))
    found, unsure = _likely(db, gathered, maximize, constrained=constrained)
    unsure |= maximize.keys() - {head.study_id for head in gathered}
    if unsure:
        rows = sum(counted[key].rows for key in unsure)
        narrow = scope is not None or rows < sum(head.rows for head in heads) / 4
        again = {key: maximize[key] for key in unsure}
        found |= _exact(db, again, sorted(unsure) if narrow else None, constrained=constrained)
    return found


def _is_gathered(head: Head) -> bool:
    return head.last - head.first < _SPARSE * head.rows


def _likely(
    db: Rows, heads: Sequence[Head], maximize: Mapping[int, bool], *, constrained: bool
) -> tuple[dict[int, tuple[float, int]], set[int]]:
    """추려서 정한 (값, 번호)와, 정하지 못한 스터디들. 만족하는 것이 없다고 정해진 스터디는 어디에도 없다."""
    listed: dict[int, list[int]] = {}
    for up in (True, False):
        mine = [head for head in heads if maximize[head.study_id] is up]
        listed |= _listed(db, mine, up, constrained=constrained)
    ids = [trial_id for found in listed.values() for trial_id in found]
    candidates = _candidates(db, ids)
    texts = _constraints(db, ids)
    found: dict[int, tuple[float, int]] = {}
    unsure: set[int] = set()
    for study_id, chosen in listed.items():
        seen = [candidates[trial_id] for trial_id in chosen if trial_id in candidates]
        values = [item.value for item in seen if item.value is not None]
        fit = [
            (item.value, item.number)
            for item in seen
            if item.study_id == study_id
            and item.state == "COMPLETE"
            and item.value is not None
            and not _is_violated(texts.get(item.trial_id, ()))
        ]
        pick, cut = (max, min) if maximize[study_id] else (min, max)
        best = pick((value for value, _ in fit), default=None)
        whole = len(chosen) < _LISTED
        if len(values) < len(chosen) or (best is None and not whole):
            unsure.add(study_id)
        elif best is not None and not whole and best == cut(values):
            unsure.add(study_id)  # 같은 값이 추린 것 밖에도 있을 수 있다
        elif best is not None:
            found[study_id] = (best, min(number for value, number in fit if value == best))
    return found, unsure


def _listed(
    db: Rows, heads: Sequence[Head], up: bool, *, constrained: bool
) -> dict[int, list[int]]:
    """스터디 → 그 trial_id 구간에서 첫 목표의 값이 좋은 _LISTED개의 trial_id. up: 클수록 좋다.

    constrained: 제약을 어긴 것은 건너뛴다.
    """
    if not heads:
        return {}
    ranges = ", ".join(f"({head.study_id}, {head.first}, {head.last})" for head in heads)
    order = f"{'DESC' if up else 'ASC'} NULLS LAST"
    best = (
        f"SELECT v.trial_id, {_number(db)} AS value FROM trial_values v"  # noqa: S608
        f" WHERE v.trial_id BETWEEN r.first AND r.last AND v.objective = 0 ORDER BY 2 {order}"
    )
    if constrained:
        # 차례를 먼저 세우고 앞에서부터 제약을 본다. 두 서버 모두 LIMIT가 있는 안쪽의 차례를 지킨다.
        again = f"ORDER BY t.value {order}" if db.backend == "postgresql" else ""
        everything = f"({best} LIMIT 1000000000)"
        best = (
            f"SELECT t.trial_id FROM {everything} t WHERE true{_feasible(db, gather=False)} {again}"  # noqa: S608
        )
    joined = (
        "string_agg(x.trial_id::text, ',')"
        if db.backend == "postgresql"
        else "group_concat(x.trial_id)"
    )
    rows = db(
        f"WITH r(study_id, first, last) AS (VALUES {ranges})"  # noqa: S608
        f" SELECT r.study_id, (SELECT {joined} FROM ({best} LIMIT {_LISTED}) x) FROM r"
    )
    return {key: [int(item) for item in text.split(",")] for key, text in rows if text}


def _candidates(db: Rows, trial_ids: Sequence[int]) -> dict[int, _Candidate]:
    if not trial_ids:
        return {}
    rows = db(
        f"SELECT t.trial_id, t.study_id, t.number, t.state, {_number(db)}"  # noqa: S608
        " FROM trials t JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0"
        f" WHERE t.trial_id IN ({ints(trial_ids)})"
    )
    return {row[0]: _Candidate(*row) for row in rows}


def _is_violated(texts: Iterable[str]) -> bool:
    return any(re.search(_VIOLATED, text) for text in texts)


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
        texts = _constraints(db, [trial_id for _, _, trial_id in found.values()])
        violated = {key for key, (*_, trial_id) in found.items() if _is_violated(texts[trial_id])}
        found = {key: place for key, place in found.items() if key not in violated}
        again = {key: maximize[key] for key in violated}
        scope = sorted(again)
    found |= _top(db, again, scope, constrained=True)
    return {key: (value, number) for key, (value, number, _) in found.items()}


def _number(db: Rows) -> str:
    """값 v의 수. 무한대는 종류로만 적혀 있다."""
    infinity = "'Infinity'::float8" if db.backend == "postgresql" else "9e999"
    return (
        f"CASE v.value_type WHEN 'INF_POS' THEN {infinity}"
        f" WHEN 'INF_NEG' THEN -{infinity} ELSE v.value END"
    )


def _feasible(db: Rows, *, gather: bool) -> str:
    """시행 t가 제약을 어기지 않았다는 조건.

    gather: 어긴 것을 한 번에 모은다(거의 모든 시행을 볼 때). 아니면 시행마다 색인으로 찾는다.
    """
    rows = f"SELECT a.trial_id FROM trial_system_attributes a WHERE {_IS_CONSTRAINT} AND "  # noqa: S608
    mine = " AND a.trial_id = t.trial_id"
    if db.backend == "postgresql":
        return f" AND NOT EXISTS ({rows}a.value_json ~ '{_VIOLATED}'{mine})"
    # 정규식은 Python을 부른다: 꼴만 보고 알 수 있는 것은 부르지 않는다. '0.0'을 지워도 0이 아닌 수는 남는다.
    text = "' ' || replace(a.value_json, '0.0', '')"
    surely = f"{text} GLOB '*[[ ][1-9IN]*' OR {text} GLOB '*[[ ]0.[1-9]*'"
    maybe = f"{text} GLOB '*[[, ][0-9NI]*' AND a.value_json REGEXP '{_VIOLATED}'"
    rows += f"({surely} OR {maybe})"
    return f" AND t.trial_id NOT IN ({rows})" if gather else f" AND NOT EXISTS ({rows}{mine})"


def _top(
    db: Rows, maximize: Mapping[int, bool], scope: Sequence[int] | None, *, constrained: bool
) -> dict[int, tuple[float, int, int]]:
    """스터디 → 최선의 (값, 번호, trial_id). constrained: 제약을 어긴 시행을 뺀다."""
    if not maximize:
        return {}
    number = _number(db)
    plain = f"v.objective = 0 AND t.state = 'COMPLETE'{where(scope, ' AND')}"
    gathered = _feasible(db, gather=scope is None) if constrained else ""
    looked_up = _feasible(db, gather=False) if constrained else ""
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


def _constraints(db: Rows, trial_ids: Sequence[int]) -> dict[int, list[str]]:
    """제약이 적힌 시행 → 그 JSON 글들."""
    found: dict[int, list[str]] = defaultdict(list)
    if trial_ids:
        for trial_id, text in db(
            "SELECT a.trial_id, a.value_json FROM trial_system_attributes a"  # noqa: S608
            f" WHERE a.trial_id IN ({ints(trial_ids)}) AND {_IS_CONSTRAINT}"
        ):
            found[trial_id].append(text)
    return found


def where(ids: Iterable[int] | None, word: str = "WHERE") -> str:
    return "" if ids is None else f" {word} t.study_id IN ({ints(ids)})"


def ints(ids: Iterable[int]) -> str:
    return ", ".join(str(int(item)) for item in ids)


def _literal(db: Rows, value: float) -> str:
    if db.backend == "postgresql":
        return f"'{float(value)!r}'::float8"
    return {float("inf"): "9e999", float("-inf"): "-9e999"}.get(value, repr(float(value)))
