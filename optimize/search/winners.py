"""split마다 이긴 시행: 제 학습에서 제약을 지키고 학습 점수가 가장 좋은 것. 표준 라이브러리만 쓴다."""

from __future__ import annotations

from collections.abc import Sequence
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

    @classmethod
    def of(
        cls, counts: Sequence[int], best: Sequence[FinishedTrial], directions: Sequence[str]
    ) -> Winners:
        """이미 센 수와, 이미 고른 시행들로."""
        winners = cls(len(counts), directions)
        for trial in best:
            winners.offer(trial)
        winners.counts = list(counts)
        return winners

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
