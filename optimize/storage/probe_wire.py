"""PostgreSQL 규약(3.0)의 글 주고받기. 표준 라이브러리만 쓴다.

https://www.postgresql.org/docs/current/protocol-message-formats.html
서버의 오류를 SQLSTATE와 routine으로 읽으므로 서버의 언어에 기대지 않는다.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass

PROTOCOL_VERSION = 196608
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_MAX_MESSAGE = 64 * 1024 * 1024


class WireError(Exception):
    """연결이 끊기거나 PostgreSQL의 것이 아닌 글을 받음."""


class HungUpError(WireError):
    """서버가 연결을 끊었다."""


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """서버의 ErrorResponse. sqlstate: 다섯 글자. routine: 서버 소스의 함수 이름(번역되지 않는다).

    text: 사람이 읽는 글(서버의 언어와 부호 그대로 읽으려 애쓴 것)이며 판정에는 쓰지 않는다.
    """

    sqlstate: str
    routine: str
    severity: str
    text: str


class Wire:
    """시간 제한이 있는 socket 위의 글. deadline: `time.monotonic()`의 초."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.socket = connection
        self.deadline = deadline

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """글 하나를 보낸다. kind가 비면 startup류의 글이다."""
        self._arm()
        self.socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def send_raw(self, data: bytes) -> None:
        self._arm()
        self.socket.sendall(data)

    def receive(self) -> tuple[bytes, bytes]:
        """(종류 한 글자, 몸). 끊기거나 길이가 말이 안 되면 WireError, 늦으면 TimeoutError."""
        head = self.receive_exact(5)
        size = int(struct.unpack("!i", head[1:])[0]) - 4
        if not 0 <= size <= _MAX_MESSAGE:
            raise WireError("글의 길이가 PostgreSQL의 것이 아닙니다")
        return head[:1], self.receive_exact(size)

    def receive_exact(self, size: int) -> bytes:
        chunks = bytearray()
        while len(chunks) < size:
            self._arm()
            chunk = self.socket.recv(size - len(chunks))
            if not chunk:
                raise HungUpError("서버가 연결을 끊었습니다")
            chunks += chunk
        return bytes(chunks)

    def _arm(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)


def startup_message(parameters: Mapping[str, str]) -> bytes:
    """StartupMessage의 몸."""
    pairs = b"".join(
        key.encode() + b"\0" + value.encode() + b"\0" for key, value in parameters.items()
    )
    return struct.pack("!i", PROTOCOL_VERSION) + pairs + b"\0"


def parse_error(body: bytes) -> ServerMessage:
    """ErrorResponse·NoticeResponse의 몸."""
    fields = {part[:1]: part[1:] for part in body.split(b"\0") if part}
    return ServerMessage(
        sqlstate=fields.get(b"C", b"").decode("ascii", "replace"),
        routine=fields.get(b"R", b"").decode("ascii", "replace"),
        severity=fields.get(b"V", fields.get(b"S", b"")).decode("ascii", "replace"),
        text=decode_text(fields.get(b"M", b"")),
    )


def decode_text(data: bytes) -> str:
    """부호를 모르는 글: UTF-8, 아니면 CP949(EUC-KR을 품는다), 아니면 깨진 글자를 표시해서.

    EUC-KR 서버의 글도 따옴표 안의 이름은 우리가 보낸 UTF-8 그대로여서, 섞였으면 따옴표마다 따로 읽는다.
    """
    for encoding in ("utf-8", "cp949"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    parts = data.split(b'"')
    if len(parts) > 1:
        return '"'.join(decode_text(part) for part in parts)
    return data.decode("utf-8", "backslashreplace")


def parse_row(body: bytes) -> list[str | None]:
    """DataRow의 몸. NULL은 None."""
    count = int(struct.unpack_from("!h", body)[0])
    values: list[str | None] = []
    at = 2
    for _ in range(count):
        size = int(struct.unpack_from("!i", body, at)[0])
        at += 4
        if size < 0:
            values.append(None)
            continue
        values.append(body[at : at + size].decode("utf-8", "replace"))
        at += size
    return values


def parse_parameter(body: bytes) -> tuple[str, str]:
    """ParameterStatus의 몸."""
    name, value, *_ = body.split(b"\0")
    return name.decode("utf-8", "replace"), value.decode("utf-8", "replace")
