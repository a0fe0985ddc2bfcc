"""기간의 날들을 학습(in-sample)과 검증(out-of-sample)으로 나눈다. 표준 라이브러리만 쓴다.

기호: d = 기간의 날 수(UTC), W = 창의 수, N = 묶음의 수, k = 검증 묶음의 수. 모든 날은 1970-01-01부터의
UTC 날이고 범위는 [첫 날, 끝 날)이다.

- hold_out: 뒤의 ⌈test_fraction·d⌉일을 검증에 남긴다. split 하나.
- walk_forward: 이어진 검증 창 W개. 창 하나는 d / (W + (1 - f) / f)일을 반올림한 것(f = test_fraction)이고, 첫 학습은
  나머지 앞의 날 모두다(그 창들이 첫 학습을 남기지 않으면 남길 만큼 창을 줄인다). rolling은 그 길이를 그대로 끌고 가고 anchored는 첫 날부터 늘린다.
- purged_kfold: 이어진 묶음 folds개. 묶음마다 그 묶음이 검증, 나머지가 학습이다.
- cpcv(combinatorial purged cross-validation): 묶음 N개에서 k개를 고르는 C(N, k)가지가 저마다 split이며,
  검증 묶음들을 이어 C(N-1, k-1)개의 경로를 만든다. López de Prado, Advances in Financial Machine
  Learning (2018), 7장(purging과 embargo)과 12장(CPCV).

묶음의 길이는 d를 고르게 나눈 것이고, 나누어떨어지지 않으면 앞의 묶음들이 하루씩 길다.
학습의 날은 그 split의 어느 검증의 날과도 embargo_days보다 멀다: 검증 구간의 앞과 뒤에서 embargo_days일씩
학습에서 뺀다(날 단위이며, 날의 일부도 하루로 올려 센다).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations, count, pairwise
from typing import Literal

from optimize.errors import DataError

Method = Literal["none", "hold_out", "walk_forward", "purged_kfold", "cpcv"]
DayRange = tuple[int, int]

# 날마다의 Sharpe는 수익률이 둘은 있어야 잴 수 있다.
MIN_DAYS = 2
METHODS: dict[str, str] = {
    "none": "검증 없음",
    "hold_out": "hold-out",
    "walk_forward": "walk-forward",
    "purged_kfold": "purged k-fold",
    "cpcv": "CPCV",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """나누는 규칙. 설정의 `validation:`과 같은 이름과 뜻이다."""

    method: Method = "hold_out"
    test_fraction: float = 0.3
    windows: int = 5
    window: Literal["rolling", "anchored"] = "rolling"
    folds: int = 5
    groups: int = 6
    test_groups: int = 2
    embargo_days: int = 1

    @property
    def split_count(self) -> int:
        """split의 수. 검증이 없으면 0."""
        return {
            "none": 0,
            "hold_out": 1,
            "walk_forward": self.windows,
            "purged_kfold": self.folds,
            "cpcv": math.comb(self.groups, self.test_groups),
        }[self.method]

    @property
    def relevant(self) -> dict[str, str | int | float]:
        """이 방법에서 결과를 바꾸는 규칙만, 이름 → 값."""
        names: tuple[str, ...] = {
            "none": (),
            "hold_out": ("test_fraction", "embargo_days"),
            "walk_forward": ("test_fraction", "windows", "window", "embargo_days"),
            "purged_kfold": ("folds", "embargo_days"),
            "cpcv": ("groups", "test_groups", "embargo_days"),
        }[self.method]
        return {"method": self.method, **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, slots=True)
class Split:
    """한 번의 나눔. train, test: 날의 범위들, 차례대로이고 서로 겹치지 않는다."""

    train: tuple[DayRange, ...]
    test: tuple[DayRange, ...]


@dataclass(frozen=True, slots=True)
class Scheme:
    """한 기간을 나눈 결과. period: 전체 기간. splits: 검증이 없으면 비어 있다."""

    rules: Rules
    period: DayRange
    splits: tuple[Split, ...]

    @property
    def training(self) -> tuple[DayRange, ...]:
        """모든 split의 학습 날들의 합집합. 검증이 없으면 전체 기간."""
        if not self.splits:
            return (self.period,)
        return joined(part for split in self.splits for part in split.train)

    @property
    def testing(self) -> tuple[DayRange, ...]:
        """모든 split의 검증 날들의 합집합. 검증이 없으면 비어 있다."""
        return joined(part for split in self.splits for part in split.test)

    @property
    def groups(self) -> tuple[DayRange, ...]:
        """purged_kfold와 cpcv의 묶음들. 다른 방법이면 비어 있다."""
        return _groups(self.rules, *self.period)

    def paths(self) -> tuple[tuple[int, ...], ...]:
        """cpcv의 검증 경로들: 경로마다, 묶음의 차례로 그 묶음을 검증하는 split의 번호.

        경로 p는 묶음마다 그 묶음을 검증하는 p번째 split의 것을 쓴다. 다른 방법이면 비어 있다.
        """
        if self.rules.method != "cpcv":
            return ()
        chosen = _choices(self.rules)
        testing = [
            [j for j, groups in enumerate(chosen) if group in groups]
            for group in range(self.rules.groups)
        ]
        return tuple(zip(*testing, strict=True))


def make_scheme(rules: Rules, first_day: int, end_day: int) -> Scheme:
    """[first_day, end_day)을 rules대로 나눈다. 기간이 짧아 나눌 수 없으면 DataError."""
    splits = _cut(rules, first_day, end_day)
    if not _long_enough(splits):
        raise DataError(
            f"기간이 짧아 학습과 검증으로 나눌 수 없습니다({METHODS[rules.method]})",
            f"캔들은 {end_day - first_day}일인데, '{describe(rules)}'에는 {shortest_period(rules)}일이 있어야 "
            f"학습과 검증이 저마다 {MIN_DAYS}일 이상이 됩니다",
            _remedy(rules),
        )
    return Scheme(rules, (first_day, end_day), tuple(splits))


def shortest_period(rules: Rules) -> int:
    """나눌 수 있는 가장 짧은 날 수."""
    return next(days for days in count(1) if _long_enough(_cut(rules, 0, days)))


def _cut(rules: Rules, first: int, end: int) -> list[Split]:
    if rules.method == "none":
        return []
    if rules.method == "hold_out":
        return _hold_out(rules, first, end)
    if rules.method == "walk_forward":
        return _walk_forward(rules, first, end)
    return _grouped(rules, first, end)


def _long_enough(splits: Sequence[Split]) -> bool:
    return all(day_count(part) >= MIN_DAYS for s in splits for part in (s.train, s.test))


def _hold_out(rules: Rules, first: int, end: int) -> list[Split]:
    test = _up(rules.test_fraction * (end - first))
    return [_split(((first, end - test),), ((end - test, end),), rules.embargo_days)]


def _walk_forward(rules: Rules, first: int, end: int) -> list[Split]:
    share = (1.0 - rules.test_fraction) / rules.test_fraction
    length = math.floor((end - first) / (rules.windows + share) + 0.5)
    length = min(length, (end - first - rules.embargo_days - MIN_DAYS) // rules.windows)
    start = end - rules.windows * length
    splits = []
    for window in range(rules.windows):
        test = (start + window * length, start + (window + 1) * length)
        opening = first if rules.window == "anchored" else first + window * length
        splits.append(_split(((opening, test[0]),), (test,), rules.embargo_days))
    return splits


def _grouped(rules: Rules, first: int, end: int) -> list[Split]:
    groups = _groups(rules, first, end)
    splits = []
    for chosen in _choices(rules):
        train = tuple(part for i, part in enumerate(groups) if i not in chosen)
        splits.append(_split(train, tuple(groups[i] for i in chosen), rules.embargo_days))
    return splits


def _choices(rules: Rules) -> list[tuple[int, ...]]:
    if rules.method == "purged_kfold":
        return [(i,) for i in range(rules.folds)]
    return list(combinations(range(rules.groups), rules.test_groups))


def _groups(rules: Rules, first: int, end: int) -> tuple[DayRange, ...]:
    if rules.method not in ("purged_kfold", "cpcv"):
        return ()
    wanted = rules.folds if rules.method == "purged_kfold" else rules.groups
    size, longer = divmod(end - first, wanted)
    return tuple(pairwise(first + i * size + min(i, longer) for i in range(wanted + 1)))


def _split(train: Sequence[DayRange], test: Sequence[DayRange], embargo: int) -> Split:
    """train에서 test의 앞뒤 embargo일을 빼고, 붙은 범위들을 잇는다."""
    kept = list(train)
    for start, stop in test:
        low, high = start - embargo, stop + embargo
        kept = [
            piece
            for a, b in kept
            for piece in ((a, min(b, low)), (max(a, high), b))
            if piece[0] < piece[1]
        ]
    return Split(joined(kept), joined(test))


def joined(ranges: Iterable[DayRange]) -> tuple[DayRange, ...]:
    """범위들의 합집합을 차례대로, 겹치거나 붙은 것은 하나로."""
    merged: list[DayRange] = []
    for start, stop in sorted(part for part in ranges if part[0] < part[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return tuple(merged)


def day_count(ranges: Iterable[DayRange]) -> int:
    """범위들의 날 수."""
    return sum(stop - start for start, stop in ranges)


def dates(part: DayRange) -> tuple[str, str]:
    """범위의 (첫 날, 마지막 날), YYYY-MM-DD(UTC). 마지막 날도 든다."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return tuple(  # type: ignore[return-value]  # 늘 둘이다
        (epoch + timedelta(days=day)).strftime("%Y-%m-%d") for day in (part[0], part[1] - 1)
    )


def scheme_json(scheme: Scheme) -> dict[str, object]:
    """JSON으로: method, label(`describe`), splits(학습과 검증의 날짜 범위들, 마지막 날도 든다)."""
    return {
        "method": scheme.rules.method,
        "label": describe(scheme.rules),
        "splits": [
            {
                "train": [list(dates(part)) for part in split.train],
                "test": [list(dates(part)) for part in split.test],
            }
            for split in scheme.splits
        ],
    }


def describe(rules: Rules) -> str:
    """사람이 읽는 한 줄."""
    parts = {
        "none": [],
        "hold_out": [f"뒤 {_percent(rules.test_fraction)}"],
        "walk_forward": [
            f"창 {rules.windows}개",
            rules.window,
            f"창마다 검증 {_percent(rules.test_fraction)}",
        ],
        "purged_kfold": [f"{rules.folds}개로 나눔"],
        "cpcv": [
            f"묶음 {rules.groups}개에서 {rules.test_groups}개씩",
            f"split {rules.split_count}개",
        ],
    }[rules.method]
    if rules.method != "none" and rules.embargo_days:
        parts.append(f"embargo {rules.embargo_days}일")
    return " · ".join((METHODS[rules.method], *parts))


def _percent(fraction: float) -> str:
    return f"{100 * fraction:g} %"


def _up(value: float) -> int:
    """올림. 0.1·30처럼 반올림의 찌꺼기로 넘친 것은 올리지 않는다."""
    return math.ceil(value - 1e-9)


def _remedy(rules: Rules) -> str:
    fewer = {
        "hold_out": "validation.embargo_days를 줄이거나",
        "walk_forward": "validation.windows나 validation.embargo_days를 줄이거나",
        "purged_kfold": "validation.folds나 validation.embargo_days를 줄이거나",
        "cpcv": "validation.groups나 validation.embargo_days를 줄이거나",
    }[rules.method]
    return (
        f"data.start와 data.end를 넓히거나, {fewer}, "
        "검증 없이 돌리려면 --set validation.method=none 을 주세요"
    )
