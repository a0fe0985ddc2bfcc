"""파라미터의 중요도와 단면: 답을 아는 스터디로."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution
from tui_kit import screen_name, shown, until, until_text

from optimize.storage.options import StorageOptions
from optimize.storage.store import TrialStore
from optimize.storage.url import sqlite_url
from optimize.trial import FinishedTrial
from tui.app import WizardApp
from tui.widgets.plots_slice import _places

SPACE = {
    "strong": FloatDistribution(0, 10),
    "noise": FloatDistribution(0, 10),
    "kind": CategoricalDistribution(["SMA", "EMA"]),
    "rare": FloatDistribution(0, 1),
}


@pytest.fixture
def study(tui_home: Path) -> str:
    """점수는 strong이 정한다. rare는 다섯 번만 쓰인다. 조건을 어긴 시행은 noise가 클수록 점수가 좋다."""
    (tui_home / ".env").write_text("OPTUNA_STORAGE=\n")
    url = sqlite_url(tui_home / "studies" / "known" / "known.db")
    store = TrialStore.open(url, StorageOptions(), "known", ["maximize"], SPACE, {})
    source, moment = random.Random(7), datetime(2024, 5, 1, tzinfo=UTC)
    trials = []
    for k in range(200):
        params: dict[str, Any] = {
            "strong": source.uniform(0, 10),
            "noise": source.uniform(0, 10),
            "kind": source.choice(["SMA", "EMA"]),
        }
        if k < 5:
            params["rare"] = source.random()
        kept = k % 4 != 0
        score = -abs(params["strong"] - 3) if kept else 100 + params["noise"]
        trials.append(
            FinishedTrial(
                uid=f"u{k}", state="COMPLETE", params=params, values=(score,),
                started_at=moment, finished_at=moment + timedelta(seconds=k),
                constraints=(-1.0 if kept else 1.0,),
            )
        )  # fmt: skip
    store.append(trials)
    store.close()
    return "known"


def importance(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-W", "error", "-m", "optimize.studies", "importance", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ})


def test_importance_finds_the_parameter_that_matters(study: str) -> None:
    """조건을 어긴 시행은 세지 않고, 너무 드물게 쓰인 파라미터는 재지 않으며, 몫의 합은 1이다."""
    done = importance(study, "--json")
    assert done.returncode == 0, done.stderr
    items = json.loads(done.stdout)["items"]
    assert items[0]["name"] == "strong"
    assert items[0]["share"] > 0.7
    assert {item["name"] for item in items} == {"strong", "noise", "kind"}
    assert sum(item["share"] for item in items) == pytest.approx(1.0)
    assert {item["trials"] for item in items} == {150}


async def test_analysis_by_keyboard(study: str) -> None:
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("f3")
        await until_text(pilot, "스터디 1개, 시행 200개")
        await pilot.press("enter")
        await until_text(pilot, "시행 200개  새것부터")
        await pilot.press("n")
        await until(pilot, lambda: screen_name(app) == "AnalysisScreen")
        await until_text(pilot, "strong 의 값과 점수, 시행 200개")
        await pilot.press("end")
        await until(pilot, lambda: "strong 의 값과" not in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(app) == "StudyScreen")


@given(st.lists(st.one_of(st.integers(-9, 9), st.floats(-5, 5), st.text(max_size=2)), min_size=1))
@settings(deadline=None, max_examples=100)
def test_places_stay_inside_and_keep_the_order(values: list[Any]) -> None:
    """어떤 값도 0과 1 사이에 놓이고, 수의 차례를 지킨다."""
    places, _ = _places(values)
    assert set(places) == set(values)
    assert all(0 <= place <= 1 for place in places.values())
    if all(not isinstance(value, str) for value in values):
        ordered = sorted(places)
        assert [places[value] for value in ordered] == sorted(places.values())
