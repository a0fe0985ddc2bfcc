"""파레토 최적 시행들을 표·CSV·JSON으로. 목표의 값은 자기 단위 그대로다."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from optimize.backtest.metrics import METRICS
from optimize.report.trials import private_file
from optimize.trial import FinishedTrial

SHOWN_ROWS = 20
_BESIDE = ("net_profit_pct", "sharpe", "max_drawdown_pct", "profit_factor", "trades")


@dataclass(frozen=True, slots=True)
class GoalInfo:
    """시행의 값 하나가 무엇인지. metric: 지표의 이름 또는 'score'. direction: 'maximize' | 'minimize'."""

    metric: str
    label: str
    direction: str

    @property
    def title(self) -> str:
        """표의 머리: 이름과 단위, 좋은 쪽."""
        info = METRICS.get(self.metric)
        unit = f" ({info.unit})" if info is not None and info.unit else ""
        return f"{self.label}{unit} {'↑' if self.direction == 'maximize' else '↓'}"

    def text(self, value: float) -> str:
        """값을 지표의 자릿수로."""
        info = METRICS.get(self.metric)
        return f"{value:,.{4 if info is None else info.digits}f}"


def goals_of(directions: Sequence[str], metrics: Sequence[str]) -> list[GoalInfo]:
    """시행의 `values`가 무엇인지 차례로. metrics: 설정의 목표들(무게로 더한 점수면 쓰지 않는다).

    다른 도구가 만든 스터디처럼 지표를 모르면 '목표 1', '목표 2'라고 한다.
    """
    ways = [way.lower() for way in directions]
    if len(ways) == 1:
        return [GoalInfo("score", "점수", ways[0])]
    if len(metrics) != len(ways):
        return [GoalInfo(f"goal_{i}", f"목표 {i}", way) for i, way in enumerate(ways, 1)]
    labels = [METRICS[name].label if name in METRICS else name for name in metrics]
    return [GoalInfo(*item) for item in zip(metrics, labels, ways, strict=True)]


def goals_json(goals: Sequence[GoalInfo]) -> list[dict[str, str]]:
    """사건과 `--json`의 goals."""
    return [asdict(goal) for goal in goals]


def front_json(trial: FinishedTrial) -> dict[str, Any]:
    """파레토 최적 시행 하나. 무한대와 NaN은 글로 적는다. out_of_sample: 검증이 없으면 빈 목록."""
    return {
        "number": trial.number,
        "values": [_finite(value) for value in trial.values],
        "params": dict(trial.params),
        "metrics": {name: _finite(value) for name, value in trial.metrics.items()},
        "out_of_sample": [_finite(value) for value in trial.out_of_sample],
        "out_of_sample_metrics": {
            name: _finite(value) for name, value in trial.out_of_sample_metrics.items()
        },
    }


def write_front_json(
    path: Path, study: str, goals: Sequence[GoalInfo], front: Sequence[FinishedTrial]
) -> None:
    """{study, goals, front: [front_json…]}을 쓴다(0600). 쓰지 못하면 OSError."""
    body = {"study": study, "goals": goals_json(goals), "front": [front_json(t) for t in front]}
    with private_file(path) as temporary:
        temporary.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", "utf-8")


def write_front_csv(
    path: Path, goals: Sequence[GoalInfo], front: Sequence[FinishedTrial], params: Sequence[str]
) -> None:
    """시행마다 한 줄: 번호, 목표의 값(`goal.이름`), 검증 값(`out_of_sample.이름`), 지표, 파라미터."""
    names = [goal.metric for goal in goals]
    header = [
        "number",
        *(f"goal.{name}" for name in names),
        *(f"out_of_sample.{name}" for name in names),
        *METRICS,
        *(f"param.{name}" for name in params),
    ]
    with private_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for trial in front:
            writer.writerow(
                [
                    trial.number,
                    *trial.values,
                    *(trial.out_of_sample or [""] * len(names)),
                    *(trial.metrics.get(name, "") for name in METRICS),
                    *(trial.params.get(name, "") for name in params),
                ]
            )


def print_front(
    study: str, goals: Sequence[GoalInfo], front: Sequence[FinishedTrial], out: IO[str]
) -> None:
    """첫 목표가 좋은 차례로 20줄까지. 목표 값이 모두 같은 시행들은 한 줄로 모은다."""
    from rich.table import Table

    from optimize.report.summary import plain_console

    console = plain_console(out)
    lines = [(values, list(same)) for values, same in groupby(front, key=lambda t: t.values)]
    table = Table(title=f"{study}: 파레토 최적 {len(front)}개", title_justify="left")
    for title, *_ in _columns(goals, front):
        table.add_column(title, justify="right", overflow="fold")
    for _, same in lines[:SHOWN_ROWS]:
        table.add_row(*(text(same) for _, text in _columns(goals, front)))
    console.print(table)
    if len(lines) > SHOWN_ROWS:
        rest = sum(len(same) for _, same in lines[SHOWN_ROWS:])
        console.print(f"{study}: 나머지 {rest}개는 front.csv에 있습니다", soft_wrap=True)


def _columns(goals: Sequence[GoalInfo], front: Sequence[FinishedTrial]) -> list[Any]:
    """(머리, 같은 값의 시행들 → 글)."""

    def number(same: Sequence[FinishedTrial]) -> str:
        more = f" 외 {len(same) - 1}" if len(same) > 1 else ""
        return f"{same[0].number}{more}"

    def value(place: int, attribute: str) -> Any:
        def text(same: Sequence[FinishedTrial]) -> str:
            values = getattr(same[0], attribute)
            return goals[place].text(values[place]) if values else ""

        return text

    def metric(name: str) -> Any:
        def text(same: Sequence[FinishedTrial]) -> str:
            found: Mapping[str, float] = same[0].metrics
            return f"{found[name]:,.{METRICS[name].digits}f}" if name in found else ""

        return text

    columns: list[Any] = [("시행", number)]
    columns += [(goal.title, value(i, "values")) for i, goal in enumerate(goals)]
    if any(trial.out_of_sample for trial in front):
        columns += [
            (f"검증 {goal.label}", value(i, "out_of_sample")) for i, goal in enumerate(goals)
        ]
    taken = {goal.metric for goal in goals}
    for name in _BESIDE:
        if name not in taken:
            info = METRICS[name]
            title = f"{info.label} ({info.unit})" if info.unit else info.label
            columns.append((title, metric(name)))
    return columns


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
