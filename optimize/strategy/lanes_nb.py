"""여덟 칸(<8 x double>)씩 도는 반복문을 손으로 짓는 부품: 컴파일러가 SIMD로 바꾸지 못하는 것에만 쓴다.

원소마다의 계산 순서가 정해져 있어 어느 CPU에서도 비트까지 같다(벡터가 좁은 CPU에서는 LLVM이 나눈다).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
DOUBLE, INT = ir.DoubleType(), ir.IntType(64)
VECTOR = ir.VectorType(DOUBLE, LANES)
_PICK = ir.VectorType(ir.IntType(32), LANES)


def generated(function: Callable[..., Any]) -> Any:
    """numba의 intrinsic. 부르는 인자는 numba가 typingctx를 넣어 주므로 형 검사에는 맡기지 않는다."""
    return intrinsic(function)


def spread(builder: Any, value: Any) -> Any:
    """모든 칸이 value인 벡터."""
    empty = ir.Constant(VECTOR, ir.Undefined)
    one = builder.insert_element(empty, value, ir.IntType(32)(0))
    return builder.shuffle_vector(one, empty, ir.Constant(_PICK, [0] * LANES))


def delayed(builder: Any, before: Any, now: Any, lag: int) -> Any:
    """before 뒤에 now를 이은 것에서, now보다 lag칸 앞에서 시작하는 여덟 칸."""
    picks = ir.Constant(_PICK, [LANES - lag + k for k in range(LANES)])
    return builder.shuffle_vector(before, now, picks)


def pointer(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """이어진 1차원 배열의 첫 원소의 자리."""
    return context.make_array(kind)(context, builder, array).data


def _at(builder: Any, base: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(base, [index]), VECTOR.as_pointer())


def load(builder: Any, base: Any, index: Any) -> Any:
    """base[index:index+8]."""
    return builder.load(_at(builder, base, index), align=8)


def store(builder: Any, value: Any, base: Any, index: Any) -> None:
    """base[index:index+8] = value."""
    builder.store(value, _at(builder, base, index), align=8)


def state(builder: Any, value: Any) -> Any:
    """반복에 걸쳐 이어지는 벡터의 자리. 처음 값은 value."""
    place = cgutils.alloca_once(builder, VECTOR)  # type: ignore[no-untyped-call]
    builder.store(value, place)
    return place


def at_of(builder: Any, begin: Any, step: Any) -> Any:
    """begin + 8·step."""
    return builder.add(begin, builder.mul(step, INT(LANES)))
