"""스터디 목록과 스터디 하나의 화면, 그 일들의 글."""

from __future__ import annotations

PATH = ("스터디",)
HELP = "아는 저장소의 모든 스터디입니다. Enter로 열고, /로 거르고, 고른 스터디를 더 실행하거나 내보내거나 복사합니다."
OPEN = ("열기", "고른 스터디의 시행을 봅니다. 읽지 못한 저장소면 까닭을 봅니다")
FILTER = ("거르기", "이름, 칸, 상태, 저장소에 글이 들어 있는 것만 봅니다. 초성도 됩니다")
ORDER = ("차례", "갱신, 이름, 시행 수, 최고 점수의 차례를 바꿉니다")
REFRESH = ("새로고침", "저장소를 다시 읽습니다")
EXTEND = ("더 실행", "이 스터디에 시행을 더합니다")
EXPORT = ("내보내기", "시행을 csv, parquet, json 파일로 씁니다")
RENAME = ("이름", "스터디의 이름을 바꿉니다")
COPY = ("복사", "다른 저장소에 복사합니다. 원본은 그대로입니다")
CLEAN = ("정리", "주인이 사라진 RUNNING 시행을 FAIL로 바꿉니다")
DELETE = ("지우기", "스터디와 시행을 지웁니다. 이름을 입력해야 지웁니다")
CLEAR_FILTER = ("뒤로", "거르기를 지우거나 앞 화면으로 갑니다")
ORDER_TRIALS = ("번호/최고순", "나중 시행부터, 또는 점수가 좋은 것부터 봅니다")

COLUMNS = ("이름", "칸", "상태", "시행", "최고", "저장소", "갱신")
STATES = {
    "running": "진행 중",
    "done": "완료",
    "idle": "멈춤",
    "empty": "비어 있음",
    "counting": "세는 중",
}
UNREADABLE = "읽지 못함"
SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
READING = "저장소를 읽습니다"
EMPTY = "스터디가 없습니다. 처음 화면에서 새 실행을 시작하면 여기에 남습니다."
NO_MATCH = "거르기에 맞는 스터디가 없습니다"
FAILURES_TITLE = "읽지 못한 저장소"
FILTER_LABEL = "거르기"
FILTER_HINT = "이름, 칸, 상태, 저장소   Esc 지우기"
COUNT = "스터디 {shown}개, 시행 {trials}개"
COUNT_FILTERED = "스터디 {total}개 가운데 {shown}개, 시행 {trials}개"
FAILURE_COUNT = "읽지 못한 저장소 {n}개"
SORTS = {
    "updated": "최근 것부터",
    "name": "이름순",
    "trials": "시행 많은 것부터",
    "best": "최고 점수순",
}
DETAIL_STRATEGY = "전략 {strategy}"
DETAIL_COUNTS = "완료 {complete:,}, 일찍 멈춤 {pruned:,}, 실패 {failed:,}, 끝나지 않음 {running:,}"
OTHER_TOOL = "다른 도구가 만든 스터디"
NO_SCORE, PARETO = "-", "파레토"

STUDY_PATH = "스터디"
STUDY_HELP = "저장된 시행입니다. 실행 화면과 같은 글쇠로 정렬하고 거르고 살핍니다."
STUDY_READING = "시행을 읽습니다"
STUDY_EMPTY = "시행이 없습니다"

MARK = ("고르기", "견줄 스터디를 고르거나 뺍니다")
COMPARE = ("견주기", "고른 스터디들을 나란히 봅니다. 먼저 Space로 둘에서 넷을 고릅니다")
COMPARE_HELP = "고른 스터디의 최고 시행을 나란히 봅니다. 서로 다른 값이 밝습니다."
COMPARE_PICK = "Space로 스터디를 둘에서 넷까지 고른 뒤에 견줍니다"
COMPARE_READING = "최고 시행을 읽습니다"
COMPARE_NOTE = "최고 시행(조건을 지킨 것이 먼저)의 지표와 파라미터입니다"
COMPARE_ITEM = "항목"
COMPARE_METRICS = "지표"
COMPARE_WITH_UNIT = "{label} ({unit})"
MARKED = "고른 것 {n}개 (c 견주기)"
MARK_SIGN = "* "
TWIN = "{name} ({place})"
ANALYSIS = ("분석", "파라미터의 중요도와, 값마다의 점수를 봅니다")
ANALYSIS_TITLE = "{name} 의 파라미터"
ANALYSIS_WORKING = "중요도를 잽니다"
ANALYSIS_NOTE = "중요도(PED-ANOVA): 점수가 좋은 10% 시행이 얼마나 가려 쓰는지를 잰 몫입니다"
ANALYSIS_FEW = "조건을 지킨 시행이 20개는 있어야 잽니다"
ANALYSIS_COLUMNS = ("파라미터", "중요도")
SLICE_TITLE = "{name} 의 값과 점수, 시행 {count:,}개"
SLICE_BEST = ", 최고 시행의 값 {value}"

WORKING = "{what}: 하는 중"
PROGRESS = "{what}: {done:,}/{total:,}"
LIST_FAILED = "스터디 목록을 읽지 못했습니다"
READ_FAILED = "스터디를 읽지 못했습니다"
COMMAND_FAILED = "하지 못했습니다: {what}"
BUSY = "앞의 일이 끝나면 다시 해 주세요"
PICK_STUDY = "스터디를 먼저 고르세요"

EXTEND_TITLE = "시행을 더할까요?"
EXTEND_BODY = "지금 {done:,}개가 있습니다. 스터디의 목표 총수를 적으면 모자란 만큼 더 실행합니다."
EXTEND_LABEL = "목표 총수"
EXTEND_BAD = "{done:,}보다 큰 수를 적어 주세요"
EXTEND_RUNNING = "이 스터디는 지금 실행 중입니다. 끝나거나 멈춘 뒤에 더할 수 있습니다"
EXTEND_OLD = "이 스터디의 설정을 찾지 못했습니다"
EXTEND_OLD_CAUSE = "실행의 기록(plan.json)이 없고 스터디에도 심볼과 칸이 적혀 있지 않습니다"
EXTEND_OLD_FIX = "새 실행에서 같은 설정을 고르고 --study-name {name} 을 주세요"

EXPORT_TITLE = "어디에 내보낼까요?"
EXPORT_BODY = "확장자가 꼴을 정합니다: .csv, .parquet, .json"
EXPORT_LABEL = "파일"
EXPORT_BAD = "확장자는 .csv, .parquet, .json 가운데 하나입니다"
EXPORT_OVERWRITE_TITLE = "덮어쓸까요?"
EXPORT_OVERWRITE_BODY = "{path} 파일이 이미 있습니다."
EXPORTED = "내보냈습니다: {path}"

RENAME_TITLE = "새 이름"
RENAME_BODY = "'{name}'의 이름을 바꿉니다. 시행은 그대로입니다."
RENAME_LABEL = "이름"
RENAME_BAD = "지금과 다른 이름을 적어 주세요"
RENAMED = "이름을 바꿨습니다: {name}"

DELETE_TITLE = "스터디를 지울까요?"
DELETE_BODY = (
    "{storage} 의 '{name}' 과(와) 시행 {trials:,}개를 지웁니다. 되돌릴 수 없습니다. "
    "지우려면 이름을 그대로 입력하세요."
)
DELETE_LABEL = "이름"
DELETE_BAD = "이름이 같지 않습니다"
DELETED = "지웠습니다: {name}"

CLEAN_TITLE = "멈춘 시행을 정리할까요?"
CLEAN_BODY = "시작한 지 1시간이 지난, 주인이 사라진 RUNNING 시행을 FAIL로 바꿉니다. 끝난 시행은 그대로입니다."
CLEANED = "정리했습니다: {name}"

COPY_TITLE = "어디로 복사할까요?"
COPY_BODY = "'{name}' 을(를) 복사합니다. 끊겨도 다시 하면 이어집니다."
COPY_OTHER = "다른 저장소: URL이나 SQLite 파일을 적습니다"
COPY_OTHER_TITLE = "복사할 저장소"
COPY_OTHER_BODY = (
    "PostgreSQL URL 또는 SQLite 파일의 경로입니다. 적은 것은 보이지 않으며 어디에도 남지 않습니다."
)
COPY_OTHER_LABEL = "URL이나 파일"
COPY_BAD = "URL이나 파일을 적어 주세요"
COPIED = "복사했습니다: {name}"
COPY_SAME = "이미 같은 것이 있습니다: {name}"
STORAGE_COLUMN = "저장소"

FORM_OK = ("확인", "적은 것으로 합니다")

UNKNOWN_STORAGE = "이 저장소의 비밀번호를 모릅니다"
UNKNOWN_STORAGE_FIX = "환경 변수나 ~/.pgpass 에 비밀번호를 두고 다시 시작하세요"
