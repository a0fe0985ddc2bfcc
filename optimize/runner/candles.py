"""실행의 캔들 마련하기: 심볼마다 칸마다의 자료와 그 비용. 심볼이 여럿이면 모두 공통 기간으로 맞춘다."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from optimize import paths
from optimize.errors import DataError
from optimize.protocol import DataProgressEvent, WarningEvent
from optimize.runner.events import EventWriter
from optimize.runner.worker import Market

if TYPE_CHECKING:
    from optimize.backtest.costs import CostModel
    from optimize.data.dataset import DatasetRef
    from optimize.settings.model import Params
    from optimize.settings.plan import Plan
    from optimize.settings.symbols import SymbolEntry


def load_markets(plan: Plan, events: EventWriter) -> list[tuple[Market, ...]]:
    """칸마다 심볼마다의 자료, 심볼은 이름의 차례다.

    준비하는 동안 `data_progress`를, 자료의 흠과 줄인 기간은 `warning`을 낸다. 심볼이 여럿이고 기간이 다르면
    모두에 있는 기간만 쓴다. 캔들이 없거나 겹치는 기간이 없으면 DataError, 쓸 수 없는 비용이면 SettingsError.
    """
    entries = plan.params.chosen
    found = [_prepare(plan, entry, events) for entry in entries]
    start = max(refs[0].start_ms for refs in found)
    end = min(refs[0].end_ms for refs in found)
    trimmed = any((refs[0].start_ms, refs[0].end_ms) != (start, end) for refs in found)
    if trimmed:
        found = [
            refs
            if (refs[0].start_ms, refs[0].end_ms) == (start, end)
            else _prepare(plan, entry, events, _common(start, end, found))
            for entry, refs in zip(entries, found, strict=True)
        ]
        _say_trimmed(start, end, found, events)
    costs = [cost_model(plan.params, entry) for entry in entries]
    for refs, model in zip(found, costs, strict=True):
        for note in dict.fromkeys(note for ref in refs for note in ref.notes):
            head = f"{refs[0].symbol}: " if len(found) > 1 else ""
            events.emit(WarningEvent(f"캔들: {head}{note}"))
        for ref in refs:
            # 호가 단위를 모르거나 쓸 수 없는 레버리지면 모든 시행이 실패한다: 탐색 전에 거절한다.
            model.check(ref)
    return [
        tuple(Market(refs[index], model) for refs, model in zip(found, costs, strict=True))
        for index in range(len(plan.cells))
    ]


def cost_model(params: Params, entry: SymbolEntry) -> CostModel:
    """그 심볼의 비용: `backtest`에 심볼의 것을 얹는다."""
    from optimize.backtest.costs import CostModel

    return CostModel(**entry.costs(params.backtest.model_dump()))


def _prepare(
    plan: Plan, entry: SymbolEntry, events: EventWriter, period: tuple[str, str] | None = None
) -> list[DatasetRef]:
    from optimize.data.prepare import prepare
    from optimize.settings.plan import resolved_file

    data = plan.params.data
    start, end = period or (data.start, data.end)
    return prepare(
        entry.parsed,
        [item.cell for item in plan.cells],
        file=resolved_file(entry.file) if entry.file else None,
        funding_file=resolved_file(entry.funding_file) if entry.funding_file else None,
        start=start,
        end=end,
        offline=data.offline,
        demo_seed=data.demo_seed,
        demo_days=data.demo_days,
        cache_dir=paths.cache_dir(),
        on_progress=lambda label, done, total: events.emit(DataProgressEvent(label, done, total)),
        floor_off_grid=data.floor_off_grid,
    )


def _common(start: int, end: int, found: Sequence[Sequence[DatasetRef]]) -> tuple[str, str]:
    """공통 기간의 글. 겹치지 않으면 DataError."""
    if start >= end:
        raise DataError(
            "심볼들의 캔들이 겹치는 기간이 없습니다",
            _periods(found),
            "기간이 겹치는 심볼을 고르세요",
        )
    return _text(start), _text(end)


def _text(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, tz=UTC).isoformat()


def _say_trimmed(
    start: int, end: int, found: Sequence[Sequence[DatasetRef]], events: EventWriter
) -> None:
    """공통 기간으로 줄였음을 알린다. 맞춘 뒤에도 다르면 DataError."""
    from optimize.data.period import format_period

    if len({(refs[0].start_ms, refs[0].end_ms) for refs in found}) > 1:
        raise DataError(
            "심볼들의 캔들을 한 기간으로 맞추지 못했습니다",
            _periods(found),
            "--start 와 --end 로 모두에 있는 기간을 고르세요",
        )
    title = f"심볼 {len(found)}개의 기간이 달라 공통 기간만 씁니다"
    events.emit(WarningEvent(title, format_period(start, end)))


def _periods(found: Sequence[Sequence[DatasetRef]]) -> str:
    from optimize.data.period import format_period

    return "\n".join(
        f"{refs[0].symbol}: {format_period(refs[0].start_ms, refs[0].end_ms)}" for refs in found
    )
