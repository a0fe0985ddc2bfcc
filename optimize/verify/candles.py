"""시험에 쓸 캔들: 파일, 캐시, 그것이 없으면 합성 데모. 거래소에 묻지 않는다."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from optimize import paths
from optimize.data.prepare import Progress, prepare
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_grid
from optimize.errors import DataError
from optimize.settings.plan import resolved_file
from optimize.settings.symbols import SymbolEntry
from optimize.verify.arguments import VerifyArguments

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef
    from optimize.data.symbols import Symbol

_DEMO_DAYS = 60


def load_candles(arguments: VerifyArguments, on_progress: Progress) -> list[DatasetRef]:
    """심볼마다 칸마다의 캔들. 사용자가 고른 캔들이 없으면 DataError.

    고르지 않았는데 설정의 심볼이 캐시에 없으면 그 심볼의 합성 데모를 쓰고 stderr에 알린다.
    """
    return [
        ref
        for entry in arguments.params.chosen
        for ref in _of_symbol(arguments, entry, on_progress)
    ]


def _of_symbol(
    arguments: VerifyArguments, entry: SymbolEntry, on_progress: Progress
) -> list[DatasetRef]:
    symbol = entry.parsed
    try:
        return _prepare(arguments, symbol, entry, on_progress)
    except DataError as error:
        if arguments.data_chosen or entry.file or symbol.is_demo:
            raise
        print(
            f"알림: {error.title}. 합성 데모로 시험합니다(--data 파일로 진짜 캔들을 줄 수 있습니다)",
            file=sys.stderr,
        )
        demo = parse_symbol(f"DEMO:{symbol.ticker}")
        return _prepare(arguments, demo, SymbolEntry(symbol=str(demo)), on_progress)


def _prepare(
    arguments: VerifyArguments, symbol: Symbol, chosen: SymbolEntry, on_progress: Progress
) -> list[DatasetRef]:
    data = arguments.params.data
    return prepare(
        symbol,
        parse_grid(arguments.params.timeframe_grid),
        file=resolved_file(chosen.file) if chosen.file else None,
        funding_file=resolved_file(chosen.funding_file) if chosen.funding_file else None,
        start=data.start,
        end=data.end,
        offline=True,
        demo_seed=data.demo_seed,
        demo_days=min(data.demo_days, _DEMO_DAYS),
        cache_dir=paths.cache_dir(),
        on_progress=on_progress,
        floor_off_grid=data.floor_off_grid,
    )
