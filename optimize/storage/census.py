"""스터디의 집계를 SQL로 센다. SQLAlchemy 없이도 쓴다(`dbapi.Rows`).

처음 세는 데는 시행을 한 번 훑지만(시행 100만 개에 0.5초 남짓), 한 번 센 것은 **자취**(`Mark`)와
함께 두면 바뀐 스터디만 다시 센다. 자취가 같으면 집계도 같다:

- 끝난 시행은 바뀌지 않고(Optuna가 거절한다) 지워지지도 않는다. 그러므로 시행의 수와 마지막
  trial_id가 같으면 새 시행이 없고, 끝나지 않았던 시행들의 (상태, 시각)이 같으면 끝난 것이 없다.
- 스터디나 데이터베이스가 지워지고 같은 번호로 다시 만들어지면 마지막 시행의 시각이 다르다.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from optimize.storage.dbapi import Rows

_STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
_NO_BEST = (None, None)
# 제약 JSON에 0보다 큰 값이나 NaN이 있는가. 값은 Python json의 글이라 0이 아닌 수는 1-9를 담는다.
_VIOLATED = r"(^|[\[,])\s*(Infinity|NaN|[0-9.]*[1-9])"
# 부분 색인은 조건이 글자 그대로일 때 쓰인다(`tables.IS_UNFINISHED`).
_IS_OPEN = "state IN ('RUNNING', 'WAITING')"
_IS_CONSTRAINT = "(a.key = 'constraints' OR substr(a.key, 1, 12) = 'constraints:')"
# 끝나지 않은 시행이 이보다 많은 스터디는 자취를 두지 않고 늘 센다.
_MAX_OPEN = 500
# 스터디의 이만한 몫보다 많이 셀 때는 색인을 오가지 않고 통째로 훑는다.
_SCAN_SHARE = 0.25


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


@dataclass(frozen=True, slots=True)
class Mark:
    """세었을 때의 자취.

    count: 시행의 행 수. last_id: 가장 큰 trial_id. rows: 마지막 시행과 끝나지 않은 시행들의
    (trial_id, 상태, 시작, 끝), trial_id 차례. 시각은 글이다.
    """

    count: int
    last_id: int
    rows: tuple[tuple[int, str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """집계와 그 자취. mark: 다시 쓸 수 없으면 None."""

    summary: Summary
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Check:
    """자취를 견준 결과. same: 그대로인 것. changed: 다시 세어야 할 스터디 → (행 수, 마지막 id)."""

    same: dict[int, Counted]
    changed: dict[int, tuple[int, int]]

    @property
    def n_changed(self) -> int:
        """다시 세어야 할 시행의 수."""
        return sum(count for count, _ in self.changed.values())


def check_marks(db: Rows, ids: Sequence[int] | None, known: Mapping[int, Counted]) -> Check:
    """ids(None이면 모두) 가운데 known의 자취와 달라진 스터디를 찾는다. 시행이 없는 스터디는 없다."""
    now = {
        study_id: (count, last)
        for study_id, count, last in db(
            "SELECT study_id, count(*), max(trial_id) FROM trials t "  # noqa: S608
            f"{_where(ids)} GROUP BY study_id"
        )
    }
    likely = {
        study_id: found
        for study_id, found in known.items()
        if found.mark and now.get(study_id) == (found.mark.count, found.mark.last_id)
    }
    rows = _rows(db, (row[0] for found in likely.values() if found.mark for row in found.mark.rows))
    same = {
        study_id: found
        for study_id, found in likely.items()
        if found.mark and all(rows.get(row[0]) == row for row in found.mark.rows)
    }
    return Check(same, {key: place for key, place in now.items() if key not in same})


def count_changed(db: Rows, check: Check) -> dict[int, Counted]:
    """`check.changed`를 센다(자취와 함께)."""
    changed = check.changed
    if not changed:
        return {}
    rows = check.n_changed
    every = rows + sum(found.mark.count for found in check.same.values() if found.mark)
    # 거의 모두를 셀 때는 가리지 않고 훑는 것이 빠르다.
    scope = None if rows > every * _SCAN_SHARE else sorted(changed)
    summaries = _count(db, changed, scope, [last for _, last in changed.values()])
    opened = _open_trials(db, [key for key, found in summaries.items() if found.unfinished])
    wanted = {key: {changed[key][1], *opened[key]} for key in summaries}
    kept = {key: ids for key, ids in wanted.items() if len(ids) <= _MAX_OPEN + 1}
    states = _rows(db, (trial_id for ids in kept.values() for trial_id in ids))
    return {
        key: Counted(
            summary,
            Mark(*changed[key], tuple(states[trial_id] for trial_id in sorted(kept[key])))
            if key in kept
            else None,
        )
        for key, summary in summaries.items()
    }


def count_studies(db: Rows, ids: Sequence[int]) -> dict[int, Summary]:
    """ids를 모두 센다. 시행이 없는 스터디는 빈 집계다."""
    return {key: Summary() for key in ids} | _count(db, ids, ids, ()) if ids else {}


def _count(
    db: Rows, ids: Iterable[int], scope: Sequence[int] | None, sample: Sequence[int]
) -> dict[int, Summary]:
    """scope(None이면 모두)를 훑어 ids의 집계를 만든다. sample: 제약을 쓰는지 먼저 볼 시행들."""
    wanted = set(ids)
    states = ", ".join(f"count(CASE state WHEN '{name}' THEN 1 END)" for name in _STATES)
    rows = db(
        f"SELECT study_id, max(number), {states},"  # noqa: S608
        f" max(coalesce(datetime_complete, datetime_start)) FROM trials t"
        f" {_where(scope)} GROUP BY study_id"
    )
    bests = _bests(db, wanted, scope, sample)
    return {
        study_id: Summary(
            total=last + 1,
            unfinished=running + waiting,
            n_complete=complete,
            n_pruned=pruned,
            n_failed=failed,
            best_value=bests.get(study_id, _NO_BEST)[0],
            best_number=bests.get(study_id, _NO_BEST)[1],
            last_activity=utc(moment),
        )
        for study_id, last, complete, pruned, failed, running, waiting, moment in rows
        if study_id in wanted
    }


def _bests(
    db: Rows, wanted: set[int], scope: Sequence[int] | None, sample: Sequence[int]
) -> dict[int, tuple[float, int]]:
    """한 목표의 스터디마다 제약을 만족하는 최선의 (값, 번호). 같은 값이면 먼저 나온 것.

    제약을 쓰지 않으면 제약의 테이블을 훑지 않는다: 최선을 먼저 찾고 그 시행의 제약만 읽어 본다.
    """
    maximize = {
        study_id: direction == "MAXIMIZE"
        for study_id, direction, count in db(
            "SELECT study_id, max(direction), count(*) FROM study_directions GROUP BY study_id"
        )
        if count == 1 and study_id in wanted
    }
    found: dict[int, tuple[float, int, int]] = {}
    again = maximize
    if not _constraints(db, sample):
        found = _top(db, maximize, scope, constrained=False)
        texts = _constraints(db, [trial_id for _, _, trial_id in found.values()])
        violated = {
            key
            for key, (_, _, trial_id) in found.items()
            if any(re.search(_VIOLATED, text) for text in texts.get(trial_id, ()))
        }
        found = {key: place for key, place in found.items() if key not in violated}
        again = {key: maximize[key] for key in violated}
        scope = sorted(again)
    found |= _top(db, again, scope, constrained=True)
    return {key: (value, number) for key, (value, number, _) in found.items()}


def _feasible(db: Rows, *, gather: bool) -> str:
    """시행 t가 제약을 어기지 않았다는 조건.

    gather: 어긴 것을 한 번에 모은다(거의 모든 시행을 볼 때). 아니면 시행마다 색인으로 찾는다.
    """
    rows = f"SELECT a.trial_id FROM trial_system_attributes a WHERE {_IS_CONSTRAINT} AND "  # noqa: S608
    mine = " AND a.trial_id = t.trial_id"
    if db.backend == "postgresql":
        return f" AND NOT EXISTS ({rows}a.value_json ~ '{_VIOLATED}'{mine})"
    # 정규식은 Python을 부른다: 음수와 0.0만 있는 글은 꼴만 보고 넘긴다('0.0'을 지워도 0이 아닌 수는 남는다).
    text = "' ' || replace(a.value_json, '0.0', '')"
    rows += f"{text} GLOB '*[[, ][0-9NI]*' AND a.value_json REGEXP '{_VIOLATED}'"
    return f" AND t.trial_id NOT IN ({rows})" if gather else f" AND NOT EXISTS ({rows}{mine})"


def _top(
    db: Rows, maximize: Mapping[int, bool], scope: Sequence[int] | None, *, constrained: bool
) -> dict[int, tuple[float, int, int]]:
    """스터디 → 최선의 (값, 번호, trial_id). constrained: 제약을 어긴 시행을 뺀다."""
    if not maximize:
        return {}
    infinity = "'Infinity'::float8" if db.backend == "postgresql" else "9e999"
    number = (
        f"CASE v.value_type WHEN 'INF_POS' THEN {infinity}"
        f" WHEN 'INF_NEG' THEN -{infinity} ELSE v.value END"
    )
    plain = f"v.objective = 0 AND t.state = 'COMPLETE'{_where(scope, ' AND')}"
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
            f" WHERE a.trial_id IN ({_ints(trial_ids)}) AND {_IS_CONSTRAINT}"
        ):
            found[trial_id].append(text)
    return found


def _open_trials(db: Rows, ids: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    if ids:
        for study_id, trial_id in db(
            "SELECT study_id, trial_id FROM trials t"  # noqa: S608
            f" {_where(ids)} AND {_IS_OPEN}"
        ):
            found[study_id].append(trial_id)
    return found


def _rows(db: Rows, trial_ids: Iterable[int]) -> dict[int, tuple[int, str, str, str]]:
    wanted = list(trial_ids)
    if not wanted:
        return {}
    rows = db(
        "SELECT trial_id, state, datetime_start, datetime_complete FROM trials"  # noqa: S608
        f" WHERE trial_id IN ({_ints(wanted)})"
    )
    return {row[0]: (row[0], row[1], str(row[2] or ""), str(row[3] or "")) for row in rows}


def utc(stored: datetime | str | None) -> datetime | None:
    """저장된 시각(시간대 없는 UTC, SQLite면 글)을 UTC로."""
    if stored is None:
        return None
    moment = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return moment.replace(tzinfo=UTC)


def _where(ids: Iterable[int] | None, word: str = "WHERE") -> str:
    return "" if ids is None else f" {word} t.study_id IN ({_ints(ids)})"


def _ints(ids: Iterable[int]) -> str:
    return ", ".join(str(int(item)) for item in ids)


def _literal(db: Rows, value: float) -> str:
    if db.backend == "postgresql":
        return f"'{float(value)!r}'::float8"
    return {float("inf"): "9e999", float("-inf"): "-9e999"}.get(value, repr(float(value)))
