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
from optimize.strategy.doubling_nb import (
    LEVELS,
    double_max_nb,
    double_min_nb,
    double_ramp_nb,
    double_sum_nb,
)
from optimize.strategy.jit import compiled
from optimize.strategy.ramp_nb import ramp_windows_nb

Table = NDArray[np.float64]
LANES = 32
"""반복의 횟수를 이것의 배수로 맞춘다: SIMD의 나머지를 하나씩 돌지 않게."""
SLACK = LANES
BEFORE = 64  # 표를 만드는 함수가 창보다 더 앞쪽으로 읽는 칸


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
def _begin_fused_nb(lo: int, w: int) -> int:
    """한 번에 만드는 표(doubling_nb)가 시작하는 자리: 창이 닿는 곳보다 24칸 앞. 32칸 앞까지 읽는다."""
    return (lo - w) // 8 * 8 - 24


@compiled
def _kept_nb(mask: int, deep: int) -> int:
    """쓸 표의 비트: 읽을 것(mask)과, 길이 16보다 긴 표의 바탕들. 가장 긴 창은 2^deep이다."""
    bases = 0
    for k in range(4, min(deep, LEVELS) + 1):
        if deep > 4:
            bases |= 1 << k
    return (mask | bases) & ((2 << deep) - 1)


@compiled
def max_levels_nb(table: Table, lo: int, hi: int, w: int, mask: int) -> None:
    """길이 w까지의 최댓값 표. mask: 읽을 표의 비트(2^k이면 길이 2^k), 길이 2^LEVELS까지는 그것만 쓴다."""
    deep, begin = level_nb(w), _begin_fused_nb(lo, w)
    double_max_nb(table, begin, (hi - begin + 7) // 8, _kept_nb(mask, deep))
    for k in range(LEVELS, deep):
        size, row = 1 << k, table[k]
        _max_pair_nb(row, begin_nb(lo, hi, w - 2 * size), hi, size, table[k + 1])


@compiled
def min_levels_nb(table: Table, lo: int, hi: int, w: int, mask: int) -> None:
    """길이 w까지의 최솟값 표. mask: 읽을 표의 비트(2^k이면 길이 2^k), 길이 2^LEVELS까지는 그것만 쓴다."""
    deep, begin = level_nb(w), _begin_fused_nb(lo, w)
    double_min_nb(table, begin, (hi - begin + 7) // 8, _kept_nb(mask, deep))
    for k in range(LEVELS, deep):
        size, row = 1 << k, table[k]
        _min_pair_nb(row, begin_nb(lo, hi, w - 2 * size), hi, size, table[k + 1])


@compiled
def sum_levels_nb(table: Table, lo: int, hi: int, w: int, mask: int) -> None:
    """길이 w까지의 합 표. mask: 읽을 표의 비트(2^k이면 길이 2^k), 길이 2^LEVELS까지는 그것만 쓴다."""
    deep, begin = level_nb(w), _begin_fused_nb(lo, w)
    double_sum_nb(table, begin, (hi - begin + 7) // 8, _kept_nb(mask, deep))
    for k in range(LEVELS, deep):
        size, row = 1 << k, table[k]
        _add_pair_nb(row, row, begin_nb(lo, hi, w - 2 * size), hi, size, table[k + 1])


@compiled
def window_parts_nb(
    table: Table, lo: int, hi: int, w: int, zeros: Row, t0: Row, t1: Row
) -> tuple[Row, Row, int]:
    """최근 w개의 합 = 첫 줄[k] + 둘째 줄[k - 칸]. 마지막 더하기는 쓰는 반복문에 맡긴다.

    zeros: 모두 0인 줄(조각이 하나일 때의 둘째 줄). t0, t1: 임시 줄.
    """
    last = level_nb(w)
    left = w - (1 << last)
    if left == 0:
        return table[last], zeros, 0
    return window_sum_nb(table, lo, hi, left, t0, t1), table[last], left


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
def ramp_levels_nb(src: Row, lo: int, hi: int, w: int, mask: int, s: Table, r: Table) -> None:
    """길이 w까지의 s = Σ src[i-j], r = Σ j·src[i-j]. s[0]은 쓰지 않고 r[0]은 모두 0이어야 한다.

    mask: 읽을 창들의 길이를 비트로 겹친 것.
    """
    deep, begin = level_nb(w), _begin_fused_nb(lo, w)
    double_ramp_nb(src, s, r, begin, (hi - begin + 7) // 8, _kept_nb(mask, deep))
    for k in range(LEVELS, deep):
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
def _weighed_ramp_nb(
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
def _windows_nb(
    src: Row,
    lo: int,
    hi: int,
    spare: Table,
    out: Row,
    other: Row,
    w: int,
    weigh: float,
    lean: float,
    v: int,
    weigh_v: float,
    lean_v: float,
) -> None:
    """길이 w와 v(v <= w < 2^(LEVELS + 1), 0이면 쓰지 않음)의 가중합을 한 번에."""
    begin = _begin_fused_nb(lo, w)
    ramp_windows_nb(
        src, spare[0], spare[1], out, other, begin, lo, (hi - begin + 7) // 8,
        _kept_nb(w | v, level_nb(w)), w, weigh, lean, v, weigh_v, lean_v,
    )  # fmt: skip


@compiled
def linreg_end_nb(
    src: Row, s: Table, r: Table, lo: int, hi: int, w: int, spare: Table, out: Row
) -> None:
    """최근 w개에 맞춘 최소제곱 직선의 끝점(ta.linreg(src, w, 0)): ((4w - 2)·S - 6·R) / (w(w + 1)).

    s, r: 긴 창의 표(ramp_levels_nb), spare: 임시 네 줄. lo는 8의 배수이고 out은 hi 뒤로 일곱 칸까지 덮인다.
    """
    scale = 1.0 / (w * (w + 1.0))
    weigh, lean = (4.0 * w - 2.0) * scale, 6.0 * scale
    if level_nb(w) <= LEVELS:
        _windows_nb(src, lo, hi, spare, out, out, w, weigh, lean, 0, 0.0, 0.0)
        return
    ramp_levels_nb(src, lo, hi, w, w, s, r)
    _weighed_ramp_nb(src, s, r, lo, hi, w, weigh, lean, spare, out)


@compiled
def wma_pair_nb(
    src: Row,
    s: Table,
    r: Table,
    lo: int,
    hi: int,
    w: int,
    v: int,
    spare: Table,
    out: Row,
    other: Row,
) -> None:
    """길이 w의 WMA를 out에, 길이 v(v <= w, 0이면 쓰지 않음)의 것을 other에. 자리는 linreg_end_nb와 같다.

    가장 새 원소의 무게가 길이, 가장 오래된 원소의 무게가 1인 평균: (w·S - R) / (w(w + 1)/2).
    """
    lean, lean_v = 2.0 / (w * (w + 1.0)), 2.0 / (max(v, 1) * (v + 1.0))
    weigh, weigh_v = w * lean, v * lean_v
    if level_nb(w) <= LEVELS:
        _windows_nb(src, lo, hi, spare, out, other, w, weigh, lean, v, weigh_v, lean_v)
        return
    ramp_levels_nb(src, lo, hi, w, w | v, s, r)
    _weighed_ramp_nb(src, s, r, lo, hi, w, weigh, lean, spare, out)
    if v > 0:
        _weighed_ramp_nb(src, s, r, lo, hi, v, weigh_v, lean_v, spare, other)
