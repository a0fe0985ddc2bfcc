"""곧 읽을 자리를 cache로 미리 부른다. 값을 바꾸지 않는다."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from optimize.strategy.lanes_nb import generated

_READ, _KEEP, _DATA = 0, 3, 1


@generated
def prefetch_nb(typingctx: Any, array: Any, index: Any) -> Any:
    """array[index]가 든 cache line. array: 이어진 1차원, index: 0 이상이며 길이를 넘어도 된다."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        byte = ir.IntType(8).as_pointer()
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        fetch = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, "llvm.prefetch.p0"
        )
        at = builder.bitcast(builder.gep(data, [args[1]]), byte)
        builder.call(fetch, [at, flag(_READ), flag(_KEEP), flag(_DATA)])
        return context.get_dummy_value()

    return types.void(array, index), generate
