"""새 실행을 준비하는 단계들의 글."""

from __future__ import annotations

PATH = "새 실행"
STEPS = ("심볼", "시간 격자", "저장소", "전략과 병렬", "확인")
STEP_OF = "{index}/{total} 단계"
NEXT = ("다음", "이 단계를 마치고 다음으로 갑니다")
BACK = ("뒤로", "앞 단계로 돌아갑니다. 고른 것은 그대로입니다")
SCROLL_UP = ("위로", "가려진 위쪽을 봅니다")
SCROLL_DOWN = ("아래로", "가려진 아래쪽을 봅니다")
START = ("시작", "최적화를 시작합니다")
START_FAILED = "실행을 시작하지 못했습니다"
START_FAILED_FIX = "studies/ 폴더에 쓸 수 있는지 보세요: ls -ld studies"

# ── 심볼
SYMBOL_HELP = (
    "최적화할 종목을 고릅니다. 글을 입력하면 목록이 좁혀지고, 목록에 없는 종목도 그대로 쓸 수 있습니다.\n"
    "BINANCE:BTCUSDT는 현물, 끝에 .P가 붙으면 무기한 선물, DEMO:는 합성 데모입니다."
)
SYMBOL_QUESTION = "어느 종목을 최적화할까요?"
SYMBOL_FILTER = "찾기"
SYMBOL_PLACEHOLDER = "이름이나 심볼 (예: 비트, ㅂㅌ, ethusdt.p)"
SYMBOL_COLUMNS = ("심볼", "이름", "시장", "캐시에 있는 캔들")
FREE_ENTRY = "직접 입력"
GROUP_RECENT, GROUP_CACHED, GROUP_CATALOG = "최근", "캐시에 있는 종목", "목록"
NO_CACHE = "-"
NO_MATCH = "맞는 종목이 없습니다. 거래소:종목 꼴로 직접 쓸 수 있습니다"
PERIOD_FIELD = "기간"
PERIOD_HINT = "YYYY-MM-DD (UTC), 비우면 자동"
FILE_FIELD = "캔들 파일"
FILE_HINT = "csv, csv.gz, parquet, arrow, zip. 비우면 캐시와 거래소"
START_PLACEHOLDER = "시작"
END_PLACEHOLDER = "끝"
SOURCE_CACHED = "캐시의 캔들을 씁니다: {period} ({bars:,}개)"
SOURCE_CACHED_PART = "캐시의 캔들을 씁니다: {part} (캐시에는 {period})"
SOURCE_FILE = "파일의 캔들을 씁니다"
SOURCE_FILE_NAMED = "파일의 캔들을 씁니다: {path}"
SOURCE_FILE_MISSING = "그 파일이 없습니다: {path}"
SOURCE_DOWNLOAD_REST = (
    "캐시에 {period}이 있고, 모자란 날은 {exchange}에서 내려받습니다 (실행이 시작되면 받습니다)"
)
SOURCE_SHORT = (
    "고른 기간이 캐시에 다 있지 않고 {exchange}에 닿지 못합니다. 캐시에 있는 기간: {period}"
)
SOURCE_CCXT = "{exchange}에서 ccxt로 내려받습니다 (실행이 시작되면 받습니다)"
SOURCE_DEMO_FILE = "합성 데모는 캔들 파일과 함께 쓸 수 없습니다. 파일의 종목을 고르세요"
OFFLINE = "거래소에 묻지 않도록 정해져 있습니다(설정 data.offline)"
SOURCE_DEMO = "만든 캔들이며 실제 시세가 아닙니다. 모든 화면에 합성 데모라고 표시합니다"
SOURCE_PROBING = "{exchange}에 닿는지 확인하고 있습니다"
SOURCE_DOWNLOAD = "{exchange}에서 최근 365일을 내려받습니다 (실행이 시작되면 받습니다)"
SOURCE_DOWNLOAD_PERIOD = "{exchange}에서 고른 기간을 내려받습니다 (실행이 시작되면 받습니다)"
SOURCE_UNREACHABLE = "{exchange}에 닿지 못하고 캐시도 비었습니다. Enter를 누르면 합성 데모로 갑니다"
SOURCE_UNREACHABLE_DETAIL = "까닭: {reason}"
SOURCE_UNKNOWN_EXCHANGE = "{exchange}의 캔들은 ccxt를 설치해야 내려받고 캐시도 비었습니다. 캔들 파일을 주거나 다른 종목을 고르세요"
WAIT_PROBE = "확인이 끝나면 다음으로 갑니다"
BAD_DATE = "날짜는 2024-01-31처럼 YYYY-MM-DD로 씁니다"
FUTURE_START = "시작 날짜가 아직 오지 않았습니다"
BAD_PERIOD = "끝 날짜는 시작 날짜보다 뒤여야 합니다"
RETEST = ("다시 확인", "연결을 다시 확인합니다")

# ── 시간 격자
GRID_HELP = (
    "신호를 내는 LTF(줄)와 추세를 거르는 HTF(열)를 고릅니다. 켠 칸마다 스터디가 하나씩 생깁니다.\n"
    "화살표로 옮기고 Space로 켜고 끕니다. 아래 글 칸에서 바로 고칠 수도 있습니다."
)
GRID_QUESTION = "어느 시간 단위를 겨룰까요?"
GRID_HINT = "줄은 신호를 내는 LTF, 열은 추세를 거르는 HTF입니다"
GRID_TOGGLE = ("켜기/끄기", "지금 칸을 켜거나 끕니다")
GRID_TEXT = "격자"
GRID_NO_HTF = "없음"
GRID_COUNT = "칸 {count}개, 스터디 {count}개"
GRID_CELL_ON = "{cell}: 켬"
GRID_CELL_OFF = "{cell}: 끔"
GRID_CELL_IMPOSSIBLE = "쓸 수 없는 칸입니다. {reason}"
GRID_HTF_NOT_LARGER = "HTF {htf}은(는) LTF {ltf}보다 커야 합니다"
GRID_HTF_NOT_MULTIPLE = "HTF {htf}은(는) LTF {ltf}의 정수배여야 합니다"
GRID_OUTSIDE = "표에 없는 칸: {cells}"
GRID_MOVE = ("옮기기", "옆 칸으로 갑니다")

# ── 저장소
STORAGE_HELP = (
    "시행을 어디에 저장할지 고릅니다. 고르는 동안 연결을 시험해 보여 줍니다.\n"
    "PostgreSQL은 여러 작업과 여러 컴퓨터가 함께 쓸 수 있고, SQLite는 준비 없이 파일 하나에 씁니다."
)
STORAGE_QUESTION = "시행을 어디에 저장할까요?"
STORAGE_COLUMNS = ("저장소", "자리", "상태")
STORAGE_AUTO = {
    "yaml_env": "환경 변수 {env}",
    "cli_env": "환경 변수 {env}",
    "yaml_url": "설정 파일의 URL",
    "pointer": "지난 실행의 저장소",
    "default": "기본 PostgreSQL",
}
STORAGE_ENV = "PostgreSQL, 환경 변수로"
STORAGE_ENV_PLACE = "변수의 이름을 적습니다"
STORAGE_URL = "PostgreSQL, 주소로"
STORAGE_URL_PLACE = "서버와 비밀번호를 적습니다"
STORAGE_EMBEDDED = "내장 PostgreSQL"
STORAGE_SQLITE = "SQLite 파일"
STORAGE_SQLITE_PLACE = "studies/<스터디>/<스터디>.db"
EMBEDDED_PLACE = {
    "running": "켜져 있습니다",
    "stopped": "Enter를 누르면 켭니다",
    "absent": "Enter를 누르면 만들어 켭니다",
    "unusable": "이 컴퓨터에는 설치되지 않았습니다",
}
STORAGE_STATES = {
    "": "",
    "idle": "",
    "testing": "시험 중",
    "ok": "연결됨",
    "failed": "실패",
    "ready": "준비됨",
    "starting": "켜는 중",
    "incomplete": "입력 필요",
}
ENV_NAME = "변수 이름"
ENV_HINT = "URL을 둔 셸이나 .env의 변수"
ENV_MISSING = "환경 변수 {name}이(가) 없습니다"
ENV_MISSING_FIX = (
    ".env 파일에 적고 F5: {name}=postgresql://사용자:비밀번호@127.0.0.1:5432/optuna\n"
    "셸에서 export했으면 화면을 닫고 그 셸에서 ./시작"
)
ENV_EMPTY = "변수의 이름이 비었습니다"
ENV_EMPTY_FIX = "예: OPTUNA_STORAGE"
FIELD_HOST, FIELD_PORT, FIELD_DATABASE = "서버", "포트", "데이터베이스"
FIELD_USER, FIELD_PASSWORD = "사용자", "비밀번호"
URL_HINT = "URL을 통째로 붙여 넣어도 됩니다"
BAD_PORT = "포트는 1에서 65535 사이의 수여야 합니다"
URL_UNFINISHED = "URL을 끝까지 적고 Tab을 누르면 칸마다 나눕니다"
PASSWORD_HINT = "가려서 보이고 저장하지 않습니다"  # noqa: S105
TEST_TITLE = "연결 시험"
TEST_LATENCY = "왕복 시간 "
TEST_CAUSE = "원인: {text}"
TEST_FIX = "해결: {text}"
TEST_WAIT = "시험이 끝나면 다음으로 갑니다"
TEST_MORE = "자세한 점검은 F9"
FALLBACK_EMBEDDED = "기본 PostgreSQL이 없습니다. Enter를 누르면 내장 PostgreSQL에 저장합니다"
FALLBACK_SQLITE = "기본 PostgreSQL이 없습니다. Enter를 누르면 SQLite 파일에 저장합니다"
STORAGE_NOT_READY = "이 저장소는 지금 쓸 수 없습니다. 다른 것을 고르거나 F5로 다시 시험하세요"
STORAGE_RULE = "고른 까닭: {rule}"
EMBEDDED_STARTING = "내장 PostgreSQL을 켜고 있습니다. 처음에는 몇 초 걸립니다"
SQLITE_NOTE = "시행은 한 프로세스가 모아 쓰므로 작업 수가 많아도 잠기지 않습니다"

# ── 병렬
PARALLEL_HELP = (
    "한꺼번에 돌릴 작업의 수와 시행의 수를 정합니다. 기본값은 이 컴퓨터에 맞춘 것입니다.\n"
    "위·아래로 칸을 옮기고, < > 표시가 있는 칸은 왼쪽·오른쪽으로 바꿉니다."
)
PARALLEL_QUESTION = "얼마나, 어떻게 찾을까요?"
STRATEGY = ("전략", "F6  파라미터와 범위")
STRATEGY_NARROWED = "F6  파라미터 {count}개를 바꿈"
OPEN_SPACE = ("탐색 공간", "전략의 파라미터마다 탐색할 범위를 보고 좁힙니다")
N_TRIALS = ("시행 수", "스터디마다의 목표 총수")
SAMPLER = ("탐색 방법", "다음 파라미터를 고르는 방법")
N_JOBS = ("작업 수", "-1은 모든 코어 ({cores}개)")
DATASET_JOBS = ("동시 칸 수", "0은 모든 칸을 함께")
SEED = ("seed", "비우면 매번 다릅니다")
STUDY_NAME = ("스터디 이름", "비우면 심볼과 칸에서 정합니다")
EXECUTOR = ("계산할 곳", "또는 dask로 이은 여러 컴퓨터")
EXECUTOR_NAMES = {"local": "이 컴퓨터", "dask": "dask 클러스터"}
SCHEDULER = ("scheduler", "예: tcp://192.168.0.10:8786")
BAD_SCHEDULER = "dask scheduler의 주소를 적어 주세요 (예: tcp://192.168.0.10:8786)"
CLUSTER_TESTING = "dask 클러스터에 닿는지 봅니다"
CLUSTER_OK = "dask 작업자 {n}개: {hosts}"
CLUSTER_HOST = "{host} {n}"
CLUSTER_FAILED = "dask 클러스터를 확인하지 못했습니다"
VALIDATION = ("검증", "F7  나누지 않음")
VALIDATION_HINT = "F7  {text}"
OPEN_VALIDATION = ("검증", "학습과 검증을 어떻게 나눌지 정합니다")
VALIDATION_TITLE = "학습과 검증을 어떻게 나눌까요?"
VALIDATION_METHOD = "방법"
VALIDATION_METHODS = {
    "hold_out": "hold-out",
    "walk_forward": "walk-forward",
    "purged_kfold": "purged k-fold",
    "cpcv": "CPCV",
    "none": "나누지 않음",
}
VALIDATION_ABOUT = {
    "hold_out": "뒤의 일부를 검증에 남깁니다. 가장 빠르고 알기 쉽습니다.",
    "walk_forward": "창을 앞으로 밀며, 창마다 앞에서 다시 최적화하고 뒤에서 검증합니다.",
    "purged_kfold": "기간을 여럿으로 나누어 하나씩 검증에 씁니다.",
    "cpcv": "묶음 몇 개를 고르는 모든 조합을 검증에 씁니다. 과최적화 확률(PBO)을 잽니다.",
    "none": "모든 기간으로 고릅니다. 점수를 믿기 어렵습니다.",
}
VALIDATION_NUMBERS = {
    "windows": ("창의 수", "앞으로 미는 창"),
    "window": ("학습의 시작", "따라가기, 또는 첫 날 고정"),
    "test_fraction": ("검증 비율 %", "기간(창)에서 검증의 몫"),
    "folds": ("묶음의 수", "하나씩 검증에 씁니다"),
    "groups": ("묶음의 수", "고르게 나눕니다"),
    "test_groups": ("검증 묶음", "한 번에 검증하는 묶음"),
    "embargo_days": ("embargo 날", "검증의 앞뒤에서 뺄 날"),
}
VALIDATION_WINDOWS = {"rolling": "rolling (따라감)", "anchored": "anchored (고정)"}
VALIDATION_NUMBER = "수가 필요합니다"
VALIDATION_RANGES = {"ge": "{limit} 이상이어야 합니다", "le": "{limit} 이하여야 합니다"}
STRATEGY_NAMES = {
    "squeeze_momentum": "스퀴즈 모멘텀",
    "ma_cross": "이동평균 교차",
    "donchian_breakout": "돈치안 돌파",
}
SAMPLER_NAMES = {
    "tpe": "TPE (기본)",
    "random": "무작위",
    "nsga2": "NSGA-II",
    "cmaes": "CMA-ES",
    "tpe_optuna": "TPE (Optuna 원본)",
}
PREFLIGHT_TITLE = "미리 보기"
PREFLIGHT_WORDS = {"ok": "알맞음", "warn": "빠듯함", "fail": "모자람", "unknown": "모름"}
PREFLIGHT_CORES = "코어 {cores}개에 작업 {jobs}개"
PREFLIGHT_MEMORY = "메모리 약 {need}, 남은 것 {free}"
PREFLIGHT_SQLITE = "SQLite는 한 프로세스가 모아 씁니다"
PREFLIGHT_TOTAL = "스터디 {cells}개 x 시행 {trials:,}번 = {total:,}번"
BAD_INT = "{label}: 정수가 필요합니다"
BAD_RANGE = "{label}: {low} 이상 {high:,} 이하여야 합니다"
BAD_JOBS = "작업 수는 1 이상이거나 -1(모든 코어)입니다"

# ── 확인
REVIEW_HELP = "고른 것을 한눈에 봅니다. Enter를 누르면 시작하고, c를 누르면 명령을 복사합니다."
REVIEW_QUESTION = "이대로 시작할까요?"
REVIEW_SYMBOL, REVIEW_DATA, REVIEW_GRID = "심볼", "캔들", "시간 격자"
REVIEW_PERIOD = ("기간", "{period} (UTC)")
REVIEW_SPACE = "탐색 공간"
REVIEW_STRATEGY, REVIEW_STORAGE, REVIEW_TRIALS = "전략", "저장소", "시행"
REVIEW_PARALLEL, REVIEW_COMMAND, REVIEW_ESTIMATE = "병렬", "명령", "예상"
REVIEW_VALIDATION = "검증"
REVIEW_CLUSTER = "dask {scheduler}, 작업자 {n}개"
REVIEW_CLUSTER_UNKNOWN = "dask {scheduler} (작업자를 확인하지 못했습니다)"
REVIEW_JOBS_ALL, REVIEW_JOBS_COUNT = "작업자 모두", "작업 {jobs}개"
REVIEW_MEASURING = "시행 몇 번을 돌려 재는 중"
REVIEW_MEASURED = "약 {time} (시행 하나에 {ms:.1f} ms, 이 컴퓨터에서 잰 것)"
REVIEW_MEASURED_PART = "칸 {done}/{total}개를 쟀습니다"
REVIEW_ESTIMATE_VALUE = "약 {time} (지난 실행의 속도로)"
REVIEW_UNMEASURED = "재지 못했습니다: {reason}"
MEASURE_FAILED = "시행을 재지 못했습니다"
SECONDS, MINUTES, HOURS = "{n}초", "{n}분", "{n:.1f}시간"
REVIEW_JOBS = "{jobs}, 동시 칸 {cells}"
REVIEW_ALL_CELLS = "모두"
REVIEW_TRIALS_VALUE = "스터디 {cells}개 x {trials:,}번, {sampler}, seed {seed}"
REVIEW_NO_SEED = "없음"
REVIEW_COPY = ("명령 복사", "이 실행의 명령을 복사합니다")
REVIEW_COPIED = "명령을 복사했습니다. 프로젝트 폴더에서 돌리세요"
REVIEW_COPIED_MASKED = "명령을 복사했습니다. ***로 가린 비밀번호를 채워 쓰세요"
REVIEW_STARTING = "시작하고 있습니다"
REVIEW_EXISTING = "이미 끝난 시행은 다시 돌리지 않습니다"
