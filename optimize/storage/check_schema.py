"""Optuna 스키마와 멈춘 시행의 판정. PostgreSQL과 SQLite의 점검이 함께 쓴다."""

from __future__ import annotations

from datetime import UTC, datetime

from optimize.storage.check_revision import installed_revisions
from optimize.storage.check_step import Outcome

# 이 프로젝트의 coordinator는 RUNNING 행을 만들지 않는다. 다른 도구의 시행이 이만큼 오래면 멈춘 것으로 본다.
STALE_MINUTES = 60


def judge_revision(
    tables: frozenset[str], columns: frozenset[str], revision: str | None, check: str
) -> Outcome:
    """tables: 있는 테이블들. columns: `studies`의 칸들. revision: alembic_version의 값. check: 점검의 명령."""
    if "studies" not in tables:
        return Outcome("ok", "아직 비어 있습니다(첫 실행이 만듭니다)")
    if not {"study_id", "study_name"} <= columns:
        return Outcome(
            "fail",
            f"studies의 칸: {', '.join(sorted(columns)) or '없음'}",
            "이 데이터베이스에 Optuna의 것이 아닌 같은 이름의 테이블(studies)이 있습니다",
            "다른 데이터베이스를 씁니다: CREATE DATABASE optuna_wizard; "
            "그리고 URL의 끝을 /optuna_wizard 로",
        )
    revisions = installed_revisions()
    shown = revision or "기록 없음"
    if revision == revisions.head:
        return Outcome("ok", f"revision {revision}")
    if revision is None or revision in revisions.known:
        return Outcome(
            "fail",
            f"저장소 {shown}, 설치된 Optuna {revisions.head}",
            "저장소의 스키마가 옛 Optuna의 것입니다",
            f"백업한 뒤 올립니다: {check} --fix upgrade_schema\n"
            "또는 새 저장소로 복사합니다(원본은 그대로): python -m optimize.storage copy "
            "--from 이_저장소 --to 새_저장소 --all",
            "upgrade_schema",
        )
    return Outcome(
        "fail",
        f"저장소 {shown}, 설치된 Optuna {revisions.head}",
        "저장소의 스키마가 더 새로운 Optuna의 것입니다(no longer compatible)",
        "pip install -U optuna",
    )


def judge_running(stale: int, total: int, oldest: datetime | None, check: str) -> Outcome:
    """stale: 오래 멈춘 RUNNING 수. total: RUNNING 모두. oldest: 가장 오래된 것의 시작(UTC). check: 점검의 명령."""
    if stale == 0:
        return Outcome("ok", f"RUNNING {total}개" if total else "없습니다")
    since = ""
    if oldest is not None:
        hours = (datetime.now(UTC) - oldest.replace(tzinfo=UTC)).total_seconds() / 3600
        since = f", 가장 오래된 것은 {hours:,.0f}시간 전"
    return Outcome(
        "warn",
        f"{STALE_MINUTES}분 넘게 RUNNING인 시행 {stale}개{since}",
        "다른 프로그램이 kill -9나 정전으로 죽으면 시행이 영원히 RUNNING으로 남습니다",
        f"돌고 있는 다른 최적화가 없다면 FAIL로 바꿉니다: {check} --fix clear_dead_trials",
        "clear_dead_trials",
    )
