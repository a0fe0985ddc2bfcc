"""PostgreSQL 규약을 스스로 말하는 작은 연결. 표준 라이브러리만 쓴다(드라이버도 SQLAlchemy도 없이).

단계: DNS → TCP → TLS → 인증 → 데이터베이스. 어느 단계에서 왜 막혔는지를 `ProbeError`의
kind와 SQLSTATE로 말하므로, 서버가 어느 언어·부호로 말하든 판정이 같다.
모든 단계가 하나의 deadline을 나눠 쓴다. DNS는 시간 제한이 없으므로 daemon 스레드에서 돈다.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from optimize.storage.probe_scram import MECHANISM, ScramClient, ScramError, md5_answer
from optimize.storage.probe_target import Target
from optimize.storage.probe_tls import TlsError, wrap
from optimize.storage.probe_wire import (
    SSL_REQUEST,
    HungUpError,
    ServerMessage,
    Wire,
    WireError,
    parse_error,
    parse_parameter,
    parse_row,
    startup_message,
)

Stage = Literal["dns", "tcp", "tls", "auth", "database", "query"]
Kind = Literal[
    "no_such_host", "no_dns", "refused", "unreachable", "timeout", "no_socket", "not_postgres", "closed",
    "hung_up", "no_ssl", "bad_certificate", "no_root", "wrong_name", "client_certificate",
    "no_password", "unsupported_auth", "impostor", "server",
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


class Probe:
    """연결 하나. `resolve` → `connect` → `secure` → `login`의 차례로 부른 뒤 `query`한다."""

    def __init__(self, target: Target, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.encrypted = False
        self.parameters: dict[str, str] = {}
        self._addresses: Sequence[tuple[int, Any]] = ()
        self._wire: Wire | None = None

    def resolve(self) -> list[str]:
        """서버 이름의 주소들. Unix socket이면 빈 목록."""
        if self.target.is_socket:
            return []
        results: queue.SimpleQueue[list[tuple[int, Any]] | OSError] = queue.SimpleQueue()
        name, port = self.target.address or self.target.host, self.target.port

        def look_up() -> None:
            try:
                found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
                results.put([(int(item[0]), item[4]) for item in found])
            except (OSError, UnicodeError) as error:
                results.put(error if isinstance(error, OSError) else OSError(str(error)))

        threading.Thread(target=look_up, name="probe-dns", daemon=True).start()
        try:
            found = results.get(timeout=max(0.0, self.deadline - time.monotonic()))
        except queue.Empty:
            raise ProbeError("dns", "timeout") from None
        if isinstance(found, OSError):
            # gaierror가 아니면 물어보기도 전에 틀린 이름이다(빈 토막, 64자가 넘는 토막).
            asked = isinstance(found, socket.gaierror)
            kind: Kind = "no_dns" if asked and found.errno == socket.EAI_AGAIN else "no_such_host"
            raise ProbeError("dns", kind, "" if asked else "이름의 꼴이 틀렸습니다")
        self._addresses = found
        return [str(place[0]) for _, place in found]

    def connect(self) -> str:
        """TCP(또는 Unix socket)로 잇고 이은 주소를 준다. 여러 주소면 차례로 해 본다."""
        failure: ProbeError | None = None
        # 주소는 운영 체제가 준 그대로 쓴다: link-local IPv6에는 scope가 붙어 있다.
        attempts = list(self._addresses)
        if self.target.is_socket:
            attempts = [(socket.AF_UNIX, f"{self.target.host}/.s.PGSQL.{self.target.port}")]
        for index, (family, place) in enumerate(attempts):
            left = (self.deadline - time.monotonic()) / (len(attempts) - index)
            address = place if self.target.is_socket else str(place[0])
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(max(left, 0.001))
                connection.connect(place)
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
        except (HungUpError, ConnectionError) as error:
            raise ProbeError("tls", "hung_up", str(error)) from error
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
        try:
            wire.socket = wrap(wire.socket, self.target)
        except TlsError as error:
            raise ProbeError("tls", error.kind, error.detail) from error
        except OSError as error:
            raise _lost("tls", error) from error
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
            first = stage == "auth" and scram is None
            broken: Kind = "hung_up" if isinstance(error, HungUpError) else "not_postgres"
            raise ProbeError(stage, broken if first else "closed", str(error)) from error
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
