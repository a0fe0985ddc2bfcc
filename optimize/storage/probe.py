"""PostgreSQL 규약을 스스로 말하는 작은 연결. 표준 라이브러리만 쓴다(드라이버도 SQLAlchemy도 없이).

단계: DNS → TCP → TLS → 인증 → 데이터베이스. 어느 단계에서 왜 막혔는지를 `ProbeError`의
kind와 SQLSTATE로 말하므로, 서버가 어느 언어·부호로 말하든 판정이 같다.
모든 단계가 하나의 deadline을 나눠 쓴다. DNS는 시간 제한이 없으므로 daemon 스레드에서 돈다.
"""

from __future__ import annotations

import getpass
import os
import queue
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from optimize.errors import SettingsError
from optimize.storage.pgpass import find_password
from optimize.storage.probe_scram import MECHANISM, ScramClient, ScramError, md5_answer
from optimize.storage.probe_wire import (
    SSL_REQUEST,
    ServerMessage,
    Wire,
    WireError,
    parse_error,
    parse_parameter,
    parse_row,
    startup_message,
)
from optimize.storage.url import DEFAULT_PORT, StorageUrl

Stage = Literal["dns", "tcp", "tls", "auth", "database", "query"]
Kind = Literal[
    "no_such_host", "refused", "unreachable", "timeout", "no_socket", "not_postgres", "closed",
    "no_ssl", "bad_certificate", "no_password", "unsupported_auth", "impostor", "server",
]  # fmt: skip

_OK, _CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12


class ProbeError(Exception):
    """한 단계의 실패. kind가 `server`면 server에 서버의 말이 있다."""

    def __init__(
        self, stage: Stage, kind: Kind, detail: str = "", server: ServerMessage | None = None
    ) -> None:
        super().__init__(stage, kind, detail)
        self.stage, self.kind, self.detail, self.server = stage, kind, detail, server

    @property
    def sqlstate(self) -> str:
        return self.server.sqlstate if self.server else ""


@dataclass(frozen=True, slots=True)
class Target:
    """접속할 곳. libpq처럼 빈 칸을 환경 변수와 ~/.pgpass로 채운 것."""

    host: str
    port: int
    user: str
    database: str
    password: str | None = field(repr=False)
    sslmode: str
    sslrootcert: str | None
    session: Mapping[str, str]

    @classmethod
    def from_url(
        cls, url: StorageUrl, session: Mapping[str, str], environ: Mapping[str, str] | None = None
    ) -> Target:
        """session: startup에 함께 보낼 값(application_name, options …)."""
        env = os.environ if environ is None else environ
        query = dict(url.query)
        user = url.username or env.get("PGUSER") or getpass.getuser()
        password = url.password if url.password is not None else env.get("PGPASSWORD")
        return cls(
            host=query.get("hostaddr") or url.host or env.get("PGHOST") or _default_host(),
            port=url.port or _environment_port(env),
            user=user,
            database=url.database or env.get("PGDATABASE") or user,
            password=password if password is not None else find_password(url, env),
            sslmode=query.get("sslmode") or env.get("PGSSLMODE") or "prefer",
            sslrootcert=query.get("sslrootcert") or env.get("PGSSLROOTCERT"),
            session=session,
        )

    @property
    def is_socket(self) -> bool:
        return self.host.startswith("/")


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
    for folder in ("/var/run/postgresql", "/tmp"):  # noqa: S108 — libpq가 찾는 자리
        if os.path.exists(f"{folder}/.s.PGSQL.{DEFAULT_PORT}"):
            return folder
    return "localhost"


class Probe:
    """연결 하나. `resolve` → `connect` → `secure` → `login`의 차례로 부른 뒤 `query`한다."""

    def __init__(self, target: Target, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.encrypted = False
        self.parameters: dict[str, str] = {}
        self._addresses: Sequence[tuple[int, str]] = ()
        self._wire: Wire | None = None

    def resolve(self) -> list[str]:
        """서버 이름의 주소들. Unix socket이면 빈 목록."""
        if self.target.is_socket:
            return []
        results: queue.SimpleQueue[list[tuple[int, str]] | OSError] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                found = socket.getaddrinfo(
                    self.target.host, self.target.port, type=socket.SOCK_STREAM
                )
                results.put([(int(item[0]), str(item[4][0])) for item in found])
            except (OSError, UnicodeError) as error:
                results.put(error if isinstance(error, OSError) else OSError(str(error)))

        threading.Thread(target=look_up, name="probe-dns", daemon=True).start()
        try:
            found = results.get(timeout=max(0.0, self.deadline - time.monotonic()))
        except queue.Empty:
            raise ProbeError("dns", "timeout") from None
        if isinstance(found, OSError):
            raise ProbeError("dns", "no_such_host", str(found))
        self._addresses = found
        return [address for _, address in found]

    def connect(self) -> str:
        """TCP(또는 Unix socket)로 잇고 이은 주소를 준다. 여러 주소면 차례로 해 본다."""
        failure: ProbeError | None = None
        attempts = list(self._addresses)
        if self.target.is_socket:
            attempts = [(socket.AF_UNIX, f"{self.target.host}/.s.PGSQL.{self.target.port}")]
        for index, (family, address) in enumerate(attempts):
            left = (self.deadline - time.monotonic()) / (len(attempts) - index)
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(max(left, 0.001))
                connection.connect(
                    address if self.target.is_socket else (address, self.target.port)
                )
            except OSError as error:
                connection.close()
                failure = _connect_failure(error, address)
                continue
            if not self.target.is_socket:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._wire = Wire(connection, self.deadline)
            return address
        raise failure or ProbeError("tcp", "unreachable", "주소가 없습니다")

    def secure(self, *, attempt: bool = True) -> bool:
        """TLS를 쓸지 서버와 정한다. 쓰게 되면 True. attempt가 거짓이면 묻지 않는다."""
        mode = self.target.sslmode
        if self.target.is_socket or mode == "disable" or not attempt:
            return False
        wire = self._require_wire()
        try:
            wire.send_raw(SSL_REQUEST)
            answer = wire.receive_exact(1)
            if answer == b"E":
                raise ProbeError("tls", "server", server=self._rest_of_error(wire))
        except WireError as error:
            raise ProbeError("tls", "not_postgres", str(error)) from error
        except OSError as error:
            raise _lost("tls", error) from error
        if answer == b"N":
            if mode in {"require", "verify-ca", "verify-full"}:
                raise ProbeError("tls", "no_ssl")
            return False
        if answer != b"S":
            raise ProbeError("tls", "not_postgres", "SSL 요청에 PostgreSQL이 아닌 답이 왔습니다")
        self._wrap(wire, mode)
        return True

    def login(self) -> None:
        """startup과 인증, 데이터베이스 열기까지."""
        wire = self._require_wire()
        stage: Stage = "auth"
        scram: ScramClient | None = None
        try:
            wire.send(
                b"",
                startup_message(
                    {
                        "user": self.target.user,
                        "database": self.target.database,
                        "client_encoding": "UTF8",
                        **self.target.session,
                    }
                ),
            )
            while True:
                kind, body = wire.receive()
                if kind == b"R":
                    code = int.from_bytes(body[:4], "big")
                    if code == _OK:
                        stage = "database"
                    else:
                        scram = self._answer(wire, code, body[4:], scram)
                elif kind == b"E":
                    raise ProbeError(stage, "server", server=parse_error(body))
                elif kind == b"S":
                    name, value = parse_parameter(body)
                    self.parameters[name] = value
                elif kind == b"Z":
                    return
                elif kind not in {b"K", b"N", b"v"}:
                    raise ProbeError(stage, "not_postgres", f"모르는 글 {kind!r}")
        except ScramError as error:
            raise ProbeError("auth", "impostor", str(error)) from error
        except WireError as error:
            kind_of: Kind = "not_postgres" if stage == "auth" and scram is None else "closed"
            raise ProbeError(stage, kind_of, str(error)) from error
        except OSError as error:
            raise _lost(stage, error) from error

    def query(self, sql: str, timeout: float | None = None) -> list[list[str | None]]:
        """SQL을 돌려 마지막 결과의 행들을 글로 준다. 서버의 오류는 ProbeError(stage=query)."""
        wire = self._require_wire()
        wire.deadline = time.monotonic() + (timeout or self.timeout)
        rows: list[list[str | None]] = []
        failure: ServerMessage | None = None
        try:
            wire.send(b"Q", sql.encode() + b"\0")
            while True:
                kind, body = wire.receive()
                if kind == b"T":
                    rows = []
                elif kind == b"D":
                    rows.append(parse_row(body))
                elif kind == b"E":
                    failure = parse_error(body)
                    if failure.severity in {"FATAL", "PANIC"}:
                        break
                elif kind == b"Z":
                    break
        except WireError as error:
            raise ProbeError("query", "closed", str(error)) from error
        except OSError as error:
            raise _lost("query", error) from error
        if failure is not None:
            raise ProbeError("query", "server", server=failure)
        return rows

    @property
    def client_address(self) -> str:
        """서버가 볼 우리 주소. 이어지지 않았거나 Unix socket이면 빈 글."""
        if self._wire is None or self.target.is_socket:
            return ""
        try:
            return str(self._wire.socket.getsockname()[0])
        except OSError:  # TLS에 실패하며 이미 닫혔다
            return ""

    def close(self) -> None:
        """연결을 닫는다. 여러 번 불러도 된다."""
        if self._wire is None:
            return
        with suppress(OSError):
            self._wire.deadline = time.monotonic() + 1
            self._wire.send(b"X")
        with suppress(OSError):
            self._wire.socket.close()
        self._wire = None

    def open(self) -> None:
        """모든 단계를 차례로. `sslmode=prefer`에서 TLS로 거절되면 libpq처럼 TLS 없이 다시 해 본다."""
        self.resolve()
        self.connect()
        self.encrypted = self.secure()
        self.login_or_retry_plain()

    def login_or_retry_plain(self) -> None:
        """`login`하되, prefer로 TLS를 쓴 접속을 pg_hba가 거절하면 TLS 없이 한 번 더 한다."""
        try:
            self.login()
        except ProbeError as error:
            if not (
                self.encrypted and self.target.sslmode == "prefer" and error.sqlstate == "28000"
            ):
                raise
            self.close()
            self.connect()
            self.encrypted = False
            self.login()

    def _answer(
        self, wire: Wire, code: int, body: bytes, scram: ScramClient | None
    ) -> ScramClient | None:
        if code == _SASL_FINAL and scram is not None:
            scram.verify(body)
            return scram
        if code == _SASL_CONTINUE and scram is not None:
            wire.send(b"p", scram.final(body))
            return scram
        if code not in {_CLEARTEXT, _MD5, _SASL}:
            raise ProbeError("auth", "unsupported_auth", str(code))
        if not self.target.password:
            raise ProbeError("auth", "no_password")
        if code == _CLEARTEXT:
            wire.send(b"p", self.target.password.encode() + b"\0")
        elif code == _MD5:
            answer = md5_answer(self.target.user, self.target.password, body[:4])
            wire.send(b"p", answer + b"\0")
        else:
            if MECHANISM.encode() not in body.split(b"\0"):
                raise ProbeError("auth", "unsupported_auth", "SASL")
            scram = ScramClient(self.target.password)
            first = scram.first()
            wire.send(b"p", MECHANISM.encode() + b"\0" + len(first).to_bytes(4, "big") + first)
        return scram

    def _wrap(self, wire: Wire, mode: str) -> None:
        import ssl  # 여는 데 십여 ms가 들어 쓸 때 읽는다

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        verify = mode in {"verify-ca", "verify-full"}
        context.check_hostname = mode == "verify-full"
        context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        try:
            if verify:
                root = self.target.sslrootcert or os.path.expanduser("~/.postgresql/root.crt")
                if root == "system":
                    context.load_default_certs()
                else:
                    context.load_verify_locations(root)
            wire.socket = context.wrap_socket(wire.socket, server_hostname=self.target.host)
        except TimeoutError as error:
            raise ProbeError("tls", "timeout") from error
        except (ConnectionError, ssl.SSLEOFError) as error:
            raise _lost("tls", error) from error
        except (ssl.SSLError, OSError, ValueError) as error:
            # `S`로 시작하는 인사(SSH 따위)를 SSL을 쓰자는 답으로 읽은 것이다.
            if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
                raise ProbeError("tls", "not_postgres", "TLS가 아닌 답이 왔습니다") from error
            raise ProbeError("tls", "bad_certificate", str(error)) from error

    def _rest_of_error(self, wire: Wire) -> ServerMessage:
        """종류 글자 `E`를 이미 읽은 뒤의 ErrorResponse."""
        size = int.from_bytes(wire.receive_exact(4), "big") - 4
        if not 0 <= size <= 30_000:
            raise WireError("PostgreSQL의 오류가 아닙니다")
        return parse_error(wire.receive_exact(size))

    def _require_wire(self) -> Wire:
        if self._wire is None:
            raise ProbeError("tcp", "closed", "연결되어 있지 않습니다")
        return self._wire


def _connect_failure(error: OSError, address: str) -> ProbeError:
    if isinstance(error, TimeoutError):
        return ProbeError("tcp", "timeout", address)
    if isinstance(error, FileNotFoundError):
        return ProbeError("tcp", "no_socket", address)
    if isinstance(error, ConnectionRefusedError):
        return ProbeError("tcp", "refused", address)
    return ProbeError("tcp", "unreachable", f"{address}: {error.strerror or error}")


def _lost(stage: Stage, error: OSError) -> ProbeError:
    if isinstance(error, TimeoutError):
        return ProbeError(stage, "timeout")
    return ProbeError(stage, "closed", error.strerror or str(error))
