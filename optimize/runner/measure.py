"""실행에 걸릴 시간을 어림하려고 시행을 조금 돌려 본다: `python -m optimize.runner.measure <실행의 인자>`.

저장소에 닿지 않고 캔들을 내려받지 않는다. stdout은 칸마다 한 줄의 JSON이다:
`{"type": "measured", "cell", "bars", "trials", "ms"}` (ms: 시행 하나에 걸린 시간의 중앙값).
exit code: 0 잘됨 · 2 틀린 인자 · 4 가진 캔들이 없음 · 5 시행이 모두 실패 · 130 멈춤.
"""

from __future__ import annotations

import json
import pickle
import random
import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optimize.cli import command
from optimize.errors import RunError

if TYPE_CHECKING:
    from optimize.report.markets import SymbolCandles
    from optimize.runner.worker import Job
    from optimize.search.space import SearchSpace
    from optimize.settings.plan import Plan

# 칸마다: 이만큼의 초를 넘기거나 이만큼 돌리면 그친다. 첫 시행은 예행이라 버린다.
_SECONDS = 1.5
_TRIALS = 40


def _job(plan: Plan, found: Sequence[SymbolCandles], cell: int) -> Job:
    """cell번째 칸. found: 심볼마다의 캔들."""
    from optimize.runner.opening import make_objective, make_rules, scheme_of
    from optimize.runner.worker import Job, Market

    params = plan.params
    first, *others = (Market(item.refs[cell], item.costs) for item in found)
    return Job(
        first.ref,
        params.strategy.name,
        first.costs,
        make_objective(params.objective),
        scheme=scheme_of(make_rules(params), first.ref),
        trial_timeout=params.search.trial_timeout,
        others=tuple(others),
    )


def measure_cell(job: Job, space: SearchSpace) -> tuple[int, float]:
    """(잰 시행의 수, 심볼을 모두 본 시행 하나의 ms). 파라미터는 무작위이고 늘 같은 차례다. 모두 실패하면 RunError."""
    from optimize.runner.worker import Work, evaluate

    draw = random.Random(0)  # noqa: S311 — 보안의 난수가 아니다
    key, packed = job.ref.cell, pickle.dumps(job)
    fold = 0 if job.folds else None
    taken: list[float] = []
    error, began = "", time.monotonic()
    for index in range(_TRIALS + 1):
        full = space.complete(space.draw(draw))
        works = [Work(full, fold, symbol) for symbol in range(len(job.markets))]
        outcomes = evaluate(key, packed, (), works)
        failed = next((outcome.error for outcome in outcomes if outcome.error), "")
        error = error or failed
        if index and not failed:
            taken.append(sum(outcome.seconds for outcome in outcomes))
        elif not index:
            began = time.monotonic()
        if taken and time.monotonic() - began > _SECONDS:
            break
    if not taken:
        raise RunError("재 본 시행이 모두 실패했습니다", error, "전략과 탐색 공간을 보세요")
    return len(taken), statistics.median(taken) * 1000.0


def _main(argv: list[str]) -> int:
    from optimize.report.markets import symbol_candles
    from optimize.search.space import SearchSpace
    from optimize.settings.arguments import parse_run_arguments
    from optimize.settings.plan import make_plan
    from optimize.strategy.registry import load_strategy

    plan = make_plan(parse_run_arguments(argv))
    strategy = load_strategy(plan.params.strategy.name)
    space = SearchSpace(strategy.parameters, plan.params.strategy.space)
    # 이미 가진(또는 만들어 내는) 캔들만 본다.
    cells = [item.cell for item in plan.cells]
    found = symbol_candles(plan.params, cells, lambda *_: None, offline=True)
    for index in range(len(cells)):
        job = _job(plan, found, index)
        trials, ms = measure_cell(job, space)
        body = {
            "type": "measured",
            "cell": job.ref.cell,
            "bars": job.ref.bars,
            "trials": trials,
            "ms": ms,
        }
        print(json.dumps(body), flush=True)
    return 0


main = command(_main)

if __name__ == "__main__":
    raise SystemExit(main(None))
