"""최선의 파라미터: 그대로 `--config`로 되먹일 수 있는 `best.yaml`과 그 거래 목록."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from optimize.report.trials import private_file
from optimize.trial import FinishedTrial, Params

if TYPE_CHECKING:
    from optimize.backtest.costs import CostModel
    from optimize.backtest.result import BacktestResult
    from optimize.data.dataset import Dataset, DatasetRef
    from optimize.validation.splits import Scheme

_TRADE_COLUMNS = ("entry_price", "exit_price", "quantity", "fees", "funding", "pnl", "return_pct")


def write_best_yaml(
    path: Path,
    settings: Mapping[str, Any],
    study: str,
    cell: str,
    trial: FinishedTrial,
    full: Params,
) -> None:
    """설정 전체에 최선의 값을 고정해 쓴다(0600).

    settings: `Params.model_dump(mode="json")`. full: 꺼진 것의 기본값까지 모두. 탐색할 것이 없으므로
    목표는 시행 하나이고, 원래 스터디와 견줄 수 없는 공간이므로 이름은 `<study>_best`다.
    저장소의 URL은 비밀번호가 들 수 있어 적지 않는다.
    """
    search = {
        **settings["search"],
        "n_trials": 1,
        "study_name": f"{study}_best",
        "storage_url": None,
        "pruner": "none",
    }
    body = {
        **settings,
        "timeframe_grid": cell,
        "strategy": {**settings["strategy"], "space": dict(full)},
        "search": search,
    }
    head = (
        f"# {study}의 최선: 시행 {trial.number}, {_scores(trial)}\n"
        f"# 그대로 다시 계산하기: python -m optimize.run --config {shlex.quote(str(path))}\n"
        "# strategy.space의 값을 범위({low: …, high: …})로 바꾸면 그 둘레를 다시 탐색합니다.\n"
    )
    text = yaml.safe_dump(body, allow_unicode=True, sort_keys=False, width=1000)
    with private_file(path) as temporary:
        temporary.write_text(head + text, encoding="utf-8")


def _scores(trial: FinishedTrial) -> str:
    if len(trial.values) == 1:
        return f"점수 {trial.values[0]:.6g}"
    values = ", ".join(f"{value:.6g}" for value in trial.values)
    return f"목표 {values} (파레토 최적 가운데 첫 목표가 가장 좋은 것, 나머지는 front.csv)"


def write_best_trades(
    path: Path,
    ref: DatasetRef,
    strategy: str,
    costs: CostModel,
    full: Params,
    scheme: Scheme | None = None,
) -> int:
    """최선의 거래 목록을 `path`에 쓴다(시각은 UTC ISO 8601). 거래 수를 준다.

    sample 열: split이 하나면 그 거래가 든 구간(in_sample, out_of_sample, 경계를 넘으면 boundary), 아니면 빈칸.
    """
    from datetime import UTC, datetime

    from optimize.backtest.engine import run_backtest
    from optimize.backtest.result import EXIT_REASONS
    from optimize.strategy.registry import load_strategy

    dataset = ref.open()
    result = run_backtest(dataset, load_strategy(strategy), full, costs)
    times = dataset.ltf.open_time

    def moment(bar: int) -> str:
        stamp = datetime.fromtimestamp(int(times[bar]) / 1000, tz=UTC)
        return stamp.strftime("%Y-%m-%dT%H:%M:%SZ")

    with private_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        header = ["side", "entry_time", "exit_time", *_TRADE_COLUMNS, "bars", "reason", "sample"]
        writer.writerow(header)
        for row, sample in zip(result.trades, _samples(result, dataset, scheme), strict=True):
            writer.writerow(
                [
                    "long" if row["side"] > 0 else "short",
                    moment(int(row["entry_bar"])),
                    moment(int(row["exit_bar"])),
                    *(f"{float(row[name]):.10g}" for name in _TRADE_COLUMNS),
                    int(row["bars"]),
                    EXIT_REASONS.get(int(row["reason"]), str(int(row["reason"]))),
                    sample,
                ]
            )
    return len(result.trades)


def _samples(result: BacktestResult, dataset: Dataset, scheme: Scheme | None) -> list[str]:
    """거래마다 든 구간."""
    from optimize.backtest.segments import Calendar, Segment

    if scheme is None or len(scheme.splits) != 1:
        return [""] * len(result.trades)
    calendar, (split,) = Calendar.of(dataset), scheme.splits
    bars = {
        "in_sample": Segment.of(calendar, split.train).ranges.tolist(),
        "out_of_sample": Segment.of(calendar, split.test).ranges.tolist(),
    }
    return [
        next(
            (
                name
                for name, ranges in bars.items()
                for _, _, first, end in ranges
                if first <= trade["entry_bar"] and trade["exit_bar"] < end
            ),
            "boundary",
        )
        for trade in result.trades
    ]
