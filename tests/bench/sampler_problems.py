"""sampler를 견주는 문제들: 섞인 종류의 시험 함수 셋과 실제 캔들."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from optimize.search.space import SearchSpace
from optimize.strategy.parameter import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)
from optimize.trial import ParamValue

Loss = Callable[[dict[str, ParamValue]], float]
Metrics = Callable[[dict[str, ParamValue]], Mapping[str, float]]
MARKET = Path(__file__).resolve().parents[3] / "shared/market/BINANCE_BTCUSDT_1m_2024.csv.gz"


@dataclass(frozen=True)
class Problem:
    """작을수록 좋은 목표 하나. loss는 꺼진 것의 기본값까지 든 모든 파라미터를 받는다."""

    name: str
    parameters: tuple[Parameter, ...]
    loss: Loss
    n_trials: int = 200


def ackley_mixed() -> Problem:
    """Ackley 10차원: 실수 5, 정수 3(눈금 [−20, 20]을 4로 나눔), 고를 값 2(네 자리의 좌표)."""
    places = {"a": -2.0, "b": 0.0, "c": 1.5, "d": 4.0}
    parameters: tuple[Parameter, ...] = (
        *(FloatParameter(f"x{i}", 0.0, low=-5.0, high=5.0) for i in range(5)),
        *(IntParameter(f"n{i}", 0, low=-20, high=20) for i in range(3)),
        *(ChoiceParameter(f"c{i}", "a", choices=tuple(places)) for i in range(2)),
    )

    def loss(p: dict[str, ParamValue]) -> float:
        # 답을 원점에서 옮긴다: 가운데를 좋아하는 sampler가 이득을 보지 않게.
        x = [float(p[f"x{i}"]) - 1.3 * (i - 2) for i in range(5)]
        x += [(float(p[f"n{i}"]) - 5 * i) / 4 for i in range(3)]
        x += [places[str(p[f"c{i}"])] for i in range(2)]
        n = len(x)
        return (
            -20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / n))
            - math.exp(sum(math.cos(2 * math.pi * v) for v in x) / n)
            + 20
            + math.e
        )

    return Problem("ackley_mixed", parameters, loss)


def rosenbrock_conditional() -> Problem:
    """Rosenbrock 4차원과 log 실수·log 정수, 켜고 끄는 조건부 차원 둘."""
    parameters: tuple[Parameter, ...] = (
        *(FloatParameter(f"x{i}", 0.0, low=-2.0, high=2.0) for i in range(4)),
        FloatParameter("rate", 0.1, low=1e-4, high=1.0, log=True),
        IntParameter("length", 10, low=2, high=500, log=True),
        ChoiceParameter("extra", False),
        FloatParameter("gain", 0.0, requires={"extra": (True,)}, low=0.0, high=4.0, step=0.25),
        IntParameter("lag", 1, requires={"extra": (True,)}, low=1, high=30),
    )

    def loss(p: dict[str, ParamValue]) -> float:
        x = [float(p[f"x{i}"]) for i in range(4)]
        valley = sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(x))
        total = math.log1p(valley)
        total += abs(math.log10(float(p["rate"])) + 2.3)
        total += abs(math.log(float(p["length"]) / 48))
        if p["extra"]:
            return total + 0.3 * abs(float(p["gain"]) - 2.75) + 0.05 * abs(float(p["lag"]) - 21)
        return total + 1.0

    return Problem("rosenbrock_conditional", parameters, loss)


def styblinski_mixed() -> Problem:
    """Styblinski–Tang 8차원: 실수 4, 간격 있는 실수 2, 고른 눈금으로 자른 고를 값 2."""
    grid = (-4.0, -2.9, -1.0, 0.0, 1.0, 2.7, 4.0)
    parameters: tuple[Parameter, ...] = (
        *(FloatParameter(f"x{i}", 0.0, low=-5.0, high=5.0) for i in range(4)),
        *(FloatParameter(f"s{i}", 0.0, low=-5.0, high=5.0, step=0.1) for i in range(2)),
        *(ChoiceParameter(f"g{i}", 0.0, choices=grid) for i in range(2)),
    )

    def loss(p: dict[str, ParamValue]) -> float:
        return sum(v**4 - 16 * v**2 + 5 * v for v in map(float, p.values())) / 2

    return Problem("styblinski_mixed", parameters, loss)


def real_candles(n_trials: int) -> Problem | None:
    """BTCUSDT 2024년 15분봉(HTF 1시간), squeeze_momentum, 점수 −sharpe. 거래 30회 미만은 벌점."""
    market = real_metrics()
    if market is None:
        return None
    parameters, metrics_of = market

    def loss(p: dict[str, ParamValue]) -> float:
        metrics = metrics_of(p)
        return -metrics["sharpe"] + max(0.0, 30 - metrics["trades"]) / 10

    return Problem("btcusdt_15m_1h", parameters, loss, n_trials)


def real_metrics() -> tuple[tuple[Parameter, ...], Metrics] | None:
    """BTCUSDT 2024년 15분봉(HTF 1시간), squeeze_momentum의 파라미터와 지표. 캔들이 없으면 None."""
    if not MARKET.exists():
        return None
    from optimize.backtest.costs import CostModel
    from optimize.backtest.engine import run_backtest
    from optimize.data.prepare import prepare
    from optimize.data.symbols import parse_symbol
    from optimize.data.timeframes import parse_grid
    from optimize.strategy.protocol import Workspace
    from optimize.strategy.registry import load_strategy

    strategy = load_strategy("squeeze_momentum")
    with tempfile.TemporaryDirectory() as cache:
        refs = prepare(
            parse_symbol("BINANCE:BTCUSDT"),
            parse_grid("15m@1h"),
            file=MARKET,
            start=None,
            end=None,
            offline=True,
            demo_seed=7,
            demo_days=1,
            cache_dir=Path(cache),
            on_progress=lambda *_: None,
        )
        dataset = refs[0].open()
        costs, workspace = CostModel(), Workspace()

        def metrics_of(p: dict[str, ParamValue]) -> Mapping[str, float]:
            return run_backtest(dataset, strategy, p, costs, workspace).metrics

        metrics_of(SearchSpace(strategy.parameters).complete({}))
    # memory map은 열린 채로 남아 파일이 지워진 뒤에도 읽힌다.
    return tuple(strategy.parameters), metrics_of
