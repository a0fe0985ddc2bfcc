"""스터디의 집계를 SQL로 센다. SQLAlchemy 없이도 쓴다(`dbapi.Rows`).

처음 세는 데는 시행을 한 번 훑지만(시행 100만 개에 0.2~0.4초), 한 번 센 것은 **자취**(`Mark`)와
함께 두면 바뀐 스터디만 다시 센다. 자취가 같으면 집계도 같다:

- 끝난 시행은 바뀌지 않고(Optuna가 거절한다) 지워지지도 않는다. 그러므로 시행의 수와 마지막
  trial_id가 같으면 새 시행이 없고, 끝나지 않았던 시행들의 (상태, 시각)이 같으면 끝난 것이 없다.
- 스터디나 데이터베이스가 지워지고 같은 번호로 다시 만들어지면 마지막 시행의 시각이 다르다.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from optimize.storage.cancellable import begin
from optimize.storage.census_best import find_bests
from optimize.storage.census_heads import Head, find_spans, read_heads
from optimize.storage.census_sql import ints, where
from optimize.storage.dbapi import Rows

_NO_BEST = (None, None)
# 부분 색인은 조건이 글자 그대로일 때 쓰인다(`tables.IS_UNFINISHED`).
_IS_OPEN = "state IN ('RUNNING', 'WAITING')"
# 끝나지 않은 시행이 이보다 많은 스터디는 자취를 두지 않고 늘 센다.
_MAX_OPEN = 500
# 스터디의 이만한 몫보다 많이 셀 때는 색인을 오가지 않고 통째로 훑는다.
_SCAN_SHARE = 0.25
# 이보다 많은 시행은 두 연결이 나누어 센다.
_WORTH_SPLITTING = 50_000


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
    """자취를 견준 결과. same: 그대로인 것. changed: 다시 세어야 할 스터디 → 시행의 수.

    heads: 견주는 김에 이미 세었으면 그 줄들.
    """

    same: dict[int, Counted]
    changed: dict[int, int]
    heads: Sequence[Head] | None = None

    @property
    def n_changed(self) -> int:
        """다시 세어야 할 시행의 수."""
        return sum(self.changed.values())


def check_marks(db: Rows, ids: Sequence[int] | None, known: Mapping[int, Counted]) -> Check:
    """ids(None이면 모두) 가운데 known의 자취와 달라진 스터디를 찾는다. 시행이 없는 스터디는 없다."""
    if not known:
        return _first_check(db, ids)
    now = {
        study_id: (count, last)
        for study_id, count, last in db(
            "SELECT study_id, count(*), max(trial_id) FROM trials t "  # noqa: S608
            f"{where(ids)} GROUP BY study_id"
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
    return Check(same, {key: count for key, (count, _) in now.items() if key not in same})


def _first_check(db: Rows, ids: Sequence[int] | None) -> Check:
    """견줄 것이 없을 때. SQLite는 마지막 시행의 번호만 보고, 그러지 못하면 세는 김에 다 센다."""
    spans = find_spans(db) if db.backend == "sqlite" else []
    if not spans:
        heads = read_heads(db, ids)
        return Check({}, {head.study_id: head.rows for head in heads}, heads)
    wanted = None if ids is None else set(ids)
    return Check(
        {},
        {
            span.study_id: span.number + 1
            for span in spans
            if span.study_id is not None and (wanted is None or span.study_id in wanted)
        },
    )


def count_changed(db: Rows, check: Check) -> dict[int, Counted]:
    """`check.changed`를 센다(자취와 함께)."""
    changed = check.changed
    if not changed:
        return {}
    every = check.n_changed + sum(found.mark.count for found in check.same.values() if found.mark)
    if check.n_changed >= _WORTH_SPLITTING:
        counted = _count_together(db, changed, check.heads)
    else:
        # 거의 모두를 셀 때는 가리지 않고 훑는 것이 빠르다.
        whole = check.n_changed > every * _SCAN_SHARE
        counted = _count(db, changed, None if whole else sorted(changed), check.heads)
    opened = _open_trials(db, [key for key, (_, found) in counted.items() if found.unfinished])
    wanted = {key: {head.last, *opened[key]} for key, (head, _) in counted.items()}
    kept = {key: ids for key, ids in wanted.items() if len(ids) <= _MAX_OPEN + 1}
    states = _rows(db, (trial_id for ids in kept.values() for trial_id in ids))
    return {
        key: Counted(
            summary,
            Mark(head.rows, head.last, tuple(states[trial_id] for trial_id in sorted(kept[key])))
            if key in kept
            else None,
        )
        for key, (head, summary) in counted.items()
    }


def count_studies(db: Rows, ids: Sequence[int]) -> dict[int, Summary]:
    """ids를 모두 센다. 시행이 없는 스터디는 빈 집계다."""
    counted = _count(db, ids, ids) if ids else {}
    return {key: Summary() for key in ids} | {key: found for key, (_, found) in counted.items()}


def _count(
    db: Rows,
    ids: Iterable[int],
    scope: Sequence[int] | None,
    heads: Sequence[Head] | None = None,
) -> dict[int, tuple[Head, Summary]]:
    """scope(None이면 모두)를 훑어 ids의 집계를 만든다. heads: 이미 세었으면 그 줄들."""
    wanted = set(ids)
    mine = [head for head in heads or read_heads(db, scope) if head.study_id in wanted]
    bests = find_bests(db, mine, scope)
    return {
        head.study_id: (
            head,
            Summary(
                total=head.number + 1,
                unfinished=head.rows - head.complete - head.pruned - head.failed,
                n_complete=head.complete,
                n_pruned=head.pruned,
                n_failed=head.failed,
                best_value=bests.get(head.study_id, _NO_BEST)[0],
                best_number=bests.get(head.study_id, _NO_BEST)[1],
                last_activity=utc(head.moment),
            ),
        )
        for head in mine
    }


def _count_together(
    db: Rows, changed: Mapping[int, int], heads: Sequence[Head] | None
) -> dict[int, tuple[Head, Summary]]:
    """두 연결로 반씩 센다. 연결을 더 얻지 못하면 하나로."""
    if heads is None and db.backend == "postgresql":
        heads = read_heads(db, None)
    twin = db.twin()
    first, second = _halves(changed)

    def count_second() -> dict[int, tuple[Head, Summary]] | None:
        with twin as other:
            return None if other is None else _count(other, second, sorted(second), heads)

    half = begin(count_second)
    try:
        mine = _count(db, first, sorted(first), heads)
    finally:
        rest = half.result()  # 부른 쪽이 연결을 닫기 전에 끝나 있게 한다
    return mine | (_count(db, second, sorted(second), heads) if rest is None else rest)


def _halves(changed: Mapping[int, int]) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """시행의 수가 비슷한 둘로."""
    first: dict[int, int] = {}
    left = sum(changed.values()) / 2
    for key in sorted(changed):
        if left <= 0:
            break
        first[key] = changed[key]
        left -= changed[key]
    return first, {key: count for key, count in changed.items() if key not in first}


def _open_trials(db: Rows, ids: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    if ids:
        for study_id, trial_id in db(
            "SELECT study_id, trial_id FROM trials t"  # noqa: S608
            f" {where(ids)} AND {_IS_OPEN}"
        ):
            found[study_id].append(trial_id)
    return found


def _rows(db: Rows, trial_ids: Iterable[int]) -> dict[int, tuple[int, str, str, str]]:
    wanted = list(trial_ids)
    if not wanted:
        return {}
    rows = db(
        "SELECT trial_id, state, datetime_start, datetime_complete FROM trials"  # noqa: S608
        f" WHERE trial_id IN ({ints(wanted)})"
    )
    return {row[0]: (row[0], row[1], str(row[2] or ""), str(row[3] or "")) for row in rows}


def utc(stored: datetime | str | None) -> datetime | None:
    """저장된 시각(시간대 없는 UTC, SQLite면 글)을 UTC로."""
    if stored is None:
        return None
    moment = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return moment.replace(tzinfo=UTC)
