"""판정에 쓰는 접속의 사정과, 해결에 넣을 명령 조각들. 표준 라이브러리만 쓴다.

조각은 그대로 붙여 넣을 수 있어야 한다: 셸, SQL, pg_hba.conf, ~/.pgpass의 규칙대로 이름을 감싼다.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace

from optimize.masking import MASK
from optimize.storage.failures import CHECK
from optimize.storage.local_server import EMBEDDED, EMBEDDED_START, EMBEDDED_URL
from optimize.storage.pgpass import pgpass_line
from optimize.storage.probe_target import Target
from optimize.storage.url import StorageUrl

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 — 비교만 한다
CONTAINER = "optuna-postgres"
USE_EMBEDDED = f'export OPTUNA_STORAGE="$({EMBEDDED_URL})"'
# pg_hba.conf에서 뜻이 따로 있는 이름들.
_HBA_WORDS = frozenset({"all", "sameuser", "samerole", "samegroup", "replication"})


@dataclass(frozen=True, slots=True)
class Situation:
    """판정에 쓰는 사정.

    client: 서버가 볼 우리 주소. needs_ssl: TLS로 다시 해 보니 통과했다. encrypted: TLS로 이었다.
    embedded: 이 프로젝트의 내장 서버다. check: 같은 저장소를 다시 점검하는 명령.
    """

    target: Target
    url: StorageUrl
    connect_timeout: int
    client: str = ""
    needs_ssl: bool = False
    encrypted: bool = False
    embedded: bool = False
    check: str = CHECK
    sqlite_hint: str = "export OPTUNA_STORAGE=  # 빈 값은 SQLite"

    @property
    def local(self) -> bool:
        return self.target.host in LOCAL_HOSTS or self.target.is_socket

    @property
    def role(self) -> str:
        return quote_identifier(self.target.user)

    @property
    def database(self) -> str:
        return quote_identifier(self.target.database)

    @property
    def address(self) -> str:
        """`서버:포트`. IPv6은 대괄호로 묶는다."""
        host = self.target.host
        return f"[{host}]:{self.target.port}" if ":" in host else f"{host}:{self.target.port}"

    @property
    def url_without_password(self) -> str:
        """비밀번호의 자리가 `***`인 URL."""
        return replace(self.url, username=self.target.user, password=MASK).masked

    def with_sslmode(self, mode: str) -> str:
        """sslmode만 바꾼 URL, 비밀번호의 자리는 `***`. 확인하지 않는 mode에는 sslrootcert를 적지 않는다."""
        dropped = {"sslmode"} if mode.startswith("verify") else {"sslmode", "sslrootcert"}
        kept = tuple(item for item in self.url.query if item[0] not in dropped)
        return replace(self.url, query=(*kept, ("sslmode", mode))).masked

    @property
    def over_tcp(self) -> str:
        """이 컴퓨터의 TCP로 바꾼 URL, 비밀번호의 자리는 `***`."""
        local = replace(self.url, host="127.0.0.1", port=self.target.port)
        return replace(local, username=self.target.user, password=MASK).masked

    @property
    def pgpass_line(self) -> str:
        return pgpass_line(
            self.target.host, self.target.port, self.target.database, self.target.user
        )

    def psql(self, command: str, database: str = "postgres") -> str:
        """관리자로 문장이나 psql의 명령 하나를 돌리는 명령."""
        host, port = self.target.host, str(self.target.port)
        return shlex.join(
            ["psql", "-h", host, "-p", port, "-U", "postgres", "-d", database, "-c", command]
        )

    @property
    def server_log(self) -> str:
        """서버의 기록을 보는 길."""
        if self.embedded:
            return "tail -n 50 studies/.postgres/server.log"
        if self.local:
            return f"docker logs --tail 50 {CONTAINER}"
        return f"{self.target.host}에서 PostgreSQL의 기록(자리: SHOW log_directory;)"

    @property
    def server_start(self) -> str:
        """서버를 켜는 길."""
        if self.embedded:
            return EMBEDDED_START
        if self.local:
            return f"docker start {CONTAINER}"
        return f"{self.target.host}에서: sudo systemctl start postgresql"

    @property
    def server_restart(self) -> str:
        """서버를 다시 켜는 길."""
        if self.embedded:
            return f"{EMBEDDED} stop && {EMBEDDED_START}"
        if self.local:
            return f"docker restart {CONTAINER}"
        return f"{self.target.host}에서: sudo systemctl restart postgresql"


def quote_identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def hba_line(s: Situation, method: str, kind: str = "host") -> str:
    """pg_hba.conf에 넣을 한 줄."""
    database, user = _hba_name(s.target.database), _hba_name(s.target.user)
    if s.target.is_socket:
        return f"local   {database}   {user}   {method}"
    client = s.client or "우리.주소"
    mask = "/128" if ":" in client else "/32"
    return f"{kind}   {database}   {user}   {client}{mask}   {method}"


def _hba_name(name: str) -> str:
    plain = re.fullmatch(r"\w[\w.-]*", name) and name not in _HBA_WORDS
    return name if plain else quote_identifier(name)
