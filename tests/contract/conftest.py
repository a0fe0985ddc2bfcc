"""저장소 규약 시험의 뒷단: 모든 시험이 SQLite, PostgreSQL 15(시스템), 18(내장)에서 돈다."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optimize.storage.options import StorageOptions
from optimize.storage.schema import open_rdb_storage
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl, sqlite_url
from optimize.trial import FinishedTrial

OPTIONS = StorageOptions(pool_size=1, max_overflow=0, connect_timeout=5)
SPACE: dict[str, BaseDistribution] = {
    "ratio": FloatDistribution(-1.0, 1.0),
    "log": FloatDistribution(1e-5, 1.0, log=True),
    "stepped": FloatDistribution(0.0, 1.0, step=0.1),
    "length": IntDistribution(5, 100, step=5),
    "kind": CategoricalDistribution(["SMA", "EMA", 3, True]),
    "switch": CategoricalDistribution([False, True]),
    "depends": IntDistribution(1, 9),
}
OpenStore = Callable[..., TrialStore]


@pytest.fixture(params=["sqlite", "postgres15", "postgres18"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> StorageUrl:
    """빈 저장소의 URL."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "이름 {a}%.db")
    name = "system_postgres_url" if request.param == "postgres15" else "postgres_url"
    url: StorageUrl = request.getfixturevalue(name)
    return url


@pytest.fixture
def open_store(storage_url: StorageUrl) -> Iterator[OpenStore]:
    """`open_store(name=…, directions=…, …)`: 연 것은 시험 뒤에 닫힌다."""
    opened: list[TrialStore] = []

    def make(
        name: str = "연구-1",
        directions: tuple[str, ...] = ("maximize",),
        space: dict[str, BaseDistribution] | None = None,
        attrs: dict[str, Any] | None = None,
        options: StorageOptions = OPTIONS,
    ) -> TrialStore:
        chosen = SPACE if space is None else space
        store = TrialStore.open(storage_url, options, name, directions, chosen, attrs or {})
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def load_optuna(storage_url: StorageUrl) -> Iterator[Callable[..., optuna.Study]]:
    """Optuna 자신으로 같은 스터디를 연다."""
    storages = []

    def load(name: str = "연구-1") -> optuna.Study:
        storage = open_rdb_storage(storage_url, OPTIONS)
        storages.append(storage)
        return optuna.load_study(study_name=name, storage=storage)

    yield load
    for storage in storages:
        storage.remove_session()
        storage.engine.dispose()


def make_trial(seed: int, **changes: Any) -> FinishedTrial:
    """탐색 공간의 아무 시행. `depends`는 switch가 켜졌을 때만 있다."""
    r = random.Random(seed)
    switch = r.random() < 0.5
    started = datetime(2024, 3, 10, 1, 30, tzinfo=UTC) + timedelta(seconds=seed, microseconds=seed)
    params = {
        "ratio": r.uniform(-1, 1),
        "log": 10 ** r.uniform(-5, 0),
        "stepped": round(r.randint(0, 10) * 0.1, 1),
        "length": r.randrange(5, 101, 5),
        "kind": r.choice(["SMA", "EMA", 3, True]),
        "switch": switch,
        **({"depends": r.randint(1, 9)} if switch else {}),
    }
    values: dict[str, Any] = {
        "uid": uuid.UUID(int=r.getrandbits(128)).hex,
        "state": "COMPLETE",
        "params": params,
        "values": (r.uniform(-5, 5),),
        "started_at": started,
        "finished_at": started + timedelta(seconds=1.5),
        "metrics": {"sharpe": r.uniform(-1, 3), "trades": float(r.randint(0, 99))},
        "constraints": (r.uniform(-1, 1), -1.0),
    }
    return FinishedTrial(**{**values, **changes})
