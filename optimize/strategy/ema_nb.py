"""지수 이동 평균: out[k] = (1-α)·out[k-1] + α·src[k].

여덟 칸을 펼쳐 out[k] = Σ_{j<8} α(1-α)^j src[k-j] + (1-α)^8 out[k-8]로 계산한다: 앞의 합은 서로 독립이고,
기다리는 사슬은 여덟 칸에 한 번뿐이다. 몇 칸씩 잘라 불러도 비트까지 같다.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from optimize.strategy.blocks_nb import Row
from optimize.strategy.jit import compiled
from optimize.strategy.lanes_nb import (
    DOUBLE,
    INT,
    LANES,
    at_of,
    delayed,
    generated,
    load,
    pointer,
    spread,
    state,
    store,
)


class _Chain:
    """EMA 하나. src, out, alpha: LLVM 값. begin의 앞 src[begin-16:begin]과 out[begin-8:begin]을 읽어 잇는다."""

    def __init__(self, builder: Any, src: Any, out: Any, alpha: Any, begin: Any) -> None:
        self._builder, self._src, self._out = builder, src, out
        b1 = builder.fsub(ir.Constant(DOUBLE, 1.0), alpha)
        b2 = builder.fmul(b1, b1)
        b4 = builder.fmul(b2, b2)
        w2 = builder.fmul(alpha, b2)
        weights = (alpha, builder.fmul(alpha, b1), w2, builder.fmul(w2, b1))
        self._weights = [spread(builder, w) for w in weights]
        self._b4, self._b8 = spread(builder, b4), spread(builder, builder.fmul(b4, b4))
        far = load(builder, src, builder.sub(begin, INT(2 * LANES)))
        near = load(builder, src, builder.sub(begin, INT(LANES)))
        self._before = state(builder, near)
        self._taps = state(builder, self._tapped(far, near))
        self._value = state(builder, load(builder, out, builder.sub(begin, INT(LANES))))

    def _tapped(self, before: Any, now: Any) -> Any:
        """Σ_{j<4} α(1-α)^j src[k-j]."""
        b, w = self._builder, self._weights
        new = b.fadd(b.fmul(w[0], now), b.fmul(w[1], delayed(b, before, now, 1)))
        old = b.fadd(
            b.fmul(w[2], delayed(b, before, now, 2)), b.fmul(w[3], delayed(b, before, now, 3))
        )
        return b.fadd(new, old)

    def step(self, index: Any) -> None:
        """src[index:index+8]에서 out[index:index+8]을 만든다."""
        b = self._builder
        now = load(b, self._src, index)
        taps = self._tapped(b.load(self._before), now)
        ahead = b.fadd(taps, b.fmul(self._b4, delayed(b, b.load(self._taps), taps, 4)))
        value = b.fadd(ahead, b.fmul(self._b8, b.load(self._value)))
        b.store(now, self._before)
        b.store(taps, self._taps)
        b.store(value, self._value)
        store(b, value, self._out, index)


def _run(builder: Any, chains: list[_Chain], begin: Any, steps: Any) -> None:
    with cgutils.for_range(builder, steps) as loop:
        index = at_of(builder, begin, loop.index)
        for chain in chains:
            chain.step(index)


@generated
def _one_nb(typingctx: Any, src: Any, out: Any, begin: Any, steps: Any, alpha: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = [pointer(context, builder, signature.args[k], args[k]) for k in range(2)]
        _run(builder, [_Chain(builder, rows[0], rows[1], args[4], args[2])], args[2], args[3])
        return context.get_dummy_value()

    return types.void(src, out, types.int64, types.int64, types.float64), generate


@generated
def _two_nb(
    typingctx: Any,
    src_a: Any,
    src_b: Any,
    out_a: Any,
    out_b: Any,
    begin: Any,
    steps: Any,
    alpha_a: Any,
    alpha_b: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = [pointer(context, builder, signature.args[k], args[k]) for k in range(4)]
        chains = [_Chain(builder, rows[k], rows[k + 2], args[k + 6], args[4]) for k in range(2)]
        _run(builder, chains, args[4], args[5])
        return context.get_dummy_value()

    real, whole = types.float64, types.int64
    return types.void(src_a, src_b, out_a, out_b, whole, whole, real, real), generate


@compiled
def _rest_nb(src: Row, begin: int, hi: int, alpha: float, out: Row) -> None:
    """여덟으로 나누고 남은 칸. 계산 순서는 벡터와 같다."""
    b1 = 1.0 - alpha
    b2 = b1 * b1
    b4 = b2 * b2
    b8 = b4 * b4
    w0, w1, w2, w3 = alpha, alpha * b1, alpha * b2, alpha * b2 * b1
    for k in range(begin, hi):
        now = (w0 * src[k] + w1 * src[k - 1]) + (w2 * src[k - 2] + w3 * src[k - 3])
        old = (w0 * src[k - 4] + w1 * src[k - 5]) + (w2 * src[k - 6] + w3 * src[k - 7])
        out[k] = (now + b4 * old) + b8 * out[k - 8]


@compiled
def ema_block_nb(src: Row, lo: int, hi: int, alpha: float, out: Row) -> None:
    """out[lo:hi]를 채운다. src[lo-7:lo]와 out[lo-8:lo]는 지난 값이다. lo >= 16."""
    steps = (hi - lo) // LANES
    _one_nb(src, out, lo, steps, alpha)
    _rest_nb(src, lo + LANES * steps, hi, alpha, out)


@compiled
def ema_pair_block_nb(
    src_a: Row,
    src_b: Row,
    lo: int,
    hi: int,
    alpha_a: float,
    alpha_b: float,
    out_a: Row,
    out_b: Row,
) -> None:
    """ema_block_nb 둘을 나란히: 한 사슬이 기다리는 동안 다른 사슬이 돈다. 값은 따로 한 것과 같다."""
    steps = (hi - lo) // LANES
    _two_nb(src_a, src_b, out_a, out_b, lo, steps, alpha_a, alpha_b)
    _rest_nb(src_a, lo + LANES * steps, hi, alpha_a, out_a)
    _rest_nb(src_b, lo + LANES * steps, hi, alpha_b, out_b)
