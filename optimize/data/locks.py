"""캐시의 파일 잠금. 여러 프로세스가 함께 쓰는 폴더를 고칠 때 잡는다."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from optimize.errors import DataError, os_reason


@contextmanager
def locked(folder: Path, seconds: float, name: str = ".lock") -> Iterator[None]:
    """폴더를 (없으면 만들고) 잠근다. seconds 안에 잠그지 못하거나 쓸 수 없으면 DataError."""
    lock = _lock(folder, name)
    if not _acquire(lock, seconds):
        raise DataError(
            f"다른 프로세스가 캔들 캐시를 {seconds:.0f}초 넘게 잡고 있습니다",
            str(folder),
            "끝나기를 기다리거나, 멎은 프로세스를 끝낸 뒤 다시 실행하세요",
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locked_patiently(folder: Path, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
    """잠길 때까지 기다린다. 0.5초마다 on_wait를 부른다(예외를 내면 그만 기다린다)."""
    lock = _lock(folder, name)
    while not _acquire(lock, 0.5):
        on_wait()
    try:
        yield
    finally:
        lock.release()


def _lock(folder: Path, name: str) -> FileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return FileLock(folder / name)


def _acquire(lock: FileLock, seconds: float) -> bool:
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return False
    except OSError as error:
        raise _unwritable(Path(lock.lock_file).parent, error) from error
    return True


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"캔들 캐시 폴더를 쓸 수 없습니다: {folder}",
        os_reason(error),
        "폴더의 쓰기 권한과 디스크의 빈 자리를 확인하세요",
    )
