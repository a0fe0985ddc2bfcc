"""느리고 뻔한 지표. 창마다 처음부터 다시 센다. 값이 아직 없으면 None. 제품의 코드를 쓰지 않는다."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, sqrt

Number = float | None


def windowed(x: Sequence[Number], length: int, f: Callable[[list[float]], float]) -> list[Number]:
    """창에 None이 하나도 없을 때만 f(창)."""
    out: list[Number] = []
    for i in range(len(x)):
        window = list(x[max(0, i - length + 1) : i + 1])
        full = len(window) == length and all(v is not None for v in window)
        out.append(f([v for v in window if v is not None]) if full else None)
    return out


def sma(x: Sequence[Number], length: int) -> list[Number]:
    return windowed(x, length, lambda w: sum(w) / length)


def std(x: Sequence[Number], length: int) -> list[Number]:
    def population(w: list[float]) -> float:
        mean = sum(w) / length
        return sqrt(sum((v - mean) ** 2 for v in w) / length)

    return windowed(x, length, population)


def wma(x: Sequence[Number], length: int) -> list[Number]:
    total = length * (length + 1) / 2
    return windowed(x, length, lambda w: sum((k + 1) * v for k, v in enumerate(w)) / total)


def hma(x: Sequence[Number], length: int) -> list[Number]:
    fast, slow = wma(x, max(length // 2, 1)), wma(x, length)
    raw = [None if a is None or b is None else 2 * a - b for a, b in zip(fast, slow, strict=True)]
    return wma(raw, floor(sqrt(length)))


def highest(x: Sequence[Number], length: int) -> list[Number]:
    return windowed(x, length, max)


def lowest(x: Sequence[Number], length: int) -> list[Number]:
    return windowed(x, length, min)


def linreg_end(x: Sequence[Number], length: int) -> list[Number]:
    """정규방정식으로 맞춘 직선의 x = length-1에서의 값."""

    def fit(w: list[float]) -> float:
        if length == 1:
            return w[0]
        mx, my = (length - 1) / 2, sum(w) / length
        sxy = sum((k - mx) * (v - my) for k, v in enumerate(w))
        sxx = sum((k - mx) ** 2 for k in range(length))
        return my + sxy / sxx * (length - 1 - mx)

    return windowed(x, length, fit)


def smooth(x: Sequence[Number], alpha: float) -> list[Number]:
    """첫 값에서 시작하는 지수 평활."""
    out: list[Number] = []
    now: Number = None
    for v in x:
        if v is not None:
            now = v if now is None else now + alpha * (v - now)
        out.append(now)
    return out


def wilder(x: Sequence[float], length: int) -> list[Number]:
    """처음 length개의 평균에서 시작하는 α = 1/length의 평활."""
    out: list[Number] = [None] * len(x)
    if len(x) >= length:
        now = sum(x[:length]) / length
        out[length - 1] = now
        for i in range(length, len(x)):
            now = (now * (length - 1) + x[i]) / length
            out[i] = now
    return out


def true_range(high: Sequence[float], low: Sequence[float], close: Sequence[float]) -> list[float]:
    first = [high[0] - low[0]]
    return first + [
        max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))
        for i in range(1, len(close))
    ]


def heikin_ashi(
    o: Sequence[float], h: Sequence[float], low: Sequence[float], c: Sequence[float]
) -> tuple[list[float], list[float], list[float], list[float]]:
    closes = [(o[i] + h[i] + low[i] + c[i]) / 4 for i in range(len(c))]
    opens = [(o[0] + c[0]) / 2]
    for i in range(1, len(c)):
        opens.append((opens[-1] + closes[i - 1]) / 2)
    highs = [max(h[i], opens[i], closes[i]) for i in range(len(c))]
    lows = [min(low[i], opens[i], closes[i]) for i in range(len(c))]
    return opens, highs, lows, closes
