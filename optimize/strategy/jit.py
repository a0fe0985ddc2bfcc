"""컴파일한 함수의 공통 설정. 컴파일한 모듈(`*_nb.py`, `indicators.py`)만 import한다.

- `cache=True`: 기계어를 `__pycache__`에 남겨 다음 프로세스가 다시 컴파일하지 않는다. 그 폴더에 쓸 수
  없으면 numba가 사용자의 캐시 폴더(`~/.cache/numba`)를 쓴다. `NUMBA_CACHE_DIR`로 바꿀 수 있다.
- `error_model="numpy"`: 0으로 나누면 IEEE 754대로 inf·NaN이다. 예외 분기가 없어야 벡터화된다.
- fastmath는 쓰지 않는다: 더하는 순서가 고정되어야 미래를 자른 자료의 결과가 비트까지 같다.
- `nogil=True`: 계산하는 동안 다른 thread가 돈다. 한 함수는 한 코어만 쓴다.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """함수를 처음 부를 때 기계어로 컴파일한다."""
    return cast(F, njit(cache=True, nogil=True, error_model="numpy")(function))
