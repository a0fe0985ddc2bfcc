"""`bridge`의 검증 몫: 나누는 방법을 한 줄로 말하고, 바꾼 것을 `--set`으로 바꾼다."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tui.draft import VALIDATION_FIELDS
from tui.problem import Problem, ProblemError


def describe_validation(values: Mapping[str, Any]) -> str:
    """`hold-out, 뒤 30 %, embargo 1일`. 값이 틀렸으면 ProblemError.

    values: `ValidationSection`의 칸들.
    """
    from pydantic import ValidationError

    from optimize.settings.model import ValidationSection
    from optimize.validation.splits import Rules, describe

    try:
        section = ValidationSection.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = str(first.get("ctx", {}).get("error", "")) or _range_text(first)
        raise ProblemError(Problem(f"{where}: {reason}" if where else reason)) from None
    return describe(Rules(**section.model_dump())).replace(" · ", ", ")


def _range_text(error: Mapping[str, Any]) -> str:
    from tui.text.wizard import VALIDATION_NUMBER, VALIDATION_RANGES

    limits = error.get("ctx", {})
    for name, text in VALIDATION_RANGES.items():
        if name in limits:
            return text.format(limit=limits[name])
    return VALIDATION_NUMBER


def validation_pairs(
    values: Mapping[str, Any], default: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """설정과 다른 칸의 `--set validation.이름=값`. 고른 방법이 쓰지 않는 칸은 넣지 않는다."""
    used = ("method", *VALIDATION_FIELDS.get(str(values.get("method")), ()))
    return [
        ("--set", f"validation.{name}={values[name]}")
        for name in used
        if name in values and values[name] != default.get(name)
    ]
