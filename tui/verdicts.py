"""판정과 검증의 기록(`verdict.json`, `validation.json`)을 화면의 값으로. Textual을 모른다."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERDICT_FILE, VALIDATION_FILE = "verdict.json", "validation.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """잣대 하나. mark: good | warn | bad | unknown. todo: 할 일, 없으면 빈 글."""

    key: str
    title: str
    mark: str
    text: str
    todo: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """스터디 하나의 판정. label: 한 마디. headline: 한 문장."""

    study: str
    cell: str
    level: str
    label: str
    headline: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class SplitRow:
    """나눔 하나. train, test: `(첫 날, 마지막 날)`들. winner: 이긴 시행의 번호, 없으면 None."""

    number: int
    train: tuple[tuple[str, str], ...]
    test: tuple[tuple[str, str], ...]
    trials: int
    winner: int | None
    in_sample: float | None
    out_of_sample: float | None
    profit: float | None
    drawdown: float | None


@dataclass(frozen=True, slots=True)
class Validation:
    """스터디 하나의 검증. stitched: 이어 붙인 검증(metrics와 기간), efficiency: walk-forward일 때."""

    label: str
    rows: tuple[SplitRow, ...]
    score: float | None
    stitched: Mapping[str, Any]
    efficiency: Mapping[str, Any]


def parse_verdict(body: Mapping[str, Any]) -> Verdict:
    """`studies verdict --json`이나 verdict.json에서. 모르는 칸은 건너뛴다."""
    findings = tuple(
        Finding(*(str(item.get(name) or "") for name in ("key", "title", "mark", "text", "todo")))
        for item in body.get("findings", ())
        if isinstance(item, Mapping)
    )

    def text(name: str) -> str:
        return str(body.get(name) or "")

    return Verdict(
        text("study"), text("cell"), text("level"), text("label"), text("headline"), findings
    )


def parse_validation(body: Mapping[str, Any]) -> Validation:
    """validation.json에서."""
    stitched, efficiency = body.get("stitched"), body.get("efficiency")
    return Validation(
        str(body.get("label", "")),
        tuple(_split(item) for item in body.get("splits", ()) if isinstance(item, Mapping)),
        _first(body.get("score")),
        stitched if isinstance(stitched, Mapping) else {},
        efficiency if isinstance(efficiency, Mapping) else {},
    )


def read_record(studies: Path, study: str, name: str) -> dict[str, Any] | None:
    """`studies/*/<name>` 가운데 그 스터디의 것. 없거나 읽을 수 없으면 None.

    이름을 따로 지었거나 바꾼 스터디의 것은 `studies/*/<스터디>/<name>`에 있다(바꾸면 속의 이름은 옛것이다).
    """
    for path in (*studies.glob(f"*/{name}"), *studies.glob(f"*/*/{name}")):
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(body, dict) and study in (body.get("study"), path.parent.name):
            return body
    return None


def _split(item: Mapping[str, Any]) -> SplitRow:
    metrics = item.get("out_of_sample_metrics")
    metrics = metrics if isinstance(metrics, Mapping) else {}
    winner = item.get("winner")
    return SplitRow(
        int(item.get("split", 0)) + 1,
        _ranges(item.get("train")),
        _ranges(item.get("test")),
        int(item.get("n_trials") or 0),
        winner if isinstance(winner, int) else None,
        _first(item.get("in_sample")),
        _first(item.get("out_of_sample")),
        metrics.get("net_profit_pct"),
        metrics.get("max_drawdown_pct"),
    )


def _ranges(parts: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(parts, list):
        return ()
    return tuple((str(part[0]), str(part[-1])) for part in parts if part)


def _first(values: Any) -> float | None:
    ok = isinstance(values, Sequence) and len(values) > 0 and isinstance(values[0], (int, float))
    return float(values[0]) if ok else None
