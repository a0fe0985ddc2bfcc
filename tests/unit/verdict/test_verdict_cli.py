"""`studies verdict`: 저장된 시행만으로, 함께 돈 칸까지, 없는 것은 없다고."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from verdict_kit import trial

from optimize.search.space import SearchSpace
from optimize.storage.options import StorageOptions
from optimize.storage.store import TrialStore
from optimize.storage.url import sqlite_url
from optimize.strategy.ma_cross import MaCross
from optimize.studies.__main__ import main

SPACE = {"a": IntDistribution(0, 1000), "b": FloatDistribution(0, 1)}


@pytest.fixture
def home(wizard_home: Path) -> Path:
    (wizard_home / ".env").write_text("OPTUNA_STORAGE=\n")
    return wizard_home


def store(home: Path, name: str, returns: np.ndarray) -> None:
    folder = home / "studies" / name
    folder.mkdir(parents=True)
    opened = TrialStore.open(
        sqlite_url(folder / f"{name}.db"),
        StorageOptions(),
        name,
        ["maximize"],
        SPACE,
        {"wizard": {"cell": "1m@15m"}},
    )
    opened.append([trial(n, column) for n, column in enumerate(returns.T)])
    opened.close()


def plan(home: Path, *names: str) -> None:
    run = home / "studies" / names[0] / "runs" / "r1"
    run.mkdir(parents=True)
    cells = [{"cell": "1m@15m", "slug": name, "study": name, "storage": ""} for name in names]
    (run / "plan.json").write_text(json.dumps({"cells": cells, "params": {"symbol": "DEMO:A"}}))


def noise(seed: int, trials: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((200, trials)) * 0.01


def verdict(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["verdict", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_cells_of_the_run_are_counted_together(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(home, "one", noise(1, 20))
    store(home, "two", noise(2, 50))
    alone = verdict(capsys, "one", "--stored-only")
    assert alone["figures"]["tried"] == 20
    assert "실행의 기록이 이 컴퓨터에 없어" in alone["notes"][0]
    plan(home, "one", "two", "gone")
    both = verdict(capsys, "one", "--stored-only")
    assert both["figures"]["tried"] == 70
    assert both["figures"]["studies"] == ["one", "two"]
    assert both["cell"] == "1m@15m"
    assert ["gone" in note for note in both["notes"]] == [True]
    luck = [body["figures"]["luck"]["probability"] for body in (alone, both)]
    assert luck[0] < luck[1]


def test_what_cannot_be_rerun_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(home, "one", noise(3, 20))
    missing = verdict(capsys, "one")["figures"]["missing"]
    assert "plan.json" in missing["bootstrap"]
    plan(home, "one")
    missing = verdict(capsys, "one")["figures"]["missing"]
    assert "다시 셈하지 못했습니다" in missing["trade_order"]


def test_the_korean_name_prints_sentences(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(home, "one", noise(4, 20))
    assert main(["판정", "one", "--stored-only"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("one: 과최적화 의심. 문턱을 넘은 잣대: 우연 확률")
    assert "✕ 우연 확률: 잡음에서도 시행 20개(서로 무관한" in out
    assert "→ 같은 Sharpe가" in out
    assert "－ 표본 밖: 검증을 쓰지 않은 스터디입니다." in out


def test_an_adaptive_search_is_replayed_on_its_own_space(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """저장된 시행만으로도, 스터디가 찾은 공간을 알면 되찾는다. 그 뒤로 공간이 달라졌으면 되찾지 않는다."""
    chosen = {"fast_len": {"low": 5, "high": 60}, "slow_gap": {"low": 5, "high": 120}}
    for name in ("use_htf", "use_stop", "use_target"):
        chosen[name] = False
    space = SearchSpace(MaCross.parameters, {**chosen, "average": "ema"})
    rng = random.Random(1)
    trials = [
        trial(n, column + 0.004, params=space.draw(rng)) for n, column in enumerate(noise(5, 30).T)
    ]
    folder = home / "studies" / "one"
    folder.mkdir(parents=True)
    opened = TrialStore.open(
        sqlite_url(folder / "one.db"),
        StorageOptions(),
        "one",
        ["maximize"],
        space.distributions,
        {"wizard": {"cell": "1m@15m", "space": space.fingerprint}},
    )
    opened.append(trials)
    opened.close()
    for average, replayed in (("ema", True), ("sma", False)):
        run = folder / "runs" / average
        run.mkdir(parents=True)
        params = {
            "symbol": "DEMO:BTCUSDT",
            "strategy": {"name": "ma_cross", "space": {**chosen, "average": average}},
        }
        cells = [{"cell": "1m@15m", "slug": "one", "study": "one", "storage": ""}]
        (run / "plan.json").write_text(json.dumps({"cells": cells, "params": params}))
        body = verdict(capsys, "one", "--stored-only")
        assert (body["figures"]["luck"]["searches"] > 0) is replayed
        assert ("다시 찾아 셈했습니다" in body["findings"][0]["text"]) is replayed
        (run / "plan.json").unlink()
