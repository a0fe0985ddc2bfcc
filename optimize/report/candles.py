"""실행이 쓴 캔들의 보고: 출처, 기간, 지문, 흠. 끝의 글과 `data.json`이 같은 것을 말한다."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize.data.period import format_period
from optimize.report.trials import private_file

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef

DATA_FILE = "data.json"


def data_json(ref: DatasetRef) -> dict[str, Any]:
    """한 심볼의 캔들. faults: 알린 흠과 알릴 것, 없으면 빈 목록. 시각은 UTC ms, 끝은 포함하지 않는다."""
    return {
        "symbol": ref.symbol,
        "cell": ref.cell,
        "source": ref.source,
        "is_demo": ref.is_demo,
        "start_ms": ref.start_ms,
        "end_ms": ref.end_ms,
        "period": format_period(ref.start_ms, ref.end_ms),
        "bars": ref.bars,
        "filled_bars": ref.filled_bars,
        "fingerprint": ref.fingerprint,
        "faults": list(ref.notes),
        "tick_size": ref.tick_size,
        "step_size": ref.step_size,
        "min_notional": ref.min_notional,
    }


def candle_lines(ref: DatasetRef) -> list[str]:
    """사람이 읽는 줄들: 한 줄에 출처와 지문, 그 밑에 흠."""
    filled = f", 채운 봉 {ref.filled_bars:,}" if ref.filled_bars else ""
    head = (
        f"캔들 {ref.symbol} {ref.cell}: {ref.source}, {ref.bars:,}봉{filled}, "
        f"지문 {ref.fingerprint[:16]}"
    )
    if not ref.notes:
        return [f"{head}, 흠 없음"]
    return [head, *(f"  흠: {note}" for note in ref.notes)]


def write_data(path: Path, refs: Sequence[DatasetRef]) -> None:
    """`data.json`을 쓴다(0600)."""
    body = {"version": 1, "markets": [data_json(ref) for ref in refs]}
    with private_file(path) as temporary:
        temporary.write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
