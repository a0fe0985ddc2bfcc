"""coordinator가 연 스터디 하나: 끝난 시행을 넣고 읽고 센다.

    store = TrialStore.open(url, options, "이름", ["maximize"], distributions, {})
    numbers = store.append(trials)      # 여러 번 불러도 한 번만 들어간다
    others = store.load(after=number)   # 번호가 더 큰 끝난 시행
    claims = store.claims(owner)        # 여러 coordinator가 나눌 때

드라이버의 오류는 모두 `StorageOperationError`(StorageError, `retryable`)로 나온다.
한 번에 연결 하나만 쓰므로 pool_size=1, max_overflow=0이어도 막히지 않는다.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from optimize.storage import tables as t
from optimize.storage.append import (
    TrialEncoder,
    append_trials,
    lock_study,
    next_number,
    stored_row,
)
from optimize.storage.claims import DEFAULT_LEASE_S, Claims
from optimize.storage.engine import make_engine, writing
from optimize.storage.failures import storage_errors
from optimize.storage.fallback import OptunaApiWriter
from optimize.storage.options import StorageOptions
from optimize.storage.reader import Counts, count_trials, load_trials
from optimize.storage.schema import ensure_schema
from optimize.storage.study import StudyRow, open_study, set_study_attributes, study_attributes
from optimize.storage.url import StorageUrl
from optimize.trial import FinishedTrial, params_key

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class TrialStore:
    """스터디 하나의 저장소. `open`으로 만든다. 스레드마다 나누어 써도 된다."""

    def __init__(
        self,
        url: StorageUrl,
        engine: Engine,
        study: StudyRow,
        encoder: TrialEncoder,
        api_writer: OptunaApiWriter | None,
    ) -> None:
        self.url = url
        self.engine = engine
        self.study_id = study.study_id
        self.study_name = study.name
        self.directions = study.directions
        self._maximize = study.maximize
        self._encoder = encoder
        self._api_writer = api_writer

    @classmethod
    def open(
        cls,
        url: StorageUrl,
        options: StorageOptions,
        study_name: str,
        directions: Sequence[str],
        distributions: Mapping[str, BaseDistribution],
        user_attrs: Mapping[str, Any],
    ) -> TrialStore:
        """스키마와 스터디를 (없으면) 만들고 연다. 여러 프로세스가 함께 불러도 된다.

        directions: 'maximize' | 'minimize'. SettingsError: 방향·탐색 공간이 저장된 것과 다르거나
        이름을 쓸 수 없다. StorageError: 닿지 못하거나, 권한이 없거나, 스키마를 모른다.
        """
        engine = make_engine(url, options)
        try:
            with storage_errors(url, "스터디를 준비"):
                revision = ensure_schema(engine, url, options)
                with writing(engine) as connection:
                    study = open_study(
                        connection, study_name, directions, distributions, user_attrs
                    )
                fast = revision == t.SUPPORTED_REVISION
                writer = None if fast else OptunaApiWriter(url, options, study_name, distributions)
        except BaseException:
            engine.dispose()
            raise
        encoder = TrialEncoder(distributions, len(directions))
        return cls(url, engine, study, encoder, writer)

    def append(self, trials: Sequence[FinishedTrial], target: int | None = None) -> list[int]:
        """끝난 시행들을 한 트랜잭션에 넣고 번호를 차례대로 돌려준다. uid가 같으면 한 번만 들어간다.

        target: 목표 총수. 주면, 맡은 자리를 잃은 사이 남이 채운 시행은 넣지 않고 -1을 준다.
        주지 않으면 모두 넣는다. 맡은 자리는 같은 트랜잭션에서 지워진다.
        """
        if not trials:
            return []
        with storage_errors(self.url, "시행을 저장"):
            if self._api_writer is not None:
                return self._append_by_api(self._api_writer, trials)
            with writing(self.engine) as connection:
                return append_trials(
                    connection, self.study_id, self._encoder, trials, self._maximize, target
                )

    def load(self, after: int = -1) -> list[FinishedTrial]:
        """번호(`FinishedTrial.number`)가 after보다 큰 끝난 시행들, 번호 차례로."""
        with storage_errors(self.url, "시행을 조회"), self.engine.connect() as connection:
            return load_trials(connection, self.study_id, after)

    def pages(self, size: int = 500, *, blocks: bool = False) -> Iterator[list[FinishedTrial]]:
        """지금까지의 끝난 시행들을 번호 size개의 구간마다, 번호 차례로. 큰 스터디를 조금씩 읽는다.

        blocks: 수익률의 블록도 읽는다.
        """
        with storage_errors(self.url, "시행을 조회"), self.engine.connect() as connection:
            end = next_number(connection, self.study_id)
        for after in range(-1, end - 1, size):
            with storage_errors(self.url, "시행을 조회"), self.engine.connect() as connection:
                page = load_trials(connection, self.study_id, after, after + size, blocks=blocks)
            yield page

    def counts(self) -> Counts:
        """상태마다의 시행 수."""
        with storage_errors(self.url, "시행 수를 조회"), self.engine.connect() as connection:
            return count_trials(connection, self.study_id)

    def user_attrs(self) -> dict[str, Any]:
        """스터디의 user attribute들."""
        with storage_errors(self.url, "스터디를 조회"), self.engine.connect() as connection:
            return study_attributes(connection, self.study_id)

    def set_user_attrs(self, attrs: Mapping[str, Any]) -> None:
        """스터디의 user attribute를 더하거나 갈아 넣는다."""
        with storage_errors(self.url, "스터디를 저장"), writing(self.engine) as connection:
            lock_study(connection, self.study_id)
            set_study_attributes(connection, self.study_id, attrs)

    def claims(self, owner: str, lease_s: float = DEFAULT_LEASE_S) -> Claims:
        """owner(실행마다 고유한 이름)의 자리 맡기."""
        return Claims(self.engine, self.url, self.study_id, owner, lease_s)

    def reread(self) -> None:
        """다음 물음이 저장된 것을 새로 읽게 한다.

        SQLite의 연결은 읽은 것을 쥐고 있어, 그사이 남이 깨뜨린 파일도 성하게 보인다.
        """
        if self.url.backend == "sqlite":
            self.engine.dispose()

    def close(self) -> None:
        """연결을 모두 닫는다."""
        self.engine.dispose()

    def _append_by_api(self, writer: OptunaApiWriter, trials: Sequence[FinishedTrial]) -> list[int]:
        places = writer.append(trials)
        keys = [params_key(trial.params) for trial in trials]
        with writing(self.engine) as connection:
            uids = list(places)
            known = set(
                connection.scalars(
                    sa.select(t.stored.c.uid).where(
                        t.stored.c.study_id == self.study_id, t.stored.c.uid.in_(uids)
                    )
                )
            )
            rows = {
                trial.uid: stored_row(self.study_id, trial, places[trial.uid][0])
                for trial in trials
                if trial.uid not in known
            }
            if rows:
                connection.execute(sa.insert(t.stored), list(rows.values()))
            connection.execute(
                sa.delete(t.claims).where(
                    t.claims.c.study_id == self.study_id, t.claims.c.params_hash.in_(keys)
                )
            )
        return [places[trial.uid][1] for trial in trials]
