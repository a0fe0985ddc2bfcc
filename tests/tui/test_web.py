"""`./시작 웹`: 이 컴퓨터의, 열쇠를 아는 브라우저만 들어오고, 떠나면 화면의 프로세스도 끝난다."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from tui.web.__main__ import main

SECONDS = 60.0
URL = re.compile(r"http://127\.0\.0\.1:(\d+)/([\w-]+)/")


class Served:
    """떠 있는 서버 하나."""

    def __init__(self, home: Path) -> None:
        environ = {**os.environ, "BACKTEST_WIZARD_HOME": str(home),
                   "BACKTEST_WIZARD_STATE": str(home / "screen.json")}  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui.web", "--port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if "Ctrl+C" in line:
                break
        found = URL.search(self.said)
        assert found is not None, self.said
        self.url, self.port, self.key = found[0], int(found[1]), found[2]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def screens(self) -> list[psutil.Process]:
        """지금 떠 있는 화면의 프로세스들."""
        return psutil.Process(self.process.pid).children()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()


def ended(process: psutil.Process) -> bool:
    """끝났는가(거두어지지 않은 좀비도 끝난 것이다)."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """이 파일의 시험이 함께 쓰는 서버."""
    server = Served(tmp_path_factory.mktemp("web"))
    yield server
    server.close()


@asynccontextmanager
async def client(**headers: str) -> AsyncGenerator[aiohttp.ClientSession, None]:
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def status_of(url: str, **headers: str) -> int:
    async with client(**headers) as session, session.get(url) as response:
        await response.read()
        return response.status


async def refused(served: Served, key: str, **headers: str) -> int:
    """WebSocket에 붙어 본 답. 붙으면 실패한다."""
    async with client(**headers) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with session.ws_connect(f"{served.origin}/{key}/ws"):
                pass
    return caught.value.status


@asynccontextmanager
async def opened(served: Served) -> AsyncGenerator[aiohttp.ClientWebSocketResponse, None]:
    """브라우저처럼 붙어 첫 화면이 온 WebSocket."""
    async with client(Origin=served.origin) as session:
        path = f"{served.origin}/{served.key}/ws?width=100&height=30"
        async with session.ws_connect(path, max_msg_size=0) as websocket:
            seen = b""
            async with asyncio.timeout(SECONDS):
                while "새 실행 시작".encode() not in seen:
                    message = await websocket.receive()
                    assert message.type is aiohttp.WSMsgType.BINARY
                    seen += message.data
            yield websocket


async def test_page_is_self_contained_and_fenced(served: Served) -> None:
    """쪽은 밖을 부르지 않고, 다른 사이트가 감싸지 못한다. 정적 파일은 textual-serve의 것이다."""
    async with client() as session:
        async with session.get(served.url) as response:
            text, headers = await response.text(), response.headers
            assert response.status == 200
        async with session.get(f"{served.origin}/static/js/textual.js") as script:
            assert script.status == 200
    outside = [url for url in re.findall(r"(?:https?|wss?)://[^\"'\s)]+", text)
               if f"127.0.0.1:{served.port}" not in url]  # fmt: skip
    assert outside == []
    assert f'data-session-websocket-url="ws://127.0.0.1:{served.port}/{served.key}/ws"' in text
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_reopen_link_is_above_the_terminal(served: Served) -> None:
    """닫힌 뒤의 '다시 열기'를 단말기의 판들이 덮으면 누를 수 없다."""
    async with aiohttp.ClientSession() as session:
        async with session.get(served.url) as answer:
            page = await answer.text()
        async with session.get(f"{served.origin}/static/css/xterm.css") as answer:
            layers = [int(found) for found in re.findall(r"z-index: *(-?\d+)", await answer.text())]
    (message,) = re.findall(r"\.message \{.*?z-index: *(\d+)", page, re.DOTALL)
    assert int(message) > max(layers)


async def test_only_the_key_opens_the_page(served: Served) -> None:
    assert await status_of(f"{served.origin}/다른열쇠/") == 403
    assert await status_of(f"{served.origin}/{served.key[:-1]}/") == 403
    assert await status_of(f"{served.origin}/") in (403, 404)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1.evil.example:{port}"])
async def test_foreign_host_is_refused(served: Served, host: str) -> None:
    """DNS rebinding: 다른 이름으로 불러 온 요청은 열쇠가 맞아도 받지 않는다."""
    name = host.format(port=served.port)
    assert await status_of(served.url, Host=name) == 403
    assert await refused(served, served.key, Host=name, Origin=f"http://{name}") == 403


async def test_foreign_origin_and_missing_key_are_refused(served: Served) -> None:
    """다른 사이트의 쪽이나 Origin 없는 프로그램, 열쇠를 모르는 쪽은 화면에 붙지 못한다."""
    before = len(served.screens())
    for origin in ("http://evil.example", "null", f"http://localhost:{served.port + 1}"):
        assert await refused(served, served.key, Origin=origin) == 403
    assert await refused(served, served.key) == 403
    assert await refused(served, "guess", Origin=served.origin) == 403
    assert len(served.screens()) == before


def test_listens_on_loopback_only(served: Served) -> None:
    process = psutil.Process(served.process.pid)
    bound = [one.laddr for one in process.net_connections("inet") if one.status == "LISTEN"]
    assert [(address.ip, address.port) for address in bound] == [("127.0.0.1", served.port)]
    assert f"ssh -L {served.port}:127.0.0.1:{served.port}" in served.said


async def test_screen_is_the_application_and_ends_with_the_browser(served: Served) -> None:
    """글쇠가 화면에 가고(F4 설정), 브라우저가 떠나면 그 화면의 프로세스가 끝난다."""
    async with opened(served) as websocket:
        (screen,) = served.screens()
        await websocket.send_json(["stdin", "\x1bOS"])
        seen = b""
        async with asyncio.timeout(SECONDS):
            while "애니메이션".encode() not in seen:
                seen += (await websocket.receive()).data
    await asyncio.to_thread(wait_for, lambda: ended(screen))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
async def test_server_takes_its_screens_along(tmp_path: Path, ending: signal.Signals) -> None:
    """Ctrl+C에는 exit code 0으로 닫고, 서버가 죽임을 당해도 화면이 남지 않는다."""
    server = Served(tmp_path)
    try:
        async with opened(server):
            (screen,) = server.screens()
            server.process.send_signal(ending)
            code = await asyncio.to_thread(server.process.wait, SECONDS)
            await asyncio.to_thread(wait_for, lambda: ended(screen))
        assert code == (0 if ending is signal.SIGINT else -signal.SIGKILL)
    finally:
        server.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.com", ""])
def test_outside_address_is_refused(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    """exit code 2와, 왜 안 되는지와 SSH로 잇는 법."""
    assert main(["--host", host, "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert "열지 않습니다" in said
    assert "ssh -L" in said


def test_busy_port_and_wrong_port(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1])]) == 2
    assert "다른 프로그램이 쓰고 있습니다" in capsys.readouterr().err
    assert main(["--port", "70000"]) == 2
    assert "65535" in capsys.readouterr().err
