"""점검이 접속할 곳: URL의 빈 칸을 libpq처럼 환경 변수와 ~/.pgpass로 채운 것. 표준 라이브러리만 쓴다.

https://www.postgresql.org/docs/current/libpq-envars.html
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from optimize.errors import SettingsError
from optimize.storage.pgpass import DEFAULT_SOCKETS, find_password
from optimize.storage.url import DEFAULT_PORT, StorageUrl


@dataclass(frozen=True, slots=True)
class Target:
    """접속할 곳.

    host: `/`로 시작하면 Unix socket 폴더. address: 이름 대신 이을 주소(`?hostaddr=`), 없으면 host.
    sslrootcert·sslcert·sslkey: 인증서의 파일, 정하지 않았으면 None(libpq의 기본 자리).
    session: startup에 함께 보낼 값(application_name, options …).
    """

    host: str
    port: int
    user: str
    database: str
    password: str | None = field(repr=False)
    sslmode: str
    session: Mapping[str, str]
    address: str | None = None
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(
        cls, url: StorageUrl, session: Mapping[str, str], environ: Mapping[str, str] | None = None
    ) -> Target:
        """SettingsError: 환경 변수 PGPORT가 포트가 아니다."""
        env = os.environ if environ is None else environ
        query = dict(url.query)
        user = url.username or env.get("PGUSER") or getpass.getuser()
        password = url.password if url.password is not None else env.get("PGPASSWORD")
        address = query.get("hostaddr")
        return cls(
            host=url.host or address or env.get("PGHOST") or _default_host(),
            port=url.port or _environment_port(env),
            user=user,
            database=url.database or env.get("PGDATABASE") or user,
            password=password if password is not None else find_password(url, env),
            sslmode=query.get("sslmode") or env.get("PGSSLMODE") or "prefer",
            session=session,
            address=address,
            sslrootcert=query.get("sslrootcert") or env.get("PGSSLROOTCERT"),
            sslcert=query.get("sslcert") or env.get("PGSSLCERT"),
            sslkey=query.get("sslkey") or env.get("PGSSLKEY"),
            sslpassword=query.get("sslpassword"),
        )

    @property
    def is_socket(self) -> bool:
        return self.address is None and self.host.startswith("/")


def _environment_port(environ: Mapping[str, str]) -> int:
    """`PGPORT`. 수가 아니면 SettingsError(libpq도 거절한다)."""
    text = environ.get("PGPORT") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise SettingsError(
            "환경 변수 PGPORT가 포트가 아닙니다",
            f"받은 것: {text}",
            "unset PGPORT 또는 URL에 포트를 적습니다",
        )
    return int(text)


def _default_host() -> str:
    for folder in (DEFAULT_SOCKETS, "/tmp"):  # noqa: S108 — libpq가 찾는 자리
        if os.path.exists(f"{folder}/.s.PGSQL.{DEFAULT_PORT}"):
            return folder
    return "localhost"
