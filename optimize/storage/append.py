"""끝난 시행들을 Optuna의 테이블에 한 트랜잭션, 적은 문장으로 넣는다.

Optuna의 `add_trial`이 시행마다 67문장을 쓰는 일을 묶음마다 열 남짓의 여러 행 문장으로 한다.
번호는 스터디의 행을 잠근 뒤(Optuna도 그 행을 잠근다) 이어 매기므로 겹치지도 비지도 않는다.
같은 uid는 다시 넣지 않는다: commit의 답을 받지 못해도 그대로 다시 부르면 된다.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optimize.errors import StorageError
from optimize.storage import tables as t
from optimize.storage.reader import ATTRIBUTE, BLOCKS, CONSTRAINTS, VALIDATION
from optimize.storage.summary import add_to_summary
from optimize.trial import FinishedTrial, ParamValue, params_key

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

REJECTED = -1
_CHUNK = 500
Rows = list[dict[str, Any]]


class TrialEncoder:
    """시행을 테이블의 행들로 바꾼다. distributions: 파라미터 이름 → 분포."""

    def __init__(self, distributions: Mapping[str, BaseDistribution], n_objectives: int) -> None:
        from optuna.distributions import distribution_to_json

        self.distributions = dict(distributions)
        self._json = {name: distribution_to_json(d) for name, d in self.distributions.items()}
        self._n_objectives = n_objectives

    def check(self, trial: FinishedTrial) -> None:
        """Optuna가 받을 시행인가. 아니면 ValueError."""
        for name, value in trial.params.items():
            if name not in self.distributions:
                raise ValueError(f"탐색 공간에 없는 파라미터: {name}")
            # 범위 밖의 값은 to_internal_repr나 여기서 드러난다.
            internal = self.distributions[name].to_internal_repr(value)
            if not self.distributions[name]._contains(internal):
                raise ValueError(f"파라미터 {name}={value!r}이(가) 분포 밖입니다")
        if trial.state == "COMPLETE" and len(trial.values) != self._n_objectives:
            raise ValueError(f"목표 값이 {self._n_objectives}개여야 합니다: {trial.values!r}")
        if any(math.isnan(value) for value in trial.values):
            raise ValueError("목표 값이 NaN입니다")

    def params(self, trial: FinishedTrial, trial_id: int) -> Rows:
        """`trial_params`의 행들."""
        return [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": self._internal(name, value),
                "distribution_json": self._json[name],
            }
            for name, value in trial.params.items()
        ]

    def _internal(self, name: str, value: ParamValue) -> float:
        return float(self.distributions[name].to_internal_repr(value))


def lock_study(connection: Connection, study_id: int) -> None:
    """스터디의 행을 트랜잭션 끝까지 잠근다. SQLite는 BEGIN IMMEDIATE가 이미 잠갔다."""
    query = sa.select(t.studies.c.study_id).where(t.studies.c.study_id == study_id)
    if connection.execute(query.with_for_update()).first() is None:
        raise StorageError(
            "스터디가 지워졌습니다",
            f"실행하는 동안 다른 곳에서 스터디(study_id {study_id})를 지웠습니다",
            "같은 명령을 다시 실행하면 새로 만들어 이어집니다",
        )


def append_trials(
    connection: Connection,
    study_id: int,
    encoder: TrialEncoder,
    trials: Sequence[FinishedTrial],
    maximize: bool | None,
    target: int | None = None,
) -> list[int]:
    """시행들을 넣고 번호를 차례대로 돌려준다. 이미 있는 uid는 있던 번호를 준다.

    target: 스터디의 목표 총수. 맡은 자리(claim)를 잃은 사이 남이 채웠으면 넣지 않고 REJECTED(-1).
    maximize: 한 목표의 방향, 여럿이면 None.
    """
    for trial in trials:
        encoder.check(trial)
    lock_study(connection, study_id)
    numbers = _stored_numbers(connection, study_id, [trial.uid for trial in trials])
    fresh = list({trial.uid: trial for trial in trials if trial.uid not in numbers}.values())
    if target is not None:
        fresh = _within_target(connection, study_id, fresh, target)
    if fresh:
        first = next_number(connection, study_id)
        _insert(connection, study_id, encoder, fresh, first)
        add_to_summary(connection, study_id, fresh, first, maximize)
        numbers |= {trial.uid: first + index for index, trial in enumerate(fresh)}
    _drop_claims(connection, study_id, trials)
    return [numbers.get(trial.uid, REJECTED) for trial in trials]


def next_number(connection: Connection, study_id: int) -> int:
    """다음 시행의 번호. 스터디를 잠근 뒤에만 믿을 수 있다."""
    query = sa.select(sa.func.max(t.trials.c.number)).where(t.trials.c.study_id == study_id)
    last = connection.scalar(query)
    return 0 if last is None else int(last) + 1


def finished_count(connection: Connection, study_id: int) -> int:
    """끝난 시행의 수: 번호가 이어져 있으므로 색인 둘만 읽는다."""
    unfinished = sa.select(sa.func.count()).where(
        t.trials.c.study_id == study_id, sa.text(t.IS_UNFINISHED)
    )
    return next_number(connection, study_id) - int(connection.scalar(unfinished) or 0)


def _stored_numbers(connection: Connection, study_id: int, uids: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(uids), _CHUNK):
        query = (
            sa.select(t.stored.c.uid, t.trials.c.number)
            .join(t.trials, t.trials.c.trial_id == t.stored.c.trial_id)
            .where(t.stored.c.study_id == study_id)
            .where(t.stored.c.uid.in_(uids[start : start + _CHUNK]))
        )
        found |= dict(connection.execute(query).all())
    return found


def _insert(
    connection: Connection,
    study_id: int,
    encoder: TrialEncoder,
    fresh: Sequence[FinishedTrial],
    first: int,
) -> None:
    heads = [
        {
            "number": first + index,
            "study_id": study_id,
            "state": trial.state,
            "datetime_start": naive_utc(trial.started_at),
            "datetime_complete": naive_utc(trial.finished_at),
        }
        for index, trial in enumerate(fresh)
    ]
    connection.execute(sa.insert(t.trials), heads)
    query = (
        sa.select(t.trials.c.trial_id)
        .where(t.trials.c.study_id == study_id, t.trials.c.number >= first)
        .order_by(t.trials.c.number)
    )
    pairs = list(zip(fresh, connection.scalars(query).all(), strict=True))
    _insert_rows(connection, t.trial_params, [r for f, i in pairs for r in encoder.params(f, i)])
    _insert_rows(connection, t.trial_values, [r for f, i in pairs for r in _values(f, i)])
    _insert_rows(
        connection, t.trial_intermediate_values, [r for f, i in pairs for r in _steps(f, i)]
    )
    _insert_rows(connection, t.trial_user_attributes, [r for f, i in pairs for r in _attrs(f, i)])
    _insert_rows(
        connection,
        t.trial_system_attributes,
        [
            {"trial_id": i, "key": CONSTRAINTS, "value_json": json.dumps(list(f.constraints))}
            for f, i in pairs
            if f.constraints
        ],
    )
    _insert_rows(connection, t.stored, [stored_row(study_id, f, i) for f, i in pairs])


def stored_row(study_id: int, trial: FinishedTrial, trial_id: int) -> dict[str, Any]:
    """`wizard_trials`의 행."""
    return {
        "study_id": study_id,
        "uid": trial.uid,
        "trial_id": trial_id,
        "params_hash": params_key(trial.params),
    }


def user_attributes(trial: FinishedTrial) -> dict[str, Any]:
    """Optuna의 user attribute들: 늘 `wizard`, 검증이 있으면 `validation`, 블록이 있으면 `blocks`."""
    body: dict[str, Any] = {"uid": trial.uid, "metrics": dict(trial.metrics)}
    if trial.error:
        body["error"] = trial.error
    if trial.by_symbol:
        body["by_symbol"] = dict(trial.by_symbol)
    attributes: dict[str, Any] = {ATTRIBUTE: body}
    if trial.fold is not None:
        attributes[VALIDATION] = {
            "fold": trial.fold,
            "in_sample": list(trial.in_sample),
            "in_sample_constraints": list(trial.in_sample_constraints),
            "out_of_sample": list(trial.out_of_sample),
            "out_of_sample_metrics": dict(trial.out_of_sample_metrics),
        }
    if trial.blocks:
        attributes[BLOCKS] = trial.blocks
    return attributes


def naive_utc(moment: datetime) -> datetime:
    """Optuna 5가 저장하는 꼴: 시간대 없는 UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _insert_rows(connection: Connection, table: sa.Table, rows: Rows) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def _attrs(trial: FinishedTrial, trial_id: int) -> Rows:
    return [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in user_attributes(trial).items()
    ]


def _values(trial: FinishedTrial, trial_id: int) -> Rows:
    return [
        {"trial_id": trial_id, "objective": index, "value": number, "value_type": kind}
        for index, (number, kind) in enumerate(map(_stored_number, trial.values))
    ]


def _steps(trial: FinishedTrial, trial_id: int) -> Rows:
    return [
        {
            "trial_id": trial_id,
            "step": step,
            "intermediate_value": number,
            "intermediate_value_type": kind,
        }
        for step, (number, kind) in (
            (step, _stored_number(value)) for step, value in trial.intermediate.items()
        )
    ]


def _stored_number(value: float) -> tuple[float | None, str]:
    """Optuna의 꼴: 무한대와 NaN은 값 없이 종류로 적는다."""
    if math.isnan(value):
        return None, "NAN"
    if math.isinf(value):
        return None, "INF_POS" if value > 0 else "INF_NEG"
    return float(value), "FINITE"


def _within_target(
    connection: Connection, study_id: int, fresh: list[FinishedTrial], target: int
) -> list[FinishedTrial]:
    """맡은 자리가 살아 있는 시행은 모두, 잃은 시행은 남은 자리만큼만."""
    keys = [params_key(trial.params) for trial in fresh]
    claimed = set(
        connection.scalars(
            sa.select(t.claims.c.params_hash).where(
                t.claims.c.study_id == study_id, t.claims.c.params_hash.in_(keys)
            )
        )
    )
    n_claims = connection.scalar(sa.select(sa.func.count()).where(t.claims.c.study_id == study_id))
    room = target - finished_count(connection, study_id) - int(n_claims or 0)
    kept: list[FinishedTrial] = []
    for trial, key in zip(fresh, keys, strict=True):
        if key not in claimed:
            room -= 1
            if room < 0:
                continue
        kept.append(trial)
    return kept


def _drop_claims(connection: Connection, study_id: int, trials: Sequence[FinishedTrial]) -> None:
    keys = [params_key(trial.params) for trial in trials]
    for start in range(0, len(keys), _CHUNK):
        connection.execute(
            sa.delete(t.claims).where(
                t.claims.c.study_id == study_id,
                t.claims.c.params_hash.in_(keys[start : start + _CHUNK]),
            )
        )
