"""스터디의 이름 바꾸기, 지우기, 치우기. 모두 스터디를 잠근 한 트랜잭션이다."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from optimize.errors import SettingsError
from optimize.storage import tables as t
from optimize.storage.append import lock_study
from optimize.storage.claims import server_now
from optimize.storage.engine import make_engine, writing
from optimize.storage.failures import storage_errors
from optimize.storage.options import StorageOptions
from optimize.storage.reader import ATTRIBUTE
from optimize.storage.study import check_name, find_study
from optimize.storage.summary import compute_summaries, write_summaries
from optimize.storage.url import StorageUrl

CLEANED = "끝나지 못한 시행을 정리함(프로세스가 죽어 RUNNING으로 남아 있었음)"


class StudyAdmin:
    """한 저장소의 스터디들을 고친다. 실패는 StorageError, 틀린 부탁은 SettingsError."""

    def __init__(self, url: StorageUrl, options: StorageOptions) -> None:
        self._url = url
        self._engine: Engine = make_engine(url, options)

    def close(self) -> None:
        """연결을 닫는다."""
        self._engine.dispose()

    def rename(self, name: str, new_name: str) -> None:
        """이름을 바꾼다. 새 이름이 이미 있으면 SettingsError."""
        with (
            storage_errors(self._url, "스터디 이름을 변경"),
            writing(self._engine) as connection,
        ):
            check_name(connection, new_name)
            study_id = self._lock_idle(connection, name)
            if find_study(connection, new_name) is not None:
                raise SettingsError(
                    f"'{new_name}' 스터디가 이미 있습니다",
                    f"{self._url.masked} — 한 저장소에 같은 이름은 하나입니다",
                    "다른 이름을 고릅니다",
                )
            connection.execute(
                sa.update(t.studies)
                .where(t.studies.c.study_id == study_id)
                .values(study_name=new_name)
            )

    def delete(self, name: str) -> int:
        """스터디와 그 시행을 모두 지운다. 지운 시행의 수."""
        with storage_errors(self._url, "스터디를 삭제"), writing(self._engine) as connection:
            study_id = self._lock_idle(connection, name)
            mine = sa.select(t.trials.c.trial_id).where(t.trials.c.study_id == study_id)
            present = frozenset(sa.inspect(connection).get_table_names())
            for table in _children(present):
                connection.execute(sa.delete(table).where(table.c.trial_id.in_(mine)))
            for table in t.WIZARD_TABLES:
                if table.name in present:
                    connection.execute(sa.delete(table).where(table.c.study_id == study_id))
            removed = connection.execute(
                sa.delete(t.trials).where(t.trials.c.study_id == study_id)
            ).rowcount
            for table in (
                t.study_user_attributes,
                t.study_system_attributes,
                t.study_directions,
                t.studies,
            ):
                connection.execute(sa.delete(table).where(table.c.study_id == study_id))
            return removed

    def clean(self, name: str, older_than: timedelta) -> int:
        """older_than보다 오래된 RUNNING 시행을 까닭을 적어 FAIL로 바꾼다. 바꾼 수.

        그동안 heartbeat가 있던 시행과 기다리는(WAITING) 시행은 두고, 죽은 주인의 자리는 비운다.
        """
        with storage_errors(self._url, "스터디를 정리"), writing(self._engine) as connection:
            study_id = _existing(connection, name)
            lock_study(connection, study_id)
            now = datetime.fromtimestamp(server_now(connection), UTC).replace(tzinfo=None)
            dead = list(connection.scalars(_dead_trials(study_id, now - older_than)))
            if dead:
                connection.execute(
                    sa.update(t.trials)
                    .where(t.trials.c.trial_id.in_(dead))
                    .values(state="FAIL", datetime_complete=now)
                )
                _note(connection, dead)
            if _has_wizard_tables(connection):
                c = t.claims.c
                expired = c.expires_at < server_now(connection)
                connection.execute(sa.delete(t.claims).where(c.study_id == study_id, expired))
                write_summaries(connection, compute_summaries(connection, [study_id]))
            return len(dead)

    def _lock_idle(self, connection: Connection, name: str) -> int:
        """실행이 쓰고 있지 않은 스터디를 잠근다."""
        study_id = _existing(connection, name)
        lock_study(connection, study_id)
        if _has_wizard_tables(connection):
            c = t.claims.c
            live = connection.scalar(
                sa.select(sa.func.count()).where(
                    c.study_id == study_id, c.expires_at > server_now(connection)
                )
            )
            if live:
                raise SettingsError(
                    f"'{name}' 스터디를 실행이 쓰고 있습니다",
                    f"평가하고 있는 시행이 {live}개 있습니다",
                    "실행을 멈춘 뒤 다시 합니다. 죽은 실행의 것이면 1분 뒤에 풀립니다",
                )
        return study_id


def _existing(connection: Connection, name: str) -> int:
    found = find_study(connection, name)
    if found is None:
        raise SettingsError(
            f"'{name}' 스터디가 없습니다",
            "그 사이에 다른 프로그램이 지우거나 이름을 바꾸었습니다",
            "python -m optimize.studies list 로 이름을 봅니다",
        )
    return found.study_id


def _children(present: frozenset[str]) -> list[sa.Table]:
    tables = (
        t.trial_params,
        t.trial_values,
        t.trial_intermediate_values,
        t.trial_user_attributes,
        t.trial_system_attributes,
        t.trial_heartbeats,
    )
    return [table for table in tables if table.name in present]


def _dead_trials(study_id: int, cutoff: datetime) -> sa.Select[int]:
    tr, h = t.trials.c, t.trial_heartbeats.c
    alive = sa.exists().where(h.trial_id == tr.trial_id, h.heartbeat > cutoff)
    began = sa.or_(tr.datetime_start.is_(None), tr.datetime_start <= cutoff)
    return sa.select(tr.trial_id).where(
        tr.study_id == study_id, tr.state == "RUNNING", began, ~alive
    )


def _note(connection: Connection, trial_ids: list[int]) -> None:
    a = t.trial_user_attributes.c
    query = sa.select(a.trial_id).where(a.trial_id.in_(trial_ids), a.key == ATTRIBUTE)
    noted = set(connection.scalars(query))
    text = json.dumps({"error": CLEANED})
    rows = [
        {"trial_id": trial_id, "key": ATTRIBUTE, "value_json": text}
        for trial_id in trial_ids
        if trial_id not in noted
    ]
    if rows:
        connection.execute(sa.insert(t.trial_user_attributes), rows)


def _has_wizard_tables(connection: Connection) -> bool:
    present = sa.inspect(connection).get_table_names()
    return {table.name for table in t.WIZARD_TABLES} <= set(present)
