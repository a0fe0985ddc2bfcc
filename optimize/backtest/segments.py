"""한 백테스트에서 잘라 낸 날들의 지표: 학습 구간과 검증 구간의 점수를 여기서 얻는다.

백테스트는 전체 기간에 한 번 돈다(신호와 체결은 앞만 보므로 구간마다 다시 돌 까닭이 없다). 구간은
UTC 날의 범위들이고, 여러 범위는 빈 사이를 건너뛰어 이어 붙인 한 기간으로 본다.

- 평가금의 지표(순이익, 연복리, Sharpe, Sortino, Calmar, 최대 낙폭, 노출)는 구간의 날들에서 잰다. 구간의
  첫 날의 수익률은 그 앞 날의 마지막 평가금에서 잰다. 낙폭은 봉마다의 평가금으로 정확하다.
- 거래의 지표(거래 수, 승률, 손익비, 수수료 등)는 한 범위 안에서 들어가고 나온 거래만 센다(purging).
  경계를 넘는 거래는 그 손익이 난 날들의 평가금에만 든다.
- 돈의 지표(순이익, 수수료, 펀딩)의 분모는 첫 범위를 시작하는 평가금이다.
- 연복리의 기간은 범위가 자료와 겹치는 시간의 합이다. 파산한 뒤의 날은 수익률이 0이다.

전체 기간을 한 구간으로 보면 `BacktestResult.metrics`와 비트까지 같다.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.engine import DAY_MS, day_ends, ltf_ms
from optimize.backtest.metrics import METRICS
from optimize.backtest.result import BacktestResult
from optimize.data.dataset import Dataset

DayRange = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """한 자료의 날들.

    first_day: 첫 날(1970-01-01부터의 UTC 날). day_last: int64[d], 날마다 마지막으로 닫힌 봉, 아직 없으면 -1.
    start_ms, end_ms: 첫 봉이 열린 때와 끝 봉이 닫힌 때, UTC ms.
    """

    first_day: int
    day_last: NDArray[np.int64]
    start_ms: int
    end_ms: int

    @classmethod
    def of(cls, dataset: Dataset) -> Calendar:
        """자료의 달력."""
        first_day, day_last = day_ends(dataset)
        times = dataset.ltf.open_time
        return cls(first_day, day_last, int(times[0]), int(times[-1]) + ltf_ms(dataset))


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """잴 구간. ranges: int64[r, 4] (첫 날, 끝 날, 첫 봉, 끝 봉), 날은 자료의 첫 날이 0이다.

    bars: 구간의 봉 수. days: 구간의 길이(날, 소수).
    """

    ranges: NDArray[np.int64]
    bars: int
    days: float

    @classmethod
    def of(cls, calendar: Calendar, ranges: Sequence[DayRange]) -> Segment:
        """ranges: 날의 범위들 [첫 날, 끝 날), 1970-01-01부터의 UTC 날. 자료 밖의 날은 뺀다.

        ValueError: 범위가 차례대로가 아니거나 겹친다.
        """
        if any(a >= b for a, b in ranges) or any(
            left[1] > right[0] for left, right in pairwise(ranges)
        ):
            raise ValueError(f"날의 범위는 차례대로이고 겹치지 않아야 합니다: {ranges!r}")
        count = len(calendar.day_last)
        rows: list[tuple[int, int, int, int]] = []
        length_ms = 0
        for start, stop in ranges:
            first = max(start - calendar.first_day, 0)
            end = min(stop - calendar.first_day, count)
            if first >= end:
                continue
            rows.append((first, end, _next_bar(calendar, first - 1), _next_bar(calendar, end - 1)))
            opened = (calendar.first_day + first) * DAY_MS if first else calendar.start_ms
            closed = (calendar.first_day + end) * DAY_MS if end < count else calendar.end_ms
            length_ms += closed - opened
        bars = sum(row[3] - row[2] for row in rows)
        return cls(np.array(rows, dtype=np.int64).reshape(len(rows), 4), bars, length_ms / DAY_MS)


def segment_metrics(result: BacktestResult, segment: Segment) -> dict[str, float]:
    """구간의 모든 지표(`METRICS`의 이름). 날이 하나도 없는 구간이면 모두 0이다."""
    from optimize.backtest.segments_nb import Path, segment_nb

    path = Path(
        result.daily_equity,
        result.daily_peak,
        result.daily_trough,
        result.daily_drawdown,
        result.daily_held,
        float(result.initial_cash),
    )
    values = segment_nb(result.trades, path, segment.ranges, segment.bars, segment.days)
    return dict(zip(METRICS, values.tolist(), strict=True))


def segment_returns(result: BacktestResult, segment: Segment) -> NDArray[np.float64]:
    """구간의 날마다의 수익률, float64[구간의 날 수]."""
    returns = result.daily_returns()
    parts = [returns[first:end] for first, end, _, _ in segment.ranges.tolist()]
    return np.concatenate(parts) if parts else returns[:0]


def _next_bar(calendar: Calendar, day: int) -> int:
    """그날까지 닫힌 봉의 다음 봉의 번호."""
    return int(calendar.day_last[day]) + 1 if day >= 0 else 0
