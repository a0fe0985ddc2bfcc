"""`python -m optimize.storage copy`."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from optimize.cli import KoreanArgumentParser, print_error
from optimize.errors import SettingsError, StorageError
from optimize.settings.dotenv_file import read_dotenv
from optimize.settings.storage_part import load_storage_settings
from optimize.storage.copy_report import CopyReport
from optimize.storage.copy_rows import Transform
from optimize.storage.copy_source import Source, SourceStudy, open_source, source_zone
from optimize.storage.copy_study import Target, copy_study, same_study
from optimize.storage.engine import reading
from optimize.storage.failures import storage_errors
from optimize.storage.options import StorageOptions
from optimize.storage.resolve import require_variable_name
from optimize.storage.url import StorageUrl, parse_storage_url, sqlite_url


def copy_command(argv: list[str]) -> int:
    """복사하고 exit code를 준다: 0 모두 복사(또는 이미 같음), 3 하나라도 하지 못함."""
    args = _parse(argv)
    source_url = _url(args.source, args.source_env, "--from")
    target_url = _url(args.target, args.target_env, "--to")
    if source_url.masked == target_url.masked:
        raise SettingsError(
            "원본과 대상이 같습니다", source_url.masked, "--to 에 다른 저장소를 주세요"
        )
    settings = load_storage_settings(args.config)
    options = replace(settings.options, application_name="backtest-wizard copy")
    with storage_errors(source_url, "원본을 조회"), open_source(source_url, options) as source:
        studies = _select(source.studies(), args)
        transform = Transform(source_zone(source, args.source_timezone))
        report = CopyReport(sys.stdout, sys.stderr, json_lines=args.json)
        report.begin(source, target_url, transform, studies)
        with storage_errors(target_url, "대상에 복사"):
            if args.dry_run:
                return _dry_run(studies, target_url, options, args, report)
            return _copy_all(source, studies, target_url, options, transform, args, report)


def _parse(argv: list[str]) -> Namespace:
    parser = KoreanArgumentParser(
        prog="python -m optimize.storage copy",
        description="스터디를 다른 저장소로 복사한다. 원본은 바꾸지 않으며, 끊기면 같은 명령으로 이어진다.",
    )
    for flag, dest, word in (("--from", "source", "원본"), ("--to", "target", "대상")):
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument(flag, dest=dest, metavar="URL", help=f"{word}의 URL 또는 SQLite 파일")
        group.add_argument(
            f"{flag}-env",
            dest=f"{dest}_env",
            metavar="NAME",
            help=f"{word}의 URL을 담은 환경 변수의 이름 (비밀번호가 인자에 보이지 않는다)",
        )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--study", metavar="NAME", help="복사할 스터디의 이름")
    which.add_argument("--all", action="store_true", help="모든 스터디")
    add = parser.add_argument
    add("--as", dest="new_name", metavar="NAME", help="대상에서의 이름 (기본은 같은 이름)")
    add("--config", type=Path, metavar="FILE", help="설정 파일 (연결의 시간 제한들)")
    add("--dry-run", action="store_true", help="무엇을 복사할지 보이고 멈춘다")
    add(
        "--source-timezone",
        metavar="ZONE",
        help="Optuna 4 이하가 적은 시각의 시간대. 예: Asia/Seoul",
    )
    add("--json", action="store_true", help="진행과 결과를 JSON 한 줄씩 쓴다")
    args = parser.parse_args(argv)
    if args.new_name and args.all:
        raise SettingsError(
            "--as는 --study와 함께 씁니다",
            "--all은 여러 스터디라 새 이름 하나를 줄 수 없습니다",
            "--study 이름 --as 새이름",
        )
    return args


def _url(text: str | None, env_name: str | None, flag: str) -> StorageUrl:
    """인자나 환경 변수(없으면 `.env`)의 URL. `://`가 없는 글은 SQLite 파일의 경로로 본다."""
    value = text
    if env_name is not None:
        require_variable_name(env_name, f"{flag}-env")
        value = os.environ.get(env_name)
        if value is None:
            value = read_dotenv().get(env_name)
    if not value or not value.strip():
        raise SettingsError(
            f"{flag}의 저장소가 비어 있습니다",
            f"환경 변수 {env_name}" if env_name else "",
            f"{flag} sqlite:///studies/이름.db 또는 {flag} postgresql://…",
        )
    return parse_storage_url(value) if "://" in value else sqlite_url(Path(value.strip()))


def _select(studies: Sequence[SourceStudy], args: Namespace) -> list[SourceStudy]:
    if args.study is None:
        return list(studies)
    chosen = [study for study in studies if study.name == args.study]
    if not chosen:
        names = ", ".join(study.name for study in studies[:20]) or "없음"
        raise SettingsError(
            f"원본에 스터디 '{args.study}'이(가) 없습니다",
            f"있는 스터디: {names}",
            "--all --dry-run 으로 목록을 보세요",
        )
    return chosen


def _dry_run(
    studies: Sequence[SourceStudy],
    target_url: StorageUrl,
    options: StorageOptions,
    args: Namespace,
    report: CopyReport,
) -> int:
    """대상도 바꾸지 않고, 이미 있는 이름만 알아본다."""
    present = _target_names(target_url, options)
    clashes = 0
    for study in studies:
        clash = (args.new_name or study.name) in present
        clashes += clash
        report.planned(study, args.new_name or study.name, clash=clash)
    report.end(0, 0, clashes)
    return 3 if clashes else 0


def _target_names(url: StorageUrl, options: StorageOptions) -> set[str]:
    import sqlalchemy as sa

    from optimize.storage import tables as t

    if url.path is not None and not url.path.exists():
        return set()
    with reading(url, options) as connection:
        if not sa.inspect(connection).has_table("studies"):
            return set()
        return set(connection.scalars(sa.select(t.studies.c.study_name)))


def _copy_all(
    source: Source,
    studies: Sequence[SourceStudy],
    target_url: StorageUrl,
    options: StorageOptions,
    transform: Transform,
    args: Namespace,
    report: CopyReport,
) -> int:
    done = same = failed = 0
    with Target(target_url, options) as target:
        for study in studies:
            # --all을 이어서 할 때, 앞서 다 옮긴 스터디는 같은지 확인하고 넘어간다.
            again = args.all and target.has(study.name)
            if again and same_study(source, study, target, transform):
                report.already(study)
                same += 1
                continue
            began = time.monotonic()
            try:
                result = copy_study(
                    source, study, target, transform, report.progress(study), args.new_name
                )
            except StorageError as error:
                if not args.all:
                    raise
                print_error(error)
                failed += 1
                continue
            report.copied(result, time.monotonic() - began)
            done += 1
    report.end(done, same, failed)
    return 3 if failed else 0
