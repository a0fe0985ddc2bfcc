"""기간의 글: 사용자가 적은 날짜(UTC)를 읽고, 둘 다 봉이 있는 날로 보인다. Textual을 모른다."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from tui.text import wizard as ko

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def day_ms(text: str) -> int | None:
    """그날의 0시, UTC ms. 비었으면 None."""
    return int(datetime.fromisoformat(f"{text}T00:00+00:00").timestamp() * 1000) if text else None


def days_of(start_ms: int, end_ms: int) -> str:
    """`2024-01-01 ~ 2024-12-31`, 둘 다 봉이 있는 날."""
    first = datetime.fromtimestamp(start_ms / 1000, UTC)
    last = datetime.fromtimestamp((end_ms - 1) / 1000, UTC)
    return f"{first:%Y-%m-%d} ~ {last:%Y-%m-%d}"


def shown_period(start: str, end: str, whole: str = "") -> str:
    """고른 기간을 둘 다 봉이 있는 날로. 적은 끝 날짜는 넣지 않는다. 비운 쪽은 whole(`첫날 ~ 끝날`)의 것."""
    first, _, last = whole.partition(" ~ ")
    if end:
        day = (_date(end) - timedelta(days=1)).isoformat()
        last = min(last, day) if last else day
    return f"{start or first} ~ {last}".strip()


def period_problem(start: str, end: str) -> str:
    """기간이 틀린 까닭, 바르면 빈 글."""
    try:
        first, last = (_date(text) if text else None for text in (start, end))
    except ValueError:
        return ko.BAD_DATE
    if first and first >= datetime.now(UTC).date():
        return ko.FUTURE_START
    return ko.BAD_PERIOD if first and last and last <= first else ""


def _date(text: str) -> date:
    """`2024-01-31`. 다른 꼴(`20240131`, `2024-W05-3`)은 ValueError."""
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)
