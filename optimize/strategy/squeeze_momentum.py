"""squeeze_momentum: ATR로 잰 momentum이 문턱 밖에서 signal을 넘을 때 들어가는 되돌림 전략(기본값).

식과 warm-up은 docs/strategy.md에 있고, 계산은 `squeeze_momentum_nb`가 한다. 파라미터 이름 옆의
괄호는 TradingView 지표에서 부르는 이름이다. 길이의 단위는 LTF 봉, ATR은 Wilder의 ATR(kc_len)이다.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optimize.strategy.parameter import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)
from optimize.strategy.protocol import Signals, Workspace
from optimize.strategy.together import Together
from optimize.trial import Params

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from optimize.data.dataset import Dataset
    from optimize.strategy.signal_arrays import SignalArrays

DETREND_STYLES = ("kc", "avg", "deluxe", "mod")
SIGNAL_STYLES = ("sma", "ema", "hma")
THRESHOLD_MODES = ("static", "per_side", "dynamic")
_ON = (True,)


def _stop_parameters() -> tuple[Parameter, ...]:
    """켜고 끄는 청산 규칙들."""
    return (
        ChoiceParameter("exit_opposite", True, "반대 진입 신호가 나오면 다음 시가에 닫는다"),
        ChoiceParameter("exit_fade", False, "momentum이 시들면 다음 시가에 닫는다"),
        IntParameter(
            "fade_bars",
            3,
            "시듦: 0선을 넘은 momentum이 이만큼 연달아 꺾임(봉)",
            {"exit_fade": _ON},
            low=1,
            high=10,
        ),
        ChoiceParameter("use_stop", True, "ATR 손절을 쓴다"),
        FloatParameter(
            "stop_atr",
            4.0,
            "손절 거리(ATR의 배수)",
            {"use_stop": _ON},
            low=1.0,
            high=15.0,
            step=0.25,
        ),
        ChoiceParameter("use_trail", False, "유리한 쪽으로만 움직이는 ATR 손절을 쓴다"),
        FloatParameter(
            "trail_atr",
            6.0,
            "가장 유리했던 고가·저가에서 손절까지의 거리(ATR의 배수)",
            {"use_trail": _ON},
            low=1.5,
            high=20.0,
            step=0.25,
        ),
        ChoiceParameter("use_target", True, "ATR 익절을 쓴다"),
        FloatParameter(
            "target_atr",
            8.0,
            "익절 거리(ATR의 배수)",
            {"use_target": _ON},
            low=1.0,
            high=25.0,
            step=0.25,
        ),
        ChoiceParameter("use_time_stop", False, "정해진 봉이 지나면 닫는다"),
        IntParameter(
            "max_bars",
            240,
            "시간 청산: 진입한 봉을 1로 세어 이만큼 지나면 다음 시가에 닫음(봉)",
            {"use_time_stop": _ON},
            low=10,
            high=2000,
            log=True,
        ),
    )


def _signal_parameters() -> tuple[Parameter, ...]:
    """momentum, signal, flux."""
    return (
        ChoiceParameter(
            "detrend_style",
            "deluxe",
            "종가에서 빼는 기준선: kc·avg·deluxe·mod (detrend style)",
            choices=DETREND_STYLES,
        ),
        IntParameter(
            "kc_len", 20, "고저 중심·Keltner Channel·ATR의 길이(봉) (kcLen)", low=8, high=120
        ),
        IntParameter("bb_len", 20, "Bollinger Band의 길이(봉) (bbLen)", low=8, high=120),
        IntParameter("osc_len", 20, "momentum 회귀선의 길이(봉) (oscLen)", low=5, high=120),
        ChoiceParameter(
            "signal_style",
            "ema",
            "signal 이동 평균: sma·ema·hma (signal style)",
            choices=SIGNAL_STYLES,
        ),
        IntParameter("signal_len", 5, "signal 이동 평균의 길이(봉) (signalLen)", low=2, high=40),
        IntParameter(
            "flux_len", 30, "directional flux를 고르는 길이(봉) (fluxLen)", low=5, high=100
        ),
        ChoiceParameter(
            "flux_source",
            "plain",
            "flux의 입력: plain 보통 봉, heikin_ashi 평균 봉",
            choices=("plain", "heikin_ashi"),
        ),
    )


def _filter_parameters() -> tuple[Parameter, ...]:
    """squeeze gate, 문턱, HTF."""
    static, per_side, dynamic = ({"threshold_mode": (mode,)} for mode in THRESHOLD_MODES)
    gate, htf = {"use_gate": _ON}, {"use_htf": _ON}
    return (
        ChoiceParameter("use_gate", True, "최근에 squeeze가 풀렸을 때만 들어간다"),
        FloatParameter(
            "bb_mult",
            2.0,
            "Bollinger Band의 폭(표준편차의 배수) (bbMult)",
            gate,
            low=1.0,
            high=3.0,
            step=0.05,
        ),
        FloatParameter(
            "kc_mult",
            2.0,
            "Keltner Channel의 폭(ATR의 배수) (kcMult)",
            gate,
            low=0.75,
            high=4.0,
            step=0.05,
        ),
        IntParameter(
            "gate_bars", 20, "squeeze가 풀린 뒤 들어갈 수 있는 기간(봉)", gate, low=1, high=120
        ),
        ChoiceParameter(
            "threshold_mode",
            "static",
            "문턱: static 좌우 같음, per_side 쪽마다, dynamic 표준편차",
            choices=THRESHOLD_MODES,
        ),
        FloatParameter(
            "threshold", 0.5, "momentum 문턱(ATR의 배수)", static, low=0.0, high=4.0, step=0.05
        ),
        FloatParameter(
            "threshold_long",
            0.5,
            "long 문턱: momentum이 -이 값 아래(ATR의 배수)",
            per_side,
            low=0.0,
            high=4.0,
            step=0.05,
        ),
        FloatParameter(
            "threshold_short",
            0.5,
            "short 문턱: momentum이 이 값 위(ATR의 배수)",
            per_side,
            low=0.0,
            high=4.0,
            step=0.05,
        ),
        IntParameter(
            "threshold_len",
            100,
            "dynamic 문턱: momentum 표준편차의 길이(봉)",
            dynamic,
            low=20,
            high=400,
            step=5,
        ),
        FloatParameter(
            "threshold_mult",
            1.0,
            "dynamic 문턱: 표준편차에 곱하는 값(배)",
            dynamic,
            low=0.0,
            high=3.0,
            step=0.05,
        ),
        ChoiceParameter(
            "use_htf", True, "HTF 추세와 같은 쪽만 들어간다(HTF가 없는 칸에서는 뜻이 없음)"
        ),
        IntParameter("htf_len", 50, "HTF 종가 EMA의 길이(HTF 봉)", htf, low=5, high=200),
    )


class SqueezeMomentum(Together):
    """Squeeze Momentum. 모든 규칙의 식은 docs/strategy.md."""

    name = "squeeze_momentum"
    parameters: tuple[Parameter, ...] = (
        *_signal_parameters(),
        *_filter_parameters(),
        *_stop_parameters(),
    )

    def signals_batch(
        self, dataset: Dataset, batch: Sequence[Params], workspace: Workspace
    ) -> list[Signals]:
        """여러 조합의 신호를 자료를 한 번 훑으며 만든다. 값은 signals_into와 비트까지 같다."""
        from optimize.strategy.htf_nb import trend_filters
        from optimize.strategy.signal_arrays import SignalArrays
        from optimize.strategy.squeeze_config import grouped

        arrays = SignalArrays.of(workspace, len(batch), len(dataset.ltf))
        lengths = [int(params["htf_len"]) if params["use_htf"] else None for params in batch]
        trends, index, rows = trend_filters(dataset, lengths)
        for configs in grouped(batch, rows):
            _fill(dataset, configs, trends, index, arrays, workspace)
        return [
            arrays.signals(
                row,
                stop_atr=float(params["stop_atr"]) if params["use_stop"] else None,
                trail_atr=float(params["trail_atr"]) if params["use_trail"] else None,
                target_atr=float(params["target_atr"]) if params["use_target"] else None,
                max_bars=int(params["max_bars"]) if params["use_time_stop"] else None,
            )
            for row, params in enumerate(batch)
        ]


def _fill(
    dataset: Dataset,
    configs: NDArray[Any],
    trends: NDArray[np.int8],
    index: NDArray[np.int32],
    arrays: SignalArrays,
    workspace: Workspace,
) -> None:
    """토막의 길이가 같은 시행들(CONFIG_DTYPE[T])의 줄을 채운다."""
    import numpy as np

    from optimize.strategy.squeeze_config import extent
    from optimize.strategy.squeeze_momentum_nb import scratch_length_nb, squeeze_batch_nb

    size, candles = extent(configs), dataset.ltf
    length = scratch_length_nb(size, len(configs))
    squeeze_batch_nb(
        candles.open,
        candles.high,
        candles.low,
        candles.close,
        trends,
        index,
        configs,
        size,
        workspace.rows("scratch", 1, length, np.float64)[0],
        arrays.entry,
        arrays.exit_long,
        arrays.exit_short,
        arrays.atr,
    )
