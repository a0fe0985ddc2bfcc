"""사건 파일을 이어 읽기: 반쪽 줄, 아주 긴 줄, 없는 파일, 십만 개의 사건."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from optimize.protocol import ProgressEvent, TrialEvent, encode
from tui.event_tail import CHUNK, EventTail, read_trial
from tui.run_model import Located, RunModel


def trial(number: int, **changes: Any) -> TrialEvent:
    return TrialEvent(
        **{
            "study": "s", "number": number, "state": "COMPLETE", "score": 1.0, "metrics": {},
            "params": {"길이": number}, "duration_ms": 1.0, "is_best": False, **changes,
        }
    )  # fmt: skip


def drain(tail: EventTail) -> list[Located]:
    """더 없을 때까지 읽는다."""
    found: list[Located] = []
    while batch := tail.read():
        found += batch
    return found


def numbers(located: list[Located]) -> list[int]:
    return [item.event.number for item in located if isinstance(item.event, TrialEvent)]


def test_missing_file_waits_and_then_reads(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    tail = EventTail(path)
    assert tail.read() == []
    path.write_text(encode(trial(0)) + "\n", encoding="utf-8")
    assert numbers(drain(tail)) == [0]
    assert tail.read() == []


def test_half_line_is_read_once_when_whole(tmp_path: Path) -> None:
    """한글 한 글자의 바이트 가운데에서 끊겨도 온전해진 뒤에 한 번 읽는다."""
    path = tmp_path / "events.ndjson"
    line = (encode(trial(7)) + "\n").encode()
    cut = line.index("길".encode()) + 1
    path.write_bytes(line + line[:cut])
    tail = EventTail(path)
    assert numbers(drain(tail)) == [7]
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(line[cut:])
    (again,) = drain(tail)
    assert (again.offset, again.length) == (len(line), len(line))
    event = read_trial(path, again.offset, again.length)
    assert event is not None
    assert event.params == {"길이": 7}


def test_line_longer_than_a_chunk(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    huge = trial(1, error="가" * CHUNK)
    path.write_text(
        "\n".join(encode(item) for item in (trial(0), huge, trial(2))) + "\n", encoding="utf-8"
    )
    tail = EventTail(path)
    found = drain(tail)
    assert numbers(found) == [0, 1, 2]
    event = read_trial(path, found[1].offset, found[1].length)
    assert event is not None
    assert len(event.error) == CHUNK
    # 아직 끝나지 않은 긴 줄은 기다린다.
    with path.open("a", encoding="utf-8") as file:
        file.write("x" * CHUNK * 2)
    assert tail.read() == []


def test_broken_and_unknown_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    unknown = json.dumps({"v": 9, "type": "새로운것", "a": 1})
    path.write_bytes(
        b"{broken\n\n" + unknown.encode() + b"\n\xff\xfe\n" + encode(trial(3)).encode() + b"\n"
    )
    assert numbers(drain(EventTail(path))) == [3]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30))
@settings(deadline=None, max_examples=40)
def test_any_cutting_gives_every_event_once(cuts: list[int]) -> None:
    """어디서 끊어 쓰든 모든 사건을 한 번씩, 제자리와 함께 읽는다."""
    import tempfile

    body = "".join(encode(trial(n)) + "\n" for n in range(8)).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.ndjson"
        path.touch()
        tail, found, at = EventTail(path), [], 0
        for size in [*cuts, len(body)]:
            with path.open("ab") as file:
                file.write(body[at : at + size])
            at = min(len(body), at + size)
            found += drain(tail)
        assert numbers(found) == list(range(8))
        for item in found:
            assert body[item.offset : item.offset + item.length].endswith(b"\n")


def test_hundred_thousand_events(tmp_path: Path) -> None:
    """십만 개를 끝까지 읽어 접는다. 지니는 것은 시행의 줄뿐이고, 자리로 다시 찾는다."""
    path = tmp_path / "events.ndjson"
    study = {"v": 1, "type": "study", "study": "s", "slug": "s", "cell": "1m", "storage": "x",
             "done": 0, "target": 100_000}  # fmt: skip
    line = encode(trial(0)).replace('"number":0', '"number":%d')
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(study) + "\n")
        file.writelines(line % number + "\n" for number in range(99_990))
        file.writelines(encode(ProgressEvent("s", n, 100_000, 1.0, None)) + "\n" for n in range(9))
    began = time.perf_counter()
    model, tail = RunModel(), EventTail(path)
    while batch := tail.read():
        assert sum(item.length for item in batch) <= CHUNK
        model.apply(batch)
    assert len(model.trials) == 99_990
    assert model.trials[-1].number == 99_989
    last = model.trials[54_321]
    event = read_trial(path, last.offset, last.length)
    assert event is not None
    assert event.number == 54_321
    assert time.perf_counter() - began < 30
