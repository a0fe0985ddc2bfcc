"""실행 화면을 진짜 실행으로: 더 실행, 죽은 화면 다시 붙기."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_run_screen import SIZE, open_screen
from tui_kit import shown, until, until_text

from tui import bridge
from tui.app import WizardApp
from tui.draft import Draft, StorageChoice
from tui.processes import is_alive
from tui.screens.run import RunScreen
from tui.widgets.trial_table import TrialTable


@pytest.fixture
def small(tui_home: Path) -> Path:
    (tui_home / "config").mkdir()
    body = {"data": {"demo_days": 6}, "search": {"n_jobs": 1}}
    (tui_home / "config" / "params.yaml").write_text(json.dumps(body), encoding="utf-8")
    (tui_home / ".env").write_text("OPTUNA_STORAGE=\n")
    return tui_home


def results(folder: Path) -> list[dict[str, Any]]:
    last = json.loads((folder / "events.ndjson").read_text(encoding="utf-8").splitlines()[-1])
    assert (last["type"], last["exit_code"]) == ("done", 0)
    return list(last["studies"])


async def check_equity(pilot: Any, screen: RunScreen) -> None:
    """G: 고른 시행을 다시 셈한 기간 전체의 평가금과, 그 가운데 검증의 날들이 보인다."""
    await pilot.press("g")
    # 시행의 순이익은 학습 날의 것이고, 그림의 끝은 기간 전체의 것이다.
    await until(
        pilot, lambda: re.search(r"10,000 에서 [\d,]+ \([+-][\d,.]+ %\)", shown(pilot.app)), 60
    )
    # 검증의 날들이 어디서 시작하는지 글과 띠로 보인다.
    await until_text(pilot, "검증 2024-01-05 ~ 2024-01-06 (2일): 그 동안 ")
    await until(pilot, lambda: re.search(r" 학습 -+ *검증 =+ ", shown(pilot.app)))
    await until_text(pilot, "2024-01-01")
    await pilot.press("escape")
    await until(pilot, lambda: pilot.app.screen is screen)


async def test_add_trials_continues_the_same_studies(small: Path) -> None:
    """끝난 실행에서 A: 목표를 늘려 두 칸을 모두 잇는다. run.log에는 같은 줄이 두 번 없다."""
    draft = Draft(
        "DEMO:BTCUSDT", "1m@15m,1m@1h", n_trials=4, n_jobs=1, storage=StorageChoice("sqlite")
    )
    started = bridge.start_run(draft)
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        first = await open_screen(pilot, started.run_dir)
        # 처음 한 번은 커널을 컴파일한다: 바쁜 컴퓨터에서는 1분이 넘는다.
        await until(pilot, lambda: first.state == "done", 240)
        await until_text(pilot, "끝났습니다: 8개 시행")
        await check_equity(pilot, first)
        await pilot.press("a")
        await until_text(pilot, "시행을 더할까요?")
        await pilot.press("ctrl+u", "4", "enter")
        await until_text(pilot, "4보다 큰 수를 적어 주세요")
        await pilot.press("ctrl+u", "6", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen is not first)
        second = app.screen
        assert isinstance(second, RunScreen)
        await until(pilot, lambda: second.state == "done", 60)
        assert [item["n_complete"] + item["n_failed"] for item in results(second.run_dir)] == [6, 6]
        assert len(second.model.trials) == 4
    log = (started.run_dir / "run.log").read_text(encoding="utf-8")
    assert log.count("끝 (exit code 0)") == 1


_VIEWER = """
import asyncio, sys
from pathlib import Path
from tui.app import WizardApp
from tui import bridge
from tui.draft import Draft, StorageChoice

async def main():
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        draft = Draft("DEMO:BTCUSDT", "1m@15m", n_trials=150, n_jobs=1,
                      storage=StorageChoice("sqlite"))
        started = bridge.start_run(draft)
        app.open_run(started.run_dir)
        while not app.screen.query("TrialTable") or not len(app.screen.query_one("TrialTable").view):
            await pilot.pause(0.05)
            if getattr(app.screen, "state", "") in ("failed", "dead"):
                sys.exit("실행이 시작되지 못했다")
        print(started.run_dir, started.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_killed_screen_leaves_the_run_and_reattaches(small: Path) -> None:
    """화면을 실행 도중 kill -9로 죽여도 실행은 끝까지 가고, 다시 열면 처음 화면에서 그 실행이 열린다."""
    viewer = subprocess.Popen(
        [sys.executable, "-c", _VIEWER],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert viewer.stdout is not None
    with viewer.stdout:
        line = viewer.stdout.readline().split()
        viewer.kill()
        viewer.wait()
    assert line, "화면이 실행을 열지 못하고 끝났다"
    folder, pid = Path(line[0]), int(line[1])
    finished = '"type":"done"'
    assert finished not in (folder / "events.ndjson").read_text(encoding="utf-8")
    assert is_alive(pid)
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        # 느린 컴퓨터에서는 화면이 뜨기 전에 실행이 끝나기도 한다.
        await until_text(pilot, folder.parents[1].name.split("_")[1].upper())
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await until(pilot, lambda: screen.state == "done", 60)
        await until_text(pilot, "끝났습니다: 150개 시행")
        assert len(screen.query_one(TrialTable).view) == 150
    (result,) = results(folder)
    assert result["n_complete"] + result["n_failed"] + result["n_pruned"] == 150
