"""시작하기 전에 재 보는 일들: 시행 하나의 시간, dask 무리의 작업자. 그만 읽으면 자식을 끝낸다."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from tui import bridge
from tui.draft import Draft
from tui.environment import child_environment
from tui.problem import ProblemError
from tui.processes import Finished, json_lines
from tui.studies_commands import parse_problem
from tui.text import wizard as ko

# 켜지고 끝에 판정하는 시간과, 시행 하나를 고르고 적는 coordinator의 시간(docs/benchmarks.md의 처음부터 끝까지).
_START_SECONDS = 2.0
_CHOOSE_MS = 2.5


@dataclass(frozen=True, slots=True)
class Measured:
    """칸 하나에서 잰 것. ms: 시행 하나의 시간."""

    cell: str
    ms: float


async def measure_trials(draft: Draft) -> AsyncGenerator[Measured, None]:
    """고른 캔들과 전략으로 시행을 조금 돌려, 칸마다 재는 대로 준다. ProblemError: 재지 못했다."""
    arguments = bridge.run_arguments(draft)
    argv = [sys.executable, "-m", "optimize.runner.measure", *arguments]
    env = child_environment(bridge.storage_environment(draft.storage))
    async with aclosing(json_lines(argv, env, bridge.home())) as lines:
        async for item in lines:
            if isinstance(item, Finished):
                if item.exit_code:
                    raise ProblemError(parse_problem(item.stderr, ko.MEASURE_FAILED))
            elif item.get("type") == "measured":
                yield Measured(str(item.get("cell", "")), float(item.get("ms", 0.0)))


async def cluster_hosts(scheduler: str) -> dict[str, int]:
    """dask 무리의 컴퓨터마다의 작업자 수. ProblemError: 닿지 못하거나 쓸 작업자가 없다."""
    argv = [sys.executable, "-m", "optimize.runner.cluster_check", scheduler]
    hosts: dict[str, int] = {}
    async with aclosing(json_lines(argv, child_environment(), bridge.home())) as lines:
        async for item in lines:
            if isinstance(item, Finished):
                if item.exit_code:
                    raise ProblemError(parse_problem(item.stderr, ko.CLUSTER_FAILED))
            elif item.get("type") == "cluster":
                hosts = {str(name): int(count) for name, count in item["hosts"].items()}
    return hosts


def expected_seconds(measured: list[Measured], n_trials: int, jobs: int) -> float:
    """모든 칸의 시행을 jobs개로 나누어 도는 초: 켜지는 것, 고르고 적는 것, 백테스트.

    고르고 적는 일은 coordinator 하나가 하므로, 작업자를 아무리 늘려도 그보다 짧지 않다.
    """
    each = [max(_CHOOSE_MS, (item.ms + _CHOOSE_MS) / max(1, jobs)) for item in measured]
    return _START_SECONDS + sum(each) * n_trials / 1000.0
