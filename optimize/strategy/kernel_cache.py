"""컴파일한 기계어를 두는 자리. numba를 import하지 않는다(화면이 캐시가 비었는지 바로 안다).

numba는 고친 함수 자신의 파일만 살피고 그 함수가 부르는 다른 파일은 살피지 않으므로, kernel 원본 모두의
지문을 폴더 이름에 넣는다. 자리는 `NUMBA_CACHE_DIR`, 없으면 이 패키지의 `__pycache__`, 쓸 수 없으면
사용자의 캐시 폴더다.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_path


def kernel_sources_digest() -> str:
    """컴파일되는 함수와 그 상수를 담은 파일들의 sha256(hex 앞 16자)."""
    here = Path(__file__).resolve().parent
    backtest = here.parent / "backtest"
    constants = [here / "indicators.py", here / "jit.py", backtest / "metrics.py"]
    digest = hashlib.sha256()
    for path in sorted([*here.glob("*_nb.py"), *backtest.glob("*_nb.py"), *constants]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """기계어를 두는 폴더. 앞에서부터 쓸 수 있는 첫 자리다."""
    name = f"kernels-{kernel_sources_digest()}"
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen) if Path(chosen).name == name else Path(chosen) / name
    local = Path(__file__).resolve().parent / "__pycache__" / name
    return local if _writable(local) else user_cache_path("backtest-wizard") / name


def rehearsed_marker(strategy: str, cell: str) -> Path:
    """이 전략과 칸의 커널이 모두 컴파일되어 있다는 표시 파일의 자리.

    strategy: 내장 전략의 이름 또는 `engine`. cell: `1m@15m`. HTF가 있는지, 1분보다 긴 봉인지에 따라
    배열의 형이 달라 커널도 다르다.
    """
    ltf, at, _ = cell.partition("@")
    kind = f"{'coarse' if ltf != '1m' else 'minute'}-{'htf' if at else 'plain'}"
    return cache_folder() / f"rehearsed-{strategy}-{kind}"


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
