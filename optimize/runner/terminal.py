"""화면 없이 실행할 때의 터미널: stderr의 진행 막대나 조용한 줄, 그리고 `run.log`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from optimize.masking import printable
from optimize.protocol import (
    DataProgressEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    Hello,
    ProgressEvent,
    StudyEvent,
    TrialEvent,
    WarningEvent,
)
from optimize.runner.events import LOG_FILE, LineFile

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PLAIN_SECONDS = 10.0
_SHOWN_SPLITS = 6


class Terminal(Protocol):
    """사건을 듣는 터미널."""

    def __call__(self, event: Event) -> None: ...

    def close(self) -> None:
        """화면을 되돌린다."""
        ...


def make_terminals(run_dir: Path, *, quiet: bool) -> list[Terminal]:
    """`run.log`, 그리고 stderr: 터미널이면 진행 막대, 아니면 줄.

    quiet: 사건이 stdout으로 가므로 stderr에는 경고만 쓴다. 화면이 띄운 실행처럼 stderr가 바로 그
    `run.log`이면 같은 줄이 두 번 남지 않게 한쪽만 쓴다(오류는 명령의 입구가 stderr에 쓴다).
    """
    shared = _is_stderr(run_dir / LOG_FILE)
    log = RunLog(run_dir, errors=not shared)
    if shared:
        return [log]
    if not quiet and sys.stderr.isatty():
        return [log, BarTerminal()]
    return [log, LineTerminal(quiet=quiet)]


@contextmanager
def listening(run_dir: Path, *, quiet: bool) -> Iterator[list[Terminal]]:
    """`make_terminals`의 것들. 어떻게 나가든 화면을 되돌린다."""
    terminals = make_terminals(run_dir, quiet=quiet)
    try:
        yield terminals
    finally:
        for terminal in reversed(terminals):
            terminal.close()


def _is_stderr(path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(sys.stderr.fileno()), path.stat())
    except (OSError, ValueError):
        return False


class BestScores:
    """스터디마다 지금까지의 (첫) 목표의 최선. 파레토면 최적에 든 시행이 모두 최선은 아니다."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._falling: set[str] = set()
        self._labels: dict[str, str] = {}

    def open(self, event: StudyEvent) -> None:
        """스터디가 열림: 방향과 이름과 지난 최선."""
        if event.direction == "minimize":
            self._falling.add(event.study)
        if len(event.goals) > 1:
            self._labels[event.study] = f"{event.goals[0]['label']} "
        if event.best_value is not None:
            self._values[event.study] = event.best_value

    def note(self, event: TrialEvent) -> None:
        """최선이거나 파레토 최적에 든 시행."""
        if event.score is None:
            return
        pick = min if event.study in self._falling else max
        self._values[event.study] = pick(self._values.get(event.study, event.score), event.score)

    def text(self, study: str) -> str:
        """`최선 1.234`, 파레토면 `최선 Sharpe 1.234`. 아직 없으면 빈 글."""
        value = self._values.get(study)
        return "" if value is None else f"최선 {self._labels.get(study, '')}{value:.4g}"


def validation_lines(event: StudyEvent) -> Iterator[str]:
    """나눔과, split마다의 학습과 검증의 날짜. 많으면 앞의 것만."""
    splits = event.validation.get("splits") or []
    if splits:
        yield f"검증: {event.validation['label']}"
    for number, split in enumerate(splits[:_SHOWN_SPLITS], 1):
        train, test = (
            ", ".join(f"{first}~{last}" for first, last in split[side])
            for side in ("train", "test")
        )
        yield f"  {number}. 학습 {train} → 검증 {test}"
    if len(splits) > _SHOWN_SPLITS:
        yield f"  … 모두 {len(splits)}개 (나머지는 실행 기록의 study 사건에 있습니다)"


class Wording:
    """사건을 사람이 읽는 줄로. 진행은 칸마다 `every`초에 한 번만 말한다."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._said: dict[str, float] = {}
        self._best = BestScores()
        self._finished: set[str] = set()

    def lines(self, event: Event) -> Iterator[str]:
        """이 사건의 줄들. 말할 것이 없으면 비었다."""
        if isinstance(event, Hello):
            yield f"실행 {event.run_id} (pid {event.pid})"
        elif isinstance(event, DataProgressEvent):
            yield from self._data(event)
        elif isinstance(event, StudyEvent):
            self._best.open(event)
            yield f"{event.study}: {event.done}/{event.target} · {event.data} · {event.storage}"
            yield from validation_lines(event)
        elif isinstance(event, TrialEvent):
            if event.is_best:
                self._best.note(event)
        elif isinstance(event, ProgressEvent):
            yield from self._progress(event)
        elif isinstance(event, (WarningEvent, ErrorEvent)):
            yield from problem_lines(event)
        elif isinstance(event, DoneEvent):
            yield f"끝 (exit code {event.exit_code})"

    def _data(self, event: DataProgressEvent) -> Iterator[str]:
        # 한 번에 끝나는 일은 시작만 말하고, 나뉜 일은 이따금과 끝에 말한다.
        ended = event.total > 1 and event.done == event.total
        if self._is_time(event.label) or ended:
            share = f" {event.done}/{event.total}" if event.total > 1 else ""
            yield f"준비: {event.label}{share}"

    def _progress(self, event: ProgressEvent) -> Iterator[str]:
        finished = event.done >= event.target
        if event.study in self._finished or not (finished or event.rate > 0):
            return
        if not (finished or self._is_time(event.study)):
            return
        if finished:
            self._finished.add(event.study)
        best = self._best.text(event.study)
        text = f"{event.study}: {event.done}/{event.target} · {event.rate:.1f}/초"
        yield f"{text} · {best}" if best else text

    def _is_time(self, key: str) -> bool:
        now = time.monotonic()
        due = now - self._said.get(key, 0.0) >= self._every
        if due:
            self._said[key] = now
        return due


def problem_lines(event: WarningEvent | ErrorEvent) -> Iterator[str]:
    """경고나 오류의 줄들."""
    yield f"{'경고' if isinstance(event, WarningEvent) else '오류'}: {event.title}"
    for label, body in (("원인", event.cause), ("해결", event.fix)):
        for line in body.splitlines():
            yield f"  {label}: {line}"


class RunLog:
    """사람이 읽는 기록 `run.log`(0600). 줄마다 UTC 시각이 붙는다. errors: 오류도 적는가."""

    def __init__(self, run_dir: Path, *, errors: bool = True) -> None:
        self._file = LineFile(run_dir / LOG_FILE)
        self._wording = Wording(_PLAIN_SECONDS)
        self._errors = errors

    def __call__(self, event: Event) -> None:
        if isinstance(event, ErrorEvent) and not self._errors:
            return
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        self._file.write([f"{stamp} {line}" for line in self._wording.lines(event)])

    def close(self) -> None:
        """닫는다."""
        self._file.close()


class LineTerminal:
    """터미널이 아닐 때: stderr에 줄로. 오류는 명령의 입구가 쓰므로 여기서 쓰지 않는다."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._wording = Wording(_PLAIN_SECONDS)

    def __call__(self, event: Event) -> None:
        if isinstance(event, ErrorEvent) or (self._quiet and not isinstance(event, WarningEvent)):
            return
        for line in self._wording.lines(event):
            print(printable(line), file=sys.stderr, flush=True)

    def close(self) -> None:
        """되돌릴 것이 없다."""


class BarTerminal:
    """칸마다 진행 막대 하나."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        self._progress: Progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[best]}"),
            Remaining(),
            console=Console(stderr=True),
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._best = BestScores()
        self._progress.start()

    def __call__(self, event: Event) -> None:
        if isinstance(event, DataProgressEvent):
            task = self._task(event.label, event.total or 1)
            self._progress.update(task, completed=event.done, total=event.total or None)
        elif isinstance(event, StudyEvent):
            task = self._task(event.study, event.target)
            self._best.open(event)
            self._progress.update(task, completed=event.done, best=self._best.text(event.study))
            for line in (
                f"{event.study} · {event.data} · {event.storage}",
                *validation_lines(event),
            ):
                self._print(line)
        elif isinstance(event, ProgressEvent):
            task = self._task(event.study, event.target)
            self._progress.update(task, completed=event.done, rate=f"{event.rate:.1f}/초")
        elif isinstance(event, TrialEvent) and event.is_best:
            self._best.note(event)
            task = self._task(event.study, None)
            self._progress.update(task, best=self._best.text(event.study))
        elif isinstance(event, WarningEvent):
            for line in problem_lines(event):
                self._print(line)

    def close(self) -> None:
        """막대를 멈추고 화면을 되돌린다."""
        self._progress.stop()

    def _task(self, name: str, total: int | None) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, rate="", best="")
        return self._tasks[name]

    def _print(self, text: str) -> None:
        # 남이 지은 이름 속의 `[…]`을 꾸밈으로 읽지 않는다.
        self._progress.console.print(printable(text), markup=False, highlight=False)
