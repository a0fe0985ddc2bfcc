"""저장소의 규칙: 시작 파일의 꼴, import의 방향, 모듈의 크기, 남은 뼈대가 없음."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import unicodedata
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PACKAGES = ("optimize", "tui", "launcher")
ERRORS = {"WizardError", "SettingsError", "StorageError", "DataError", "RunError"}
LONGEST_MODULE = 400
LONGEST_INIT = 10
# 이 파일도 걸리지 않게 나누어 적는다.
UNFINISHED = re.compile(
    "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"))
)
SWALLOWED = re.compile(
    r"except(?: \(?(?:Base)?Exception\b[^:]*)?:\s*(?:#[^\n]*)?\n?\s*(?:pass\b|\.\.\.)"
)


def sources(*folders: str, suffix: str = ".py") -> list[Path]:
    return [path for folder in folders for path in sorted((REPO / folder).rglob(f"*{suffix}"))]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_launcher_is_one_nfc_executable() -> None:
    """`시작`은 NFC 이름의 실행 파일이고, NFD 이름의 짝이 없다."""
    names = [name for name in os.listdir(REPO) if unicodedata.normalize("NFC", name) == "시작"]
    assert names == ["시작"]
    assert (REPO / "시작").stat().st_mode & 0o777 == 0o755


def test_launcher_is_in_git_with_its_mode() -> None:
    if not (REPO / ".git").exists():
        pytest.skip("git에서 받은 폴더가 아닙니다")
    command = ["git", "-c", "core.quotepath=off", "ls-files", "-s", "--", "시작"]
    row = subprocess.run(command, cwd=REPO, capture_output=True, encoding="utf-8", check=True)
    mode, _, name = row.stdout.strip().partition(" ")
    assert mode == "100755"
    assert name.endswith("\t시작")


def test_launcher_imports_only_the_standard_library() -> None:
    allowed = sys.stdlib_module_names | {"launcher"}
    for path in (REPO / "시작", *sources("launcher")):
        for module in re.findall(r"^\s*(?:from|import) ([\w.]+)", text_of(path), re.MULTILINE):
            assert module.partition(".")[0] in allowed, f"{path.name}: {module}"


def test_import_rules_hold() -> None:
    """import-linter의 계약(pyproject.toml)이 모두 지켜진다."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(
        [*command, "--no-cache"], cwd=REPO, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_modules_stay_small() -> None:
    paths = [REPO / "시작", *sources(*PACKAGES, "tests"), *sources("tui", suffix=".tcss")]
    long = {str(path.relative_to(REPO)): len(text_of(path).splitlines()) for path in paths}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_MODULE} == {}


def test_packages_open_lightly() -> None:
    """`__init__.py`는 비었거나 아주 작다."""
    for path in sources(*PACKAGES):
        if path.name == "__init__.py":
            assert len(text_of(path).splitlines()) <= LONGEST_INIT, path


def test_no_module_is_a_drawer() -> None:
    """주제 없는 모듈(utils, helpers, misc, common)을 두지 않는다. 화면의 공용 글(tui/text)만 예외다."""
    drawers = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    found = [path for path in sources(*PACKAGES) if path.name in drawers]
    assert [path for path in found if path.parent.name != "text"] == []


@pytest.mark.parametrize("rule", [UNFINISHED, SWALLOWED], ids=["남은 뼈대", "삼킨 오류"])
def test_nothing_is_left_unfinished(rule: re.Pattern[str]) -> None:
    paths = [
        REPO / "시작",
        REPO / ".ci/run",
        *sources(*PACKAGES),
        *sources(*PACKAGES, suffix=".tcss"),
    ]
    found = [
        f"{path.relative_to(REPO)}: {match[0]!r}"
        for path in paths
        for match in rule.finditer(text_of(path))
    ]
    assert found == []


def test_rules_can_fail() -> None:
    """위의 두 무늬가 실제로 잡는다."""
    assert UNFINISHED.search("raise NotImplemented" + "Error")
    for bad in (
        "except Exception:\n        pass",
        "except:\n    ...",
        "except (Exception, X):  # 왜\n  pass",
    ):
        assert SWALLOWED.search(bad)
    assert not SWALLOWED.search("except FileNotFoundError:\n    pass")


def unexplained(text: str) -> list[str]:
    """원인이나 해결을 빈 글로 적은 오류들. 빠뜨린 것은 mypy가 잡는다."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return [
        ast.unparse(call)
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id in ERRORS
        and any(isinstance(item, ast.Constant) and item.value == "" for item in call.args)
    ]


def test_every_error_has_a_cause_and_a_fix() -> None:
    paths = sources("optimize", "tui")
    assert {str(path): found for path in paths if (found := unexplained(text_of(path)))} == {}
    assert unexplained('raise DataError("없다", "", "고친다")') == [
        "DataError('없다', '', '고친다')"
    ]


def test_requirements_install_the_project() -> None:
    """가이드의 `pip install -r requirements.txt` 한 줄이 프로젝트와 psycopg2-binary를 설치한다."""
    assert text_of(REPO / "requirements.txt").split() == ["-e", ".[embedded]"]
    project = tomllib.loads(text_of(REPO / "pyproject.toml"))["project"]
    assert "embedded" in project["optional-dependencies"]
    assert any(line.startswith("psycopg2-binary") for line in project["dependencies"])


def test_every_dependency_says_why() -> None:
    """pyproject의 꾸러미마다 까닭이 주석으로 붙는다(시험용 도구는 이름이 곧 까닭이다)."""
    block = text_of(REPO / "pyproject.toml").partition("dependencies = [")[2].partition("\n]")[0]
    for line in filter(None, map(str.strip, block.splitlines())):
        assert "#" in line, line
