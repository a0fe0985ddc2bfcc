"""화면 설정의 글."""

from __future__ import annotations

TITLE = "설정"
INTRO = "화면 설정입니다. 바꾸면 바로 저장되고 다음 시작에도 이어집니다."
THEME = ("테마", "바탕을 어둡게 또는 밝게")
THEME_NAMES = {"dark": "어두움", "light": "밝음"}
DENSITY = ("밀도", "줄과 줄 사이")
DENSITY_NAMES = {"comfortable": "넉넉하게", "compact": "촘촘하게"}
MOUSE = ("마우스", "다음 시작부터 적용됩니다")
ANIMATION = ("애니메이션", "느린 연결에서는 끄세요")
ON_OFF = {"on": "켬", "off": "끔"}
HELP = "왼쪽·오른쪽 글쇠로 값을 바꾸고 위·아래로 줄을 옮깁니다."
FILE = "설정 파일"
