"""`python -m optimize.studies`: 스터디를 보고, 판정하고, 내보내고, 이름을 바꾸고, 지우고, 정리한다.

stdout은 자료, stderr는 알림이다. exit code: 0 됨 · 2 틀린 인자나 없는 스터디 · 3 저장소에 닿지 못함.
"""

from __future__ import annotations

from optimize.interrupt import end_quietly

if __name__ == "__main__":
    # 나머지를 import하는 동안의 Ctrl-C도 traceback이 되지 않게 먼저 부른다.
    end_quietly()

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from optimize.cli import KoreanArgumentParser, command
from optimize.studies import commands
from optimize.studies.sources import Sources
from optimize.studies.verdict import verdict_command


def main(argv: list[str]) -> int:
    """인자를 읽어 명령을 돌린다. exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "list" and arguments.wait and not sys.stdin.readline():
        return 0  # 부르지 않고 닫았다
    sources = Sources.collect(arguments.config, arguments.storage_url, arguments.storage_url_env)
    for note in sources.notes:
        print(f"알림: {note}", file=sys.stderr)
    run = {
        "list": commands.list_command,
        "show": commands.show_command,
        "events": commands.events_command,
        "importance": commands.importance_command,
        "verdict": verdict_command,
        "판정": verdict_command,
        "export": commands.export_command,
        "rename": commands.rename_command,
        "delete": commands.delete_command,
        "clean": commands.clean_command,
    }[arguments.command]
    return run(arguments, sources)


def _parser() -> argparse.ArgumentParser:
    parser = KoreanArgumentParser(
        prog="python -m optimize.studies",
        description="저장된 스터디를 다룬다. 저장소는 studies/ 아래의 파일과 기록, 설정된 PostgreSQL이다.",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="명령")

    def add(
        name: str, text: str, *, named: bool = True, aliases: Sequence[str] = ()
    ) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = subparsers.add_parser(
            name, aliases=aliases, help=text, description=text
        )
        if named:
            sub.add_argument("name", metavar="이름", help="스터디 이름")
        sub.add_argument("--storage-url", metavar="URL", help="이 저장소만 본다")
        sub.add_argument("--storage-url-env", metavar="변수", help="이 변수의 저장소만 본다")
        sub.add_argument(
            "--storage",
            metavar="글",
            help="같은 이름이 여러 저장소에 있을 때, list가 보이는 저장소의 일부",
        )
        sub.add_argument("--config", type=Path, metavar="파일", help="설정 파일")
        return sub

    listing = add("list", "아는 저장소의 스터디를 모두 보인다", named=False)
    how = listing.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    how.add_argument("--lines", action="store_true", help="읽지 못한 저장소까지 JSON 줄들로 쓴다")
    listing.add_argument(
        "--wait",
        action="store_true",
        help="stdin에 한 줄이 오면 읽는다(미리 띄워 두는 화면이 쓴다)",
    )
    show = add("show", "한 스터디를 자세히 보인다")
    show.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    show.add_argument("--top", type=int, default=10, metavar="N", help="상위 시행 수(기본 10)")
    importance = add("importance", "파라미터의 중요도(PED-ANOVA)를 보인다")
    importance.add_argument("--json", action="store_true", help="JSON 한 줄로 쓴다")
    verdict = add("verdict", "과최적화를 판정한다(함께 돈 칸의 시행까지 센다)", aliases=["판정"])
    verdict.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    verdict.add_argument(
        "--stored-only", action="store_true", help="저장된 시행만 본다(최선을 다시 셈하지 않는다)"
    )
    add("events", "시행을 실행의 사건과 같은 JSON 줄들로 쓴다")
    export = add("export", "시행을 파일이나 stdout으로 내보낸다")
    export.add_argument(
        "--format", choices=("csv", "parquet", "json"), help="꼴(기본: 파일 확장자)"
    )
    export.add_argument("-o", "--output", metavar="파일", help="내보낼 파일, -면 stdout(기본)")
    export.add_argument("--force", action="store_true", help="있는 파일을 덮어쓴다")
    rename = add("rename", "스터디의 이름을 바꾼다")
    rename.add_argument("new_name", metavar="새이름", help="새 이름")
    delete = add("delete", "스터디를 지운다(이름을 그대로 입력해야 지운다)")
    delete.add_argument("--yes", action="store_true", help="묻지 않고 지운다")
    clean = add("clean", "죽은 RUNNING 시행을 FAIL로 바꾸고 죽은 자리를 비운다", named=False)
    clean.add_argument("name", nargs="?", metavar="이름", help="스터디 이름(없으면 모두)")
    clean.add_argument(
        "--older-than",
        default="1h",
        metavar="시간",
        help="시작한 지 이보다 오래된 것만: 30m, 2h, 1d, 0(기본 1h)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(command(main)(None))
