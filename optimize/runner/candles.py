"""실행의 캔들 마련하기: 칸마다 심볼마다의 자료와 비용을, 흠과 줄인 기간을 알리며."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimize.protocol import DataProgressEvent, WarningEvent
from optimize.report.markets import symbol_candles
from optimize.runner.events import EventWriter
from optimize.runner.worker import Market

if TYPE_CHECKING:
    from optimize.settings.plan import Plan


def load_markets(plan: Plan, events: EventWriter) -> list[tuple[Market, ...]]:
    """칸마다 심볼마다의 자료, 심볼은 이름의 차례다.

    준비하는 동안 `data_progress`를, 자료의 흠과 줄인 기간은 `warning`을 낸다. 심볼이 여럿이고 기간이 다르면
    모두에 있는 기간만 쓴다. 캔들이 없거나 겹치는 기간이 없으면 DataError, 쓸 수 없는 비용이면 SettingsError.
    """
    from optimize.data.period import format_period

    found = symbol_candles(
        plan.params,
        [item.cell for item in plan.cells],
        lambda label, done, total: events.emit(DataProgressEvent(label, done, total)),
    )
    if any(item.trimmed for item in found):
        title = f"심볼 {len(found)}개의 기간이 달라 공통 기간만 씁니다"
        events.emit(WarningEvent(title, format_period(*found[0].period)))
    for item in found:
        head = f"{item.symbol}: " if len(found) > 1 else ""
        for note in dict.fromkeys(note for ref in item.refs for note in ref.notes):
            events.emit(WarningEvent(f"캔들: {head}{note}"))
        for ref in item.refs:
            # 호가 단위를 모르거나 쓸 수 없는 레버리지면 모든 시행이 실패한다: 탐색 전에 거절한다.
            item.costs.check(ref)
    return [
        tuple(Market(item.refs[index], item.costs) for item in found)
        for index in range(len(plan.cells))
    ]
