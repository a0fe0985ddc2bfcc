"""길이 1, 2, 4, ... 의 창을 겹쳐 만든 표에서 어떤 길이의 창이든 몇 조각으로 잇는다.

모양: table: float64[L, h]. table[k, i] = 길이 2^k인 창(끝이 i)의 값이고 table[0]이 원본 줄이다.
    줄의 [lo, hi)가 이 토막이고 앞의 lo칸은 지난 토막의 끝이다. 창의 길이 w마다 lo >= w + SLACK.

표는 가장 긴 창에 맞춰 한 번 만들고, 길이가 다른 창들이 나눠 쓴다. 조각은 늘 짧은 것부터 이어
같은 길이의 창은 누구와 나눠 쓰든 비트까지 같다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.blocks_nb import Row
from optimize.strategy.jit import compiled

Table = NDArray[np.float64]
LANES = 32
"""반복의 횟수를 이것의 배수로 맞춘다: SIMD의 나머지를 하나씩 돌지 않게."""
SLACK = LANES


@compiled
def begin_nb(lo: int, hi: int, back: int) -> int:
    """lo - back 이하이면서 hi까지가 LANES의 배수인 자리."""
    return hi - (hi - lo + back + LANES - 1) // LANES * LANES


@compiled
def level_nb(w: int) -> int:
    """2^k <= w인 가장 큰 k."""
    k = 0
    while 2 << k <= w:
        k += 1
    return k


@compiled
def _max_pair_nb(src: Row, begin: int, hi: int, shift: int, out: Row) -> None:
    x, y, z = src[begin:hi], src[begin - shift : hi - shift], out[begin:hi]
    for k in range(len(z)):
        z[k] = x[k] if x[k] > y[k] else y[k]


@compiled
def _min_pair_nb(src: Row, begin: int, hi: int, shift: int, out: Row) -> None:
    x, y, z = src[begin:hi], src[begin - shift : hi - shift], out[begin:hi]
    for k in range(len(z)):
        z[k] = x[k] if x[k] < y[k] else y[k]


@compiled
def _add_pair_nb(a: Row, b: Row, begin: int, hi: int, shift: int, out: Row) -> None:
    x, y, z = a[begin:hi], b[begin - shift : hi - shift], out[begin:hi]
    for k in range(len(z)):
        z[k] = x[k] + y[k]


@compiled
def max_levels_nb(table: Table, lo: int, hi: int, w: int) -> None:
    """길이 w까지의 최댓값 표."""
    for k in range(level_nb(w)):
        size = 1 << k
        _max_pair_nb(table[k], begin_nb(lo, hi, w - 2 * size), hi, size, table[k + 1])


@compiled
def min_levels_nb(table: Table, lo: int, hi: int, w: int) -> None:
    """길이 w까지의 최솟값 표."""
    for k in range(level_nb(w)):
        size = 1 << k
        _min_pair_nb(table[k], begin_nb(lo, hi, w - 2 * size), hi, size, table[k + 1])


@compiled
def sum_levels_nb(table: Table, lo: int, hi: int, w: int) -> None:
    """길이 w까지의 합 표."""
    for k in range(level_nb(w)):
        size = 1 << k
        row = table[k]
        _add_pair_nb(row, row, begin_nb(lo, hi, w - 2 * size), hi, size, table[k + 1])


@compiled
def channel_nb(tops: Table, bottoms: Table, lo: int, hi: int, w: int, out: Row) -> None:
    """out = 0.5·(최근 w개의 최댓값 + 최솟값)."""
    level = level_nb(w)
    gap = w - (1 << level)
    top, top_old = tops[level, lo:hi], tops[level, lo - gap : hi - gap]
    low, low_old = bottoms[level, lo:hi], bottoms[level, lo - gap : hi - gap]
    z = out[lo:hi]
    for k in range(len(z)):
        highest = top[k] if top[k] > top_old[k] else top_old[k]
        lowest = low[k] if low[k] < low_old[k] else low_old[k]
        z[k] = 0.5 * (highest + lowest)


@compiled
def window_sum_nb(table: Table, lo: int, hi: int, w: int, t0: Row, t1: Row) -> Row:
    """최근 w개의 합이 든 줄: 표의 줄이거나 t0 또는 t1."""
    level = 0
    while not w >> level & 1:
        level += 1
    done = 1 << level
    total: Row = table[level]
    while done < w:
        level += 1
        if w >> level & 1:
            _add_pair_nb(total, table[level], lo, hi, done, t0)
            total = t0
            t0, t1 = t1, t0
            done += 1 << level
    return total


@compiled
def _first_ramps_nb(src: Row, begin: int, hi: int, s: Table, r: Table) -> None:
    """길이 2와 4의 (합, 기운 합)."""
    a, b = src[begin:hi], src[begin - 1 : hi - 1]
    c, d = src[begin - 2 : hi - 2], src[begin - 3 : hi - 3]
    s2, r2, s4, r4 = s[1, begin:hi], r[1, begin:hi], s[2, begin:hi], r[2, begin:hi]
    for k in range(len(s4)):
        new, old = a[k] + b[k], c[k] + d[k]
        s2[k] = new
        r2[k] = b[k]
        s4[k] = new + old
        r4[k] = b[k] + (d[k] + 2.0 * old)


@compiled
def _append_ramp_nb(
    s_new: Row, r_new: Row, s_old: Row, r_old: Row, begin: int, hi: int, shift: int, s: Row, r: Row
) -> None:
    """길이 shift인 새 조각 뒤에 shift칸 앞에서 끝나는 옛 조각을 잇는다.

    S = S_new + S_old, R = R_new + R_old + shift·S_old.
    """
    a, b = s_new[begin:hi], r_new[begin:hi]
    c, d = s_old[begin - shift : hi - shift], r_old[begin - shift : hi - shift]
    x, y = s[begin:hi], r[begin:hi]
    gap = float(shift)
    for k in range(len(x)):
        older = c[k]
        y[k] = b[k] + (d[k] + gap * older)
        x[k] = a[k] + older


@compiled
def ramp_levels_nb(src: Row, lo: int, hi: int, w: int, s: Table, r: Table) -> None:
    """길이 w까지의 s = Σ src[i-j], r = Σ j·src[i-j]. s[0]은 쓰지 않고 r[0]은 모두 0으로 채운다."""
    zeros = r[0, :hi]
    for k in range(hi):
        zeros[k] = 0.0
    if w >= 4:
        _first_ramps_nb(src, begin_nb(lo, hi, w - 4), hi, s, r)
    elif w >= 2:
        _append_ramp_nb(src, r[0], src, r[0], begin_nb(lo, hi, w - 2), hi, 1, s[1], r[1])
    for k in range(2, level_nb(w)):
        size = 1 << k
        begin = begin_nb(lo, hi, w - 2 * size)
        _append_ramp_nb(s[k], r[k], s[k], r[k], begin, hi, size, s[k + 1], r[k + 1])


@compiled
def _weigh_ramp_nb(s: Row, r: Row, lo: int, hi: int, a: float, b: float, out: Row) -> None:
    x, y, z = s[lo:hi], r[lo:hi], out[lo:hi]
    for k in range(len(z)):
        z[k] = a * x[k] - b * y[k]


@compiled
def _append_and_weigh_nb(
    s_new: Row,
    r_new: Row,
    s_old: Row,
    r_old: Row,
    lo: int,
    hi: int,
    shift: int,
    a: float,
    b: float,
    out: Row,
) -> None:
    """마지막 조각을 잇고 곧바로 a·S - b·R."""
    p, q = s_new[lo:hi], r_new[lo:hi]
    c, d = s_old[lo - shift : hi - shift], r_old[lo - shift : hi - shift]
    z = out[lo:hi]
    gap = float(shift)
    for k in range(len(z)):
        older = c[k]
        z[k] = a * (p[k] + older) - b * (q[k] + (d[k] + gap * older))


@compiled
def weighed_ramp_nb(
    src: Row,
    s: Table,
    r: Table,
    lo: int,
    hi: int,
    w: int,
    a: float,
    b: float,
    spare: Table,
    out: Row,
) -> None:
    """out = a·Σ src[i-j] - b·Σ j·src[i-j], j = 0 .. w-1. s, r: ramp_levels_nb의 표. spare: 임시 네 줄."""
    level = 0
    while not w >> level & 1:
        level += 1
    total, ramp, done = s[level] if level > 0 else src, r[level], 1 << level
    x = 0
    while done < w:
        level += 1
        if not w >> level & 1:
            continue
        if done + (1 << level) == w:
            _append_and_weigh_nb(total, ramp, s[level], r[level], lo, hi, done, a, b, out)
            return
        _append_ramp_nb(total, ramp, s[level], r[level], lo, hi, done, spare[x], spare[x + 1])
        total, ramp = spare[x], spare[x + 1]
        x = 2 - x
        done += 1 << level
    _weigh_ramp_nb(total, ramp, lo, hi, a, b, out)


@compiled
def linreg_end_nb(
    src: Row, s: Table, r: Table, lo: int, hi: int, w: int, spare: Table, out: Row
) -> None:
    """최근 w개에 맞춘 최소제곱 직선의 끝점(ta.linreg(src, w, 0)): ((4w - 2)·S - 6·R) / (w(w + 1))."""
    scale = 1.0 / (w * (w + 1.0))
    weighed_ramp_nb(src, s, r, lo, hi, w, (4.0 * w - 2.0) * scale, 6.0 * scale, spare, out)


@compiled
def wma_end_nb(
    src: Row, s: Table, r: Table, lo: int, hi: int, w: int, spare: Table, out: Row
) -> None:
    """가장 새 원소의 무게가 w, 가장 오래된 원소의 무게가 1인 평균: (w·S - R) / (w(w + 1)/2)."""
    scale = 2.0 / (w * (w + 1.0))
    weighed_ramp_nb(src, s, r, lo, hi, w, w * scale, scale, spare, out)
