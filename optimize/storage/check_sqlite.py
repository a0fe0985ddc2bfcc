"""SQLite의 점검: 경로, 쓰기, WAL, 스키마, 빈 곳, 멈춘 시행. 없는 파일을 만들지 않는다."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from optimize.errors import os_reason
from optimize.storage.check_schema import STALE_MINUTES, judge_revision, judge_running
from optimize.storage.check_step import (
    SQLITE_QUICK_STEPS,
    SQLITE_STEPS,
    CheckStep,
    Outcome,
    measured,
    skipped,
)
from optimize.storage.dbapi import SQLITE_MAGIC
from optimize.storage.local_server import EMBEDDED_START
from optimize.storage.probe import ProbeError

BUSY_TIMEOUT_S = 5.0
_LOW_BYTES = 20 * 1024**2
_WARN_BYTES = 500 * 1024**2
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph"})
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DENIED = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})
_BLOCKING = ("path", "writable", "wal")


def check_sqlite(path: Path, shown: str, command: str, *, quick: bool) -> Iterator[CheckStep]:
    """단계를 하나씩 낸다. 파일이 아직 없으면 폴더를 본다. shown: URL 단계에 보일 글. command: 점검의 명령."""
    check = _SqliteCheck(path, shown, command)
    blocked = ""
    for name in SQLITE_QUICK_STEPS if quick else SQLITE_STEPS:
        if blocked:
            yield skipped(name, f"'{blocked}' 단계에서 막혀 보지 않았습니다")
            continue
        step = measured(name, check.action(name), _unexpected, ())
        if step.status == "fail" and name in _BLOCKING:
            blocked = step.title_ko
        yield step


def _unexpected(error: ProbeError) -> Outcome:
    raise error


class _SqliteCheck:
    def __init__(self, path: Path, shown: str, command: str) -> None:
        self._path = path
        self._quoted = shlex.quote(str(path))
        self._command = command
        self._shown = shown

    def action(self, name: str) -> Callable[[], Outcome]:
        steps: dict[str, Callable[[], Outcome]] = {
            "url": lambda: Outcome("ok", self._shown),
            "path": self._check_path,
            "writable": self._check_writable,
            "wal": self._check_wal,
            "schema": self._check_schema,
            "space": self._check_space,
            "dead_trials": self._check_running,
        }
        step = steps[name]

        def guarded() -> Outcome:
            try:
                return step()
            except sqlite3.Error as error:
                return self._corrupt(error) if _is_broken(error) else self._failed(error)
            except OSError as error:
                return Outcome(
                    "fail",
                    f"{error.filename or self._path}: {os_reason(error)}",
                    "폴더나 디스크를 쓸 수 없습니다",
                    f"디스크와 권한을 보세요: df -h {self._folder}; ls -ld {self._folder}",
                )

        return guarded

    def _check_path(self) -> Outcome:
        if self._path.is_dir():
            return Outcome(
                "fail",
                str(self._path),
                "파일이 아니라 폴더입니다",
                f"파일 이름까지 적으세요: sqlite:///{self._path}/optuna.db",
            )
        if self._path.exists():
            return self._check_header()
        parent = _existing_parent(self._path)
        if not parent.is_dir():
            return Outcome(
                "fail",
                str(parent),
                "경로의 가운데에 폴더가 아닌 것이 있습니다",
                f"ls -ld {shlex.quote(str(parent))} 로 보고 다른 경로를 고르세요",
            )
        return Outcome("ok", f"{self._path} (아직 없음: 첫 실행이 만듭니다)")

    def _check_header(self) -> Outcome:
        try:
            with self._path.open("rb") as file:
                head = file.read(len(SQLITE_MAGIC))
        except OSError as error:
            return Outcome(
                "fail",
                str(error.strerror),
                "파일을 읽을 권한이 없습니다",
                f"ls -l {self._quoted} 를 보고 주인을 바꿉니다: sudo chown $USER {self._quoted}",
            )
        if head and head != SQLITE_MAGIC:
            return Outcome(
                "fail",
                str(self._path),
                "SQLite 파일이 아닙니다(file is not a database)",
                "다른 파일을 고르세요. 이 파일은 건드리지 않았습니다",
            )
        size = self._path.stat().st_size
        return Outcome("ok", f"{self._path} ({size / 1024**2:,.1f} MB)")

    def _check_writable(self) -> Outcome:
        folder = _existing_parent(self._path)
        targets = [path for path in (self._path, folder) if path.exists()]
        for target in targets:
            if not os.access(target, os.W_OK | (os.X_OK if target.is_dir() else 0)):
                return self._not_writable(target)
        if not self._path.exists():
            return Outcome("ok", f"{folder}에 만들 수 있습니다")
        try:
            with closing(self._open()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return Outcome(
                    "warn",
                    f"{BUSY_TIMEOUT_S:g}초 동안 잠겨 있습니다",
                    "다른 프로세스가 오래 쓰고 있습니다(database is locked)",
                    f"무엇인지 보세요: fuser -v {self._quoted}",
                )
            if error.sqlite_errorcode & 0xFF in _DENIED:
                return self._not_writable(self._path)
            raise
        return Outcome("ok", "쓸 수 있습니다")

    @property
    def _folder(self) -> str:
        return shlex.quote(str(_existing_parent(self._path)))

    def _failed(self, error: sqlite3.Error) -> Outcome:
        """깨진 것이 아닌 SQLite의 실패: 찬 디스크, 읽기·쓰기 오류, 잠금."""
        from optimize.storage.failures import diagnose

        found = diagnose(error)
        fix = f"{found.fix}: df -h {self._folder}; ls -l {self._quoted}"
        return Outcome("fail", f"SQLite의 말: {error}", found.cause, fix)

    def _corrupt(self, error: sqlite3.Error) -> Outcome:
        return Outcome(
            "fail",
            str(error),
            "파일이 깨졌습니다",
            f"백업한 뒤 살립니다: sqlite3 {self._quoted} .recover | sqlite3 살린.db",
        )

    def _not_writable(self, target: Path) -> Outcome:
        quoted = shlex.quote(str(target))
        return Outcome(
            "fail",
            str(target),
            "쓸 권한이 없거나 읽기 전용 디스크입니다",
            f"ls -ld {quoted} 를 보고 주인을 바꿉니다: sudo chown $USER {quoted}",
        )

    def _check_wal(self) -> Outcome:
        folder = _existing_parent(self._path)
        kind = filesystem_of(folder)
        if kind in _NETWORK:
            return Outcome(
                "fail",
                f"{folder}: {kind}",
                "네트워크 디스크에서는 SQLite의 잠금과 WAL을 믿을 수 없습니다",
                f"이 컴퓨터의 디스크를 쓰거나 PostgreSQL을 쓰세요: {EMBEDDED_START}",
            )
        with tempfile.TemporaryDirectory(dir=folder, prefix=".wizard-check-") as scratch:
            trial = Path(scratch) / "wal.db"
            with closing(sqlite3.connect(trial)) as connection:
                mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            return Outcome(
                "fail",
                f"journal_mode = {mode}",
                "이 디스크에서는 WAL을 켤 수 없습니다",
                "이 컴퓨터의 디스크를 쓰거나 PostgreSQL을 쓰세요",
            )
        if not self._path.exists():
            return Outcome("ok", "이 폴더에서 WAL을 쓸 수 있습니다")
        with closing(self._open()) as connection:
            now = connection.execute("PRAGMA journal_mode").fetchone()[0]
        note = "WAL입니다" if now == "wal" else f"지금은 {now}, 다음 실행이 WAL로 바꿉니다"
        return Outcome("ok", note)

    def _check_schema(self) -> Outcome:
        if not self._path.exists() or self._path.stat().st_size == 0:
            return Outcome("ok", "아직 비어 있습니다(첫 실행이 만듭니다)")
        with closing(self._open()) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = frozenset(str(row[0]) for row in names)
            info = connection.execute("PRAGMA table_info(studies)")
            columns = frozenset(str(row[1]) for row in info)
            revision = None
            if "alembic_version" in tables:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                revision = row[0] if row else None
        return judge_revision(tables, columns, revision, self._command)

    def _check_space(self) -> Outcome:
        free = shutil.disk_usage(_existing_parent(self._path)).free
        shown = f"{free / 1024**3:,.1f} GB 남음"
        if free > _WARN_BYTES:
            return Outcome("ok", shown)
        return Outcome(
            "fail" if free < _LOW_BYTES else "warn",
            shown,
            "디스크의 빈 곳이 적습니다",
            f"비우거나 다른 디스크를 쓰세요: df -h {self._folder}",
        )

    def _check_running(self) -> Outcome:
        if not self._path.exists():
            return Outcome("ok", "시행이 없습니다")
        cutoff = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=STALE_MINUTES)
        with closing(self._open()) as connection:
            if not connection.execute("PRAGMA table_info(trials)").fetchall():
                return Outcome("ok", "시행이 없습니다")
            stale, total, oldest = connection.execute(
                "SELECT coalesce(sum(datetime_start < ?), 0), count(*), min(datetime_start) "
                "FROM trials WHERE state = 'RUNNING'",
                (cutoff.isoformat(" "),),
            ).fetchone()
        began = datetime.fromisoformat(oldest) if oldest else None
        return judge_running(stale, total, began, self._command)

    def _open(self) -> sqlite3.Connection:
        location = self._path.absolute().as_uri() + "?mode=rw"
        return sqlite3.connect(location, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def _is_broken(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _BROKEN


def filesystem_of(folder: Path) -> str:
    """폴더가 놓인 파일 시스템의 종류(Linux). 알 수 없으면 빈 글."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    resolved, best, kind = folder.resolve(), "", ""
    for line in mounts.splitlines():
        _, point, found, *_ = line.split()
        point = point.replace("\\040", " ")
        if resolved.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())
