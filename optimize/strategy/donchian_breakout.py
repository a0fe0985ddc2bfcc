"""donchian_breakout: 지난 고점을 종가가 넘으면 들어가고 더 짧은 통로의 반대쪽에서 닫는다."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter, Parameter
from optimize.strategy.protocol import Signals, Workspace
from optimize.strategy.together import Together
from optimize.trial import Params

if TYPE_CHECKING:
    from optimize.data.dataset import Dataset

_ON = (True,)


class DonchianBreakout(Together):
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

    def signals_batch(
        self, dataset: Dataset, batch: Sequence[Params], workspace: Workspace
    ) -> list[Signals]:
        """여러 조합의 신호를 자료를 한 번 훑으며 만든다. 값은 signals_into와 비트까지 같다."""
        from optimize.strategy.donchian_nb import donchian_batch_nb, scratch_length_nb
        from optimize.strategy.signal_arrays import fill_together

        arrays = fill_together(
            dataset, batch, workspace, _config, donchian_batch_nb, scratch_length_nb
        )
        return [
            arrays.signals(
                row,
                has_atr=_uses_atr(params),
                stop_atr=float(params["stop_atr"]) if params["use_stop"] else None,
                trail_atr=float(params["trail_atr"]) if params["use_trail"] else None,
            )
            for row, params in enumerate(batch)
        ]


def _uses_atr(params: Params) -> bool:
    return bool(params["use_stop"] or params["use_trail"])


def _config(params: Params, trend: int, row: int) -> list[int]:
    """kernel의 int64[FIELDS]."""
    atr_len = int(params["atr_len"]) if _uses_atr(params) else 0
    return [int(params["entry_len"]), int(params["exit_len"]), atr_len, trend, row]
