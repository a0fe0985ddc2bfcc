"""스터디마다의 최선을 trial_id의 구간에서 추려 정한다. SQLAlchemy 없이도 쓴다(`dbapi.Rows`).

한 스터디의 trial_id는 대개 모여 있으므로, 그 구간의 값들에서 좋은 것 몇 개를 시행을 보지 않고 추린 뒤
그것들의 스터디·상태·제약만 확인한다. 구간에 남의 시행이 섞여도 확인이 걸러 내므로 틀리지 않는다.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from optimize.storage.census_heads import Head
from optimize.storage.census_sql import (
    constraint_texts,
    feasible,
    ints,
    is_violated,
    plainly_violated,
    value_of,
    violated_places,
)
from optimize.storage.dbapi import Rows

# 추리는 수.
_LISTED = 4
# 제약을 만족하는 것을 찾아 구간에서 고르게 이만큼을 먼저 본다.
_SAMPLED = 24
# 제약의 꼴을 알아보려고 스터디들에서 이만큼의 시행을 본다(스터디마다 적어도 하나).
_SHAPES = 256

# 어긴 제약이 이보다 많은 자리에 있으면 솎는 것이 남는 장사가 아니다.
_MAX_PLACES = 3


class Way(NamedTuple):
    """추리는 길. bounded: 만족하는 것을 먼저 찾아 그보다 못한 것들의 제약은 보지 않는다.

    places: 이 자리의 제약을 뚜렷이 어긴 것만 솎는다. None이면 bounded일 때만 모든 제약을 제대로 본다.
    """

    bounded: bool
    places: tuple[int, ...] | None


class _Candidate(NamedTuple):
    """추린 시행. study_id 뒤의 것들은 시행이 없으면 None이다."""

    trial_id: int
    study_id: int | None
    number: int | None
    state: str | None
    value: float | None


class _Trial(NamedTuple):
    trial_id: int
    number: int
    value: float


def ways_to_list(db: Rows, heads: Sequence[Head]) -> tuple[Way, ...]:
    """써 볼 차례: 구간에서 고르게 본 제약들이 어디를 어겼는지에 따라 정한다."""
    # 시행이 적으면 잘못 골라도 잃을 것이 적으므로 조금만 본다.
    worth = min(_SHAPES, sum(head.rows for head in heads) // 1000)
    each = max(1, worth // max(1, len(heads)))
    ids = {
        head.last - (head.last - head.first) * step // each
        for head in heads
        for step in range(each)
    }
    texts = [text for found in constraint_texts(db, sorted(ids)).values() for text in found]
    if not texts:
        return (Way(bounded=False, places=None),)
    thorough = Way(bounded=True, places=None)
    places = tuple(sorted(violated_places(texts) | {0}))
    if db.backend == "postgresql":
        few = len(places) <= _MAX_PLACES
        return (Way(bounded=False, places=places), thorough) if few else (thorough,)
    return (Way(bounded=True, places=places), thorough) if places == (0,) else (thorough,)


def likely_bests(
    db: Rows, heads: Sequence[Head], maximize: Mapping[int, bool], ways: Sequence[Way]
) -> tuple[dict[int, tuple[float, int]], set[int]]:
    """추려서 정한 (값, 번호)와, 정하지 못한 스터디들. 만족하는 것이 없다고 정해진 스터디는 어디에도 없다.

    ways: 정하지 못한 스터디에 차례로 써 볼 길.
    """
    found: dict[int, tuple[float, int]] = {}
    left = {head.study_id for head in heads}
    for way in ways:
        listed: dict[int, list[_Candidate]] = {}
        for up in (True, False):
            mine = [
                head for head in heads if head.study_id in left and maximize[head.study_id] is up
            ]
            if mine:
                listed |= _listed(db, mine, up, way)
        decided, left = _decide(db, listed, maximize)
        found |= decided
        if not left:
            break
    return found, left


def _decide(
    db: Rows, listed: Mapping[int, Sequence[_Candidate]], maximize: Mapping[int, bool]
) -> tuple[dict[int, tuple[float, int]], set[int]]:
    """추린 것들로 정한다. 대개 맨 앞의 것이 제약을 만족하므로 나머지의 제약은 그렇지 않을 때만 읽는다."""
    ours = {key: _completed(chosen, key) for key, chosen in listed.items()}
    leading = {key: _leading(items, maximize[key]) for key, items in ours.items()}
    fit = _fit(db, leading)
    fit |= _fit(db, {key: ours[key] for key in ours if not fit[key]})
    found: dict[int, tuple[float, int]] = {}
    unsure: set[int] = set()
    for study_id, chosen in listed.items():
        values = [item.value for item in chosen if item.value is not None]
        best = _leading(fit[study_id], maximize[study_id])
        whole = len(chosen) < _LISTED
        cut = (min if maximize[study_id] else max)(values, default=None)
        # 같은 값이 추린 것 밖에도 있을 수 있다.
        tied = bool(best) and not whole and best[0].value == cut
        if len(values) < len(chosen) or tied or (not best and not whole):
            unsure.add(study_id)
        elif best:
            found[study_id] = (best[0].value, min(item.number for item in best))
    return found, unsure


def _completed(chosen: Iterable[_Candidate], study_id: int) -> list[_Trial]:
    """그 스터디의 끝난 시행들."""
    return [
        _Trial(item.trial_id, item.number, item.value)
        for item in chosen
        if item.study_id == study_id
        and item.state == "COMPLETE"
        and item.value is not None
        and item.number is not None
    ]


def _leading(items: Sequence[_Trial], up: bool) -> list[_Trial]:
    """가장 좋은 값의 것들."""
    best = (max if up else min)((item.value for item in items), default=None)
    return [item for item in items if item.value == best]


def _fit(db: Rows, chosen: Mapping[int, Sequence[_Trial]]) -> dict[int, list[_Trial]]:
    """제약을 만족하는 것들."""
    texts = constraint_texts(db, [item.trial_id for items in chosen.values() for item in items])
    return {
        key: [item for item in items if not is_violated(texts.get(item.trial_id, ()))]
        for key, items in chosen.items()
    }


def _listed(db: Rows, heads: Sequence[Head], up: bool, way: Way) -> dict[int, list[_Candidate]]:
    """스터디 → 그 trial_id 구간에서 way로 솎은 것들 가운데 첫 목표의 값이 좋은 _LISTED개. up: 클수록 좋다."""
    # 이웃한 구간을 차례로 보면 같은 쪽이 cache에 남아 있다.
    near = sorted(heads, key=lambda head: head.first)
    spans = ", ".join(f"({head.study_id}, {head.first}, {head.last})" for head in near)
    ranges = f"r(study_id, first, last) AS (VALUES {spans})"
    fit = ""
    if way.bounded:
        ranges = f"given(study_id, first, last) AS (VALUES {spans}), {_bounds(db, up)}"
        bounded = f"(r.bound IS NULL OR {value_of(db)} {'>=' if up else '<='} r.bound)"
        kept = (
            feasible(db, "v", gather=False)
            if way.places is None
            else f" AND NOT EXISTS (SELECT 1 {plainly_violated(db)} AND a.trial_id = v.trial_id)"
        )
        fit = f" AND {bounded}{kept}"
    elif way.places is not None:
        # 구간의 어긴 것들을 한 번 훑어 해시로 모은다: 시행마다 색인으로 찾는 것의 반의 시간.
        fit = (
            f" AND v.trial_id NOT IN (SELECT a.trial_id {plainly_violated(db, way.places)}"
            " AND a.trial_id BETWEEN r.first AND r.last)"
        )
    best = (
        f"SELECT v.trial_id, {value_of(db)} AS value FROM trial_values v"  # noqa: S608
        f" WHERE v.trial_id BETWEEN r.first AND r.last AND v.objective = 0{fit}"
        f" ORDER BY 2 {'DESC' if up else 'ASC'} NULLS LAST LIMIT {_LISTED}"
    )
    read = _read_server if db.backend == "postgresql" else _read_file
    return read(db, ranges, best)


def _bounds(db: Rows, up: bool) -> str:
    """given의 구간마다 고르게 _SAMPLED개를 보아 제약을 만족하는 최선(bound)을 붙인 r."""
    steps = ", ".join(f"({step})" for step in range(_SAMPLED))
    return (
        f"steps(step) AS (VALUES {steps}),"  # noqa: S608
        f" r AS MATERIALIZED (SELECT g.*, (SELECT {'max' if up else 'min'}({value_of(db)})"
        " FROM steps CROSS JOIN trial_values v WHERE v.objective = 0"
        f" AND v.trial_id = g.first + (g.last - g.first) * step / {_SAMPLED - 1}"
        " AND (SELECT study_id FROM trials t WHERE t.trial_id = v.trial_id"
        f" AND t.state = 'COMPLETE') = g.study_id{feasible(db, 'v', gather=False)}) AS bound"
        " FROM given g)"
    )


def _read_server(db: Rows, ranges: str, best: str) -> dict[int, list[_Candidate]]:
    found: dict[int, list[_Candidate]] = defaultdict(list)
    for study_id, *row in db(
        f"WITH {ranges} SELECT r.study_id, x.trial_id, t.study_id, t.number, t.state, x.value"  # noqa: S608
        f" FROM r CROSS JOIN LATERAL ({best}) x LEFT JOIN trials t ON t.trial_id = x.trial_id"
    ):
        found[study_id].append(_Candidate(*row))
    return found


def _read_file(db: Rows, ranges: str, best: str) -> dict[int, list[_Candidate]]:
    """SQLite에는 LATERAL이 없다: trial_id만 글로 이어 받고, 그 시행들을 다시 찾는다."""
    listed = {
        study_id: [int(item) for item in text.split(",")]
        for study_id, text in db(
            f"WITH {ranges} SELECT r.study_id, (SELECT group_concat(x.trial_id) FROM ({best}) x)"  # noqa: S608
            " FROM r"
        )
        if text
    }
    if not listed:
        return {}
    rows = db(
        f"SELECT v.trial_id, t.study_id, t.number, t.state, {value_of(db)} FROM trial_values v"  # noqa: S608
        " LEFT JOIN trials t ON t.trial_id = v.trial_id WHERE v.objective = 0 AND v.trial_id IN"
        f" ({ints(item for chosen in listed.values() for item in chosen)})"
    )
    candidates = {row[0]: _Candidate(*row) for row in rows}
    return {key: [candidates[item] for item in chosen] for key, chosen in listed.items()}
