"""놓아준 메모리가 정말 운영 체제로 돌아가는가."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import pytest

from optimize.memory import return_freed_memory, without_collection


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc가 아니라 돌려줄 길이 없다"
)
def test_freed_blocks_below_a_live_one_are_returned() -> None:
    """마지막 조각이 살아 있어 저절로는 돌아가지 않는 64 MB가 돌아간다."""
    blocks = [bytes(1000) for _ in range(65_536)]
    last = blocks[-1]
    blocks.clear()
    before = _resident_mb()
    return_freed_memory()
    assert before - _resident_mb() > 30
    assert len(last) == 1000


@without_collection()
def _fail() -> None:
    with without_collection():
        assert not gc.isenabled()
    assert not gc.isenabled()
    raise ValueError("밖으로")


def test_nothing_is_collected_meanwhile() -> None:
    """안에서는 수집을 쉬고(겹쳐 불러도), 예외로 나와도 다시 수집한다."""
    with pytest.raises(ValueError, match="밖으로"):
        _fail()
    assert gc.isenabled()
