"""SCRAM-SHA-256의 클라이언트 쪽 계산. 표준 라이브러리만 쓴다.

RFC 5802·7677, PostgreSQL의 것: https://www.postgresql.org/docs/current/sasl-authentication.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stringprep
import unicodedata

MECHANISM = "SCRAM-SHA-256"
_MAX_ITERATIONS = 10_000_000


class ScramError(Exception):
    """서버의 글이 규약에 맞지 않거나, 서버가 비밀번호를 모른다."""


class ScramClient:
    """한 번의 인증. `first()` → `final(서버의 글)` → `verify(서버의 글)`의 차례로 부른다."""

    def __init__(self, password: str) -> None:
        self._password = saslprep(password)
        self._nonce = base64.b64encode(secrets.token_bytes(18)).decode()
        self._bare = f"n=,r={self._nonce}"
        self._server_signature = b""

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def final(self, server_first: bytes) -> bytes:
        """서버의 첫 글(nonce, salt, 횟수)에 대한 답."""
        fields = _fields(server_first)
        try:
            nonce, salt = fields["r"], base64.b64decode(fields["s"], validate=True)
            iterations = int(fields["i"])
        except (KeyError, ValueError) as error:
            raise ScramError("SCRAM 첫 글의 모양이 다릅니다") from error
        if not nonce.startswith(self._nonce) or not 0 < iterations <= _MAX_ITERATIONS:
            raise ScramError("SCRAM nonce나 횟수가 맞지 않습니다")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        without_proof = f"c=biws,r={nonce}"
        message = b",".join((self._bare.encode(), server_first, without_proof.encode()))
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._server_signature = _hmac(_hmac(salted, b"Server Key"), message)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, server_final: bytes) -> None:
        """서버도 비밀번호를 아는지 본다. 아니면 ScramError."""
        signature = _fields(server_final).get("v", "")
        expected = base64.b64encode(self._server_signature).decode()
        if not hmac.compare_digest(signature, expected):
            raise ScramError("서버의 서명이 맞지 않습니다")


def md5_answer(user: str, password: str, salt: bytes) -> bytes:
    """md5 인증의 답: md5(md5(비밀번호 + 사용자) + salt)."""
    inner = hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
    outer = hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()
    return f"md5{outer}".encode()


def saslprep(password: str) -> bytes:
    """SASLprep(RFC 4013). 금지된 글자가 있으면 PostgreSQL처럼 원래의 바이트를 쓴다."""
    original = password.encode("utf-8", "surrogateescape")
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in password
        if not stringprep.in_table_b1(char)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    if not normal or any(_prohibited(char) for char in normal):
        return original
    if any(stringprep.in_table_d1(char) for char in normal):
        ends = stringprep.in_table_d1(normal[0]) and stringprep.in_table_d1(normal[-1])
        if not ends or any(stringprep.in_table_d2(char) for char in normal):
            return original
    return normal.encode()


def _prohibited(char: str) -> bool:
    return (
        stringprep.in_table_a1(char)
        or stringprep.in_table_c12(char)
        or stringprep.in_table_c21_c22(char)
        or stringprep.in_table_c3(char)
        or stringprep.in_table_c4(char)
        or stringprep.in_table_c5(char)
        or stringprep.in_table_c6(char)
        or stringprep.in_table_c7(char)
        or stringprep.in_table_c8(char)
        or stringprep.in_table_c9(char)
    )


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _fields(message: bytes) -> dict[str, str]:
    parts = message.decode("ascii", "replace").split(",")
    return {name: value for name, _, value in (part.partition("=") for part in parts)}
