"""`./시작 웹`: 브라우저에서 화면을 연다. 이 컴퓨터에서만.

stdout은 주소와 알림, stderr는 오류다. exit code: 0 닫음(Ctrl+C, SIGTERM) · 2 틀린 인자나 쓸 수 없는 포트.
"""

from __future__ import annotations

from optimize.interrupt import end_quietly

if __name__ == "__main__":
    # 나머지를 import하는 동안의 Ctrl-C도 traceback이 되지 않게 먼저 부른다.
    end_quietly()

import asyncio
import secrets
import signal
import socket

from optimize.cli import KoreanArgumentParser, command
from optimize.errors import SettingsError, os_reason
from tui import environment
from tui.text import web as ko

DEFAULT_PORT = 8000
# textual-serve를 부르지 않고도 아는 것: 도움말과 틀린 인자에는 그것이 필요 없다.
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def listen(host: str, port: int) -> socket.socket:
    """loopback에서 듣는 socket. port가 0이면 빈 포트. 밖의 주소이거나 쓸 수 없으면 SettingsError."""
    if host not in LOOPBACK:
        fix = ko.BAD_HOST_FIX.format(port=port or DEFAULT_PORT)
        raise SettingsError(ko.BAD_HOST.format(host=host), ko.BAD_HOST_CAUSE, fix)
    if not 0 <= port <= 65535:
        raise SettingsError(ko.BAD_PORT.format(port=port), ko.BAD_PORT_CAUSE, ko.BAD_PORT_FIX)
    # localhost가 무엇인지는 컴퓨터마다 다를 수 있으니 이름을 풀지 않는다.
    address = "127.0.0.1" if host == "localhost" else host
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()
    except OSError as error:
        listener.close()
        text = ko.BUSY_PORT.format(host=host, port=port)
        raise SettingsError(text, os_reason(error), ko.BUSY_PORT_FIX) from error
    return listener


async def _serve(host: str, listener: socket.socket) -> None:
    """멈추라는 신호가 올 때까지 받는다."""
    from tui.web.server import LocalServer

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    server = LocalServer(host, listener.getsockname()[1], secrets.token_urlsafe(24))
    async with server.listening(listener):
        print(f"{ko.OPEN}\n\n  {server.url}\n")
        print(f"{ko.WHY_LOCAL.format(port=server.port)}\n{ko.HOW_TO_STOP}", flush=True)
        await stopped.wait()
        print(f"\n{ko.STOPPING}", flush=True)


def _main(arguments: list[str]) -> int:
    parser = KoreanArgumentParser(prog="./시작 웹", description=ko.DESCRIPTION)
    port_help = ko.PORT_HELP.format(port=DEFAULT_PORT)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="N", help=port_help)
    parser.add_argument("--host", default=LOOPBACK[0], help=ko.HOST_HELP)
    options = parser.parse_args(arguments)
    listener = listen(options.host, options.port)
    environment.prepare()
    asyncio.run(_serve(options.host, listener))
    print(ko.STOPPED)
    return 0


main = command(_main)


if __name__ == "__main__":
    raise SystemExit(main(None))
