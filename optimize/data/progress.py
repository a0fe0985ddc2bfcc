"""명령줄의 진행 표시: 터미널이면 rich 막대, 아니면 10 %마다 한 줄. 모두 stderr로 간다."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """`on_progress(이름, 한 일, 할 일)`을 준다. 할 일을 모르면 0."""
    if not sys.stderr.isatty():
        yield _plain()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda label, done, total: bar.update(
            task, description=label, completed=done, total=total or None
        )


def _plain() -> Progress:
    seen: set[tuple[str, int]] = set()

    def report(label: str, done: int, total: int) -> None:
        step = (label, done * 10 // total if total else 0)
        if step not in seen:
            seen.add(step)
            print(f"{label} {done}/{total}" if total else label, file=sys.stderr, flush=True)

    return report
