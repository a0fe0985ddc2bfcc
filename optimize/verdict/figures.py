"""판정에 드는 숫자들을 한데 셈한다: 시행들(저장된 것)과, 있으면 최선을 다시 셈한 것에서.

Sharpe는 사람이 읽는 연율(√365)로 담는다. 셈할 수 없던 것은 None이며 그 까닭은 `missing`에 있다.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.metrics import TRADING_DAYS
from optimize.trial import FinishedTrial
from optimize.validation.blocks import GROUPS, decode_blocks
from optimize.verdict.chance import LUCK_LEVEL, drawn, replayed_chance
from optimize.verdict.collect import Search, StudyTrials, join
from optimize.verdict.cscv import MIN_DAYS, MIN_TRIALS, probability_of_overfitting
from optimize.verdict.luck import (
    EffectiveTrials,
    Luck,
    effective_trials,
    luck_of,
    unit_blocks,
)
from optimize.verdict.plateau import Plateau, near, plateau_of
from optimize.verdict.resampling import Bootstrap, TradeOrder, bootstrap_returns, shuffle_trades
from optimize.verdict.sharpe import (
    TrackRecord,
    days_for_score,
    deflated_sharpe,
    minimum_track_record,
    normal_score,
    probabilistic_sharpe,
    student_value,
)

YEAR = math.sqrt(TRADING_DAYS)
_SMALLER = "첫 목표가 작을수록 좋은 것이라 점수의 남은 몫을 재지 않습니다"


@dataclass(frozen=True, slots=True, eq=False)
class Rerun:
    """최선을 캔들로 다시 셈한 것.

    daily_returns: float64[d], 기간 전체. trade_returns: float64[t], 진입 때 평가금에 대한 것. steps: 한 걸음
    이웃들의 점수.
    """

    daily_returns: NDArray[np.float64]
    trade_returns: NDArray[np.float64]
    steps: Sequence[float]


@dataclass(frozen=True, slots=True)
class LuckFigures:
    """probability: 잡음만으로 이만한 최선이 나올 확률. expected_sharpe: 잡음의 최선의 기대(연율).

    independent_trials: 같은 기대를 갖는, 서로 무관한 시행의 수.
    days_needed: 같은 Sharpe로 확률이 5 % 아래가 되려면 필요한 날 수(Sharpe가 0 이하면 None).
    searches: 잡음의 지형에서 되찾은 횟수, 되찾지 않고 시행들의 블록에서 뽑았으면 0.
    """

    probability: float
    expected_sharpe: float
    independent_trials: float
    days_needed: float | None
    searches: int = 0


@dataclass(frozen=True, slots=True)
class DeflatedFigures:
    """probability: DSR. benchmark_sharpe: SR₀(연율). variance: 시행들의 연율 Sharpe의 분산."""

    probability: float
    benchmark_sharpe: float
    variance: float


@dataclass(frozen=True, slots=True)
class PboFigures:
    """CSCV의 결과. splits: 갈래의 수. trials: 쓴 시행 수."""

    probability: float
    loss: float
    slope: float
    splits: int
    trials: int


@dataclass(frozen=True, slots=True)
class RecordFigures:
    """최선의 일간 성적. sharpe: 연율. probability: PSR(0). days_needed: MinTRL(0, 95 %), 없으면 None."""

    sharpe: float
    days: int
    skew: float
    kurtosis: float
    probability: float
    days_needed: float | None


@dataclass(frozen=True, slots=True)
class OutOfSample:
    """split마다 고른 시행의 학습과 검증의 첫 목표, 검증 구간의 순이익(%): 모두 split들의 평균. splits: split의 수.

    days: 검증에 쓴 날들의 합집합의 날 수, 모르면 0. comparable: 두 점수를 나누어 볼 수 있는가(순이익처럼 기간이
    길수록 커지는 지표면 아니다). probability: 검증의 Sharpe(split들의 평균)만 보고 진짜 Sharpe가 0보다 클 확률,
    셈할 수 없으면 None.
    """

    in_sample: float
    out_of_sample: float
    profit_pct: float | None
    splits: int
    days: int
    comparable: bool = True
    probability: float | None = None


@dataclass(slots=True)
class Figures:
    """판정의 숫자들. missing: 셈하지 못한 것의 이름 → 까닭."""

    study: str
    cell: str
    best_number: int | None
    best_score: float | None
    studies: tuple[str, ...]
    tried: int
    failed: int
    with_blocks: int
    effective: EffectiveTrials | None = None
    record: RecordFigures | None = None
    luck: LuckFigures | None = None
    deflated: DeflatedFigures | None = None
    pbo: PboFigures | None = None
    out_of_sample: OutOfSample | None = None
    plateau: Plateau | None = None
    trade_order: TradeOrder | None = None
    bootstrap: Bootstrap | None = None
    missing: dict[str, str] = field(default_factory=dict)


class Judge:
    """함께 돈 칸들의 숫자. 칸들이 같이 쓰는 것(잡음의 최댓값, CSCV)은 한 번만 셈한다."""

    def __init__(self, studies: Sequence[StudyTrials]) -> None:
        """studies: 한 번의 찾기에 든 모든 칸."""
        self._studies = tuple(studies)
        self._shared: dict[int, _Shared] = {}

    def figures(
        self,
        study: StudyTrials,
        rerun: Rerun | None = None,
        no_rerun: str = "최선을 다시 셈하지 않았습니다",
    ) -> Figures:
        """한 칸의 최선에 대한 숫자들. no_rerun: rerun이 None일 때의 까닭."""
        best = study.best
        search = self._search(study.days)
        found = Figures(
            study=study.study,
            cell=study.cell,
            best_number=best.number if best else None,
            best_score=best.values[0] if best else None,
            studies=search.search.studies,
            tried=search.search.tried,
            failed=search.search.failed,
            with_blocks=search.search.with_blocks,
        )
        if best is None:
            found.missing["best"] = "제약을 지키며 끝까지 계산된 시행이 없습니다"
            return found
        _from_blocks(found, study, best, search)
        _from_folds(found, study)
        _from_neighbours(found, study, best, rerun)
        _from_rerun(found, rerun, no_rerun)
        return found

    def _search(self, days: int) -> _Shared:
        if days not in self._shared:
            self._shared[days] = _Shared(join(self._studies, days))
        return self._shared[days]


class _Shared:
    """날 수가 같은 칸들이 함께 쓰는 셈. 필요할 때 한 번 한다."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self._units: NDArray[np.float64] | None = None
        self._luck: list[Luck | None] = []
        self._pbo: list[tuple[PboFigures | None, str]] = []

    @property
    def units(self) -> NDArray[np.float64]:
        if self._units is None:
            self._units = unit_blocks(self.search.sums, self.search.counts)
        return self._units

    @property
    def luck(self) -> Luck | None:
        if not self._luck:
            self._luck.append(luck_of(self.units))
        return self._luck[0]

    @property
    def pbo(self) -> tuple[PboFigures | None, str]:
        if not self._pbo:
            self._pbo.append(_pbo(self.search))
        return self._pbo[0]


def _pbo(search: Search) -> tuple[PboFigures | None, str]:
    """고를 수 있던(제약을 지킨) 시행들의 CSCV, 없으면 그 까닭."""
    rows = search.feasible
    if search.days < MIN_DAYS:
        return None, f"날이 {search.days}일이라 {GROUPS}조각으로 나눌 수 없습니다({MIN_DAYS}일부터)"
    if int(rows.sum()) < MIN_TRIALS:
        return None, f"제약을 지킨 시행이 {int(rows.sum())}개입니다({MIN_TRIALS}개부터)"
    found = probability_of_overfitting(search.sums[rows], search.squares[rows], search.counts)
    if found is None:
        return None, "시행이나 날이 모자랍니다"
    return PboFigures(found.pbo, found.loss, found.slope, len(found.logits), found.trials), ""


def _from_blocks(found: Figures, study: StudyTrials, best: FinishedTrial, shared: _Shared) -> None:
    """최선과 시행들의 블록에서 나오는 것."""
    names = ("record", "luck", "deflated", "pbo")
    if not best.blocks:
        reason = "일간 수익률이 저장되지 않은 시행입니다(블록을 저장하기 전의 스터디)"
        found.missing.update(dict.fromkeys(names, reason))
        return
    blocks = decode_blocks(best.blocks)
    if blocks.days < 2:
        found.missing.update(dict.fromkeys(names, "날이 이틀보다 적습니다"))
        return
    record = TrackRecord(blocks.sharpe(), blocks.days, blocks.skew, blocks.kurtosis)
    needed = minimum_track_record(record)
    found.record = RecordFigures(
        sharpe=record.sharpe * YEAR,
        days=record.days,
        skew=record.skew,
        kurtosis=record.kurtosis,
        probability=probabilistic_sharpe(record),
        days_needed=needed if math.isfinite(needed) else None,
    )
    effective = effective_trials(shared.units, found.tried)
    found.effective = effective
    variance = shared.search.sharpes.variance
    deflated = deflated_sharpe(record, effective.average, variance)
    found.deflated = DeflatedFigures(
        deflated.probability, deflated.benchmark * YEAR, variance * TRADING_DAYS
    )
    _add_luck(found, study, record, shared)
    found.pbo, reason = shared.pbo
    if found.pbo is None:
        found.missing["pbo"] = reason


def _add_luck(found: Figures, study: StudyTrials, record: TrackRecord, shared: _Shared) -> None:
    luck = shared.luck
    if luck is None:
        found.missing["luck"] = "날이 모자라거나 거래한 시행이 없습니다"
        return
    root = math.sqrt(record.days)
    score = normal_score(record.sharpe * root, record.days)
    # 블록이 없거나(앞 구간만 보고 멈춘 것) 솎인 시행도 찾은 것이다: 같은 무리를 그만큼 더 찾은 셈으로 센다.
    repeats = max(found.tried / len(shared.search.sums), 1.0)
    chance = drawn(luck, score, repeats, found.tried)
    if shared.search.adaptive:
        # 지난 시행을 보고 고른 시행들은 몰려 있어 닮음만 세면 적게 센다. 그렇게 세어도 운이라 할 수 있으면 더 볼 것이 없다.
        again = (
            replayed_chance(study, shared.search, score)
            if chance.probability <= LUCK_LEVEL
            else None
        )
        chance = again or drawn(
            luck, score, max(found.tried / luck.independent, repeats), found.tried
        )
    needed = days_for_score(chance.edge, record.sharpe)
    found.luck = LuckFigures(
        probability=chance.probability,
        expected_sharpe=student_value(chance.expected, record.days) / root * YEAR,
        independent_trials=chance.independent,
        days_needed=needed if math.isfinite(needed) else None,
        searches=chance.searches,
    )


def _from_folds(found: Figures, study: StudyTrials) -> None:
    folds = list(study.folds.values())
    if not folds:
        found.missing["out_of_sample"] = "검증을 쓰지 않은 스터디입니다"
        return
    if not study.larger_is_better:
        found.missing["out_of_sample"] = _SMALLER
        return
    profits = [fold.profit_pct for fold in folds if fold.profit_pct is not None]
    sharpes = [fold.sharpe for fold in folds if fold.sharpe is not None]
    seen = study.test_days if len(sharpes) == len(folds) else 0
    found.out_of_sample = OutOfSample(
        in_sample=statistics.fmean(fold.inside for fold in folds),
        out_of_sample=statistics.fmean(fold.outside for fold in folds),
        profit_pct=statistics.fmean(profits) if profits else None,
        splits=len(folds),
        days=study.test_days,
        comparable=study.comparable,
        probability=probabilistic_sharpe(TrackRecord(statistics.fmean(sharpes) / YEAR, seen))
        if seen > 1
        else None,
    )


def _from_neighbours(
    found: Figures, study: StudyTrials, best: FinishedTrial, rerun: Rerun | None
) -> None:
    score = best.values[0]
    if not study.larger_is_better:
        found.missing["plateau"] = _SMALLER
        return
    if rerun is not None and rerun.steps:
        found.plateau = plateau_of(score, rerun.steps, stepped=True)
    if found.plateau is None:
        around = near(best.params, study.params, study.scores)
        found.plateau = plateau_of(score, around, stepped=False)
    if found.plateau is None:
        found.missing["plateau"] = (
            "최선의 점수가 0 이하입니다" if score <= 0 else "가까운 이웃이 5개보다 적습니다"
        )


def _from_rerun(found: Figures, rerun: Rerun | None, no_rerun: str) -> None:
    if rerun is None:
        found.missing.update(trade_order=no_rerun, bootstrap=no_rerun)
        return
    found.trade_order = shuffle_trades(rerun.trade_returns)
    if found.trade_order is None:
        found.missing["trade_order"] = f"거래가 {len(rerun.trade_returns)}개라 섞어 볼 수 없습니다"
    found.bootstrap = bootstrap_returns(rerun.daily_returns)
    if found.bootstrap is None:
        found.missing["bootstrap"] = f"날이 {len(rerun.daily_returns)}일이라 다시 뽑을 수 없습니다"
