"""판정의 시험들이 쓰는 시행: 일간 수익률에서 만든 FinishedTrial들."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimize.trial import FinishedTrial
from optimize.validation.blocks import encode_blocks
from optimize.verdict.collect import StudyTrials

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def trial(number: int, returns: NDArray[np.float64] | None, **changes: Any) -> FinishedTrial:
    """점수가 연율 Sharpe인 시행. returns가 None이면 블록이 없다."""
    score = 0.0
    if returns is not None and returns.std() > 0:
        score = float(returns.mean() / returns.std(ddof=1) * np.sqrt(365))
    values: dict[str, Any] = {
        "uid": f"u{number}",
        "state": "COMPLETE",
        "params": {"a": number, "b": number % 7 / 7},
        "values": (score,),
        "started_at": MOMENT,
        "finished_at": MOMENT,
        "number": number,
        "blocks": "" if returns is None else encode_blocks(returns),
        **changes,
    }
    return FinishedTrial(**values)


def study(returns: NDArray[np.float64], name: str = "연습", cell: str = "1m@15m") -> StudyTrials:
    """returns: float64[날, 시행]."""
    return gathered([trial(n, column) for n, column in enumerate(returns.T)], name, cell)


def gathered(
    trials: Sequence[FinishedTrial], name: str = "연습", cell: str = "1m@15m"
) -> StudyTrials:
    """시행들을 모은 스터디."""
    found = StudyTrials(name, cell)
    for item in trials:
        found.add(item)
    return found
