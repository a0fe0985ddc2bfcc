"""도는 실행이 한동안 소식이 없을 때: 앞서 알린 속도를 그대로 두지 않고 그렇다고 말한다."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_run_screen import hello, open_screen, study, trial
from tui_kit import shown, until, until_text, write_run

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


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_quiet_run_does_not_show_an_old_speed(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """저장소가 끊겨 기다리는 동안 낡은 속도와 남은 시간이 남지 않고, 소식이 오면 돌아온다."""
    monkeypatch.setattr(run_module, "_QUIET_SECONDS", 1.5)
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(120)", "optimize.run"]
    )
    try:
        folder = write_run(tui_home, "r", [hello(process.pid), study(), trial(0, 1.0), PROGRESS])
        app = WizardApp()
        async with app.run_test(size=size) as pilot:
            await open_screen(pilot, folder)
            await until_text(pilot, "2분 05초")
            await until_text(pilot, "째 새 시행 없음")
            assert "2분 05초" not in shown(app)
            assert "41.5/초" not in shown(app)
            with (folder / "events.ndjson").open("a", encoding="utf-8") as file:
                file.write(
                    json.dumps({"v": 1, "ts": "2026-01-02T03:04:05+00:00", **PROGRESS}) + "\n"
                )
            await until(pilot, lambda: "41.5/초" in shown(app))
    finally:
        process.kill()
        process.wait()
