"""전략 파일이 부르는 `sys.exit`: 실행을 말없이 끝내지 않고 오류가 된다."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimize.errors import SettingsError
from optimize.strategy.registry import load_strategy


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(0)\n",
        "class A:\n    def __init__(self):\n        raise SystemExit(0)\n",
    ],
)
def test_system_exit_is_a_settings_error(tmp_path: Path, code: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(code, encoding="utf-8")
    with pytest.raises(SettingsError, match="SystemExit"):
        load_strategy(f"{path}:A")
