"""실행 폴더들을 훑어 처음 화면의 목록을 만든다.

사건 파일이 커도 앞 64 KB와 뒤 64 KB, 최고 점수와 진행의 마지막 줄만 읽는다.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tui import bridge
from tui.processes import is_alive

EVENTS_FILE = "events.ndjson"
LOG_FILE = "run.log"
_CHUNK = 64 * 1024
_BEST_LIMIT = 1000
_BEST_MARK = b'"is_best":true'
_PROGRESS_MARK = b'"type":"progress"'
RECENT_LIMIT = 50
# 사건 파일이 아직 없는 실행을 준비 중으로 보는 초.
_STARTING_SECONDS = 30.0
_REMOTE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """실행 하나. state: starting | running | done | failed | interrupted | dead.

    done·target: 모든 칸의 합. best: 제약을 만족하는 최고 점수 또는 None. updated_at: UTC.
    rate: 모든 칸을 더한 초당 시행 수(마지막으로 알려진 것), 모르면 0. jobs: 작업 수.
    """

    run_dir: Path
    run_id: str
    state: str
    symbol: str = ""
    cells: tuple[str, ...] = ()
    done: int = 0
    target: int = 0
    best: float | None = None
    rate: float = 0.0
    jobs: int = 0
    is_demo: bool = False
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_running(self) -> bool:
        """아직 끝나지 않았는가."""
        return self.state in ("starting", "running")


def list_runs(studies_dir: Path, limit: int = RECENT_LIMIT) -> list[RunSummary]:
    """새것부터. 진행 중인 것은 limit과 상관없이 모두 앞에 온다. 읽지 못하는 폴더는 건너뛴다."""
    folders = sorted(_run_folders(studies_dir), key=lambda path: path.name, reverse=True)
    running: list[RunSummary] = []
    ended: list[RunSummary] = []
    for folder in folders:
        if len(ended) >= limit and not _fresh(folder):
            continue
        summary = summarize(folder)
        if summary is not None:
            (running if summary.is_running else ended).append(summary)
    return [*running, *ended[:limit]]


def expected_seconds(
    runs: Iterable[RunSummary], symbol: str, cells: int, trials: int, jobs: int
) -> float | None:
    """같은 심볼의 가장 최근 실행의 속도로 어림한 초. 견줄 실행이 없으면 None.

    속도는 작업 수에 비례한다고 본다(끝난 실행의 작업 수는 계획에 있다).
    """
    for run in runs:
        if run.symbol == symbol and run.rate > 0:
            return cells * trials / (run.rate * jobs / max(1, run.jobs))
    return None


def summarize(folder: Path) -> RunSummary | None:
    """실행 폴더 하나의 요약. 실행의 흔적이 없으면 None."""
    events = folder / EVENTS_FILE
    try:
        stat = events.stat()
    except OSError:
        return _without_events(folder)
    updated = datetime.fromtimestamp(stat.st_mtime, UTC)
    try:
        head, tail, best_lines = _read_ends(events, stat.st_size)
    except OSError:
        return None
    return _fold(folder, updated, [*head, *tail], best_lines)


def starting(folder: Path) -> bool:
    """사건을 아직 적지 않은 실행이 준비 중인가(오래 적지 않았으면 시작하지 못한 것이다)."""
    summary = _without_events(folder)
    return summary is not None and summary.is_running


def _run_folders(studies_dir: Path) -> Iterable[Path]:
    try:
        slugs = [entry.path for entry in os.scandir(studies_dir) if not entry.name.startswith(".")]
    except OSError:
        return
    for slug in slugs:
        try:
            with os.scandir(os.path.join(slug, "runs")) as entries:
                yield from (Path(entry.path) for entry in entries if entry.is_dir())
        except OSError:
            continue


def _fresh(folder: Path) -> bool:
    try:
        age = datetime.now(UTC).timestamp() - (folder / EVENTS_FILE).stat().st_mtime
    except OSError:
        return False
    return age < _REMOTE_SECONDS


def _without_events(folder: Path) -> RunSummary | None:
    try:
        stat = (folder / LOG_FILE).stat()
    except OSError:
        return None
    updated = datetime.fromtimestamp(stat.st_mtime, UTC)
    young = datetime.now(UTC).timestamp() - stat.st_mtime < _STARTING_SECONDS
    return RunSummary(folder, folder.name, "starting" if young else "failed", updated_at=updated)


def _read_ends(
    path: Path, size: int
) -> tuple[list[bridge.Event], list[bridge.Event], list[bridge.Event]]:
    """(앞쪽 사건들, 뒤쪽 사건들, 스터디마다의 마지막 최고 시행)."""
    if size == 0:
        return [], [], []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        head = _decode(data[:_CHUNK])
        tail = _decode(data[max(_CHUNK, size - _CHUNK) :])
        if any(isinstance(event, bridge.DoneEvent) and event.studies for event in tail or head):
            return head, tail, []  # 끝난 실행은 최고를 스스로 말한다
        studies = [event for event in head if isinstance(event, bridge.StudyEvent)]
        pareto = any(len(event.goals) > 1 for event in studies)
        count = max(1, len(studies))
        # 시행의 줄이 길어, 스터디마다의 마지막 진행은 뒤의 64 KB 밖에 있을 수 있다.
        progress = _last_lines(data, size, _PROGRESS_MARK, count)
        bests = _last_lines(data, size, _BEST_MARK, 0 if pareto else count)
        return [*head, *progress], tail, bests


def _last_lines(data: mmap.mmap, size: int, mark: bytes, studies: int) -> list[bridge.Event]:
    """뒤에서부터, 스터디마다 한 번씩 나올 때까지 mark가 든 줄(최고 시행, 진행)을 찾는다.

    studies가 0이면 모두 찾는다: 파레토의 줄은 최적에 들었다는 뜻뿐이라 마지막 것이 최고가 아니다.
    """
    found: dict[object, bridge.Event] = {}
    end = size
    for _ in range(_BEST_LIMIT):
        if studies and len(found) >= studies:
            break
        at = data.rfind(mark, 0, end)
        if at < 0:
            break
        start = data.rfind(b"\n", 0, at) + 1
        stop = data.find(b"\n", at)
        line = data[start : stop if stop >= 0 else size].decode("utf-8", "replace")
        event = bridge.decode_event(line)
        if isinstance(event, (bridge.TrialEvent, bridge.ProgressEvent)):
            found.setdefault(event.study if studies else start, event)
        end = start
    return list(found.values())


def _decode(chunk: bytes) -> list[bridge.Event]:
    lines = chunk.decode("utf-8", "replace").splitlines()
    return [event for line in lines if (event := bridge.decode_event(line)) is not None]


def _fold(
    folder: Path, updated: datetime, events: list[bridge.Event], bests: list[bridge.Event]
) -> RunSummary:
    pid, jobs, host, symbol, exit_code, is_demo = 0, 0, "", "", None, False
    cells: dict[str, str] = {}
    counts: dict[str, tuple[int, int]] = {}
    rates: dict[str, float] = {}
    best: float | None = None
    better = _larger
    failed = False
    for event in events:
        match event:
            case bridge.Hello():
                pid, host = event.pid, event.host
            case bridge.PlanEvent():
                symbol = str(event.plan.get("symbol", symbol))
                jobs = int(event.plan.get("n_jobs") or 0)
                for item in event.plan.get("cells", ()):
                    cells.setdefault(str(item.get("study")), str(item.get("cell")))
            case bridge.StudyEvent():
                symbol = event.symbol or symbol
                is_demo = is_demo or event.is_demo
                cells[event.study] = event.cell
                counts[event.study] = (event.done, event.target)
                better = _smaller if event.direction == "minimize" else _larger
                best = better(best, event.best_value)
            case bridge.ProgressEvent():
                counts[event.study] = (event.done, event.target)
                rates[event.study] = event.rate or rates.get(event.study, 0.0)
            case bridge.ErrorEvent():
                failed = True
            case bridge.DoneEvent():
                exit_code = event.exit_code
                for study in event.studies:
                    best = better(best, study.best_value)
                for study in event.studies:
                    finished = study.n_complete + study.n_pruned + study.n_failed
                    counts[study.study] = (finished, counts.get(study.study, (0, finished))[1])
    for trial in bests:
        if isinstance(trial, bridge.TrialEvent):
            best = better(best, trial.score)
    return RunSummary(
        folder,
        folder.name,
        _state(pid, host, exit_code, failed, updated),
        symbol=symbol,
        cells=tuple(cells.values()),
        done=sum(done for done, _ in counts.values()),
        target=sum(target for _, target in counts.values()),
        best=best,
        rate=sum(rates.values()),
        jobs=jobs,
        is_demo=is_demo,
        updated_at=updated,
    )


def _larger(left: float | None, right: float | None) -> float | None:
    return max((value for value in (left, right) if value is not None), default=None)


def _smaller(left: float | None, right: float | None) -> float | None:
    return min((value for value in (left, right) if value is not None), default=None)


def _state(pid: int, host: str, exit_code: int | None, failed: bool, updated: datetime) -> str:
    if exit_code is not None:
        return {0: "done", 130: "interrupted"}.get(exit_code, "failed")
    if host and host != bridge.host_name():
        recent = (datetime.now(UTC) - updated).total_seconds() < _REMOTE_SECONDS
        return "running" if recent else "dead"
    if pid and is_alive(pid):
        return "running"
    return "failed" if failed else "dead"
