"""시간 단위와 격자의 표기. 표준 라이브러리만 쓴다.

시간 단위는 분의 정수배이며 `1m 5m 15m 30m 1h 4h 1d 1w` 같은 표준 표기로 돌려준다.
`60`, `1h`, `1H`, `60m`은 모두 한 시간이다. `1M`은 달이라 거절한다(길이가 일정하지 않다).
격자는 `LTF@HTF` 또는 `LTF` 칸을 `,` `;` 줄바꿈으로 이은 것이다.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MINUTE_MS = 60_000
_UNITS = {"m": 1, "h": 60, "H": 60, "d": 1440, "D": 1440, "w": 10080, "W": 10080}
_PATTERN = re.compile(r"(\d{1,6})\s*([A-Za-z]?)", re.ASCII)
MAX_MINUTES = 10080


class TimeframeError(ValueError):
    """읽을 수 없는 시간 단위나 격자. 메시지는 한국어 한 줄이다."""


@dataclass(frozen=True, slots=True, order=True)
class Timeframe:
    """분의 정수배인 시간 단위. minutes: 1 이상 10080(한 주) 이하."""

    minutes: int

    @property
    def ms(self) -> int:
        """길이, 밀리초."""
        return self.minutes * MINUTE_MS

    def __str__(self) -> str:
        for size, unit in ((10080, "w"), (1440, "d"), (60, "h")):
            if self.minutes % size == 0:
                return f"{self.minutes // size}{unit}"
        return f"{self.minutes}m"


@dataclass(frozen=True, slots=True)
class Cell:
    """격자의 한 칸: 신호를 내는 LTF와 추세를 거르는 HTF(없을 수 있다)."""

    ltf: Timeframe
    htf: Timeframe | None = None

    def __str__(self) -> str:
        return str(self.ltf) if self.htf is None else f"{self.ltf}@{self.htf}"

    @property
    def slug(self) -> str:
        """`1m_15m`."""
        return str(self).replace("@", "_")


def parse_timeframe(text: str) -> Timeframe:
    """`1m`, `60`, `1H`를 읽는다. 틀리면 TimeframeError."""
    stripped = text.strip()
    match = _PATTERN.fullmatch(stripped)
    if match is None:
        raise TimeframeError(f"'{stripped}'은(는) 시간 단위가 아닙니다. 예: 1m, 15m, 1h, 4h, 1d")
    count, unit = int(match[1]), match[2]
    if unit == "M":
        raise TimeframeError(f"'{stripped}'은(는) 달(month)이라 쓸 수 없습니다. 분이면 {count}m")
    if unit and unit not in _UNITS:
        raise TimeframeError(f"'{stripped}'의 단위 '{unit}'을(를) 모릅니다. m, h, d, w 가운데 하나")
    minutes = count * _UNITS.get(unit, 1)
    if not 1 <= minutes <= MAX_MINUTES:
        raise TimeframeError(f"'{stripped}'은(는) 1m 이상 1w 이하가 아닙니다")
    return Timeframe(minutes)


def parse_cell(text: str) -> Cell:
    """`1m@15m` 또는 `1m`을 읽는다. HTF는 LTF보다 크고 그 정수배여야 한다. 틀리면 TimeframeError."""
    ltf_text, at, htf_text = text.partition("@")
    ltf = parse_timeframe(ltf_text)
    if not at:
        return Cell(ltf)
    htf = parse_timeframe(htf_text)
    if htf <= ltf:
        raise TimeframeError(f"'{text.strip()}': HTF {htf}은(는) LTF {ltf}보다 커야 합니다")
    if htf.minutes % ltf.minutes:
        raise TimeframeError(
            f"'{text.strip()}': HTF {htf}({htf.minutes}분)은(는) LTF {ltf}({ltf.minutes}분)의 정수배가 아닙니다"
        )
    return Cell(ltf, htf)


def parse_grid(text: str) -> tuple[Cell, ...]:
    """격자를 읽는다. 빈 격자와 겹치는 칸은 TimeframeError."""
    cells = [parse_cell(part) for part in re.split(r"[,;\n]", text) if part.strip()]
    if not cells:
        raise TimeframeError("시간 격자가 비었습니다. 예: 1m@15m,1m@1h")
    seen: set[Cell] = set()
    for cell in cells:
        if cell in seen:
            raise TimeframeError(f"'{cell}' 칸이 두 번 있습니다")
        seen.add(cell)
    return tuple(cells)


def format_grid(cells: tuple[Cell, ...]) -> str:
    """`1m@15m,1m@1h`."""
    return ",".join(str(cell) for cell in cells)
