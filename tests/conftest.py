"""모든 시험이 함께 쓰는 fixture. PostgreSQL 서버는 `tests/postgres.py`에 있다."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgres import (  # noqa: F401 — 가져온 fixture는 pytest가 이름으로 찾는다
    any_postgres,
    any_postgres_url,
    make_postgres,
    postgres_embedded,
    postgres_system,
    postgres_url,
    system_postgres_url,
)


@pytest.fixture
def wizard_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """프로젝트의 뿌리를 빈 임시 폴더로 바꾼다. 자식 프로세스에도 미친다."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(home))
    for name in ("OPTUNA_STORAGE", "PGPASSWORD", "PGHOST", "PGUSER", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)
    return home
