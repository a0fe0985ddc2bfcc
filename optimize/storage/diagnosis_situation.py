"""판정에 쓰는 접속의 사정과, 해결에 넣을 명령 조각들. 표준 라이브러리만 쓴다."""

from __future__ import annotations

from dataclasses import dataclass

from optimize.storage.probe import Target

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 — 비교만 한다
CONTAINER = "optuna-postgres"
EMBEDDED_START = "python -m optimize.storage embedded start"


@dataclass(frozen=True, slots=True)
class Situation:
    """판정에 쓰는 사정. client: 서버가 볼 우리 주소. needs_ssl: TLS로 다시 해 보니 통과했다."""

    target: Target
    connect_timeout: int
    client: str = ""
    needs_ssl: bool = False
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

    def psql(self, statement: str, database: str = "postgres") -> str:
        """관리자로 문장 하나를 돌리는 명령."""
        escaped = statement.replace('"', '\\"')
        return (
            f"psql -h {self.target.host} -p {self.target.port} -U postgres "
            f'-d {database} -c "{escaped}"'
        )


def quote_identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def hba_line(s: Situation, method: str, kind: str = "host") -> str:
    """pg_hba.conf에 넣을 한 줄."""
    if s.target.is_socket:
        return f"local   {s.target.database}   {s.target.user}   {method}"
    client = s.client or "우리.주소"
    mask = "/128" if ":" in client else "/32"
    return f"{kind}   {s.target.database}   {s.target.user}   {client}{mask}   {method}"
