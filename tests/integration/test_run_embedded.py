"""지난 실행이 내장 PostgreSQL을 썼으면, 꺼져 있어도 다음 실행이 켜서 잇는다."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_RUN = (
    "-m", "optimize.run", "--symbol", "DEMO:BTCUSDT", "--timeframe-grid", "15m",
    "--strategy", "ma_cross", "--sampler", "random", "--n-jobs", "1", "--set", "data.demo_days=5",
)  # fmt: skip


def wizard(home: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    base = {key: value for key, value in os.environ.items() if key != "OPTUNA_STORAGE"}
    return subprocess.run(
        [sys.executable, *argv],
        env={**base, "BACKTEST_WIZARD_HOME": str(home), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_꺼진_내장_서버를_켜서_모자란_만큼만_더한다(tmp_path: Path) -> None:
    embedded = ("-m", "optimize.storage", "embedded")
    try:
        assert wizard(tmp_path, *embedded, "start").returncode == 0
        url = wizard(tmp_path, *embedded, "url").stdout.strip()
        first = wizard(tmp_path, *_RUN, "--n-trials", "3", OPTUNA_STORAGE=url)
        assert first.returncode == 0, first.stderr
        assert wizard(tmp_path, *embedded, "stop").returncode == 0

        again = wizard(tmp_path, *_RUN, "--n-trials", "5")
        assert again.returncode == 0, again.stderr
        assert "5/5" in again.stdout
        assert wizard(tmp_path, *embedded, "status").returncode == 0
    finally:
        wizard(tmp_path, *embedded, "stop")
