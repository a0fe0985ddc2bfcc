"""백테스트의 결과. 기호: n = LTF 봉 수, d = 날 수, t = 거래 수."""

from __future__ import annotations

from dataclasses import dataclass

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
fees·funding: 낸 것이 양수, 호가 통화. pnl: 수수료와 펀딩을 뺀 순손익. return_pct: pnl / 진입 때 평가금, %.
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

    날마다의 배열은 모두 길이 d, UTC의 날이며 봉은 닫힌 때의 날에 든다. first_day: 그 첫 날(1970-01-01부터의 날).
    daily_equity: float64[d], 마지막으로 닫힌 봉의 평가금 E[d]. 닫힌 봉이 없는 날은 앞 날의 것.
    어떤 날의 길 = (E[d-1], 그날 닫힌 봉마다의 평가금), 첫 날은 E[-1] = initial_cash. 호가 통화로
    daily_peak: float64[d], 그 길의 가장 높은 값. daily_trough: float64[d], 가장 낮은 값.
    daily_drawdown: float64[d], 그 길의 최대 낙폭(비율, 고점은 E[d-1]에서 새로 시작; 고점이 0 이하면 0).
    daily_held: int32[d], 포지션을 가진 봉.
    날의 (수익률, peak, trough, drawdown)은 이어 붙일 수 있다: 이웃한 토막 1, 2의 낙폭은 정확히
    max(dd1, dd2, 1 - trough2/peak1), peak은 max, trough는 min이다. 모든 날을 합치면 max_drawdown_pct의 낙폭이다.
    """

    metrics: dict[str, float]
    trades: NDArray[np.void]
    daily_equity: NDArray[np.float64]
    first_day: int
    initial_cash: float
    daily_peak: NDArray[np.float64]
    daily_trough: NDArray[np.float64]
    daily_drawdown: NDArray[np.float64]
    daily_held: NDArray[np.int32]

    def daily_returns(self) -> NDArray[np.float64]:
        """float64[d]. 첫 날은 처음 돈에 대한 수익률이다. 평가금이 0 이하가 된 뒤의 날은 0."""
        before = np.concatenate(([self.initial_cash], self.daily_equity[:-1]))
        returns = np.zeros(len(before))
        np.divide(self.daily_equity, before, out=returns, where=before > 0)
        return np.where(before > 0, returns - 1.0, 0.0)
