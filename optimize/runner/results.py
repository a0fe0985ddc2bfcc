"""끝난 뒤 스터디 곁에 결과를 쓰고 표를 보인다."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from optimize import paths
from optimize.errors import RunError, WizardError, os_reason
from optimize.interrupt import Stopped
from optimize.protocol import WarningEvent
from optimize.runner.cell import CellRun
from optimize.runner.events import EventWriter, silence
from optimize.runner.worker import Market
from optimize.trial import FinishedTrial, Params

if TYPE_CHECKING:
    from optimize.backtest.result import BacktestResult
    from optimize.data.dataset import Dataset
    from optimize.report.front import GoalInfo
    from optimize.report.summary import StudySummary
    from optimize.search.winners import Winners
    from optimize.settings.plan import Plan
    from optimize.storage.store import TrialStore
    from optimize.verdict.collect import StudyTrials
    from optimize.verdict.judge import Verdict

TRIALS_FILE = "trials.csv"
BEST_FILE = "best.yaml"
TRADES_FILE = "best_trades.csv"
FRONT_FILE = "front.csv"
FRONT_JSON = "front.json"
VALIDATION_FILE = "validation.json"


def write_results(
    plan: Plan,
    cells: Sequence[CellRun],
    stores: Sequence[TrialStore],
    events: EventWriter,
) -> list[StudyTrials]:
    """칸마다 `trials.csv`, `data.json`, `best.yaml`, `best_trades.csv`를, 목표가 여럿이면 `front.csv`와 `front.json`도,
    검증이 있으면 `validation.json`도 쓴다.

    돌려주는 것: 쓰며 읽은 시행들, 칸의 차례로(판정이 읽는다). 결과 파일을 쓰지 못해도 시행은 저장소에 있으므로
    경고하고 넘어가며, 그때는 시행을 다 읽지 못했을 수 있어 빈 목록이다.
    StorageOperationError: 저장소에서 시행을 되읽을 수 없고 기다려도 풀리지 않는다(깨진 파일 따위).
    """
    from optimize.storage.failures import StorageOperationError
    from optimize.validation.splits import day_count
    from optimize.verdict.collect import StudyTrials

    gathered, whole = [], True
    for cell, store in zip(cells, stores, strict=True):
        scheme = cell.search.job.scheme
        trials = StudyTrials(
            cell.study,
            str(cell.search.plan.cell),
            cell.leaders.directions,
            tuple(goal.metric for goal in cell.search.objective.goals),
            0 if scheme is None else day_count(scheme.testing),
            plan.params.search.sampler != "random",
            cell.search.space,
        )
        gathered.append(trials)
        try:
            _write_cell(plan, cell, store, trials)
        except (OSError, WizardError) as error:
            if isinstance(error, StorageOperationError) and not error.retryable:
                # 저장소가 깨졌다: 시행이 저장소에 있다고 말할 수 없다.
                raise
            whole = False
            events.emit(
                WarningEvent(
                    f"{cell.study}: 결과 파일을 쓰지 못했습니다",
                    str(error),
                    "시행은 저장소에 있습니다. python -m optimize.studies export 로 다시 꺼낼 수 있습니다",
                )
            )
    return gathered if whole else []


def write_verdicts(
    cells: Sequence[CellRun], gathered: Sequence[StudyTrials], events: EventWriter
) -> list[Verdict]:
    """칸마다의 과최적화 판정과 `verdict.json`. gathered가 비었으면 없다.

    쓰지 못하면 경고하고 넘어간다. 셈하는 사이에 멈추라는 신호를 받으면 판정 없이 끝낸다: 탐색은 이미 끝났다.
    """
    from optimize.report.verdict import (
        VERDICT_FILE,
        Bench,
        judge_studies,
        write_verdict,
    )

    benches: dict[str, Bench | str] = {}
    for cell in cells:
        job = cell.search.job
        benches[cell.study] = Bench(
            job.ref,
            job.strategy,
            job.costs,
            cell.search.objective,
            cell.search.space,
            job.scheme,
            job.others,
            cell.search.across,
        )
    try:
        verdicts = judge_studies(gathered, benches)
    except Stopped:
        return []
    for cell, verdict in zip(cells, verdicts, strict=False):
        try:
            write_verdict(paths.results_dir(cell.slug, cell.study) / VERDICT_FILE, verdict)
        except OSError as error:
            events.emit(WarningEvent(f"{cell.study}: 판정을 쓰지 못했습니다", os_reason(error)))
    return verdicts


def show_results(cells: Sequence[CellRun], verdicts: Sequence[Verdict], out: TextIO) -> None:
    """스터디마다 한 줄인 표와, 있으면 그 판정을 out에 쓴다. 쓰지 못하면 RunError.

    받는 쪽(head 따위)이 먼저 닫았으면 그만둔다: 결과는 파일에도 있다.
    """
    if not cells:
        return
    try:
        _print_results(cells, verdicts, out)
        out.flush()
    except OSError as error:
        silence(out)
        if isinstance(error, BrokenPipeError):
            return
        folder = paths.results_dir(cells[0].slug, cells[0].study)
        raise RunError(
            "결과의 표를 쓰지 못했습니다",
            os_reason(error),
            f"탐색은 끝났고 결과는 파일에 있습니다: {folder}",
        ) from error


def _print_results(cells: Sequence[CellRun], verdicts: Sequence[Verdict], out: IO[str]) -> None:
    from optimize.report.candles import candle_lines
    from optimize.report.summary import print_summary
    from optimize.report.validation_table import print_validation
    from optimize.report.verdict import print_verdicts

    print_summary([_summary(cell) for cell in cells], out)
    for market in (market for cell in cells for market in cell.search.job.markets):
        print("\n".join(candle_lines(market.ref)), file=out)
    for cell in cells:
        if cell.validation is not None:
            print_validation(cell.study, cell.validation, out)
    print_verdicts(verdicts, out)


def cell_goals(cell: CellRun) -> list[GoalInfo]:
    """이 칸의 시행의 `values`가 무엇인지."""
    from optimize.report.front import goals_of

    objective = cell.search.objective
    return goals_of(objective.directions, [goal.metric for goal in objective.goals])


def _write_cell(plan: Plan, cell: CellRun, store: TrialStore, gathered: StudyTrials) -> None:
    from optimize.backtest.metrics import METRICS
    from optimize.report.best import write_best_trades, write_best_yaml
    from optimize.report.candles import DATA_FILE, write_data
    from optimize.report.front import write_front_csv, write_front_json
    from optimize.report.trials import write_trials_csv
    from optimize.search.pareto import Leaders
    from optimize.search.winners import Winners
    from optimize.settings.plan import resolved_file

    folder = paths.results_dir(cell.slug, cell.study)
    space, job = cell.search.space, cell.search.job
    leaders = Leaders(cell.leaders.directions)
    winners = Winners(job.folds, leaders.directions)

    def read() -> Iterator[FinishedTrial]:
        for page in store.pages(blocks=True):
            for trial in page:
                leaders.offer(trial)
                winners.offer(trial)
                gathered.add(trial)
                yield trial

    write_data(folder / DATA_FILE, [market.ref for market in job.markets])
    names = [parameter.name for parameter in space.dimensions]
    write_trials_csv(folder / TRIALS_FILE, read(), list(METRICS), names, len(leaders.directions))
    # 저장소의 것으로 다시 고르고 센다: 번호가 정해져 있고 다른 실행의 시행도 든다.
    cell.leaders, cell.states = leaders, gathered.states
    if job.folds:
        cell.validation = _validate(cell, winners, folder)
    if cell.best is None:
        return
    if leaders.is_pareto:
        goals = cell_goals(cell)
        write_front_csv(folder / FRONT_FILE, goals, leaders.front, names)
        write_front_json(folder / FRONT_JSON, cell.study, goals, leaders.front)
    full = space.complete(cell.best.params)
    settings = plan.params.model_dump(mode="json")
    if not settings["symbols"]:
        settings["data"]["file"] = None if plan.data_file is None else str(plan.data_file)
    for entry in settings["symbols"]:
        for key in ("file", "funding_file"):
            entry[key] = None if entry[key] is None else str(resolved_file(entry[key]))
    write_best_yaml(
        folder / BEST_FILE, settings, cell.study, str(cell.search.plan.cell), cell.best, full
    )
    for market in job.markets:
        path = folder / trades_file(market.ref.symbol, several=bool(job.others))
        write_best_trades(path, market.ref, job.strategy, market.costs, full, job.scheme)


def trades_file(symbol: str, *, several: bool) -> str:
    """최선의 거래 목록의 파일 이름. 심볼이 여럿이면 심볼마다 하나다."""
    if not several:
        return TRADES_FILE
    from optimize.data.symbols import parse_symbol

    return f"best_trades_{parse_symbol(symbol).slug}.csv"


def _validate(cell: CellRun, winners: Winners, folder: Path) -> dict[str, Any]:
    """이긴 시행들을 다시 돌려 검증의 보고를 쓰고 준다."""
    from optimize.backtest.engine import run_backtest
    from optimize.backtest.segments import Calendar
    from optimize.report.validation import validation_report, write_validation
    from optimize.report.validation_joint import joint_report
    from optimize.strategy.registry import load_strategy

    space, job, objective = cell.search.space, cell.search.job, cell.search.objective
    assert job.scheme is not None  # noqa: S101 — folds가 있으면 나눔이 있다
    strategy = load_strategy(job.strategy)
    bodies: dict[str, dict[str, Any]] = {}
    for market in job.markets:
        dataset = market.ref.open()

        def rerun(
            params: Params, dataset: Dataset = dataset, market: Market = market
        ) -> BacktestResult:
            return run_backtest(dataset, strategy, space.complete(params), market.costs)

        bodies[market.ref.symbol] = validation_report(
            job.scheme,
            winners,
            Calendar.of(dataset),
            rerun,
            lambda metrics: objective.score(metrics).values,
        )
    body = joint_report(bodies, cell.joint)
    write_validation(folder / VALIDATION_FILE, {"study": cell.study, **body})
    return body


def _summary(cell: CellRun) -> StudySummary:
    from optimize.report.summary import StudySummary

    return StudySummary(
        study=cell.study,
        cell=str(cell.search.plan.cell),
        target=cell.target,
        n_complete=cell.states["COMPLETE"],
        n_pruned=cell.states["PRUNED"],
        n_failed=cell.states["FAIL"],
        best=cell.best,
        folder=paths.results_dir(cell.slug, cell.study),
        is_demo=any(market.ref.is_demo for market in cell.search.job.markets),
        last_error=cell.last_error,
        front=cell.leaders.front if cell.leaders.is_pareto else (),
        goals=cell_goals(cell),
        validated=cell.search.job.folds > 0,
        out_of_sample=(cell.validation or {}).get("score"),
    )
