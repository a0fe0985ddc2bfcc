"""파레토 최적 시행과 split마다 이긴 시행만 읽기: 시행이 많아도 다 읽지 않는다. Optuna를 import하지 않는다.

모두 읽어 `optimize.search.pareto`·`optimize.search.winners`로 고른 것과 같다.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optimize.storage import tables as t
from optimize.storage.leading import violated_trials
from optimize.storage.reader import VALIDATION, load_numbers
from optimize.trial import FinishedTrial

# 앞선 것들이 제약을 어겨 다시 고르는 일이 이만큼 되풀이되면 모든 시행의 제약을 읽는다.
_ROUNDS = 3
# 검증의 글에서 앞의 것만 읽는다: 뒤의 지표들이 길다.
_HEAD = 400
_SPLIT = re.compile(
    r'\{"fold": (\d+), "in_sample": (\[[^\]]*\]), "in_sample_constraints": (\[[^\]]*\])'
)
_INFINITE = {"INF_POS": float("inf"), "INF_NEG": float("-inf")}


def front_trials(
    connection: Connection, study_id: int, directions: Sequence[str]
) -> list[FinishedTrial]:
    """제약을 지킨 파레토 최적 시행들, 첫 목표가 좋은 차례."""
    signs = [-1.0 if way.lower() == "maximize" else 1.0 for way in directions]
    rows = _losses(connection, study_id, signs)
    violated: set[int] = set()
    for turn in range(_ROUNDS):
        front = _nondominated([row for row in rows if row[1] not in violated])
        if turn == _ROUNDS - 1:
            violated = violated_trials(connection, [row[1] for row in rows])
            front = _nondominated([row for row in rows if row[1] not in violated])
            break
        fresh = violated_trials(connection, [trial_id for _, trial_id, _ in front])
        if not fresh:
            break
        violated |= fresh
    return _in_order(connection, study_id, [number for _, _, number in front])


def split_winners(
    connection: Connection, study_id: int, directions: Sequence[str]
) -> tuple[list[int], list[FinishedTrial]]:
    """split마다의 시행 수와, 제 학습에서 제약을 지키고 학습 점수가 가장 좋은 시행들(없는 split은 빠진다)."""
    a, tr = t.trial_user_attributes.c, t.trials.c
    query = (
        sa.select(tr.number, tr.state, sa.func.substr(a.value_json, 1, _HEAD))
        .join(t.trials, tr.trial_id == a.trial_id)
        .where(tr.study_id == study_id, tr.state.in_(t.FINISHED), a.key == VALIDATION)
        .order_by(tr.number)
    )
    signs = [-1.0 if way.lower() == "maximize" else 1.0 for way in directions]
    counts: Counter[int] = Counter()
    best: dict[int, tuple[tuple[float, ...], int]] = {}
    for number, state, text in connection.execute(query):
        found = _SPLIT.match(text)
        if found is None:
            raise ValueError(f"시행 {number}의 검증을 읽을 수 없습니다: {text[:80]}")
        fold = int(found[1])
        counts[fold] += 1
        values, limits = json.loads(found[2]), json.loads(found[3])
        if state != "COMPLETE" or not values or not all(limit <= 0 for limit in limits):
            continue
        losses = tuple(_loss(value, sign) for value, sign in zip(values, signs, strict=True))
        if fold not in best or losses < best[fold][0]:
            best[fold] = (losses, number)
    numbers = [best[fold][1] for fold in sorted(best)]
    return [counts[n] for n in range(max(counts, default=-1) + 1)], _in_order(
        connection, study_id, numbers
    )


def _losses(
    connection: Connection, study_id: int, signs: Sequence[float]
) -> list[tuple[tuple[float, ...], int, int]]:
    """끝까지 간 시행의 (작을수록 좋은 수들, trial_id, 번호)."""
    tr = t.trials.c
    tables = [t.trial_values.alias(f"v{index}") for index in range(len(signs))]
    columns: list[Any] = [tr.trial_id, tr.number]
    joined: Any = t.trials
    for index, table in enumerate(tables):
        same = sa.and_(table.c.trial_id == tr.trial_id, table.c.objective == index)
        joined = joined.join(table, same)
        columns += [table.c.value, table.c.value_type]
    query = (
        sa.select(*columns)
        .select_from(joined)
        .where(tr.study_id == study_id, tr.state == "COMPLETE")
        .order_by(tr.number)
    )
    found = []
    for trial_id, number, *rest in connection.execute(query):
        values = [
            value if value is not None else _INFINITE.get(kind, float("nan"))
            for value, kind in zip(rest[::2], rest[1::2], strict=True)
        ]
        losses = tuple(_loss(value, sign) for value, sign in zip(values, signs, strict=True))
        found.append((losses, trial_id, number))
    return found


def _loss(value: float, sign: float) -> float:
    # NaN은 가장 나쁜 것이다.
    return sign * value if value == value else float("inf")


def _nondominated(
    rows: Sequence[tuple[tuple[float, ...], int, int]],
) -> list[tuple[tuple[float, ...], int, int]]:
    """지배되지 않는 행들, 첫 수가 작은 차례(같으면 번호의 차례). 값이 모두 같은 것은 함께 남는다."""
    import numpy as np

    ordered = sorted(rows, key=lambda row: row[0])
    left = np.array([row[0] for row in ordered], dtype=np.float64)
    places = np.arange(len(ordered))
    kept: list[int] = []
    while len(places):
        # 남은 것 가운데 맨 앞은 지배되지 않는다: 지배할 것은 늘 그보다 앞에 선다.
        first = left[0]
        same = (left == first).all(axis=1)
        kept += places[same].tolist()
        alive = (left < first).any(axis=1)
        left, places = left[alive], places[alive]
    return [ordered[place] for place in kept]


def _in_order(connection: Connection, study_id: int, numbers: Sequence[int]) -> list[FinishedTrial]:
    found: dict[int | None, FinishedTrial] = {}
    for start in range(0, len(numbers), 500):
        part = numbers[start : start + 500]
        found |= {trial.number: trial for trial in load_numbers(connection, study_id, part)}
    return [found[number] for number in numbers]
