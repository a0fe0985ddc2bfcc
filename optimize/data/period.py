"""기간의 표기. 표준 라이브러리만 쓴다. 시각은 모두 UTC다.

`2024-01-01`, `2024-01-01T09:30`, `2024-01-01 09:30:00`을 받는다. 시간대(+09:00, Z)가 붙으면
UTC로 옮긴다. 시작은 포함하고 끝은 포함하지 않는다: 2024년 전부는 2024-01-01부터 2025-01-01까지다.
"""

from __future__ import annotations

from datetime import UTC, datetime

from optimize.errors import SettingsError

DAY_MS = 86_400_000
# 캔들의 시각으로 알아보는 가장 이른 해(`columns`와 같다).
_FIRST_YEAR = 2001


def parse_start(text: str) -> int:
    """시작, UTC ms(포함). 읽을 수 없으면 SettingsError."""
    return _parse(text, "시작을")


def parse_end(text: str) -> int:
    """끝, UTC ms(미포함). 읽을 수 없으면 SettingsError."""
    return _parse(text, "끝을")


def _parse(text: str, label: str) -> int:
    stripped = text.strip()
    try:
        moment = datetime.fromisoformat(stripped)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if moment.year < _FIRST_YEAR:
            raise ValueError(stripped)
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            f"기간의 {label} 읽을 수 없습니다: '{stripped}'",
            f"{_FIRST_YEAR}년 이후의 YYYY-MM-DD 또는 YYYY-MM-DDTHH:MM(UTC) 꼴이어야 합니다",
            "예: --start 2024-01-01 --end 2025-01-01",
        ) from error
    return int(moment.timestamp() * 1000)


def check_order(start_ms: int, end_ms: int) -> None:
    """시작이 끝보다 늦거나 같으면 SettingsError."""
    if start_ms >= end_ms:
        raise SettingsError(
            "기간의 시작이 끝보다 늦거나 같습니다",
            f"시작 {format_ms(start_ms)}, 끝 {format_ms(end_ms)}",
            "--start 와 --end 를 바로잡으세요",
        )


def format_ms(moment_ms: int) -> str:
    """`2024-01-01 09:30`(UTC). 초가 있으면 초까지, ms가 있으면 ms까지."""
    moment = datetime.fromtimestamp(moment_ms / 1000, tz=UTC)
    if moment_ms % 1000:
        return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment_ms % 1000:03d}"
    return moment.strftime("%Y-%m-%d %H:%M:%S" if moment_ms % 60_000 else "%Y-%m-%d %H:%M")


def format_period(start_ms: int, end_ms: int) -> str:
    """`2024-01-01 00:00 ~ 2025-01-01 00:00 (366일, UTC)`. 끝은 포함하지 않는다."""
    days = (end_ms - start_ms) / DAY_MS
    length = f"{days:.0f}일" if days >= 2 else f"{days * 24:.1f}시간"
    return f"{format_ms(start_ms)} ~ {format_ms(end_ms)} ({length}, UTC)"


def month_key(moment_ms: int) -> str:
    """그 시각의 달 `2024-01`(UTC)."""
    return datetime.fromtimestamp(moment_ms / 1000, tz=UTC).strftime("%Y-%m")


def month_start(key: str) -> int:
    """달의 첫 시각, UTC ms."""
    year, month = key.split("-")
    return int(datetime(int(year), int(month), 1, tzinfo=UTC).timestamp() * 1000)


def next_month(key: str) -> str:
    """다음 달 `2024-02`."""
    year, month = (int(part) for part in key.split("-"))
    return f"{year + month // 12:04d}-{month % 12 + 1:02d}"


def months_between(start_ms: int, end_ms: int) -> list[str]:
    """[start_ms, end_ms)에 걸치는 달들, 시간순."""
    months: list[str] = []
    key = month_key(start_ms)
    while month_start(key) < end_ms:
        months.append(key)
        key = next_month(key)
    return months
