"""컴파일한 함수의 공통 설정. 컴파일한 모듈(`*_nb.py`, `indicators.py`)만 import한다.

- 기계어를 디스크에 남겨 다음 프로세스가 다시 컴파일하지 않는다. numba는 고친 함수 자신의 파일만 살피고
  그 함수가 부르는 다른 파일은 살피지 않으므로, kernel 원본 모두의 지문을 폴더 이름에 넣는다. 자리는
  `NUMBA_CACHE_DIR`, 없으면 이 패키지의 `__pycache__`, 쓸 수 없으면 사용자의 캐시 폴더다.
- `error_model="numpy"`: 0으로 나누면 IEEE 754대로 inf·NaN이다. 예외 분기가 없어야 벡터화된다.
- fastmath는 쓰지 않는다: 더하는 순서가 고정되어야 미래를 자른 자료의 결과가 비트까지 같다.
- `nogil=True`: 계산하는 동안 다른 thread가 돈다. 한 함수는 한 코어만 쓴다.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numba
from platformdirs import user_cache_path

F = TypeVar("F", bound=Callable[..., object])


def kernel_sources_digest() -> str:
    """컴파일되는 함수와 그 상수를 담은 파일들의 sha256(hex 앞 16자)."""
    here = Path(__file__).resolve().parent
    backtest = here.parent / "backtest"
    constants = [here / "indicators.py", here / "jit.py", backtest / "metrics.py"]
    digest = hashlib.sha256()
    for path in sorted([*here.glob("*_nb.py"), *backtest.glob("*_nb.py"), *constants]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def cache_folder() -> Path:
    """기계어를 두는 폴더. 앞에서부터 쓸 수 있는 첫 자리다."""
    name = f"kernels-{kernel_sources_digest()}"
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen) if Path(chosen).name == name else Path(chosen) / name
    local = Path(__file__).resolve().parent / "__pycache__" / name
    return local if _writable(local) else user_cache_path("backtest-wizard") / name


numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]


def compiled(function: F) -> F:
    """함수를 처음 부를 때 기계어로 컴파일한다."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
