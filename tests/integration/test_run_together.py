"""여러 심볼의 실행을 처음부터 끝까지: 한 스터디, 심볼마다의 점수와 검증."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from run_cases import RunCase, assert_exact, load

from optimize.studies.__main__ import main as studies_main

NAMES = ("DEMO:BTCUSDT", "DEMO:ETHUSDT")
STUDY = "demo_btcusdt_ethusdt_15m_1h"


def test_one_trial_looks_at_every_symbol(
    tmp_path: Path, wizard_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = RunCase(tmp_path, wizard_home)
    store = ("--storage-url", case.sqlite_url)
    done = case.run("--symbols", ",".join(NAMES), *store, "--dataset-jobs", "2", n=15)
    assert done.returncode == 0, done.stderr
    assert f"{NAMES[1]}: 점수" in done.stdout
    trials = assert_exact(load(case.sqlite_url, STUDY), 15)
    for trial in trials:
        wizard = trial.user_attrs["wizard"]
        scores = [wizard["by_symbol"][name]["values"][0] for name in NAMES]
        assert trial.value == pytest.approx(sum(scores) / 2)
    (event,) = (e for e in case.events() if e["type"] == "study")
    assert event["symbol"] == ", ".join(NAMES)

    folder = case.home / "studies" / STUDY
    for slug in ("demo_btcusdt", "demo_ethusdt"):
        with (folder / f"best_trades_{slug}.csv").open(encoding="utf-8", newline="") as file:
            assert list(csv.DictReader(file))
    body = json.loads((folder / "validation.json").read_text(encoding="utf-8"))
    each = [body["by_symbol"][name]["score"][0] for name in NAMES]
    assert body["score"][0] == pytest.approx(sum(each) / 2)
    assert studies_main(["show", STUDY, *store, "--json", "--top", "1"]) == 0
    (top,) = json.loads(capsys.readouterr().out)["top"]
    assert set(top["by_symbol"]) == set(NAMES)

    # 차례를 바꾸어 적어도 같은 스터디다: 달라진 것은 모으는 법뿐이라고 말한다.
    other = case.run(
        *("--symbols", ",".join(reversed(NAMES)), *store),
        *("--set", "objective.across_symbols=worst"),
        n=15,
    )
    assert other.returncode == 2
    assert "달라진 것:\n        목표와 제약: across_symbols mean → worst" in other.stderr
    assert other.stderr.count("→") == 1
