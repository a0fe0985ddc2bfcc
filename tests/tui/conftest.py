"""화면 시험의 밑자리: 빈 프로젝트 폴더, 닿지 않는 거래소, 고정된 시각."""

from __future__ import annotations

from pathlib import Path

import pytest
from tui_kit import MOMENT

CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def tui_home(wizard_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """빈 프로젝트. 거래소의 주소는 닫힌 포트이고 화면 설정은 임시 파일이다."""
    from tui.screens import home

    monkeypatch.setenv("BACKTEST_WIZARD_STATE", str(wizard_home / "screen.json"))
    for name in ("BINANCE_BULK", "BINANCE_SPOT", "BINANCE_FUTURES", "UPBIT"):
        monkeypatch.setenv(f"BACKTEST_WIZARD_{name}_URL", CLOSED)
    for name in ("NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(home, "now", lambda: MOMENT)
    return wizard_home
