"""서버가 없거나 이상한 자리의 점검: 진짜 socket으로, 정해진 시간 안에, 바로 멈출 수 있게."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from optimize.errors import SettingsError
from optimize.storage.check import run_check
from optimize.storage.check_step import CheckStep
from optimize.storage.options import StorageOptions
from optimize.storage.url import StorageUrl, parse_storage_url

OPTIONS = StorageOptions(connect_timeout=1)


@contextmanager
def serving(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """연결마다 behave를 부르는 서버의 포트."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def loop() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    behave(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def check(port: int, host: str = "127.0.0.1", query: str = "") -> dict[str, CheckStep]:
    url = parse_storage_url(f"postgresql://user:secret-canary@{host}:{port}/db{query}")
    steps = {step.name: step for step in run_check(url, OPTIONS, 5)}
    assert "secret-canary" not in repr(steps)
    return steps


def failure(steps: dict[str, CheckStep]) -> CheckStep:
    failed = [step for step in steps.values() if step.status == "fail"]
    assert len(failed) == 1, failed
    assert failed[0].cause_ko
    assert failed[0].fix_ko
    return failed[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_closed_port_names_docker_and_the_embedded_server() -> None:
    """가이드의 첫 문제: 연결 거절."""
    step = failure(check(free_port()))
    assert step.name == "tcp"
    assert "Connection refused" in step.cause_ko
    assert "docker start optuna-postgres" in step.fix_ko
    assert step.remedy == "start_embedded"


def test_no_such_host() -> None:
    """이름의 꼴이 틀린 서버(네트워크에 묻지 않는다)."""
    url = StorageUrl("postgresql", "psycopg2", "u", "p", "a..b", 5432, "db")
    step = failure({s.name: s for s in run_check(url, OPTIONS, 5)})
    assert step.name == "dns"
    assert "'a..b'의 주소를 찾을 수 없습니다" in step.cause_ko
    assert "127.0.0.1" in step.fix_ko


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (socket.EAI_NONAME, "'db.example'의 주소를 찾을 수 없습니다"),
        (socket.EAI_AGAIN, "이름 서버(DNS)에 닿지 못했습니다"),
    ],
)
def test_a_wrong_name_is_told_from_a_lost_network(
    monkeypatch: pytest.MonkeyPatch, code: int, cause: str
) -> None:
    """없는 이름과 끊긴 네트워크를 가르고, 운영 체제의 영어 글은 보이지 않는다."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    step = failure(check(5432, host="db.example"))
    assert cause in step.cause_ko
    assert "failure" not in step.detail_ko


def test_silent_dns_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """대답 없는 DNS도 connect_timeout에 포기한다."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(5) or [])
    began = time.monotonic()
    step = failure(check(5432, host="slow.example"))
    assert time.monotonic() - began < 2
    assert step.name == "dns"
    assert "DNS가 대답하지 않음" in step.cause_ko


def test_silent_server_is_given_up_at_connect_timeout() -> None:
    """연결은 받고 말이 없는 서버."""
    with serving(lambda connection: time.sleep(3)) as port:
        began = time.monotonic()
        step = failure(check(port))
        assert 0.9 < time.monotonic() - began < 1.8
    assert step.name == "tls"
    assert "1초 안에" in step.cause_ko
    assert "timeout" in step.cause_ko
    assert "storage_connect_timeout: 20" in step.fix_ko


def test_dropped_packets_are_given_up_at_connect_timeout() -> None:
    """SYN에 대답이 없는 자리: 대기열이 꽉 찬 socket."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        time.sleep(0.05)
        began = time.monotonic()
        step = failure(check(port))
        assert 0.9 < time.monotonic() - began < 1.8
        for filler in fillers:
            filler.close()
    assert step.name == "tcp"
    assert "방화벽" in step.cause_ko
    assert "storage_connect_timeout: 20" in step.fix_ko


@pytest.mark.parametrize(
    "greeting",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x4a\x00\x00\x00\x0a8.0.36\x00", b""],
    ids=["http", "mysql", "closes"],
)
def test_something_else_on_the_port(greeting: bytes) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(8)
        connection.sendall(greeting)

    with serving(behave) as port:
        step = failure(check(port))
    assert step.name == "tls"
    assert "PostgreSQL이 아닌 다른 프로그램" in step.cause_ko
    assert f"sport = :{port}" in step.fix_ko


def error_response(code: str, text: bytes) -> bytes:
    fields = b"S" + "치명적오류".encode("cp949") + b"\0VFATAL\0C" + code.encode() + b"\0M" + text
    body = fields + b"\0Rsome_routine\0\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


def refusing(code: str, text: bytes) -> Callable[[socket.socket], None]:
    """SSL은 없다고 하고 startup에 오류로 답하는 서버."""

    def behave(connection: socket.socket) -> None:
        connection.recv(8)
        connection.sendall(b"N")
        connection.recv(4096)
        connection.sendall(error_response(code, text))

    return behave


@pytest.mark.parametrize("encoding", ["cp949", "utf-8"])
def test_cp949_server_is_read(encoding: str) -> None:
    """CP949로 말하는 서버의 글도 읽고, 판정은 SQLSTATE로 한다."""
    text = '사용자 "user"의 password 인증을 실패했습니다'
    with serving(refusing("28P01", text.encode(encoding))) as port:
        step = failure(check(port))
    assert step.name == "auth"
    assert text in step.detail_ko
    assert "비밀번호가 틀렸거나" in step.cause_ko


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("57P03", "켜지는 중"),
        ("53300", "max_connections"),
        ("57P01", "연결을 끊었습니다"),
        ("53100", "디스크"),
        ("XX000", "서버의 말"),
        ("", "서버의 말"),
    ],
)
def test_unusual_codes_have_their_own_words(code: str, cause: str) -> None:
    with serving(refusing(code, b"\xff\xfe broken")) as port:
        assert cause in failure(check(port)).cause_ko


def test_unknown_authentication_method() -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(8)
        connection.sendall(b"N")
        connection.recv(4096)
        connection.sendall(b"R" + struct.pack("!ii", 8, 7))

    with serving(behave) as port:
        step = failure(check(port))
    assert "인증 방식" in step.cause_ko
    assert "scram-sha-256" in step.fix_ko


def test_missing_unix_socket(tmp_path: Path) -> None:
    url = parse_storage_url(f"postgresql://u:p@/db?host={tmp_path}")
    step = failure({s.name: s for s in run_check(url, OPTIONS, 5)})
    assert step.name == "tcp"
    assert "Unix socket" in step.cause_ko


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_check_is_cancelled_at_once(sign: signal.Signals) -> None:
    """멈춘 서버를 기다리는 점검은 그 대답도 제 시간 제한(300초)도 기다리지 않고 신호 하나에 끝난다."""
    checked = threading.Event()
    with serving(lambda connection: checked.wait(300)) as port:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "optimize.storage", "check", "--quick", "--json"),
                *("--connect-timeout", "300", "--storage-url-env", "CHECK_URL"),
            ],
            env={**os.environ, "CHECK_URL": f"postgresql://u:canary@127.0.0.1:{port}/db"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(4):
            assert '"type": "step"' in process.stdout.readline()  # 끝난 단계는 바로 나온다
        cmdline = Path(f"/proc/{process.pid}/cmdline")
        if cmdline.exists():
            assert b"canary" not in cmdline.read_bytes()
        try:
            process.send_signal(sign)
            process.communicate(timeout=60)
        finally:
            process.kill()
            checked.set()
        assert process.returncode == (130 if sign == signal.SIGINT else -sign)


def test_a_wrong_pgport_is_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """URL에 포트가 없으면 PGPORT를 읽는다: 수가 아니면 까닭을 말한다."""
    monkeypatch.setenv("PGPORT", "오사삼이")
    with pytest.raises(SettingsError, match="PGPORT"):
        list(run_check(parse_storage_url("postgresql://u:p@127.0.0.1/d"), OPTIONS, 5))
