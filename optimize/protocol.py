"""실행이 내보내는 사건(event)과 그 NDJSON 부호. 표준 라이브러리만 쓴다.

한 줄에 JSON 객체 하나: `v`(1), `ts`(UTC ISO 8601), `type`과 각 사건의 칸.
읽는 쪽은 모르는 type과 칸을 건너뛴다. `studies/<slug>/runs/<run_id>/events.ndjson`은
write-ahead log이기도 하다: `trial`은 저장소에 넣기 전에 적고, 넣은 뒤 `stored`를 적는다.
수는 모두 유한하다(NaN·무한대는 JSON이 아니므로 `encode`가 ValueError를 낸다).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, ClassVar

VERSION = 1

JsonValue = Any


@dataclass(frozen=True, slots=True)
class Event:
    """모든 사건의 뿌리."""

    type: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Hello(Event):
    """실행이 시작됨. 첫 사건."""

    type: ClassVar[str] = "hello"
    run_id: str
    pid: int
    version: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class PlanEvent(Event):
    """비밀번호를 가린 계획. command: 이 실행을 되풀이하는 명령 한 줄. plan: `Plan.masked()`."""

    type: ClassVar[str] = "plan"
    command: str
    plan: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class StudyEvent(Event):
    """한 칸의 스터디가 열림. done: 이미 끝난 시행 수. target: 목표 총수.

    cell: `1m@15m`. storage: 가린 URL. data: 사람이 읽는 캔들 출처와 기간(합성 데모면 그렇게 적는다).
    validation: 검증의 나눔 {method, label, splits: [{train, test: [[첫 날, 마지막 날], …]}]}, 날짜는
    YYYY-MM-DD(UTC)이고 마지막 날도 든다. method가 none이면 splits가 비어 있다.
    goals: 시행의 `values`가 무엇인지 차례로 {metric, label, direction('maximize' | 'minimize')}. 둘 이상이면
    파레토이고, 그때 best_value와 direction은 첫 목표의 것이며 front_size는 지금의 파레토 최적 시행 수다.
    fingerprint: 캔들의 지문(첫 심볼의 것). faults: 그 캔들의 흠과 알릴 것.
    """

    type: ClassVar[str] = "study"
    study: str
    slug: str
    cell: str
    storage: str
    done: int
    target: int
    symbol: str = ""
    data: str = ""
    is_demo: bool = False
    best_value: float | None = None
    direction: str = "maximize"
    validation: Mapping[str, JsonValue] = field(default_factory=dict)
    goals: list[Mapping[str, JsonValue]] = field(default_factory=list)
    front_size: int | None = None
    fingerprint: str = ""
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TrialEvent(Event):
    """시행 하나가 끝남. number는 저장된 뒤 `stored`가 바로잡을 수 있는 예정 번호다.

    state: COMPLETE | PRUNED | FAIL. score: (첫) 목표 값, FAIL이면 None. started_at: UTC ISO 8601.
    is_best: 지금까지의 최선. 목표가 여럿이면 파레토 최적에 들었음(뒤에 밀려날 수 있다).
    fold부터는 검증의 것이며 `optimize.trial.FinishedTrial`의 같은 이름과 뜻이 같다.
    in_sample_score, out_of_sample_score: 첫 목표의 값, 없으면 None.
    """

    type: ClassVar[str] = "trial"
    study: str
    number: int
    state: str
    score: float | None
    metrics: Mapping[str, float]
    params: Mapping[str, JsonValue]
    duration_ms: float
    is_best: bool
    uid: str = ""
    started_at: str = ""
    values: list[float] = field(default_factory=list)
    constraints: list[float] = field(default_factory=list)
    intermediate: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    fold: int | None = None
    in_sample_score: float | None = None
    out_of_sample_score: float | None = None
    in_sample: list[float] = field(default_factory=list)
    in_sample_constraints: list[float] = field(default_factory=list)
    out_of_sample: list[float] = field(default_factory=list)
    out_of_sample_metrics: Mapping[str, float] = field(default_factory=dict)
    blocks: str = ""
    by_symbol: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredEvent(Event):
    """시행들이 저장소에 들어감. numbers[i]는 uids[i]의 확정 번호."""

    type: ClassVar[str] = "stored"
    study: str
    uids: list[str]
    numbers: list[int]


@dataclass(frozen=True, slots=True)
class ProgressEvent(Event):
    """진행. rate: 시행/초(최근). eta_s: 남은 초, 모르면 None.

    workers: 시행을 함께 돌리는 수. hosts: dask 무리면 host → 작업자의 수, 이 컴퓨터뿐이면 비었다.
    """

    type: ClassVar[str] = "progress"
    study: str
    done: int
    target: int
    rate: float
    eta_s: float | None
    workers: int = 0
    hosts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataProgressEvent(Event):
    """캔들을 내려받거나 준비하는 진행. total을 모르면 0."""

    type: ClassVar[str] = "data_progress"
    label: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class WarningEvent(Event):
    """계속할 수 있는 문제."""

    type: ClassVar[str] = "warning"
    title: str
    cause: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class ErrorEvent(Event):
    """실행을 끝내는 문제."""

    type: ClassVar[str] = "error"
    title: str
    cause: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class StudyResult:
    """끝난 스터디 한 줄. best_*는 제약을 만족하는 최선, 없으면 None.

    목표가 여럿이면 best_*는 파레토 최적 가운데 첫 목표가 가장 좋은 것이고 front_size는 그 시행들의 수다.
    out_of_sample: 이긴 시행들의 검증의 (첫 목표) 점수. split이 여럿이면 이어 붙인 검증의 것(CPCV는 경로의 중앙값).
    """

    study: str
    slug: str
    n_complete: int
    n_pruned: int
    n_failed: int
    best_value: float | None
    best_params: Mapping[str, JsonValue] | None
    front_size: int | None = None
    out_of_sample: float | None = None


@dataclass(frozen=True, slots=True)
class DoneEvent(Event):
    """실행이 끝남. 마지막 사건."""

    type: ClassVar[str] = "done"
    studies: list[StudyResult]
    exit_code: int


_EVENTS: dict[str, type[Event]] = {
    cls.type: cls
    for cls in (
        Hello,
        PlanEvent,
        StudyEvent,
        TrialEvent,
        StoredEvent,
        ProgressEvent,
        DataProgressEvent,
        WarningEvent,
        ErrorEvent,
        DoneEvent,
    )
}


def encode(event: Event, ts: datetime | None = None) -> str:
    """사건을 한 줄(줄바꿈 없음)로. ts는 시간대가 있는 시각, 없으면 지금."""
    stamp = (ts or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
    body = {"v": VERSION, "ts": stamp, "type": event.type}
    for item in fields(event):
        body[item.name] = getattr(event, item.name)
    return _ENCODER.encode(body)


def _plain(value: Any) -> JsonValue:
    """json이 모르는 값: 사건 속의 dataclass와 dict 아닌 Mapping."""
    if isinstance(value, StudyResult):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"사건에 담을 수 없는 값: {type(value).__name__}")


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
)


def decode(line: str) -> Event | None:
    """한 줄을 사건으로. 모르는 type, 깨진 줄, 필요한 칸이 빠진 줄은 None."""
    try:
        body = json.loads(line)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        return None
    cls = _EVENTS.get(body["type"])
    if cls is None:
        return None
    known = {f.name for f in fields(cls)}
    values = {key: value for key, value in body.items() if key in known}
    try:
        if cls is DoneEvent:
            values["studies"] = [_study_result(item) for item in values["studies"]]
        return cls(**values)
    except (TypeError, KeyError):
        return None


def _study_result(item: Mapping[str, JsonValue]) -> StudyResult:
    known = {f.name for f in fields(StudyResult)}
    return StudyResult(**{key: value for key, value in item.items() if key in known})


def new_run_id(now: datetime | None = None) -> str:
    """새 실행의 이름: UTC 시각과 임의의 여섯 글자, 이름순이 시간순이다."""
    return f"{(now or datetime.now(UTC)).strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
