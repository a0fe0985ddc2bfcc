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
from optimize.verify.arguments import VerifyArguments

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef
    from optimize.data.symbols import Symbol

_DEMO_DAYS = 60


def load_candles(arguments: VerifyArguments, on_progress: Progress) -> list[DatasetRef]:
    """칸마다의 캔들. 사용자가 고른 캔들이 없으면 DataError.

    설정의 심볼이 여럿이면 첫 심볼을 본다. 고르지 않았는데 그 심볼이 캐시에 없으면 그 심볼의 합성 데모를 쓰고 stderr에 알린다.
    """
    symbol = arguments.params.chosen[0].parsed
    try:
        return _prepare(arguments, symbol, on_progress)
    except DataError as error:
        if arguments.data_chosen or symbol.is_demo:
            raise
        print(
            f"알림: {error.title}. 합성 데모로 시험합니다(--data 파일로 진짜 캔들을 줄 수 있습니다)",
            file=sys.stderr,
        )
        return _prepare(arguments, parse_symbol(f"DEMO:{symbol.ticker}"), on_progress)


def _prepare(arguments: VerifyArguments, symbol: Symbol, on_progress: Progress) -> list[DatasetRef]:
    data, chosen = arguments.params.data, arguments.params.chosen[0]
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
