"""donchian_breakout: 지난 고점을 종가가 넘으면 들어가고 더 짧은 통로의 반대쪽에서 닫는다."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter, Parameter
from optimize.strategy.protocol import Signals
from optimize.trial import Params

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from optimize.data.dataset import Dataset

_ON = (True,)


class DonchianBreakout:
    """Donchian 통로 돌파. 통로는 지금 봉을 뺀 지난 봉들의 고가와 저가다."""

    name = "donchian_breakout"
    parameters: tuple[Parameter, ...] = (
        IntParameter("entry_len", 240, "돌파를 재는 통로의 길이(봉)", low=20, high=2000, log=True),
        IntParameter("exit_len", 120, "닫는 통로의 길이(봉)", low=5, high=1000, log=True),
        ChoiceParameter(
            "use_htf", True, "HTF 종가가 EMA의 같은 쪽일 때만(HTF가 없는 칸에서는 뜻이 없음)"
        ),
        IntParameter(
            "htf_len", 50, "HTF 종가 EMA의 길이(HTF 봉)", {"use_htf": _ON}, low=5, high=200
        ),
        IntParameter("atr_len", 20, "손절에 쓰는 ATR의 길이(봉)", low=5, high=100),
        ChoiceParameter("use_stop", True, "ATR 손절을 쓴다"),
        FloatParameter(
            "stop_atr",
            6.0,
            "손절 거리(ATR의 배수)",
            {"use_stop": _ON},
            low=0.5,
            high=20.0,
            step=0.25,
        ),
        ChoiceParameter("use_trail", False, "유리한 쪽으로만 움직이는 ATR 손절을 쓴다"),
        FloatParameter(
            "trail_atr",
            10.0,
            "추적 손절 거리(ATR의 배수)",
            {"use_trail": _ON},
            low=1.0,
            high=30.0,
            step=0.25,
        ),
    )

    def signals(self, dataset: Dataset, params: Params) -> Signals:
        """돌파가 시작된 봉에만 진입 신호를 낸다."""
        import numpy as np

        from optimize.strategy import indicators as ta
        from optimize.strategy.htf_nb import trend_filter

        candles = dataset.ltf
        entry_len, exit_len = int(params["entry_len"]), int(params["exit_len"])
        above = candles.close > _shifted(ta.highest_nb(candles.high, entry_len))
        below = candles.close < _shifted(ta.lowest_nb(candles.low, entry_len))
        entry = _started(above).astype(np.int8) - _started(below).astype(np.int8)
        trend, index = trend_filter(dataset, int(params["htf_len"]) if params["use_htf"] else None)
        if len(index):
            entry[entry != ta.on_ltf(trend, index)] = 0
        uses_atr = bool(params["use_stop"] or params["use_trail"])
        return Signals(
            entry=entry,
            exit_long=candles.close < _shifted(ta.lowest_nb(candles.low, exit_len)),
            exit_short=candles.close > _shifted(ta.highest_nb(candles.high, exit_len)),
            atr=ta.atr_nb(candles.high, candles.low, candles.close, int(params["atr_len"]))
            if uses_atr
            else None,
            stop_atr=float(params["stop_atr"]) if params["use_stop"] else None,
            trail_atr=float(params["trail_atr"]) if params["use_trail"] else None,
        )


def _shifted(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """한 봉 앞의 값. 첫 봉은 NaN."""
    import numpy as np

    return np.concatenate(([np.nan], values[:-1]))


def _started(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """앞 봉에서 거짓이다가 참이 된 봉."""
    import numpy as np

    return flags & ~np.concatenate(([False], flags[:-1]))
