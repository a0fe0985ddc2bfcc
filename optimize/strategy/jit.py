"""컴파일한 함수의 공통 설정. 컴파일한 모듈(`*_nb.py`, `indicators.py`)만 import한다.

- 기계어를 디스크에 남겨 다음 프로세스가 다시 컴파일하지 않는다(자리는 `kernel_cache`).
- `error_model="numpy"`: 0으로 나누면 IEEE 754대로 inf·NaN이다. 예외 분기가 없어야 벡터화된다.
- fastmath는 쓰지 않는다: 더하는 순서가 고정되어야 미래를 자른 자료의 결과가 비트까지 같다.
- `nogil=True`: 계산하는 동안 다른 thread가 돈다. 한 함수는 한 코어만 쓴다.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

from optimize.strategy.kernel_cache import cache_folder

F = TypeVar("F", bound=Callable[..., object])


numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]


def compiled(function: F) -> F:
    """함수를 처음 부를 때 기계어로 컴파일한다."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def compiled_bare(function: F) -> F:
    """배열을 새로 만들지 않는 함수: 받은 배열의 참조를 세지 않고, 부르는 자리에 펼쳐진다.

    배열마다 참조를 세는 원자 연산과 배열 묶음을 넘기는 일이, 거래마다 부르는 함수에서는 봉 수십 개의 값이다.
    받은 배열은 부른 쪽이 쥐고 있으므로 안전하고, 배열을 만들려 하면 컴파일되지 않는다.
    """
    # _nrt: 공개되지 않은 선택이라 형의 표에 없다.
    plain = numba.njit(  # type: ignore[call-overload]
        cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True
    )
    return cast(F, plain(function))
