"""검증의 보고: split마다 이긴 시행의 학습과 검증 점수, 이어 붙인 검증 구간, CPCV의 경로.

이긴 시행은 그 split에 돌아간 시행 가운데, 학습에서 제약을 지키고 학습 점수가 가장 좋은 것이다. 이긴 시행을
전체 기간에 다시 돌려 검증의 날들만 이어 붙인다: 창마다 그때까지의 최선으로 거래한 계좌의 성적이다.

walk-forward efficiency = 이어 붙인 검증의 연환산 수익률 / 학습의 연환산 수익률 (Pardo, The Evaluation and
Optimization of Trading Strategies, 2판 2008, 11장). 학습의 것은 이긴 시행들의 로그 수익을 모두 더해 날 수의
합으로 연환산한 것이다. 학습의 것이 0 이하면 비율에 뜻이 없으므로 셈하지 않는다(None).
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimize.backtest.metrics import TRADING_DAYS
from optimize.backtest.result import BacktestResult
from optimize.backtest.segments import Calendar, Segment, segment_metrics
from optimize.backtest.stitch import stitch
from optimize.report.trials import private_file
from optimize.search.winners import Winners
from optimize.trial import FinishedTrial, Params
from optimize.validation.splits import DayRange, Scheme, dates, joined, scheme_json

Rerun = Callable[[Params], BacktestResult]
Scorer = Callable[[Mapping[str, float]], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class _Run:
    """이긴 시행 하나와 다시 돌린 것."""

    trial: FinishedTrial
    result: BacktestResult


def validation_report(
    scheme: Scheme, winners: Winners, calendar: Calendar, rerun: Rerun, score: Scorer
) -> dict[str, Any]:
    """`validation.json`의 내용. 칸의 뜻은 docs/validation.md.

    rerun: 켜진 파라미터의 전체 기간 백테스트. score: 지표들의 목표 값들.
    """
    cache: dict[str, BacktestResult] = {}
    runs: list[_Run | None] = []
    for trial in winners.trials:
        if trial is None:
            runs.append(None)
            continue
        if trial.uid not in cache:
            cache[trial.uid] = rerun(trial.params)
        runs.append(_Run(trial, cache[trial.uid]))
    body: dict[str, Any] = {"version": 1, **scheme_json(scheme), "score": None}
    body["period"] = list(dates(scheme.period))
    body["splits"] = [
        {"split": i, **days, "n_trials": winners.counts[i], **_winner(scheme, i, run, calendar)}
        for i, (days, run) in enumerate(zip(body["splits"], runs, strict=True))
    ]
    if not any(runs):
        return {**body, "stitched": None, "efficiency": None, "paths": [], "path_scores": None}
    if scheme.rules.method == "cpcv":
        paths = [_path(scheme, path, runs, calendar, score) for path in scheme.paths()]
        found = spread([path["score"][0] for path in paths])
        median = [
            statistics.median(column) for column in zip(*(p["score"] for p in paths), strict=True)
        ]
        return {
            **body, "score": median, "stitched": None, "efficiency": None,
            "paths": paths, "path_scores": found,
        }  # fmt: skip
    pieces = [(run, split.test[0]) for run, split in zip(runs, scheme.splits, strict=True)]
    joined_days, result = _stitched(pieces, calendar)
    metrics = segment_metrics(result, Segment.of(calendar, joined_days))
    return {
        **body,
        "score": list(score(metrics)),
        "stitched": {"dates": [list(dates(part)) for part in joined_days], "metrics": metrics},
        "efficiency": _efficiency(scheme, runs, calendar, metrics["cagr_pct"]),
        "paths": [],
        "path_scores": None,
    }


def write_validation(path: Path, body: Mapping[str, Any]) -> None:
    """0600 파일로 원자적으로 쓴다. 쓰지 못하면 OSError."""
    with private_file(path) as temporary:
        text = json.dumps(body, ensure_ascii=False, indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def _winner(scheme: Scheme, index: int, run: _Run | None, calendar: Calendar) -> dict[str, Any]:
    if run is None:
        return {"winner": None}
    train = Segment.of(calendar, scheme.splits[index].train)
    return {
        "winner": run.trial.number,
        "params": dict(run.trial.params),
        "in_sample": list(run.trial.in_sample),
        "out_of_sample": list(run.trial.out_of_sample),
        "in_sample_metrics": segment_metrics(run.result, train),
        "out_of_sample_metrics": dict(run.trial.out_of_sample_metrics),
    }


def _stitched(
    pieces: Sequence[tuple[_Run | None, DayRange]], calendar: Calendar
) -> tuple[tuple[DayRange, ...], BacktestResult]:
    parts = [(None if run is None else run.result, days) for run, days in pieces]
    return joined(days for _, days in pieces), stitch(parts, calendar)


def _path(
    scheme: Scheme,
    path: Sequence[int],
    runs: Sequence[_Run | None],
    calendar: Calendar,
    score: Scorer,
) -> dict[str, Any]:
    """CPCV의 한 경로: 묶음마다 그 경로의 split이 이긴 시행."""
    pieces = [(runs[split], days) for split, days in zip(path, scheme.groups, strict=True)]
    days, result = _stitched(pieces, calendar)
    metrics = segment_metrics(result, Segment.of(calendar, days))
    return {"splits": list(path), "score": list(score(metrics)), "metrics": metrics}


def spread(scores: Sequence[float]) -> dict[str, float]:
    """경로 점수의 분포. std는 n - 1, 사분위수는 선형 보간. 경로가 하나면 std는 0이다."""
    ordered = sorted(scores)
    quarters = (
        statistics.quantiles(ordered, method="inclusive") if len(ordered) > 1 else ordered * 3
    )
    return {
        "n": len(ordered),
        "mean": statistics.fmean(ordered),
        "std": statistics.stdev(ordered) if len(ordered) > 1 else 0.0,
        "min": ordered[0],
        "p25": quarters[0],
        "median": quarters[1],
        "p75": quarters[2],
        "max": ordered[-1],
        "positive_share": sum(value > 0 for value in ordered) / len(ordered),
    }


def _efficiency(
    scheme: Scheme, runs: Sequence[_Run | None], calendar: Calendar, out_of_sample: float
) -> dict[str, float | None]:
    """walk-forward efficiency와 그 두 연환산 수익률(%)."""
    growth = days = 0.0
    for run, split in zip(runs, scheme.splits, strict=True):
        if run is not None:
            train = Segment.of(calendar, split.train)
            profit = segment_metrics(run.result, train)["net_profit_pct"]
            growth += math.log(max(1.0 + profit / 100.0, 1e-12))
            days += train.days
    inside = 100.0 * (math.exp(min(growth * TRADING_DAYS / days, 50.0)) - 1.0) if days > 0 else 0.0
    return {
        "in_sample_cagr_pct": inside,
        "out_of_sample_cagr_pct": out_of_sample,
        "value": out_of_sample / inside if inside > 0 else None,
    }
