"""연결 점검의 한 단계와 그 결과. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from optimize.masking import mask_secrets
from optimize.storage.probe import ProbeError

Status = Literal["ok", "warn", "fail", "skip"]
Remedy = Literal["", "create_database", "upgrade_schema", "clear_dead_trials", "start_embedded"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """한 단계의 판정. detail: 본 것. cause·fix: 실패나 경고의 까닭과 붙여 넣을 해결."""

    status: Status
    detail: str = ""
    cause: str = ""
    fix: str = ""
    remedy: Remedy = ""


@dataclass(frozen=True, slots=True)
class CheckStep:
    """끝난 한 단계. ms: 걸린 시간. remedy: `check --fix`에 줄 이름, 없으면 빈 글."""

    name: str
    title_ko: str
    status: Status
    ms: float
    detail_ko: str = ""
    cause_ko: str = ""
    fix_ko: str = ""
    remedy: Remedy = ""

    def as_dict(self) -> dict[str, Any]:
        """`--json`의 한 줄."""
        return {"type": "step", **asdict(self)}


TITLES: dict[str, str] = {
    "url": "저장소 URL",
    "driver": "드라이버",
    "dns": "서버 이름(DNS)",
    "tcp": "TCP 연결",
    "tls": "TLS(SSL)",
    "auth": "로그인",
    "database": "데이터베이스 열기",
    "identity": "SELECT current_database(), current_user",
    "session": "드라이버로 실제 연결",
    "write": "만들기·쓰기 권한",
    "read_only": "읽기 전용·복구 상태",
    "encoding": "문자 인코딩",
    "isolation": "트랜잭션 격리 기본값",
    "timezone": "시간대와 시계",
    "schema": "Optuna 스키마",
    "capacity": "연결 수",
    "latency": "왕복 시간",
    "dead_trials": "멈춘 RUNNING 시행",
    "path": "파일 경로",
    "writable": "쓰기 권한",
    "wal": "WAL",
    "space": "디스크 빈 곳",
}
CONNECT_STEPS = ("dns", "tcp", "tls", "auth", "database", "identity")
QUICK_STEPS = ("url", "driver", *CONNECT_STEPS, "latency")
POSTGRES_STEPS = (
    "url", "driver", *CONNECT_STEPS, "session", "write", "read_only", "encoding", "isolation",
    "timezone", "schema", "capacity", "latency", "dead_trials",
)  # fmt: skip
SQLITE_STEPS = ("url", "path", "writable", "wal", "schema", "space", "dead_trials")
SQLITE_QUICK_STEPS = ("url", "path", "writable", "wal", "schema")


def skipped(name: str, reason: str) -> CheckStep:
    return CheckStep(name, TITLES[name], "skip", 0.0, reason)


def measured(
    name: str,
    action: Callable[[], Outcome],
    on_error: Callable[[ProbeError], Outcome],
    secrets: tuple[str, ...],
) -> CheckStep:
    """action을 돌려 시간을 재고 단계로 만든다. ProbeError는 on_error가 판정한다."""
    began = time.perf_counter()
    try:
        found = action()
    except ProbeError as error:
        found = on_error(error)
    ms = round((time.perf_counter() - began) * 1000, 2)
    detail, cause, fix = (
        mask_secrets(text, secrets) for text in (found.detail, found.cause, found.fix)
    )
    return CheckStep(name, TITLES[name], found.status, ms, detail, cause, fix, found.remedy)
