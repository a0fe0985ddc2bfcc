"""평가할 자리 맡기: 여러 coordinator가 한 스터디를 나누어도 총수가 정확하고 겹치지 않는다.

맡은 자리는 우리 테이블의 행이며(RUNNING 시행을 만들지 않는다) 시행이 저장될 때 같은 트랜잭션에서
지워진다. 주인이 갱신하지 않으면 lease가 지나 풀린다. 시각은 모두 서버의 시계다.
서버가 멈췄다 켜지면 그때부터 lease를 다시 센다: 멈춘 동안 갱신하지 못한 것은 주인의 탓이 아니다.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from optimize.storage import tables as t
from optimize.storage.append import finished_count, lock_study
from optimize.storage.engine import writing
from optimize.storage.failures import storage_errors
from optimize.storage.overview import SERVER_NOW
from optimize.storage.url import StorageUrl

DEFAULT_LEASE_S = 60.0


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """맡기의 결과.

    granted: 맡은 파라미터 지문들, 준 차례로. duplicates: 이미 저장되었거나 남이 맡은 것들.
    remaining: 아직 아무도 맡지 않은 자리 수. others: 남이 맡아 평가하고 있는 자리 수.
    finished: 끝난 시행 수. finished가 target에 이르면 할 일이 없다.
    """

    granted: list[str]
    duplicates: list[str]
    remaining: int
    others: int
    finished: int


class Claims:
    """한 coordinator(owner)가 한 스터디에서 맡은 자리들. 실패는 StorageOperationError."""

    def __init__(
        self,
        engine: Engine,
        url: StorageUrl,
        study_id: int,
        owner: str,
        lease_s: float = DEFAULT_LEASE_S,
    ) -> None:
        self._engine = engine
        self._url = url
        self._study_id = study_id
        self.owner = owner
        self.lease_s = lease_s
        self._renewed = time.monotonic()

    def claim(self, keys: Sequence[str], target: int) -> ClaimResult:
        """지문(`params_key`)들을 맡는다. 끝난 것과 맡은 것의 합이 target을 넘지 않는다.

        이미 내가 맡은 지문은 다시 준다(답을 받지 못한 부름을 되풀이해도 된다).
        """
        with storage_errors(self._url, "평가할 자리를 배정"), writing(self._engine) as connection:
            lock_study(connection, self._study_id)
            now = server_now(connection)
            self._purge(connection, now)
            held = self._held(connection)
            stored = self._stored(connection, keys)
            mine = [key for key in dict.fromkeys(keys) if held.get(key) == self.owner]
            duplicates = [
                key
                for key in dict.fromkeys(keys)
                if key in stored or (key in held and key not in mine)
            ]
            fresh = [key for key in dict.fromkeys(keys) if key not in held and key not in stored]
            finished = finished_count(connection, self._study_id)
            room = max(0, target - finished - len(held))
            taken = fresh[:room]
            if taken:
                connection.execute(
                    sa.insert(t.claims),
                    [
                        {
                            "study_id": self._study_id,
                            "params_hash": key,
                            "owner": self.owner,
                            "expires_at": now + self.lease_s,
                        }
                        for key in taken
                    ],
                )
            granted = {*mine, *taken}
            return ClaimResult(
                granted=[key for key in dict.fromkeys(keys) if key in granted],
                duplicates=duplicates,
                remaining=room - len(taken),
                others=sum(1 for owner in held.values() if owner != self.owner),
                finished=finished,
            )

    def renew(self) -> int:
        """내 자리들의 lease를 늘린다. 살아 있는 자리 수."""
        with storage_errors(self._url, "맡은 자리를 갱신"), writing(self._engine) as connection:
            c = t.claims.c
            result = connection.execute(
                sa.update(t.claims)
                .where(c.study_id == self._study_id, c.owner == self.owner)
                .values(expires_at=server_now(connection) + self.lease_s)
            )
        self._renewed = time.monotonic()
        return result.rowcount

    def renew_if_due(self) -> None:
        """lease의 셋째 토막이 지났으면 갱신한다. 자주 불러도 된다."""
        if time.monotonic() - self._renewed >= self.lease_s / 3:
            self.renew()

    def release(self, keys: Sequence[str] | None = None) -> None:
        """맡은 자리를 돌려준다. keys가 None이면 내 것 모두."""
        with storage_errors(self._url, "맡은 자리를 반납"), writing(self._engine) as connection:
            c = t.claims.c
            query = sa.delete(t.claims).where(c.study_id == self._study_id, c.owner == self.owner)
            if keys is not None:
                query = query.where(c.params_hash.in_(list(keys)))
            connection.execute(query)

    def _held(self, connection: Connection) -> dict[str, str]:
        c = t.claims.c
        query = sa.select(c.params_hash, c.owner).where(c.study_id == self._study_id)
        return dict(connection.execute(query).all())

    def _stored(self, connection: Connection, keys: Sequence[str]) -> set[str]:
        c = t.stored.c
        query = sa.select(c.params_hash).where(
            c.study_id == self._study_id, c.params_hash.in_(list(keys))
        )
        return set(connection.scalars(query))

    def _purge(self, connection: Connection, now: float) -> None:
        if now - _server_started(connection) < self.lease_s:
            return
        c = t.claims.c
        connection.execute(
            sa.delete(t.claims).where(c.study_id == self._study_id, c.expires_at < now)
        )


def server_now(connection: Connection) -> float:
    """서버의 지금, epoch 초."""
    return float(connection.exec_driver_sql(SERVER_NOW[connection.dialect.name]).scalar_one())


def _server_started(connection: Connection) -> float:
    if connection.dialect.name != "postgresql":
        return 0.0
    query = "SELECT extract(epoch FROM pg_postmaster_start_time())::float8"
    return float(connection.exec_driver_sql(query).scalar_one())
