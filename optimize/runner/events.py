"""사건을 내보내는 자리: `events.ndjson`(write-ahead log), `--events`, 화면.

줄 하나를 `write(2)` 한 번으로 파일 끝에 붙인다. 프로세스가 kill -9로 죽어도 커널이 가진
내용은 남으므로, `emit`이 돌아온 사건은 다음 시작이 읽을 수 있다.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TextIO

from optimize import paths
from optimize.errors import RunError, SettingsError, os_reason
from optimize.masking import mask_secrets
from optimize.protocol import DoneEvent, Event, ProgressEvent, StoredEvent, TrialEvent, encode

EVENTS_FILE = "events.ndjson"
LOG_FILE = "run.log"
PLAN_FILE = "plan.json"

Listener = Callable[[Event], None]


class LineFile:
    """줄을 붙이기만 하는 파일(0600). 여러 thread가 함께 쓴다.

    앞선 실행이 반 줄을 남겼으면 줄바꿈을 먼저 넣어 새 줄과 섞이지 않게 한다.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        try:
            paths.refuse_links(path)
            self._descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            # 열 때의 길이: 앞선 실행이 적은 것의 끝.
            self.start = os.fstat(self._descriptor).st_size
            self._torn = _ends_torn(self._descriptor)
            self._named = os.fstat(self._descriptor).st_nlink > 0
        except OSError as error:
            raise _write_error(path, error) from error

    def write(self, lines: Sequence[str]) -> None:
        """줄들을 한 번에 붙인다. 쓰지 못하면 RunError."""
        if not lines:
            return
        body = "".join(f"{line}\n" for line in lines).encode()
        with self._lock:
            if self._descriptor is None:
                return
            try:
                if self._named and not os.fstat(self._descriptor).st_nlink:
                    # 지워진 파일에 적은 것은 아무도 읽지 못한다.
                    raise FileNotFoundError(errno.ENOENT, "지워진 파일")
                _write_all(self._descriptor, b"\n" + body if self._torn else body)
            except OSError as error:
                # 반쯤 쓰였을 수 있다. 다음 줄이 그 반 줄에 붙지 않게 한다.
                self._torn = True
                raise _write_error(self.path, error) from error
            self._torn = False

    def close(self) -> None:
        """디스크까지 내리고 닫는다. 두 번 불러도 된다. 내리지 못하면 RunError."""
        with self._lock:
            if self._descriptor is None:
                return
            descriptor, self._descriptor = self._descriptor, None
            try:
                # FIFO나 /dev/stdout은 fsync를 받지 않는다.
                if self.path.is_file():
                    os.fsync(descriptor)
            except OSError as error:
                raise _write_error(self.path, error) from error
            finally:
                os.close(descriptor)


class EventWriter:
    """한 실행의 사건을 기록 파일, `--events`, 듣는 쪽(화면)에 차례로 보낸다.

    run_dir: `studies/<slug>/runs/<run_id>/`. 만들어 둔다(0700). mirror: `--events`의 값.
    secrets: 어떤 사건에도 남지 않아야 할 값들. start: 이 실행의 첫 사건이 놓이는 바이트(같은 이름으로 앞서 돈 실행의 끝).
    """

    def __init__(
        self,
        run_dir: Path,
        mirror: str | None = None,
        secrets: Sequence[str] = (),
        listeners: Sequence[Listener] = (),
    ) -> None:
        try:
            paths.private_dir(run_dir)
        except OSError as error:
            raise _write_error(run_dir, error) from error
        self.run_dir = run_dir
        self.path = run_dir / EVENTS_FILE
        self._secrets = tuple(secrets)
        self._listeners = tuple(listeners)
        self._file = LineFile(self.path)
        self.start = self._file.start
        self._mirror = _open_mirror(mirror)

    def emit(self, *events: Event) -> None:
        """사건들을 적고(파일 먼저) 듣는 쪽에 알린다. 적지 못하면 RunError."""
        lines = [self._line(event) for event in events]
        self._file.write(lines)
        if self._mirror is not None:
            self._mirror.write(lines)
        for listener in self._listeners:
            for event in events:
                listener(event)

    def _line(self, event: Event) -> str:
        # 잦은 사건은 수와 이름뿐이라 가릴 글이 없다(시행의 error는 만들 때 가린다).
        if isinstance(event, (TrialEvent, StoredEvent, ProgressEvent)):
            return encode(event)
        return encode(self._masked(event))

    def _masked(self, event: Event) -> Event:
        values = {
            item.name: _mask_texts(getattr(event, item.name), self._secrets)
            for item in fields(event)
            if not isinstance(event, DoneEvent)
        }
        return replace(event, **values)

    def close(self) -> None:
        """기록 파일을 디스크까지 내리고 닫는다."""
        try:
            self._file.close()
        finally:
            if self._mirror is not None:
                self._mirror.close()


class _Stream:
    """stdout의 사건들."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, lines: Sequence[str]) -> None:
        """줄들을 쓰고 내보낸다. 쓰지 못하면(받는 쪽이 닫혔다) RunError."""
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except OSError as error:
            silence(self._stream)
            raise RunError(
                "사건을 stdout에 쓰지 못했습니다",
                os_reason(error),
                "받는 프로그램이나 디스크를 보고 같은 명령을 다시 실행하면 이어집니다",
            ) from error

    def close(self) -> None:
        """stdout은 우리 것이 아니다."""


def silence(stream: TextIO) -> None:
    """쓸 수 없게 된 stdout을 버린다: 버퍼에 남은 것을 끝낼 때 다시 쓰다가 exit code를 바꾸지 않게 한다."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _open_mirror(target: str | None) -> LineFile | _Stream | None:
    """`--events FILE|-`의 자리. `-`는 stdout, 없으면 None. 열 수 없으면 SettingsError."""
    if target is None:
        return None
    if target == "-":
        return _Stream(sys.stdout)
    path = Path(target).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return LineFile(path)
    except (OSError, RunError) as error:
        cause = error.cause if isinstance(error, RunError) else f"{path}: {os_reason(error)}"
        raise SettingsError(
            "--events 파일을 열 수 없습니다", cause, "쓸 수 있는 경로나 `-`를 주세요"
        ) from error


def _mask_texts(value: Any, secrets: Sequence[str]) -> Any:
    """속의 글마다 비밀번호를 가린다. JSON이 된 뒤에는 글의 경계를 알 수 없으므로 그 전에 한다."""
    if isinstance(value, str):
        return mask_secrets(value, secrets)
    if isinstance(value, Mapping):
        return {key: _mask_texts(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mask_texts(item, secrets) for item in value]
    return value


def _write_all(descriptor: int, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[os.write(descriptor, view) :]


def _ends_torn(descriptor: int) -> bool:
    """파일이 줄바꿈 없이 끝나는가."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _write_error(path: Path, error: OSError) -> RunError:
    return RunError(
        "실행 기록을 쓰지 못했습니다",
        f"{path}: {os_reason(error)}",
        "디스크의 빈 자리(df -h)와 studies/ 폴더의 권한(ls -ld studies)을 보세요. "
        "이미 적힌 시행은 다시 실행하면 이어집니다",
    )
