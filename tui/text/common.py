"""모든 화면이 함께 쓰는 글."""

from __future__ import annotations

APP_NAME = "백테스트 마법사"
DEMO = "합성 데모"
NOT_A_TERMINAL = (
    "이 화면은 단말기에서 열어야 합니다. 화면 없이 쓰려면 ./시작 실행 --help 를 보세요."
)
DUMB_TERMINAL = "이 단말기(TERM=dumb)는 화면을 그리지 못합니다. 다른 단말기에서 열거나 ./시작 실행 --help 를 보세요."

MIN_WIDTH, MIN_HEIGHT = 60, 15
TOO_SMALL_TITLE = "창이 작습니다"
TOO_SMALL = f"적어도 {MIN_WIDTH}칸 {MIN_HEIGHT}줄이 필요합니다."
TOO_SMALL_NOW = "지금은 {width}칸 {height}줄입니다. 창을 키우면 그대로 이어집니다."

# 앱 어디서나 듣는 명령: (아래줄의 말, 도움말)
HELP = ("도움말", "지금 쓸 수 있는 글쇠를 봅니다")
PALETTE = ("명령", "모든 명령을 이름으로 찾아 실행합니다")
DIAGNOSTICS = ("진단", "저장소 연결을 차례대로 점검합니다")
QUIT = ("종료", "화면을 닫습니다. 진행 중인 실행은 계속됩니다")
INTERRUPT = ("복사", "고른 글을 복사합니다")
TOGGLE_THEME = ("테마", "밝은 테마와 어두운 테마를 바꿉니다")
TOGGLE_DENSITY = ("밀도", "줄 간격을 넓게 또는 좁게 바꿉니다")
SETTINGS = ("설정", "테마, 밀도, 마우스를 정합니다")
BACK = ("뒤로", "앞 화면으로 돌아갑니다")
CLOSE = ("닫기", "이 창을 닫습니다")
YES = ("예", "그렇게 합니다")
COPY = ("복사", "내용을 클립보드에 복사합니다")
RUN_COMMAND = ("실행", "고른 명령을 실행합니다")
NEXT_FIELD = ("다음 칸", "다음 칸으로 갑니다")
PREVIOUS_FIELD = ("앞 칸", "앞 칸으로 갑니다")

QUIT_HINT = "끝내려면 F10 또는 Ctrl+Q를 누르세요. 진행 중인 실행은 계속됩니다."
COPIED = "복사했습니다"
SAVE_FAILED = (
    "설정을 저장하지 못했습니다. 이번에는 그대로 쓰고 다음 시작에는 기본값으로 돌아갑니다."
)

# 실행의 상태
RUN_STATES = {
    "starting": "준비 중",
    "running": "진행 중",
    "done": "완료",
    "failed": "실패",
    "interrupted": "멈춤",
    "dead": "끊김",
}

ERROR_CAUSE = "원인"
ERROR_FIX = "해결"

# RowTable의 글쇠
ROW_UP = ("위로", "한 줄 위로 갑니다")
ROW_DOWN = ("아래로", "한 줄 아래로 갑니다")
ROW_PAGE_UP = ("한 쪽 위로", "한 쪽 위로 갑니다")
ROW_PAGE_DOWN = ("한 쪽 아래로", "한 쪽 아래로 갑니다")
ROW_FIRST = ("처음", "맨 위로 갑니다")
ROW_LAST = ("끝", "맨 아래로 갑니다")

# 글 칸의 글쇠: action → 도움말
FIELD_KEYS = {
    "cursor_left": "왼쪽으로 한 글자",
    "cursor_right": "오른쪽으로 한 글자",
    "cursor_left_word": "왼쪽으로 한 낱말",
    "cursor_right_word": "오른쪽으로 한 낱말",
    "home": "맨 앞으로",
    "end": "맨 뒤로",
    "delete_left": "왼쪽 글자 지우기",
    "delete_right": "오른쪽 글자 지우기",
    "delete_left_word": "왼쪽 낱말 지우기",
    "delete_left_all": "앞을 모두 지우기",
    "delete_right_all": "뒤를 모두 지우기",
    "select_all": "모두 고르기",
    "cut": "고른 글 잘라내기",
    "copy": "고른 글 복사",
    "paste": "붙여 넣기",
    "cursor_left(True)": "왼쪽으로 고르기",
    "cursor_right(True)": "오른쪽으로 고르기",
}
CHOICE_PREVIOUS = ("앞의 것", "앞 값을 고릅니다")
CHOICE_NEXT = ("바꾸기", "다음 값을 고릅니다")
EMPTY_TABLE = "보일 것이 없습니다"

# 글쇠의 이름
KEY_NAMES = {
    "enter": "Enter",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "up": "위",
    "down": "아래",
    "left": "왼쪽",
    "right": "오른쪽",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "delete": "Del",
    "backspace": "Backspace",
    "slash": "/",
}
