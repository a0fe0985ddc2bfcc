"""시행을 csv·parquet·json으로 내보낸다. 열 이름은 `trials.csv`와 같다."""

from __future__ import annotations

import csv
import sys
from collections.abc import Container, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from optimize.errors import SettingsError, os_reason
from optimize.report.trials import (
    private_file,
    score_columns,
    validation_cells,
    validation_columns,
)
from optimize.studies.json_text import json_text
from optimize.studies.present import trial_json
from optimize.trial import FinishedTrial


def export_trials(
    trials: Sequence[FinishedTrial],
    n_objectives: int,
    kind: str,
    target: Path | None,
    front: Container[str] = (),
) -> int:
    """내보내고 시행 수를 돌려준다. front: 파레토 최적 시행의 uid들(목표가 여럿이면 그 열이 생긴다).

    kind: csv | parquet | json. target: None이면 stdout(parquet은 안 된다). 파일은 0600이고
    원자적으로 생긴다. SettingsError: 쓸 수 없는 자리다.
    """
    if target is None:
        if kind == "parquet":
            raise SettingsError(
                "parquet은 파일로만 내보냅니다",
                "글이 아니라서 stdout에 쓰지 않습니다",
                "--output 이름.parquet 을 붙입니다",
            )
        _write_text(sys.stdout, kind, trials, n_objectives, front)
        return len(trials)
    try:
        with private_file(target) as temporary:
            if kind == "parquet":
                _write_parquet(temporary, trials, n_objectives, front)
            else:
                # stdout처럼, UTF-8로 적을 수 없는 글자는 `\\udcff`로 적는다.
                with temporary.open(
                    "w", encoding="utf-8", errors="backslashreplace", newline=""
                ) as file:
                    _write_text(file, kind, trials, n_objectives, front)
    except OSError as error:
        raise SettingsError(
            "파일에 쓰지 못했습니다", f"{target}: {os_reason(error)}", "쓸 수 있는 자리를 고릅니다"
        ) from error
    return len(trials)


def rows(
    trials: Sequence[FinishedTrial], n_objectives: int, front: Container[str] = ()
) -> list[dict[str, Any]]:
    """시행마다 한 줄의 평평한 사전. 모든 줄의 열이 같고 없는 값은 None이다."""
    metrics = _names(trial.metrics for trial in trials)
    params = _names(trial.params for trial in trials)
    scores, checks = score_columns(n_objectives), validation_columns(n_objectives)
    return [
        {
            "number": trial.number,
            "state": trial.state,
            **{
                name: trial.values[index] if index < len(trial.values) else None
                for index, name in enumerate(scores)
            },
            **dict(zip(checks, validation_cells(trial, n_objectives), strict=True)),
            "feasible": "yes" if trial.feasible else "no",
            "fold": trial.fold,
            **({"front": "yes" if trial.uid in front else "no"} if n_objectives > 1 else {}),
            "started_at": trial.started_at.isoformat(timespec="milliseconds"),
            "duration_ms": round(
                (trial.finished_at - trial.started_at) / timedelta(milliseconds=1), 3
            ),
            **{name: trial.metrics.get(name) for name in metrics},
            **{f"param.{name}": trial.params.get(name) for name in params},
            "error": trial.error,
        }
        for trial in trials
    ]


def _write_text(
    file: IO[str],
    kind: str,
    trials: Sequence[FinishedTrial],
    n_objectives: int,
    front: Container[str],
) -> None:
    if kind == "json":
        several = n_objectives > 1
        bodies = [
            {**trial_json(trial), **({"front": trial.uid in front} if several else {})}
            for trial in trials
        ]
        file.write(json_text(bodies, indent=1) + "\n")
        return
    table = rows(trials, n_objectives, front)
    header = list(table[0]) if table else ["number", "state", "score"]
    writer = csv.DictWriter(file, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)


def _write_parquet(
    path: Path, trials: Sequence[FinishedTrial], n_objectives: int, front: Container[str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = rows(trials, n_objectives, front)
    columns = {name: [row[name] for row in table] for name in (table[0] if table else ())}
    arrays = {
        _utf8(name): pa.array([*map(_utf8, _uniform(values))]) for name, values in columns.items()
    }
    pq.write_table(pa.table(arrays), path)


def _uniform(values: list[Any]) -> list[Any]:
    """한 열에 글과 수가 섞인 선택지(예: 'SMA'와 3)는 모두 글로 적는다."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) <= 1:
        return values
    return [None if value is None else str(value) for value in values]


def _utf8(value: Any) -> Any:
    """글이면 UTF-8로 적을 수 있는 글로."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _names(mappings: Iterable[Any]) -> list[str]:
    """처음 나온 차례의 이름들."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))
