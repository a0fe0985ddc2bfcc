"""길이 2, 4, ..., 64인 창의 표를 원본 줄에서 한 번에: 긴 것은 방금 쓴 짧은 것을 L1에서 읽어 잇는다.

모양: src, out*: float64[h]. [begin, begin + 8·steps)를 채우며 begin >= 32. src[begin-8:]과, 길이 32·64의 표를
만들 때 그 앞 표의 begin-32칸까지를 읽는다. 앞의 24칸(길이 16까지)은 아직 값이 차지 않은 것이 섞인다.
mask의 k번 비트가 켜진 표(길이 2^k)만 쓴다. 길이 32 이상을 쓰려면 그 바탕의 비트도 켜져 있어야 한다.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from optimize.strategy.lanes_nb import (
    DOUBLE,
    INT,
    LANES,
    VECTOR,
    at_of,
    delayed,
    generated,
    load,
    pointer,
    spread,
    state,
    store,
)

LEVELS = 6  # 한 번에 만드는 표: 길이 2^1 .. 2^LEVELS
_INNER = 4  # 이 표까지는 앞 벡터를 register에 두고 잇는다
_ZERO = ir.Constant(VECTOR, [0.0] * LANES)


def _shifted(builder: Any, place: Any, now: Any, lag: int) -> Any:
    """now보다 lag칸(1..8) 앞의 여덟 칸. place: 앞 벡터의 자리이며 now로 바꾼다."""
    before = builder.load(place)
    builder.store(now, place)
    return before if lag == LANES else delayed(builder, before, now, lag)


def _wanted(builder: Any, mask: Any) -> list[Any]:
    """표마다 쓰는가(i1)."""
    bits = [builder.and_(mask, INT(1 << k)) for k in range(1, LEVELS + 1)]
    return [builder.icmp_unsigned("!=", bit, INT(0)) for bit in bits]


def _larger(builder: Any, new: Any, old: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", new, old), new, old)


def _smaller(builder: Any, new: Any, old: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", new, old), new, old)


def _sum(builder: Any, new: Any, old: Any) -> Any:
    return builder.fadd(new, old)


def _doubling(join: Any) -> Any:
    """join(builder, 새 것, 옛 것)으로 잇는 표들의 intrinsic: (src, out1..out6, begin, steps, mask)."""

    @generated
    def double_nb(
        typingctx: Any,
        src: Any,
        out1: Any,
        out2: Any,
        out3: Any,
        out4: Any,
        out5: Any,
        out6: Any,
        begin: Any,
        steps: Any,
        mask: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = [
                pointer(context, builder, signature.args[k], args[k]) for k in range(LEVELS + 1)
            ]
            begin, steps = args[LEVELS + 1], args[LEVELS + 2]
            first = load(builder, rows[0], builder.sub(begin, INT(LANES)))
            before = [state(builder, first) for _ in range(_INNER)]
            wanted = _wanted(builder, args[LEVELS + 3])
            with cgutils.for_range(builder, steps) as loop, ExitStack() as nested:
                index = at_of(builder, begin, loop.index)
                now = load(builder, rows[0], index)
                for k in range(_INNER):
                    now = join(builder, now, _shifted(builder, before[k], now, 1 << k))
                    with builder.if_then(wanted[k]):
                        store(builder, now, rows[k + 1], index)
                for k in range(_INNER, LEVELS):
                    nested.enter_context(builder.if_then(wanted[k]))
                    past = builder.sub(index, INT(1 << k))
                    now = join(builder, now, load(builder, rows[k], past))
                    store(builder, now, rows[k + 1], index)
            return context.get_dummy_value()

        outs, whole = (out1, out2, out3, out4, out5, out6), types.int64
        return types.void(src, *outs, whole, whole, whole), generate

    return double_nb


double_max_nb = _doubling(_larger)
double_min_nb = _doubling(_smaller)
double_sum_nb = _doubling(_sum)


@generated
def double_ramp_nb(
    typingctx: Any,
    src: Any,
    s1: Any,
    s2: Any,
    s3: Any,
    s4: Any,
    s5: Any,
    s6: Any,
    r1: Any,
    r2: Any,
    r3: Any,
    r4: Any,
    r5: Any,
    r6: Any,
    begin: Any,
    steps: Any,
    mask: Any,
) -> Any:
    """s = Σ src[i-j], r = Σ j·src[i-j]. 이을 때 S = S_new + S_old, R = R_new + (R_old + 길이·S_old)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count = 2 * LEVELS + 1
        rows = [pointer(context, builder, signature.args[k], args[k]) for k in range(count)]
        begin, steps = args[count], args[count + 1]
        first = load(builder, rows[0], builder.sub(begin, INT(LANES)))
        sums = [state(builder, first) for _ in range(_INNER)]
        ramps = [state(builder, first) for _ in range(_INNER)]
        wanted = _wanted(builder, args[count + 2])
        gaps = [spread(builder, ir.Constant(DOUBLE, float(1 << k))) for k in range(LEVELS)]
        with cgutils.for_range(builder, steps) as loop, ExitStack() as nested:
            index = at_of(builder, begin, loop.index)
            total, ramp = load(builder, rows[0], index), _ZERO
            for k in range(_INNER):
                older = _shifted(builder, sums[k], total, 1 << k)
                if k == 0:
                    ramp = older
                else:
                    tail = _shifted(builder, ramps[k], ramp, 1 << k)
                    ramp = builder.fadd(ramp, builder.fadd(tail, builder.fmul(gaps[k], older)))
                total = builder.fadd(total, older)
                with builder.if_then(wanted[k]):
                    store(builder, total, rows[k + 1], index)
                    store(builder, ramp, rows[LEVELS + k + 1], index)
            for k in range(_INNER, LEVELS):
                nested.enter_context(builder.if_then(wanted[k]))
                past = builder.sub(index, INT(1 << k))
                older, tail = (load(builder, rows[at], past) for at in (k, LEVELS + k))
                ramp = builder.fadd(ramp, builder.fadd(tail, builder.fmul(gaps[k], older)))
                total = builder.fadd(total, older)
                store(builder, total, rows[k + 1], index)
                store(builder, ramp, rows[LEVELS + k + 1], index)
        return context.get_dummy_value()

    rows = (src, s1, s2, s3, s4, s5, s6, r1, r2, r3, r4, r5, r6)
    return types.void(*rows, types.int64, types.int64, types.int64), generate
