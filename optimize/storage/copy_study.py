"""스터디를 다른 저장소로 복사한다: 테이블에서 테이블로, 이어서 할 수 있게, 지문으로 확인하며.

1. 원본을 한 순간의 모습으로 읽어 1000개씩 대상의 임시 테이블에 모은다(묶음마다 commit).
2. 한 트랜잭션에서 스터디를 만들고 옮긴 뒤 되읽어 모든 시행의 지문을 원본과 견주고 commit한다.
같은 이름의 스터디는 덮어쓰지 않는다. RUNNING은 까닭을 적고 FAIL이 된다.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from optimize.errors import StorageError
from optimize.storage import tables as t
from optimize.storage.copy_rows import AS_IS, Transform, batches, trial_heads
from optimize.storage.copy_source import Source, SourceStudy
from optimize.storage.copy_staging import Staging
from optimize.storage.engine import engine_kwargs, make_engine, writing
from optimize.storage.options import StorageOptions
from optimize.storage.schema import ensure_schema
from optimize.storage.study import find_study
from optimize.storage.summary import compute_summaries, write_summaries
from optimize.storage.url import StorageUrl

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class CopyResult:
    """복사 하나의 결과. resumed: 앞선 복사가 옮겨 두어 다시 쓰지 않은 시행. failed_running: FAIL로 바꾼 수."""

    study: str
    trials: int
    resumed: int
    failed_running: int
    digest: str


class Target:
    """복사의 대상. 스키마를 갖추고 연다(`with`로 쓴다)."""

    def __init__(self, url: StorageUrl, options: StorageOptions) -> None:
        self.url = url
        # 마지막 트랜잭션은 스터디만큼 길다: 문장의 시간 제한을 두지 않는다.
        self.options = replace(options, statement_timeout_ms=0)
        self.engine: Engine = make_engine(url, self.options)

    def __enter__(self) -> Target:
        revision = ensure_schema(self.engine, self.url, self.options)
        if revision != t.SUPPORTED_REVISION:
            self.engine.dispose()
            raise StorageError(
                "대상의 스키마에 바로 쓸 수 없습니다",
                f"{self.url.masked}: {revision}, 이 프로그램이 아는 것은 {t.SUPPORTED_REVISION}",
                "빈 데이터베이스를 대상으로 고르세요",
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()

    def has(self, name: str) -> bool:
        with self.engine.connect() as connection:
            return find_study(connection, name) is not None

    @contextmanager
    def lock(self, copy_id: str) -> Iterator[None]:
        """같은 복사를 둘이 함께 하지 않게 한다. 프로세스가 죽으면 풀린다."""
        if self.url.path is not None:
            lock = FileLock(self.url.path.with_name(f".{self.url.path.name}.copy.lock"), mode=0o600)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise _busy(self.url) from None
            try:
                yield
            finally:
                lock.release()
            return
        locker = sa.create_engine(
            self.engine.url,
            poolclass=NullPool,
            connect_args=engine_kwargs(self.url, self.options)["connect_args"],
            isolation_level="AUTOCOMMIT",
        )
        with locker.connect() as connection:
            key = int(copy_id[:15], 16)
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
                raise _busy(self.url)
            yield


def copy_study(
    source: Source,
    study: SourceStudy,
    target: Target,
    transform: Transform,
    progress: Progress,
    name: str | None = None,
) -> CopyResult:
    """스터디 하나를 복사한다. name: 대상에서의 이름, None이면 같은 이름.

    progress(단계, 한 수, 모두)를 부른다. StorageError: 이미 있다, 다른 프로세스가 복사하고 있다,
    되읽은 것이 원본과 다르다(이때 대상에는 아무것도 남지 않는다).
    """
    wanted = name or study.name
    copy_id = _copy_id(source.url, study.name, wanted)
    with target.lock(copy_id):
        if target.has(wanted):
            raise _exists(target.url, wanted)
        heads = trial_heads(source.connection, study.study_id)
        staging = Staging(target.engine, copy_id)
        staged = staging.prepare()
        if any(first >= len(heads) for first in staged):
            staging.drop()  # 원본이 앞선 복사 때보다 줄었다: 처음부터 한다
            staged = staging.prepare()
        digests: list[bytes] = []
        resumed = 0
        for batch in batches(source.connection, heads, transform, with_stored=source.has_stored):
            if staged.get(batch.first) == batch.digest:
                resumed += len(batch.digests)
            else:
                staging.write(batch, replace=batch.first in staged)
            digests += batch.digests
            progress("copy", len(digests), len(heads))
        with writing(target.engine) as connection:
            try:
                study_id = _create(connection, wanted)
            except sa.exc.IntegrityError:  # 복사하는 사이에 남이 만들었다
                raise _exists(target.url, wanted) from None
            _publish(connection, source, study, staging, study_id, digests, progress)
    running = study.states.get("RUNNING", 0)
    digest = hashlib.sha256(b"".join(digests)).hexdigest()
    return CopyResult(wanted, len(heads), resumed, running, digest)


def same_study(source: Source, study: SourceStudy, target: Target, transform: Transform) -> bool:
    """대상의 같은 이름의 스터디가 원본을 옮긴 것과 시행 하나하나 같은가."""
    with target.engine.connect() as connection:
        found = find_study(connection, study.name)
        if found is None or found.directions != study.directions:
            return False
        mine = trial_heads(source.connection, study.study_id)
        theirs = trial_heads(connection, found.study_id)
        if len(mine) != len(theirs):
            return False
        ours = batches(source.connection, mine, transform, with_stored=source.has_stored)
        copied = batches(connection, theirs, AS_IS, with_stored=source.has_stored)
        return all(a.digests == b.digests for a, b in zip(ours, copied, strict=True))


def _create(connection: Connection, name: str) -> int:
    insert = sa.insert(t.studies).values(study_name=name).returning(t.studies.c.study_id)
    return int(connection.execute(insert).scalar_one())


def _publish(
    connection: Connection,
    source: Source,
    study: SourceStudy,
    staging: Staging,
    study_id: int,
    digests: list[bytes],
    progress: Progress,
) -> None:
    connection.execute(
        sa.insert(t.study_directions),
        [
            {"study_id": study_id, "direction": direction, "objective": objective}
            for objective, direction in enumerate(study.directions)
        ],
    )
    for table in (t.study_user_attributes, t.study_system_attributes):
        rows = source.connection.execute(
            sa.select(table.c.key, table.c.value_json).where(table.c.study_id == study.study_id)
        ).all()
        if rows:
            connection.execute(
                sa.insert(table),
                [{"study_id": study_id, "key": key, "value_json": text} for key, text in rows],
            )
    staging.publish(connection, study_id)
    _verify(connection, source, study_id, study.name, digests, progress)
    write_summaries(connection, compute_summaries(connection, [study_id]))


def _verify(
    connection: Connection,
    source: Source,
    study_id: int,
    name: str,
    digests: list[bytes],
    progress: Progress,
) -> None:
    """옮긴 것을 되읽어 시행마다의 지문을 견준다. 다르면 예외가 트랜잭션을 되돌린다."""
    heads = trial_heads(connection, study_id)
    copied: list[bytes] = []
    for batch in batches(connection, heads, AS_IS, with_stored=source.has_stored):
        copied += batch.digests
        progress("verify", len(copied), len(digests))
    if copied != digests:
        wrong = next(
            (i for i, (a, b) in enumerate(zip(digests, copied, strict=False)) if a != b),
            min(len(digests), len(copied)),
        )
        raise StorageError(
            "복사한 것이 원본과 다릅니다",
            f"스터디 '{name}'의 {wrong}째 시행부터 지문이 다릅니다. 대상에는 아무것도 남기지 않았습니다",
            "다시 복사하고, 되풀이되면 대상의 인코딩과 디스크를 점검하세요: python -m optimize.storage check",
        )


def _copy_id(source: StorageUrl, study: str, name: str) -> str:
    text = "\0".join((source.masked, study, name))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _exists(url: StorageUrl, name: str) -> StorageError:
    return StorageError(
        f"대상에 스터디 '{name}'이(가) 이미 있습니다",
        f"{url.masked} — 덮어쓰지 않습니다",
        "--as 새이름 으로 다른 이름을 주거나, 대상의 것을 지우거나 이름을 바꾸세요: "
        f"python -m optimize.studies rename -- {shlex.quote(name)} 새이름",
    )


def _busy(url: StorageUrl) -> StorageError:
    return StorageError(
        "다른 프로세스가 같은 복사를 하고 있습니다", url.masked, "그것이 끝난 뒤 다시 하세요"
    )
