"""`python -m optimize.storage check|copy|embedded`."""

from __future__ import annotations

from optimize.interrupt import end_quietly

if __name__ == "__main__":
    # 나머지를 import하는 동안의 Ctrl-C도 traceback이 되지 않게 먼저 부른다.
    end_quietly()

import argparse
import sys

from optimize.cli import KoreanArgumentParser, command

_COMMANDS = {
    "check": "저장소의 연결을 단계별로 점검한다",
    "copy": "스터디를 다른 저장소로 복사한다 (SQLite ↔ PostgreSQL)",
    "embedded": "내장 PostgreSQL을 켜고 끈다",
}


@command
def main(argv: list[str]) -> int:
    """첫 인자의 명령으로 넘긴다. 그 명령의 모듈만 읽는다."""
    name, rest = (argv[0], argv[1:]) if argv else ("", [])
    if name == "check":
        from optimize.storage.check_cli import check_command

        return check_command(rest)
    if name == "copy":
        from optimize.storage.copy_cli import copy_command

        return copy_command(rest)
    if name == "embedded":
        from optimize.storage.embedded_cli import embedded_command

        return embedded_command(rest)
    lines = "\n".join(f"  {key:<10} {text}" for key, text in _COMMANDS.items())
    parser = KoreanArgumentParser(
        prog="python -m optimize.storage",
        description=lines,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command", metavar="명령", choices=tuple(_COMMANDS), help="명령. 명령 --help 로 옵션을 본다"
    )
    parser.parse_args(argv)
    return 0


if __name__ == "__main__":
    sys.exit(main(None))
