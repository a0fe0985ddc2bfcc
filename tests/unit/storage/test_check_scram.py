"""SCRAM 계산: RFC 7677의 보기와, 속이는 서버를 알아채는 것."""

from __future__ import annotations

import hashlib

import pytest

from optimize.storage.probe_scram import ScramClient, ScramError, md5_answer, saslprep

SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def rfc_client() -> ScramClient:
    """RFC 7677 3절의 nonce와 사용자를 가진 클라이언트."""
    client = ScramClient("pencil")
    client._nonce = "rOprNGfwEbeRWgbNEkqO"
    client._bare = f"n=user,r={client._nonce}"
    return client


def test_rfc_7677_example() -> None:
    client = rfc_client()
    assert client.final(SERVER_FIRST) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    client.verify(SERVER_FINAL)


def test_server_without_the_password_is_refused() -> None:
    client = rfc_client()
    client.final(SERVER_FIRST)
    with pytest.raises(ScramError):
        client.verify(b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"r=other,s=AAAA,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqOx,s=!!,i=1",
        SERVER_FIRST + b"99999999",
    ],
)
def test_malformed_server_messages_are_refused(message: bytes) -> None:
    with pytest.raises(ScramError):
        rfc_client().final(message)


@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("I\u00adX", b"IX"),
        ("\u2168", b"IX"),
        ("\u00aa", b"a"),
        ("비밀번호", "비밀번호".encode()),
        ("a\u00a0b", b"a b"),
        ("\u0007", b"\x07"),
        ("\u0627\u0031", "\u0627\u0031".encode()),
        ("", b""),
    ],
)
def test_saslprep_follows_rfc_4013(password: str, prepared: bytes) -> None:
    """금지된 글자가 있으면 PostgreSQL처럼 원래의 바이트를 쓴다."""
    assert saslprep(password) == prepared


def test_md5_answer() -> None:
    inner = hashlib.md5(b"secretuser").hexdigest().encode()
    expected = b"md5" + hashlib.md5(inner + b"salt").hexdigest().encode()
    assert md5_answer("user", "secret", b"salt") == expected
