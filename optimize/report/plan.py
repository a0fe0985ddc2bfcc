"""정해진 계획을 사람과 기계가 함께 읽는 YAML로."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import yaml


def print_plan(masked: Mapping[str, Any], command: str) -> None:
    """stdout에 쓴다. masked: 비밀번호를 가린 계획, command: 이 실행을 되풀이하는 명령."""
    body = yaml.safe_dump(
        {"command": command, **masked}, allow_unicode=True, sort_keys=False, width=1000
    )
    sys.stdout.write(body)
