"""운만으로 이만한 최선이 나올 확률: 정해진 시행들이면 그 블록에서 뽑고, 지난 시행을 보고 고른 것이면 되찾는다."""

from __future__ import annotations

from dataclasses import dataclass

from optimize.verdict.collect import Search, StudyTrials
from optimize.verdict.cscv import MIN_TRIALS
from optimize.verdict.luck import Luck, moving_rows, unit_blocks
from optimize.verdict.replay import replay
from optimize.verdict.sharpe import expected_maximum, trials_for_maximum

LUCK_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Chance:
    """probability: 잡음의 최선이 이만할 확률. edge: 그 확률이 5 %인 정규 점수. expected: 잡음의 최선의 기대(정규 점수).

    independent: 같은 기대를 갖는, 서로 무관한 시행의 수. searches: 되찾은 횟수, 블록에서 뽑았으면 0.
    """

    probability: float
    edge: float
    expected: float
    independent: float
    searches: int = 0


def drawn(luck: Luck, score: float, repeats: float, tried: int) -> Chance:
    """정해진 시행들의 블록에 난수를 곱해 뽑은 것. repeats: 같은 무리를 몇 번 찾은 셈인가. tried: 찾은 횟수."""
    independent = luck.independent * repeats
    return Chance(
        luck.probability(score, repeats, tried),
        luck.score(LUCK_LEVEL, repeats, tried),
        # 시행 하나의 기대는 0이다: 뽑은 것의 찌꺼기를 자른다.
        max(luck.expected, 0.0) if repeats == 1.0 else expected_maximum(independent),
        independent,
    )


def replayed_chance(study: StudyTrials, search: Search, score: float) -> Chance | None:
    """잡음의 지형에서 다시 찾은 것. 공간을 모르거나 블록이 있는 시행이 적으면 None."""
    if study.space is None or study.days != search.days:
        return None
    params, sums = study.with_returns()
    moving = moving_rows(sums, search.counts)
    if moving.sum() < MIN_TRIALS:
        return None
    traded = [one for one, on in zip(params, moving, strict=True) if on]
    # 거래가 없는 시행은 잡음에서도 최선이 되지 않는다.
    alive = len(traded) / len(params)
    again = replay(
        study.space,
        traded,
        unit_blocks(sums, search.counts),
        round(alive * study.tried / study.searchers),
    )
    repeats = alive * search.tried / again.trials
    expected = again.expected_of(repeats)
    return Chance(
        again.probability(score, repeats),
        again.score(LUCK_LEVEL, repeats),
        expected,
        trials_for_maximum(expected),
        again.searches,
    )
