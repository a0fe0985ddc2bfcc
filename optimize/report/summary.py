"""끝에 보이는 표: 스터디마다 몇 개를 어떻게 끝냈고 최선이 무엇인가."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from optimize.backtest.metrics import METRICS
from optimize.report.by_symbol import symbol_lines
from optimize.report.front import GoalInfo, print_front
from optimize.trial import FinishedTrial

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = ("net_profit_pct", "sharpe", "max_drawdown_pct", "profit_factor", "trades")
NO_FEASIBLE = "제약을 만족한 시행이 없음"
_PLAIN_WIDTH = 140


@dataclass(frozen=True, slots=True)
class StudySummary:
    """표의 한 줄. best: 제약을 만족한 최선, 없으면 None. folder: 결과가 놓인 곳.

    last_error: 이 실행에서 마지막으로 실패한 시행의 까닭, 없으면 빈 글.
    front, goals: 목표가 여럿이면 파레토 최적 시행들과 그 값의 뜻, 하나면 비었다. 그때 best는 그 첫 시행이다.
    validated: 검증을 두었는가. 그때 best의 점수와 지표는 학습의 것이고 out_of_sample이 검증의 점수다.
    """

    study: str
    cell: str
    target: int
    n_complete: int
    n_pruned: int
    n_failed: int
    best: FinishedTrial | None
    folder: Path
    is_demo: bool = False
    last_error: str = ""
    front: Sequence[FinishedTrial] = ()
    goals: Sequence[GoalInfo] = ()
    params: Mapping[str, object] = field(default_factory=dict)
    validated: bool = False
    out_of_sample: Sequence[float] | None = None

    @property
    def n_finished(self) -> int:
        """끝난 시행의 수."""
        return self.n_complete + self.n_pruned + self.n_failed


def print_summary(summaries: Sequence[StudySummary], out: IO[str]) -> None:
    """표와 결과의 자리를 쓴다."""
    from rich.table import Table

    console = plain_console(out)
    table = Table(title="결과")
    validated = any(summary.validated for summary in summaries)
    scores = ("학습 점수", "검증 점수") if validated else ("점수",)
    for title in ("스터디", "시행", *scores, *(_title(name) for name in _SHOWN)):
        table.add_column(title, justify="left" if title == "스터디" else "right", overflow="fold")
    for summary in summaries:
        table.add_row(*_row(summary))
    console.print(table)
    if validated:
        console.print(
            "순이익부터 거래 수까지는 학습 구간의 지표이고, 검증 점수는 split마다 학습에서 이긴 시행의 "
            "검증 구간을 이은 것입니다(CPCV는 경로 점수의 중앙값).",
            soft_wrap=True,
        )
    for summary in summaries:
        if summary.front:
            print_front(summary.study, summary.goals, summary.front, out)
    for summary in summaries:
        for line in _notes(summary):
            console.print(line, soft_wrap=True)


def plain_console(out: IO[str]) -> Console:
    """꾸밈 글을 읽지 않는 console. 단말기가 아니면 폭을 넉넉히 잡는다(줄이 잘리지 않게).

    받는 쪽이 닫혔으면 BrokenPipeError다(rich는 exit code 1로 프로세스를 끝낸다).
    """
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            # rich가 BrokenPipeError를 잡은 자리에서 부른다.
            raise

    width = None if out.isatty() else _PLAIN_WIDTH
    return Plain(file=out, width=width, highlight=False, markup=False)


def _title(name: str) -> str:
    info = METRICS[name]
    return f"{info.label} ({info.unit})" if info.unit else info.label


def _row(summary: StudySummary) -> list[str]:
    parts = [f"{summary.n_finished}/{summary.target}"]
    if summary.n_pruned:
        parts.append(f"중단 {summary.n_pruned}")
    if summary.n_failed:
        parts.append(f"실패 {summary.n_failed}")
    name = f"{summary.study} [합성 데모]" if summary.is_demo else summary.study
    head = [name, " · ".join(parts)]
    if summary.best is None:
        return [*head, NO_FEASIBLE if summary.n_complete else "끝까지 계산한 시행이 없음"]
    metrics = summary.best.metrics
    cells = [
        f"{metrics[name]:,.{METRICS[name].digits}f}" if name in metrics else "" for name in _SHOWN
    ]
    front = f"파레토 {len(summary.front)}개"
    scores = [front if summary.front else f"{summary.best.values[0]:.4f}"]
    if summary.validated:
        found = summary.out_of_sample
        scores.append(" / ".join(f"{value:.4f}" for value in found) if found else "없음")
    return [*head, *scores, *cells]


def _notes(summary: StudySummary) -> list[str]:
    lines = []
    if summary.best is None and summary.n_complete:
        lines.append(
            f"{summary.study}: {NO_FEASIBLE}. objective.constraints를 낮추거나 시행을 늘려 보세요"
        )
    if summary.last_error:
        lines.append(
            f"{summary.study}: 실패한 시행이 {summary.n_failed}개입니다. 마지막 까닭: {summary.last_error}"
        )
    if summary.best is not None and summary.best.by_symbol:
        lines.append(f"{summary.study}: 최선(시행 {summary.best.number})의 심볼마다의 점수")
        lines += [f"  {line}" for line in symbol_lines(summary.best)]
    lines.append(f"{summary.study}: {summary.folder}")
    return lines
