"""전략이 미래를 보는지 시험한다: 뒤를 자르거나 뒤의 값을 바꿔도 앞의 신호가 그대로여야 한다.

기호: n = LTF 봉 수, k = 자르는 봉(봉 0 .. k-1까지 안다). HTF와 바탕 봉도 그때까지 닫힌 것만 남기거나 지킨다.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.engine import make_signals
from optimize.data.dataset import Candles, Dataset, FundingSchedule
from optimize.strategy.protocol import Signals, Strategy, Workspace
from optimize.trial import Params

Test = Literal["truncate", "perturb"]
_ARRAYS = ("entry", "exit_long", "exit_short", "atr")
_RULES = ("stop_atr", "trail_atr", "target_atr", "max_bars")
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Leak:
    """미래가 새어 든 자리.

    test: 뒤를 잘랐나(truncate) 바꿨나(perturb). cut: 아는 봉의 수 k. bar: 움직인 첫 봉(규칙 값이면 None).
    field: Signals의 칸. whole: 자료 전체로 낸 값. partial: 봉 k-1까지 알 때의 값.
    """

    test: Test
    cut: int
    bar: int | None
    open_time_ms: int | None
    field: str
    whole: float | None
    partial: float | None

    def __str__(self) -> str:
        how = "뒤를 자르니" if self.test == "truncate" else "뒤의 값을 바꾸니"
        where = "청산 규칙" if self.bar is None else f"봉 {self.bar}"
        return (
            f"봉 {self.cut}부터 {how} {where}의 {self.field} 값이 "
            f"{self.whole}에서 {self.partial}(으)로 움직였습니다"
        )


def find_leaks(
    dataset: Dataset,
    strategy: Strategy,
    params: Params,
    *,
    rounds: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[Leak]:
    """무작위 봉 rounds곳에서 자르기와 바꾸기를 한 번씩 시험해 새는 곳을 차례로 준다.

    전략이 던진 예외는 RunError. 봉이 3개보다 적으면 시험할 곳이 없어 아무것도 주지 않는다.
    """
    n = len(dataset.ltf)
    if n < 3:
        return
    rng = np.random.default_rng(seed)
    whole = _owned(make_signals(dataset, strategy, params, Workspace()))
    for done, cut in enumerate(int(k) for k in rng.integers(2, n, rounds)):
        for test, changed in (
            ("truncate", truncated(dataset, cut)),
            ("perturb", perturbed(dataset, cut, rng)),
        ):
            found = make_signals(changed, strategy, params, Workspace())
            leak = _first_move(dataset, whole, found, cut, test)  # type: ignore[arg-type]
            if leak is not None:
                yield leak
        if on_progress is not None:
            on_progress(done + 1, rounds)


def truncated(dataset: Dataset, bars: int) -> Dataset:
    """LTF bars봉까지만 아는 자료. 1 이상 n 이하."""
    ltf, htf, base, seen, subs = _known(dataset, bars)
    end = dataset.ref.end_ms if bars == len(dataset.ltf) else int(dataset.ltf.open_time[bars])
    funding = dataset.funding
    if funding is not None:
        kept = int(np.searchsorted(funding.time, end, side="left"))
        funding = FundingSchedule(funding.time[:kept], funding.rate[:kept])
    return Dataset(
        replace(dataset.ref, bars=bars, end_ms=end),
        _cut(ltf, bars),
        None if htf is None else _cut(htf, seen),
        None if dataset.htf_index is None else dataset.htf_index[:bars],
        None if base is None else _cut(base, subs),
        None if dataset.base_start is None else dataset.base_start[: bars + 1],
        funding,
    )


def perturbed(dataset: Dataset, bars: int, rng: np.random.Generator) -> Dataset:
    """LTF bars봉 뒤의 가격과 거래량을 무작위로 크게 바꾼 자료."""
    ltf, htf, base, seen, subs = _known(dataset, bars)
    return replace(
        dataset,
        ltf=_shaken(ltf, bars, rng),
        htf=None if htf is None else _shaken(htf, seen, rng),
        base=None if base is None else _shaken(base, subs, rng),
    )


def _known(dataset: Dataset, bars: int) -> tuple[Candles, Candles | None, Candles | None, int, int]:
    """(ltf, htf, base, 아는 HTF 봉 수, 아는 바탕 봉 수)."""
    seen = 0 if dataset.htf_index is None else int(dataset.htf_index[bars - 1]) + 1
    subs = 0 if dataset.base_start is None else int(dataset.base_start[bars])
    return dataset.ltf, dataset.htf, dataset.base, seen, subs


def _cut(candles: Candles, count: int) -> Candles:
    return Candles(
        candles.open_time[:count],
        candles.open[:count],
        candles.high[:count],
        candles.low[:count],
        candles.close[:count],
        candles.volume[:count],
        candles.filled[:count],
    )


def _shaken(candles: Candles, first: int, rng: np.random.Generator) -> Candles:
    """first번째부터 봉마다 가격에 0.5 ~ 2배를 곱한다. 봉 안의 고저 관계는 지켜진다."""
    scale = np.ones(len(candles))
    scale[first:] = np.exp(rng.uniform(np.log(0.5), np.log(2.0), max(len(candles) - first, 0)))

    def times(values: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = values * scale
        moved.flags.writeable = False
        return moved

    return replace(
        candles,
        open=times(candles.open),
        high=times(candles.high),
        low=times(candles.low),
        close=times(candles.close),
        volume=times(candles.volume),
    )


def _owned(signals: Signals) -> Signals:
    """전략이 배열을 다시 쓰더라도 변하지 않는 사본."""
    copies: dict[str, Any] = {
        name: None if (array := getattr(signals, name)) is None else np.array(array)
        for name in _ARRAYS
    }
    return replace(signals, **copies)


def _first_move(
    dataset: Dataset, whole: Signals, found: Signals, cut: int, test: Test
) -> Leak | None:
    for name in _RULES:
        before, after = getattr(whole, name), getattr(found, name)
        if before != after:
            return Leak(test, cut, None, None, name, before, after)
    moves = [
        (bar, name)
        for name in _ARRAYS
        if (bar := _moved_bar(getattr(whole, name), getattr(found, name), cut)) is not None
    ]
    if not moves:
        return None
    bar, name = min(moves, key=lambda move: move[0])
    values: Sequence[float | None] = [
        float(array[bar]) if array is not None and bar < len(array) else None
        for array in (getattr(whole, name), getattr(found, name))
    ]
    time = int(dataset.ltf.open_time[bar])
    return Leak(test, cut, bar, time, name, values[0], values[1])


def _moved_bar(whole: NDArray[Any] | None, found: NDArray[Any] | None, cut: int) -> int | None:
    """봉 cut 앞에서 값이 달라진 첫 봉. 실수는 상대 1e-9까지 같다고 본다."""
    if whole is None and found is None:
        return None
    if whole is None or found is None or len(found) < cut:
        return 0
    a, b = np.asarray(whole[:cut]), np.asarray(found[:cut])
    if a.dtype.kind == "f":
        same = np.isclose(a, b, rtol=_TOLERANCE, atol=0.0, equal_nan=True)
    else:
        same = a == b
    moved = np.flatnonzero(~same)
    return int(moved[0]) if len(moved) else None
