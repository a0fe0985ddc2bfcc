"""split마다 이긴 시행: 제 학습에서 제약을 지키고 학습 점수가 가장 좋은 것. 표준 라이브러리만 쓴다."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from optimize.search.pareto import Leaders
from optimize.trial import FinishedTrial


def as_seen(trial: FinishedTrial) -> FinishedTrial:
    """그 split의 sampler가 보는 시행: 값과 제약이 제 학습 날들의 것이다."""
    if not trial.in_sample:
        return trial
    return replace(trial, values=trial.in_sample, constraints=trial.in_sample_constraints)


class Winners:
    """시행을 차례로 받아 split마다 이긴 시행과 시행의 수를 지킨다."""

    def __init__(self, n_splits: int, directions: Sequence[str]) -> None:
        self.counts = [0] * n_splits
        self._leaders = [Leaders(directions) for _ in range(n_splits)]

    def offer(self, trial: FinishedTrial) -> None:
        """시행 하나를 보인다. 검증의 칸이 없는 시행은 지나간다."""
        if trial.fold is None or trial.fold >= len(self.counts):
            return
        self.counts[trial.fold] += 1
        if trial.in_sample:
            self._leaders[trial.fold].offer(as_seen(trial))

    @property
    def trials(self) -> list[FinishedTrial | None]:
        """split마다 이긴 시행(학습이 본 값으로), 없으면 None."""
        return [leaders.best for leaders in self._leaders]


def winners_of(trials: Iterable[FinishedTrial], directions: Sequence[str]) -> Winners:
    """시행들에 나온 split마다의 이긴 시행. 검증의 칸이 있는 시행이 없으면 split도 없다."""
    known = [trial for trial in trials if trial.fold is not None]
    winners = Winners(1 + max((trial.fold or 0 for trial in known), default=-1), directions)
    for trial in known:
        winners.offer(trial)
    return winners
