"""도는 실행이 한동안 소식이 없을 때와, 끝난 실행에서 할 수 없는 명령."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from test_run_screen import done, hello, open_screen, study, trial
from tui_kit import shown, until, until_text, write_run

from optimize.runner.coordinator import WARMING_LABEL
from tui.app import WizardApp
from tui.screens import run as run_module

PROGRESS = {
    "type": "progress",
    "study": "s1",
    "done": 5,
    "target": 100,
    "rate": 41.5,
    "eta_s": 125.0,
}


@pytest.fixture
def living() -> Iterator[int]:
    """도는 실행처럼 보이는 프로세스의 pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(120)", "optimize.run"]
    )
    yield process.pid
    process.kill()
    process.wait()


def tell(folder: Path, event: Mapping[str, object]) -> None:
    """실행이 사건을 하나 더 적는다."""
    with (folder / "events.ndjson").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"v": 1, "ts": "2026-01-02T03:04:05+00:00", **event}) + "\n")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_quiet_run_does_not_show_an_old_speed(
    tui_home: Path, living: int, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """저장소가 끊겨 기다리는 동안 낡은 속도와 남은 시간이 남지 않고, 소식이 오면 돌아온다."""
    monkeypatch.setattr(run_module, "_QUIET_SECONDS", 1.5)
    folder = write_run(tui_home, "r", [hello(living), study(), trial(0, 1.0), PROGRESS])
    app = WizardApp()
    async with app.run_test(size=size) as pilot:
        await open_screen(pilot, folder)
        await until_text(pilot, "2분 05초")
        await until_text(pilot, "째 새 시행 없음")
        assert "2분 05초" not in shown(app)
        assert "41.5/초" not in shown(app)
        tell(folder, PROGRESS)
        await until(pilot, lambda: "41.5/초" in shown(app))


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)])
async def test_a_run_that_compiles_says_so(
    tui_home: Path, living: int, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """처음 한 번의 컴파일은 1분이 넘기도 한다: 소식이 없다고 하지 않고 하는 일을 말한다."""
    monkeypatch.setattr(run_module, "_QUIET_SECONDS", 0.5)
    compiling = {"type": "data_progress", "label": WARMING_LABEL, "done": 0, "total": 1}
    folder = write_run(tui_home, "r", [hello(living), study(), compiling])
    app = WizardApp()
    async with app.run_test(size=size) as pilot:
        screen = await open_screen(pilot, folder)
        await until(pilot, lambda: screen.model.quiet_s > 0)
        assert "컴파일하기" in shown(app)
        assert "새 시행 없음" not in shown(app)
        tell(folder, {**compiling, "done": 1})
        await until(pilot, lambda: "컴파일" not in shown(app))


async def test_the_palette_offers_only_what_can_be_done(tui_home: Path) -> None:
    """끝난 실행의 명령 목록에 멈추기와 (목표가 하나면) 파레토가 없다: 골라도 아무 일이 없는 것이다."""
    folder = write_run(tui_home, "r", [hello(1), study(), trial(0, 1.0), done(0)])
    app = WizardApp()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_screen(pilot, folder)
        await until_text(pilot, "끝났습니다")
        offered = {command.id for command in app._available(screen)}
        assert {"run.stop", "run.pause", "run.pareto"}.isdisjoint(offered)
        assert {"run.add", "run.verdict", "app.diagnostics"} <= offered
        await pilot.press("f9")
        await until(pilot, lambda: app.screen is not screen)
        assert "app.diagnostics" not in {command.id for command in app._available(app.screen)}
