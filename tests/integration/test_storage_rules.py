"""어느 저장소를 왜 쓰는가: `--plan`과 오류와 storage.json이 이긴 규칙을 말한다."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from in_process import call
from run_cases import SLUG, RunCase

from optimize.run import main

DEAD = "postgresql://u:canary-4c7@127.0.0.1:9/x"
POINTER = f"studies/{SLUG}/storage.json"


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()
    embedded(made, "stop")


def embedded(case: RunCase, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "optimize.storage", "embedded", command],
        env=case.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_rule_is_named_by_the_plan(case: RunCase, monkeypatch: pytest.MonkeyPatch) -> None:
    """약한 규칙부터 하나씩 더하면 이긴 규칙의 이름이 바뀐다."""

    def rule(*extra: str) -> tuple[str, str]:
        _, _, _, *arguments = case.command("--plan", *extra)
        planned = call(main, *arguments)
        assert planned.returncode == 0, planned.stderr
        lines = [line.strip() for line in planned.stdout.splitlines()]
        pick = {k: v for k, _, v in (line.partition(": ") for line in lines)}
        return pick["rule"], pick["rule_ko"]

    assert rule()[0] == "default"
    assert "기본 PostgreSQL" in rule()[1]
    assert case.run("--storage-url", case.sqlite_url, n=2, jobs=1).returncode == 0
    assert rule()[0] == "pointer"
    assert "storage.json" in rule()[1]
    yaml = ("--set", "search.storage_url=sqlite:///a.db")
    assert rule(*yaml)[0] == "yaml_url"
    monkeypatch.setenv("OPTUNA_STORAGE", "")
    assert rule(*yaml)[0] == "yaml_env"
    assert "비어 있어 SQLite" in rule(*yaml)[1]
    monkeypatch.setenv("MINE", "sqlite:///b.db")
    assert rule(*yaml, "--storage-url-env", "MINE") == (
        "cli_env",
        "환경 변수 MINE (--storage-url-env 인자)",
    )
    assert rule("--storage-url-env", "MINE", "--storage-url", "sqlite:///c.db")[0] == "cli_url"


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        ((), {}, "정한 것이 없어 기본 PostgreSQL을 씁니다"),
        ((), {"OPTUNA_STORAGE": DEAD}, "환경 변수 OPTUNA_STORAGE"),
        (("--storage-url", DEAD), {}, "--storage-url 인자"),
    ],
    ids=["default", "env", "url"],
)
def test_an_unreachable_storage_names_its_rule(
    case: RunCase,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    environ: dict[str, str],
    said: str,
) -> None:
    """닿지 못하면 다른 저장소로 옮겨 가지 않고 3으로 끝나며, 어느 규칙이 정했는지 말한다."""
    if not arguments and not environ and listens(5432):
        pytest.skip("이 컴퓨터의 5432에 서버가 있어 기본 PostgreSQL이 닿는다")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    refused = case.run(*arguments, n=2, jobs=1)
    assert refused.returncode == 3
    assert f"저장소를 정한 규칙: {said}" in refused.stderr
    assert "canary-4c7" not in refused.stderr


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("fallback", ["embedded", "sqlite"])
def test_a_fallback_is_recorded_as_what_it_is(
    case: RunCase, monkeypatch: pytest.MonkeyPatch, fallback: str
) -> None:
    """옮겨 간 저장소에 목표를 채우고, 계획·storage.json이 fallback이라 말하며, 다음 실행이 잇는다."""
    monkeypatch.setenv("OPTUNA_STORAGE", DEAD)
    done = case.run("--set", f"search.storage_fallback={fallback}", n=3, jobs=1)
    assert done.returncode == 0, done.stderr
    assert f"search.storage_fallback이 {fallback}입니다" in done.stderr
    pointer = json.loads((case.home / POINTER).read_text("utf-8"))
    assert pointer["source"] == "fallback"
    assert pointer["backend"] == ("postgresql" if fallback == "embedded" else "sqlite")
    plan = json.loads((case.run_dirs()[-1] / "plan.json").read_text("utf-8"))
    assert plan["storage"]["rule"] == "fallback"
    assert "OPTUNA_STORAGE" in plan["storage"]["rule_ko"]
    # 변수를 걷으면 기록을 따라 같은 스터디를 잇는다(내장 서버는 꺼져 있어도).
    monkeypatch.delenv("OPTUNA_STORAGE")
    if fallback == "embedded":
        assert embedded(case, "stop").returncode == 0
    again = case.run(n=5, jobs=1)
    assert again.returncode == 0, again.stderr
    assert "3/5" in again.stderr
