"""내장 PostgreSQL의 데이터 폴더와 비밀번호를 처음 만들기. 파일 잠금을 쥔 채 부른다."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from optimize.errors import StorageError
from optimize.masking import MASK
from optimize.storage.embedded_process import Runner
from optimize.storage.embedded_trouble import start_failure

HOST = "127.0.0.1"
USER = "postgres"
DATABASE = "optuna"
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}


def create_data(directory: Path, runner: Runner, settings: Mapping[str, str]) -> None:
    """`directory/data`를 만든다: `data.new-…`에 다 만든 뒤 이름을 바꾸므로 반쪽은 보이지 않는다.

    settings는 `postgresql.conf`에 더하거나 덮어쓸 값. 실패하면 StorageError.
    """
    data = directory / "data"
    if data.exists():
        raise StorageError(
            "내장 PostgreSQL의 데이터 폴더가 온전하지 않습니다",
            f"{data}에 PG_VERSION이 없습니다",
            "폴더를 다른 이름으로 옮긴 뒤 다시 켜세요(지우지 않습니다)",
        )
    for unfinished in directory.glob("data.new-*"):
        # 만들다 죽은 것. 그 initdb가 아직 돌고 있을 수 있으므로 지우다 남아도 괜찮게 한다.
        shutil.rmtree(unfinished, ignore_errors=True)
    # 이름을 매번 새로 짓는다: 부모를 잃은 initdb가 우리가 만드는 것에 쓰지 못하게.
    fresh = directory / f"data.new-{secrets.token_hex(4)}"
    fresh.mkdir(mode=0o700)
    account = runner.account
    if account.uid is not None and account.gid is not None:
        os.chown(fresh, account.uid, account.gid)
    making = Runner(runner.binaries, account, fresh)
    _initdb(directory, making)
    with (fresh / "postgresql.conf").open("a", encoding="utf-8") as config:
        config.write("\n# 백테스트 마법사\n")
        for name, value in {**_SETTINGS, **settings}.items():
            config.write(f"{name} = '{value}'\n")
    done = making.run("postgres", "--single", "postgres", stdin=f"CREATE DATABASE {DATABASE};\n")
    _require(done, "내장 PostgreSQL의 데이터베이스를 만들지 못했습니다", directory)
    fresh.rename(data)


def read_password(directory: Path) -> str | None:
    """만들어 둔 비밀번호. 파일이 없거나 비었으면 None."""
    try:
        return (directory / "password").read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def renew_password(directory: Path, runner: Runner) -> None:
    """비밀번호 파일을 잃었으면 새로 만들어, 꺼져 있는 서버에 정한다. 데이터는 그대로다."""
    if read_password(directory) is not None:
        return
    password = _ensure_password(directory)
    statement = f"ALTER ROLE {USER} PASSWORD '{password}';\n"
    done = runner.run("postgres", "--single", "postgres", stdin=statement)
    try:
        # 홀로 도는 서버는 문장이 틀려도 exit code가 0이다.
        done.returncode = done.returncode or int("ERROR:" in done.stdout)
        # 틀린 문장은 서버의 말에 되풀이된다.
        done.stdout = done.stdout.replace(password, MASK)
        _require(done, "내장 PostgreSQL의 비밀번호를 새로 정하지 못했습니다", directory)
    except StorageError:
        (directory / "password").unlink()
        raise


def _initdb(directory: Path, making: Runner) -> None:
    password = _ensure_password(directory)
    with tempfile.TemporaryFile() as file:
        name, keep = str(directory / "password"), list[int]()
        if making.account.uid is not None:
            # 낮춘 계정은 0600인 비밀번호 파일을 읽지 못하므로 열린 서술자로 건넨다.
            file.write(f"{password}\n".encode("ascii"))
            file.flush()
            os.fchown(file.fileno(), making.account.uid, -1)
            name, keep = f"/dev/fd/{file.fileno()}", [file.fileno()]
        done = making.run(
            "initdb",
            *("--username", USER, "--encoding", "UTF8", "--locale", "C"),
            *("--auth", "scram-sha-256", f"--pwfile={name}"),
            keep=keep,
        )
    _require(done, "내장 PostgreSQL의 데이터 폴더를 만들지 못했습니다", directory)


def _ensure_password(directory: Path) -> str:
    """비밀번호 파일을 0600으로 만든다. 이미 있으면 그 값을 쓴다."""
    path = directory / "password"
    found = read_password(directory)
    if found is not None:
        return found
    password = secrets.token_urlsafe(24)
    partial = directory / "password.new"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(password + "\n")
    partial.replace(path)
    return password


def _require(done: subprocess.CompletedProcess[str], title: str, directory: Path) -> None:
    if done.returncode != 0:
        raise start_failure(title, done.stdout.strip(), directory / "server.log")
