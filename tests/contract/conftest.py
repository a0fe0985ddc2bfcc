"""저장소 규약 시험의 뒷단: 모든 시험이 SQLite, PostgreSQL 15(시스템), 18(내장)에서 돈다."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from store_kit import OPTIONS, SPACE, OpenStore

from optimize.storage.options import StorageOptions
from optimize.storage.schema import open_rdb_storage
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl, sqlite_url


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
