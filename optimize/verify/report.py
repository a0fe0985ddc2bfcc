"""시험의 결과를 사람과 기계가 읽는 꼴로."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from optimize.data.period import format_ms, format_period
from optimize.trial import Params

if TYPE_CHECKING:
    from optimize.backtest.lookahead import Leak
    from optimize.data.dataset import DatasetRef

VERSION = 1
_LISTED = 12


@dataclass(frozen=True, slots=True)
class TestedSet:
    """파라미터 한 묶음의 시험. label: `기본값`이나 `무작위 3`. first_bar, bars: 본 LTF 봉. leaks: 찾은 것.

    entries: 그 봉들에서 나온 진입 신호의 수.
    """

    label: str
    params: Params
    first_bar: int
    bars: int
    rounds: int
    leaks: tuple[Leak, ...]
    entries: int = 0


@dataclass(frozen=True, slots=True)
class TestedCell:
    """한 칸의 시험."""

    ref: DatasetRef
    sets: tuple[TestedSet, ...]

    @property
    def leaks(self) -> int:
        """찾은 수."""
        return sum(len(item.leaks) for item in self.sets)


def to_json(strategy: str, seed: int, cells: list[TestedCell]) -> dict[str, Any]:
    """`--json`의 모양. 시각은 UTC ms와 글 둘 다."""
    return {
        "version": VERSION,
        "strategy": strategy,
        "seed": seed,
        "ok": not any(cell.leaks for cell in cells),
        "leaks": sum(cell.leaks for cell in cells),
        "cells": [
            {
                "symbol": cell.ref.symbol,
                "cell": cell.ref.cell,
                "source": cell.ref.source,
                "is_demo": cell.ref.is_demo,
                "period": format_period(cell.ref.start_ms, cell.ref.end_ms),
                "fingerprint": cell.ref.fingerprint,
                "sets": [
                    {
                        "label": item.label,
                        "params": dict(item.params),
                        "first_bar": item.first_bar,
                        "bars": item.bars,
                        "rounds": item.rounds,
                        "entries": item.entries,
                        "leaks": [_leak_json(leak) for leak in item.leaks],
                    }
                    for item in cell.sets
                ],
            }
            for cell in cells
        ],
    }


def _leak_json(leak: Leak) -> dict[str, Any]:
    opened = leak.open_time_ms
    return {
        **asdict(leak),
        "time": None if opened is None else f"{format_ms(opened)} UTC",
        "cut_time": f"{format_ms(leak.cut_time_ms)} UTC",
        "text": str(leak),
    }


def lines(strategy: str, cells: list[TestedCell]) -> list[str]:
    """사람이 읽는 보고, 한국어 여러 줄."""
    body = [f"전략      {strategy}"]
    for cell in cells:
        ref = cell.ref
        rounds = sum(item.rounds for item in cell.sets)
        body += [
            f"캔들      {ref.symbol} {ref.cell} · {ref.source} · 지문 {ref.fingerprint[:8]}",
            f"          {format_period(ref.start_ms, ref.end_ms)} · LTF {ref.bars:,}봉",
            f"시험      파라미터 {len(cell.sets)}묶음, 봉 {rounds:,}곳마다 뒤를 자르고 뒤의 값을 바꿈",
        ]
        body += _silence(cell)
    found = [(cell, item, leak) for cell in cells for item in cell.sets for leak in item.leaks]
    if not found:
        body.append("결과      미래를 보는 곳을 찾지 못했습니다.")
        return body
    body.append(f"결과      미래를 보거나 값이 흔들리는 곳을 {len(found):,}개 찾았습니다.")
    for cell, item, leak in found[:_LISTED]:
        body.append(f"  {cell.ref.cell} · {item.label} · {leak}")
    if len(found) > _LISTED:
        body.append(f"  … 그 밖에 {len(found) - _LISTED:,}개(--json 으로 모두 봅니다)")
    shown = {id(item): item for _, item, _ in found[:_LISTED]}
    body += [
        f"  파라미터 {item.label}: "
        + ", ".join(f"{name}={value}" for name, value in item.params.items())
        for item in shown.values()
        if item.params
    ]
    return body


def _silence(cell: TestedCell) -> list[str]:
    """신호가 없던 묶음의 알림: 움직일 신호가 없으면 새는 것도 보이지 않는다."""
    silent = sum(not item.entries for item in cell.sets)
    if not silent:
        return []
    which = "모든 묶음" if silent == len(cell.sets) else f"{silent}묶음"
    return [
        f"알림      {which}에서 진입 신호가 한 번도 나오지 않았습니다. 새는 곳이 있어도 보이지 않을 수 "
        "있으니 더 긴 캔들을 주거나 --bars 를 늘리세요"
    ]
