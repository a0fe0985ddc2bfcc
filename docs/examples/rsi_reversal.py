"""내 전략의 예: RSI가 과매도·과매수에서 되돌아 나올 때 들어간다.

실행: python -m optimize.run --strategy docs/examples/rsi_reversal.py:RsiReversal
"""

import numpy as np

from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter
from optimize.strategy.protocol import Signals


class RsiReversal:
    """RSI 되돌림. 손절은 켜고 끌 수 있다."""

    name = "rsi_reversal"
    parameters = (
        IntParameter("rsi_len", 14, "RSI의 길이(봉)", low=5, high=100),
        FloatParameter(
            "oversold", 25.0, "이 아래에서 올라오면 long(0~50)", low=5, high=45, step=1.0
        ),
        IntParameter("hold_bars", 60, "이만큼 지나면 닫음(봉)", low=5, high=500, log=True),
        ChoiceParameter("use_stop", True, "ATR 손절을 쓴다"),
        # use_stop이 꺼진 시행에서는 탐색하지 않는다.
        FloatParameter(
            "stop_atr",
            4.0,
            "손절 거리(ATR의 배수)",
            {"use_stop": (True,)},
            low=1,
            high=12,
            step=0.5,
        ),
    )

    def signals(self, dataset, params):
        # numba를 쓰는 모듈은 안에서 import해 `--plan` 같은 명령을 가볍게 둔다.
        from optimize.strategy import indicators as ta

        bars = dataset.ltf
        change = np.diff(bars.close, prepend=bars.close[0])
        up = ta.rma_nb(np.maximum(change, 0.0), params["rsi_len"])
        down = ta.rma_nb(np.maximum(-change, 0.0), params["rsi_len"])
        total = up + down
        rsi = np.full(len(total), np.nan)
        np.divide(100.0 * up, total, out=rsi, where=total > 0)

        low = np.full(len(rsi), params["oversold"])
        entry = np.zeros(len(rsi), dtype=np.int8)
        entry[ta.crossed_above_nb(rsi, low)] = 1  # 과매도에서 올라온 봉
        entry[ta.crossed_above_nb(100.0 - rsi, low)] = -1  # 과매수에서 내려온 봉

        return Signals(
            entry=entry,
            exit_long=entry == -1,  # 반대 신호에 뒤집는다
            exit_short=entry == 1,
            atr=ta.atr_nb(bars.high, bars.low, bars.close, 14),
            stop_atr=params["stop_atr"] if params["use_stop"] else None,
            max_bars=params["hold_bars"],
        )
