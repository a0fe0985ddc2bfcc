"""탐색 공간의 글."""

from __future__ import annotations

PATH = "탐색 공간"
HELP = (
    "전략이 찾을 파라미터와 그 범위입니다. Enter로 좁히거나 한 값으로 고정하고, Del로 되돌립니다.\n"
    "차원이 적을수록 같은 시행 수로 더 촘촘히 찾습니다."
)
QUESTION = "{strategy}: 차원 {dimensions}개, 조합 {size}"
ENDLESS = "셀 수 없음"
LOADING = "전략을 읽고 있습니다"
FAILED = "탐색 공간을 읽지 못했습니다"
COLUMNS = ("파라미터", "범위", "간격", "상태", "조건", "뜻")
EDIT = ("좁히기", "이 파라미터의 범위를 좁히거나 한 값으로 고정합니다")
RESET = ("되돌리기", "이 파라미터를 처음 범위로 되돌립니다")
RESET_ALL = ("모두 되돌리기", "모든 파라미터를 처음 범위로 되돌립니다")
RESET_DONE = "{name}: 처음 범위로 되돌렸습니다"
RESET_ALL_DONE = "모두 처음 범위로 되돌렸습니다"
STATES = {"searched": "탐색", "fixed": "고정", "off": "꺼짐"}
CHANGED = "바꿈"
ALWAYS = "늘 켜짐"
CONDITION = "켜지는 조건: {text}"
BEFORE = "처음 범위: {text}"
LOG_STEP = "log"
CONTINUOUS = "연속"

LOW = ("낮은 값", "이 값부터")
HIGH = ("높은 값", "이 값까지")
FIXED = ("고정 값", "적으면 이 값만 씁니다")
IN, OUT = "넣음", "뺌"
TRUE, FALSE = "켬 (true)", "끔 (false)"
SAVE = ("적용", "이대로 좁힙니다")
NOT_A_NUMBER = "수가 아닙니다: {text}"
EMPTY_BOUNDS = "낮은 값과 높은 값을 적거나, 고정 값을 적으세요"
