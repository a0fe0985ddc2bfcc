"""시작과 시작 사이에 남는 화면 설정: 테마, 밀도, 마우스, 애니메이션, 최근 심볼.

사용자 설정 폴더의 `screen.json` 한 파일에 원자적으로 쓴다(시험은 `BACKTEST_WIZARD_STATE`로 바꾼다).
파일이 없거나 깨졌으면 기본값으로 시작하고, 쓰지 못해도 화면은 계속된다.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

STATE_ENV = "BACKTEST_WIZARD_STATE"
RECENT_LIMIT = 8
THEMES = ("dark", "light")
DENSITIES = ("comfortable", "compact")


@dataclass(frozen=True, slots=True)
class Settings:
    """화면 설정. recent_symbols는 새것부터."""

    theme: str = "dark"
    density: str = "comfortable"
    mouse: bool = True
    animation: bool = False
    recent_symbols: tuple[str, ...] = ()

    def with_recent(self, symbol: str) -> Settings:
        """심볼을 최근 목록의 맨 앞에 둔 설정."""
        others = [item for item in self.recent_symbols if item != symbol]
        return replace(self, recent_symbols=(symbol, *others)[:RECENT_LIMIT])


def state_path() -> Path:
    """설정 파일의 자리."""
    configured = os.environ.get(STATE_ENV)
    if configured:
        return Path(configured).expanduser()
    from platformdirs import user_config_path

    return user_config_path("backtest-wizard") / "screen.json"


def load_settings(path: Path | None = None) -> Settings:
    """설정을 읽는다. 읽지 못하는 칸은 기본값이다."""
    try:
        body = json.loads((path or state_path()).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Settings()
    return _from_json(body) if isinstance(body, dict) else Settings()


def save_settings(settings: Settings, path: Path | None = None) -> bool:
    """설정을 원자적으로 쓴다(0600). 쓰지 못했으면 False."""
    target = path or state_path()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(settings), file, ensure_ascii=False, indent=2)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _from_json(body: Mapping[str, Any]) -> Settings:
    defaults = Settings()
    values: dict[str, Any] = {}
    for item in fields(Settings):
        value = body.get(item.name)
        default = getattr(defaults, item.name)
        if isinstance(default, tuple) and isinstance(value, list):
            values[item.name] = tuple(v for v in value if isinstance(v, str))[:RECENT_LIMIT]
        elif type(value) is type(default):
            values[item.name] = value
    settings = Settings(**values)
    return replace(
        settings,
        theme=settings.theme if settings.theme in THEMES else defaults.theme,
        density=settings.density if settings.density in DENSITIES else defaults.density,
    )
