"""길이 2, 4, ..., 64인 창의 표를 원본 줄에서 한 번에: 긴 것은 방금 쓴 짧은 것을 L1에서 읽어 잇는다.

모양: table: float64[L, h], 0번 줄이 원본이고 k번 줄이 길이 2^k의 표다. [begin, begin + 8·steps)를 채우며
begin >= 32. 원본의 begin-8칸부터와, 길이 32·64의 표를 만들 때 그 앞 표의 begin-32칸까지를 읽는다. 앞의 24칸(길이 16까지)은 아직 값이 차지 않은 것이 섞인다.
mask의 k번 비트가 켜진 표(길이 2^k)만 쓴다. 길이 32 이상을 쓰려면 그 바탕의 비트도 켜져 있어야 한다.
"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
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
INNER = 4  # 이 표까지는 앞 벡터를 register에 두고 잇는다
ZERO = ir.Constant(VECTOR, [0.0] * LANES)


def _shifted(builder: Any, place: Any, now: Any, lag: int) -> Any:
    """now보다 lag칸(1..8) 앞의 여덟 칸. place: 앞 벡터의 자리이며 now로 바꾼다."""
    before = builder.load(place)
    builder.store(now, place)
    return before if lag == LANES else delayed(builder, before, now, lag)


def wanted_levels(builder: Any, mask: Any) -> list[Any]:
    """표마다 쓰는가(i1)."""
    bits = [builder.and_(mask, INT(1 << k)) for k in range(1, LEVELS + 1)]
    return [builder.icmp_unsigned("!=", bit, INT(0)) for bit in bits]


def _larger(builder: Any, new: Any, old: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", new, old), new, old)


def _smaller(builder: Any, new: Any, old: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", new, old), new, old)


def _sum(builder: Any, new: Any, old: Any) -> Any:
    return builder.fadd(new, old)


def table_rows(context: Any, builder: Any, kind: Any, table: Any) -> list[Any]:
    """표(2차원 배열)의 줄마다의 첫 자리, LEVELS + 1개. 표에 없는 줄은 mask가 꺼 두므로 읽지 않는다."""
    found = context.make_array(kind)(context, builder, table)
    strides = cgutils.unpack_tuple(builder, found.strides)  # type: ignore[no-untyped-call]
    stride = builder.sdiv(strides[0], INT(8))
    return [builder.gep(found.data, [builder.mul(stride, INT(k))]) for k in range(LEVELS + 1)]


class Rows:
    """표의 줄들: 자리 index의 여덟 칸을 그 번호에 둔다."""

    def __init__(self, builder: Any, bases: list[Any]) -> None:
        self.builder, self.bases = builder, bases

    def load(self, level: int, index: Any) -> Any:
        """길이 2^level인 창의 값 여덟."""
        return load(self.builder, self.bases[level], index)

    def store(self, level: int, index: Any, value: Any) -> None:
        """길이 2^level인 창의 값 여덟을 적는다."""
        store(self.builder, value, self.bases[level], index)


def _doubling(join: Any) -> Any:
    """join(builder, 새 것, 옛 것)으로 잇는 표들의 intrinsic."""

    @generated
    def double_nb(typingctx: Any, table: Any, begin: Any, steps: Any, mask: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = Rows(builder, table_rows(context, builder, signature.args[0], args[0]))
            begin, steps = args[1:3]
            first = rows.load(0, builder.sub(begin, INT(LANES)))
            before = [state(builder, first) for _ in range(INNER)]
            wanted = wanted_levels(builder, args[3])
            with cgutils.for_range(builder, steps) as loop, ExitStack() as nested:
                index = at_of(builder, begin, loop.index)
                now = rows.load(0, index)
                for k in range(INNER):
                    now = join(builder, now, _shifted(builder, before[k], now, 1 << k))
                    with builder.if_then(wanted[k]):
                        rows.store(k + 1, index, now)
                for k in range(INNER, LEVELS):
                    nested.enter_context(builder.if_then(wanted[k]))
                    now = join(builder, now, rows.load(k, builder.sub(index, INT(1 << k))))
                    rows.store(k + 1, index, now)
            return context.get_dummy_value()

        return types.void(table, types.int64, types.int64, types.int64), generate

    return double_nb


double_max_nb = _doubling(_larger)
double_min_nb = _doubling(_smaller)
double_sum_nb = _doubling(_sum)


def double_ramps(
    builder: Any, places: tuple[Rows, Rows], index: Any, before: list[Any], wanted: list[Any]
) -> None:
    """자리 index의 여덟 칸에서 모든 표의 합과 가중합. places: (합, 가중합), 합의 0번이 원본이다.

    before: 앞 벡터의 자리 2·INNER개. 이을 때 S = S_new + S_old, R = R_new + (R_old + 길이·S_old).
    """
    sums, ramps = places
    with ExitStack() as nested:
        total, ramp = sums.load(0, index), ZERO
        for k in range(LEVELS):
            gap = spread(builder, ir.Constant(DOUBLE, float(1 << k)))
            if k < INNER:
                older = _shifted(builder, before[k], total, 1 << k)
                tail = _shifted(builder, before[INNER + k], ramp, 1 << k) if k else ZERO
                kept: Any = builder.if_then(wanted[k])
            else:
                nested.enter_context(builder.if_then(wanted[k]))
                past = builder.sub(index, INT(1 << k))
                older, tail, kept = sums.load(k, past), ramps.load(k, past), nullcontext()
            if k == 0:
                ramp = older
            else:
                ramp = builder.fadd(ramp, builder.fadd(tail, builder.fmul(gap, older)))
            total = builder.fadd(total, older)
            with kept:
                sums.store(k + 1, index, total)
                ramps.store(k + 1, index, ramp)


@generated
def double_ramp_nb(
    typingctx: Any, src: Any, sums: Any, ramps: Any, begin: Any, steps: Any, mask: Any
) -> Any:
    """sums = Σ src[i-j], ramps = Σ j·src[i-j]. 두 표의 0번 줄은 쓰지 않는다."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        src = pointer(context, builder, signature.args[0], args[0])
        tables = [table_rows(context, builder, signature.args[k], args[k])[1:] for k in (1, 2)]
        places = Rows(builder, [src, *tables[0]]), Rows(builder, [None, *tables[1]])
        begin, steps, mask = args[3:]
        first = load(builder, src, builder.sub(begin, INT(LANES)))
        states = [state(builder, first) for _ in range(2 * INNER)]
        wanted = wanted_levels(builder, mask)
        with cgutils.for_range(builder, steps) as loop:
            double_ramps(builder, places, at_of(builder, begin, loop.index), states, wanted)
        return context.get_dummy_value()

    return types.void(src, sums, ramps, types.int64, types.int64, types.int64), generate
