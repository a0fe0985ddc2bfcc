"""백테스트의 결과. 기호: n = LTF 봉 수, d = 날 수, t = 거래 수."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

TRADE_DTYPE = np.dtype(
    [
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("quantity", np.float64),
        ("fees", np.float64),
        ("funding", np.float64),
        ("pnl", np.float64),
        ("return_pct", np.float64),
        ("bars", np.int32),
        ("side", np.int16),
        ("reason", np.int16),
    ],
    align=True,
)
"""거래 한 줄. entry_bar·exit_bar: 체결된 LTF 봉. 가격: slippage를 더한 체결 가격. quantity: 기초 자산의 양.
fees·funding: 낸 것이 양수, 호가 통화. pnl: 수수료와 펀딩을 뺀 순손익. return_pct: pnl / 진입 때 평가금.
bars: 보유한 봉. side: +1 long, -1 short. reason: EXIT_REASONS의 번호."""

EXIT_REASONS: dict[int, str] = {
    1: "신호",
    2: "손절",
    3: "추적 손절",
    4: "익절",
    5: "시간",
    6: "강제 청산",
    7: "기간 끝",
}


@dataclass(frozen=True, slots=True, eq=False)
class BacktestResult:
    """metrics: METRICS의 이름 → 유한한 값. trades: TRADE_DTYPE[t].

    daily_equity: float64[d], UTC 날마다 마지막으로 닫힌 봉의 평가금. first_day: 그 첫 날(1970-01-01부터의 날).
    """

    metrics: dict[str, float]
    trades: NDArray[np.void]
    daily_equity: NDArray[np.float64]
    first_day: int
    initial_cash: float

    def daily_returns(self) -> NDArray[np.float64]:
        """float64[d]. 첫 날은 처음 돈에 대한 수익률이다. 평가금이 0 이하가 된 뒤의 날은 0."""
        before = np.concatenate(([self.initial_cash], self.daily_equity[:-1]))
        returns = np.zeros(len(before))
        np.divide(self.daily_equity, before, out=returns, where=before > 0)
        return np.where(before > 0, returns - 1.0, 0.0)


def downsample(curve: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """그래프에 그릴 만큼 줄인 곡선. 길이 n이 points보다 길면 구간마다 최저와 최고를 차례대로 남긴다.

    돌려주는 것은 float64[?, 2] (봉 번호, 값)이며 길이는 points 이하이고 첫 봉과 끝 봉을 담는다.
    points는 4 이상. 아니면 ValueError.
    """
    if points < 4:
        raise ValueError("points는 4 이상이어야 합니다")
    n = len(curve)
    if n <= points:
        keep = np.arange(n)
    else:
        edges = np.linspace(0, n, (points - 2) // 2 + 1).astype(np.int64)
        picks = [0, n - 1]
        for lo, hi in pairwise(edges):
            part = curve[lo:hi]
            picks += [int(lo + part.argmin()), int(lo + part.argmax())]
        keep = np.unique(picks)
    return np.column_stack((keep.astype(np.float64), curve[keep]))
