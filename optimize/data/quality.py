"""봉의 흠 찾기와 손질.

찾는 것: 빈 봉(gap), 겹친 시각, 격자를 벗어난 시각, 거래량 0, 있을 수 없는 봉(고가 < 저가,
0 이하나 유한하지 않은 가격, 음수 거래량). 손질의 규칙:
- 같은 시각이 겹치면 뒤에 온 것을 쓴다.
- 있을 수 없는 봉은 버리고 빈 봉으로 다룬다.
- 빈 봉은 직전 종가로 평평하게(거래량 0) 채우고 filled로 표시한다.
- 격자를 벗어난 시각은 시킬 때만 내림한다. 내림해서 한 자리에 모인 봉들은 하나로 합친다.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimize.data.dataset import Candles
from optimize.data.period import format_ms, format_period
from optimize.data.resample import anchor_ms
from optimize.data.timeframes import MINUTE_MS, Timeframe
from optimize.errors import DataError

MISSING_WARNING = 0.001
_LISTED_GAPS = 20


@dataclass(frozen=True, slots=True)
class Gap:
    """빈 봉들. start_ms: 빠진 첫 봉의 시각. bars: 빠진 봉의 수."""

    start_ms: int
    bars: int


@dataclass(frozen=True, slots=True)
class Quality:
    """봉들의 흠. 수는 모두 봉의 수이며 시각은 UTC ms. gaps는 긴 것부터 20개까지다."""

    rows: int
    interval_ms: int
    first_ms: int
    last_ms: int
    duplicates: int = 0
    conflicting: int = 0
    unsorted: int = 0
    off_grid: int = 0
    zero_volume: int = 0
    impossible: int = 0
    gap_count: int = 0
    missing: int = 0
    gaps: list[Gap] = field(default_factory=list)
    impossible_examples: list[int] = field(default_factory=list)

    @property
    def missing_ratio(self) -> float:
        """있어야 할 봉 가운데 빠진 몫, 0~1."""
        expected = self.rows - self.duplicates + self.missing
        return self.missing / expected if expected else 0.0

    @property
    def clean(self) -> bool:
        """전략의 결과를 흔들 흠이 없는가(거래량 0인 봉은 흠이 아니다)."""
        return not (self.duplicates or self.off_grid or self.impossible or self.missing)

    def to_json(self) -> dict[str, object]:
        """기계가 읽는 꼴."""
        return {**asdict(self), "missing_ratio": self.missing_ratio, "clean": self.clean}

    def notes(self) -> tuple[str, ...]:
        """실행이 알릴 흠, 한국어 한 줄씩. 흠이 없으면 빈 tuple."""
        found = []
        if self.missing_ratio > MISSING_WARNING:
            found.append(
                f"빈 봉 {self.missing:,}개({self.missing_ratio:.2%})를 직전 종가로 채웠습니다. "
                f"가장 긴 빈 자리는 {format_ms(self.gaps[0].start_ms)}부터 {self.gaps[0].bars:,}개입니다"
            )
        elif self.missing:
            found.append(f"빈 봉 {self.missing:,}개를 직전 종가로 채웠습니다")
        if self.conflicting:
            found.append(f"시각이 같고 값이 다른 봉 {self.conflicting:,}개는 뒤의 것을 썼습니다")
        if self.off_grid:
            found.append(f"격자를 벗어난 시각 {self.off_grid:,}개를 내림했습니다")
        if self.impossible:
            found.append(f"있을 수 없는 봉 {self.impossible:,}개를 버리고 빈 봉으로 채웠습니다")
        return tuple(found)

    def lines(self) -> list[str]:
        """사람이 읽는 보고, 한국어 여러 줄."""
        body = [
            f"기간        {format_period(self.first_ms, self.last_ms + self.interval_ms)}",
            f"간격        {Timeframe(max(1, self.interval_ms // MINUTE_MS))}",
            f"봉          {self.rows:,}개",
            f"빈 봉       {self.missing:,}개 ({self.missing_ratio:.3%}), 빈 자리 {self.gap_count:,}곳",
            f"겹친 시각   {self.duplicates:,}개 (값이 다른 것 {self.conflicting:,}개)",
            f"벗어난 시각 {self.off_grid:,}개",
            f"거래량 0    {self.zero_volume:,}개",
            f"불가능한 봉 {self.impossible:,}개",
        ]
        if self.unsorted:
            body.append(f"뒤섞인 순서 {self.unsorted:,}곳 (시간순으로 다시 세웁니다)")
        body += [f"  빈 자리: {format_ms(gap.start_ms)}부터 {gap.bars:,}개" for gap in self.gaps]
        if self.gap_count > len(self.gaps):
            body.append(f"  … 그 밖에 {self.gap_count - len(self.gaps):,}곳")
        body += [f"  불가능한 봉: {format_ms(moment)}" for moment in self.impossible_examples]
        return body


def detect_interval(open_time: NDArray[np.int64]) -> int:
    """가장 잦은 시각 차이, ms. 1분의 정수배가 아니거나 봉이 둘보다 적으면 DataError."""
    steps = np.diff(np.sort(open_time))
    steps = steps[steps > 0]
    if not len(steps):
        raise DataError(
            "캔들의 간격을 알 수 없습니다",
            "서로 다른 시각의 봉이 둘보다 적습니다",
            "봉이 더 든 파일을 쓰세요",
        )
    values, counts = np.unique(steps, return_counts=True)
    interval = int(values[counts.argmax()])
    if interval % MINUTE_MS:
        raise DataError(
            "캔들의 간격이 1분의 정수배가 아닙니다",
            f"가장 잦은 간격이 {interval / 1000:g}초입니다",
            "1분봉이나 그보다 긴 봉의 파일을 쓰세요",
        )
    return interval


def assess(candles: Candles, interval_ms: int) -> Quality:
    """손질하기 전의 봉을 살핀다(순서가 뒤섞여도 된다). 빈 봉은 이웃한 시각의 차이로 센다."""
    order = np.argsort(candles.open_time, kind="stable")
    times = candles.open_time[order]
    same = np.flatnonzero(np.diff(times) == 0)
    conflicting = np.zeros(len(same), dtype=np.bool_)
    for values in (candles.open, candles.high, candles.low, candles.close, candles.volume):
        conflicting |= values[order[same]] != values[order[same + 1]]
    skipped = np.diff(times) // interval_ms - 1
    places = np.flatnonzero(skipped > 0)
    longest = places[np.argsort(-skipped[places], kind="stable")][:_LISTED_GAPS]
    impossible = candles.open_time[_impossible(candles)]
    return Quality(
        rows=len(candles),
        interval_ms=interval_ms,
        first_ms=int(times[0]),
        last_ms=int(times[-1]),
        duplicates=len(same),
        conflicting=int(conflicting.sum()),
        unsorted=int((np.diff(candles.open_time) < 0).sum()),
        off_grid=int((_remainder(candles.open_time, interval_ms) != 0).sum()),
        zero_volume=int((candles.volume == 0).sum()),
        impossible=len(impossible),
        gap_count=len(places),
        missing=int(skipped[places].sum()),
        gaps=[Gap(int(times[i]) + interval_ms, int(skipped[i])) for i in longest],
        impossible_examples=[int(moment) for moment in impossible[:5]],
    )


def clean(candles: Candles, quality: Quality, *, floor_off_grid: bool) -> Candles:
    """시간순으로 세우고, 겹친 것·있을 수 없는 것을 없앤다. 빈 봉은 채우지 않는다.

    격자를 벗어난 시각이 있는데 floor_off_grid가 거짓이면 DataError. 남는 봉이 없어도 DataError.
    """
    if quality.off_grid and not floor_off_grid:
        raise DataError(
            f"격자를 벗어난 시각이 {quality.off_grid:,}개 있습니다",
            f"여는 시각이 {Timeframe(quality.interval_ms // MINUTE_MS)}의 정수배가 아닌 봉입니다. 말없이 고치지 않습니다",
            "내림해서 쓰려면: --set data.floor_off_grid=true (python -m optimize.data 에서는 --floor-times)\n"
            "살펴보려면: python -m optimize.data check --data 파일",
        )
    if not (quality.unsorted or quality.duplicates or quality.impossible or quality.off_grid):
        return candles
    if quality.impossible:
        candles = take(candles, np.flatnonzero(~_impossible(candles)))
    candles = in_order(candles)
    if quality.off_grid:
        candles = _floor(candles, quality.interval_ms)
    if not len(candles):
        raise DataError(
            "쓸 수 있는 봉이 하나도 없습니다",
            "모든 봉이 있을 수 없는 값입니다",
            "파일을 확인하세요",
        )
    return candles


def from_rows(times: Sequence[int], ohlcv: Sequence[Sequence[float]]) -> Candles:
    """거래소의 줄들을 시간순의 봉으로. ohlcv: 시가, 고가, 저가, 종가, 거래량. 모양이 다르면 ValueError."""
    table = np.array(ohlcv, dtype=np.float64).reshape(len(times), 5)
    opened, high, low, close, volume = (np.ascontiguousarray(table[:, i]) for i in range(5))
    open_time = np.array(times, dtype=np.int64)
    empty = np.zeros(len(times), dtype=np.bool_)
    return in_order(Candles(open_time, opened, high, low, close, volume, filled=empty))


def in_order(candles: Candles) -> Candles:
    """시간순으로 세우고 시각이 겹친 봉은 뒤에 온 것만 남긴다. 값은 고치지 않는다."""
    candles = take(candles, np.argsort(candles.open_time, kind="stable"))
    last = np.diff(candles.open_time, append=np.int64(-1)) != 0
    return take(candles, np.flatnonzero(last))


def fill_gaps(candles: Candles, interval_ms: int) -> Candles:
    """시간순의 봉을 첫 봉부터 마지막 봉까지 빈틈없이 늘어놓는다. 빈 봉은 filled다."""
    times = candles.open_time
    count = int((times[-1] - times[0]) // interval_ms) + 1
    if count == len(times):
        return candles
    grid = times[0] + interval_ms * np.arange(count, dtype=np.int64)
    source = np.searchsorted(times, grid, side="right") - 1
    filled = times[source] != grid
    flat = candles.close[source]

    def place(values: NDArray[np.float64]) -> NDArray[np.float64]:
        placed: NDArray[np.float64] = np.where(filled, flat, values[source])
        return placed

    return Candles(
        open_time=grid,
        open=place(candles.open),
        high=place(candles.high),
        low=place(candles.low),
        close=flat,
        volume=np.where(filled, 0.0, candles.volume[source]),
        filled=filled,
    )


def take(candles: Candles, index: NDArray[np.intp] | slice) -> Candles:
    """고른 봉들."""
    return Candles(
        candles.open_time[index],
        candles.open[index],
        candles.high[index],
        candles.low[index],
        candles.close[index],
        candles.volume[index],
        candles.filled[index],
    )


def between(candles: Candles, start_ms: int, end_ms: int) -> Candles:
    """시간순의 봉에서 [start_ms, end_ms)."""
    first, last = np.searchsorted(candles.open_time, [start_ms, end_ms], side="left")
    return take(candles, slice(int(first), int(last)))


def concatenate(parts: list[Candles]) -> Candles:
    """봉들을 차례로 잇는다."""
    if len(parts) == 1:
        return parts[0]
    return Candles(
        np.concatenate([part.open_time for part in parts]),
        np.concatenate([part.open for part in parts]),
        np.concatenate([part.high for part in parts]),
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.close for part in parts]),
        np.concatenate([part.volume for part in parts]),
        np.concatenate([part.filled for part in parts]),
    )


def _impossible(candles: Candles) -> NDArray[np.bool_]:
    opened, high, low, close = candles.open, candles.high, candles.low, candles.close
    possible = (
        (low > 0)
        & (high >= np.maximum(opened, close))
        & (low <= np.minimum(opened, close))
        & np.isfinite(high)
        & np.isfinite(candles.volume)
        & (candles.volume >= 0)
    )
    return ~possible


def _remainder(open_time: NDArray[np.int64], interval_ms: int) -> NDArray[np.int64]:
    """시각이 격자를 벗어난 만큼, ms."""
    return (open_time - anchor_ms(Timeframe(interval_ms // MINUTE_MS))) % interval_ms


def _floor(candles: Candles, interval_ms: int) -> Candles:
    """시각을 격자로 내리고, 한 자리에 모인 봉들을 하나로 합친다(시가는 첫, 종가는 끝)."""
    floored = candles.open_time - _remainder(candles.open_time, interval_ms)
    first = np.flatnonzero(np.diff(floored, prepend=np.int64(-1)) != 0)
    last = np.append(first[1:], len(floored)) - 1
    return Candles(
        open_time=floored[first],
        open=candles.open[first],
        high=np.maximum.reduceat(candles.high, first),
        low=np.minimum.reduceat(candles.low, first),
        close=candles.close[last],
        volume=np.add.reduceat(candles.volume, first),
        filled=candles.filled[first],
    )
