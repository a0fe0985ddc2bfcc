"""실행이 쓴 캔들의 보고: 출처, 기간, 지문, 흠. 끝의 글과 `data.json`이 같은 것을 말한다."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize.data.period import format_period
from optimize.report.trials import private_file

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef

DATA_FILE = "data.json"


def data_json(ref: DatasetRef) -> dict[str, Any]:
    """한 심볼의 캔들. faults: 알린 흠과 알릴 것, 없으면 빈 목록. 시각은 UTC ms, 끝은 포함하지 않는다.

    funding: 기간 안의 펀딩의 수와 그 간격(시간)들, 펀딩 기록이 없으면 null.
    """
    funding = _funding(ref)
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
        "funding": None if funding is None else {"times": funding[0], "hours": funding[1]},
        "fingerprint": ref.fingerprint,
        "faults": list(ref.notes),
        "tick_size": ref.tick_size,
        "step_size": ref.step_size,
        "min_notional": ref.min_notional,
    }


def candle_lines(ref: DatasetRef) -> list[str]:
    """사람이 읽는 줄들: 한 줄에 출처와 지문, 그 밑에 흠."""
    filled = f", 채운 봉 {ref.filled_bars:,}" if ref.filled_bars else ""
    funding = _funding(ref)
    paid = "" if funding is None else f", 펀딩 {_funding_text(*funding)}"
    head = (
        f"캔들 {ref.symbol} {ref.cell}: {ref.source}, {ref.bars:,}봉{filled}{paid}, "
        f"지문 {ref.fingerprint[:16]}"
    )
    if not ref.notes:
        return [f"{head}, 흠 없음"]
    return [head, *(f"  흠: {note}" for note in ref.notes)]


def _funding(ref: DatasetRef) -> tuple[int, list[float]] | None:
    """(기간 안의 펀딩의 수, 그 사이의 서로 다른 간격(시간)들), 펀딩 기록이 없으면 None."""
    if ref.funding_path is None:
        return None
    from optimize.data import arrow_io

    time = arrow_io.open_funding(ref.funding_path).time
    inside = time[(time >= ref.start_ms) & (time < ref.end_ms)]
    gaps = {int(later - earlier) for earlier, later in pairwise(inside)}
    return len(inside), sorted(gap / 3_600_000 for gap in gaps)


def _funding_text(times: int, hours: Sequence[float]) -> str:
    if not hours:
        return f"{times}번"
    apart = f"{hours[0]:g}" if len(hours) == 1 else f"{hours[0]:g}~{hours[-1]:g}"
    return f"{times:,}번({apart}시간마다)"


def write_data(path: Path, refs: Sequence[DatasetRef]) -> None:
    """`data.json`을 쓴다(0600)."""
    body = {"version": 1, "markets": [data_json(ref) for ref in refs]}
    with private_file(path) as temporary:
        temporary.write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
