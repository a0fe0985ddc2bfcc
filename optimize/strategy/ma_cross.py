"""ma_cross: 빠른 이동 평균이 느린 것을 넘으면 그 쪽으로 들어가고 반대로 넘으면 닫는다."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter, Parameter
from optimize.strategy.protocol import Signals, Workspace
from optimize.strategy.together import Together
from optimize.trial import Params

if TYPE_CHECKING:
    from optimize.data.dataset import Dataset

_ON = (True,)
_AVERAGES = ("sma", "ema", "hma")


class MaCross(Together):
    """이동 평균 교차. 손절과 익절은 골라 쓴다."""

    name = "ma_cross"
    parameters: tuple[Parameter, ...] = (
        ChoiceParameter("average", "ema", "이동 평균의 종류: sma·ema·hma", choices=_AVERAGES),
        IntParameter("fast_len", 20, "빠른 이동 평균의 길이(봉)", low=5, high=200),
        IntParameter("slow_gap", 60, "느린 이동 평균은 이만큼 더 길다(봉)", low=5, high=600),
        ChoiceParameter(
            "use_htf", True, "HTF 종가가 EMA의 같은 쪽일 때만(HTF가 없는 칸에서는 뜻이 없음)"
        ),
        IntParameter(
            "htf_len", 50, "HTF 종가 EMA의 길이(HTF 봉)", {"use_htf": _ON}, low=5, high=200
        ),
        IntParameter("atr_len", 14, "손절·익절에 쓰는 ATR의 길이(봉)", low=5, high=100),
        ChoiceParameter("use_stop", False, "ATR 손절을 쓴다"),
        FloatParameter(
            "stop_atr",
            3.0,
            "손절 거리(ATR의 배수)",
            {"use_stop": _ON},
            low=0.5,
            high=20.0,
            step=0.25,
        ),
        ChoiceParameter("use_target", False, "ATR 익절을 쓴다"),
        FloatParameter(
            "target_atr",
            6.0,
            "익절 거리(ATR의 배수)",
            {"use_target": _ON},
            low=0.5,
            high=40.0,
            step=0.25,
        ),
    )

    def signals_batch(
        self, dataset: Dataset, batch: Sequence[Params], workspace: Workspace
    ) -> list[Signals]:
        """여러 조합의 신호를 자료를 한 번 훑으며 만든다. 값은 signals_into와 비트까지 같다."""
        from optimize.strategy.ma_cross_nb import ma_cross_batch_nb, scratch_length_nb
        from optimize.strategy.signal_arrays import fill_together

        arrays = fill_together(
            dataset, batch, workspace, _config, ma_cross_batch_nb, scratch_length_nb
        )
        return [
            arrays.signals(
                row,
                has_atr=_uses_atr(params),
                stop_atr=float(params["stop_atr"]) if params["use_stop"] else None,
                target_atr=float(params["target_atr"]) if params["use_target"] else None,
            )
            for row, params in enumerate(batch)
        ]


def _uses_atr(params: Params) -> bool:
    return bool(params["use_stop"] or params["use_target"])


def _config(params: Params, trend: int, row: int) -> list[int]:
    """kernel의 int64[FIELDS]. 첫 진입은 두 평균이 모두 두 봉 이상 값을 가진 봉부터다."""
    kind = _AVERAGES.index(str(params["average"]))
    fast = int(params["fast_len"])
    slow = fast + int(params["slow_gap"])
    first = slow + (math.isqrt(slow) - 1 if _AVERAGES[kind] == "hma" else 0)
    return [kind, fast, slow, int(params["atr_len"]) if _uses_atr(params) else 0, first, trend, row]
