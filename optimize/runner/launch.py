"""한 실행의 처음부터 끝까지: 기록을 열고, 준비하고, 탐색하고, 결과를 쓴다."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sys
import uuid
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from optimize import paths
from optimize.errors import RunError, SettingsError, WizardError, os_reason
from optimize.interrupt import EXIT_INTERRUPTED, STOPPED, Stopped
from optimize.memory import return_freed_memory, without_collection
from optimize.protocol import (
    DoneEvent,
    ErrorEvent,
    Hello,
    PlanEvent,
    StudyEvent,
    StudyResult,
    new_run_id,
)
from optimize.runner.candles import load_markets
from optimize.runner.cargo import Kit
from optimize.runner.cell import CellRun, CellSearch
from optimize.runner.coordinator import Coordinator, Limits
from optimize.runner.dask_cluster import DaskCluster
from optimize.runner.events import PLAN_FILE, EventWriter
from optimize.runner.executors import LocalWorkforce, Workforce
from optimize.runner.journal import begin_journal, run_lock, write_private, written_trials
from optimize.runner.keeper import StoreKeeper
from optimize.runner.opening import (
    OpenedStudy,
    make_objective,
    make_rules,
    open_studies,
    reach_storage,
    recover,
    scheme_of,
    storage_secrets,
    warn_thin_splits,
)
from optimize.runner.pool import WorkerPool
from optimize.runner.results import cell_goals, show_results, write_results, write_verdicts
from optimize.runner.signals import interruptible, undisturbed
from optimize.runner.terminal import listening
from optimize.runner.worker import Job, Market, Rehearsal

if TYPE_CHECKING:
    from optimize.backtest.costs import CostModel
    from optimize.data.dataset import DatasetRef
    from optimize.search.objective import Objective
    from optimize.search.space import SearchSpace
    from optimize.settings.plan import Plan
    from optimize.validation.splits import Rules, Scheme
    from optimize.verdict.judge import Verdict

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class _Search:
    """계획에서 나온, 모든 칸이 함께 쓰는 것."""

    space: SearchSpace
    objective: Objective
    costs: CostModel
    code: dict[str, str]
    rules: Rules


@dataclass(frozen=True, slots=True)
class _Ended:
    """끝난 실행. cells, verdicts: 사용자에게 보일 결과, 없으면 비었다."""

    exit_code: int
    cells: Sequence[CellRun] = ()
    verdicts: Sequence[Verdict] = ()


def launch(plan: Plan, *, run_id: str | None, events: str | None) -> int:
    """계획을 실행하고 exit code를 준다. 실패는 `error`와 `done` 사건을 낸 뒤 WizardError로 올린다.

    run_id: 실행의 이름, None이면 시각으로 짓는다. events: `--events`의 값.
    """
    name = run_id or new_run_id()
    if not _RUN_ID.fullmatch(name):
        raise SettingsError(
            "실행의 이름을 쓸 수 없습니다",
            f"--run-id {name}",
            "영문, 숫자, '.', '_', '-'로 100자 이하의 이름을 주세요",
        )
    run_dir = paths.run_dir(plan.cells[0].slug, name)
    _make_run_dir(run_dir)
    quiet = events == "-"
    out = sys.stderr if quiet else sys.stdout
    with run_lock(run_dir), interruptible():
        # 전략이 이 프로세스에서 쓰는 글이 stdout의 자료에 섞이지 않게 한다.
        with (
            listening(run_dir, quiet=quiet) as terminals,
            closing(EventWriter(run_dir, events, plan.secrets, terminals)) as writer,
            redirect_stdout(sys.stderr),
        ):
            ended = _guarded(plan, name, writer)
        show_results(ended.cells, ended.verdicts, out)
    return ended.exit_code


def _make_run_dir(run_dir: Path) -> None:
    """`studies/`부터 실행의 폴더까지 0700으로 만든다."""
    try:
        for folder in (paths.studies_dir(), run_dir.parent.parent, run_dir.parent, run_dir):
            paths.private_dir(folder)
    except OSError as error:
        raise RunError(
            "실행 폴더를 만들지 못했습니다",
            f"{run_dir}: {os_reason(error)}",
            f"쓸 수 있는지 보세요: ls -ld {shlex.quote(str(paths.studies_dir()))}",
        ) from error


def _guarded(plan: Plan, run_id: str, events: EventWriter) -> _Ended:
    """실패를 사건으로 남기고 다시 올린다. 멈추라는 신호는 130."""
    try:
        return _execute(plan, run_id, events)
    except WizardError as error:
        _emit_last(events, ErrorEvent(error.title, error.cause, error.fix), error.exit_code)
        raise
    except Stopped:
        _emit_last(events, None, EXIT_INTERRUPTED)
        print(STOPPED, file=sys.stderr)
        return _Ended(EXIT_INTERRUPTED)
    except Exception as error:
        title = "프로그램 안에서 예상하지 못한 오류가 났습니다"
        _emit_last(events, ErrorEvent(title, f"{type(error).__name__}: {error}"), 5)
        raise


def _emit_last(events: EventWriter, error: ErrorEvent | None, exit_code: int) -> None:
    try:
        events.emit(*([error] if error else []), DoneEvent([], exit_code))
    except RunError:
        # 기록할 수 없어 끝나는 길이다. 사용자는 stderr에서 까닭을 본다.
        return


def _execute(plan: Plan, run_id: str, events: EventWriter) -> _Ended:
    from optimize.strategy.registry import pinned_strategy

    with pinned_strategy(plan.params.strategy.name):
        return _execute_pinned(plan, run_id, events)


def _execute_pinned(plan: Plan, run_id: str, events: EventWriter) -> _Ended:
    events.emit(Hello(run_id, os.getpid(), _version(), socket.gethostname()))
    search = _prepare_search(plan)
    inbox: SimpleQueue[Any] = SimpleQueue()
    rehearsal = Rehearsal(
        plan.params.strategy.name, search.costs, str(plan.symbol), str(plan.cells[0].cell)
    )
    workforce = _workforce(plan, rehearsal, inbox)
    pool = WorkerPool(workforce, inbox)
    opened: list[OpenedStudy] = []
    try:
        pool.warm_up(rehearsal)
        plan = reach_storage(plan, events)
        _record_plan(plan, events)
        markets = load_markets(plan, events)
        schemes = [scheme_of(search.rules, symbols[0].ref) for symbols in markets]
        warn_thin_splits(search.rules, plan.params.search.n_trials, events)
        refs = [[market.ref for market in symbols] for symbols in markets]
        kit = workforce.equip([ref for cell in refs for ref in cell], plan.params.strategy.name)
        opened = open_studies(plan, refs, search.space, search.objective, search.code)
        recover(opened, events, events.run_dir)
        # 실행의 이름(--run-id)은 다시 쓸 수 있다: 앞서 죽은 실행이 맡은 자리를 내 것으로 보지 않게 한다.
        owner = uuid.uuid4().hex
        journal = begin_journal(events.run_dir, owner, [item.journal for item in opened])
        keeper = StoreKeeper(inbox, owner)
        cells = _open_cells(plan, search, markets, schemes, kit, opened, pool, keeper, events)
        coordinator = Coordinator(cells, pool, keeper, events, inbox, _limits(plan))
        return_freed_memory()
        finished = coordinator.run()
        for cell in cells:
            cell.search.proposer.forget()
        return_freed_memory()
        for item, cell in zip(opened, cells, strict=True):
            if not cell.unsaved:
                journal = journal.settle(item.journal)
        exit_code = 0 if finished else EXIT_INTERRUPTED
        verdicts: list[Verdict] = []
        if not coordinator.killed:
            for item in opened:
                item.store.reread()
            gathered = write_results(plan, cells, [item.store for item in opened], events)
            return_freed_memory()
            # 사용자가 멈췄으면 기다리게 하지 않는다: 판정은 studies verdict로 언제든 낸다.
            verdicts = write_verdicts(cells, gathered, events) if finished else []
        events.emit(DoneEvent(_results(cells), exit_code))
        return _Ended(exit_code, () if coordinator.killed else cells, verdicts)
    finally:
        with undisturbed():
            pool.shutdown()
            for item in opened:
                item.store.close()


def _prepare_search(plan: Plan) -> _Search:
    from optimize.backtest.costs import CostModel
    from optimize.search.space import SearchSpace
    from optimize.strategy.registry import load_strategy, strategy_files

    params = plan.params
    strategy = load_strategy(params.strategy.name)
    return _Search(
        SearchSpace(strategy.parameters, params.strategy.space),
        make_objective(params.objective),
        CostModel(**params.backtest.model_dump()),
        strategy_files(params.strategy.name),
        make_rules(params),
    )


def _workforce(plan: Plan, rehearsal: Rehearsal, inbox: SimpleQueue[Any]) -> Workforce:
    search = plan.params.search
    if search.executor == "dask":
        return DaskCluster(
            search.dask_scheduler, None if search.n_jobs < 0 else search.n_jobs, inbox
        )
    return LocalWorkforce(plan.n_jobs, rehearsal, storage_secrets(plan, os.environ))


def _record_plan(plan: Plan, events: EventWriter) -> None:
    masked = plan.masked()
    text = json.dumps(masked, ensure_ascii=False, indent=2)
    write_private(events.run_dir / PLAN_FILE, text)
    events.emit(PlanEvent(plan.command_line(), masked))


def _open_cells(
    plan: Plan,
    search: _Search,
    markets: Sequence[Sequence[Market]],
    schemes: Sequence[Scheme],
    kit: Kit,
    opened: Sequence[OpenedStudy],
    pool: WorkerPool,
    keeper: StoreKeeper,
    events: EventWriter,
) -> list[CellRun]:
    from optimize.search.folds import FoldedProposer, fold_seed
    from optimize.search.proposer import make_proposer
    from optimize.search.pruning import make_pruner
    from optimize.strategy.registry import code_digest

    settings = plan.params.search
    cells = []
    for index, (symbols, item) in enumerate(zip(markets, opened, strict=True)):
        first, *others = symbols
        scheme = schemes[index]
        proposer = FoldedProposer(
            [
                make_proposer(
                    settings.sampler,
                    search.space,
                    search.objective.directions,
                    fold_seed(settings.seed, fold),
                    settings.n_trials,
                )
                for fold in range(max(len(scheme.splits), 1))
            ]
        )
        job = Job(
            first.ref,
            kit.strategy,
            first.costs,
            search.objective,
            kit.cargo,
            scheme,
            settings.trial_timeout,
            tuple(others),
            code_digest(search.code),
        )
        cell = CellRun(
            index,
            CellSearch(
                item.cell,
                job,
                search.space,
                search.objective,
                proposer,
                plan.params.objective.across_symbols,
            ),
            settings.n_trials,
            make_pruner(settings.pruner),
            # 0이면 심볼을 나누지 않는다: 시행들이 이미 작업자를 채우고, 나누면 보내는 비용만 는다.
            groups=max(settings.dataset_jobs, 1),
        )
        with without_collection():
            for page in item.store.pages():
                cell.learn(page)
        pool.register(index, job)
        keeper.add(
            index,
            item.store,
            settings.n_trials,
            cell.stored,
            cell.last_number,
            partial(written_trials, events.run_dir, cell.study, events.start),
        )
        events.emit(_study_event(cell, first.ref, item))
        cells.append(cell)
    return cells


def _study_event(cell: CellRun, ref: DatasetRef, item: OpenedStudy) -> StudyEvent:
    from optimize.data.period import format_period
    from optimize.report.front import goals_json
    from optimize.validation.splits import scheme_json

    scheme = cell.search.job.scheme
    return StudyEvent(
        study=cell.study,
        slug=cell.slug,
        cell=ref.cell,
        storage=item.cell.storage_url.masked,
        done=cell.done,
        target=cell.target,
        symbol=", ".join(cell.symbols),
        data=f"{_sources(cell)} · {format_period(ref.start_ms, ref.end_ms)} · {ref.bars:,}봉"
        f" · 지문 {ref.fingerprint[:8]}",
        is_demo=any(market.ref.is_demo for market in cell.search.job.markets),
        best_value=cell.best.values[0] if cell.best else None,
        direction=cell.leaders.directions[0],
        validation={} if scheme is None else scheme_json(scheme),
        goals=[*goals_json(cell_goals(cell))],
        front_size=cell.front_size,
        fingerprint=ref.fingerprint,
        faults=list(ref.notes),
    )


def _sources(cell: CellRun) -> str:
    """캔들의 출처. 심볼이 여럿이면 그 수와 출처들."""
    found = list(dict.fromkeys(market.ref.source for market in cell.search.job.markets))
    return " · ".join([f"심볼 {len(cell.symbols)}개", *found] if len(cell.symbols) > 1 else found)


def _limits(plan: Plan) -> Limits:
    search = plan.params.search
    return Limits(
        dataset_jobs=search.dataset_jobs,
        timeout=search.timeout,
        reproducible=search.seed is not None and plan.n_jobs == 1,
    )


def _results(cells: Sequence[CellRun]) -> list[StudyResult]:
    return [
        StudyResult(
            study=cell.study,
            slug=cell.slug,
            n_complete=cell.states["COMPLETE"],
            n_pruned=cell.states["PRUNED"],
            n_failed=cell.states["FAIL"],
            best_value=cell.best.values[0] if cell.best else None,
            best_params=cell.best.params if cell.best else None,
            front_size=cell.front_size,
            out_of_sample=_out_of_sample(cell),
        )
        for cell in cells
    ]


def _out_of_sample(cell: CellRun) -> float | None:
    """검증의 (첫 목표의) 점수. 검증이 없거나 이긴 시행이 없으면 None."""
    score = (cell.validation or {}).get("score")
    return float(score[0]) if score else None


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("backtest-wizard")
    except PackageNotFoundError:
        return ""
