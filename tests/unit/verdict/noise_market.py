"""예측할 수 없는 시장: 앞날의 평균 수익률이 늘 0인 무작위 걸음과, 그 위에서 비용 없이 도는 진짜 전략.

이 시장에서는 어느 전략도 평균해 벌지 못하므로, 찾아낸 최선은 모두 운이다. 시행들은 같은 값을 보므로 서로 닮았다.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.data.dataset import Candles, Dataset, DatasetRef
from optimize.search.objective import Objective, ObjectiveGoal
from optimize.search.proposer import make_proposer
from optimize.search.space import SearchSpace
from optimize.strategy.ma_cross import MaCross
from optimize.strategy.protocol import Workspace
from optimize.strategy.registry import load_strategy
from optimize.strategy.squeeze_momentum import SqueezeMomentum
from optimize.trial import FinishedTrial
from optimize.validation.measure import Ruler
from optimize.verdict.collect import StudyTrials

START_MS = 1_704_067_200_000
HOUR_MS = 3_600_000
FREE = CostModel(fee_rate=0.0, slippage_rate=0.0, funding=False)
OBJECTIVE = Objective([ObjectiveGoal("sharpe")])
# 손절·익절은 봉 속의 길을 따지므로 뺀다: 종가와 시가만의 전략이어야 기댓값이 정확히 0이다.
SPACE = SearchSpace(
    MaCross.parameters,
    {
        "use_htf": False,
        "use_stop": False,
        "use_target": False,
        "fast_len": {"low": 5, "high": 60},
        "slow_gap": {"low": 5, "high": 120},
    },
)


SPACES = {
    "ma_cross": SPACE,
    "squeeze_momentum": SearchSpace(
        SqueezeMomentum.parameters,
        {"use_htf": False, "use_stop": False, "use_trail": False, "use_target": False},
    ),
}


def random_walk(seed: int, days: int, signal: float = 0.0) -> Dataset:
    """1시간봉. signal이 0이면 앞날의 평균 수익률이 0이고, 크면 추세가 여러 날 이어져 추세를 따르면 번다."""
    rng = np.random.default_rng(seed)
    bars = 24 * days
    noise = 0.006 * rng.standard_normal(bars)
    drift = np.repeat(rng.choice([-signal, signal], bars // 120 + 1), 120)[:bars]
    steps = np.expm1(noise + drift) - np.expm1(0.006**2 / 2)
    close = 100.0 * np.cumprod(1.0 + steps)
    opened = np.concatenate(([100.0], close[:-1]))
    arrays = [
        START_MS + HOUR_MS * np.arange(bars, dtype=np.int64),
        opened,
        np.maximum(opened, close),
        np.minimum(opened, close),
        close,
        np.ones(bars),
        np.zeros(bars, dtype=np.bool_),
    ]
    for array in arrays:
        array.flags.writeable = False
    ref = DatasetRef(
        symbol="TEST:WALK", cell="1h", start_ms=START_MS, end_ms=START_MS + HOUR_MS * bars,
        fingerprint="0" * 64, source="무작위 걸음", is_demo=False, bars=bars, filled_bars=0, ltf_path="",
    )  # fmt: skip
    return Dataset(ref, Candles(*arrays), None, None, None, None, None)


def search(
    data: Dataset, seed: int, trials: int, sampler: str = "random", name: str = "ma_cross"
) -> StudyTrials:
    """전략 name의 공간에서 찾은 시행들. sampler: `make_proposer`의 이름."""
    space, strategy, workspace = SPACES[name], load_strategy(name), Workspace()
    proposer = make_proposer(sampler, space, seed=seed)
    ruler = Ruler(data, None)
    gathered = StudyTrials("걸음", "1h", adaptive=sampler != "random", space=space)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(trials):
        (params,) = proposer.ask(1, [])
        result = run_backtest(data, strategy, space.complete(params), FREE, workspace)
        measured = ruler.measure(result, None)
        score = OBJECTIVE.score(measured.metrics)
        trial = FinishedTrial(
            uid=f"{seed}-{number}",
            state="COMPLETE",
            params=params,
            values=score.values,
            started_at=moment,
            finished_at=moment,
            metrics=measured.metrics,
            constraints=score.constraints,
            number=number,
            blocks=measured.blocks,
        )
        gathered.add(trial)
        proposer.observe([trial])
    return gathered
