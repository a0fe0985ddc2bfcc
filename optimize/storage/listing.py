"""저장소들의 스터디 목록. 시행을 훑지 않고 집계와 요약만 읽는다. Optuna를 import하지 않는다.

우리가 쓴 스터디는 요약(`wizard_summaries`)을 읽고, 요약이 없거나 어긋난 것만 집계로 센다.
아무것도 바꾸지 않는다: 다른 도구의 파일에 테이블을 만들지 않는다.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optimize import paths
from optimize.errors import StorageError, WizardError
from optimize.storage import tables as t
from optimize.storage.claims import server_now
from optimize.storage.engine import reading
from optimize.storage.failures import storage_errors
from optimize.storage.options import StorageOptions
from optimize.storage.reader import ATTRIBUTE
from optimize.storage.study import SPACE_ATTRIBUTE
from optimize.storage.summary import Summary, compute_summaries, stored_summary
from optimize.storage.url import StorageUrl, sqlite_url

StudyState = Literal["running", "done", "idle", "empty"]
STATE_LABELS: dict[StudyState, str] = {
    "running": "진행 중",
    "done": "완료",
    "idle": "멈춤",
    "empty": "비어 있음",
}


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """목록의 한 줄.

    directions: 'MAXIMIZE' | 'MINIMIZE'. state: 맡은 자리가 살아 있거나 RUNNING이 있으면 running,
        적힌 목표 총수를 채웠으면 done.
    attrs: 스터디의 user attribute(탐색 공간의 기록은 뺀다).
    """

    study_id: int
    name: str
    url: StorageUrl
    directions: tuple[str, ...]
    summary: Summary
    state: StudyState
    attrs: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """`--json`의 한 객체. 시각은 UTC ISO 8601, 무한대는 글('inf')."""
        s, best = self.summary, self.summary.best_value
        return {
            "name": self.name,
            "storage": self.url.masked,
            "backend": self.url.backend,
            "directions": [direction.lower() for direction in self.directions],
            "state": self.state,
            "total": s.total,
            "n_complete": s.n_complete,
            "n_pruned": s.n_pruned,
            "n_failed": s.n_failed,
            "n_running": s.unfinished,
            "best_value": best if best is None or math.isfinite(best) else str(best),
            "best_number": s.best_number,
            "last_activity": s.last_activity.isoformat() if s.last_activity else None,
            "attrs": self.attrs,
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """여러 저장소의 목록. failures: 읽지 못한 저장소와 그 까닭."""

    studies: list[StudyInfo]
    failures: list[tuple[StorageUrl, StorageError]]


def sqlite_files() -> list[StorageUrl]:
    """`studies/` 아래의 SQLite 스터디 파일들."""
    root = paths.studies_dir()
    files = [*root.glob("*.db"), *root.glob("*/*.db")]
    return [sqlite_url(path) for path in sorted(files) if path.is_file()]


def distinct(urls: Iterable[StorageUrl]) -> list[StorageUrl]:
    """같은 곳을 가리키는 것을 하나로. 비밀번호가 있는 것을 남긴다."""
    kept: dict[Any, StorageUrl] = {}
    for url in urls:
        key = url.path.resolve() if url.path is not None else url.login
        if key not in kept or (kept[key].password is None and url.password is not None):
            kept[key] = url
    return list(kept.values())


def list_all(urls: Sequence[StorageUrl], options: StorageOptions) -> Listing:
    """저장소들을 함께 읽는다. 닿지 못한 곳은 failures에 담고 나머지를 준다. 최근 것부터."""
    servers = [url for url in urls if url.backend == "postgresql"]
    # 서버는 함께 기다리고, 파일은 이 스레드가 차례로 읽는다(파일 읽기는 계산이라 나눌 것이 없다).
    with ThreadPoolExecutor(max(1, min(8, len(servers)))) as pool:
        waiting = {url: pool.submit(_attempt, url, options) for url in servers}
        files = {url: _attempt(url, options) for url in urls if url not in waiting}
        results = [files[url] if url in files else waiting[url].result() for url in urls]
    studies = [info for result in results if isinstance(result, list) for info in result]
    failures = [
        (url, result)
        for url, result in zip(urls, results, strict=True)
        if isinstance(result, StorageError)
    ]
    studies.sort(key=_recency, reverse=True)
    return Listing(studies, failures)


def list_studies(url: StorageUrl, options: StorageOptions) -> list[StudyInfo]:
    """한 저장소의 스터디들. 실패는 StorageError."""
    with storage_errors(url, "스터디 목록을 조회"), reading(url, options) as connection:
        return _read(connection, url)


def _attempt(url: StorageUrl, options: StorageOptions) -> list[StudyInfo] | StorageError:
    try:
        return list_studies(url, options)
    except StorageError as error:
        return error
    except WizardError as error:
        return StorageError(error.title, error.cause, error.fix)


def _read(connection: Connection, url: StorageUrl) -> list[StudyInfo]:
    present = _tables(connection)
    if not {"studies", "trials", "study_directions"} <= present:
        return []
    if {table.name for table in t.WIZARD_TABLES} <= present:
        found = _overview(connection)
    else:
        names = dict(
            connection.execute(sa.select(t.studies.c.study_id, t.studies.c.study_name)).all()
        )
        summaries = compute_summaries(connection, list(names))
        found = {key: (name, summaries[key], False) for key, name in names.items()}
    directions = _directions(connection)
    attrs = _attributes(connection)
    return [
        StudyInfo(
            study_id,
            name,
            url,
            directions.get(study_id, ()),
            summary,
            _state(summary, claimed, attrs.get(study_id, {}).get(ATTRIBUTE)),
            attrs.get(study_id, {}),
        )
        for study_id, (name, summary, claimed) in found.items()
    ]


def _tables(connection: Connection) -> frozenset[str]:
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
        return frozenset(rows.scalars())
    return frozenset(sa.inspect(connection).get_table_names())


def _overview(connection: Connection) -> dict[int, tuple[str, Summary, bool]]:
    """study_id → (이름, 요약, 맡은 자리가 살아 있는가). 요약이 어긋난 스터디만 다시 센다."""
    rows = connection.execute(_OVERVIEW, {"now": server_now(connection)}).all()
    stale = [row[0] for row in rows if (row[5] or 0, row[6]) != (_total(row[2]), row[3])]
    recounted = compute_summaries(connection, stale)
    return {
        study_id: (name, recounted.get(study_id) or stored_summary(*stored), bool(claimed))
        for study_id, name, _, _, claimed, *stored in rows
    }


def _total(last_number: int | None) -> int:
    return 0 if last_number is None else last_number + 1


def _overview_query() -> sa.Select[Any]:
    s, tr, c = t.studies.c, t.trials.c, t.claims.c
    # 부분 색인은 조건이 글자 그대로일 때 쓰이므로 text로 적는다.
    unfinished = (
        sa.select(sa.func.count())
        .select_from(t.trials)
        .where(tr.study_id == s.study_id, sa.text(t.IS_UNFINISHED))
    )
    last = sa.select(sa.func.max(tr.number)).where(tr.study_id == s.study_id)
    claimed = sa.exists().where(c.study_id == s.study_id, c.expires_at > sa.bindparam("now"))
    columns = [column for column in t.summaries.c if column.name != "study_id"]
    return sa.select(
        s.study_id,
        s.study_name,
        last.scalar_subquery(),
        unfinished.scalar_subquery(),
        claimed,
        *columns,
    ).select_from(t.studies.outerjoin(t.summaries, t.summaries.c.study_id == s.study_id))


_OVERVIEW = _overview_query()


def _directions(connection: Connection) -> dict[int, tuple[str, ...]]:
    d = t.study_directions.c
    found: dict[int, list[str]] = defaultdict(list)
    query = sa.select(d.study_id, d.direction).order_by(d.study_id, d.objective)
    for study_id, direction in connection.execute(query):
        found[study_id].append(direction)
    return {study_id: tuple(values) for study_id, values in found.items()}


def _attributes(connection: Connection) -> dict[int, dict[str, Any]]:
    a = t.study_user_attributes.c
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    query = sa.select(a.study_id, a.key, a.value_json).where(a.key != SPACE_ATTRIBUTE)
    for study_id, key, text in connection.execute(query):
        found[study_id][key] = json.loads(text)
    return found


def _state(summary: Summary, claimed: bool, recorded: object) -> StudyState:
    if claimed or summary.unfinished:
        return "running"
    target = recorded.get("target") if isinstance(recorded, dict) else None
    if isinstance(target, int) and 0 < target <= summary.total:
        return "done"
    return "idle" if summary.total else "empty"


def _recency(info: StudyInfo) -> tuple[float, str]:
    last = info.summary.last_activity
    return (last.timestamp() if last else 0.0, info.name)
