"""점검의 해결은 그대로 붙여 넣을 수 있다: 셸, SQL, pg_hba.conf, ~/.pgpass의 규칙대로 감싼다."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from optimize.storage.check_cli import choose_storage
from optimize.storage.diagnosis import diagnose_probe
from optimize.storage.diagnosis_situation import Situation, hba_line
from optimize.storage.pgpass import find_password
from optimize.storage.probe import Probe, ProbeError
from optimize.storage.probe_target import Target
from optimize.storage.probe_wire import ServerMessage, decode_text
from optimize.storage.url import parse_storage_url

NAMES = ["my-user", "한글 이름", "O'Brien", 'q"uote', "do$HOME", "a:b\\c", "all", "`id`"]


def situation(text: str) -> Situation:
    url = parse_storage_url(text)
    return Situation(Target.from_url(url, {}, {"HOME": "/nonexistent"}), url, 5)


def named(name: str) -> Situation:
    part = quote(name, safe="")
    return situation(f"postgresql://{part}:pw@127.0.0.1:5432/{part}")


def rejected(sqlstate: str) -> ProbeError:
    return ProbeError("auth", "server", server=ServerMessage(sqlstate, "", "FATAL", "말"))


@pytest.mark.parametrize("name", NAMES)
def test_commands_survive_the_shell(name: str) -> None:
    """셸이 풀어도 이름은 그대로이고, SQL에서는 따옴표로 감싼 이름 하나다."""
    s = named(name)
    quoted = '"' + name.replace('"', '""') + '"'
    words = shlex.split(s.psql(f"CREATE DATABASE {s.database}"))
    assert words[-2:] == ["-c", f"CREATE DATABASE {quoted}"]
    fix = diagnose_probe(rejected("28P01"), s).fix
    line = next(line for line in fix.splitlines() if "docker exec" in line)
    assert shlex.split(line.partition("): ")[2])[-1] == f"\\password {quoted}"


@pytest.mark.parametrize("name", NAMES)
def test_pgpass_line_is_found_again(name: str, tmp_path: Path) -> None:
    """적어 준 줄에 비밀번호를 넣으면 그 접속의 비밀번호로 읽힌다."""
    s = named(name)
    path = tmp_path / "pgpass"
    path.write_text(s.pgpass_line.replace("<비밀번호>", "pw2") + "\n")
    path.chmod(0o600)
    assert find_password(s.url, {"PGPASSFILE": str(path)}) == "pw2"


@pytest.mark.parametrize(
    ("text", "environ", "line"),
    [
        ("postgresql://u@/d?host=/srv/pg&port=5433", {}, "/srv/pg:5433:d:u:pw"),
        ("postgresql://u@/d?host=/var/run/postgresql", {}, "localhost:5432:d:u:pw"),
        ("postgresql://u@[::1]/d", {}, r"\:\:1:5432:d:u:pw"),
        ("postgresql:///", {"PGUSER": "u", "PGHOST": "h", "PGPORT": "9"}, "h:9:u:u:pw"),
    ],
)
def test_pgpass_is_searched_as_libpq_does(
    text: str, environ: dict[str, str], line: str, tmp_path: Path
) -> None:
    """socket은 폴더의 경로로(기본 폴더만 localhost로), 빈 칸은 PG*로 채워 찾는다."""
    path = tmp_path / "pgpass"
    path.write_text(line + "\n")
    path.chmod(0o600)
    url = parse_storage_url(text)
    assert find_password(url, {"PGPASSFILE": str(path), **environ}) == "pw"
    given = parse_storage_url(f"{text}{'&' if '?' in text else '?'}passfile={path}")
    assert find_password(given, environ) == "pw"


def test_hba_names_are_quoted_only_when_needed() -> None:
    assert hba_line(named("plain"), "md5") == "host   plain   plain   우리.주소/32   md5"
    assert '   "all"   "all"   ' in hba_line(named("all"), "md5")
    assert '   "한글 이름"   "한글 이름"   ' in hba_line(named("한글 이름"), "md5")


def test_urls_in_fixes_can_be_read_back() -> None:
    """IPv6, 빈칸, 옵션이 든 URL도 해결의 글에서 그대로 읽힌다."""
    s = situation("postgresql://sp ace@[::1]:5433/한글 디비?sslmode=disable")
    fix = diagnose_probe(ProbeError("auth", "no_password"), s).fix
    shown = parse_storage_url(fix.rpartition("): ")[2])
    assert shown == s.url
    assert parse_storage_url(s.with_sslmode("require")).query == (("sslmode", "require"),)


def test_peer_authentication_is_led_to_tcp() -> None:
    """Debian의 socket은 peer다: 그대로 읽히는 TCP의 URL과 비밀번호를 정하는 명령을 댄다."""
    s = situation("postgresql:///d?host=/var/run/postgresql&port=5433&user=my-user&sslmode=disable")
    message = ServerMessage("28000", "auth_failed", "FATAL", "Peer authentication failed")
    fix = diagnose_probe(ProbeError("auth", "server", server=message), s).fix
    lines = fix.splitlines()
    url = parse_storage_url(lines[0].partition(": ")[2])
    assert (url.host, url.port, url.username, url.database) == ("127.0.0.1", 5433, "my-user", "d")
    assert shlex.split(lines[1].partition("): ")[2])[-3:] == ["5433", "-c", '\\password "my-user"']


def test_a_server_elsewhere_is_not_told_to_use_docker() -> None:
    """다른 컴퓨터의 서버에는 이 컴퓨터의 Docker 명령을 권하지 않는다."""
    s = situation("postgresql://u:pw@db.example/d")
    errors = [rejected(state) for state in ("28P01", "57P03", "53300", "57P01", "XX000")]
    for error in [*errors, ProbeError("query", "closed"), ProbeError("tls", "hung_up")]:
        assert "docker" not in diagnose_probe(error, s).fix


@pytest.mark.parametrize("way", ["argument", "variable", "shared", "private"])
def test_fix_commands_name_the_checked_storage(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`--fix`의 명령은 기본 저장소가 아니라 점검한 저장소에 한다."""
    import sqlite3

    from optimize.storage.check_cli import check_command

    path = tmp_path / "옛 것.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE studies (study_id int, study_name text)")
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('v3.0.0.a')")
    url = f"sqlite:///{path}"
    if way == "variable":
        monkeypatch.setenv("MY_STORAGE", url)
    if way == "shared":
        monkeypatch.setenv("OPTUNA_STORAGE", url)
    monkeypatch.setenv("BACKTEST_WIZARD_CHECK_URL", url)
    argv = {
        "argument": ["--storage-url", f"{url} "],
        "variable": ["--storage-url-env", "MY_STORAGE"],
        "shared": ["--storage-url", url],
        "private": ["--storage-url-env", "BACKTEST_WIZARD_CHECK_URL"],
    }[way]
    assert check_command(["--quick", *argv]) == 3
    shown = capfd.readouterr().out
    command = next(line for line in shown.splitlines() if "--fix upgrade_schema" in line)
    words = shlex.split(command[command.index("python") :])
    assert words[:4] == ["python", "-m", "optimize.storage", "check"]
    assert (
        words[4:6]
        == {
            "argument": ["--storage-url", parse_storage_url(url).masked],
            "variable": ["--storage-url-env", "MY_STORAGE"],
            "shared": ["--storage-url-env", "OPTUNA_STORAGE"],
            "private": ["--storage-url", parse_storage_url(url).masked],
        }[way]
    )


def test_quick_check_keeps_the_configured_timeout(tmp_path: Path) -> None:
    """권한 대로 적은 storage_connect_timeout은 화면의 빠른 점검에도 쓰인다."""
    config = tmp_path / "params.yaml"
    config.write_text("search:\n  storage_connect_timeout: 23\n")
    chosen = choose_storage("postgresql://u@h/d", None, config, light=True)
    assert chosen.options.connect_timeout == 23


@pytest.mark.parametrize("remedy", ["create_database", "clear_dead_trials"])
def test_a_remedy_on_a_silent_server_is_cancelled_at_once(remedy: str) -> None:
    """드라이버가 말 없는 서버를 기다리는 동안에도 Ctrl-C는 바로 온다."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        argv = [sys.executable, "-m", "optimize.storage", "check", "--fix", remedy]
        process = subprocess.Popen(
            [*argv, "--storage-url", f"postgresql://u:p@127.0.0.1:{port}/d"],
            env={**os.environ, "PGCONNECT_TIMEOUT": "60"},
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(60)
        peer, _ = server.accept()  # 드라이버가 이어졌다
        with peer:
            time.sleep(0.3)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, shown = process.communicate(timeout=30)
        assert time.monotonic() - began < 5
        assert process.returncode == 130
        assert shown == "멈췄습니다.\n"


def test_words_of_a_korean_server_keep_the_names_we_sent() -> None:
    """EUC-KR의 글 안에 우리가 보낸 UTF-8 이름이 섞여 와도 둘 다 읽힌다."""
    name, rest = "없는디비".encode(), " 데이터베이스 없음".encode("euc-kr")
    assert decode_text(b'"' + name + b'"' + rest) == '"없는디비" 데이터베이스 없음'
    assert decode_text(b"\xff") == "\\xff"


def test_scoped_ipv6_addresses_keep_their_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """link-local 주소는 운영 체제가 준 scope까지 그대로 잇는다."""
    place = ("fe80::1", 5432, 0, 7)
    tried: list[object] = []

    class Socket:
        def __init__(self, *_: object) -> None: ...
        def settimeout(self, _: float) -> None: ...
        def close(self) -> None: ...
        def connect(self, where: object) -> None:
            tried.append(where)
            raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [(10, 1, 6, "", place)])
    monkeypatch.setattr(socket, "socket", Socket)
    s = situation("postgresql://u:pw@[fe80::1%25eth0]:5432/d")
    probe = Probe(s.target, 5)
    probe.resolve()
    with pytest.raises(ProbeError):
        probe.connect()
    assert tried == [place]
