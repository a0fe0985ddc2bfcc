"""실행 화면의 글."""

from __future__ import annotations

from tui.text import common

PATH = ("실행",)
HELP = "시행이 끝나는 대로 표에 들어옵니다. 화면을 닫아도 실행은 계속되며 처음 화면에서 다시 열 수 있습니다."
PAUSE = ("보기 멈춤", "표를 멈춥니다. 실행과 기록은 계속됩니다. 다시 누르면 이어 봅니다")
ORDER = ("새것/최고순", "새로 끝난 것부터, 또는 점수가 높은 것부터 봅니다")
DETAIL = ("자세히", "고른 시행의 파라미터와 지표를 모두 봅니다")
FILTER = ("거르기", "글이나 조건(예: 완료 거래>=100 sharpe>1)에 맞는 시행만 봅니다")
STOP = ("멈추기", "실행을 멈춥니다. 끝난 시행은 모두 남습니다")
LOG = ("기록", "경고와 실행 기록을 봅니다")
LEAVE = ("나가기", "처음 화면으로 갑니다. 실행은 계속됩니다")
SORT_LEFT = ("왼쪽 열로", "정렬할 열을 왼쪽으로 옮깁니다")
SORT_RIGHT = ("오른쪽 열로", "정렬할 열을 오른쪽으로 옮깁니다")
INVERT = ("차례 뒤집기", "오름차순과 내림차순을 바꿉니다")
COPY_PARAMS = ("복사", "파라미터를 YAML로 복사합니다")
CLEAR_FILTER = ("거르기 지움", "거르기를 지우고 표로 돌아갑니다")

STATES = common.RUN_STATES
READING = "기록을 읽는 중 {share:.0%}"
TRIAL_STATES = {"COMPLETE": "완료", "PRUNED": "일찍 멈춤", "FAIL": "실패"}
INFEASIBLE = "조건 어김"

COLUMNS = (
    "번호",
    "칸",
    "상태",
    "점수",
    "학습",
    "검증",
    "순이익%",
    "Sharpe",
    "PF",
    "최대낙폭%",
    "승률%",
    "거래",
    "시간ms",
)
WAITING = "첫 시행을 기다립니다"
NO_TRIALS = "끝난 시행이 없습니다"
NO_MATCH = "거르기에 맞는 시행이 없습니다"
FILTER_LABEL = "거르기"
FILTER_HINT = "예: 완료 거래>=100 sharpe>1   Esc 지우기"
BAD_FILTER = "읽을 수 없는 조건: {text}"
COUNT = "시행 {shown}개"
COUNT_FILTERED = "시행 {total}개 가운데 {shown}개"
SORTED = "{column} {direction}"
DESCENDING, ASCENDING = "큰 것부터", "작은 것부터"
NEWEST = "새것부터"
PAUSED = "보기 멈춤: 실행은 계속됩니다"

BEST_TITLE = "최고 시행"
NO_BEST = "아직 조건을 만족한 시행이 없습니다"
EARLIER_BEST = "앞선 실행의 최고 {score} 를 아직 넘지 못했습니다. 그 시행은 스터디 화면에서 봅니다"
EARLIER_SHORT = "이 실행의 것 (앞선 실행의 최고 {score})"
PARAMS_TITLE = "파라미터"
COUNT_UNIT = "회"
TRIAL_TITLE, TRIAL_TITLE_ALONE = "시행 {number} ({cell})", "시행 {number}"
DETAIL_GONE = "이 시행의 기록을 읽지 못했습니다"

CELL_LINE = "{done:,}/{target:,}"
RATE = "{rate:.1f}/초"
QUIET = "{time}째 새 시행 없음"
ETA, ETA_SHORT = "남은 시간 {eta}", "{eta} 남음"
WORKERS = "작업자 {n}"
HOST = "{host} {n}"
IN_SAMPLE, OUT_OF_SAMPLE = "학습 점수", "검증 점수"
FOLD = ("나눔", "{n}번째")
BEST = "최고 {score}"
ALL_CELLS = "칸 {n}개"
STORAGE = "저장소 {storage}"
DATA_PROGRESS = "캔들 준비: {label} {done:,}/{total:,}"
DATA_PROGRESS_OPEN = "캔들 준비: {label}"
PREPARING = "실행을 준비합니다"
WARNINGS = "경고 {n}개 (l 기록): {title}"
SECONDS, MINUTES, HOURS = "{s}초", "{m}분 {s:02d}초", "{h}시간 {m:02d}분"

STOP_TITLE = "실행을 멈출까요?"
STOP_BODY = "도는 시행까지 마치고 멈춥니다. 끝난 시행은 저장되며 같은 설정으로 다시 실행하면 모자란 만큼만 이어집니다."
STOP_SENT = "멈추라고 알렸습니다. 도는 시행을 마치고 끝납니다"
STOPPING = "멈추는 중"
STOP_AGAIN_TITLE = "기다리지 않고 곧바로 끝낼까요?"
STOP_AGAIN_BODY = "이미 멈추는 중입니다. 곧바로 끝내면 도는 시행은 버립니다. 끝난 시행은 기록에 있어 다시 실행하면 저장됩니다."
STOP_GONE = "이미 끝난 실행입니다"
STOP_ELSEWHERE = "다른 컴퓨터({host})의 실행이라 여기서 멈출 수 없습니다"
LEFT = "실행은 계속됩니다. 처음 화면에서 다시 열 수 있습니다"

DONE = "끝났습니다: {count:,}개 시행, {found}"
FOUND = "최고 점수 {score} ({cell})"
FOUND_NONE = (
    "조건을 만족한 시행이 없습니다. 조건(objective.constraints)이나 탐색 범위를 넓혀 보세요"
)
FOUND_FRONT = "파레토 최적 {count:,}개 ({cell})"
NEXT = "다음: Enter로 시행을 살피고, 최선은 {folder}/best.yaml 에 있습니다"
NEXT_FRONT = "다음: o로 파레토 최적을 봅니다. 목록은 {folder}/front.csv 에 있습니다"
INTERRUPTED = "멈췄습니다. 끝난 시행은 모두 남아 있고, F6을 누르면 남은 시행을 이어 갑니다"
FAILED = "실행이 실패했습니다: {title}"
FAILED_SILENTLY = "실행이 시작하지 못하고 끝났습니다"
FAILED_MORE = "l 원인과 해결을 모두 보기"
FAILED_RESUME, FAILED_CHECK = ", F6 이어서 실행", ", F9 저장소 진단"
FAILED_NAME = ", 새 스터디로 하려면 새 실행의 4단계에서 스터디 이름을 적습니다"
FINISHING = "결과와 판정을 씁니다"
GOAL = "점수는 첫 목표 {label} ({way})"
DEAD = "실행이 갑자기 끊겼습니다. F6을 누르면 기록에서 되살려 남은 시행을 이어 갑니다"
DEAD_EARLY = "실행이 준비하다가 갑자기 끊겼습니다. 다시 실행하세요"
ADD = ("더 실행", "같은 설정으로 목표 시행 수를 늘려 이어서 실행합니다")
ADD_TITLE = "시행을 더할까요?"
ADD_BODY = "지금 목표는 칸마다 {target:,}개입니다. 새 목표 총수를 적으면 모자란 만큼 더 실행합니다."
RESUME_BODY = "칸마다 목표 {target:,}개 가운데 {done:,}개까지 끝났습니다. 목표 총수를 그대로 두면 남은 만큼, 늘리면 그만큼 더 실행합니다."
ADD_LABEL = "목표 총수"
ADD_BAD = "{target:,}보다 큰 수를 적어 주세요"
ADD_RUNNING = "아직 실행 중입니다. 끝나거나 멈춘 뒤에 더할 수 있습니다"
PLOTS = ("그림", "시행마다의 점수와 칸마다의 최고를 보이거나 감춥니다")
PLOTS_NO_ROOM = "그림을 둘 자리가 없습니다. 창을 더 높이면 보입니다"
EQUITY = ("평가금", "고른 시행의 평가금 곡선을 그립니다. 같은 설정과 캔들로 다시 셈합니다")
EQUITY_TITLE = "시행 {number} ({cell}) 의 평가금"
EQUITY_WORKING = "같은 설정과 캔들로 다시 셈합니다"
EQUITY_FAILED = "평가금을 셈하지 못했습니다"
EQUITY_EMPTY = "평가금이 없습니다"
EQUITY_NOTE = (
    "{start:,.0f} 에서 {end:,.0f} ({profit:+,.2f} %), "
    "날 기준 최대 낙폭 {drawdown:.2f} %, {days:,}일(UTC)"
)
EQUITY_TEST = "검증 {start} ~ {end} ({days:,}일): 그 동안 {profit:+,.2f} %"
EQUITY_TESTS = "검증 {start} ~ {end} 의 {parts}토막 ({days:,}일): 그 동안 {profit:+,.2f} %"
EQUITY_TRAIN, EQUITY_HELD = "학습", "검증"
EQUITY_NO_PLAN = "이 시행의 설정을 찾지 못해 다시 셈할 수 없습니다"
PLOT_TITLE = "시행마다의 점수"
PLOT_BEST = "그때까지의 최고 {score}"
PLOT_FLOOR, PLOT_CEILING = "맨 아랫줄은 낮은 5%", "맨 윗줄은 높은 5%"
PLOT_EMPTY = "점수가 있는 시행을 기다립니다"
PLOT_FIRST, PLOT_LAST = "첫 시행", "{n:,}번째"
MATRIX_TITLE = "칸마다의 최고 점수"
MATRIX_CORNER = "LTF/HTF"
MATRIX_NONE = "없음"

LOG_TITLE = "실행 기록"
LOG_EMPTY = "기록이 비었습니다"
WARNING_TITLE = "경고와 오류"
