"""스터디마다의 최선을 trial_id의 구간에서 추려 정한다. SQLAlchemy 없이도 쓴다(`dbapi.Rows`).

한 스터디의 trial_id는 대개 모여 있으므로, 그 구간의 값들에서 좋은 것 몇 개를 시행을 보지 않고 추린 뒤
그것들의 스터디·상태·제약만 확인한다. 구간에 남의 시행이 섞여도 확인이 걸러 내므로 틀리지 않는다.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from optimize.storage.census_heads import Head
from optimize.storage.census_sql import constraint_texts, feasible, ints, is_violated, value_of
from optimize.storage.dbapi import Rows

# 추리는 수.
_LISTED = 4
# 제약을 쓰면 구간에서 고르게 이만큼을 먼저 본다.
_SAMPLED = 24


class _Candidate(NamedTuple):
    """추린 시행. study_id 뒤의 것들은 시행이 없으면 None이다."""

    trial_id: int
    study_id: int | None
    number: int | None
    state: str | None
    value: float | None


def likely_bests(
    db: Rows, heads: Sequence[Head], maximize: Mapping[int, bool], *, constrained: bool
) -> tuple[dict[int, tuple[float, int]], set[int]]:
    """추려서 정한 (값, 번호)와, 정하지 못한 스터디들. 만족하는 것이 없다고 정해진 스터디는 어디에도 없다."""
    listed: dict[int, list[_Candidate]] = {}
    for up in (True, False):
        mine = [head for head in heads if maximize[head.study_id] is up]
        if mine:
            listed |= _listed(db, mine, up, constrained=constrained)
    texts = constraint_texts(db, [item.trial_id for chosen in listed.values() for item in chosen])
    found: dict[int, tuple[float, int]] = {}
    unsure: set[int] = set()
    for study_id, chosen in listed.items():
        values = [item.value for item in chosen if item.value is not None]
        fit = [
            (item.value, item.number)
            for item in chosen
            if item.study_id == study_id
            and item.state == "COMPLETE"
            and item.value is not None
            and item.number is not None
            and not is_violated(texts.get(item.trial_id, ()))
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
) -> dict[int, list[_Candidate]]:
    """스터디 → 그 trial_id 구간에서 첫 목표의 값이 좋은 _LISTED개. up: 클수록 좋다.

    constrained: 제약을 어긴 것은 건너뛴다. 구간에서 고르게 몇을 먼저 보아 만족하는 것을 찾으면, 그보다
    못한 것들의 제약은 볼 것이 없다.
    """
    spans = ", ".join(f"({head.study_id}, {head.first}, {head.last})" for head in heads)
    ranges = f"r(study_id, first, last) AS (VALUES {spans})"
    fit = ""
    if constrained:
        steps = ", ".join(f"({step})" for step in range(_SAMPLED))
        fit = feasible(db, "v", gather=False)
        ranges = (
            f"given(study_id, first, last) AS (VALUES {spans}), steps(step) AS (VALUES {steps}),"  # noqa: S608
            f" r AS MATERIALIZED (SELECT g.*, (SELECT {'max' if up else 'min'}({value_of(db)})"
            " FROM steps CROSS JOIN trial_values v WHERE v.objective = 0"
            f" AND v.trial_id = g.first + (g.last - g.first) * step / {_SAMPLED - 1}"
            " AND (SELECT study_id FROM trials t WHERE t.trial_id = v.trial_id"
            f" AND t.state = 'COMPLETE') = g.study_id{fit}) AS bound FROM given g)"
        )
        fit = f" AND (r.bound IS NULL OR {value_of(db)} {'>=' if up else '<='} r.bound){fit}"
    best = (
        f"SELECT v.trial_id, {value_of(db)} AS value FROM trial_values v"  # noqa: S608
        f" WHERE v.trial_id BETWEEN r.first AND r.last AND v.objective = 0{fit}"
        f" ORDER BY 2 {'DESC' if up else 'ASC'} NULLS LAST LIMIT {_LISTED}"
    )
    read = _read_server if db.backend == "postgresql" else _read_file
    return read(db, ranges, best)


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
