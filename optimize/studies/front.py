"""저장된 스터디의 목표들과 파레토 최적 시행들."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optimize.report.front import GoalInfo, front_json, goals_json, goals_of
from optimize.runner.fingerprint import ATTRIBUTE
from optimize.search.pareto import leaders_of
from optimize.storage.listing import StudyInfo
from optimize.trial import FinishedTrial


def study_goals(info: StudyInfo) -> list[GoalInfo]:
    """시행의 `values`가 무엇인지. 다른 도구가 만든 스터디면 번호로 부른다."""
    return goals_of(info.directions, _goal_metrics(info))


def study_front(info: StudyInfo, trials: Sequence[FinishedTrial]) -> list[FinishedTrial]:
    """파레토 최적 시행들, 첫 목표가 좋은 차례. 목표가 하나면 빈 목록."""
    return leaders_of(trials, info.directions).front if len(info.directions) > 1 else []


def has_splits(info: StudyInfo) -> bool:
    """시행을 split들이 나누어 갖는 스터디인가."""
    described = info.attrs.get(ATTRIBUTE)
    rules = described.get("validation") if isinstance(described, Mapping) else None
    method = rules.get("method") if isinstance(rules, Mapping) else None
    return method not in (None, "none", "hold_out")


def front_body(info: StudyInfo, front: Sequence[FinishedTrial]) -> dict[str, Any]:
    """`show --json`의 goals와 front."""
    return {
        "goals": goals_json(study_goals(info)),
        "front": [front_json(trial) for trial in front],
    }


def _goal_metrics(info: StudyInfo) -> list[str]:
    described = info.attrs.get(ATTRIBUTE)
    objective = described.get("objective") if isinstance(described, Mapping) else None
    goals = objective.get("goals") if isinstance(objective, Mapping) else None
    if not isinstance(goals, list):
        return []
    return [str(goal.get("metric")) for goal in goals if isinstance(goal, Mapping)]
