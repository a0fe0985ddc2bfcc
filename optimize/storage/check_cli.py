"""`python -m optimize.storage check`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from optimize.cli import KoreanArgumentParser
from optimize.errors import StorageError
from optimize.storage.cancellable import cancellable
from optimize.storage.check import first_failure, run_check
from optimize.storage.check_again import same_check
from optimize.storage.check_report import write_json, write_table
from optimize.storage.failures import CHECK, diagnose
from optimize.storage.options import StorageOptions
from optimize.storage.resolve import require_variable_name
from optimize.storage.url import StorageUrl, parse_storage_url


@dataclass(frozen=True, slots=True)
class Chosen:
    """점검할 저장소와 그것을 정한 규칙."""

    url: StorageUrl
    options: StorageOptions
    rule: str


def check_command(argv: list[str]) -> int:
    """점검하고 exit code를 준다: 0 정상, 3 실패."""
    parser = KoreanArgumentParser(
        prog="python -m optimize.storage check", description="저장소의 연결을 단계별로 점검한다."
    )
    add = parser.add_argument
    add(
        "--storage-url",
        metavar="URL",
        help="저장소 URL (비밀번호가 있으면 --storage-url-env를 쓰세요)",
    )
    add("--storage-url-env", metavar="NAME", help="저장소 URL을 담은 환경 변수의 이름")
    add("--config", type=Path, metavar="FILE", help="설정 파일 (기본 config/params.yaml)")
    add(
        "--connect-timeout",
        type=_positive,
        metavar="SEC",
        help="연결을 포기하는 초 (기본은 설정의 것)",
    )
    add("--needed", type=_positive, metavar="N", help="계획이 쓸 연결 수 (기본은 풀의 최대)")
    add("--quick", action="store_true", help="연결과 SELECT current_database()까지만 본다")
    add("--json", action="store_true", help="단계마다 JSON 한 줄을 쓴다")
    add(
        "--fix",
        metavar="NAME",
        help="해결 하나를 한 뒤 점검한다: create_database, upgrade_schema, clear_dead_trials, start_embedded",
    )
    args = parser.parse_args(argv)
    chosen = choose_storage(args.storage_url, args.storage_url_env, args.config, light=args.quick)
    options = chosen.options
    if args.connect_timeout is not None:
        options = replace(options, connect_timeout=args.connect_timeout)
    command = _same_check(args, chosen.url)
    if args.fix:
        print(_remedied(args.fix, chosen.url, options, command), file=sys.stderr)
    steps = run_check(
        chosen.url, options, args.needed, rule=chosen.rule, quick=args.quick, command=command
    )
    ok = write_json(steps, chosen.url.masked, sys.stdout) if args.json else write_table(steps)
    return 0 if ok else 3


def _remedied(name: str, url: StorageUrl, options: StorageOptions, command: str) -> str:
    """해결 하나를 하고 한 일을 준다. 닿지 못했으면 점검이 가린 까닭의 StorageError."""
    from optimize.storage.remedy import apply_remedy

    try:
        return cancellable(lambda: apply_remedy(name, url, options))
    except StorageError as error:
        # 드라이버의 연결 오류에는 SQLSTATE가 없다: 서버의 언어에 기대지 않는 점검에게 묻는다.
        unknown = diagnose(error).fix == CHECK
        found = first_failure(url, options, command) if unknown else None
        if found is None:
            raise
        raise StorageError(error.title, found.cause_ko, found.fix_ko) from error


def _same_check(args: argparse.Namespace, chosen: StorageUrl) -> str:
    """같은 저장소를 다시 점검하는 명령."""
    if args.storage_url:
        return same_check(chosen, config=args.config)
    if args.storage_url_env:
        return same_check(chosen, env_name=args.storage_url_env, config=args.config)
    return shlex.join([*CHECK.split(), *(["--config", str(args.config)] if args.config else [])])


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"1 이상의 정수가 아닙니다: {text!r}")
    return int(text)


def choose_storage(
    url: str | None, env_name: str | None, config: Path | None, *, light: bool = False
) -> Chosen:
    """인자·설정·환경에서 저장소를 정한다. 규칙은 `optimize.run`과 같다.

    light: URL을 인자나 환경 변수가 바로 주면 설정 파일에서 저장소의 몫만 읽는다(0.2초를 아낀다).
    SettingsError: 설정이 틀렸다. StorageError: 기록된 저장소의 비밀번호를 찾을 수 없다.
    """
    if env_name:
        require_variable_name(env_name, "--storage-url-env")
    if light:
        direct = url or (os.environ.get(env_name, "").strip() if env_name else "")
        if direct:
            rule = "--storage-url 인자" if url else f"환경 변수 {env_name}"
            from optimize.settings.storage_part import load_storage_settings

            options = load_storage_settings(config).options
            return Chosen(parse_storage_url(direct), options, rule)
    from optimize.settings.arguments import RunArguments
    from optimize.settings.plan import make_plan

    plan = make_plan(
        RunArguments(
            config=config,
            overrides=(),
            storage_url=url,
            storage_url_env=env_name,
            events=None,
            run_id=None,
            plan_only=True,
        )
    )
    return Chosen(plan.cells[0].storage_url, plan.storage_options, plan.storage_rule)
