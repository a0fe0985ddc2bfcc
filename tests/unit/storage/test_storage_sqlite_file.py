"""SQLite 파일을 열지 못한 까닭은 한국어이고, 고치는 법이 그 까닭에 맞는다. 여는 일이 남의 잠금을 풀지 않는다."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
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


def test_폴더와_쓸_수_없는_파일(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError) as caught:
        prepare_sqlite_file(tmp_path, StorageOptions())
    assert caught.value.cause.endswith("파일이 아니라 폴더입니다")
    path = tmp_path / "s.db"
    prepare_sqlite_file(path, StorageOptions())
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(StorageError) as caught:
        prepare_sqlite_file(path, StorageOptions())
    assert caught.value.cause.endswith("권한이 없습니다")


def test_같은_파일을_또_열어도_이_프로세스의_잠금이_풀리지_않는다(tmp_path: Path) -> None:
    """POSIX의 잠금은 손잡이 하나만 닫아도 모두 풀린다: 그러면 먼저 끝난 다른 실행이 WAL을 지워 파일이 깨진다."""
    path = tmp_path / "s.db"
    prepare_sqlite_file(path, StorageOptions())
    with closing(sqlite3.connect(path)) as first:
        first.execute("CREATE TABLE t (x)")
        first.commit()
        prepare_sqlite_file(path, StorageOptions())  # 둘째 스터디
        other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM t'); c.close()"
        subprocess.run([sys.executable, "-c", other, str(path)], check=True, timeout=60)
        assert path.with_name("s.db-wal").exists(), "마지막 연결인 줄 알고 WAL을 지웠다"


@pytest.mark.parametrize("size", [20, 5000])
def test_남의_파일을_거절하며_곁에_아무것도_남기지_않는다(tmp_path: Path, size: int) -> None:
    path = tmp_path / "README.md"
    path.write_text("#" * size)
    with pytest.raises(StorageError, match="SQLite 파일이 아닙니다"):
        prepare_sqlite_file(path, StorageOptions())
    assert [item.name for item in tmp_path.iterdir()] == ["README.md"]
    assert path.read_text() == "#" * size
