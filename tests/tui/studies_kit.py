"""스터디 화면의 시험이 함께 쓰는 것: 채운 스터디와 그 자리."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from optuna.distributions import FloatDistribution

from optimize.storage.options import StorageOptions
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl, sqlite_url
from optimize.trial import FinishedTrial


def described(cell: str = "1m@15m") -> dict[str, Any]:
    return {
        "version": 1,
        "symbol": "DEMO:BTCUSDT",
        "cell": cell,
        "strategy": "squeeze_momentum",
        "data": {"source": "합성 데모 (seed 7)", "period": "2024-01-01 00:00 ~ 2024-01-04 00:00"},
    }


def fill(
    url: StorageUrl, name: str, count: int = 12, attrs: Mapping[str, Any] | None = None
) -> None:
    """점수가 0…count-1인 스터디. 0번은 실패, 마지막은 조건을 어겼다."""
    space = {"x": FloatDistribution(0, 1000)}
    wizard = {"wizard": described()} if attrs is None else dict(attrs)
    store = TrialStore.open(url, StorageOptions(), name, ["maximize"], space, wizard)
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    store.append(
        [
            FinishedTrial(
                uid=f"{name}-{k}",
                state="COMPLETE" if k else "FAIL",
                params={"x": float(k)},
                values=(float(k),) if k else (),
                started_at=moment + timedelta(seconds=k),
                finished_at=moment + timedelta(seconds=k, milliseconds=250),
                metrics={"sharpe": k / 10, "trades": 100.0 + k},
                constraints=(1.0,) if k == count - 1 else (-1.0,),
            )
            for k in range(count)
        ]
    )
    store.close()


def study_file(home: Path, name: str) -> StorageUrl:
    return sqlite_url(home / "studies" / name / f"{name}.db")
