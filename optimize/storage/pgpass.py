"""libpq의 비밀번호 파일 `~/.pgpass` 읽기. 표준 라이브러리만 쓴다.

형식: https://www.postgresql.org/docs/current/libpq-pgpass.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from optimize.storage.url import DEFAULT_PORT, StorageUrl

_FIELD = re.compile(r"((?:\\.|[^:\\])*)(?::|$)")


def pgpass_path(environ: Mapping[str, str]) -> Path:
    """`PGPASSFILE` 또는 `~/.pgpass`(Windows는 %APPDATA%)."""
    if environ.get("PGPASSFILE"):
        return Path(environ["PGPASSFILE"])
    if os.name == "nt":
        return Path(environ.get("APPDATA", "")) / "postgresql" / "pgpass.conf"
    return Path(environ.get("HOME") or Path.home()) / ".pgpass"


def find_password(url: StorageUrl, environ: Mapping[str, str]) -> str | None:
    """url에 맞는 첫 줄의 비밀번호. 파일이 없거나, 남이 읽을 수 있어 libpq가 무시하면 None."""
    path = pgpass_path(environ)
    try:
        if os.name != "nt" and path.stat().st_mode & 0o077:
            return None
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    host = url.host or "localhost"
    wanted = (
        "localhost" if host.startswith("/") else host,
        str(url.port or DEFAULT_PORT),
        url.database or url.username or "",
        url.username or "",
    )
    for line in lines:
        fields = [re.sub(r"\\(.)", r"\1", part) for part in _FIELD.findall(line)]
        if line.startswith("#") or len(fields) < 5:
            continue
        if all(have in {"*", want} for have, want in zip(fields, wanted, strict=False)):
            return fields[4]
    return None
