"""SQLite 파일을 열지 못한 까닭은 한국어이고, 고치는 법이 그 까닭에 맞는다."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimize.errors import StorageError
from optimize.storage.engine import prepare_sqlite_file
from optimize.storage.options import StorageOptions


# SQLite는 한 쪽(512바이트)보다 짧은 글을 빈 데이터베이스로 보고 덮어쓴다.
@pytest.mark.parametrize("content", [b"\x89PNG" * 2000, "메모".encode()])
def test_sqlite가_아닌_파일(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "그림.db"
    path.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        prepare_sqlite_file(path, StorageOptions())
    assert caught.value.cause.endswith("SQLite 파일이 아닙니다")
    assert "다른 파일" in caught.value.fix
    assert path.read_bytes() == content


def test_폴더가_놓일_자리에_파일이_있다(tmp_path: Path) -> None:
    (tmp_path / "막힘").write_text("")
    with pytest.raises(StorageError) as caught:
        prepare_sqlite_file(tmp_path / "막힘" / "s.db", StorageOptions())
    assert caught.value.cause.endswith("경로의 가운데에 폴더가 아닌 것이 있습니다")
    assert "권한" in caught.value.fix
