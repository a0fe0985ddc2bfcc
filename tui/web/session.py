"""브라우저 하나에 화면 하나: 화면의 프로세스를 띄우고, 떠나면 반드시 끝낸다."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

from textual_serve.app_service import AppService

DRIVER = "tui.web.driver:ServedDriver"
# 스스로 닫히기를 기다리는 초. 진행 중인 실행은 화면의 자식이 아니므로 이어진다.
QUIT_SECONDS = 5.0
_KILL_SECONDS = 2.0


class Session(AppService):
    """화면의 프로세스 하나. 셸을 거치지 않고, 단말기의 Ctrl+C를 받지 않게 새 session에서 띄운다."""

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        # 접속한 쪽이 색을 아는 단말기임을 아는 것은 textual-serve다. NO_COLOR는 그대로 건넨다.
        return {**super()._build_environment(width, height), "TEXTUAL_DRIVER": DRIVER}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tui",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._process, self._stdin = process, process.stdin
        return process

    async def end(self) -> None:
        """화면을 닫는다. 닫히지 않으면 프로세스를 끝낸다."""
        with contextlib.suppress(TimeoutError, OSError):
            await asyncio.wait_for(self.stop(), QUIT_SECONDS)
        process = self._process
        if process is None:
            return
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), _KILL_SECONDS)
                return
