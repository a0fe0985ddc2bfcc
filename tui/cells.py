"""글의 너비: 글자 수가 아니라 칸 수로 재고, 넘치면 `…`로 자른다.

바깥에서 온 글(오류, 스터디 이름)은 `plain`을 거쳐 제어 문자와 escape를 지우고, 한글 단말기에서
두 칸으로 그려지곤 하는 부호(가운뎃점, 화살표)를 한 칸짜리로 바꾼다.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from rich.cells import cell_len, chop_cells, set_cell_size

Align = Literal["left", "right", "center"]
ELLIPSIS = "…"
# C1의 CSI(0x9b)와 OSC(0x9d)도 같은 것이다.
_ESCAPE = re.compile(
    r"\x9b[0-?]*[ -/]*[@-~]|\x9d[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])"
)

_MIDDLE_DOT = re.compile(r" ?· ?")
# 유니코드의 East Asian Ambiguous 가운데 글에 나오는 것들.
_NARROW = str.maketrans(
    {"•": "*", "×": "x", "÷": "/", "±": "+-", "≥": ">=", "≤": "<=", "≠": "!=", "→": "->", "←": "<-",
     "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "※": "*"}
)  # fmt: skip


def printable(text: str) -> str:
    """escape 열과 제어 문자를 지운 한 줄. 줄바꿈과 탭은 빈칸이 된다."""
    flat = re.sub(r"[\r\n\t]+", " ", _ESCAPE.sub("", text))
    return "".join(char for char in flat if char.isprintable())


def plain(text: str) -> str:
    """한 줄의 보일 글: `printable`에, 너비가 애매한 부호는 너비가 정해진 것으로."""
    return _MIDDLE_DOT.sub(", ", printable(text)).translate(_NARROW)


def plain_lines(text: str) -> str:
    """여러 줄의 안전한 글: 줄마다 `plain`."""
    return "\n".join(plain(line) for line in text.splitlines())


def cut(text: str, width: int) -> str:
    """칸 수가 width를 넘으면 `…`로 끝나게 자른다. width가 0 이하면 빈 글."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    if width == 1:
        return ELLIPSIS
    return set_cell_size(text, width - 1).rstrip() + ELLIPSIS


def fit(text: str, width: int, align: Align = "left") -> str:
    """정확히 width 칸의 글: 모자라면 채우고 넘치면 자른다."""
    shown = cut(text, width)
    gap = max(0, width - cell_len(shown))
    if align == "right":
        return " " * gap + shown
    if align == "center":
        return " " * (gap // 2) + shown + " " * (gap - gap // 2)
    return shown + " " * gap


def wrap(text: str, width: int) -> list[str]:
    """width 칸으로 줄을 나눈다. 낱말 사이에서 나누고, 한 낱말이 넘치면 글자에서 나눈다."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        lines += _wrap_words(paragraph.split(" "), max(2, width))
    return lines


def _wrap_words(words: Iterable[str], width: int) -> list[str]:
    lines, line = [], ""
    for word in words:
        candidate = f"{line} {word}" if line else word
        if cell_len(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        *full, line = chop_cells(word, width) or [""]
        lines += full
    return [*lines, line]
