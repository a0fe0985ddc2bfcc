"""한 데이터베이스의 스터디들을 SQL 몇 문장으로: 이름, 방향, attribute, 맡은 자리, 저장된 요약."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from optimize.errors import StorageError
from optimize.masking import printable
from optimize.storage.census import Summary, utc
from optimize.storage.dbapi import Rows
from optimize.storage.url import StorageUrl

# 서버의 지금, epoch 초.
SERVER_NOW: dict[str, str] = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())::float8",
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
}
# 우리가 스터디에 적는 탐색 공간의 이름(`study.SPACE_ATTRIBUTE`): 커서 목록에는 읽지 않는다.
_SPACE_ATTRIBUTE = "wizard_space"
# 값의 종류(`value_type`)를 적기 시작한 스키마의 판. 판의 이름은 글의 차례로 늘어난다.
_FIRST_READABLE = "v3.0.0.d"
_OPTUNA_TABLES = {"studies", "trials", "study_directions"}
_WIZARD_TABLES = {"wizard_trials", "wizard_claims", "wizard_summaries"}
# 부분 색인은 조건이 글자 그대로일 때 쓰인다(`tables.IS_UNFINISHED`).
_UNFINISHED = "state IN ('RUNNING', 'WAITING')"


@dataclass(frozen=True, slots=True)
class Found:
    """데이터베이스에 있는 스터디 하나.

    directions: 'MAXIMIZE' | 'MINIMIZE'. claimed_until: 맡은 자리 가운데 가장 늦게 풀리는 때
    (서버 시계의 epoch 초), 없으면 0. summary: 맞는 것이 저장되어 있지 않으면 None(세어야 한다).
    """

    study_id: int
    name: str
    directions: tuple[str, ...]
    claimed_until: float
    summary: Summary | None
    attrs: dict[str, Any] = field(default_factory=dict)


def table_names(db: Rows) -> frozenset[str]:
    """볼 수 있는 Optuna와 우리의 테이블들."""
    if db.backend == "sqlite":
        rows = db("SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        rows = db(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND pg_table_is_visible(oid) AND relnamespace <> 'pg_catalog'::regnamespace"
        )
    return frozenset(row[0] for row in rows)


def read_overview(db: Rows, url: StorageUrl) -> list[Found]:
    """모든 스터디, 번호 차례로. Optuna의 데이터베이스가 아니면 빈 목록. 옛 Optuna의 것이면 StorageError."""
    tables = table_names(db)
    if not tables >= _OPTUNA_TABLES:
        return []
    if "alembic_version" in tables:
        _require_readable(db, url)
    if tables >= _WIZARD_TABLES:
        rows = [(*row[:3], _stored(row[3:])) for row in db(_WITH_SUMMARIES)]
    else:
        names = db("SELECT study_id, study_name FROM studies ORDER BY study_id")
        rows = [(study_id, name, None, None) for study_id, name in names]
    directions, attrs = _directions(db), _attributes(db)
    return [
        Found(
            study_id,
            name,
            directions.get(study_id, ()),
            claimed or 0.0,
            summary,
            attrs.get(study_id, {}),
        )
        for study_id, name, claimed, summary in rows
    ]


def _require_readable(db: Rows, url: StorageUrl) -> None:
    """Optuna 2까지의 스키마에는 값의 종류(무한대)를 적는 칸이 없다."""
    for (revision,) in db("SELECT version_num FROM alembic_version"):
        if revision < _FIRST_READABLE:
            place = shlex.quote(url.masked)
            upgrade = f"check --storage-url {place} --fix upgrade_schema"
            fixes = [f"올립니다(먼저 백업합니다): python -m optimize.storage {upgrade}"]
            if url.path is not None:
                copy = f"copy --from {place} --to 새파일.db --all --source-timezone Asia/Seoul"
                fixes.insert(0, f"원본을 두고 옮깁니다: python -m optimize.storage {copy}")
            raise StorageError(
                "옛 Optuna의 스키마라 읽을 수 없습니다",
                f"Optuna 2까지의 스키마입니다({revision})",
                "\n".join(fixes),
            )


def server_time(db: Rows) -> float:
    """서버의 지금, epoch 초."""
    return float(db(SERVER_NOW[db.backend])[0][0])


def server_place(db: Rows) -> tuple[str, str]:
    """PostgreSQL의 (어느 데이터베이스의 어느 시행 테이블인가, 지금의 모습).

    앞의 것은 지우고 다시 만들면 달라진다. 모습은 이 트랜잭션의 snapshot과 서버가 켜진 때이며, 같으면
    보이는 행이 모두 같다: snapshot은 끝난 트랜잭션과 끝나지 않은 트랜잭션을 모두 적고, 트랜잭션의
    번호는 서버가 켜져 있는 동안 다시 쓰이지 않는다. standby의 snapshot은 그렇지 않아 빈 글이다.
    """
    oid, table, standby, snapshot, started = db(
        "SELECT oid, to_regclass('trials')::oid, pg_is_in_recovery(),"
        " txid_current_snapshot()::text, pg_postmaster_start_time()::text"
        " FROM pg_database WHERE datname = current_database()"
    )[0]
    return f"{oid} {table}", "" if standby else f"{snapshot} {started}"


# 요약은 (total, unfinished)가 지금과 같을 때만 맞다(`summary`).
_WITH_SUMMARIES = f"""
SELECT s.study_id, s.study_name,
  (SELECT max(expires_at) FROM wizard_claims WHERE wizard_claims.study_id = s.study_id),
  (SELECT max(number) FROM trials WHERE trials.study_id = s.study_id),
  (SELECT count(*) FROM trials WHERE trials.study_id = s.study_id AND {_UNFINISHED}),
  w.total, w.unfinished, w.n_complete, w.n_pruned, w.n_failed,
  w.best_value, w.best_number, w.last_activity
FROM studies s LEFT JOIN wizard_summaries w ON w.study_id = s.study_id ORDER BY s.study_id
"""  # noqa: S608


def _stored(columns: tuple[Any, ...]) -> Summary | None:
    last, unfinished, *stored, moment = columns
    total = 0 if last is None else last + 1
    if stored[:2] != [total, unfinished]:
        return None
    complete, pruned, failed, value, number = stored[2:]
    return Summary(total, unfinished, complete, pruned, failed, value, number, utc(moment))


def _directions(db: Rows) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    query = "SELECT study_id, direction FROM study_directions ORDER BY study_id, objective"
    for study_id, direction in db(query):
        found[study_id] = (*found.get(study_id, ()), direction)
    return found


def _attributes(db: Rows) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for study_id, key, text in db(
        "SELECT study_id, key, value_json FROM study_user_attributes"  # noqa: S608
        f" WHERE key <> '{_SPACE_ATTRIBUTE}'"
    ):
        try:
            found[study_id][key] = json.loads(text)
        except (ValueError, TypeError):
            raise StorageError(
                "스터디의 attribute가 깨졌습니다",
                f"{study_id}번 스터디의 '{printable(key)}'이(가) JSON이 아닙니다",
                "이 저장소를 백업에서 되살리거나, study_user_attributes의 그 행을 고칩니다",
            ) from None
    return found
