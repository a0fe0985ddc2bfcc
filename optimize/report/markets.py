"""설정의 심볼들의 캔들과 비용. 심볼이 여럿이면 모두 공통 기간으로 맞춘다."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from optimize import paths
from optimize.errors import DataError

if TYPE_CHECKING:
    from optimize.backtest.costs import CostModel
    from optimize.data.dataset import DatasetRef
    from optimize.data.timeframes import Cell
    from optimize.settings.model import Params
    from optimize.settings.symbols import SymbolEntry

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class SymbolCandles:
    """심볼 하나. refs: 칸마다의 자료. trimmed: 다른 심볼에 맞추어 기간을 줄였는가."""

    symbol: str
    refs: list[DatasetRef]
    costs: CostModel
    trimmed: bool = False

    @property
    def period(self) -> tuple[int, int]:
        """자료의 기간, UTC ms, 끝은 포함하지 않는다."""
        return self.refs[0].start_ms, self.refs[0].end_ms


def symbol_candles(
    params: Params,
    cells: Sequence[Cell],
    on_progress: Progress,
    *,
    offline: bool | None = None,
) -> list[SymbolCandles]:
    """설정의 심볼마다의 자료와 비용, 이름의 차례로.

    offline: 참이면 거래소에 묻지 않는다(None이면 설정대로). 캔들이 없거나, 심볼들의 기간이 겹치지 않거나
    한 기간으로 맞출 수 없으면 DataError, 쓸 수 없는 비용이면 SettingsError.
    """
    quiet = params.data.offline if offline is None else offline
    found = [
        SymbolCandles(
            entry.symbol,
            _prepare(params, entry, cells, on_progress, quiet, None),
            cost_model(params, entry),
        )
        for entry in params.chosen
    ]
    start = max(item.period[0] for item in found)
    end = min(item.period[1] for item in found)
    if start >= end:
        raise DataError(
            "심볼들의 캔들이 겹치는 기간이 없습니다",
            _periods(found),
            "기간이 겹치는 심볼을 고르세요",
        )
    common = (_text(start), _text(end))
    kept = [
        item
        if item.period == (start, end)
        else SymbolCandles(
            item.symbol,
            _prepare(params, entry, cells, on_progress, quiet, common),
            item.costs,
            trimmed=True,
        )
        for entry, item in zip(params.chosen, found, strict=True)
    ]
    if len({item.period for item in kept}) > 1:
        raise DataError(
            "심볼들의 캔들을 한 기간으로 맞추지 못했습니다",
            _periods(kept),
            "--start 와 --end 로 모두에 있는 기간을 고르세요",
        )
    return kept


def cost_model(params: Params, entry: SymbolEntry) -> CostModel:
    """그 심볼의 비용: `backtest`에 심볼의 것을 얹는다."""
    from optimize.backtest.costs import CostModel

    return CostModel(**entry.costs(params.backtest.model_dump()))


def _prepare(
    params: Params,
    entry: SymbolEntry,
    cells: Sequence[Cell],
    on_progress: Progress,
    offline: bool,
    period: tuple[str, str] | None,
) -> list[DatasetRef]:
    from optimize.data.prepare import prepare
    from optimize.settings.plan import resolved_file

    data = params.data
    start, end = period or (data.start, data.end)
    return prepare(
        entry.parsed,
        cells,
        file=resolved_file(entry.file) if entry.file else None,
        funding_file=resolved_file(entry.funding_file) if entry.funding_file else None,
        start=start,
        end=end,
        offline=offline,
        demo_seed=data.demo_seed,
        demo_days=data.demo_days,
        cache_dir=paths.cache_dir(),
        on_progress=on_progress,
        floor_off_grid=data.floor_off_grid,
        one_of_several=len(params.chosen) > 1,
    )


def _text(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, tz=UTC).isoformat()


def _periods(found: Sequence[SymbolCandles]) -> str:
    from optimize.data.period import format_period

    return "\n".join(f"{item.symbol}: {format_period(*item.period)}" for item in found)
