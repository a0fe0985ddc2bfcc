"""여덟 바이트를 한 낱말로 읽고, 그 안에서 0이 아닌 바이트의 자리를 찾는다(little endian)."""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import types

from optimize.strategy.lanes_nb import INT, generated, pointer

if sys.byteorder != "little":
    raise ImportError("little endian이 아닌 CPU에서는 돌지 않습니다")


@generated
def word_nb(typingctx: Any, array: Any, index: Any) -> Any:
    """array[index:index+8]을 한 낱말로. array: 원소가 1바이트인 이어진 배열, 자리가 여덟의 배수가 아니어도 된다."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.gep(pointer(context, builder, signature.args[0], args[0]), [args[1]])
        return builder.load(builder.bitcast(place, INT.as_pointer()), align=1)

    return types.int64(array, types.int64), generate


def _place(zeros: str) -> Any:
    """끝에서부터 잇단 0의 수를 세는 LLVM 함수로 바이트의 자리를 내는 intrinsic."""

    @generated
    def place_nb(typingctx: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            count = getattr(builder, zeros)(args[0], ir.IntType(1)(1))
            byte = builder.lshr(count, INT(3))
            return builder.sub(INT(7), byte) if zeros == "ctlz" else byte

        return types.int64(types.int64), generate

    return place_nb


lowest_nb = _place("cttz")
"""0이 아닌 낱말에서 가장 앞의 0이 아닌 바이트의 자리, 0 .. 7."""
highest_nb = _place("ctlz")
"""0이 아닌 낱말에서 가장 뒤의 0이 아닌 바이트의 자리, 0 .. 7."""
