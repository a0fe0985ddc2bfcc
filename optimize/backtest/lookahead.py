"""전략이 미래를 보는지 시험한다: 뒤를 자르거나 뒤의 값을 바꿔도 앞의 신호가 그대로여야 한다.

기호: n = LTF 봉 수, k = 자르는 봉(봉 0 .. k-1까지 안다). HTF와 바탕 봉은 그때까지 닫힌 것만 안다.
절반은 고르게 뽑은 봉에서, 절반은 신호가 나온 봉의 바로 뒤에서 자른다: 드물게 들어가는 전략은 고르게
뽑은 봉만으로는 새는 곳이 잘 드러나지 않는다.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.altered import MILD, PARTS, WILD, Part, perturbed, truncated
from optimize.backtest.engine import make_signals
from optimize.data.dataset import Dataset
from optimize.data.period import format_ms
from optimize.errors import RunError
from optimize.strategy.protocol import Signals, Strategy, Workspace
from optimize.trial import Params

Test = Literal["repeat", "truncate", "perturb"]
ARRAYS = ("entry", "exit_long", "exit_short", "atr")
RULES = ("stop_atr", "trail_atr", "target_atr", "max_bars")
_TOLERANCE = 1e-9
_HOW = {
    "repeat": "같은 자료로 다시 셈하니",
    "truncate": "뒤를 자르니",
    "perturb": "뒤의 값을 바꾸니",
}
_PART_NAMES: dict[Part, str] = {
    "ltf": "뒤의 LTF 봉",
    "htf": "아직 닫히지 않은 HTF 봉",
    "base": "뒤의 1분봉",
    "funding": "뒤의 펀딩",
}


@dataclass(frozen=True, slots=True)
class Leak:
    """미래가 새어 든 자리.

    test: 같은 자료로 다시 셈했나(repeat), 뒤를 잘랐나(truncate), 바꿨나(perturb).
    cut, cut_time_ms: 아는 봉의 수 k와, 모르는 첫 봉이 여는 시각. bar, open_time_ms: 움직인 첫 봉
    (규칙 값이면 None). field: Signals의 칸. whole: 자료 전체로 낸 값. partial: 봉 k-1까지 알 때의 값.
    sources: 그것만 바꿔도 값이 움직이는 것들(perturb에만). error: 바꾼 자료에서 전략이 던진 예외.
    """

    test: Test
    cut: int
    cut_time_ms: int
    bar: int | None
    open_time_ms: int | None
    field: str
    whole: float | None
    partial: float | None
    sources: tuple[Part, ...] = ()
    error: str = ""

    def __str__(self) -> str:
        how = _HOW[self.test]
        if self.test != "repeat":
            how = f"봉 {self.cut:,}({format_ms(self.cut_time_ms)} UTC)부터 {how}"
        if self.error:
            return f"{how} 전략이 멈췄습니다: {self.error}"
        where = (
            "청산 규칙"
            if self.bar is None or self.open_time_ms is None
            else f"봉 {self.bar:,}({format_ms(self.open_time_ms)} UTC)"
        )
        moved = f"{where}의 {self.field}: {_shown(self.whole)} → {_shown(self.partial)}"
        seen = ", ".join(_PART_NAMES[part] for part in self.sources)
        return f"{moved} ({how} 움직임{f'. 본 것: {seen}' if seen else ''})"


def find_leaks(
    dataset: Dataset,
    strategy: Strategy,
    params: Params,
    *,
    rounds: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
    again: Callable[[], Strategy] | None = None,
) -> Iterator[Leak]:
    """봉 rounds곳에서 자르기와 바꾸기를 한 번씩 시험해 새는 곳을 차례로 준다.

    again: 바꾼 자료에 쓸 전략을 새로 만든다(전략이 첫 자료에서 얻은 것을 기억해 숨지 못하게).
        없으면 strategy를 쓴다. 자료 전체에서 전략이 던진 예외는 RunError다.
    봉이 3개보다 적으면 시험할 곳이 없어 아무것도 주지 않는다.
    """
    n = len(dataset.ltf)
    if n < 3:
        return
    rng = np.random.default_rng(seed)
    workspace = Workspace()
    whole = _owned(make_signals(dataset, strategy, params, workspace))
    yield from _moves(dataset, whole, make_signals(dataset, strategy, params, workspace), n)
    for done, cut in enumerate(_cuts(whole, n, rounds, rng)):
        spread = WILD if done % 2 == 0 else MILD
        shaken = perturbed(dataset, cut, rng, spread=spread)
        tests: tuple[tuple[Test, Dataset], ...] = (
            ("truncate", truncated(dataset, cut)),
            ("perturb", shaken),
        )
        for test, changed in tests:
            user = strategy if again is None else again()
            try:
                found = make_signals(changed, user, params, Workspace())
            except RunError as error:
                yield _stopped(dataset, cut, test, error.cause)
                continue
            for leak in _moves(dataset, whole, found, cut, test):
                yield replace(leak, sources=_sources(dataset, shaken, user, params, whole, leak))
        if on_progress is not None:
            on_progress(done + 1, rounds)


def _cuts(whole: Signals, n: int, rounds: int, rng: np.random.Generator) -> list[int]:
    """시험할 봉 k들, [2, n). 앞 10분의 1은 지표가 차지 않은 곳이라 고르게 뽑을 때 뺀다."""
    low = max(2, n // 10)
    spread = [int(k) for k in rng.integers(min(low, n - 1), n, rounds)]
    fired = _fired(whole, n)
    if not len(fired):
        return spread
    # 움직이는 봉은 대개 자른 자리의 바로 앞이다. 가끔 몇 봉 더 뒤에서도 자른다.
    near = rng.choice(fired, rounds) + 1 + rng.integers(0, 4, rounds) * (rng.random(rounds) < 0.3)
    return [int(np.clip(near[i], 2, n - 1)) if i % 2 == 0 else spread[i] for i in range(rounds)]


def _fired(whole: Signals, n: int) -> NDArray[np.int64]:
    """진입 신호가 있거나 청산 신호가 켜지기 시작한 봉들."""
    found = np.zeros(n, dtype=np.bool_)
    for name in ("entry", "exit_long", "exit_short"):
        flags = np.asarray(getattr(whole, name)) != 0
        if flags.shape != (n,):
            continue
        started = flags if name == "entry" else flags & ~np.concatenate(([False], flags[:-1]))
        found |= started
    return np.flatnonzero(found)


def _sources(
    dataset: Dataset,
    shaken: Dataset,
    strategy: Strategy,
    params: Params,
    whole: Signals,
    leak: Leak,
) -> tuple[Part, ...]:
    """바꾼 것 가운데 그것만 바꿔도 같은 칸이 움직이는 것들."""
    if leak.test != "perturb":
        return ()
    found: list[Part] = []
    for part in PARTS:
        if getattr(dataset, part) is None:
            continue
        alone = replace(dataset, **{part: getattr(shaken, part)})
        try:
            signals = make_signals(alone, strategy, params, Workspace())
        except RunError:
            continue
        if any(move.field == leak.field for move in _moves(dataset, whole, signals, leak.cut)):
            found.append(part)
    return tuple(found)


def _owned(signals: Signals) -> Signals:
    """전략이 배열을 다시 쓰더라도 변하지 않는 사본."""
    copies: dict[str, Any] = {
        name: None if (array := getattr(signals, name)) is None else np.array(array)
        for name in ARRAYS
    }
    return replace(signals, **copies)


def _stopped(dataset: Dataset, cut: int, test: Test, error: str) -> Leak:
    at = int(dataset.ltf.open_time[cut])
    return Leak(test, cut, at, None, None, "signals", None, None, error=error)


def _moves(
    dataset: Dataset, whole: Signals, found: Signals, cut: int, test: Test = "repeat"
) -> list[Leak]:
    """칸마다 봉 cut 앞에서 처음 움직인 자리. 앞의 봉부터."""
    times = dataset.ltf.open_time
    at = int(times[cut]) if cut < len(times) else dataset.ref.end_ms
    moves = [
        Leak(test, cut, at, None, None, name, before, after)
        for name in RULES
        if (before := getattr(whole, name)) != (after := getattr(found, name))
    ]
    rows: list[Leak] = []
    for name in ARRAYS:
        before, after = getattr(whole, name), getattr(found, name)
        bar = _moved_bar(before, after, cut)
        if bar is not None:
            values = (_value(before, bar), _value(after, bar))
            rows.append(Leak(test, cut, at, bar, int(times[bar]), name, *values))
    return moves + sorted(rows, key=lambda leak: leak.bar or 0)


def _value(array: NDArray[Any] | None, bar: int) -> float | None:
    return float(array[bar]) if array is not None and bar < len(array) else None


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


def _shown(value: float | None) -> str:
    return "없음" if value is None else f"{value:.10g}"
