"""작업자에게 실어 보내는 파일: 없으면 놓고, 있으면 그것을 쓰고, 내용이 다르면 섞지 않는다."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optimize.errors import DataError
from optimize.runner import cargo
from optimize.runner.cargo import (
    CargoFile,
    cargo_of,
    load_cargo,
    place_cargo,
    portable_strategy,
    unpack_ref,
    unpack_strategy,
)
from optimize.runner.rehearsal import rehearsal_dataset
from optimize.runner.versions import CODE, differences, versions


def candles(folder: Path, content: bytes) -> Path:
    path = folder / "ltf.arrow"
    path.write_bytes(content)
    return path


def test_files_go_to_the_workers_folder_and_the_ref_points_there(tmp_path: Path) -> None:
    path = candles(tmp_path, b"candles")
    ref = replace(rehearsal_dataset("DEMO:BTCUSDT", "1m").ref, ltf_path=str(path))
    own = tmp_path / "mine.py"
    own.write_text("x = 1\n", encoding="utf-8")
    files = cargo_of([ref, ref], f"{own}:Mine")
    assert [Path(file.path).name for file in files] == ["ltf.arrow", "mine.py"]
    loaded = load_cargo(files)
    path.unlink()
    own.unlink()
    place_cargo(loaded, tmp_path / "worker")

    moved = unpack_ref(ref, files)
    assert Path(moved.ltf_path).read_bytes() == b"candles"
    assert Path(moved.ltf_path).parent == tmp_path / "worker"
    assert moved.htf_path is None
    strategy, _, name = unpack_strategy(f"{own}:Mine", files).rpartition(":")
    assert (Path(strategy).read_text(encoding="utf-8"), name) == ("x = 1\n", "Mine")


def test_the_same_content_in_place_is_not_copied(tmp_path: Path) -> None:
    path = candles(tmp_path, b"same")
    file = CargoFile(str(path), cargo._digest(path))
    place_cargo({file: b"same"}, tmp_path / "worker")
    assert cargo._places([file]) == {str(path): str(path)}
    assert list((tmp_path / "worker").iterdir()) == []


def test_two_runs_with_one_path_and_other_content_do_not_mix(tmp_path: Path) -> None:
    first = CargoFile("/elsewhere/my.py", "a" * 64)
    second = CargoFile("/elsewhere/my.py", "b" * 64)
    place_cargo({first: b"first"}, tmp_path)
    place_cargo({second: b"second"}, tmp_path)
    contents = [
        Path(unpack_strategy("/elsewhere/my.py:S", [file]).rpartition(":")[0]).read_bytes()
        for file in (first, second)
    ]
    assert contents == [b"first", b"second"]


def test_files_that_never_came_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cargo, "_WAIT_SECONDS", 0.0)
    with pytest.raises(DataError, match="캔들을 받지 못했습니다"):
        unpack_strategy("/x.py:S", [CargoFile("/x.py", "c" * 64)])


def test_a_relative_strategy_file_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert portable_strategy("my.py:S") == f"{tmp_path / 'my.py'}:S"
    assert portable_strategy("ma_cross") == "ma_cross"


def test_only_what_differs_is_named() -> None:
    mine = versions()
    assert differences(mine, versions()) == ""
    assert differences(mine, {**mine, CODE: "0"}) == f"{CODE} 0 (여기는 {mine[CODE]})"
    assert "numba 없음" in differences(mine, {k: v for k, v in mine.items() if k != "numba"})
