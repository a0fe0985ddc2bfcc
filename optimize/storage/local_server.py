"""내장 PostgreSQL이 남긴 파일에서 접속 정보를 읽는다. 표준 라이브러리만 쓴다(서버를 켜지 않는다).

`studies/.postgres/`의 `port`와 `password`를 `optimize.storage.embedded`가 쓴다.
"""

from __future__ import annotations

from optimize import paths
from optimize.storage.url import StorageUrl

EMBEDDED = "python -m optimize.storage embedded"
EMBEDDED_START = f"{EMBEDDED} start"
# 켜져 있는 내장 서버의 URL(비밀번호 포함)을 내는 명령.
EMBEDDED_URL = f"{EMBEDDED} url"
_USER, _HOST, _DATABASE = "postgres", "127.0.0.1", "optuna"


def embedded_url() -> StorageUrl | None:
    """마지막으로 켜졌던 내장 서버의 URL(비밀번호 포함). 만든 적이 없으면 None."""
    directory = paths.studies_dir() / ".postgres"
    try:
        port = int((directory / "port").read_text(encoding="ascii"))
        password = (directory / "password").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    if not password:
        return None
    return StorageUrl("postgresql", "psycopg2", _USER, password, _HOST, port, _DATABASE)


def is_embedded(url: StorageUrl) -> bool:
    """url이 이 프로젝트의 내장 서버를 가리키는가."""
    ours = embedded_url()
    return ours is not None and ours.same_login(url)
