"""`python -m optimize.report`: 끝난 실행에서 더 셈하는 것들. stdout은 자료, stderr는 알림이다."""

from __future__ import annotations

from optimize.interrupt import end_quietly

if __name__ == "__main__":
    # 나머지를 import하는 동안의 Ctrl-C도 traceback이 되지 않게 먼저 부른다.
    end_quietly()

import argparse
import json
import sys
from pathlib import Path

from optimize.cli import KoreanArgumentParser, command
from optimize.errors import SettingsError
from optimize.report.equity import compute_equity, read_settings


def main(argv: list[str]) -> int:
    """인자를 읽어 명령을 돌린다. exit code."""
    arguments = _parser().parse_args(argv)
    try:
        trial = json.loads(arguments.params)
    except ValueError as error:
        raise SettingsError(
            "--params 가 JSON이 아닙니다", str(error), "--params '{\"kc_len\": 30}'"
        ) from error
    if not isinstance(trial, dict):
        raise SettingsError(
            "--params 는 JSON 객체여야 합니다", arguments.params, "--params '{\"kc_len\": 30}'"
        )
    result = compute_equity(read_settings(arguments.plan), arguments.cell, trial)
    print(json.dumps({"type": "equity", **result}, ensure_ascii=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = KoreanArgumentParser(
        prog="python -m optimize.report", description="끝난 실행에서 더 셈한다."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="명령")
    text = "시행 하나의 날마다의 평가금을 JSON으로 쓴다"
    equity: argparse.ArgumentParser = subparsers.add_parser("equity", help=text, description=text)
    equity.add_argument("--plan", type=Path, required=True, metavar="FILE", help="실행의 plan.json")
    equity.add_argument("--cell", required=True, metavar="CELL", help="칸. 예: 1m@15m")
    equity.add_argument("--params", required=True, metavar="JSON", help="시행의 파라미터")
    return parser


if __name__ == "__main__":
    sys.exit(command(main)(None))
