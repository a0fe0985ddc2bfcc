"""시험의 TCP 프록시: 늦추고, 도중에 끊고, 패킷을 삼킨다.

    with TcpProxy("127.0.0.1", 5432) as proxy:
        proxy.latency = 0.1      # 한 방향의 초
        proxy.reset_rate = 0.01  # 조각마다 RST로 끊을 확률
        proxy.frozen = True      # 연결은 그대로 두고 아무것도 나르지 않는다(half-open)
    proxy.target = (host, port)  # 이제부터의 연결은 다른 서버로 간다(장애 조치)

thread 하나가 모두 나른다. 끊을 때는 SO_LINGER 0으로 닫아 받는 쪽이 RST를 본다.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from typing import Any

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)


class TcpProxy:
    """127.0.0.1의 빈 포트에서 듣고 target으로 나른다. 성질은 도는 동안 바꿀 수 있다."""

    def __init__(self, host: str, port: int, seed: int = 0) -> None:
        self.target = (host, port)
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.latency = 0.0
        self.reset_rate = 0.0
        self.frozen = False
        self.port = 0
        self.connections = self.resets = 0

    def __enter__(self) -> TcpProxy:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            self._cut(writer)
            return
        both = [
            asyncio.ensure_future(self._carry(reader, far_writer)),
            asyncio.ensure_future(self._carry(far_reader, writer)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            for end in (writer, far_writer):
                self._cut(end)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(_CHUNK):
                if self.latency:
                    await asyncio.sleep(self.latency)
                while self.frozen:
                    await asyncio.sleep(0.05)
                if self._random.random() < self.reset_rate:
                    self.resets += 1
                    return
                sink.write(data)
                await sink.drain()
        except OSError:
            return

    def _cut(self, writer: Any) -> None:
        raw = writer.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
