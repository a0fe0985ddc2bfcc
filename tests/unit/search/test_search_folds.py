"""split마다 제 sampler: 고르게 나누고, 제 학습 점수만 배우고, 같은 조합을 두 번 내지 않는다."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from search_problem import NOW

from optimize.search.folds import FoldedProposer, fold_seed
from optimize.search.proposer import make_proposer
from optimize.search.space import SearchSpace
from optimize.search.winners import as_seen
from optimize.strategy.parameter import FloatParameter, IntParameter
from optimize.trial import FinishedTrial, Params, params_key

SPACE = SearchSpace(
    (
        IntParameter("a", 5, low=0, high=40),
        FloatParameter("b", 0.5, low=0.0, high=1.0),
    ),
    {},
)
SMALL = SearchSpace((IntParameter("a", 1, low=0, high=9),), {})


def make(n: int, space: SearchSpace = SPACE, sampler: str = "tpe") -> FoldedProposer:
    return FoldedProposer(
        [make_proposer(sampler, space, seed=fold_seed(3, fold)) for fold in range(n)]
    )


def finished(params: Params, fold: int, score: float, union: float = 0.0) -> FinishedTrial:
    return FinishedTrial(
        params_key(params),
        "COMPLETE",
        dict(params),
        (union,),
        NOW,
        NOW,
        constraints=(9.0,),
        fold=fold,
        in_sample=(score,),
        in_sample_constraints=(-1.0,),
        out_of_sample=(-score,),
    )


def drive(proposer: FoldedProposer, n: int, other: float = 0.0) -> list[tuple[int, Params]]:
    """하나씩 묻고 알린다. split 0의 점수는 a와 b로 정해지고, 다른 split의 점수에는 other를 더한다."""
    asked: list[tuple[int, Params]] = []
    for _ in range(n):
        for fold, params in proposer.ask(1, []):
            asked.append((fold, params))
            score = (
                -abs(float(params["a"]) - 7.0)
                - float(params.get("b", 0.0))
                + (other if fold else 0.0) * (float(params["a"]) % 5)
            )
            proposer.observe([finished(params, fold, score, union=score * 3 + other)])
    return asked


def test_시행은_고르게_나뉘고_조합은_겹치지_않는다() -> None:
    asked = drive(make(4), 42)
    counts = Counter(fold for fold, _ in asked)
    assert [counts[fold] for fold in range(4)] == [11, 11, 10, 10]
    assert [fold for fold, _ in asked[:6]] == [0, 1, 2, 3, 0, 1]
    assert len({params_key(params) for _, params in asked}) == 42


def test_묶어_물어도_나가_있는_것까지_세어_고르게_나눈다() -> None:
    proposer = make(3)
    first = proposer.ask(7, [])
    assert Counter(fold for fold, _ in first) == {0: 3, 1: 2, 2: 2}
    second = proposer.ask(5, first)
    assert Counter(fold for fold, _ in [*first, *second]) == {0: 4, 1: 4, 2: 4}
    assert len({params_key(params) for _, params in [*first, *second]}) == 12


def test_한_split의_제안은_다른_split의_점수를_모른다() -> None:
    """다른 split들의 점수를 아무렇게나 바꾸어도 split 0이 낸 조합은 그대로다."""
    calm, wild = drive(make(3), 90), drive(make(3), 90, other=1000.0)
    assert [params for fold, params in calm if fold == 0] == [
        params for fold, params in wild if fold == 0
    ]
    # 점수가 바뀐 split은 다른 것을 낸다: 위의 같음이 점수를 아무도 배우지 않아서가 아니다.
    assert [p for fold, p in calm if fold == 1] != [p for fold, p in wild if fold == 1]


def test_이어_돌려도_고르게_나뉘고_이미_낸_조합은_막힌다() -> None:
    asked = drive(make(3), 10)
    resumed = make(3)
    resumed.observe([finished(params, fold, 0.0) for fold, params in asked])
    more = resumed.ask(5, [])
    counts = Counter(fold for fold, _ in [*asked, *more])
    assert [counts[fold] for fold in range(3)] == [5, 5, 5]
    assert not {params_key(p) for _, p in asked} & {params_key(p) for _, p in more}


def test_작은_공간은_split들이_나누어_다_쓴다() -> None:
    for sampler in ("random", "tpe"):
        asked = drive(make(3, SMALL, sampler), 20)
        assert sorted(int(params["a"]) for _, params in asked) == list(range(10)), sampler


def test_split을_모르는_시행은_막기만_한다() -> None:
    proposer = make(2, SMALL, "random")
    strangers = [replace(finished({"a": a}, 0, 1.0), fold=None) for a in range(9)]
    proposer.observe(strangers)
    assert proposer.ask(3, []) == [(0, {"a": 9})]


def test_sampler가_보는_값과_제약은_제_학습의_것이다() -> None:
    seen = as_seen(finished({"a": 1}, 1, 2.5, union=-7.0))
    assert (seen.values, seen.constraints, seen.feasible) == ((2.5,), (-1.0,), True)


def test_첫_split의_씨앗은_그대로이고_서로_다르다() -> None:
    seeds = [fold_seed(2**32 - 1, fold) for fold in range(100)]
    assert seeds[0] == 2**32 - 1
    assert len(set(seeds)) == 100
    assert fold_seed(None, 5) is None
