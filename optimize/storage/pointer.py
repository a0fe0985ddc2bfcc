"""스터디가 마지막으로 쓴 저장소의 기록 `studies/<slug>/storage.json`. 표준 라이브러리만 쓴다.

비밀번호는 적지 않는다: 가린 URL과 환경 변수의 이름만 남는다.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optimize import paths
from optimize.errors import StorageError, os_reason
from optimize.storage.local_server import is_embedded
from optimize.storage.options import StorageOptions
from optimize.storage.url import StorageUrl, parse_storage_url, sqlite_url

FILE_NAME = "storage.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Pointer:
    """storage.json의 칸들.

    backend: 'postgresql' | 'sqlite'. source: 이긴 규칙(`resolve.Rule`). storage_url_env: URL을 준
    환경 변수 이름 또는 None. storage_url_masked: 비밀번호를 가린 URL(SQLite면 None).
    sqlite_path: SQLite 파일, 프로젝트 안이면 뿌리에서의 상대 경로. updated_at: UTC ISO 8601.
    embedded: 이 프로젝트의 내장 PostgreSQL인가(포트가 바뀌어도 다시 찾는다).
    """

    backend: str
    study_name: str
    source: str
    storage_url_env: str | None = None
    storage_url_masked: str | None = None
    sqlite_path: str | None = None
    pool: Mapping[str, float] = field(default_factory=dict)
    connect_timeout: float | None = None
    statement_timeout_ms: int | None = None
    isolation_level: str | None = None
    embedded: bool = False
    updated_at: str = ""
    version: int = VERSION

    def url(self) -> StorageUrl:
        """기록된 저장소. PostgreSQL이면 비밀번호가 없다(`resolve`가 찾아 채운다)."""
        if self.backend == "sqlite" and self.sqlite_path:
            return sqlite_url(paths.home() / self.sqlite_path)
        return parse_storage_url(self.storage_url_masked or "")

    @property
    def had_password(self) -> bool:
        """기록할 때의 URL에 비밀번호가 있었는가."""
        return ":***@" in (self.storage_url_masked or "")


def make_pointer(
    url: StorageUrl,
    options: StorageOptions,
    study_name: str,
    source: str,
    env_name: str | None = None,
) -> Pointer:
    """연 저장소로 기록을 만든다."""
    return Pointer(
        backend=url.backend,
        study_name=study_name,
        source=source,
        storage_url_env=env_name,
        storage_url_masked=None if url.path else url.masked,
        sqlite_path=_relative(url.path) if url.path else None,
        pool={
            "size": options.pool_size,
            "max_overflow": options.max_overflow,
            "timeout": options.pool_timeout,
            "recycle": options.pool_recycle,
        },
        connect_timeout=options.connect_timeout,
        statement_timeout_ms=options.statement_timeout_ms or 0,
        isolation_level=options.isolation_level,
        embedded=url.backend == "postgresql" and is_embedded(url),
        updated_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def pointer_path(slug: str) -> Path:
    """`studies/<slug>/storage.json`."""
    return paths.study_dir(slug) / FILE_NAME


def write_pointer(path: Path, pointer: Pointer) -> None:
    """원자적으로 쓴다(파일 0600, 폴더 0700). 쓰지 못하면 StorageError."""
    body = json.dumps(asdict(pointer), ensure_ascii=False, indent=2) + "\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        paths.private_dir(path.parent)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            "저장소 기록을 쓰지 못했습니다",
            f"{path}: {os_reason(error)}",
            f"폴더의 권한과 디스크를 보세요: ls -ld {shlex.quote(str(path.parent))}",
        ) from error


def read_pointer(path: Path) -> Pointer | None:
    """기록을 읽는다. 파일이 없으면 None, 깨졌으면 StorageError. 모르는 칸은 건너뛴다."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return _from_json(body)
    except FileNotFoundError:
        return None
    except OSError as error:
        # 남의 것이거나 읽기가 막힌 기록은 멀쩡할 수 있다: 지우라고 하지 않는다.
        raise StorageError(
            "저장소 기록을 읽지 못했습니다",
            f"{path}: {os_reason(error)}",
            f"권한과 주인을 보세요: ls -ld {shlex.quote(str(path))}",
        ) from error
    except (ValueError, TypeError) as error:
        reason = str(error)
        if isinstance(error, json.JSONDecodeError):
            reason = f"{error.lineno}번째 줄이 JSON이 아닙니다"
        elif isinstance(error, TypeError):
            reason = "적혀야 할 칸이 빠졌습니다"
        raise StorageError(
            "저장소 기록을 읽지 못했습니다",
            f"{path}: {reason}",
            f"이 파일을 지우면 기본 저장소로 돌아갑니다: rm {shlex.quote(str(path))}",
        ) from error


def _from_json(body: Any) -> Pointer:
    if not isinstance(body, dict):
        raise ValueError("JSON 객체가 아닙니다")
    if body.get("version") != VERSION:
        raise ValueError(f"아는 판은 {VERSION}인데 {body.get('version')!r}입니다")
    known = {item.name for item in fields(Pointer)}
    pointer = Pointer(**{key: value for key, value in body.items() if key in known})
    needed = pointer.sqlite_path if pointer.backend == "sqlite" else pointer.storage_url_masked
    if pointer.backend not in {"postgresql", "sqlite"} or not isinstance(needed, str) or not needed:
        raise ValueError("저장소의 자리가 적혀 있지 않습니다")
    return pointer


def _relative(path: Path) -> str:
    home = paths.home()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)
