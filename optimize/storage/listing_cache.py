"""목록의 기억 `studies/.listing.sqlite3`: 이미 센 집계를 다음 목록이 다시 세지 않게 한다.

맞는지는 여기서 정하지 않는다: 저장소마다 한 줄에 파일의 표식(`file_stamp`)이나 스터디마다의 자취
(`census.Mark`)를 함께 두고, 쓰는 쪽이 지금과 견주어 같을 때만 쓴다. 잃거나 깨지거나 쓸 수 없어도
목록은 느려질 뿐 틀리지 않으므로 실패를 알리지 않는다. 비밀번호는 없다.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import zlib
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from optimize import paths

FILE_NAME = ".listing.sqlite3"
_VERSION = 1
# 파일의 시각은 이만큼 거칠 수 있다: 방금 바뀐 파일의 표식은 믿지 않는다.
_SETTLED_S = 2.0
# 다른 프로세스가 기억을 쓰고 있으면 이만큼만 기다린다(초).
_BUSY_S = 0.2
_WAL_INDEX_HEADER = 48


@dataclass(frozen=True, slots=True)
class Stamp:
    """파일의 표식. text가 같으면 내용도 같다. settled: 마지막 바뀜에서 충분히 지났다."""

    text: str
    settled: bool


def file_stamp(path: Path) -> Stamp | None:
    """SQLite 파일과 그 WAL의 표식. 파일이 없으면 None.

    WAL의 commit은 파일의 시각이 바뀐 뒤에 WAL index(`-shm`)의 머리에 적혀야 보이므로 그것도 담는다.
    """
    try:
        main = os.stat(path)
    except OSError:
        return None
    text = _described(main)
    latest = main.st_mtime
    with suppress(FileNotFoundError):
        wal = os.stat(f"{path}-wal")
        if wal.st_size:
            latest = max(latest, wal.st_mtime)
            text += f" {_described(wal)} {_wal_index(path)}"
    return Stamp(text, abs(time.time() - latest) > _SETTLED_S)


def _described(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def _wal_index(path: Path) -> str:
    try:
        with open(f"{path}-shm", "rb") as file:
            return file.read(_WAL_INDEX_HEADER).hex()
    except OSError:
        return ""


class ListingCache:
    """저장소의 열쇠 → (표식, 글). 여러 thread와 여러 프로세스가 함께 써도 된다."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries = self._read()
        self._fresh: dict[str, tuple[str, str]] = {}

    @classmethod
    def default(cls) -> ListingCache:
        """이 프로젝트의 기억."""
        return cls(paths.studies_dir() / FILE_NAME)

    def get(self, key: str) -> tuple[str, str] | None:
        """적힌 (표식, 글). 없으면 None."""
        return self._entries.get(key)

    def put(self, key: str, stamp: str, body: str) -> None:
        """적을 것을 모은다. `save`가 쓴다."""
        with self._lock:
            if self._entries.get(key) != (stamp, body):
                self._fresh[key] = (stamp, body)

    def save(self) -> None:
        """모은 것을 쓰고, 없어진 파일의 줄은 지운다. 쓰지 못하면 그만둔다."""
        with self._lock:
            if not self._fresh or not self._path.parent.is_dir():
                return
            gone = [key for key in self._entries if key.startswith("/") and not os.path.exists(key)]
            try:
                self._write(gone)
            except (sqlite3.OperationalError, OSError):
                return  # 잠겨 있거나 쓸 수 없다
            except sqlite3.DatabaseError:
                with suppress(OSError):  # 깨졌다: 다음 목록이 새로 만든다
                    self._path.unlink()

    def _read(self) -> dict[str, tuple[str, str]]:
        if not self._path.is_file():
            return {}
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S)) as connection:
                rows = connection.execute(
                    "SELECT key, stamp, body, crc FROM storage WHERE version = ?", (_VERSION,)
                ).fetchall()
        except sqlite3.OperationalError:
            return {}
        except sqlite3.DatabaseError:
            with suppress(OSError):
                self._path.unlink()
            return {}
        return {
            key: (stamp, body)
            for key, stamp, body, crc in rows
            if isinstance(body, str) and _crc(key, stamp, body) == crc
        }

    def _write(self, gone: list[str]) -> None:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as connection, connection:
            # 잃어도 되는 것이라 디스크를 기다리지 않는다. kill -9에는 journal이 지킨다.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS storage"
                " (key TEXT PRIMARY KEY, stamp TEXT, body TEXT, crc INTEGER, version INTEGER)"
            )
            connection.executemany("DELETE FROM storage WHERE key = ?", [(key,) for key in gone])
            connection.executemany(
                "INSERT OR REPLACE INTO storage VALUES (?, ?, ?, ?, ?)",
                [
                    (key, stamp, body, _crc(key, stamp, body), _VERSION)
                    for key, (stamp, body) in self._fresh.items()
                ],
            )


def _crc(*parts: object) -> int:
    return zlib.crc32("\0".join(map(str, parts)).encode())
