"""스터디의 앞선 시행들: 목표가 하나면 최선 하나, 여럿이면 파레토 최적 시행들(front). 표준 라이브러리만 쓴다.

값은 목표마다 자기 단위 그대로이고 방향은 스터디의 것('maximize' | 'minimize', 대소문자 무관)이다.
시행 a가 b를 지배한다(dominate)는 것은 모든 목표에서 b보다 나쁘지 않고 한 목표에서는 나은 것이다.
어느 시행에도 지배되지 않으면 파레토 최적이다. 제약을 어긴 시행은 들지 않으며, 값이 모두 같은 시행은
서로 지배하지 않으므로 함께 든다(Optuna의 `study.best_trials`와 같은 집합이다).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from optimize.trial import FinishedTrial

Losses = tuple[float, ...]


def losses_of(values: Sequence[float], directions: Sequence[str]) -> Losses:
    """목표 값들을 모두 작을수록 좋은 수로(NaN은 가장 나쁜 것으로). 길이가 다르면 ValueError."""
    return tuple(
        math.inf if math.isnan(value) else -value if way.lower() == "maximize" else value
        for value, way in zip(values, directions, strict=True)
    )


def dominates(a: Losses, b: Losses) -> bool:
    """a가 b를 지배하는가(둘 다 작을수록 좋은 수)."""
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


class Leaders:
    """시행을 차례로 받아 앞선 것들을 지킨다. 한 시행에 O(앞선 것의 수)다."""

    def __init__(self, directions: Sequence[str]) -> None:
        self.directions = tuple(directions)
        self._members: list[tuple[Losses, FinishedTrial]] = []

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_pareto(self) -> bool:
        """목표가 여럿인가."""
        return len(self.directions) > 1

    @property
    def best(self) -> FinishedTrial | None:
        """첫 목표가 가장 좋은 것(같으면 다음 목표, 그래도 같으면 먼저 난 것). 없으면 None."""
        return min(self._members, key=_by_losses)[1] if self._members else None

    @property
    def front(self) -> list[FinishedTrial]:
        """앞선 시행들, 첫 목표가 좋은 차례. 목표가 하나면 많아야 하나다."""
        return [trial for _, trial in sorted(self._members, key=_by_losses)]

    def accepts(self, trial: FinishedTrial) -> bool:
        """이 시행이 앞선 것이 되는가. 목표가 하나면 같은 값은 먼저 난 것이 남는다."""
        if not trial.feasible:
            return False
        losses = losses_of(trial.values, self.directions)
        if not self.is_pareto:
            return not self._members or losses < self._members[0][0]
        return not any(dominates(other, losses) for other, _ in self._members)

    def offer(self, trial: FinishedTrial) -> bool:
        """시행 하나를 보인다. 앞선 것이 되었으면 True이고, 그것이 지배하는 시행들은 빠진다."""
        if not self.accepts(trial):
            return False
        losses = losses_of(trial.values, self.directions)
        kept = self._members if self.is_pareto else []
        self._members = [item for item in kept if not dominates(losses, item[0])]
        self._members.append((losses, trial))
        return True


def leaders_of(trials: Iterable[FinishedTrial], directions: Sequence[str]) -> Leaders:
    """시행들(번호 차례)의 앞선 것들."""
    leaders = Leaders(directions)
    for trial in trials:
        leaders.offer(trial)
    return leaders


def _by_losses(item: tuple[Losses, FinishedTrial]) -> Losses:
    return item[0]
