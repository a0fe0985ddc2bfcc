"""저장소들의 스터디 목록. 시행을 훑지 않고 집계와 요약만 읽는다. SQLAlchemy도 Optuna도 import하지 않는다.

우리가 쓴 스터디는 요약(`wizard_summaries`)을 읽고, 요약이 없거나 어긋난 것(다른 도구가 쓴 것)만
집계로 센다. 센 것은 기억(`listing_cache`)해 두고 그 뒤로는 바뀐 스터디만 다시 센다.
저장소는 바꾸지 않는다: 다른 도구의 파일에 테이블을 만들지 않는다.
"""

from __future__ import annotations

import glob
import math
import os
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal

from optimize import paths
from optimize.errors import StorageError, WizardError
from optimize.storage.census import Counted, Summary, check_marks, count_changed
from optimize.storage.dbapi import Rows, reading_quiet_file, reading_rows
from optimize.storage.failures import storage_errors
from optimize.storage.listing_cache import ListingCache
from optimize.storage.listing_memory import Memory
from optimize.storage.options import StorageOptions
from optimize.storage.overview import Found, read_overview, server_time
from optimize.storage.url import StorageUrl

StudyState = Literal["running", "done", "idle", "empty", "counting"]
STATE_LABELS: dict[StudyState, str] = {
    "running": "진행 중",
    "done": "완료",
    "idle": "멈춤",
    "empty": "비어 있음",
    "counting": "세는 중",
}
# 함께 읽는 저장소의 수.
_MOST_TOGETHER = 9
# 처음 세는 시행이 이보다 많으면 먼저 이름과 수만 보이고, 다 센 뒤에 다시 보인다.
_WORTH_WAITING = 100_000
# 실행이 스터디에 적는 지문의 이름(`reader.ATTRIBUTE`).
_ATTRIBUTE = "wizard"


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """목록의 한 줄.

    directions: 'MAXIMIZE' | 'MINIMIZE'. state: 맡은 자리가 살아 있거나 RUNNING이 있으면 running,
        적힌 목표 총수를 채웠으면 done, 아직 세지 않았으면 counting(summary는 total뿐이다).
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
    root = paths.studies_dir().absolute()
    files = sorted(glob.glob(f"{glob.escape(str(root))}/*.db"))
    files += sorted(glob.glob(f"{glob.escape(str(root))}/*/*.db"))
    return [
        StorageUrl("sqlite", "pysqlite", path=Path(file)) for file in files if os.path.isfile(file)
    ]


def distinct(urls: Iterable[StorageUrl]) -> list[StorageUrl]:
    """같은 곳을 가리키는 것을 하나로. 비밀번호가 있는 것을 남긴다."""
    kept: dict[Any, StorageUrl] = {}
    for url in urls:
        key = _same_file(url.path) if url.path is not None else url.login
        if key not in kept or (kept[key].password is None and url.password is not None):
            kept[key] = url
    return list(kept.values())


def _same_file(path: Path) -> tuple[int, int] | str:
    try:
        found = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def list_all(
    urls: Sequence[StorageUrl], options: StorageOptions, cache: ListingCache | None = None
) -> Listing:
    """저장소들을 함께 읽는다. 닿지 못한 곳은 failures에 담고 나머지를 준다. 최근 것부터."""
    found = gather(stream_all(urls, options, cache))
    return replace(found, failures=sorted(found.failures, key=lambda item: urls.index(item[0])))


def gather(stream: Iterable[tuple[StorageUrl, list[StudyInfo] | StorageError]]) -> Listing:
    """`stream_all`이 준 것을 모은다. 같은 저장소는 마지막에 온 것이 이긴다."""
    last = dict(stream)
    studies = [info for found in last.values() if isinstance(found, list) for info in found]
    failures = [(url, found) for url, found in last.items() if isinstance(found, StorageError)]
    return Listing(sorted(studies, key=_recency, reverse=True), failures)


def stream_all(
    urls: Sequence[StorageUrl], options: StorageOptions, cache: ListingCache | None = None
) -> Iterator[tuple[StorageUrl, list[StudyInfo] | StorageError]]:
    """저장소들을 함께 읽어, 읽는 대로 준다. 오래 셀 저장소는 먼저 counting인 줄들을 준다."""
    servers = [url for url in urls if url.backend == "postgresql"]
    files = [url for url in urls if url.backend == "sqlite"]
    # 서버는 함께 기다리고, 파일은 한 thread가 차례로 읽는다(파일 읽기는 계산이라 나눌 것이 없다).
    waiting: SimpleQueue[Sequence[StorageUrl]] = SimpleQueue()
    for chosen in [[url] for url in servers] + ([files] if files else []):
        waiting.put(chosen)
    ready: SimpleQueue[tuple[StorageUrl, Any] | BaseException | None] = SimpleQueue()

    def work() -> None:
        try:
            for url in _taken(waiting):
                for found in _attempt(url, options, cache):
                    ready.put((url, found))
            ready.put(None)
        except BaseException as error:  # noqa: BLE001 — 기다리는 쪽에서 다시 낸다
            ready.put(error)

    left = min(_MOST_TOGETHER, waiting.qsize())
    for _ in range(left):
        # 답하지 않는 서버를 기다리는 thread는 Ctrl-C에 프로세스와 함께 끝난다.
        Thread(target=work, name="listing", daemon=True).start()
    while left:
        item = ready.get()
        if item is None:
            left -= 1
        elif isinstance(item, BaseException):
            raise item
        else:
            yield item
    if cache is not None:
        cache.save()


def _taken(waiting: SimpleQueue[Sequence[StorageUrl]]) -> Iterator[StorageUrl]:
    while True:
        try:
            chosen = waiting.get_nowait()
        except Empty:
            return
        yield from chosen


def list_studies(url: StorageUrl, options: StorageOptions) -> list[StudyInfo]:
    """한 저장소의 스터디들. 기억을 쓰지 않는다. 실패는 StorageError."""
    with storage_errors(url, "스터디 목록을 조회"):
        *_, found = _read(url, options, None)
    return found


def _attempt(
    url: StorageUrl, options: StorageOptions, cache: ListingCache | None
) -> Iterator[list[StudyInfo] | StorageError]:
    try:
        with storage_errors(url, "스터디 목록을 조회"):
            yield from _read(url, options, cache)
    except StorageError as error:
        yield error
    except WizardError as error:
        yield StorageError(error.title, error.cause, error.fix)


@dataclass(frozen=True, slots=True)
class _Reading:
    """다 읽은 저장소. counts: 이번에 센 것, 지난 목록 그대로면 None. now: 그 저장소의 지금, epoch 초."""

    studies: list[Found]
    counts: dict[int, Counted] | None
    now: float


def _read(
    url: StorageUrl, options: StorageOptions, cache: ListingCache | None
) -> Iterator[list[StudyInfo]]:
    """한 저장소. 마지막에 준 것이 다 센 것이다."""
    memory = Memory(url, cache)
    if (unchanged := memory.unchanged()) is not None:
        yield [_info(url, study, time.time()) for study in unchanged]
        return
    reading = _read_quiet(url, memory)
    if reading is None:
        with reading_rows(url, options) as db:
            reading = yield from _read_open(url, db, memory)
    if reading.counts is not None:
        memory.keep(reading.studies, reading.counts)
    yield [_info(url, study, reading.now) for study in reading.studies]


def _read_quiet(url: StorageUrl, memory: Memory) -> _Reading | None:
    """한동안 아무도 쓰지 않은 작은 파일을 잠그지 않고. 그런 파일이 아니거나 읽는 사이 바뀌었으면 None."""
    if url.path is None or not memory.is_settled():
        return None
    try:
        with reading_quiet_file(url.path) as db:
            if db is None:
                return None
            reading = _drain(_read_open(url, db, memory))
    except sqlite3.DatabaseError:
        return None  # 바뀌는 중이었거나 깨졌다: 잠그고 읽어 가린다
    return reading if memory.is_untouched() else None


def _drain(steps: Generator[Any, None, _Reading]) -> _Reading:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: _Reading = end.value
            return found


def _read_open(
    url: StorageUrl, db: Rows, memory: Memory
) -> Generator[list[StudyInfo], None, _Reading]:
    """열린 저장소. 오래 셀 것이면 counting인 줄들을 먼저 준다."""
    memory.look(db)
    if (unchanged := memory.unchanged()) is not None:
        return _Reading(unchanged, None, server_time(db))
    studies = read_overview(db, url)
    stale = [study.study_id for study in studies if study.summary is None]
    counts: dict[int, Counted] = {}
    now = server_time(db)
    if stale:
        scope = None if len(stale) == len(studies) else stale
        check = check_marks(db, scope, memory.counts())
        if check.n_changed >= _WORTH_WAITING:
            yield [
                _waiting(url, study, check.changed[study.study_id])
                if study.study_id in check.changed
                else _info(url, _counted(study, check.same), now)
                for study in studies
            ]
        counts = check.same | count_changed(db, check)
    return _Reading([_counted(study, counts) for study in studies], counts, now)


def _counted(study: Found, counts: Mapping[int, Counted]) -> Found:
    if study.summary is not None:
        return study
    counted = counts.get(study.study_id)
    return replace(study, summary=counted.summary if counted else Summary())


def _info(url: StorageUrl, study: Found, now: float) -> StudyInfo:
    summary = study.summary or Summary()
    state = _state(summary, study.claimed_until > now, study.attrs.get(_ATTRIBUTE))
    return StudyInfo(study.study_id, study.name, url, study.directions, summary, state, study.attrs)


def _waiting(url: StorageUrl, study: Found, count: int) -> StudyInfo:
    summary = Summary(total=count)
    return StudyInfo(
        study.study_id, study.name, url, study.directions, summary, "counting", study.attrs
    )


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
