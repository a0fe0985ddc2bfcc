"""설치에 쓸 도구 찾기: uv, 3.11 이상의 Python, 쓸 만한 `.venv`."""

import glob
import os
import shutil
import subprocess
import sys

from launcher.console import shown
from launcher.environment import inherited
from launcher.stamp import PYTHON, VENV

OLDEST_PYTHON = (3, 11)
UV_FIX = "또는 uv를 설치하고 다시 실행: curl -LsSf https://astral.sh/uv/install.sh | sh"


class SetupError(Exception):
    """갖추지 못한 까닭과 고치는 방법들(한국어)."""

    def __init__(self, title: str, *fixes: str) -> None:
        super().__init__(title)
        self.title = title
        self.fixes = fixes


def environment() -> "dict[str, str]":
    """설치 도구가 사용자의 Python·pip 설정에 흔들리지 않는 환경."""
    clean = inherited()
    clean.update(PYTHONUNBUFFERED="1", NO_COLOR="1", PIP_USER="0")
    clean["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    for name in ("PYTHONPATH", "PYTHONSAFEPATH"):
        clean.pop(name, None)
    return clean


def answer(*command: str, seconds: "float | None" = 60) -> "str | None":
    """명령의 stdout. 실행할 수 없거나 실패하거나 seconds초를 넘으면 None."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else None


def find_uv() -> "str | None":
    """쓸 수 있는 uv의 경로."""
    candidates = [shutil.which("uv")]
    candidates += [os.path.expanduser(path) for path in ("~/.local/bin/uv", "~/.cargo/bin/uv")]
    return next((path for path in candidates if path and answer(path, "--version")), None)


def venv_site() -> "str | None":
    """쓸 만한 `.venv`의 site-packages 경로. 없거나 깨졌거나 3.11보다 낡았으면 None."""
    code = (
        f"import sys, sysconfig; assert sys.version_info >= {OLDEST_PYTHON};"
        "print(sysconfig.get_path('purelib'))"
    )
    # 늦는 것을 깨진 것으로 보고 지우지 않도록 끝까지 기다린다: 바쁜 컴퓨터에서는 1분도 넘는다.
    site = answer(PYTHON, "-c", code, seconds=None)
    inside = site and os.path.realpath(site).startswith(os.path.realpath(VENV) + os.sep)
    return site if inside else None


def python_candidates() -> "list[str]":
    """볼 만한 Python들: 지금 것의 본체, PATH, uv와 pyenv가 둔 것."""
    found = [getattr(sys, "_base_executable", None) or sys.executable]
    found += [shutil.which(f"python3{minor}") for minor in (".13", ".12", ".11", ".14", "")]
    for pattern in ("~/.local/share/uv/python/*", "~/.pyenv/versions/*"):
        homes = sorted(glob.glob(os.path.expanduser(pattern)), reverse=True)
        found += [os.path.join(home, "bin", "python3") for home in homes]
    return [path for path in found if path]


def find_python(need_venv: bool) -> str:
    """3.11 이상인 Python의 경로. need_venv면 venv와 ensurepip까지 갖춘 것.

    없으면 SetupError.
    """
    code = (
        "import sys; from importlib.util import find_spec as f;"
        f"print(sys.version_info >= {OLDEST_PYTHON}, bool(f('venv') and f('ensurepip')),"
        "'%d.%d' % sys.version_info[:2])"
    )
    without_venv = None
    for path in python_candidates():
        enough, has_venv, version = (answer(path, "-c", code) or "False False -").split()
        if enough == "True" and (has_venv == "True" or not need_venv):
            return path
        if enough == "True":
            without_venv = without_venv or version
    if without_venv:
        raise SetupError(
            f"Python {without_venv}에 venv 모듈이 없어 .venv를 만들지 못합니다.",
            f"sudo apt install python{without_venv}-venv   (Debian·Ubuntu)",
            UV_FIX,
        )
    now = "{}.{}".format(*sys.version_info)
    raise SetupError(
        f"Python 3.11 이상이 필요합니다. 지금 것은 {now}이고({shown(sys.executable)}), 다른 것도 찾지 못했습니다.",
        "sudo apt install python3.11 python3.11-venv   (Debian·Ubuntu)",
        "brew install python@3.12   (macOS)",
        UV_FIX,
    )
