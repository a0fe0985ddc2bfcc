"""`python -m optimize.storage embedded start|stop|status|url`."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from optimize.cli import KoreanArgumentParser
from optimize.storage.embedded import EmbeddedServer, EmbeddedStatus, default_server

_STATES = {
    "running": "켜져 있습니다",
    "stopped": "꺼져 있습니다",
    "absent": "아직 만들지 않았습니다",
}


def embedded_command(argv: list[str]) -> int:
    """내장 PostgreSQL을 부린다. `status`는 켜져 있으면 0, 아니면 3."""
    parser = KoreanArgumentParser(
        prog="python -m optimize.storage embedded",
        description="Docker도 root도 없이 쓰는 내장 PostgreSQL. 데이터는 studies/.postgres/에 남는다.",
    )
    parser.add_argument(
        "action",
        choices=("start", "stop", "status", "url"),
        help="start 켜기 · stop 끄기(데이터는 남는다) · status 지금 · url 비밀번호까지 든 URL",
    )
    parser.add_argument("--json", action="store_true", help="JSON 한 줄로 쓴다")
    args = parser.parse_args(argv)
    server = default_server()
    if args.action == "url":
        # 비밀번호가 든 URL은 명령으로 달라고 한 자료다.
        secret = server.url().secret.replace("postgresql+psycopg2://", "postgresql://")
        print(json.dumps({"url": secret}) if args.json else secret)
        return 0
    if args.action == "start":
        server.start()
    stopped = server.stop() if args.action == "stop" else False
    status = server.status()
    if args.json:
        print(json.dumps(_as_dict(server, status), ensure_ascii=False))
    else:
        _show(server, status, stopped=stopped)
    return 3 if args.action == "status" and status.state != "running" else 0


def _show(server: EmbeddedServer, status: EmbeddedStatus, *, stopped: bool) -> None:
    said = "껐습니다. 데이터는 그대로 있습니다" if stopped else _STATES[status.state]
    if status.starting:
        said = "켜지는 중입니다(복구하고 있을 수 있습니다)"
    address = server.url().masked if status.state == "running" else ""
    print(f"내장 PostgreSQL {status.major or ''}".rstrip() + f": {said}")
    print(f"  데이터  {server.data}")
    if status.state == "running" and status.started_at is not None:
        started = datetime.fromtimestamp(status.started_at, UTC).astimezone()
        print(f"  주소    {address}")
        print(f"  pid     {status.pid}  (켠 때 {started:%Y-%m-%d %H:%M:%S})")
        print('  쓰기    export OPTUNA_STORAGE="$(python -m optimize.storage embedded url)"')
    else:
        print("  켜기    python -m optimize.storage embedded start")


def _as_dict(server: EmbeddedServer, status: EmbeddedStatus) -> dict[str, object]:
    return {
        "state": status.state,
        "starting": status.starting,
        "pid": status.pid,
        "port": status.port,
        "major": status.major,
        "started_at": status.started_at,
        "data": str(server.data),
        "url_masked": server.url().masked if status.state == "running" else None,
    }
