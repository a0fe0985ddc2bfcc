"""끝난 시행들을 판정이 읽을 배열로 모은다: 스터디마다 하나, 시행이 지나가는 대로.

메모리: 시행마다 약 1 kB, 많아야 MAX_KEPT개를 고르게 남긴다(reservoir sampling, Vitter 1985). 세는 것과 Sharpe의
분산은 모든 시행의 것이다.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimize.search.pareto import Leaders
from optimize.trial import FinishedTrial, Params
from optimize.validation.blocks import block_counts, decode_blocks

if TYPE_CHECKING:
    from optimize.search.space import SearchSpace

MAX_KEPT = 10_000
# 기간이 길수록 커지는 지표: 길이가 다른 학습과 검증의 값을 나누어 볼 수 없다.
GROWING = frozenset(
    {
        "net_profit_pct",
        "max_drawdown_pct",
        "trades",
        "long_trades",
        "short_trades",
        "liquidations",
        "max_losing_streak",
        "fees_pct",
        "funding_pct",
    }
)


@dataclass(slots=True)
class Moments:
    """하나씩 더하는 평균과 분산(Welford 1962)."""

    count: int = 0
    mean: float = 0.0
    spread: float = 0.0

    def add(self, value: float) -> None:
        """값 하나."""
        self.count += 1
        gap = value - self.mean
        self.mean += gap / self.count
        self.spread += gap * (value - self.mean)

    def __add__(self, other: Moments) -> Moments:
        """두 무리를 합친 것(Chan, Golub & LeVeque 1979)."""
        count = self.count + other.count
        if not count:
            return Moments()
        gap = other.mean - self.mean
        return Moments(
            count,
            self.mean + gap * other.count / count,
            self.spread + other.spread + gap * gap * self.count * other.count / count,
        )

    @property
    def variance(self) -> float:
        """표본 분산(n−1). 둘보다 적으면 0."""
        return self.spread / (self.count - 1) if self.count > 1 else 0.0


@dataclass(frozen=True, slots=True)
class FoldScore:
    """한 split에서 고른 시행의 첫 목표(학습, 검증)와 검증 구간의 순이익(%)과 Sharpe(연율), 없으면 None."""

    inside: float
    outside: float
    profit_pct: float | None
    sharpe: float | None = None


@dataclass(slots=True)
class _Kept:
    params: Params
    score: float
    feasible: bool
    sums: NDArray[np.float64] | None
    squares: NDArray[np.float64] | None


@dataclass(slots=True)
class StudyTrials:
    """스터디 하나의 시행들. `add`로 하나씩, 어느 차례로든 넣는다.

    directions: 목표들의 방향('maximize' | 'minimize'). 여럿이면 최선은 첫 목표가 가장 좋은 파레토 최적 시행이다.
    days: 블록이 있는 시행의 날 수(첫 것의), 없으면 0. with_blocks: 그 날 수의 블록을 가진 시행의 수.
    goals: 목표의 지표들의 이름, 모르면 비었다. test_days: 검증에 쓴 날들의 합집합의 날 수, 모르거나 검증이 없으면 0.
    adaptive: 지난 시행을 보고 고르는 sampler가 찾았는가. space: 탐색 공간, 모르면 None.
    sharpes: 그 시행들의 하루 Sharpe. folds: split마다 학습의 첫 목표가 가장 좋은 시행의 성적.
    """

    study: str
    cell: str
    directions: tuple[str, ...] = ("maximize",)
    goals: tuple[str, ...] = ()
    test_days: int = 0
    adaptive: bool = False
    space: SearchSpace | None = None
    days: int = 0
    with_blocks: int = 0
    states: Counter[str] = field(default_factory=Counter)
    sharpes: Moments = field(default_factory=Moments)
    folds: dict[int, FoldScore] = field(default_factory=dict)
    _folds_seen: set[int] = field(default_factory=set)
    _leaders: Leaders | None = None
    _kept: list[_Kept] = field(default_factory=list)
    _seen: int = 0
    _draw: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 — 표본의 난수

    def add(self, trial: FinishedTrial) -> None:
        """시행 하나."""
        self.states[trial.state] += 1
        if trial.state != "COMPLETE" or not trial.values:
            return
        if self._leaders is None:
            self._leaders = Leaders(self.directions)
        self._leaders.offer(trial)
        if trial.fold is not None:
            self._folds_seen.add(trial.fold)
        self._note_fold(trial)
        self._keep(trial)

    def _note_fold(self, trial: FinishedTrial) -> None:
        if trial.fold is None or not trial.in_sample or not trial.out_of_sample:
            return
        if any(value > 0 for value in trial.in_sample_constraints):
            return
        known = self.folds.get(trial.fold)
        sign = 1.0 if self.larger_is_better else -1.0
        if known is None or sign * trial.in_sample[0] > sign * known.inside:
            metrics = trial.out_of_sample_metrics
            self.folds[trial.fold] = FoldScore(
                trial.in_sample[0],
                trial.out_of_sample[0],
                metrics.get("net_profit_pct"),
                metrics.get("sharpe"),
            )

    def _keep(self, trial: FinishedTrial) -> None:
        kept = _Kept(trial.params, trial.values[0], trial.feasible, None, None)
        if trial.blocks:
            blocks = decode_blocks(trial.blocks)
            self.days = self.days or blocks.days
            if blocks.days == self.days:
                self.with_blocks += 1
                self.sharpes.add(blocks.sharpe())
                kept.sums, kept.squares = blocks.sums, blocks.squares
        self._seen += 1
        if len(self._kept) < MAX_KEPT:
            self._kept.append(kept)
        elif (place := self._draw.randrange(self._seen)) < MAX_KEPT:
            self._kept[place] = kept

    @property
    def best(self) -> FinishedTrial | None:
        """제약을 지킨 최선, 없으면 None."""
        return self._leaders.best if self._leaders is not None else None

    @property
    def larger_is_better(self) -> bool:
        """첫 목표가 클수록 좋은가."""
        return self.directions[0].lower() == "maximize"

    @property
    def comparable(self) -> bool:
        """판정하는 점수를 길이가 다른 기간끼리 나누어 볼 수 있는가. 목표가 여럿이면 첫 목표만 본다."""
        judged = self.goals[:1] if len(self.directions) > 1 else self.goals
        return not GROWING & set(judged)

    @property
    def tried(self) -> int:
        """찾은 횟수: 끝까지 본 것과 앞 구간만 보고 멈춘 것. 실패한 시행은 성적이 없어 세지 않는다."""
        return self.states["COMPLETE"] + self.states["PRUNED"]

    @property
    def searchers(self) -> int:
        """저마다 따로 배우는 sampler의 수: split마다 하나."""
        return max(len(self._folds_seen), 1)

    @property
    def params(self) -> list[Params]:
        """남긴 시행들의 파라미터."""
        return [kept.params for kept in self._kept]

    @property
    def scores(self) -> list[float]:
        """남긴 시행들의 점수(첫 목표)."""
        return [kept.score for kept in self._kept]

    def with_returns(self) -> tuple[list[Params], NDArray[np.float64]]:
        """블록이 있는 시행들의 조합과 합 float64[M, B]."""
        return [kept.params for kept in self._kept if kept.sums is not None], self.arrays()[0]

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """(합 float64[M, B], 제곱합 float64[M, B], 제약을 지켰는가 bool[M]). 블록이 있는 것만."""
        rows = [kept for kept in self._kept if kept.sums is not None]
        width = len(block_counts(self.days)) if self.days else 0
        empty = np.zeros((0, width))
        return (
            np.stack([kept.sums for kept in rows if kept.sums is not None]) if rows else empty,
            np.stack([kept.squares for kept in rows if kept.squares is not None])
            if rows
            else empty,
            np.array([kept.feasible for kept in rows], dtype=np.bool_),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """한 번의 찾기: 함께 돈 모든 칸의 시행들. 고른 것은 이 가운데 하나다.

    tried: 찾은 횟수. adaptive: 지난 시행을 보고 고른 칸이 있는가. with_blocks: days일의 블록을 가진 시행의 수. sums, squares: float64[M, B], M은 남긴 것.
    """

    studies: tuple[str, ...]
    tried: int
    adaptive: bool
    failed: int
    days: int
    with_blocks: int
    sharpes: Moments
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    feasible: NDArray[np.bool_]

    @property
    def counts(self) -> NDArray[np.float64]:
        """float64[B], 블록마다의 날 수."""
        return block_counts(self.days)


def join(studies: Sequence[StudyTrials], days: int) -> Search:
    """칸들을 합친다. days가 다른 칸의 블록은 견줄 수 없어 횟수만 센다."""
    same = [study for study in studies if study.days == days and days > 0]
    parts = [study.arrays() for study in same]
    moments = Moments()
    for study in same:
        moments = moments + study.sharpes
    empty = np.zeros((0, len(block_counts(days)) if days else 0))
    return Search(
        studies=tuple(study.study for study in studies),
        tried=sum(study.tried for study in studies),
        adaptive=any(study.adaptive for study in studies),
        failed=sum(study.states["FAIL"] for study in studies),
        days=days,
        with_blocks=sum(study.with_blocks for study in same),
        sharpes=moments,
        sums=np.concatenate([part[0] for part in parts]) if parts else empty,
        squares=np.concatenate([part[1] for part in parts]) if parts else empty,
        feasible=np.concatenate([part[2] for part in parts]) if parts else np.zeros(0, np.bool_),
    )
