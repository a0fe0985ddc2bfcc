"""이어진 열여섯 값의 최솟값: 컴파일러는 NaN 때문에 min을 SIMD로 바꾸지 않는다."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from optimize.strategy.lanes_nb import INT, LANES, VECTOR, generated, load, pointer

_INF = ir.Constant(VECTOR, [float("inf")] * LANES)
_WORD = ir.IntType(32)


def _smaller(builder: Any, new: Any, old: Any) -> Any:
    """NaN인 new는 지나친다."""
    return builder.select(builder.fcmp_ordered("<", new, old), new, old)


@generated
def least_nb(typingctx: Any, array: Any, index: Any) -> Any:
    """array[index:index+16]의 최솟값. NaN은 세지 않고, 모두 NaN이면 inf. array: 이어진 float64 배열."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row = pointer(context, builder, signature.args[0], args[0])
        found = _smaller(builder, load(builder, row, args[1]), _INF)
        found = _smaller(builder, load(builder, row, builder.add(args[1], INT(LANES))), found)
        width = LANES // 2
        while width:
            picks = [(k + width) % LANES for k in range(LANES)]
            turned = builder.shuffle_vector(
                found, found, ir.Constant(ir.VectorType(_WORD, LANES), picks)
            )
            found = _smaller(builder, turned, found)
            width //= 2
        return builder.extract_element(found, _WORD(0))

    return types.float64(array, index), generate
