"""저장소 규약 시험이 함께 쓰는 설정·탐색 공간·시행."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optimize.storage.options import StorageOptions
from optimize.storage.store import TrialStore
from optimize.trial import FinishedTrial

OPTIONS = StorageOptions(pool_size=1, max_overflow=0, connect_timeout=5)
SPACE: dict[str, BaseDistribution] = {
    "ratio": FloatDistribution(-1.0, 1.0),
    "log": FloatDistribution(1e-5, 1.0, log=True),
    "stepped": FloatDistribution(0.0, 1.0, step=0.1),
    "length": IntDistribution(5, 100, step=5),
    "kind": CategoricalDistribution(["SMA", "EMA", 3, True]),
    "switch": CategoricalDistribution([False, True]),
    "depends": IntDistribution(1, 9),
}
OpenStore = Callable[..., TrialStore]


def make_trial(seed: int, **changes: Any) -> FinishedTrial:
    """탐색 공간의 아무 시행. `depends`는 switch가 켜졌을 때만 있다."""
    r = random.Random(seed)
    switch = r.random() < 0.5
    started = datetime(2024, 3, 10, 1, 30, tzinfo=UTC) + timedelta(seconds=seed, microseconds=seed)
    params = {
        "ratio": r.uniform(-1, 1),
        "log": 10 ** r.uniform(-5, 0),
        "stepped": round(r.randint(0, 10) * 0.1, 1),
        "length": r.randrange(5, 101, 5),
        "kind": r.choice(["SMA", "EMA", 3, True]),
        "switch": switch,
        **({"depends": r.randint(1, 9)} if switch else {}),
    }
    values: dict[str, Any] = {
        "uid": uuid.UUID(int=r.getrandbits(128)).hex,
        "state": "COMPLETE",
        "params": params,
        "values": (r.uniform(-5, 5),),
        "started_at": started,
        "finished_at": started + timedelta(seconds=1.5),
        "metrics": {"sharpe": r.uniform(-1, 3), "trades": float(r.randint(0, 99))},
        "constraints": (r.uniform(-1, 1), -1.0),
    }
    return FinishedTrial(**{**values, **changes})
