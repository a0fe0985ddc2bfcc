"""가중합의 표를 ring에 두고 만들며 곧바로 창에 잇는다: 표가 L1을 벗어나지 않고, 조각을 잇는 중간 줄이 없다.

모양: src, out, other: float64[h]. sums, ramps: float64[LEVELS·_ROOM 이상], 표의 ring들이 놓이는 임시 자리.
    표의 범위와 읽는 칸은 doubling_nb와 같다. out과 other는 first(begin과 8의 배수만큼 떨어진 자리)부터 쓴다.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils

from optimize.strategy.doubling_nb import (
    INNER,
    LEVELS,
    ZERO,
    Rows,
    double_ramps,
    wanted_levels,
)
from optimize.strategy.lanes_nb import (
    DOUBLE,
    INT,
    LANES,
    at_of,
    generated,
    load,
    pointer,
    spread,
    state,
    store,
)

_TILE_BITS = 4
_TILE = 1 << _TILE_BITS  # 표를 이만큼(여덟 칸씩) 만들고 나서 읽는다: 막 쓴 것을 기다리지 않게
_RING = 256  # ring의 칸: 여덟 칸씩 _TILE번과, 그 앞에서 읽는 64칸이 들어간다
_ROOM = _RING + LANES


class _Ring(Rows):
    """_RING칸마다 처음으로 돌아가는 줄. 끝에 걸친 읽기를 위해 처음의 여덟 칸을 끝에도 적는다. 0번은 원본이다."""

    def __init__(self, builder: Any, src: Any, base: Any) -> None:
        rings = [builder.gep(base, [INT(k * _ROOM)]) for k in range(LEVELS)]
        super().__init__(builder, [src, *rings])

    def _place(self, index: Any) -> Any:
        return self.builder.and_(index, INT(_RING - 1))

    def load(self, level: int, index: Any) -> Any:
        return super().load(level, self._place(index) if level else index)

    def store(self, level: int, index: Any, value: Any) -> None:
        place = self._place(index)
        super().store(level, place, value)
        with self.builder.if_then(self.builder.icmp_unsigned("==", place, INT(0)), likely=False):
            super().store(level, INT(_RING), value)


class _Window:
    """길이 w인 창의 weigh·Σ src[i-j] - lean·Σ j·src[i-j]를 표의 조각들로 잇는다. w가 0이면 쓰지 않는다."""

    def __init__(self, builder: Any, out: Any, w: Any, weigh: Any, lean: Any) -> None:
        self._builder, self._out = builder, out
        self._used = builder.icmp_signed(">", w, INT(0))
        self._weigh, self._lean = spread(builder, weigh), spread(builder, lean)
        self._total, self._ramp = state(builder, ZERO), state(builder, ZERO)
        self._parts = []
        for k in range(LEVELS + 1):
            done = builder.and_(w, INT((1 << k) - 1))  # 더 짧은 조각들의 길이
            has = builder.icmp_unsigned("!=", builder.and_(w, INT(1 << k)), INT(0))
            starts = builder.icmp_unsigned("==", done, INT(0))
            gap = spread(builder, builder.sitofp(done, DOUBLE))
            self._parts.append((has, starts, done, gap))

    def write(self, sums: Rows, ramps: Rows, index: Any) -> None:
        """out[index:index+8]."""
        b = self._builder
        with b.if_then(self._used):
            for k, (has, starts, done, gap) in enumerate(self._parts):
                with b.if_then(has):
                    past = b.sub(index, done)
                    older, tail = sums.load(k, past), ramps.load(k, past) if k else ZERO
                    total, ramp = b.load(self._total), b.load(self._ramp)
                    ramp = b.fadd(ramp, b.fadd(tail, b.fmul(gap, older)))
                    b.store(b.select(starts, tail, ramp), self._ramp)
                    b.store(b.select(starts, older, b.fadd(total, older)), self._total)
            weighed = b.fmul(self._weigh, b.load(self._total))
            leaned = b.fmul(self._lean, b.load(self._ramp))
            store(b, b.fsub(weighed, leaned), self._out, index)


def _chosen(builder: Any, sign: str, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed(sign, a, b), a, b)


@generated
def ramp_windows_nb(
    typingctx: Any,
    src: Any,
    sums: Any,
    ramps: Any,
    out: Any,
    other: Any,
    begin: Any,
    first: Any,
    steps: Any,
    mask: Any,
    w: Any,
    weigh: Any,
    lean: Any,
    v: Any,
    weigh_v: Any,
    lean_v: Any,
) -> Any:
    """out = weigh·S - lean·R (길이 w), other는 길이 v의 것. 길이는 2^(LEVELS + 1)보다 작고, 0이면 쓰지 않는다."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = [pointer(context, builder, signature.args[k], args[k]) for k in range(5)]
        begin, first, steps, mask = args[5:9]
        start = load(builder, rows[0], builder.sub(begin, INT(LANES)))
        before = [state(builder, start) for _ in range(2 * INNER)]
        wanted = wanted_levels(builder, mask)
        places = _Ring(builder, rows[0], rows[1]), _Ring(builder, rows[0], rows[2])
        windows = [_Window(builder, rows[3], *args[9:12]), _Window(builder, rows[4], *args[12:15])]
        skipped = builder.ashr(builder.sub(first, begin), INT(3))
        tiles = builder.ashr(builder.add(steps, INT(_TILE - 1)), INT(_TILE_BITS))
        with cgutils.for_range(builder, tiles) as tile:
            at = builder.mul(tile.index, INT(_TILE))
            end = _chosen(builder, "<", builder.add(at, INT(_TILE)), steps)
            with cgutils.for_range(builder, end, start=at) as loop:
                double_ramps(builder, places, at_of(builder, begin, loop.index), before, wanted)
            at = _chosen(builder, ">", at, skipped)
            with cgutils.for_range(builder, end, start=at) as loop:
                for window in windows:
                    window.write(*places, at_of(builder, begin, loop.index))
        return context.get_dummy_value()

    whole, real = types.int64, types.float64
    numbers = (whole,) * 5 + (real, real, whole, real, real)
    return types.void(src, sums, ramps, out, other, *numbers), generate
