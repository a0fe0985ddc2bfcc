"""검증의 보고를 터미널에: split마다 한 줄, 이어 붙인 검증, 경로의 분포."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

from rich.table import Table

from optimize.report.summary import plain_console

# split이 더 많으면 표의 가운데를 줄인다. 모두는 validation.json에 있다.
_MAX_ROWS = 20


def print_validation(study: str, body: Mapping[str, Any], out: IO[str]) -> None:
    """`validation_report`의 내용을 out에 쓴다. 검증이 없으면 아무것도 쓰지 않는다."""
    splits = body["splits"]
    if not splits:
        return
    console = plain_console(out)
    table = Table(title=f"{study} · {body['label']}")
    titles = ("split", "학습", "검증", "시행", "이긴 시행", "학습 점수", "검증 점수",
              "검증 순이익 (%)", "검증 낙폭 (%)")  # fmt: skip
    for title in titles:
        left = title in ("학습", "검증")
        table.add_column(title, justify="left" if left else "right", overflow="fold")
    for split in splits[:_MAX_ROWS]:
        table.add_row(*_row(split))
    console.print(table)
    if len(splits) > _MAX_ROWS:
        console.print(
            f"split {len(splits) - _MAX_ROWS}개는 줄였습니다: 모두는 validation.json에 있습니다"
        )
    for line in _lines(body):
        console.print(line, soft_wrap=True)


def period_text(ranges: Sequence[Sequence[str]]) -> str:
    """날짜 범위들을 한 줄로: `2024-01-01~2024-04-25`. 여럿이면 쉼표로 잇는다."""
    return ", ".join(f"{first}~{last}" for first, last in ranges)


def _row(split: Mapping[str, Any]) -> list[str]:
    head = [
        str(split["split"] + 1),
        period_text(split["train"]),
        period_text(split["test"]),
        f"{split['n_trials']:,}",
    ]
    if split["winner"] is None:
        return [*head, "없음"]
    metrics = split["out_of_sample_metrics"]
    return [
        *head,
        f"#{split['winner']}",
        _scores(split["in_sample"]),
        _scores(split["out_of_sample"]),
        f"{metrics['net_profit_pct']:,.2f}",
        f"{metrics['max_drawdown_pct']:,.2f}",
    ]


def _scores(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.4f}" for value in values)


def _lines(body: Mapping[str, Any]) -> list[str]:
    lines = []
    missing = sum(split["winner"] is None for split in body["splits"])
    if missing:
        lines.append(
            f"이긴 시행이 없는 split {missing}개: 학습에서 제약을 지킨 시행이 없어 쉰 것으로 봅니다. "
            "objective.constraints를 낮추거나 시행을 늘려 보세요"
        )
    stitched = body["stitched"]
    if stitched is not None and len(body["splits"]) > 1:
        m = stitched["metrics"]
        lines.append(
            f"이어 붙인 검증 ({period_text(stitched['dates'])}): 점수 {_scores(body['score'])} · "
            f"Sharpe {m['sharpe']:.2f} · 순이익 {m['net_profit_pct']:,.2f} % · "
            f"최대 낙폭 {m['max_drawdown_pct']:.2f} %"
        )
    if body["method"] == "walk_forward" and body["efficiency"] is not None:
        lines.append(_efficiency(body["efficiency"]))
    spread = body["path_scores"]
    if spread is not None:
        lines.append(
            f"검증 경로 {spread['n']}개의 점수: 중앙값 {spread['median']:.4f} · 평균 {spread['mean']:.4f} "
            f"± {spread['std']:.4f} · 최악 {spread['min']:.4f} · 최고 {spread['max']:.4f} · "
            f"0보다 큰 것 {100 * spread['positive_share']:.0f} %"
        )
    return lines


def _efficiency(found: Mapping[str, float | None]) -> str:
    inside, outside = found["in_sample_cagr_pct"], found["out_of_sample_cagr_pct"]
    if found["value"] is None:
        return (
            f"walk-forward efficiency: 없음 (학습의 연환산 수익률이 {inside:,.2f} %로 0 이하입니다)"
        )
    return (
        f"walk-forward efficiency {found['value']:.2f} "
        f"(연환산 수익률: 학습 {inside:,.2f} % → 검증 {outside:,.2f} %)"
    )
