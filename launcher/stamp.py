"""설치가 끝난 그대로인지 알아보는 표. 매번 지나는 길이라 프로세스를 띄우지 않는다.

설치를 마치면 `.venv/launcher-<묶음>`에 그때의 자리, Python, 설치된 꾸러미, `pyproject.toml`의
내용을 적는다. 묶음은 `app`(쓰는 데 필요한 것), `web`(브라우저까지), `dev`(시험까지),
`bench`(견줄 도구까지)이고 뒤의 것이 앞의 것을 품는다. 만들다 만 `.venv`에는
`.venv/launcher-unfinished`가 남아 있다.
"""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
PYPROJECT = os.path.join(ROOT, "pyproject.toml")
UNFINISHED = os.path.join(VENV, "launcher-unfinished")
# 뒤의 묶음이 앞의 묶음을 품는다.
ALL_EXTRAS = ("app", "web", "dev", "bench")


def path_of(extras: str) -> str:
    return os.path.join(VENV, "launcher-" + extras)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def is_ready(extras: str) -> bool:
    """그 묶음의 설치가 끝났고 그 뒤로 아무것도 바뀌거나 사라지지 않았는가."""
    try:
        header, _, pyproject = read(path_of(extras)).partition(b"\n\n")
        root, python, site, *packages = header.split(b"\n")
        return (
            pyproject == read(PYPROJECT)
            and root == os.fsencode(ROOT)
            and python == os.fsencode(os.path.realpath(PYTHON))
            and os.access(PYTHON, os.X_OK)
            and os.path.exists(os.path.join(VENV, "pyvenv.cfg"))
            and not os.path.exists(UNFINISHED)
            and set(packages) <= set(os.listdir(site))
        )
    except (OSError, ValueError):
        return False


def record(extras: str, site: str) -> None:
    """지금의 설치를 적는다. site: site-packages의 경로."""
    folder = os.fsencode(site)
    packages = sorted(name for name in os.listdir(folder) if name.endswith(b".dist-info"))
    header = [os.fsencode(ROOT), os.fsencode(os.path.realpath(PYTHON)), folder, *packages]
    draft = path_of(extras) + ".new"
    with open(draft, "wb") as file:
        file.write(b"\n".join(header) + b"\n\n" + read(PYPROJECT))
    os.replace(draft, path_of(extras))


def forget_stale() -> None:
    """더는 맞지 않는 표를 지운다."""
    for extras in ALL_EXTRAS:
        if os.path.exists(path_of(extras)) and not is_ready(extras):
            os.remove(path_of(extras))
