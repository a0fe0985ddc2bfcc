"""나누기: 학습은 검증과 겹치지도 가깝지도 않고, 검증은 방법이 말한 날들을 빠짐없이 덮는다."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimize.errors import DataError
from optimize.validation.splits import (
    METHODS,
    MIN_DAYS,
    DayRange,
    Rules,
    dates,
    day_count,
    describe,
    make_scheme,
    shortest_period,
)

METHOD = st.sampled_from([name for name in METHODS if name != "none"])


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    groups = draw(st.integers(3, 7))
    return Rules(
        method=draw(METHOD),
        test_fraction=draw(st.floats(0.05, 0.9)),
        windows=draw(st.integers(1, 6)),
        window=draw(st.sampled_from(["rolling", "anchored"])),
        folds=draw(st.integers(2, 7)),
        groups=groups,
        test_groups=draw(st.integers(1, groups - 1)),
        embargo_days=draw(st.integers(0, 4)),
    )


def days_of(ranges: tuple[DayRange, ...]) -> list[int]:
    return [day for start, stop in ranges for day in range(start, stop)]


@given(rules(), st.integers(0, 300), st.integers(0, 20_000))
@settings(max_examples=50, deadline=None)
def test_학습의_날은_검증의_날에서_embargo보다_멀다(some: Rules, extra: int, first: int) -> None:
    # 가장 짧은 기간보다 길면 언제나 나눌 수 있다.
    end = first + shortest_period(some) + extra
    scheme = make_scheme(some, first, end)
    assert len(scheme.splits) == some.split_count
    for split in scheme.splits:
        train, test = days_of(split.train), days_of(split.test)
        for days in (train, test):
            assert len(days) >= MIN_DAYS
            assert days == sorted(set(days))
            assert first <= days[0]
            assert days[-1] < end
        assert all(abs(a - b) > some.embargo_days for a in train for b in (test[0], test[-1]))
        near = {t + s for t in test for s in range(-some.embargo_days, some.embargo_days + 1)}
        assert not near & set(train)


@given(st.floats(0.05, 0.9), st.integers(5, 2000))
@settings(max_examples=50, deadline=None)
def test_hold_out은_뒤를_올림한_만큼_남긴다(fraction: float, days: int) -> None:
    some = Rules(test_fraction=fraction, embargo_days=0)
    if days < shortest_period(some):
        return
    (split,) = make_scheme(some, 0, days).splits
    assert split.test[0][1] == days
    assert abs(day_count(split.test) - fraction * days) < 1
    assert day_count(split.test) >= fraction * days - 1e-6
    assert split.train == ((0, days - day_count(split.test)),)


def test_walk_forward의_창은_차례대로_이어지고_뒤를_모두_덮는다() -> None:
    rolling = make_scheme(Rules("walk_forward", windows=5), 100, 466)
    tests = [split.test[0] for split in rolling.splits]
    assert all(left[1] == right[0] for left, right in pairwise(tests))
    assert tests[-1][1] == 466
    assert len({stop - start for start, stop in tests}) == 1
    lengths = {day_count(split.train) for split in rolling.splits}
    assert len(lengths) == 1
    # 창마다 검증이 차지하는 몫은 test_fraction이다(하루의 반올림까지).
    length = tests[0][1] - tests[0][0]
    assert length / (length + lengths.pop() + 1) == pytest.approx(0.3, abs=0.01)
    anchored = make_scheme(Rules("walk_forward", windows=5, window="anchored"), 100, 466)
    assert [split.test for split in anchored.splits] == [split.test for split in rolling.splits]
    assert {split.train[0][0] for split in anchored.splits} == {100}
    for split in (*rolling.splits, *anchored.splits):
        assert split.train[0][1] <= split.test[0][0] - 1


@given(st.integers(2, 7), st.integers(60, 400))
@settings(max_examples=30, deadline=None)
def test_kfold의_검증은_모든_날을_한_번씩_덮는다(folds: int, days: int) -> None:
    scheme = make_scheme(Rules("purged_kfold", folds=folds), 0, days)
    tested = [day for split in scheme.splits for day in days_of(split.test)]
    assert tested == list(range(days))
    sizes = [day_count(split.test) for split in scheme.splits]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(3, 8), st.data())
@settings(max_examples=30, deadline=None)
def test_cpcv의_경로는_묶음마다_서로_다른_split의_것이다(groups: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, groups - 1))
    some = Rules("cpcv", groups=groups, test_groups=k, embargo_days=0)
    scheme = make_scheme(some, 0, 365)
    assert len(scheme.splits) == math.comb(groups, k)
    paths = scheme.paths()
    # López de Prado (2018) 12.4: φ = k/N · C(N, k)
    assert len(paths) == math.comb(groups, k) * k // groups
    used = set()
    for path in paths:
        assert len(path) == groups
        for group, split in enumerate(path):
            start, stop = scheme.groups[group]
            assert set(range(start, stop)) <= set(days_of(scheme.splits[split].test))
            used.add((group, split))
    # 모든 검증 조각이 꼭 한 번 쓰인다.
    assert len(used) == len(paths) * groups == len(scheme.splits) * k


@pytest.mark.parametrize("method", [name for name in METHODS if name != "none"])
def test_짧은_기간은_무엇을_바꿀지_말하며_거절한다(method: str) -> None:
    some = Rules(method)  # type: ignore[arg-type]
    shortest = shortest_period(some)
    assert make_scheme(some, 0, shortest).splits
    with pytest.raises(DataError) as caught:
        make_scheme(some, 0, shortest - 1)
    assert f"{shortest}일" in caught.value.cause
    assert "validation.method=none" in caught.value.fix


def test_거절할_때_말한_기간보다_길면_거절하지_않는다() -> None:
    """반올림한 창들이 첫 학습을 남기지 않아 '31일인데 23일이 있어야' 한다던 것."""
    some = Rules("walk_forward", windows=10)
    assert shortest_period(some) == 23
    splits = make_scheme(some, 0, 31).splits
    assert {day_count(split.test) for split in splits} == {2}
    assert splits[0].train == ((0, 10),)


def test_검증이_없으면_전체가_학습이다() -> None:
    scheme = make_scheme(Rules("none"), 7, 9)
    assert (scheme.splits, scheme.training, scheme.paths()) == ((), ((7, 9),), ())


def test_날짜와_설명을_사람이_읽는다() -> None:
    assert dates((19_723, 20_089)) == ("2024-01-01", "2024-12-31")
    assert describe(Rules()) == "hold-out · 뒤 30 % · embargo 1일"
    assert describe(Rules("cpcv", embargo_days=0)) == "CPCV · 묶음 6개에서 2개씩 · split 15개"
