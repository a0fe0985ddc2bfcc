"""자식 프로세스에 물려줄 환경. Textual이 지우는 `NO_COLOR`를 기억했다가 되돌려 준다."""

from __future__ import annotations

import os
from collections.abc import Mapping

KITTY_ENV = "TEXTUAL_DISABLE_KITTY_KEY"
# `./시작 웹`이 띄운 화면에 있는 것. Textual도 이것으로 그리는 곳을 정한다.
DRIVER_ENV = "TEXTUAL_DRIVER"
_remembered: dict[str, str] = {}


def prepare() -> None:
    """Textual을 import하기 전에 부른다.

    kitty 글쇠 규약은 조합 중인 한글을 삼키므로 사용자가 정하지 않았으면 끈다.
    """
    os.environ.setdefault(KITTY_ENV, "1")
    if "NO_COLOR" in os.environ:
        _remembered["NO_COLOR"] = os.environ["NO_COLOR"]


def is_served() -> bool:
    """단말기가 아니라 브라우저에 그리는 화면인가."""
    return DRIVER_ENV in os.environ


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """자식의 환경: 지금의 것에 기억한 것과 extra를 더한다. 자식의 글은 늘 UTF-8이다."""
    return {**os.environ, **_remembered, "PYTHONUTF8": "1", **(extra or {})}
