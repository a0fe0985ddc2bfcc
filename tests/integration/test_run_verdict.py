"""실행의 끝에 판정이 보이고, 결과의 verdict.json과 `studies verdict`가 같은 숫자를 말한다."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from in_process import call
from run_cases import SLUG, RunCase

from optimize.studies.__main__ import main


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


def test_a_run_ends_with_the_verdict_that_the_study_gives_again(case: RunCase) -> None:
    done = case.run(
        *("--storage-url", case.sqlite_url, "--timeframe-grid", "15m@1h,15m@4h"),
        *("--set", "data.demo_days=60"),
        n=15,
    )
    assert done.returncode == 0, done.stderr
    assert "과최적화 판정" in done.stdout
    assert f"studies verdict {SLUG}" in done.stdout
    path = case.home / "studies" / SLUG / "verdict.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert written["figures"]["tried"] == 30
    assert written["figures"]["studies"] == [SLUG, "demo_btcusdt_15m_4h"]
    assert written["label"] in done.stdout
    asked = call(main, "verdict", SLUG, "--json", "--storage-url", case.sqlite_url)
    assert asked.returncode == 0, asked.stderr
    again = json.loads(asked.stdout)
    assert again["figures"] == written["figures"]
    assert again["headline"] == written["headline"]
