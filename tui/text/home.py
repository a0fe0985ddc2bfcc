"""처음 화면의 글."""

from __future__ import annotations

from tui.text import common

PATH = ("처음",)
HELP = "새 실행을 시작하거나, 진행 중이거나 지난 실행을 골라 다시 봅니다."
NEW_RUN = ("새 실행", "심볼부터 차례로 골라 최적화를 시작합니다")
OPEN = ("열기", "고른 것을 엽니다")
STUDIES = ("스터디", "저장소의 모든 스터디를 봅니다")
REFRESH = ("새로고침", "목록을 다시 읽습니다")

NEW_ROW_DETAIL = (
    "심볼, 시간 격자, 저장소, 전략을 차례로 고릅니다",
    "Enter만 눌러도 알맞은 기본값으로 끝까지 갑니다",
)
DETAIL_RUNNING = "Enter로 진행 중인 실행을 이어서 봅니다. 화면을 닫아도 실행은 계속됩니다"
DETAIL_ENDED = "Enter로 시행과 최고를 다시 봅니다"
DETAIL = "시간 격자 {cells}, {folder}"
NEW_ROW = "새 실행 시작"
RUNNING = "진행 중"
RECENT = "지난 실행"
EMPTY = "아직 실행이 없습니다. Enter를 누르면 첫 실행을 준비합니다. 모든 단계에 알맞은 기본값이 있습니다."
SUMMARY = "진행 중 {running}개, 지난 실행 {recent}개"

COLUMNS = ("심볼", "시간 격자", "상태", "끝난 시행", "최고 점수", "마지막 기록")
STATES = common.RUN_STATES
NO_SCORE = "-"
JUST_NOW = "방금"
MINUTES_AGO = "{n}분 전"
HOURS_AGO = "{n}시간 전"
DAYS_AGO = "{n}일 전"
