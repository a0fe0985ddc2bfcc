"""sampler 시험이 함께 쓰는 작은 문제: 섞인 종류와 조건부 차원."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from optimize.search.proposer import Proposer
from optimize.search.space import SearchSpace
from optimize.strategy.parameter import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)
from optimize.trial import FinishedTrial, Params, ParamValue

NOW = datetime(2024, 1, 1, tzinfo=UTC)

MIXED: tuple[Parameter, ...] = (
    FloatParameter("x", 0.5, low=0.0, high=1.0),
    FloatParameter("rate", 0.1, low=0.01, high=10.0, log=True),
    IntParameter("n", 5, low=1, high=20),
    IntParameter("length", 9, low=2, high=300, log=True),
    ChoiceParameter("ma", "sma", choices=("sma", "ema", "hma")),
    ChoiceParameter("use_stop", False),
    FloatParameter("stop", 2.0, requires={"use_stop": (True,)}, low=0.5, high=5.0, step=0.25),
    IntParameter("n_on", 3, requires={"n": (7, 8, 9)}, low=1, high=50),
)

Score = Callable[[Params], float]


def score(params: Params) -> float:
    """클수록 좋다. 최선은 0."""
    full = SearchSpace(MIXED).complete(params)
    numbers = {name: float(value) for name, value in full.items() if not isinstance(value, str)}
    return -(
        (numbers["x"] - 0.3) ** 2
        + 0.1 * abs(numbers["rate"] - 1.0)
        + ((numbers["n"] - 8) / 10) ** 2
        + abs(numbers["length"] - 40) / 200
        + 0.5 * (full["ma"] != "ema")
        + 0.3 * (not full["use_stop"])
        + 0.1 * abs(numbers["stop"] - 1.5)
        + 0.01 * abs(numbers["n_on"] - 33)
    )


def finished(params: Params, value: float, *constraints: float) -> FinishedTrial:
    return FinishedTrial("", "COMPLETE", dict(params), (value,), NOW, NOW, constraints=constraints)


def failed(params: Params) -> FinishedTrial:
    return FinishedTrial("", "FAIL", dict(params), (), NOW, NOW, error="시험")


def pruned(params: Params, step: int, value: float) -> FinishedTrial:
    return FinishedTrial("", "PRUNED", dict(params), (value,), NOW, NOW, intermediate={step: value})


def drive(proposer: Proposer, n: int, objective: Score = score) -> list[dict[str, ParamValue]]:
    """작업 하나로 n번 돌린다."""
    asked = []
    for _ in range(n):
        proposed = proposer.ask(1, [])
        if not proposed:
            break
        asked.append(proposed[0])
        proposer.observe([finished(proposed[0], objective(proposed[0]))])
    return asked
