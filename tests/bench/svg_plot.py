"""선 그림 하나를 SVG로. 표준 라이브러리만 쓰며, 밝은 화면과 어두운 화면에서 모두 읽힌다.

글꼴은 보는 컴퓨터의 한글 글꼴이다. 색은 `prefers-color-scheme`를 따른다.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 76, 58
_STYLE = """
.back{fill:#ffffff}.frame{fill:none;stroke:#8c959f}.grid{stroke:#d8dee4}
text{fill:#1f2328;font-family:"Noto Sans KR","Nanum Gothic","Apple SD Gothic Neo","Malgun Gothic",sans-serif;font-size:13px}
.title{font-size:16px;font-weight:600}.note{fill:#59636e}
.line{fill:none;stroke-width:2.2}
.c0{stroke:#0969da}.f0{fill:#0969da}.c1{stroke:#bc4c00}.f1{fill:#bc4c00}.c2{stroke:#1a7f37}.f2{fill:#1a7f37}
.goal{stroke:#cf222e;stroke-dasharray:6 4;stroke-width:1.4}.goaltext{fill:#cf222e}
@media (prefers-color-scheme: dark){
.back{fill:#0d1117}.frame{stroke:#6e7681}.grid{stroke:#21262d}
text{fill:#e6edf3}.note{fill:#9198a1}
.c0{stroke:#58a6ff}.f0{fill:#58a6ff}.c1{stroke:#f0883e}.f1{fill:#f0883e}.c2{stroke:#3fb950}.f2{fill:#3fb950}
.goal{stroke:#ff7b72}.goaltext{fill:#ff7b72}
}
"""


@dataclass(frozen=True)
class Line:
    """이름과 점들(x, y). x가 커지는 차례."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """label: 뜻과 단위. ticks: (값, 글)들, 작은 것부터. log면 모든 값이 0보다 크다."""

    label: str
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def place(self, value: float) -> float:
        """양 끝 tick을 0과 1로 본 자리."""
        low, high = self.ticks[0][0], self.ticks[-1][0]
        if self.log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)


@dataclass(frozen=True)
class Goal:
    """가로로 긋는 목표."""

    y: float
    text: str


def draw(
    title: str, note: str, x: Axis, y: Axis, lines: Sequence[Line], goals: Sequence[Goal] = ()
) -> str:
    """SVG 글. note: 제목 밑의 조건 한 줄. lines는 셋까지."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        _text(_LEFT, 26, title, "title", "start"),
        _text(_LEFT, 46, note, "note", "start"),
    ]
    for value, text in x.ticks:
        at = _x(x, value)
        parts.append(_segment(at, _TOP, at, HEIGHT - _BOTTOM, "grid"))
        parts.append(_text(at, HEIGHT - _BOTTOM + 18, text, "note", "middle"))
    for value, text in y.ticks:
        at = _y(y, value)
        parts.append(_segment(_LEFT, at, WIDTH - _RIGHT, at, "grid"))
        parts.append(_text(_LEFT - 8, at + 4, text, "note", "end"))
    inner = (WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM)
    parts.append(
        f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{inner[0]}" height="{inner[1]}"/>'
    )
    parts.append(_text(_LEFT + inner[0] / 2, HEIGHT - 14, x.label, "", "middle"))
    parts.append(
        f'<text transform="translate(18 {_TOP + inner[1] / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y.label)}</text>'
    )
    for goal in goals:
        at = _y(y, goal.y)
        parts.append(_segment(_LEFT, at, WIDTH - _RIGHT, at, "goal"))
        parts.append(_text(WIDTH - _RIGHT - 6, at - 6, goal.text, "goaltext", "end"))
    for index, line in enumerate(lines):
        parts += _drawn(line, index, x, y)
        parts.append(_text(_LEFT + 26 + 220 * index, _TOP - 10, line.name, "", "start"))
        parts.append(_segment(_LEFT + 2 + 220 * index, _TOP - 14, _LEFT + 20 + 220 * index, _TOP - 14, f"line c{index}"))  # fmt: skip
    return "\n".join([*parts, "</svg>", ""])


def _drawn(line: Line, index: int, x: Axis, y: Axis) -> list[str]:
    spots = [(_x(x, a), _y(y, b)) for a, b in line.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in spots)
    dots = [f'<circle class="f{index}" cx="{a:.1f}" cy="{b:.1f}" r="3.4"/>' for a, b in spots]
    return [f'<polyline class="line c{index}" points="{path}"/>', *dots]


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - axis.place(value) * (HEIGHT - _TOP - _BOTTOM)


def _segment(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )
