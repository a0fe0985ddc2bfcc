"""자식 프로세스 두 가지: 화면에 매인 것(점검)과 화면을 떠난 것(실행).

비밀번호는 인자가 아니라 환경으로만 건넨다. 자식은 모두 새 session에서 뜬다.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KILL_AFTER = 0.5
_LINE_LIMIT = 1 << 20
# 화면에서 띄운 실행들. 끝난 자식을 거두어야 살아 있는지 바로 안다.
_detached: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Finished:
    """끝난 자식. stderr는 마지막 4,000자."""

    exit_code: int
    stderr: str


async def json_lines(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path
) -> AsyncGenerator[dict[str, Any] | Finished, None]:
    """자식이 쓰는 JSON 줄들을 나오는 대로, 끝나면 `Finished` 하나를 준다.

    그만 읽거나(aclose) 취소하면 자식과 그 자손을 끝낸다. JSON이 아닌 줄은 건너뛴다.
    """
    process = await _start_lines(argv, env, cwd, asyncio.subprocess.DEVNULL)
    async with aclosing(_lines_of(process)) as lines:
        async for line in lines:
            yield line


class WaitingChild:
    """import까지 마치고 stdin의 한 줄을 기다리는 자식 하나: 부르면 곧 일한다.

    화면이 어떻게 끝나든 pipe가 닫히면 자식도 끝난다.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def prepare(self, env: Mapping[str, str], cwd: Path) -> None:
        """기다리는 자식이 없으면 띄운다."""
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                pipe = asyncio.subprocess.PIPE
                self._process = await _start_lines(self._argv, env, cwd, pipe)

    async def lines(
        self, env: Mapping[str, str], cwd: Path
    ) -> AsyncGenerator[dict[str, Any] | Finished, None]:
        """기다리던 자식에게 일을 시키고 `json_lines`처럼 읽는다."""
        await self.prepare(env, cwd)
        process, self._process = self._process, None
        assert process is not None  # noqa: S101 — 방금 띄웠다
        assert process.stdin is not None  # noqa: S101 — PIPE로 띄웠다
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(b"\n")
        process.stdin.close()
        async with aclosing(_lines_of(process)) as lines:
            async for line in lines:
                yield line

    async def close(self) -> None:
        """기다리던 자식을 끝낸다."""
        async with self._starting:
            process, self._process = self._process, None
        if process is not None:
            await _end(process)


async def _start_lines(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *argv,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
        limit=_LINE_LIMIT,
    )


async def _lines_of(
    process: asyncio.subprocess.Process,
) -> AsyncGenerator[dict[str, Any] | Finished, None]:
    assert process.stdout is not None  # noqa: S101 — PIPE로 띄웠다
    assert process.stderr is not None  # noqa: S101
    errors = asyncio.create_task(process.stderr.read())
    try:
        async for line in process.stdout:
            with contextlib.suppress(ValueError):
                body = json.loads(line)
                if isinstance(body, dict):
                    yield body
        code = await process.wait()
        yield Finished(code, (await errors).decode("utf-8", "replace")[-4000:])
    finally:
        await _end(process)
        errors.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await errors


async def run_to_file(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path, output: Path
) -> Finished:
    """자식의 stdout을 output(0600)에 쌓고 끝나기를 기다린다. 취소하면 자식과 그 자손을 끝낸다."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=descriptor,
            stderr=asyncio.subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    try:
        _, errors = await process.communicate()
        return Finished(process.returncode or 0, errors.decode("utf-8", "replace")[-4000:])
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """자식의 묶음을 끝내고 거둔다. 이미 끝났으면 거두기만 한다."""
    try:
        # SIGKILL은 막을 수 없으니 거둘 때까지 기다린다.
        for number, seconds in ((signal.SIGTERM, _KILL_AFTER), (signal.SIGKILL, None)):
            if process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), seconds)
    finally:
        # 손자가 pipe를 쥐고 있어도 이쪽의 끝은 닫는다. asyncio에는 이 일의 공개된 이름이 없다.
        transport: asyncio.SubprocessTransport = process._transport  # type: ignore[attr-defined]
        child: subprocess.Popen[bytes] | None = transport.get_extra_info("subprocess")
        transport.close()
        if child is not None and child.returncode is None:
            # 거두는 도중에 다시 취소되었다(화면이 닫힌다): 죽인다. 거두는 것은 asyncio의 thread가 한다.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            child.returncode = -signal.SIGKILL


def spawn_detached(argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> int:
    """화면이 닫혀도 이어지는 자식을 띄우고 pid를 준다. stdout·stderr는 log(0600)에 쌓인다."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    _detached[process.pid] = process
    return process.pid


def is_alive(pid: int, marker: bytes = b"optimize") -> bool:
    """그 pid의 프로세스가 살아 있고 명령에 marker가 있는가(pid가 다시 쓰인 것을 가린다)."""
    mine = _detached.get(pid)
    if mine is not None:
        return mine.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    except OverflowError:
        return False
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        # /proc이 없는 운영 체제: 살아 있다는 것만 안다.
        return True
    # 좀비는 명령이 비었다.
    return marker in command


def exit_code(pid: int) -> int | None:
    """이 화면에서 띄운 자식의 exit code. 아직 돌거나 남의 자식이면 None."""
    mine = _detached.get(pid)
    return None if mine is None else mine.poll()


def is_ended(word: str) -> bool:
    """이 화면에서 띄운, 그 낱말을 인자로 가진 자식이 끝났는가."""
    mine = (p for p in _detached.values() if isinstance(p.args, list) and word in p.args)
    return any(process.poll() is not None for process in mine)


def interrupt(pid: int) -> bool:
    """Ctrl-C와 같은 신호를 보낸다. 이미 끝났으면 False."""
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return False
    return True
