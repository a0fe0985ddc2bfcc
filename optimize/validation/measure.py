"""한 자료의 백테스트 하나를 학습과 검증의 지표로 잰다."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.result import BacktestResult
from optimize.backtest.segments import Calendar, Segment, segment_metrics, segment_returns
from optimize.data.dataset import Dataset
from optimize.validation.blocks import encode_blocks
from optimize.validation.splits import Scheme


class Measured(NamedTuple):
    """metrics: 모든 학습 날의 합집합의 지표(검증이 없으면 전체 기간).

    in_sample, out_of_sample: 그 split의 학습과 검증 날들의 지표, 검증이 없으면 None. split이 하나면
    in_sample은 metrics와 같은 객체다. blocks: 학습 날들의 합집합의 일간 수익률을 줄인 글.
    returns: 줄이기 전의 그 일간 수익률 float64[날].
    """

    metrics: dict[str, float]
    in_sample: dict[str, float] | None
    out_of_sample: dict[str, float] | None
    blocks: str
    returns: NDArray[np.float64]


class Ruler:
    """한 자료를 나눈 자리. 구간의 봉은 한 번만 찾는다."""

    def __init__(self, dataset: Dataset, scheme: Scheme | None) -> None:
        """scheme: 기간을 나눈 결과, None이면 나누지 않는다."""
        calendar = Calendar.of(dataset)
        splits = scheme.splits if scheme is not None else ()
        self._splits = [
            (Segment.of(calendar, split.train), Segment.of(calendar, split.test))
            for split in splits
        ]
        self._training = (
            Segment.of(calendar, scheme.training) if scheme is not None and splits else None
        )

    @property
    def in_sample_bars(self) -> int | None:
        """학습이 앞의 이만큼의 봉일 때 그 수. 나누지 않았으면 None. split이 여럿이면 ValueError."""
        if not self._splits:
            return None
        if len(self._splits) > 1:
            raise ValueError("split이 여럿이면 학습의 끝이 하나가 아닙니다")
        return int(self._splits[0][0].ranges[-1, 3])

    def measure(self, result: BacktestResult, fold: int | None) -> Measured:
        """전체 기간의 백테스트를 fold번째 split으로 잰다. 나누지 않았으면 fold는 None이다."""
        if self._training is None or fold is None:
            daily = result.daily_returns()
            return Measured(dict(result.metrics), None, None, encode_blocks(daily), daily)
        train, test = self._splits[fold]
        metrics = segment_metrics(result, self._training)
        daily = segment_returns(result, self._training)
        return Measured(
            metrics,
            metrics if len(self._splits) == 1 else segment_metrics(result, train),
            segment_metrics(result, test),
            encode_blocks(daily),
            daily,
        )
