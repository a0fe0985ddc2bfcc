"""모든 시험이 함께 쓰는 fixture. PostgreSQL 서버는 `tests/postgres.py`에 있다."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built_once import built_once
from postgres import (  # noqa: F401 — 가져온 fixture는 pytest가 이름으로 찾는다
    any_postgres,
    any_postgres_url,
    make_postgres,
    postgres_embedded,
    postgres_system,
    postgres_url,
    system_postgres_url,
)

if TYPE_CHECKING:
    from run_cases import RunCase

# 시험들은 이미 나란히 돈다: 행렬 곱이 제 thread를 더 띄우면 서로 기다리느라 열 배 느려진다.
# numpy를 부르기 전이며, xdist의 작업자와 자식 프로세스가 물려받는다.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# 시험이 띄우는 수백의 프로세스가 저마다 소스를 다시 컴파일하지 않게 바이트코드를 남긴다.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


# 진짜 실행을 돌리는 파일들. 가장 오래 걸리는 것부터.
SLOW_FIRST = ("test_readme.py", "test_strategy_faults.py", "test_storage_faults_postgres.py")
SLOW_FOLDERS = ("faults", "integration")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """xdist는 시험을 앞에서부터 작업자의 수만큼 토막 내어 준다(worksteal). 토막마다 앞이 무겁게 한다.

    끝에 가서 긴 시험 하나를 기다리는 동안 나머지 작업자가 놀지 않고, module의 fixture를 두 번 만들지
    않는다(파일을 쪼개지 않는다). 첫 작업자가 처음 한 번의 커널을 컴파일하는 동안 나머지는 커널을 쓰지
    않는 화면의 시험부터 돈다.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = [path for path in files if path.parent.name in SLOW_FOLDERS]
    slow.sort(key=lambda path: (*SLOW_FIRST, path.name).index(path.name))
    screens = [path for path in files if path.parent.name == "tui"]
    light = [path for path in files if path not in {*slow, *screens}]
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, path in enumerate(screens):
        shares[1 + number % (workers - 1) if workers > 1 else 0] += files[path]
    for number, path in enumerate(slow):
        shares[number % workers] += files[path]
    for path in light:
        min(shares, key=len).extend(files[path])
    items[:] = [item for share in shares for item in share]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """xdist의 작업자들이 함께 보는 임시 폴더."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def finished_run(shared_folder: Path) -> RunCase:
    """끝난 실행 하나: 작업자 하나, 씨앗 11, 시행 40개, 사건은 stdout으로(`stdout.txt`).

    여러 시험이 읽기만 한다. 이어 돌리려면 `copy`한다.
    """
    from run_cases import RunCase  # optuna를 읽는다: 쓰는 시험만 기다린다

    def build(folder: Path) -> None:
        (folder / "home").mkdir()
        made = RunCase(folder, folder / "home")
        done = made.run(
            *("--storage-url", made.sqlite_url, "--seed", "11"),
            *("--run-id", "the-run", "--events", "-"),
        )
        assert done.returncode == 0, done.stderr
        (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")

    folder = built_once(shared_folder / "finished-run", build)
    return RunCase(folder, folder / "home", folder / "case.py")


@pytest.fixture
def wizard_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """프로젝트의 뿌리를 빈 임시 폴더로 바꾼다. 자식 프로세스에도 미친다."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(home))
    for name in ("OPTUNA_STORAGE", "PGPASSWORD", "PGHOST", "PGUSER", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)
    return home
