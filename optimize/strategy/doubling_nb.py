"""길이 2, 4, 8, 16인 창의 표를 원본 줄에서 한 번에: 짧은 창들은 메모리에 들르지 않고 이어진다.

모양: src, out*: float64[h]. [begin, begin + 8·steps)를 채운다. src[begin-8:]을 읽으며 앞의 24칸까지는 아직
값이 차지 않은 것이 섞인다. mask의 k번 비트가 켜진 표(길이 2^k)만 쓴다.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from optimize.strategy.lanes_nb import (
    DOUBLE,
    INT,
    LANES,
    VECTOR,
    at_of,
    delayed,
    load,
    pointer,
    spread,
    state,
    store,
)

LEVELS = 4  # 한 번에 만드는 표: 길이 2^1 .. 2^LEVELS
_ZERO = ir.Constant(VECTOR, [0.0] * LANES)


def _shifted(builder: Any, place: Any, now: Any, lag: int) -> Any:
    """now보다 lag칸(1..8) 앞의 여덟 칸. place: 앞 벡터의 자리이며 now로 바꾼다."""
    before = builder.load(place)
    builder.store(now, place)
    return before if lag == LANES else delayed(builder, before, now, lag)


def _wanted(builder: Any, mask: Any) -> list[Any]:
    """표마다 쓰는가(i1)."""
    return [
        cgutils.is_not_null(builder, builder.and_(mask, INT(1 << k))) for k in range(1, LEVELS + 1)
    ]


def _larger(builder: Any, new: Any, old: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", new, old), new, old)


def _smaller(builder: Any, new: Any, old: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", new, old), new, old)


def _sum(builder: Any, new: Any, old: Any) -> Any:
    return builder.fadd(new, old)


def _doubling(join: Any) -> Any:
    """join(builder, 새 것, 옛 것)으로 잇는 표들의 intrinsic: (src, out1..out4, begin, steps, mask)."""

    @intrinsic
    def double_nb(
        typingctx: Any,
        src: Any,
        out1: Any,
        out2: Any,
        out3: Any,
        out4: Any,
        begin: Any,
        steps: Any,
        mask: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = [
                pointer(context, builder, signature.args[k], args[k]) for k in range(LEVELS + 1)
            ]
            first = load(builder, rows[0], builder.sub(args[5], INT(LANES)))
            before = [state(builder, first) for _ in range(LEVELS)]
            wanted = _wanted(builder, args[7])
            with cgutils.for_range(builder, args[6]) as loop:
                index = at_of(builder, args[5], loop.index)
                now = load(builder, rows[0], index)
                for k in range(LEVELS):
                    now = join(builder, now, _shifted(builder, before[k], now, 1 << k))
                    with builder.if_then(wanted[k]):
                        store(builder, now, rows[k + 1], index)
            return context.get_dummy_value()

        whole = types.int64
        return types.void(src, out1, out2, out3, out4, whole, whole, whole), generate

    return double_nb


double_max_nb = _doubling(_larger)
double_min_nb = _doubling(_smaller)
double_sum_nb = _doubling(_sum)


@intrinsic
def double_ramp_nb(
    typingctx: Any,
    src: Any,
    s1: Any,
    s2: Any,
    s3: Any,
    s4: Any,
    r1: Any,
    r2: Any,
    r3: Any,
    r4: Any,
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
        sums = [state(builder, first) for _ in range(LEVELS)]
        ramps = [state(builder, first) for _ in range(LEVELS)]
        wanted = _wanted(builder, args[count + 2])
        gaps = [spread(builder, ir.Constant(DOUBLE, float(1 << k))) for k in range(LEVELS)]
        with cgutils.for_range(builder, steps) as loop:
            index = at_of(builder, begin, loop.index)
            total, ramp = load(builder, rows[0], index), _ZERO
            for k in range(LEVELS):
                older = _shifted(builder, sums[k], total, 1 << k)
                if k == 0:
                    ramp = older
                else:
                    tail = _shifted(builder, ramps[k], ramp, 1 << k)
                    ramp = builder.fadd(
                        ramp, builder.fadd(tail, builder.fmul(gaps[k], older))
                    )
                total = builder.fadd(total, older)
                with builder.if_then(wanted[k]):
                    store(builder, total, rows[k + 1], index)
                    store(builder, ramp, rows[LEVELS + k + 1], index)
        return context.get_dummy_value()

    rows = (src, s1, s2, s3, s4, r1, r2, r3, r4)
    return types.void(*rows, types.int64, types.int64, types.int64), generate
