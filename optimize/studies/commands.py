"""`python -m optimize.studies`의 명령들. 모두 exit code를 돌려준다."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from optimize.errors import SettingsError
from optimize.masking import printable
from optimize.storage.failures import storage_errors
from optimize.storage.listing import StudyInfo
from optimize.studies import present
from optimize.studies.json_text import json_text
from optimize.studies.sources import Sources, reason

if TYPE_CHECKING:
    from optimize.storage.admin import StudyAdmin
    from optimize.trial import FinishedTrial

_AGE = re.compile(r"(\d+)\s*([smhd]?)")
_PAGE = 2000
_UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def list_command(arguments: argparse.Namespace, sources: Sources) -> int:
    """목록. 닿지 못한 저장소는 stderr에 알리고 나머지를 보인다."""
    if arguments.lines:
        from optimize.studies.stream import write_listing

        write_listing(sources.stream(), sources.notes, sys.stdout)
        return 0
    listing = sources.listing()
    for url, error in listing.failures:
        print(f"알림: {url.masked}을(를) 읽지 못했습니다 — {reason(url, error)}", file=sys.stderr)
    if arguments.json:
        _write_json([info.as_json() for info in listing.studies])
    else:
        present.print_list(listing.studies)
    return 0


def events_command(arguments: argparse.Namespace, sources: Sources) -> int:
    """시행을 실행의 사건과 같은 NDJSON으로 stdout에 쓴다. 큰 스터디도 쪽마다 나누어 읽는다."""
    from optimize.storage.engine import reading
    from optimize.storage.reader import load_trials
    from optimize.studies.stream import write_events

    info = sources.find(arguments.name, arguments.storage)
    with (
        storage_errors(info.url, "시행을 조회"),
        reading(info.url, sources.options) as connection,
    ):
        last = info.summary.total - 1
        pages = (
            load_trials(connection, info.study_id, first - 1, min(first + _PAGE - 1, last))
            for first in range(0, info.summary.total, _PAGE)
        )
        write_events(info, pages, sys.stdout)
    return 0


def importance_command(arguments: argparse.Namespace, sources: Sources) -> int:
    """파라미터의 중요도."""
    from optimize.studies.importance import MIN_TRIALS, param_importances

    info = sources.find(arguments.name, arguments.storage)
    items = param_importances(info, sources.options)
    if arguments.json:
        body = [{"name": i.name, "share": i.share, "trials": i.trials} for i in items]
        print(json_text({"type": "importance", "items": body}))
        return 0
    if not items:
        print(f"제약을 지킨 시행이 {MIN_TRIALS}개는 있어야 잽니다", file=sys.stderr)
    for item in items:
        print(f"{item.share:7.2%}  {printable(item.name)}  (시행 {item.trials:,})")
    return 0


def show_command(arguments: argparse.Namespace, sources: Sources) -> int:
    """한 스터디의 요약, 최선의 파라미터, 상위 시행, 목표가 여럿이면 파레토 최적 시행들."""
    from optimize.search.winners import Winners
    from optimize.storage.engine import reading
    from optimize.storage.front import front_trials, split_winners
    from optimize.storage.leading import leading_trials
    from optimize.studies.front import front_body, has_splits

    if arguments.top < 0:
        raise SettingsError("--top 이 틀렸습니다", f"받은 것: {arguments.top}", "0 이상의 정수")
    info = sources.find(arguments.name, arguments.storage)
    front: list[FinishedTrial] = []
    winners = None
    # 시행이 많아도 바로 보인다: 보일 것만 읽는다.
    with (
        storage_errors(info.url, "시행을 조회"),
        reading(info.url, sources.options) as connection,
    ):
        maximize = info.directions[0] == "MAXIMIZE"
        top = leading_trials(connection, info.study_id, maximize=maximize, count=arguments.top)
        if len(info.directions) > 1:
            front = front_trials(connection, info.study_id, info.directions)
        if has_splits(info):
            counts, best = split_winners(connection, info.study_id, info.directions)
            winners = Winners.of(counts, best, info.directions)
    if arguments.json:
        top_body = [present.trial_json(trial) for trial in top]
        _write_json({**info.as_json(), **front_body(info, front), "top": top_body})
    else:
        several = winners is not None and len(winners.counts) > 1
        present.print_study(info, top, front, winners if several else None)
    return 0


def export_command(arguments: argparse.Namespace, sources: Sources) -> int:
    """시행을 내보낸다."""
    from optimize.studies.export import export_trials
    from optimize.studies.front import study_front

    info = sources.find(arguments.name, arguments.storage)
    target = None if arguments.output in {None, "-"} else Path(arguments.output)
    kind = arguments.format or (target.suffix.lstrip(".").lower() if target else "csv")
    if kind not in {"csv", "parquet", "json"}:
        raise SettingsError(
            "내보낼 꼴을 알 수 없습니다", f"파일 이름: {target}", "--format csv|parquet|json"
        )
    if target is not None and os.path.exists(target) and not arguments.force:
        raise SettingsError("파일이 이미 있습니다", str(target), "--force 를 주면 덮어씁니다")
    trials = _trials(info, sources)
    front = {trial.uid for trial in study_front(info, trials)}
    count = export_trials(trials, len(info.directions), kind, target, front)
    where = f" → {target}" if target else ""
    print(f"시행 {count:,}개를 내보냈습니다{where}", file=sys.stderr)
    return 0


def rename_command(arguments: argparse.Namespace, sources: Sources) -> int:
    """이름을 바꾼다. 다시 실행할 수 없는 이름이면 SettingsError."""
    from optimize.settings.model import study_name_problem

    if problem := study_name_problem(arguments.new_name):
        raise SettingsError(
            f"'{arguments.new_name}'(으)로 바꿀 수 없습니다", problem, "다른 이름을 고릅니다"
        )
    info = sources.find(arguments.name, arguments.storage)
    from optimize.studies.rename import rename_study

    with _admin(info, sources) as admin:
        notes = rename_study(info, arguments.new_name, admin, sources.options)
    before = printable(arguments.name)
    print(f"'{before}' → '{arguments.new_name}' ({info.url.masked})", file=sys.stderr)
    for note in notes:
        print(f"  {note}", file=sys.stderr)
    # '='로 이으면 -로 시작하는 이름도 인자로 읽히지 않는다.
    print(f"  이어 돌리기: --study-name={shlex.quote(arguments.new_name)}", file=sys.stderr)
    return 0


def delete_command(arguments: argparse.Namespace, sources: Sources) -> int:
    """지운다. --yes가 없으면 이름을 그대로 입력해야 한다."""
    info = sources.find(arguments.name, arguments.storage)
    total = info.summary.total
    if not arguments.yes and not _confirmed(info, total):
        print("이름이 같지 않아 지우지 않았습니다.", file=sys.stderr)
        return 2
    with _admin(info, sources) as admin:
        removed = admin.delete(arguments.name)
    print(f"'{printable(info.name)}'과(와) 시행 {removed:,}개를 지웠습니다", file=sys.stderr)
    return 0


def clean_command(arguments: argparse.Namespace, sources: Sources) -> int:
    """죽은 RUNNING을 정리한다. 이름이 없으면 RUNNING이 있는 스터디 모두."""
    age = _age(arguments.older_than)
    if arguments.name:
        chosen = [sources.find(arguments.name, arguments.storage)]
    else:
        chosen = [info for info in sources.listing().studies if info.summary.unfinished]
    for info in chosen:
        with _admin(info, sources) as admin:
            count = admin.clean(info.name, age)
        print(f"{printable(info.name)}: RUNNING {count}개를 FAIL로 바꿨습니다", file=sys.stderr)
    if not chosen:
        print("정리할 시행이 없습니다", file=sys.stderr)
    return 0


def _admin(info: StudyInfo, sources: Sources) -> closing[StudyAdmin]:
    from optimize.storage.admin import StudyAdmin

    return closing(StudyAdmin(info.url, sources.options))


def _trials(info: StudyInfo, sources: Sources) -> list[FinishedTrial]:
    from optimize.storage.engine import reading
    from optimize.storage.reader import load_trials

    with (
        storage_errors(info.url, "시행을 조회"),
        reading(info.url, sources.options) as connection,
    ):
        return load_trials(connection, info.study_id)


def _confirmed(info: StudyInfo, total: int) -> bool:
    if not sys.stdin.isatty():
        raise SettingsError(
            "지우려면 확인이 필요합니다",
            "터미널이 아니라 이름을 물을 수 없습니다",
            f"python -m optimize.studies delete --yes -- {shlex.quote(info.name)}",
        )
    print(
        f"{info.url.masked}의 '{printable(info.name)}'과(와) 시행 {total:,}개를 지웁니다. 되돌릴 수 없습니다.",
        file=sys.stderr,
    )
    print("지우려면 스터디 이름을 그대로 입력하세요: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == info.name


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise SettingsError(
            "--older-than 을 읽을 수 없습니다", f"받은 것: {text}", "30m, 2h, 1d, 0 처럼 씁니다"
        )
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise SettingsError("--older-than 이 너무 깁니다", f"받은 것: {text}", "예: 1d") from None


def _write_json(body: object) -> None:
    print(json_text(body, indent=2))
