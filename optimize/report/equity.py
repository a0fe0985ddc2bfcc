"""시행 하나의 평가금 곡선을 다시 셈한다: `python -m optimize.report equity`.

시행은 평가금을 저장하지 않는다(수만 개면 너무 크다). 같은 설정과 캔들로 한 번 더 계산한다.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize import paths
from optimize.errors import SettingsError

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef
    from optimize.settings.model import Params


def compute_equity(
    settings: Mapping[str, Any], cell: str, trial: Mapping[str, Any]
) -> dict[str, Any]:
    """한 시행의 날마다의 평가금.

    settings: `plan.json`의 params. cell: `1m@15m`. trial: 켜진 파라미터.
    돌려주는 것: first_day(1970-01-01부터의 날, UTC), initial_cash, equity(날마다), metrics, source.
    SettingsError: 설정이나 파라미터가 틀렸다. DataError: 캔들이 없다.
    """
    from optimize.backtest.costs import CostModel
    from optimize.backtest.engine import run_backtest
    from optimize.search.space import SearchSpace
    from optimize.strategy.registry import load_strategy

    params = planned_params(settings)
    ref = stored_candles(params, cell)
    strategy = load_strategy(params.strategy.name)
    full = SearchSpace(strategy.parameters, params.strategy.space).complete(dict(trial))
    result = run_backtest(ref.open(), strategy, full, CostModel(**params.backtest.model_dump()))
    return {
        "first_day": result.first_day,
        "initial_cash": result.initial_cash,
        "equity": [round(float(value), 8) for value in result.daily_equity],
        "metrics": {name: value for name, value in result.metrics.items() if math.isfinite(value)},
        "source": ref.source,
    }


def planned_params(settings: Mapping[str, Any]) -> Params:
    """`plan.json`의 params를 설정으로. 저장소의 URL은 가려져 있으므로 뺀다. 틀리면 pydantic의 ValueError."""
    from optimize.settings.model import Params

    search = {**settings.get("search", {}), "storage_url": None}
    return Params.model_validate({**settings, "search": search})


def stored_candles(params: Params, cell: str) -> DatasetRef:
    """설정의 심볼과 기간의, 그 칸의 캔들. 거래소에 묻지 않는다. 없으면 DataError."""
    from optimize.data.prepare import prepare
    from optimize.data.symbols import parse_symbol
    from optimize.data.timeframes import parse_grid

    data = params.data
    (ref,) = prepare(
        parse_symbol(params.symbol),
        parse_grid(cell),
        file=None if data.file is None else paths.home() / Path(data.file).expanduser(),
        start=data.start,
        end=data.end,
        offline=True,
        demo_seed=data.demo_seed,
        demo_days=data.demo_days,
        cache_dir=paths.cache_dir(),
        on_progress=lambda _label, _done, _total: None,
        floor_off_grid=data.floor_off_grid,
        funding_file=data.funding_path(),
    )
    return ref


def read_settings(path: Path) -> Mapping[str, Any]:
    """`plan.json`의 params. 읽을 수 없으면 SettingsError."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        found = body["params"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            "실행의 계획을 읽지 못했습니다", f"{path}: {error}", "실행 폴더의 plan.json을 주세요"
        ) from error
    if not isinstance(found, dict):
        raise SettingsError("실행의 계획을 읽지 못했습니다", f"{path}: params가 없습니다", "")
    return found
