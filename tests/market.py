"""저장소 곁의 진짜 시장 파일 `../shared/market`. 없으면 그 시험을 건너뛴다."""

from __future__ import annotations

from pathlib import Path

import pytest

MARKET = Path(__file__).resolve().parents[2] / "shared" / "market"


def market_file(name: str) -> Path:
    """시장 파일의 자리. 없으면 까닭을 밝히고 건너뛴다."""
    path = MARKET / name
    if not path.exists():
        pytest.skip(f"진짜 시장 파일이 없습니다: {path}")
    return path
