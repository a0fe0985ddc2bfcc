"""저장소 URL: 읽기, 고르기, 가리기. 표준 라이브러리만 쓴다(수 ms 안에 import된다).

SQLAlchemy 2.1은 `postgresql://`을 psycopg 3으로 읽으므로 드라이버를 늘 밝혀 적는다:
`postgres://`, `postgresql://`, `postgresql+psycopg2://` → psycopg2,
`postgresql+psycopg://`(`+psycopg3`) → 설치되어 있으면 psycopg 3, 아니면 psycopg2.

비밀번호에 `@ / % : # { }`나 한글이 날것으로 들어 있어도 읽고, 내보낼 때 percent-encoding한다.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

from optimize import paths
from optimize.errors import SettingsError
from optimize.masking import MASK

Backend = Literal["postgresql", "sqlite"]
Driver = Literal["psycopg2", "psycopg", "pysqlite"]

DEFAULT_POSTGRES_URL = "postgresql://postgres:5432@127.0.0.1:5432/optuna"
DEFAULT_PORT = 5432
EXAMPLES = "postgresql://사용자:비밀번호@127.0.0.1:5432/optuna\nsqlite:///studies/이름.db (프로젝트 폴더 기준)"

_DRIVERS: dict[str, Driver] = {
    "postgres": "psycopg2",
    "postgresql": "psycopg2",
    "postgresql+psycopg2": "psycopg2",
    "postgresql+psycopg": "psycopg",
    "postgresql+psycopg3": "psycopg",
    "sqlite": "pysqlite",
    "sqlite+pysqlite": "pysqlite",
}
_KEYS = (
    r"password|user|host|hostaddr|port|dbname|passfile|ssl\w+|gss\w+|krb\w+|require_auth|"
    r"channel_binding|connect_timeout|client_encoding|options|application_name|"
    r"fallback_application_name|keepalives\w*|tcp_user_timeout|target_session_attrs|"
    r"load_balance_hosts|requirepeer"
)
# 물음표는 비밀번호에도 올 수 있으므로 아는 열쇠 앞의 것만 query의 시작으로 본다.
_QUERY_START = re.compile(rf"\?(?=(?:{_KEYS})=)")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SECRET_KEYS = frozenset({"password", "sslpassword"})


@dataclass(frozen=True, slots=True, repr=False)
class StorageUrl:
    """읽어 나눈 저장소 URL. `repr`과 `str`은 비밀번호를 가린다.

    PostgreSQL: username·password·host·port·database는 풀어 쓴 글이며 없으면 None
    (libpq가 PGUSER·PGPASSWORD·~/.pgpass 따위로 채운다). host가 `/`로 시작하면 Unix socket 폴더다.
    SQLite: `path`가 파일의 절대 경로다. query: 드라이버에 건넬 나머지 (열쇠, 값)들.
    """

    backend: Backend
    driver: Driver
    username: str | None = None
    password: str | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    path: Path | None = None
    query: tuple[tuple[str, str], ...] = ()

    @property
    def secret(self) -> str:
        """비밀번호까지 든 SQLAlchemy URL. 화면·파일·인자에 쓰지 않는다(환경 변수로만 넘긴다)."""
        return self._render(masked=False, scheme=f"{self.backend}+{self.loadable_driver}")

    @property
    def masked(self) -> str:
        """비밀번호를 `***`로 가린 URL. 다시 읽으면 비밀번호만 없는 같은 URL이 된다."""
        scheme = "postgresql+psycopg" if self.driver == "psycopg" else self.backend
        return self._render(masked=True, scheme=scheme)

    @property
    def loadable_driver(self) -> Driver:
        """실제로 쓸 드라이버: psycopg 3을 골랐어도 설치되지 않았으면 psycopg2."""
        if self.driver == "psycopg" and importlib.util.find_spec("psycopg") is None:
            return "psycopg2"
        return self.driver

    @property
    def secrets(self) -> tuple[str, ...]:
        """오류 글에서 가려야 할 값들(`mask_secrets(text, url.secrets)`)."""
        hidden = [value for key, value in self.query if key in _SECRET_KEYS]
        return (*([self.password] if self.password else []), *hidden)

    def with_password(self, password: str | None) -> StorageUrl:
        """비밀번호만 바꾼 URL."""
        return replace(self, password=password)

    def same_login(self, other: StorageUrl) -> bool:
        """같은 서버·사용자·데이터베이스인가(localhost와 127.0.0.1은 같게 본다)."""
        return self.login == other.login

    @property
    def login(self) -> tuple[str, str | None, str | None, int, str | None]:
        """어느 서버의 누구로 어느 데이터베이스인가: 같은 저장소를 가리는 열쇠."""
        host = (self.host or "localhost").lower()
        host = "localhost" if host in {"127.0.0.1", "::1"} else host
        return (self.backend, self.username, host, self.port or DEFAULT_PORT, self.database)

    def _render(self, *, masked: bool, scheme: str) -> str:
        if self.backend == "sqlite":
            name = self.path.as_posix() if self.path else ""
            return f"{scheme}:///" + re.sub(r"[%?#{}]", lambda m: _quote(m[0]), name)
        query = [
            (key, MASK if masked and key in _SECRET_KEYS else _quote(value))
            for key, value in self.query
        ]
        host, port = self.host or "", self.port
        if host.startswith("/"):
            query.append(("host", _quote(host)))
            query += [("port", str(port))] if port else []
            host, port = "", None
        elif ":" in host:
            host = f"[{host}]"
        user = _quote(self.username or "")
        if self.password is not None:
            user += f":{MASK if masked else _quote(self.password)}"
        return (
            f"{scheme}://"
            + (f"{user}@" if user else "")
            + host
            + (f":{port}" if port else "")
            + (f"/{_quote(self.database)}" if self.database else "/" if query else "")
            + ("?" + "&".join(f"{key}={value}" for key, value in query) if query else "")
        )

    def __repr__(self) -> str:
        return f"StorageUrl({self.masked})"

    __str__ = __repr__


def parse_storage_url(text: str, root: Path | None = None) -> StorageUrl:
    """저장소 URL을 읽는다. 틀리면 SettingsError(비밀번호를 보이지 않는다).

    상대 경로의 `sqlite:///…`는 root(없으면 프로젝트의 뿌리)에서 잰다.
    비밀번호 자리의 `***`는 가린 것이므로 비밀번호가 없는 것으로 읽는다.
    """
    stripped = text.strip()
    if len(stripped) >= 2 and stripped[0] == stripped[-1] and stripped[0] in "'\"":
        stripped = stripped[1:-1].strip()
    match = _SCHEME.fullmatch(stripped)
    if match is None:
        raise _bad("`postgresql://` 또는 `sqlite:///`로 시작하지 않습니다")
    scheme = match[1].lower()
    driver = _DRIVERS.get(scheme)
    if driver is None:
        raise _bad(f"'{scheme}://'은(는) 쓸 수 없는 종류입니다. PostgreSQL과 SQLite만 됩니다")
    if driver == "pysqlite":
        return _parse_sqlite(match[2], root or paths.home())
    return _parse_postgresql(match[2], driver)


def default_postgres_url() -> StorageUrl:
    """아무것도 정하지 않았을 때의 PostgreSQL URL(사용자 가이드의 것)."""
    return parse_storage_url(DEFAULT_POSTGRES_URL)


def sqlite_url(path: Path) -> StorageUrl:
    """SQLite 파일의 URL. path는 절대 경로로 바뀐다."""
    return StorageUrl("sqlite", "pysqlite", path=paths.expanded(path).absolute())


def _parse_sqlite(rest: str, root: Path) -> StorageUrl:
    if rest and not rest.startswith("/"):
        raise _bad("빗금이 셋이어야 합니다: sqlite:///studies/이름.db (절대 경로는 넷)")
    if rest in {"", "/", "/:memory:"}:
        raise _bad(
            "SQLite 파일의 경로가 없습니다(메모리 저장소는 다른 프로세스와 나눌 수 없습니다)"
        )
    name, question, _ = rest[1:].partition("?")
    if question:
        raise _bad("SQLite URL에는 `?`로 시작하는 옵션을 붙이지 않습니다")
    return sqlite_url(root / paths.expanded(_decode(name)))


def _parse_postgresql(rest: str, driver: Driver) -> StorageUrl:
    split = _QUERY_START.search(rest)
    query = _parse_query(rest[split.end() :]) if split else {}
    location = rest[: split.start()] if split else rest.removesuffix("?")
    # 마지막 @ 앞은 모두 사용자와 비밀번호다: 비밀번호에 날것의 @나 /가 있어도 된다.
    userinfo, at, server = location.rpartition("@")
    username, colon, password = userinfo.partition(":")
    server, question, unknown = server.partition("?")
    if question:
        raise _unknown_key(unknown.partition("=")[0])
    address, _, database = server.partition("/")
    database = database.strip().removesuffix("/")
    host, port = _parse_address(address)
    secret = query.pop("password", _decode(password) if at and colon else None)
    port_text = query.pop("port", None)
    return StorageUrl(
        "postgresql",
        driver,
        username=query.pop("user", _decode(username)) or None,
        password=None if secret in {MASK, ""} else secret,
        host=query.pop("host", host) or None,
        port=_parse_port(port_text) if port_text else port,
        database=query.pop("dbname", _decode(database)) or None,
        query=tuple((key, value) for key, value in query.items() if value != MASK),
    )


def _parse_query(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split("&") if part)
    query = {key: _decode(value) for key, _, value in pairs}
    for key in query:
        if not re.fullmatch(_KEYS, key):
            raise _unknown_key(key)
    if query.get("sslmode", "prefer") not in _SSL_MODES:
        raise _bad(f"sslmode는 {', '.join(_SSL_MODES)} 가운데 하나입니다")
    return query


def _unknown_key(key: str) -> SettingsError:
    return _bad(
        f"URL의 `?` 뒤에 모르는 옵션 '{key}'이(가) 있습니다. libpq의 것(sslmode 따위)만 됩니다"
    )


def _parse_address(address: str) -> tuple[str, int | None]:
    if address.startswith("["):
        host, bracket, tail = address[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise _bad("IPv6 주소는 [::1]:5432처럼 대괄호로 묶습니다")
        return host, _parse_port(tail[1:]) if tail else None
    host, _, port = address.partition(":")
    if "," in address:
        raise _bad("서버는 하나만 적습니다")
    if re.search(r"\s", host):
        raise _bad("서버 이름에 빈칸이 있습니다")
    return _decode(host), _parse_port(port) if port else None


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        # 잘못 나뉜 비밀번호 조각일 수 있으므로 읽은 글을 보이지 않는다.
        raise _bad("포트가 1에서 65535 사이의 수가 아닙니다")
    return int(text)


def _decode(text: str) -> str:
    """percent-encoding을 푼다. UTF-8이 되지 않으면 날것의 %로 보고 그대로 둔다."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _quote(text: str) -> str:
    return quote(text, safe="")


def _bad(cause: str) -> SettingsError:
    return SettingsError("저장소 URL을 읽을 수 없습니다", cause, f"이렇게 적습니다:\n{EXAMPLES}")
