"""사건 파일을 덩이로 이어 읽는다. 마지막 반쪽 줄은 다음에 읽는다."""

from __future__ import annotations

from pathlib import Path

from tui import bridge
from tui.run_model import Located

CHUNK = 128 * 1024


class EventTail:
    """파일 하나의 읽은 자리. 한 thread에서만 쓴다.

    파일이 아직 없으면 빈 덩이를 준다. 파일이 짧아졌으면(다른 파일로 바뀜) 처음부터 다시 읽지 않고
    그대로 기다린다: 사건 파일은 늘어나기만 한다.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def read(self) -> list[Located]:
        """새로 온 사건들(한 번에 약 128 KB까지). 더 없으면 빈 목록."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read(CHUNK)
                end = chunk.rfind(b"\n")
                while end < 0 and len(chunk) and len(chunk) % CHUNK == 0:
                    # 한 덩이보다 긴 줄: 줄 끝이 나올 때까지 더 읽는다.
                    more = file.read(CHUNK)
                    if not more:
                        break
                    chunk += more
                    end = chunk.rfind(b"\n")
        except FileNotFoundError:
            return []
        if end < 0:
            return []
        located = []
        for line in chunk[: end + 1].splitlines(keepends=True):
            event = bridge.decode_event(line.decode("utf-8", "replace"))
            if event is not None:
                located.append(Located(event, self._offset, len(line)))
            self._offset += len(line)
        return located


def append_new_trials(fresh: Path, path: Path) -> int:
    """fresh의 시행 가운데 path에 아직 없는 번호의 줄을 path 끝에 붙이고, 그 수를 준다."""
    with path.open("rb") as file:
        known = {number for line in file if (number := _number(line)) is not None}
    with fresh.open("rb") as file:
        new = [
            line for line in file if (number := _number(line)) is not None and number not in known
        ]
    with path.open("ab") as file:
        file.write(b"".join(new))
    return len(new)


def _number(line: bytes) -> int | None:
    """시행의 줄이면 그 번호."""
    event = bridge.decode_event(line.decode("utf-8", "replace"))
    return event.number if isinstance(event, bridge.TrialEvent) else None


def read_trial(path: Path, offset: int, length: int) -> bridge.TrialEvent | None:
    """그 자리의 시행 사건. 읽을 수 없으면 None."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            event = bridge.decode_event(file.read(length).decode("utf-8", "replace"))
    except OSError:
        return None
    return event if isinstance(event, bridge.TrialEvent) else None
