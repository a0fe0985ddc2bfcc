"""나쁜 전략의 예: 다음 봉의 종가를 미리 본다. `./시작 검증`이 잡는다."""

import numpy as np

from optimize.strategy.parameter import IntParameter
from optimize.strategy.protocol import Signals


class LooksAhead:
    """평균 위에서 닫힌 봉 가운데 다음 봉이 오른 것에만 들어간다."""

    name = "looks_ahead"
    parameters = (IntParameter("length", 20, "평균의 길이(봉)", low=5, high=60),)

    def signals(self, dataset, params):
        from optimize.strategy import indicators as ta

        close = dataset.ltf.close
        above = close > ta.sma_nb(close, params["length"])
        next_close = np.append(close[1:], close[-1])  # 여기서 미래를 본다
        return Signals(
            entry=(above & (next_close > close)).astype(np.int8),
            exit_long=~above,
            exit_short=~above,
        )
