"""전략을 쓸 때 부르는 지표. 모두 컴파일되어 있다.

모양: 입력 x, high, low, close: float64[n]. 출력 float64[n]이며 값이 아직 없는 앞부분은 NaN이다.
입력의 앞쪽 NaN은 건너뛴다(지표의 지표를 만들 수 있다). 가운데의 NaN은 받지 않는다.
length는 1 이상 n 이하가 보통이며, n보다 길면 모두 NaN이고 1보다 작으면 ValueError다.
out[i]는 x[0 .. i]만 읽는다. 창 지표는 O(n log length)이지만 SIMD로 돌아 O(n) deque보다 빠르다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import (
    copy_block_nb,
    linreg_block_nb,
    window_max_block_nb,
    window_min_block_nb,
    window_moments_block_nb,
    window_sum_block_nb,
    wma_block_nb,
)
from optimize.strategy.ema_nb import ema_block_nb
from optimize.strategy.jit import compiled

Floats = NDArray[np.float64]
_CHUNK = 1024
_SUM, _MAX, _MIN, _STD, _LINREG, _WMA = 0, 1, 2, 3, 4, 5


@compiled
def _first_known_nb(x: Floats) -> int:
    """NaN이 아닌 첫 자리. 없으면 n."""
    i = 0
    while i < len(x) and np.isnan(x[i]):
        i += 1
    return i


@compiled
def _load_chunk_nb(x: Floats, base: int, start: int, stop: int, lo: int, row: Floats) -> None:
    """row[0:lo + stop - start]에 x[start-lo:stop]. base보다 앞은 x[base]로 채운다."""
    before = min(lo, start - base)
    for k in range(lo - before):
        row[k] = x[base]
    part, source = row[lo - before : lo + stop - start], x[start - before : stop]
    for k in range(len(source)):
        part[k] = source[k]


@compiled
def _windowed_nb(x: Floats, length: int, kind: int) -> Floats:
    """창 지표의 공통 훑기."""
    if length < 1:
        raise ValueError("length는 1 이상이어야 합니다")
    n = len(x)
    out = np.empty(n)
    base = _first_known_nb(x)
    first = min(base + length - 1, n)
    out[:first] = np.nan
    if first >= n:
        return out
    lo = (length + 15) // 8 * 8
    width = lo + _CHUNK + 8
    rows = np.zeros((8, width))
    for start in range(base, n, _CHUNK):
        stop = min(start + _CHUNK, n)
        hi = lo + stop - start
        _load_chunk_nb(x, base, start, stop, lo, rows[0])
        if kind == _SUM:
            window_sum_block_nb(rows[0], lo, hi, length, rows[1], rows[2], rows[3])
        elif kind == _MAX:
            window_max_block_nb(rows[0], lo, hi, length, rows[1], rows[2], rows[3])
        elif kind == _MIN:
            window_min_block_nb(rows[0], lo, hi, length, rows[1], rows[2], rows[3])
        elif kind == _STD:
            window_moments_block_nb(
                rows[0], lo, hi, length, rows[2], rows[1], rows[3], rows[4], rows[5]
            )
        elif kind == _LINREG:
            linreg_block_nb(
                rows[0], lo, hi, length, rows[1],
                rows[2], rows[3], rows[4], rows[5], rows[6], rows[7],
            )  # fmt: skip
        else:
            wma_block_nb(
                rows[0], lo, hi, length, rows[1],
                rows[2], rows[3], rows[4], rows[5], rows[6], rows[7],
            )  # fmt: skip
        begin = max(start, first)
        if begin < stop:
            copy_block_nb(rows[1, lo + begin - start : hi], 0, stop - begin, out[begin:stop])
    return out


@compiled
def sma_nb(x: Floats, length: int) -> Floats:
    """단순 이동 평균."""
    return _windowed_nb(x, length, _SUM) / length


@compiled
def wma_nb(x: Floats, length: int) -> Floats:
    """가중 이동 평균. 가장 새 값의 무게가 length, 가장 오래된 값의 무게가 1."""
    return _windowed_nb(x, length, _WMA)


@compiled
def stdev_nb(x: Floats, length: int) -> Floats:
    """모표준편차(n으로 나눔)."""
    return _windowed_nb(x, length, _STD)


@compiled
def highest_nb(x: Floats, length: int) -> Floats:
    """최근 length개의 최댓값."""
    return _windowed_nb(x, length, _MAX)


@compiled
def lowest_nb(x: Floats, length: int) -> Floats:
    """최근 length개의 최솟값."""
    return _windowed_nb(x, length, _MIN)


@compiled
def linreg_nb(x: Floats, length: int) -> Floats:
    """최근 length개에 맞춘 최소제곱 직선의 끝점(TradingView ta.linreg(x, length, 0))."""
    return _windowed_nb(x, length, _LINREG)


@compiled
def _smooth_nb(x: Floats, alpha: float, base: int, seed: float) -> Floats:
    """x[base:]의 지수 평활. base의 값은 seed. base 앞은 NaN."""
    n = len(x)
    out = np.empty(n)
    out[: min(base, n)] = np.nan
    lo = 16
    rows = np.zeros((2, lo + _CHUNK + 8))
    for start in range(base, n, _CHUNK):
        size = min(_CHUNK, n - start)
        _advance_nb(rows, lo, start == base, seed)
        copy_block_nb(x[start : start + size], 0, size, rows[0, lo : lo + size])
        if start == base:
            rows[0, lo] = seed
        ema_block_nb(rows[0], lo, lo + size, alpha, rows[1])
        copy_block_nb(rows[1, lo : lo + size], 0, size, out[start : start + size])
    return out


@compiled
def _advance_nb(rows: NDArray[np.float64], lo: int, first: bool, seed: float) -> None:
    """입력 줄과 결과 줄의 앞 lo칸을 지난 토막의 끝으로(첫 토막이면 seed로) 채운다."""
    for r in range(2):
        for k in range(lo):
            rows[r, k] = seed if first else rows[r, _CHUNK + k]


@compiled
def ema_nb(x: Floats, length: int) -> Floats:
    """지수 이동 평균, α = 2/(length+1). 첫 값에서 시작하고 length개가 차기 전은 NaN."""
    if length < 1:
        raise ValueError("length는 1 이상이어야 합니다")
    base = _first_known_nb(x)
    seed = x[base] if base < len(x) else np.nan
    out = _smooth_nb(x, 2.0 / (length + 1.0), base, seed)
    out[: base + length - 1] = np.nan
    return out


@compiled
def rma_nb(x: Floats, length: int) -> Floats:
    """Wilder의 평활, α = 1/length. 처음 length개의 평균에서 시작한다(TradingView ta.rma)."""
    if length < 1:
        raise ValueError("length는 1 이상이어야 합니다")
    first = _first_known_nb(x) + length - 1
    if first >= len(x):
        return np.full(len(x), np.nan)
    seed = x[first - length + 1 : first + 1].sum() / length
    return _smooth_nb(x, 1.0 / length, first, seed)


@compiled
def hma_nb(x: Floats, length: int) -> Floats:
    """Hull 이동 평균: WMA(2·WMA(x, length//2) - WMA(x, length), ⌊√length⌋)."""
    fast, slow = wma_nb(x, max(length // 2, 1)), wma_nb(x, length)
    return wma_nb(2.0 * fast - slow, int(np.sqrt(length)))


@compiled
def true_range_nb(high: Floats, low: Floats, close: Floats) -> Floats:
    """max(고가, 앞 종가) - min(저가, 앞 종가). 첫 봉은 고가 - 저가."""
    out = np.empty(len(close))
    out[:1] = high[:1] - low[:1]
    h, low_tail, before, tail = high[1:], low[1:], close[:-1], out[1:]
    for k in range(len(tail)):
        top = h[k] if h[k] > before[k] else before[k]
        bottom = low_tail[k] if low_tail[k] < before[k] else before[k]
        tail[k] = top - bottom
    return out


@compiled
def atr_into_nb(high: Floats, low: Floats, close: Floats, length: int, out: Floats) -> None:
    """Wilder의 ATR을 out(float64[n])에 쓴다. 토막마다 true range를 만들어 곧바로 고른다."""
    n = len(close)
    base = length - 1
    out[: min(base, n)] = np.nan
    if base >= n:
        return
    seed = true_range_nb(high[:length], low[:length], close[:length]).sum() / length
    lo = 16
    rows = np.zeros((2, lo + _CHUNK + 8))
    for start in range(base, n, _CHUNK):
        size = min(_CHUNK, n - start)
        _advance_nb(rows, lo, start == base, seed)
        before = max(start - 1, 0)
        ranges = true_range_nb(
            high[before : start + size], low[before : start + size], close[before : start + size]
        )
        copy_block_nb(ranges[start - before :], 0, size, rows[0, lo : lo + size])
        if start == base:
            rows[0, lo] = seed
        ema_block_nb(rows[0], lo, lo + size, 1.0 / length, rows[1])
        copy_block_nb(rows[1, lo : lo + size], 0, size, out[start : start + size])


@compiled
def atr_nb(high: Floats, low: Floats, close: Floats, length: int) -> Floats:
    """Wilder의 ATR(TradingView ta.atr): rma(true_range, length)."""
    if length < 1:
        raise ValueError("length는 1 이상이어야 합니다")
    out = np.empty(len(close))
    atr_into_nb(high, low, close, length, out)
    return out


@compiled
def heikin_ashi_nb(
    open_: Floats, high: Floats, low: Floats, close: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Heikin-Ashi의 (시가, 고가, 저가, 종가). 첫 시가는 (시가 + 종가)/2."""
    n = len(close)
    ha_close = 0.25 * (open_ + high + low + close)
    ha_open = np.empty(n)
    for i in range(n):
        if i == 0:
            ha_open[0] = 0.5 * (open_[0] + close[0])
        else:
            ha_open[i] = 0.5 * (ha_open[i - 1] + ha_close[i - 1])
    ha_high = np.maximum(high, np.maximum(ha_open, ha_close))
    ha_low = np.minimum(low, np.minimum(ha_open, ha_close))
    return ha_open, ha_high, ha_low, ha_close


@compiled
def crossed_above_nb(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """a가 b를 위로 넘은 봉: 앞 봉에서 a <= b이고 이 봉에서 a > b. NaN이 끼면 False. 모양 bool_[n]."""
    out = np.zeros(len(a), dtype=np.bool_)
    now_a, now_b, old_a, old_b, tail = a[1:], b[1:], a[:-1], b[:-1], out[1:]
    for k in range(len(tail)):
        tail[k] = (old_a[k] <= old_b[k]) & (now_a[k] > now_b[k])
    return out


def on_ltf(values: NDArray[np.generic], htf_index: NDArray[np.int32]) -> Floats:
    """HTF 봉마다의 값 [m]을 LTF 봉 i가 닫힐 때 보이는 값 float64[n]으로. 아직 없으면 NaN."""
    padded = np.concatenate((values.astype(np.float64), [np.nan]))
    return padded[htf_index]
