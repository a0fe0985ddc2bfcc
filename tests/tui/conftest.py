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


@pytest.fixture(autouse=True)
def cold_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """화면마다 컴파일하거나 목록을 기다리는 프로세스를 띄우지 않는다(그 일의 시험은 test_tui_shell이 따로 한다)."""
    from tui import bridge
    from tui.app import WizardApp

    monkeypatch.setattr(bridge, "warm_kernels", lambda: None)
    monkeypatch.setattr(WizardApp, "prepare_list", lambda _self: None)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """실행 화면 대신 열린 폴더를 적어 둔다."""
    from tui.app import WizardApp

    folders: list[Path] = []
    monkeypatch.setattr(WizardApp, "open_run", lambda _self, folder: folders.append(folder))
    return folders


@pytest.fixture
def closed_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """기본 PostgreSQL의 자리를 닫힌 포트로 바꾼다(이 컴퓨터의 5432에 서버가 있어도)."""
    from optimize.storage import url

    monkeypatch.setattr(
        url, "DEFAULT_POSTGRES_URL", "postgresql://postgres:5432@127.0.0.1:9/optuna"
    )


@pytest.fixture
def studies_home(tui_home: Path) -> Path:
    """기본 PostgreSQL을 보지 않게 한다: 이 컴퓨터에 켜진 서버가 끼어들지 않는다."""
    (tui_home / ".env").write_text("OPTUNA_STORAGE=\n")
    return tui_home
