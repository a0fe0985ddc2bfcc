"""사건 기록: 줄 하나도 섞이지 않고, 비밀번호가 남지 않고, 남의 눈에 띄지 않는다."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from optimize.errors import RunError, SettingsError
from optimize.protocol import Event, Hello, PlanEvent, WarningEvent
from optimize.runner.events import EventWriter, LineFile


def test_a_torn_last_line_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"a":1}\n{"b":', encoding="utf-8")
    file = LineFile(path)
    file.write(['{"c":3}'])
    file.close()
    assert path.read_text(encoding="utf-8").splitlines() == ['{"a":1}', '{"b":', '{"c":3}']


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "x")
    lines = [json.dumps({"thread": n, "text": "가" * 500}) for n in range(8)]
    threads = [
        threading.Thread(target=lambda line=line: [file.write([line] * 3) for _ in range(50)])
        for line in lines
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    written = (tmp_path / "x").read_text(encoding="utf-8").splitlines()
    assert sorted(written) == sorted(line for line in lines for _ in range(150))


def test_what_was_emitted_is_readable_before_close(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "run")
    writer.emit(Hello("r", 1))
    assert json.loads(writer.path.read_text(encoding="utf-8"))["run_id"] == "r"
    assert writer.path.stat().st_mode & 0o777 == 0o600
    assert writer.run_dir.stat().st_mode & 0o777 == 0o700
    writer.close()


def test_secrets_are_masked_inside_nested_values_and_json_survives(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "run", secrets=["canary77"])
    plan = {"a": ["postgresql://u:canary77@h/db", {"cell": "1m@15m"}], "b": "x?password=canary77"}
    writer.emit(PlanEvent("run --storage-url postgresql://u:canary77@h/db", plan))
    writer.emit(WarningEvent("t", "canary77"))
    writer.close()
    text = writer.path.read_text(encoding="utf-8")
    assert "canary77" not in text
    first = json.loads(text.splitlines()[0])
    assert first["plan"]["a"][1] == {"cell": "1m@15m"}


def test_the_mirror_and_listeners_get_the_same_events(tmp_path: Path) -> None:
    heard: list[Event] = []
    mirror = tmp_path / "out" / "m.ndjson"
    writer = EventWriter(tmp_path / "run", str(mirror), listeners=[heard.append])
    writer.emit(Hello("r", 1), WarningEvent("t"))
    writer.close()
    assert mirror.read_text(encoding="utf-8") == writer.path.read_text(encoding="utf-8")
    assert [event.type for event in heard] == ["hello", "warning"]


def test_a_folder_that_cannot_be_made_is_a_run_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="쓰지 못했습니다"):
        EventWriter(tmp_path / "file" / "run")


def test_a_mirror_that_cannot_be_opened_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--events"):
        EventWriter(tmp_path / "run", str(tmp_path))


def test_a_full_disk_is_a_run_error_and_the_half_line_is_closed_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LineFile(tmp_path / "x")
    real = os.write

    def half(descriptor: int, body: bytes) -> int:
        if len(body) <= 4:
            raise OSError(28, "No space left on device")
        return real(descriptor, body[:4])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(RunError, match="쓰지 못했습니다"):
        file.write(['{"lost":1}'])
    monkeypatch.setattr(os, "write", real)
    file.write(['{"kept":1}'])
    file.close()
    assert (tmp_path / "x").read_text(encoding="utf-8").splitlines()[-1] == '{"kept":1}'


def test_a_deleted_file_is_a_run_error_at_the_next_line(tmp_path: Path) -> None:
    """지워진 파일에 적은 것은 아무도 읽지 못한다. 처음부터 이름이 없던 것(pipe)은 그대로 적는다."""
    file = LineFile(tmp_path / "x")
    file.write(["1"])
    (tmp_path / "x").unlink()
    with pytest.raises(RunError, match="쓰지 못했습니다"):
        file.write(["2"])
    file.close()
