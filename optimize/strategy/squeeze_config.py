"""squeeze_momentum의 파라미터를 kernel의 숫자로 옮긴다. numba를 들이지 않는다."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.squeeze_momentum import DETREND_STYLES, SIGNAL_STYLES, THRESHOLD_MODES
from optimize.trial import Params

CHUNK = 2048
_SLACK = 72  # 토막의 부품이 앞쪽으로 더 읽는 칸: 창보다 levels_nb.BEFORE까지

CONFIG_DTYPE = np.dtype(
    [
        *((name, np.int64) for name in (
            "detrend", "kc_len", "bb_len", "osc_len", "signal_style", "signal_len", "flux_len",
            "gate_bars", "threshold_mode", "threshold_len", "fade_bars",
            "mom_first", "first", "trend", "row", "keep_y", "keep_mom", "keep_hull", "keep_squeeze",
        )),
        *((name, np.float64) for name in (
            "bb_mult", "kc_mult", "threshold_long", "threshold_short", "threshold_mult",
        )),
        *((name, np.bool_) for name in ("heikin_ashi", "use_gate", "exit_opposite", "exit_fade")),
    ],
    align=True,
)  # fmt: skip
"""시행 하나. 길이는 봉, 문턱은 ATR의 배수. mom_first: momentum의 첫 봉. first: 첫 신호의 봉.
trend: HTF 추세의 줄 번호, 거르지 않으면 -1. row: 신호를 쓸 줄 번호. keep_*: 다음 토막이 읽는 지난 봉의 수."""


class Extent(NamedTuple):
    """묶음이 함께 쓰는 토막의 크기와, 함께 쓰는 표마다 가장 긴 창(쓰지 않으면 0). 단위는 봉.

    history: 토막 앞에 남기는 지난 봉. channel: 고가·저가. mids: hl2. offsets: 종가. squares: 종가의 제곱.
    ramp: 시행마다의 표(최소제곱, HMA, momentum의 표준편차). *_mask: 그 표에서 읽는 창들의 비트(levels_nb). plain, heikin_ashi: flux의 입력.
    """

    chunk: int
    history: int
    channel: int
    mids: int
    offsets: int
    squares: int
    ramp: int
    channel_mask: int
    mids_mask: int
    offsets_mask: int
    squares_mask: int
    plain: bool
    heikin_ashi: bool


def squeeze_config(params: Params, trend: int, row: int) -> NDArray[Any]:
    """CONFIG_DTYPE 한 칸(모양 ()). 쓰지 않는 규칙의 길이는 1로 두어 자료를 낭비하지 않는다."""
    mode = str(params["threshold_mode"])
    sides = {
        "static": (params["threshold"], params["threshold"]),
        "per_side": (params["threshold_long"], params["threshold_short"]),
        "dynamic": (0.0, 0.0),
    }[mode]
    gate, dynamic, fade = bool(params["use_gate"]), mode == "dynamic", bool(params["exit_fade"])
    config = np.zeros((), dtype=CONFIG_DTYPE)
    for name in ("kc_len", "bb_len", "osc_len", "signal_len", "flux_len", "bb_mult", "kc_mult"):
        config[name] = params[name]
    config["detrend"] = DETREND_STYLES.index(str(params["detrend_style"]))
    config["signal_style"] = SIGNAL_STYLES.index(str(params["signal_style"]))
    config["heikin_ashi"] = params["flux_source"] == "heikin_ashi"
    config["use_gate"] = gate
    config["gate_bars"] = params["gate_bars"] if gate else 1
    config["threshold_mode"] = THRESHOLD_MODES.index(mode)
    config["threshold_long"], config["threshold_short"] = sides
    config["threshold_len"] = params["threshold_len"] if dynamic else 1
    config["threshold_mult"] = params["threshold_mult"] if dynamic else 0.0
    config["exit_opposite"] = params["exit_opposite"]
    config["exit_fade"] = fade
    config["fade_bars"] = params["fade_bars"] if fade else 1
    config["trend"], config["row"] = trend, row
    config["mom_first"], config["first"] = _first_bars(config)
    hma = params["signal_style"] == "hma"
    momenta = max(int(config[name]) for name in ("signal_len", "threshold_len", "fade_bars"))
    config["keep_y"] = _round_up(int(config["osc_len"]))
    config["keep_mom"] = _round_up(momenta)
    config["keep_hull"] = _round_up(math.isqrt(int(config["signal_len"]))) if hma else 0
    config["keep_squeeze"] = _round_up(int(config["gate_bars"])) if gate else 0
    return config


def _first_bars(config: NDArray[Any]) -> tuple[int, int]:
    """(momentum의 첫 봉, 첫 신호의 봉): 모든 지표가 제 길이만큼 자료를 본 다음 봉."""
    c = {name: int(config[name]) for name in CONFIG_DTYPE.names or ()}
    uses_bands = DETREND_STYLES[c["detrend"]] in ("avg", "deluxe")
    y_first = max(c["kc_len"] - 1, c["bb_len"] - 1 if uses_bands else 0)
    mom_first = y_first + c["osc_len"] - 1
    first = mom_first + c["signal_len"] - 1
    if SIGNAL_STYLES[c["signal_style"]] == "hma":
        first += math.isqrt(c["signal_len"]) - 1
    first = max(first, c["kc_len"] + c["flux_len"] - 2)
    if THRESHOLD_MODES[c["threshold_mode"]] == "dynamic":
        first = max(first, mom_first + c["threshold_len"] - 1)
    if c["use_gate"]:
        first = max(first, max(c["kc_len"], c["bb_len"]) - 1 + c["gate_bars"])
    if c["exit_fade"]:
        first = max(first, mom_first + c["fade_bars"] - 1)
    return mom_first, first + 1


def chunk_length(config: NDArray[Any]) -> int:
    """토막의 길이, 봉. 첫 토막에 첫 신호의 봉이 들어야 한다. 이 시행의 길이만으로 정한다."""
    return max(CHUNK, _round_up(int(config["first"]) + 1))


def extent(configs: NDArray[Any]) -> Extent:
    """같은 토막 길이의 묶음(CONFIG_DTYPE[T])의 크기."""
    c: dict[str, Any] = {name: configs[name] for name in CONFIG_DTYPE.names or ()}
    kc, avg, deluxe, mod = (c["detrend"] == k for k in range(len(DETREND_STYLES)))
    gate = c["use_gate"]
    longest = [c["kc_len"], c["bb_len"], c["osc_len"], c["signal_len"], c["threshold_len"],
               c["gate_bars"] + 2, c["fade_bars"] + 2]  # fmt: skip
    hma = c["signal_style"] == SIGNAL_STYLES.index("hma")
    channel = _used(c["kc_len"], kc | avg | deluxe)
    mids = _used(c["bb_len"], deluxe) + _used(c["kc_len"], mod)
    offsets = _used(c["bb_len"], gate | avg) + _used(c["kc_len"], gate)
    squares = _used(c["bb_len"], gate)
    return Extent(
        chunk=chunk_length(configs[0]),
        history=_round_up(int(max(part.max() for part in longest)) + _SLACK),
        channel=max(channel, default=0),
        mids=max(mids, default=0),
        offsets=max(offsets, default=0),
        squares=max(squares, default=0),
        channel_mask=_bits(1 << w.bit_length() - 1 for w in channel),
        mids_mask=_bits(mids),
        offsets_mask=_bits(offsets),
        squares_mask=_bits(squares),
        ramp=max(
            int(c["osc_len"].max()), int(c["threshold_len"].max()), *_used(c["signal_len"], hma)
        ),
        plain=bool((~c["heikin_ashi"]).any()),
        heikin_ashi=bool(c["heikin_ashi"].any()),
    )


def grouped(batch: Sequence[Params], trends: Sequence[int]) -> list[NDArray[Any]]:
    """토막의 길이가 같은 시행끼리(CONFIG_DTYPE[T]들). 토막의 경계는 누구와 함께 도는지와 무관하다."""
    found: dict[int, list[NDArray[Any]]] = {}
    for row, (params, trend) in enumerate(zip(batch, trends, strict=True)):
        config = squeeze_config(params, trend, row)
        found.setdefault(chunk_length(config), []).append(config)
    return [np.stack(configs) for configs in found.values()]


def _used(lengths: NDArray[np.int64], used: NDArray[np.bool_]) -> list[int]:
    found: list[int] = lengths[used].tolist()
    return found


def _bits(lengths: Iterable[int]) -> int:
    return reduce(or_, lengths, 0)


def _round_up(value: int) -> int:
    """value보다 여덟 넘게 큰, 8의 배수."""
    return (value + 15) // 8 * 8
