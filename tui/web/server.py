"""textual-serve의 서버를 이 컴퓨터 안으로 가둔 것.

textual-serve의 WebSocket은 Host도 Origin도 보지 않는다: 사용자가 연 아무 웹사이트나
`ws://127.0.0.1`에 붙어 화면을 조종할 수 있다. 그래서 모든 요청의 Host를, WebSocket의 Origin을 보고,
길에 시작마다 새로 뽑은 열쇠를 넣는다(같은 컴퓨터의 다른 사용자도 열쇠 없이는 들어오지 못한다).
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web
from textual_serve.server import Server, to_int

from tui.text import web as ko
from tui.web.page import headers, page
from tui.web.session import Session

# 화면들이 닫히기를 기다리는 초.
_SHUTDOWN_SECONDS = 15.0
_COLUMNS, _ROWS = 80, 24
_MOST_COLUMNS, _MOST_ROWS = 1000, 500
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LocalServer(Server):
    """열쇠를 아는, 이 컴퓨터의 브라우저만 받는 서버. 브라우저마다 화면의 프로세스가 하나다."""

    def __init__(self, host: str, port: int, key: str) -> None:
        """host: loopback의 이름. port: 이미 연 포트. key: URL에 넣을 수 있는 열쇠."""
        super().__init__("tui", host=host, port=port)
        self._key = key
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def url(self) -> str:
        """브라우저에서 열 주소."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/{self._key}/"

    @asynccontextmanager
    async def listening(self, listener: socket.socket) -> AsyncGenerator[None, None]:
        """블록 안에서 요청을 받는다. 나갈 때 모든 브라우저의 화면을 닫는다."""
        runner = web.AppRunner(
            await self._make_app(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield
        finally:
            await runner.cleanup()

    async def _make_app(self) -> web.Application:
        """쪽 하나, WebSocket 하나, textual-serve의 정적 파일. 내려받는 길은 쓰지 않으므로 없다."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/{key}/", self.handle_index),
                web.get("/{key}/ws", self.handle_websocket),
                web.static("/static", self.statics_path),
            ]
        )
        app.on_shutdown.append(self.on_shutdown)
        return app

    @property
    def _hosts(self) -> set[str]:
        """받아들이는 Host: 이 컴퓨터를 이 포트로 부른 것."""
        return {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Host(DNS rebinding)와 Origin(다른 사이트)을 본다. 열쇠는 쪽과 WebSocket이 본다."""
        host = request.headers.get("Host", "")
        origin = request.headers.get("Origin")
        foreign = origin is not None and origin != f"http://{host}"
        if host not in self._hosts or foreign:
            raise web.HTTPForbidden(text=ko.REFUSED)
        response = await handler(request)
        if not response.prepared:
            response.headers.update(headers(host))
        return response

    def _check_key(self, request: web.Request) -> None:
        given = request.match_info["key"]
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            raise web.HTTPForbidden(text=ko.REFUSED)

    async def handle_index(self, request: web.Request) -> web.Response:
        """단말기를 그리는 쪽."""
        self._check_key(request)
        return web.Response(text=page(request.host, f"/{self._key}/ws"), content_type="text/html")

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """브라우저 하나의 화면. 브라우저가 떠나면 화면의 프로세스를 끝낸다."""
        self._check_key(request)
        if "Origin" not in request.headers:
            raise web.HTTPForbidden(text=ko.REFUSED)
        websocket = web.WebSocketResponse(heartbeat=15)
        await websocket.prepare(request)
        session = Session(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=partial(_close, websocket),
            download_manager=self.download_manager,
        )
        width, height = _size(request)
        self._sockets.add(websocket)
        try:
            await session.start(width, height)
            await self._process_messages(websocket, session)
        finally:
            self._sockets.discard(websocket)
            await asyncio.shield(session.end())
        return websocket

    async def on_shutdown(self, app: web.Application) -> None:
        """붙어 있는 브라우저를 모두 끊는다: 저마다의 화면이 닫힌다."""
        await asyncio.gather(*(websocket.close() for websocket in tuple(self._sockets)))


async def _close(websocket: web.WebSocketResponse) -> None:
    await websocket.close()


def _size(request: web.Request) -> tuple[int, int]:
    """브라우저가 알린 칸과 줄. 터무니없는 값은 가장자리로."""
    width = to_int(request.query.get("width", ""), _COLUMNS)
    height = to_int(request.query.get("height", ""), _ROWS)
    return min(max(width, 1), _MOST_COLUMNS), min(max(height, 1), _MOST_ROWS)
