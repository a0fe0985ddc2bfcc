"""점검의 연결을 libpq의 sslmode대로 TLS로 감싼다. 표준 라이브러리만 쓴다.

https://www.postgresql.org/docs/current/libpq-ssl.html
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from optimize.errors import os_reason
from optimize.storage.probe_target import Target

if TYPE_CHECKING:
    import ssl

TlsKind = Literal["not_postgres", "bad_certificate", "no_root", "wrong_name", "client_certificate"]
# OpenSSL의 X509_V_ERR_HOSTNAME_MISMATCH와 X509_V_ERR_IP_ADDRESS_MISMATCH.
_NAME_MISMATCH = frozenset({62, 64})


class TlsError(Exception):
    """TLS를 맺지 못했다. kind: 까닭, detail: 보일 글. 끊김과 시간 제한은 socket의 오류 그대로다."""

    def __init__(self, kind: TlsKind, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind, self.detail = kind, detail


def wrap(plain: socket.socket, target: Target) -> socket.socket:
    """감싼 socket. TlsError, 또는 끊기거나 늦으면 ConnectionError·TimeoutError."""
    import ssl  # 여는 데 십여 ms가 들어 쓸 때 읽는다

    context = _context(target)
    try:
        return context.wrap_socket(plain, server_hostname=target.host)
    except (TimeoutError, ConnectionError):
        raise
    except ssl.SSLEOFError as error:
        raise ConnectionResetError(error.strerror or str(error)) from error
    except ssl.SSLCertVerificationError as error:
        kind: TlsKind = "wrong_name" if error.verify_code in _NAME_MISMATCH else "bad_certificate"
        raise TlsError(kind, f"OpenSSL의 말: {error.verify_message}") from error
    except (ssl.SSLError, OSError, ValueError) as error:
        # `S`로 시작하는 인사(SSH 따위)를 SSL을 쓰자는 답으로 읽은 것이다.
        if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
            raise TlsError("not_postgres", "TLS가 아닌 답이 왔습니다") from error
        raise TlsError("bad_certificate", f"OpenSSL의 말: {error}") from error


def _context(target: Target) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    verify = target.sslmode in {"verify-ca", "verify-full"}
    context.check_hostname = target.sslmode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if verify and target.sslrootcert == "system":
        context.load_default_certs()
    elif verify:
        root = Path(target.sslrootcert or "~/.postgresql/root.crt").expanduser()
        try:
            context.load_verify_locations(root)
        except (OSError, ValueError) as error:
            reason = str(error) if isinstance(error, ssl.SSLError) else _reason(error)
            raise TlsError("no_root", f"{root} ({reason})") from error
    certificate = Path(target.sslcert or "~/.postgresql/postgresql.crt").expanduser()
    # libpq처럼 파일이 없으면 인증서 없이 간다.
    if certificate.exists():
        key = Path(target.sslkey or "~/.postgresql/postgresql.key").expanduser()
        try:
            # 비밀번호를 터미널에 묻지 않게 늘 준다.
            context.load_cert_chain(certificate, key, target.sslpassword or "")
        except (OSError, ValueError) as error:
            raise TlsError("client_certificate", f"{certificate}, {key}") from error
    return context


def _reason(error: OSError | ValueError) -> str:
    return os_reason(error) if isinstance(error, OSError) else str(error)
