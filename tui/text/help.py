"""도움말 창과 명령 목록의 글."""

from __future__ import annotations

TITLE = "도움말"
FOCUSED = "지금 칸의 글쇠"
SCREEN = "이 화면의 글쇠"
APP = "어디서나"
FOOT = "한글 자판이 켜져 있어도 글쇠는 그대로 듣습니다."
PALETTE_TITLE = "명령"
PALETTE_PLACEHOLDER = "찾을 명령을 입력하세요 (초성도 됩니다)"
PALETTE_EMPTY = "맞는 명령이 없습니다"
