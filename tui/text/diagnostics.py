"""진단 화면의 글."""

from __future__ import annotations

PATH = ("진단",)
HELP = (
    "저장소 연결을 차례대로 점검합니다. 막힌 단계를 고르면 원인과 해결이 아래에 보입니다.\n"
    "해결이 길면 Tab으로 아래로 가서 화살표로 봅니다."
)
RERUN = ("다시 점검", "처음부터 다시 점검합니다")
REMEDY = ("고치기", "이 문제를 한 걸음에 고칩니다(할 수 있을 때)")
COPY_REPORT = ("보고서 복사", "점검 결과를 비밀번호를 가려 복사합니다")

COLUMNS = ("단계", "판정", "ms", "본 것")
STATUS = {"ok": "정상", "warn": "주의", "fail": "실패", "skip": "건너뜀"}
RUNNING = "점검 중"
ALL_OK = "모두 정상입니다"
SOME_WARN = "쓸 수 있습니다. 주의할 것이 {n}개 있습니다"
FAILED = "'{step}' 단계에서 막혔습니다"
BROKEN = "점검하는 프로그램이 끝까지 돌지 못했습니다"
STARTED_ELSEWHERE = "내장 PostgreSQL을 켰습니다. 이 주소와는 다른 서버이므로 새 실행의 저장소 단계에서 '내장 PostgreSQL'을 고르세요"
CHOSEN_RULES = {
    "url": "적은 주소",
    "embedded": "고른 내장 PostgreSQL",
    "sqlite": "고른 SQLite 파일",
}
STUDY_RULE = "보던 스터디의 저장소"
RULE = "{url}   ({rule})"
EMPTY = "점검을 시작합니다"
NO_REMEDY = "이 단계에는 한 걸음 해결이 없습니다. 해결의 명령을 따라 주세요"
REMEDIES = {
    "start_embedded": (
        "내장 PostgreSQL 켜기",
        "내장 PostgreSQL을 켭니다. 다음 실행의 저장소 단계에서 고를 수 있습니다.",
    ),
    "create_database": ("데이터베이스 만들기", "없는 데이터베이스를 만듭니다."),
    "upgrade_schema": (
        "스키마 올리기",
        "Optuna의 표를 지금 판에 맞게 올립니다. 먼저 백업을 권합니다.",
    ),
    "clear_dead_trials": ("멈춘 시행 정리", "주인이 사라진 RUNNING 시행을 FAIL로 바꿉니다."),
}
REMEDY_HINT = "F6 {name}"
REMEDY_RUNNING = "{name}: 하는 중"
REMEDY_DONE = "{name}: 했습니다"
