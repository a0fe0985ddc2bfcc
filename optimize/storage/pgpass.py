"""libpq의 비밀번호 파일 `~/.pgpass` 읽기. 표준 라이브러리만 쓴다.

형식: https://www.postgresql.org/docs/current/libpq-pgpass.html
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from pathlib import Path

from optimize.storage.url import DEFAULT_PORT, StorageUrl

# libpq는 이 폴더의 socket만 `localhost`로 찾고, 다른 폴더의 것은 폴더의 경로로 찾는다.
DEFAULT_SOCKETS = "/var/run/postgresql"
_FIELD = re.compile(r"((?:\\.|[^:\\])*)(?::|$)")


def pgpass_path(environ: Mapping[str, str]) -> Path:
    """`PGPASSFILE` 또는 `~/.pgpass`(Windows는 %APPDATA%)."""
    if environ.get("PGPASSFILE"):
        return Path(environ["PGPASSFILE"])
    if os.name == "nt":
        return Path(environ.get("APPDATA", "")) / "postgresql" / "pgpass.conf"
    return Path(environ.get("HOME") or Path.home()) / ".pgpass"


def find_password(url: StorageUrl, environ: Mapping[str, str]) -> str | None:
    """url에 맞는 첫 줄의 비밀번호. 파일이 없거나, 남이 읽을 수 있어 libpq가 무시하면 None.

    url의 빈 칸은 libpq처럼 PGHOST·PGPORT·PGUSER·PGDATABASE로 채우고, 파일은 `?passfile=`의 것이 먼저다.
    """
    query = dict(url.query)
    path = Path(query["passfile"]) if query.get("passfile") else pgpass_path(environ)
    try:
        if os.name != "nt" and path.stat().st_mode & 0o077:
            return None
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    user = url.username or environ.get("PGUSER") or getpass.getuser()
    wanted = (
        _host_name(url.host or query.get("hostaddr") or environ.get("PGHOST") or "localhost"),
        str(url.port or environ.get("PGPORT") or DEFAULT_PORT),
        url.database or environ.get("PGDATABASE") or user,
        user,
    )
    for line in lines:
        fields = [re.sub(r"\\(.)", r"\1", part) for part in _FIELD.findall(line)]
        if line.startswith("#") or len(fields) < 5:
            continue
        if all(have in {"*", want} for have, want in zip(fields, wanted, strict=False)):
            return fields[4]
    return None


def pgpass_line(host: str, port: int, database: str | None, user: str | None) -> str:
    """이 접속에 맞는 한 줄. 비밀번호의 자리는 말로 둔다."""
    fields = (_host_name(host), str(port), database or "*", user or "*")
    return ":".join([*(re.sub(r"([:\\])", r"\\\1", part) for part in fields), "<비밀번호>"])


def _host_name(host: str) -> str:
    return "localhost" if host == DEFAULT_SOCKETS else host
