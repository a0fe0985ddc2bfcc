"""프로젝트의 폴더 자리. 표준 라이브러리만 쓴다.

뿌리는 환경 변수 `BACKTEST_WIZARD_HOME`, 없으면 이 패키지를 담은 폴더다.
모든 함수는 절대 경로를 주며 폴더를 만들지 않는다(`private_dir`만 만든다).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

HOME_ENV = "BACKTEST_WIZARD_HOME"


def home() -> Path:
    """프로젝트의 뿌리 폴더."""
    configured = os.environ.get(HOME_ENV)
    return (
        Path(configured).expanduser().resolve()
        if configured
        else Path(__file__).resolve().parent.parent
    )


def expanded(text: str | Path) -> Path:
    """`~`를 푼 경로. 없는 사용자의 `~`는 적힌 그대로다(`Path.expanduser`는 RuntimeError를 낸다)."""
    return Path(os.path.expanduser(text))


def studies_dir() -> Path:
    """스터디 폴더들이 놓이는 `studies/`."""
    return home() / "studies"


def study_dir(slug: str) -> Path:
    """한 칸(심볼·시간 단위)의 폴더 `studies/<slug>/`."""
    return studies_dir() / slug


def run_dir(slug: str, run_id: str) -> Path:
    """한 실행의 폴더 `studies/<slug>/runs/<run_id>/`. 여러 칸의 실행은 첫 칸의 slug 아래에 둔다."""
    return study_dir(slug) / "runs" / run_id


def sqlite_path(slug: str, study_name: str) -> Path:
    """SQLite 스터디 파일 `studies/<slug>/<study>.db`."""
    return study_dir(slug) / f"{study_name}.db"


def results_dir(slug: str, study_name: str) -> Path:
    """`trials.csv`와 `best.yaml`을 두는 곳: 스터디 곁. 이름을 따로 지은 스터디는 그 이름의 하위 폴더."""
    return study_dir(slug) if study_name == slug else study_dir(slug) / study_name


def cache_dir() -> Path:
    """캔들 캐시 `data/`."""
    return home() / "data"


def default_config() -> Path:
    """기본 설정 파일 `config/params.yaml`."""
    return home() / "config" / "params.yaml"


def dotenv_path() -> Path:
    """`.env`."""
    return home() / ".env"


def private_dir(path: Path) -> Path:
    """폴더를 0700으로 만들고(있으면 그대로 두고) 돌려준다. `studies/` 아래 모든 폴더에 쓴다.

    `studies/` 안의 폴더가 링크이면 OSError(`refuse_links`).
    """
    refuse_links(path)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def refuse_links(path: Path) -> None:
    """`studies/` 안의 path나 그 위의 폴더가 링크(symlink)면 OSError(ELOOP): 밖에 적게 하는 속임수를 따르지 않는다.

    `studies/` 자신은 다른 디스크로 이어 두어도 된다. 밖의 경로는 사용자가 고른 것이라 보지 않는다.
    """
    root = studies_dir()
    if path.is_relative_to(root):
        for part in (path, *path.parents):
            if part == root:
                return
            if part.is_symlink():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(part))
