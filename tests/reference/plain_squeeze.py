"""squeeze_momentum의 신호를 docs/strategy.md의 글대로 한 봉씩 만든다. 제품의 코드를 쓰지 않는다."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from reference.plain_indicators import (
    Number,
    heikin_ashi,
    highest,
    hma,
    linreg_end,
    lowest,
    sma,
    smooth,
    std,
    true_range,
    wilder,
)


@dataclass
class PlainSignals:
    entry: list[int]
    exit_long: list[bool]
    exit_short: list[bool]
    atr: list[Number]
    first: int


def detrended(bars: Any, p: dict[str, Any], atr: list[Number]) -> list[Number]:
    c, h, low = bars.close, bars.high, bars.low
    n, style = len(c), p["detrend_style"]
    hl2 = [(h[i] + low[i]) / 2 for i in range(n)]
    top, bottom = highest(h, p["kc_len"]), lowest(low, p["kc_len"])
    mean_c, mean_mid = sma(c, p["bb_len"]), sma(hl2, p["bb_len"])
    mean_mid_kc = sma(hl2, p["kc_len"])
    out: list[Number] = []
    for i in range(n):
        middle = None if top[i] is None else (top[i] + bottom[i]) / 2
        parts = {
            "kc": (middle,),
            "avg": (mean_c[i], middle),
            "deluxe": (middle, mean_mid[i]),
            "mod": (hl2[i], mean_mid_kc[i]),
        }[style]
        if atr[i] is None or any(v is None for v in parts):
            out.append(None)
        elif atr[i] == 0:
            out.append(0.0)
        else:
            out.append((c[i] - sum(parts) / len(parts)) / atr[i])
    return out


def flux(bars: Any, p: dict[str, Any], atr: list[Number]) -> list[Number]:
    """-1 .. +1로 묶인 방향. 양쪽이 모두 0이면 0."""
    h, low = bars.high, bars.low
    if p["flux_source"] == "heikin_ashi":
        _, h, low, _ = heikin_ashi(bars.open, h, low, bars.close)
    ups: list[Number] = []
    downs: list[Number] = []
    for i in range(len(h)):
        rise = h[i] - h[i - 1] if i else 0.0
        drop = low[i - 1] - low[i] if i else 0.0
        if atr[i] is None:
            ups.append(None)
            downs.append(None)
            continue
        scale = 1 / atr[i] if atr[i] > 0 else 0.0
        ups.append(rise * scale if rise > drop and rise > 0 else 0.0)
        downs.append(drop * scale if drop > rise and drop > 0 else 0.0)
    a, b = smooth(ups, 1 / p["flux_len"]), smooth(downs, 1 / p["flux_len"])
    return [
        None if u is None else (u - d) / (u + d) if u + d > 0 else 0.0
        for u, d in zip(a, b, strict=True)
    ]


def squeezed(bars: Any, p: dict[str, Any], atr: list[Number]) -> list[bool | None]:
    c = bars.close
    basis, spread, middle = sma(c, p["bb_len"]), std(c, p["bb_len"]), sma(c, p["kc_len"])
    out: list[bool | None] = []
    for i in range(len(c)):
        if basis[i] is None or middle[i] is None:
            out.append(None)
            continue
        bb, kc = p["bb_mult"] * spread[i], p["kc_mult"] * atr[i]
        out.append(basis[i] + bb < middle[i] + kc and basis[i] - bb > middle[i] - kc)
    return out


def htf_trend(data: Any, length: int) -> list[int]:
    """LTF 봉마다 +1, -1, 0(아직 모름이나 같음)."""
    closes = data.htf.close.tolist()
    ema = smooth(closes, 2 / (length + 1))
    out = []
    for j in data.htf_index:
        if j < length - 1:
            out.append(0)
        else:
            out.append((closes[j] > ema[j]) - (closes[j] < ema[j]))
    return out


def squeeze_signals(data: Any, p: dict[str, Any]) -> PlainSignals:
    names = ("open", "high", "low", "close")
    bars = SimpleNamespace(**{name: getattr(data.ltf, name).tolist() for name in names})
    n = len(bars.close)
    atr = wilder(true_range(bars.high, bars.low, bars.close), p["kc_len"])
    momentum = linreg_end(detrended(bars, p, atr), p["osc_len"])
    length = p["signal_len"]
    signal = {
        "sma": lambda: sma(momentum, length),
        "ema": lambda: smooth(momentum, 2 / (length + 1)),
        "hma": lambda: hma(momentum, length),
    }[p["signal_style"]]()
    direction = flux(bars, p, atr)
    gate = squeezed(bars, p, atr) if p["use_gate"] else None
    spread = std(momentum, p["threshold_len"]) if p["threshold_mode"] == "dynamic" else None
    trend = htf_trend(data, p["htf_len"]) if p["use_htf"] and data.htf is not None else None
    first = warm_up(p)
    out = PlainSignals([0] * n, [False] * n, [False] * n, [None] * n, first)
    for i in range(first, n):
        out.atr[i] = atr[i]
        below, above = thresholds(p, spread[i] if spread else 0.0)
        crossed_up = momentum[i - 1] <= signal[i - 1] and momentum[i] > signal[i]
        crossed_down = momentum[i - 1] >= signal[i - 1] and momentum[i] < signal[i]
        side = 0
        if crossed_up and momentum[i] < -below and direction[i] > 0:
            side = 1
        if crossed_down and momentum[i] > above and direction[i] < 0:
            side = -1
        if gate is not None and not any(
            gate[t - 1] is True and gate[t] is False for t in range(i - p["gate_bars"] + 1, i + 1)
        ):
            side = 0
        if trend is not None and trend[i] != side:
            side = 0
        out.entry[i] = side
        if p["exit_opposite"]:
            out.exit_long[i] = side == -1
            out.exit_short[i] = side == 1
        if p["exit_fade"]:
            steps = [momentum[i - t] - momentum[i - t - 1] for t in range(p["fade_bars"])]
            out.exit_long[i] |= momentum[i] > 0 and all(s < 0 for s in steps)
            out.exit_short[i] |= momentum[i] < 0 and all(s > 0 for s in steps)
    return out


def thresholds(p: dict[str, Any], spread: float) -> tuple[float, float]:
    """(long은 -값 아래, short은 값 위)."""
    if p["threshold_mode"] == "static":
        return p["threshold"], p["threshold"]
    if p["threshold_mode"] == "per_side":
        return p["threshold_long"], p["threshold_short"]
    return p["threshold_mult"] * spread, p["threshold_mult"] * spread


def warm_up(p: dict[str, Any]) -> int:
    """모든 지표가 제 길이만큼 자료를 본 봉의 다음 봉."""
    kc, bb = p["kc_len"], p["bb_len"]
    y = max(kc, bb) - 1 if p["detrend_style"] in ("avg", "deluxe") else kc - 1
    momentum = y + p["osc_len"] - 1
    needs = [momentum + p["signal_len"] - 1, kc - 1 + p["flux_len"] - 1]
    if p["signal_style"] == "hma":
        needs[0] += int(p["signal_len"] ** 0.5) - 1
    if p["threshold_mode"] == "dynamic":
        needs.append(momentum + p["threshold_len"] - 1)
    if p["use_gate"]:
        needs.append(max(kc, bb) - 1 + p["gate_bars"])
    if p["exit_fade"]:
        needs.append(momentum + p["fade_bars"] - 1)
    return max(needs) + 1
