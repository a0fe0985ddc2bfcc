"""설정 모형의 칸에 쓰는 형들: 빈칸의 뜻, 수와 참·거짓의 구별, 날짜."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _blank_as_none(value: Any) -> Any:
    """빈 칸(빈 글)은 '정하지 않음'이다."""
    return None if isinstance(value, str) and not value.strip() else value


def blank_as_zero(value: Any) -> Any:
    """statement_timeout과 lock_timeout을 비워 두면 끔(0)이다."""
    return 0 if value is None or (isinstance(value, str) and not value.strip()) else value


def upper_words(value: Any) -> Any:
    """`read_committed`도 `READ COMMITTED`로 읽는다."""
    return " ".join(value.replace("_", " ").upper().split()) if isinstance(value, str) else value


def _not_bool(value: Any) -> Any:
    """`n_jobs: true`가 조용히 1이 되지 않게 한다."""
    if isinstance(value, bool):
        raise ValueError("수여야 합니다(true나 false가 아니라)")
    return value


def _date_text(value: Any) -> Any:
    """YAML은 2024-01-01을 날짜로 읽는다. 글로 되돌린다."""
    return value.isoformat() if isinstance(value, date) else value


Blank = BeforeValidator(_blank_as_none)
Int = Annotated[int, BeforeValidator(_not_bool)]
Float = Annotated[float, BeforeValidator(_not_bool)]
OptionalText = Annotated[str | None, BeforeValidator(_blank_as_none)]
OptionalDate = Annotated[str | None, BeforeValidator(_blank_as_none), BeforeValidator(_date_text)]


class Section(BaseModel):
    """설정의 한 묶음: 바뀌지 않고 모르는 키를 거절한다."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=False, allow_inf_nan=False, str_strip_whitespace=True
    )
