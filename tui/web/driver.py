"""브라우저에 그리는 driver: 웹 서버가 갑자기 죽으면 화면도 끝낸다."""

from __future__ import annotations

import asyncio

from textual import messages
from textual.drivers.web_driver import WebDriver


class ServedDriver(WebDriver):
    """입력(웹 서버와의 pipe)이 닫히면 화면을 닫는다. WebDriver는 닫혀도 남는다."""

    def run_input_thread(self) -> None:
        """입력을 읽는 thread. 스스로 닫은 것이 아닌데 끝나면 서버가 사라진 것이다."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            asyncio.run_coroutine_threadsafe(
                self._app._post_message(messages.ExitApp()), loop=self._loop
            )
