"""시행 하나의 평가금 곡선을 다시 셈한다: `python -m optimize.report equity`.

시행은 평가금을 저장하지 않는다(수만 개면 너무 크다). 같은 설정과 캔들로 한 번 더 계산한다.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize.errors import SettingsError

if TYPE_CHECKING:
    from optimize.report.markets import SymbolCandles
    from optimize.settings.model import Params


def compute_equity(
    settings: Mapping[str, Any], cell: str, trial: Mapping[str, Any]
) -> dict[str, Any]:
    """한 시행의 날마다의 평가금. 심볼이 여럿이면 심볼마다 같은 돈으로 시작한 평가금의 평균이다.

    settings: `plan.json`의 params. cell: `1m@15m`. trial: 켜진 파라미터.
    돌려주는 것: first_day(1970-01-01부터의 날, UTC), initial_cash, equity(날마다), metrics, source,
    splits(나눔마다 train과 test의 날의 범위들 [첫 날, 끝 날), 검증이 없으면 비었다).
    SettingsError: 설정이나 파라미터가 틀렸다. DataError: 캔들이 없다.
    """
    import numpy as np

    from optimize.backtest.engine import run_backtest
    from optimize.search.across import joint_metrics
    from optimize.search.space import SearchSpace
    from optimize.strategy.registry import load_strategy
    from optimize.validation.splits import Rules, make_scheme

    params = planned_params(settings)
    found = stored_symbols(params, cell)
    strategy = load_strategy(params.strategy.name)
    full = SearchSpace(strategy.parameters, params.strategy.space).complete(dict(trial))
    results = [run_backtest(item.refs[0].open(), strategy, full, item.costs) for item in found]
    first_day = results[0].first_day
    equity = np.mean([result.daily_equity for result in results], axis=0)
    metrics = joint_metrics([result.metrics for result in results], params.objective.across_symbols)
    rules = Rules(**params.validation.model_dump())
    scheme = make_scheme(rules, first_day, first_day + len(equity))
    return {
        "first_day": first_day,
        "initial_cash": results[0].initial_cash,
        "equity": [round(float(value), 8) for value in equity],
        "metrics": {name: value for name, value in metrics.items() if math.isfinite(value)},
        "source": ", ".join(dict.fromkeys(item.refs[0].source for item in found)),
        "splits": [{"train": split.train, "test": split.test} for split in scheme.splits],
    }


def planned_params(settings: Mapping[str, Any]) -> Params:
    """`plan.json`의 params를 설정으로. 저장소의 URL은 가려져 있으므로 뺀다. 틀리면 pydantic의 ValueError."""
    from optimize.settings.model import Params

    search = {**settings.get("search", {}), "storage_url": None}
    return Params.model_validate({**settings, "search": search})


def stored_symbols(params: Params, cell: str) -> list[SymbolCandles]:
    """설정의 심볼들의, 그 칸의 캔들과 비용. 거래소에 묻지 않는다. 없으면 DataError."""
    from optimize.data.timeframes import parse_grid
    from optimize.report.markets import symbol_candles

    return symbol_candles(params, parse_grid(cell), lambda *_: None, offline=True)


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
        raise SettingsError(
            "실행의 계획을 읽지 못했습니다",
            f"{path}: params가 없습니다",
            "실행 폴더의 plan.json을 주세요",
        )
    return found
