"""끝난 뒤 스터디 곁에 결과를 쓰고 표를 보인다."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from optimize import paths
from optimize.errors import WizardError
from optimize.protocol import WarningEvent
from optimize.runner.cell import CellRun
from optimize.runner.events import EventWriter
from optimize.trial import FinishedTrial

if TYPE_CHECKING:
    from optimize.report.front import GoalInfo
    from optimize.report.summary import StudySummary
    from optimize.settings.plan import Plan
    from optimize.storage.store import TrialStore

TRIALS_FILE = "trials.csv"
BEST_FILE = "best.yaml"
TRADES_FILE = "best_trades.csv"
FRONT_FILE = "front.csv"
FRONT_JSON = "front.json"


def write_results(
    plan: Plan,
    cells: Sequence[CellRun],
    stores: Sequence[TrialStore],
    events: EventWriter,
) -> None:
    """칸마다 `trials.csv`, `best.yaml`, `best_trades.csv`를, 목표가 여럿이면 `front.csv`와 `front.json`도 쓴다.

    결과 파일을 쓰지 못해도 시행은 저장소에 있으므로 경고하고 넘어간다.
    """
    for cell, store in zip(cells, stores, strict=True):
        try:
            _write_cell(plan, cell, store)
        except (OSError, WizardError) as error:
            events.emit(
                WarningEvent(
                    f"{cell.study}: 결과 파일을 쓰지 못했습니다",
                    str(error),
                    "시행은 저장소에 있습니다. python -m optimize.studies export 로 다시 꺼낼 수 있습니다",
                )
            )


def print_results(cells: Sequence[CellRun], out: IO[str]) -> None:
    """스터디마다 한 줄인 표를 out에 쓴다."""
    from optimize.report.summary import print_summary

    print_summary([_summary(cell) for cell in cells], out)


def cell_goals(cell: CellRun) -> list[GoalInfo]:
    """이 칸의 시행의 `values`가 무엇인지."""
    from optimize.report.front import goals_of

    objective = cell.search.objective
    return goals_of(objective.directions, [goal.metric for goal in objective.goals])


def _write_cell(plan: Plan, cell: CellRun, store: TrialStore) -> None:
    from optimize.backtest.metrics import METRICS
    from optimize.report.best import write_best_trades, write_best_yaml
    from optimize.report.front import write_front_csv, write_front_json
    from optimize.report.trials import write_trials_csv
    from optimize.search.pareto import Leaders

    folder = paths.results_dir(cell.slug, cell.study)
    space, job = cell.search.space, cell.search.job
    leaders = Leaders(cell.leaders.directions)

    def read() -> Iterator[FinishedTrial]:
        for page in store.pages():
            for trial in page:
                leaders.offer(trial)
                yield trial

    names = [parameter.name for parameter in space.dimensions]
    write_trials_csv(folder / TRIALS_FILE, read(), list(METRICS), names, len(leaders.directions))
    # 저장소의 것으로 다시 고른다: 번호가 정해져 있고 다른 실행의 시행도 든다.
    cell.leaders = leaders
    if cell.best is None:
        return
    if leaders.is_pareto:
        goals = cell_goals(cell)
        write_front_csv(folder / FRONT_FILE, goals, leaders.front, names)
        write_front_json(folder / FRONT_JSON, cell.study, goals, leaders.front)
    full = space.complete(cell.best.params)
    settings = plan.params.model_dump(mode="json")
    settings["data"]["file"] = None if plan.data_file is None else str(plan.data_file)
    write_best_yaml(
        folder / BEST_FILE, settings, cell.study, str(cell.search.plan.cell), cell.best, full
    )
    write_best_trades(folder / TRADES_FILE, job.ref, job.strategy, job.costs, full)


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
        is_demo=cell.search.job.ref.is_demo,
        last_error=cell.last_error,
        front=cell.leaders.front if cell.leaders.is_pareto else (),
        goals=cell_goals(cell),
    )
