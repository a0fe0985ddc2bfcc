"""저장된 시행을 읽는다. Optuna를 import하지 않는다.

한 스터디의 시행을 여섯 문장으로 읽는다(시행·파라미터·값·속성 둘·중간 값).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optimize.storage import tables as t
from optimize.trial import FinishedTrial, ParamValue

ATTRIBUTE = "wizard"
VALIDATION = "validation"
BLOCKS = "blocks"
CONSTRAINTS = "constraints"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Counts:
    """상태마다의 시행 수. running에는 기다리는 것(WAITING)도 든다."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0

    @property
    def finished(self) -> int:
        """끝난 시행의 수."""
        return self.complete + self.pruned + self.failed


def count_trials(connection: Connection, study_id: int) -> Counts:
    """집계 한 문장으로 센다."""
    query = (
        sa.select(t.trials.c.state, sa.func.count())
        .where(t.trials.c.study_id == study_id)
        .group_by(t.trials.c.state)
    )
    found: dict[str, int] = dict(connection.execute(query).all())
    return Counts(
        complete=found.get("COMPLETE", 0),
        pruned=found.get("PRUNED", 0),
        failed=found.get("FAIL", 0),
        running=found.get("RUNNING", 0) + found.get("WAITING", 0),
    )


def load_trials(
    connection: Connection,
    study_id: int,
    after: int = -1,
    until: int | None = None,
    *,
    blocks: bool = False,
) -> list[FinishedTrial]:
    """번호가 after보다 크고 until 이하인(None이면 끝까지) 끝난 시행들, 번호 차례로.

    blocks: 수익률의 블록(`FinishedTrial.blocks`)도 읽는다. 시행마다 수백 자이므로 쓰는 이만 청한다.
    다른 도구가 넣은 시행(uid가 없다)에는 `optuna-<trial_id>`라는 uid를 준다.
    """
    scope = sa.and_(
        t.trials.c.study_id == study_id,
        t.trials.c.number > after,
        t.trials.c.state.in_(t.FINISHED),
        sa.true() if until is None else t.trials.c.number <= until,
    )
    return _load(connection, scope, blocks)


def load_numbers(
    connection: Connection, study_id: int, numbers: Sequence[int]
) -> list[FinishedTrial]:
    """그 번호들의 끝난 시행, 번호 차례로. 수백 개까지 쓴다."""
    tr = t.trials.c
    scope = sa.and_(tr.study_id == study_id, tr.number.in_(list(numbers)), tr.state.in_(t.FINISHED))
    return _load(connection, scope, blocks=False) if numbers else []


def load_distributions(connection: Connection, study_id: int) -> dict[int, dict[str, str]]:
    """끝까지 간 시행의 번호 → 파라미터의 이름 → 분포의 JSON(Optuna의 꼴)."""
    tr, p = t.trials.c, t.trial_params.c
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for number, name, text in connection.execute(
        sa.select(tr.number, p.param_name, p.distribution_json)
        .join(t.trial_params, tr.trial_id == p.trial_id)
        .where(tr.study_id == study_id, tr.state == "COMPLETE")
    ):
        found[number][name] = text
    return found


def _load(
    connection: Connection, scope: sa.ColumnElement[bool], blocks: bool
) -> list[FinishedTrial]:
    columns = t.trials.c
    heads = connection.execute(
        sa.select(
            columns.trial_id,
            columns.number,
            columns.state,
            columns.datetime_start,
            columns.datetime_complete,
        )
        .where(scope)
        .order_by(columns.number)
    ).all()
    if not heads:
        return []
    parts = _Parts(connection, scope, blocks)
    return [_build(head, parts) for head in heads]


class _Parts:
    """trial_id마다 모은 곁 테이블의 행들."""

    def __init__(self, connection: Connection, scope: sa.ColumnElement[bool], blocks: bool) -> None:
        p, v, i = t.trial_params.c, t.trial_values.c, t.trial_intermediate_values.c
        u, s = t.trial_user_attributes.c, t.trial_system_attributes.c

        def rows(order: Any, *columns: Any, only: Sequence[Any] = ()) -> Iterable[Any]:
            table = columns[0].table
            joined = table.join(t.trials, t.trials.c.trial_id == table.c.trial_id)
            query = sa.select(*columns).select_from(joined).where(scope, *only).order_by(order)
            return connection.execute(query)

        self.params: dict[int, dict[str, ParamValue]] = defaultdict(dict)
        for trial_id, name, value, text in rows(
            p.param_id, p.trial_id, p.param_name, p.param_value, p.distribution_json
        ):
            self.params[trial_id][name] = _decoder(text)(value)
        self.values: dict[int, list[float]] = defaultdict(list)
        for trial_id, value, kind in rows(v.objective, v.trial_id, v.value, v.value_type):
            self.values[trial_id].append(_number(value, kind))
        self.intermediate: dict[int, dict[int, float]] = defaultdict(dict)
        for trial_id, step, value, kind in rows(
            i.step, i.trial_id, i.step, i.intermediate_value, i.intermediate_value_type
        ):
            self.intermediate[trial_id][step] = _number(value, kind)
        self.user: dict[int, dict[str, str]] = defaultdict(dict)
        ours = (ATTRIBUTE, VALIDATION, BLOCKS) if blocks else (ATTRIBUTE, VALIDATION)
        for trial_id, key, text in rows(
            u.trial_user_attribute_id, u.trial_id, u.key, u.value_json, only=[u.key.in_(ours)]
        ):
            self.user[trial_id][key] = text
        self.constraints: dict[int, list[float]] = defaultdict(list)
        for trial_id, key, text in rows(
            s.trial_system_attribute_id, s.trial_id, s.key, s.value_json
        ):
            if limits := constraint_values(key, text):
                self.constraints[trial_id] += limits


def constraint_values(key: str, text: str) -> list[float]:
    """시행의 system attribute 하나에 적힌 제약 값들. 제약이 아니면 빈 목록.

    Optuna는 `constraints_func`가 NaN을 주거나 실패하면 null을 적고, 제약이 없는 시행으로 읽는다.
    """
    if key == CONSTRAINTS:
        return [float(value) for value in json.loads(text) or ()]
    return [float(json.loads(text))] if key.startswith(f"{CONSTRAINTS}:") else []


def _build(head: Any, parts: _Parts) -> FinishedTrial:
    trial_id, number, state, started, finished = head
    user = {key: json.loads(text) for key, text in parts.user.get(trial_id, {}).items()}
    found = user.get(ATTRIBUTE)
    ours = found if isinstance(found, dict) else {}
    if "uid" not in ours:
        user = {}  # 다른 도구가 넣은 시행: 이름이 같은 attribute(`validation` 따위)도 우리의 것이 아니다
    checked = user.get(VALIDATION, {})
    finished_at = _utc(finished) or _utc(started) or _EPOCH
    return FinishedTrial(
        uid=ours.get("uid") or f"optuna-{trial_id}",
        state=state,
        params=parts.params.get(trial_id, {}),
        values=tuple(parts.values.get(trial_id, ())),
        started_at=_utc(started) or finished_at,
        finished_at=finished_at,
        metrics=ours.get("metrics", {}),
        constraints=tuple(parts.constraints.get(trial_id, ())),
        intermediate=parts.intermediate.get(trial_id, {}),
        number=number,
        error=ours.get("error", ""),
        fold=checked.get("fold"),
        in_sample=tuple(checked.get("in_sample", ())),
        in_sample_constraints=tuple(checked.get("in_sample_constraints", ())),
        out_of_sample=tuple(checked.get("out_of_sample", ())),
        out_of_sample_metrics=checked.get("out_of_sample_metrics", {}),
        blocks=user.get(BLOCKS, ""),
        by_symbol=ours.get("by_symbol", {}),
    )


def _utc(stored: datetime | None) -> datetime | None:
    return stored.replace(tzinfo=UTC) if stored is not None else None


def _number(value: float | None, kind: str) -> float:
    if kind == "FINITE" and value is not None:
        return value
    return {"INF_POS": float("inf"), "INF_NEG": float("-inf")}.get(kind, float("nan"))


@lru_cache(maxsize=4096)
def _decoder(distribution_json: str) -> Callable[[float], ParamValue]:
    """Optuna의 내부 값(실수)을 사람이 읽는 값으로 바꾸는 함수. 옛 분포 이름도 안다."""
    body = json.loads(distribution_json)
    name: str = body["name"]
    if name.startswith("Categorical"):
        choices: list[ParamValue] = body["attributes"]["choices"]
        return lambda value: choices[int(value)]
    return int if name.startswith("Int") else float
