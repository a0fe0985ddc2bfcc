"""`python -m optimize.studies verdict`: 저장된 시행들로 과최적화를 판정한다.

함께 돈 칸들의 시행을 모두 센다: 이 스터디의 마지막 실행의 plan.json이 어느 칸들과 함께 돌았는지 말한다. 그 설정으로
캔들을 다시 열어 최선을 다시 셈하되, 스터디의 지문과 다르면 셈하지 않고 그 까닭을 말한다.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize import paths
from optimize.errors import WizardError
from optimize.masking import printable
from optimize.storage.failures import storage_errors
from optimize.storage.listing import StudyInfo
from optimize.studies.sources import Sources

if TYPE_CHECKING:
    from optimize.report.verdict import Bench
    from optimize.search.space import SearchSpace
    from optimize.verdict.collect import StudyTrials

_PAGE = 2000
_ATTRIBUTE = "wizard"
# 실행의 끝과 달리 사용자가 판정을 기다린다: 이웃을 더 오래 셈한다.
_STEP_SECONDS = 15.0


def verdict_command(arguments: argparse.Namespace, sources: Sources) -> int:
    """한 스터디의 판정. stdout에 글이나 JSON 하나를 쓴다."""
    from optimize.report.verdict import try_rerun
    from optimize.verdict.figures import Judge
    from optimize.verdict.judge import judge

    info = sources.find(arguments.name, arguments.storage)
    plan = _last_plan(info.name)
    siblings, notes = _siblings(info, plan, sources)
    adaptive = _adaptive(plan)
    own = _collect(info, sources, adaptive)
    others = [_collect(sibling, sources, adaptive) for sibling in siblings]
    bench: Bench | str = "다시 셈하지 말라고 했습니다(--stored-only)"
    # 전략이 쓰는 글이 stdout의 자료에 섞이지 않게 한다.
    with redirect_stdout(sys.stderr):
        if adaptive:
            own.space = _space(info, plan)
        if not arguments.stored_only:
            bench = _bench(info, plan)
        rerun, reason = try_rerun(bench, own.best, _STEP_SECONDS)
    verdict = judge(Judge([own, *others]).figures(own, rerun, reason), notes)
    if arguments.json:
        json.dump(verdict.as_json(), sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        print("\n".join(map(printable, verdict.lines())))
    return 0


def _last_plan(name: str) -> Mapping[str, Any] | None:
    """이 스터디가 든 가장 최근 실행의 plan.json. 없거나 읽지 못하면 None."""
    files = sorted(paths.studies_dir().glob("*/runs/*/plan.json"), key=_written, reverse=True)
    for path in files:
        try:
            plan = json.loads(path.read_text(encoding="utf-8"))
            if any(cell["study"] == name for cell in plan["cells"]):
                return dict(plan)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _siblings(
    info: StudyInfo, plan: Mapping[str, Any] | None, sources: Sources
) -> tuple[list[StudyInfo], list[str]]:
    """함께 돈 다른 칸의 스터디들과, 찾지 못한 것의 알림."""
    if plan is None:
        note = (
            "이 스터디를 돌린 실행의 기록이 이 컴퓨터에 없어, 함께 돈 칸이 있어도 세지 못했습니다"
        )
        return [], [note]
    found, notes = [], []
    known = sources.listing().studies
    for cell in plan["cells"]:
        if cell["study"] == info.name:
            continue
        matches = [item for item in known if item.name == cell["study"]]
        beside = [item for item in matches if item.url.masked == cell.get("storage")] or matches
        if beside:
            found.append(beside[0])
        else:
            notes.append(f"함께 돈 칸의 스터디 '{cell['study']}'을(를) 찾지 못해 세지 못했습니다")
    return found, notes


def _adaptive(plan: Mapping[str, Any] | None) -> bool:
    """지난 시행을 보고 고르는 sampler로 찾았는가. 모르면 그런 것으로 본다(기본이 tpe다)."""
    params = plan.get("params") if plan is not None else None
    search = params.get("search") if isinstance(params, Mapping) else None
    return not isinstance(search, Mapping) or search.get("sampler") != "random"


def _space(info: StudyInfo, plan: Mapping[str, Any] | None) -> SearchSpace | None:
    """스터디가 찾은 공간. 실행의 기록이 없거나, 전략을 읽지 못하거나, 그 뒤로 공간이 달라졌으면 None."""
    from optimize.report.equity import planned_params
    from optimize.search.space import SearchSpace
    from optimize.strategy.registry import load_strategy

    recorded = info.attrs.get(_ATTRIBUTE)
    if plan is None or not isinstance(recorded, Mapping):
        return None
    try:
        params = planned_params(plan["params"])
        space = SearchSpace(load_strategy(params.strategy.name).parameters, params.strategy.space)
    except (WizardError, KeyError, TypeError, ValueError):
        return None
    return space if space.fingerprint == recorded.get("space") else None


def _collect(info: StudyInfo, sources: Sources, adaptive: bool) -> StudyTrials:
    """스터디의 시행들을 쪽마다 읽어 모은다."""
    from optimize.runner.fingerprint import recorded_goals, recorded_test_days
    from optimize.verdict.collect import StudyTrials

    found = info.attrs.get(_ATTRIBUTE)
    described = found if isinstance(found, Mapping) else {}
    gathered = StudyTrials(
        info.name,
        str(described.get("cell", "")),
        tuple(info.directions),
        recorded_goals(described),
        recorded_test_days(described),
        adaptive,
    )
    for page in _pages(info, sources):
        for trial in page:
            gathered.add(trial)
    return gathered


def _pages(info: StudyInfo, sources: Sources) -> Iterator[Sequence[Any]]:
    from optimize.storage.engine import reading
    from optimize.storage.reader import load_trials

    last = info.summary.total - 1
    with (
        storage_errors(info.url, "시행을 조회"),
        reading(info.url, sources.options) as connection,
    ):
        for first in range(0, info.summary.total, _PAGE):
            until = min(first + _PAGE - 1, last)
            yield load_trials(connection, info.study_id, first - 1, until, blocks=True)


def _bench(info: StudyInfo, plan: Mapping[str, Any] | None) -> Bench | str:
    """최선을 다시 셈할 자리. 셈할 수 없으면 그 까닭."""
    if plan is None:
        return "이 스터디를 돌린 실행의 기록(plan.json)이 없어 최선을 다시 셈하지 못했습니다"
    try:
        return _open_bench(info, plan)
    except WizardError as error:
        return f"최선을 다시 셈하지 못했습니다({error.title})"
    except (KeyError, TypeError, ValueError) as error:
        return f"최선을 다시 셈하지 못했습니다(실행의 기록을 읽지 못함: {type(error).__name__})"


def _open_bench(info: StudyInfo, plan: Mapping[str, Any]) -> Bench | str:
    from optimize.report.equity import planned_params, stored_symbols
    from optimize.report.verdict import Bench
    from optimize.runner.fingerprint import changed_labels, describe_study
    from optimize.runner.opening import make_objective, make_rules, scheme_of
    from optimize.search.space import SearchSpace
    from optimize.strategy.registry import load_strategy, strategy_files

    params = planned_params(plan["params"])
    cell = next(item["cell"] for item in plan["cells"] if item["study"] == info.name)
    first, *others = stored_symbols(params, cell)
    ref = first.refs[0]
    strategy = load_strategy(params.strategy.name)
    space = SearchSpace(strategy.parameters, params.strategy.space)
    now = describe_study(
        params,
        ref,
        space,
        strategy_files(params.strategy.name),
        [item.refs[0] for item in others],
    )
    recorded = info.attrs.get(_ATTRIBUTE)
    if not isinstance(recorded, Mapping):
        return "무엇으로 계산한 스터디인지 적혀 있지 않아 최선을 다시 셈하지 않았습니다"
    if changed := changed_labels(recorded, now):
        return f"스터디를 돌린 때와 달라져 최선을 다시 셈하지 않았습니다({', '.join(changed)})"
    return Bench(
        ref=ref,
        strategy=params.strategy.name,
        costs=first.costs,
        objective=make_objective(params.objective),
        space=space,
        scheme=scheme_of(make_rules(params), ref),
        others=tuple((item.refs[0], item.costs) for item in others),
        across=params.objective.across_symbols,
    )
