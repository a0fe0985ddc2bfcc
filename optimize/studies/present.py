"""목록과 한 스터디를 터미널에 보인다. 시각은 이 컴퓨터의 시간대다."""

from __future__ import annotations

import math
import sys
from collections.abc import Container, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from optimize.masking import printable
from optimize.storage.listing import STATE_LABELS, StudyInfo
from optimize.storage.url import StorageUrl

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from optimize.search.winners import Winners
    from optimize.trial import FinishedTrial

_LIST_TITLES = ("이름", "상태", "완료", "가지치기", "실패", "최선", "마지막", "저장소")
_DIRECTIONS = {"MAXIMIZE": "최대화", "MINIMIZE": "최소화"}


def print_list(studies: Sequence[StudyInfo]) -> None:
    """표 하나. 최근에 움직인 것부터."""
    if not studies:
        print("스터디가 없습니다. ./시작 으로 첫 최적화를 실행해 보세요.")
        return
    rows = [_LIST_TITLES]
    place = cache(_place)
    for info in studies:
        s = info.summary
        rows.append(
            (
                printable(info.name),
                STATE_LABELS[info.state],
                f"{s.n_complete:,}",
                f"{s.n_pruned:,}",
                f"{s.n_failed:,}",
                "파레토" if len(info.directions) > 1 else _number(s.best_value),
                _moment(s.last_activity),
                printable(place(info.url)),
            )
        )
    print("\n".join(_aligned(rows, right=range(2, 6))))


def _aligned(rows: Sequence[Sequence[str]], right: Container[int]) -> list[str]:
    """칸을 맞춘 줄들. 한글은 두 칸을 차지한다. rich의 표는 천 줄에 0.4초라 쓰지 않는다."""
    # 보이는 ASCII는 모두 한 칸이다.
    sizes = [[len(text) if text.isascii() else cell_len(text) for text in row] for row in rows]
    widths = [max(column) for column in zip(*sizes, strict=True)]
    lines = []
    for row, taken in zip(rows, sizes, strict=True):
        cells = []
        for index, text in enumerate(row):
            blank = " " * (widths[index] - taken[index])
            cells.append(blank + text if index in right else text + blank)
        lines.append("  ".join(cells).rstrip())
    return lines


def print_study(
    info: StudyInfo,
    top: Sequence[FinishedTrial],
    front: Sequence[FinishedTrial] = (),
    winners: Winners | None = None,
) -> None:
    """요약, 최선의 파라미터와 지표, 상위 시행. front: 목표가 여럿일 때의 파레토 최적 시행들.

    winners: split이 여럿일 때의 이긴 시행들.
    """
    from rich.table import Table

    from optimize.report.by_symbol import symbol_lines
    from optimize.report.front import print_front
    from optimize.studies.front import study_goals

    several = len(info.directions) > 1
    console = _console()
    s = info.summary
    lines = {
        "이름": info.name,
        "저장소": info.url.masked,
        "방향": ", ".join(
            f"{goal.label} {_DIRECTIONS.get(way, way)}" if several else _DIRECTIONS.get(way, way)
            for goal, way in zip(study_goals(info), info.directions, strict=True)
        ),
        "상태": STATE_LABELS[info.state],
        "시행": f"완료 {s.n_complete:,} · 가지치기 {s.n_pruned:,} · 실패 {s.n_failed:,}"
        f" · 끝나지 않음 {s.unfinished:,}",
        "마지막": _moment(s.last_activity),
        "최선": f"파레토 최적 {len(front)}개"
        if several
        else _number(s.best_value)
        + (f" (시행 {s.best_number})" if s.best_number is not None else ""),
    }
    for label, text in lines.items():
        console.print(f"{label}: {printable(text)}")
    if front:
        console.print()
        print_front(printable(info.name), study_goals(info), front, sys.stdout)
    if winners is not None:
        console.print()
        console.print(_winners(winners))
    if not top:
        return
    best = front[0] if front else top[0]
    console.print("\n최선의 파라미터:" if best.feasible else "\n상위 시행의 파라미터:")
    for name, value in best.params.items():
        console.print(f"  {printable(name)}: {printable(str(value))}")
    if best.metrics:
        checked = best.out_of_sample_metrics
        sides = "학습 → 검증" if winners is None else "모든 split의 학습 → 제 split의 검증"
        console.print(f"지표 ({sides}):" if checked else "지표:")
        for name, number in best.metrics.items():
            beside = f" → {_number(checked[name])}" if name in checked else ""
            console.print(f"  {name}: {_number(number)}{beside}")
    if best.by_symbol:
        console.print("심볼마다:")
        for line in symbol_lines(best):
            console.print(f"  {line}")
    table = Table(box=None, pad_edge=False, title=f"상위 시행 {len(top)}개", title_justify="left")
    split = any(trial.fold is not None for trial in top)
    titles = ("split", "점수", "학습 점수", "검증 점수") if split else ("점수",)
    for title in ("번호", *titles, "제약", "시작"):
        table.add_column(title, justify="left" if title in {"제약", "시작"} else "right")
    for trial in top:
        scores = [_scores(trial.values)]
        if split:
            home = "" if trial.fold is None else str(trial.fold + 1)
            scores = [home, *scores, _scores(trial.in_sample), _scores(trial.out_of_sample)]
        mark = "만족" if trial.feasible else "어김"
        table.add_row(str(trial.number), *scores, mark, _moment(trial.started_at))
    console.print()
    console.print(table)


def _winners(winners: Winners) -> Table:
    """split마다 이긴 시행의 학습과 검증."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title="split마다 이긴 시행", title_justify="left")
    for title in ("split", "시행", "이긴 시행", "학습 점수", "검증 점수"):
        table.add_column(title, justify="right")
    for number, (count, trial) in enumerate(zip(winners.counts, winners.trials, strict=True), 1):
        found = ["없음"]
        if trial is not None:
            found = [str(trial.number), _scores(trial.in_sample), _scores(trial.out_of_sample)]
        table.add_row(str(number), f"{count:,}", *found)
    return table


def _scores(values: Sequence[float]) -> str:
    return ", ".join(_number(value) for value in values)


def top_trials(
    trials: Sequence[FinishedTrial], directions: Sequence[str], count: int
) -> list[FinishedTrial]:
    """좋은 시행부터 count개: 제약을 만족하는 것이 먼저, 첫 목표의 값 차례, 같으면 먼저 나온 것."""
    sign = -1.0 if directions and directions[0] == "MAXIMIZE" else 1.0
    done = [trial for trial in trials if trial.state == "COMPLETE"]
    done.sort(key=lambda trial: (not trial.feasible, sign * trial.values[0], trial.number or 0))
    return done[:count]


def trial_json(trial: FinishedTrial) -> dict[str, Any]:
    """`--json`의 시행 하나. 무한대와 NaN은 JSON에 없으므로 글로 적는다."""
    return {
        "number": trial.number,
        "state": trial.state,
        "values": [finite(value) for value in trial.values],
        "feasible": trial.feasible,
        "constraints": [finite(value) for value in trial.constraints],
        "params": dict(trial.params),
        "metrics": {name: finite(value) for name, value in trial.metrics.items()},
        "fold": trial.fold,
        "in_sample": [finite(value) for value in trial.in_sample],
        "in_sample_constraints": [finite(value) for value in trial.in_sample_constraints],
        "out_of_sample": [finite(value) for value in trial.out_of_sample],
        "out_of_sample_metrics": {
            name: finite(value) for name, value in trial.out_of_sample_metrics.items()
        },
        "by_symbol": dict(trial.by_symbol),
        "intermediate": {str(step): finite(value) for step, value in trial.intermediate.items()},
        "started_at": trial.started_at.isoformat(),
        "finished_at": trial.finished_at.isoformat(),
        "duration_ms": round((trial.finished_at - trial.started_at) / timedelta(milliseconds=1), 3),
        "error": trial.error,
    }


def finite(value: float) -> float | str:
    """유한하면 그대로, 아니면 'inf' '-inf' 'nan'."""
    return value if math.isfinite(value) else str(value)


def _place(url: StorageUrl) -> str:
    """SQLite는 파일 이름이면 알아볼 수 있다: 폴더는 `--json`과 show가 보인다."""
    return url.path.name if url.path else url.masked


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}"


def _moment(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else "-"


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    # 파이프로 받으면 폭이 80이라 줄이 잘린다: 넉넉히 잡는다.
    return (
        console
        if console.is_terminal
        else Console(highlight=False, markup=False, emoji=False, width=240)
    )
