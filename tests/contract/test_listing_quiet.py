"""아무도 쓰지 않는 SQLite 파일의 목록: 잠그지 않고 읽되, 읽는 사이 바뀌면 낡은 것을 보이지 않는다."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from store_kit import OPTIONS, make_trial

from optimize.storage import listing
from optimize.storage.dbapi import Rows
from optimize.storage.listing import list_all
from optimize.storage.listing_cache import ListingCache
from optimize.storage.listing_memory import Memory
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl, sqlite_url

Steps = Generator[Any, None, Any]


@pytest.fixture
def quiet(tmp_path: Path, open_store: Any) -> StorageUrl:
    """시행 셋이 든, 한 시간 전에 닫힌 파일."""
    store: TrialStore = open_store("조용한 것")
    store.append([make_trial(k) for k in range(3)])
    store.close()
    url = sqlite_url(tmp_path / "복사" / "x.db")
    assert url.path is not None
    url.path.parent.mkdir()
    shutil.copyfile(store.url.path, url.path)
    rest(url.path)
    return url


def rest(path: Path) -> None:
    moment = path.stat().st_mtime - 3600
    os.utime(path, (moment, moment))


def totals(url: StorageUrl, tmp_path: Path) -> list[int]:
    found = list_all([url], OPTIONS, ListingCache(tmp_path / "cache"))
    assert not found.failures
    return [info.summary.total for info in found.studies]


def add_one(url: StorageUrl, *, checkpoint: bool) -> None:
    """다른 프로그램처럼 시행을 하나 더한다. checkpoint: 본 파일에까지."""
    with closing(sqlite3.connect(url.path)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(
            "INSERT INTO trials (number, study_id, state)"
            " SELECT max(number) + 1, study_id, 'RUNNING' FROM trials"
        )
        connection.commit()
        if not checkpoint:
            # 연결을 닫으면 WAL을 본 파일에 옮기므로, 닫기 전의 모습을 남겨 둔다.
            for end in ("", "-wal"):
                shutil.copyfile(f"{url.path}{end}", f"{url.path}.kept{end}")
    if not checkpoint:
        for end in ("", "-wal"):
            os.replace(f"{url.path}.kept{end}", f"{url.path}{end}")


@pytest.mark.parametrize("storage_url", ["sqlite"], indirect=True)
def test_nothing_is_made_beside_a_quiet_file(quiet: StorageUrl, tmp_path: Path) -> None:
    assert totals(quiet, tmp_path) == [3]
    assert quiet.path is not None
    assert [path.name for path in quiet.path.parent.iterdir()] == ["x.db"]


@pytest.mark.parametrize("storage_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_change_while_reading_is_seen(
    quiet: StorageUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: bool
) -> None:
    """잠그지 않고 읽는 사이 남이 쓰면 다시 잠그고 읽는다."""
    original = listing._read_open
    calls = []

    def disturbed(url: StorageUrl, db: Rows, memory: Memory) -> Steps:
        found = yield from original(url, db, memory)
        calls.append(len(found.studies))
        if len(calls) == 1:
            add_one(url, checkpoint=checkpoint)
        return found

    monkeypatch.setattr(listing, "_read_open", disturbed)
    assert totals(quiet, tmp_path) == [4]
    assert len(calls) == 2
    assert totals(quiet, tmp_path) == [4]


@pytest.mark.parametrize("storage_url", ["sqlite"], indirect=True)
def test_a_left_wal_is_read(quiet: StorageUrl, tmp_path: Path) -> None:
    """kill -9로 남은 WAL에만 있는 시행도 보인다."""
    add_one(quiet, checkpoint=False)
    assert quiet.path is not None
    rest(quiet.path)
    assert Path(f"{quiet.path}-wal").stat().st_size > 0
    assert totals(quiet, tmp_path) == [4]


@pytest.mark.parametrize("storage_url", ["sqlite"], indirect=True)
def test_a_broken_quiet_file_is_named(quiet: StorageUrl, tmp_path: Path) -> None:
    assert quiet.path is not None
    body = quiet.path.read_bytes()
    quiet.path.write_bytes(body[:100] + b"\xff" * 8000 + body[8100:])
    rest(quiet.path)
    found = list_all([quiet], OPTIONS, ListingCache(tmp_path / "cache"))
    ((url, error),) = found.failures
    assert url == quiet
    assert "깨" in f"{error.title} {error.cause}"
