"""긴 배열을 토막으로 훑는 지표의 부품. 모두 scratch 한 줄의 [lo, hi) 자리만 채운다.

모양: src, out, t0, t1, ... 은 길이가 같은 float64[h] 줄이다. 앞의 lo칸은 지난 토막의 끝(history)이다.
    창의 길이가 w인 부품은 src[lo-w+1:hi]를 읽으므로 lo >= w-1 이어야 한다. t*는 덮어쓰는 임시 줄이다.

창을 하나씩 밀며 더하고 빼는 대신 길이 1, 2, 4, ... 의 창을 겹쳐 만든다(doubling). 원소마다
log2(w)번이지만 앞 원소를 기다리지 않아 SIMD로 돌고, 창마다 새로 더하므로 오차가 쌓이지 않는다.
모든 값은 자기보다 앞의 자리만 읽고 계산 순서가 자리에 무관해, 뒤를 잘라도 비트까지 같다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.jit import compiled

Row = NDArray[np.float64]


@compiled
def _add_shifted_nb(a: Row, b: Row, lo: int, hi: int, shift: int, out: Row) -> None:
    """out[k] = a[k] + b[k-shift]."""
    x, y, z = a[lo:hi], b[lo - shift : hi - shift], out[lo:hi]
    for k in range(hi - lo):
        z[k] = x[k] + y[k]


@compiled
def _accumulate_shifted_nb(out: Row, b: Row, lo: int, hi: int, shift: int) -> None:
    """out[k] += b[k-shift]. 같은 줄을 두 인자로 넘기면 겹침 검사에 걸려 SIMD가 꺼진다."""
    y, z = b[lo - shift : hi - shift], out[lo:hi]
    for k in range(hi - lo):
        z[k] += y[k]


@compiled
def _max_shifted_nb(a: Row, lo: int, hi: int, shift: int, out: Row) -> None:
    x, y, z = a[lo:hi], a[lo - shift : hi - shift], out[lo:hi]
    for k in range(hi - lo):
        z[k] = x[k] if x[k] > y[k] else y[k]


@compiled
def _min_shifted_nb(a: Row, lo: int, hi: int, shift: int, out: Row) -> None:
    x, y, z = a[lo:hi], a[lo - shift : hi - shift], out[lo:hi]
    for k in range(hi - lo):
        z[k] = x[k] if x[k] < y[k] else y[k]


@compiled
def fill_head_nb(row: Row, upto: int, value: float) -> None:
    """row[0 .. upto]를 한 값으로 채운다: 이동 평균이 그 값에서 시작하는 것과 같다."""
    head = row[: upto + 1]
    for k in range(upto + 1):
        head[k] = value


@compiled
def copy_nb(source: Row, out: Row) -> None:
    """out[k] = source[k]. 배열의 대입보다 빠르다(SIMD)."""
    for k in range(len(out)):
        out[k] = source[k]


@compiled
def copy_block_nb(src: Row, lo: int, hi: int, out: Row) -> None:
    """out[k] = src[k]."""
    x, z = src[lo:hi], out[lo:hi]
    for k in range(hi - lo):
        z[k] = x[k]


@compiled
def window_max_block_nb(src: Row, lo: int, hi: int, w: int, out: Row, t0: Row, t1: Row) -> None:
    """out[k] = max(src[k-w+1 .. k])."""
    if w == 1:
        copy_block_nb(src, lo, hi, out)
        return
    first, size = lo - w + 2, 2
    _max_shifted_nb(src, first, hi, 1, t0)
    while 2 * size <= w:
        first += size
        _max_shifted_nb(t0, first, hi, size, t1)
        t0, t1 = t1, t0
        size *= 2
    _max_shifted_nb(t0, lo, hi, w - size, out)


@compiled
def window_min_block_nb(src: Row, lo: int, hi: int, w: int, out: Row, t0: Row, t1: Row) -> None:
    """out[k] = min(src[k-w+1 .. k])."""
    if w == 1:
        copy_block_nb(src, lo, hi, out)
        return
    first, size = lo - w + 2, 2
    _min_shifted_nb(src, first, hi, 1, t0)
    while 2 * size <= w:
        first += size
        _min_shifted_nb(t0, first, hi, size, t1)
        t0, t1 = t1, t0
        size *= 2
    _min_shifted_nb(t0, lo, hi, w - size, out)


@compiled
def window_sum_block_nb(src: Row, lo: int, hi: int, w: int, out: Row, t0: Row, t1: Row) -> None:
    """out[k] = src[k-w+1] + ... + src[k]. w의 이진수 자리마다 한 조각씩 더한다."""
    done = 0
    if w & 1:
        copy_block_nb(src, lo, hi, out)
        done = 1
    if w == 1:
        return
    first, size = lo - w + 2, 2
    _add_shifted_nb(src, src, first, hi, 1, t0)
    while True:
        if w & size:
            if done == 0:
                copy_block_nb(t0, lo, hi, out)
            else:
                _accumulate_shifted_nb(out, t0, lo, hi, done)
            done += size
        if 2 * size > w:
            return
        first += size
        _add_shifted_nb(t0, t0, first, hi, size, t1)
        t0, t1 = t1, t0
        size *= 2


@compiled
def _append_ramp_nb(
    s_new: Row, r_new: Row, s_old: Row, r_old: Row, lo: int, hi: int, shift: int, s: Row, r: Row
) -> None:
    """길이 shift인 새 조각 뒤에 shift칸 앞에서 끝나는 옛 조각을 잇는다."""
    a, b = s_new[lo:hi], r_new[lo:hi]
    c, d = s_old[lo - shift : hi - shift], r_old[lo - shift : hi - shift]
    x, y = s[lo:hi], r[lo:hi]
    gap = float(shift)
    for k in range(hi - lo):
        older = c[k]
        y[k] = b[k] + (d[k] + gap * older)
        x[k] = a[k] + older


@compiled
def _accumulate_ramp_nb(
    total: Row, ramp: Row, s_old: Row, r_old: Row, lo: int, hi: int, shift: int
) -> None:
    """길이 shift인 (total, ramp) 뒤에 옛 조각을 제자리에서 잇는다."""
    c, d = s_old[lo - shift : hi - shift], r_old[lo - shift : hi - shift]
    x, y = total[lo:hi], ramp[lo:hi]
    gap = float(shift)
    for k in range(hi - lo):
        older = c[k]
        y[k] += d[k] + gap * older
        x[k] += older


@compiled
def window_ramp_block_nb(
    src: Row,
    lo: int,
    hi: int,
    w: int,
    total: Row,
    ramp: Row,
    t0: Row,
    t1: Row,
    t2: Row,
    t3: Row,
) -> None:
    """total[k] = Σ src[k-j], ramp[k] = Σ j·src[k-j], j = 0 .. w-1 (가장 새 원소의 무게가 0).

    길이 L인 조각 둘을 이으면: S = S_new + S_old, R = R_new + R_old + L·S_old (S_old, R_old는 L칸 앞).
    """
    done = 0
    if w & 1:
        copy_block_nb(src, lo, hi, total)
        z = ramp[lo:hi]
        for k in range(hi - lo):
            z[k] = 0.0
        done = 1
    if w == 1:
        return
    s0, r0, s1, r1 = t0, t1, t2, t3
    first, size = lo - w + 2, 2
    _add_shifted_nb(src, src, first, hi, 1, s0)
    x, z = src[first - 1 : hi - 1], r0[first:hi]
    for k in range(hi - first):
        z[k] = x[k]
    while True:
        if w & size:
            if done == 0:
                copy_block_nb(s0, lo, hi, total)
                copy_block_nb(r0, lo, hi, ramp)
            else:
                _accumulate_ramp_nb(total, ramp, s0, r0, lo, hi, done)
            done += size
        if 2 * size > w:
            return
        first += size
        _append_ramp_nb(s0, r0, s0, r0, first, hi, size, s1, r1)
        s0, r0, s1, r1 = s1, r1, s0, r0
        size *= 2


@compiled
def linreg_block_nb(
    src: Row,
    lo: int,
    hi: int,
    w: int,
    out: Row,
    t0: Row,
    t1: Row,
    t2: Row,
    t3: Row,
    t4: Row,
    t5: Row,
) -> None:
    """최근 w개에 맞춘 최소제곱 직선의 끝점(ta.linreg(src, w, 0)).

    x를 현재에서 거꾸로 잰 j = 0 .. w-1로 두면 끝점은 j = 0에서의 값:
    ((4w - 2)·S - 6·R) / (w(w + 1)).
    """
    window_ramp_block_nb(src, lo, hi, w, t4, t5, t0, t1, t2, t3)
    scale = 1.0 / (w * (w + 1.0))
    c_sum, c_ramp = (4.0 * w - 2.0) * scale, 6.0 * scale
    s, r, z = t4[lo:hi], t5[lo:hi], out[lo:hi]
    for k in range(hi - lo):
        z[k] = c_sum * s[k] - c_ramp * r[k]


@compiled
def wma_block_nb(
    src: Row,
    lo: int,
    hi: int,
    w: int,
    out: Row,
    t0: Row,
    t1: Row,
    t2: Row,
    t3: Row,
    t4: Row,
    t5: Row,
) -> None:
    """가장 새 원소의 무게가 w, 가장 오래된 원소의 무게가 1인 평균: (w·S - R) / (w(w+1)/2)."""
    window_ramp_block_nb(src, lo, hi, w, t4, t5, t0, t1, t2, t3)
    scale = 2.0 / (w * (w + 1.0))
    c_sum = w * scale
    s, r, z = t4[lo:hi], t5[lo:hi], out[lo:hi]
    for k in range(hi - lo):
        z[k] = c_sum * s[k] - scale * r[k]


@compiled
def window_moments_block_nb(
    src: Row, lo: int, hi: int, w: int, mean: Row, std: Row, t0: Row, t1: Row, t2: Row
) -> None:
    """최근 w개의 평균과 모표준편차. 토막의 기준값을 뺀 뒤 제곱해 자리올림 손실을 막는다."""
    anchor = src[lo - w + 1]
    x, y = src[lo - w + 1 : hi], t2[lo - w + 1 : hi]
    for k in range(hi - lo + w - 1):
        y[k] = x[k] - anchor
    window_sum_block_nb(t2, lo, hi, w, mean, t0, t1)
    for k in range(hi - lo + w - 1):
        y[k] = y[k] * y[k]
    window_sum_block_nb(t2, lo, hi, w, std, t0, t1)
    scale = 1.0 / w
    m, z = mean[lo:hi], std[lo:hi]
    for k in range(hi - lo):
        offset = m[k] * scale
        variance = z[k] * scale - offset * offset
        z[k] = np.sqrt(variance if variance > 0.0 else 0.0)
        m[k] = anchor + offset
