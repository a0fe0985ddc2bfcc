"""모든 시행의 표 `trials.csv`: 번호, 상태, 점수, 지표, 파라미터."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from optimize.trial import FinishedTrial

_REST = ("feasible", "fold", "started_at", "duration_ms")


def score_columns(n_objectives: int) -> list[str]:
    """목표 값의 열: 하나면 `score`, 여럿이면 `score_0`, `score_1`, …"""
    return ["score"] if n_objectives == 1 else [f"score_{i}" for i in range(n_objectives)]


def validation_columns(n_objectives: int) -> list[str]:
    """검증의 열: 학습과 검증의 목표 값(`in_sample_score`, `out_of_sample_score`, 여럿이면 뒤에 번호)."""
    sides = ("in_sample_", "out_of_sample_")
    return [side + name for side in sides for name in score_columns(n_objectives)]


def validation_cells(trial: FinishedTrial, n_objectives: int) -> list[float | None]:
    """`validation_columns`의 값, 없으면 None."""
    return [
        values[i] if i < len(values) else None
        for values in (trial.in_sample, trial.out_of_sample)
        for i in range(n_objectives)
    ]


def write_trials_csv(
    path: Path,
    trials: Iterable[FinishedTrial],
    metrics: Sequence[str],
    params: Sequence[str],
    n_objectives: int = 1,
) -> None:
    """시행마다 한 줄(UTF-8, 머리줄 하나). 꺼진 파라미터와 없는 지표는 빈칸이다.

    metrics, params: 열의 차례. 이름이 겹치지 않게 지표는 그대로, 파라미터는 `param.이름`이다.
    쓰지 못하면 OSError. 파일은 0600이고 원자적으로 갈린다.
    """
    scores = [*score_columns(n_objectives), *validation_columns(n_objectives)]
    head = ["number", "state", *scores, *_REST]
    header = [*head, *metrics, *(f"param.{name}" for name in params), "error"]
    with private_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(_rows(trials, metrics, params, n_objectives))


def _rows(
    trials: Iterable[FinishedTrial],
    metrics: Sequence[str],
    params: Sequence[str],
    n_objectives: int,
) -> Iterator[list[object]]:
    for trial in trials:
        milliseconds = (trial.finished_at - trial.started_at) / timedelta(milliseconds=1)
        yield [
            trial.number,
            trial.state,
            *(trial.values[i] if i < len(trial.values) else "" for i in range(n_objectives)),
            *("" if v is None else v for v in validation_cells(trial, n_objectives)),
            "yes" if trial.feasible else "no",
            "" if trial.fold is None else trial.fold,
            trial.started_at.isoformat(timespec="milliseconds"),
            round(milliseconds, 3),
            *(trial.metrics.get(name, "") for name in metrics),
            *(trial.params.get(name, "") for name in params),
            trial.error,
        ]


class private_file:  # noqa: N801 — with 문에서 함수처럼 읽힌다
    """`path` 곁에 0600 임시 파일을 만들고, 잘 끝나면 그 자리로 옮긴다."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")

    def __enter__(self) -> Path:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.close(os.open(self._temporary, flags, 0o600))
        return self._temporary

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            os.replace(self._temporary, self._path)
        else:
            self._temporary.unlink(missing_ok=True)
