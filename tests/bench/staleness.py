"""평가 중인 시행의 수와 찾은 값: 묻고서 아직 끝나지 않은 것이 많으면 sampler는 낡은 것을 본다.

    python tests/bench/staleness.py [--trials 200] [--seeds 12] [--json]

시험 함수 셋(`sampler_problems.py`)을 같은 씨앗들로, 평가 중인 수만 달리하여 돌린 최선의 loss의 중앙값이다.
하나씩 · 늘 20 · 늘 40 · 실행이 쓰는 규칙(`optimize.runner.pace`, 작업자 둘, 한 시행 12 ms).
시간을 재지 않으므로 다른 일이 코어를 나누어 써도 같은 값이 나온다.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from sampler import finished
from sampler_problems import Problem, ackley_mixed, rosenbrock_conditional, styblinski_mixed

from optimize.runner.pace import Pace
from optimize.search.proposer import make_proposer
from optimize.search.space import SearchSpace
from optimize.trial import ParamValue

# 끝난 시행의 수 → (평가 중인 수의 상한, 한 번에 끝나는 수).
Rule = Callable[[int], tuple[int, int]]


def as_run(done: int) -> tuple[int, int]:
    """실행이 쓰는 규칙."""
    pace = Pace(workers=2, cells=1, claim_seconds=0.01, trial_seconds=0.012, done=done)
    return pace.outstanding, pace.chunk(left=10_000)


RULES: dict[str, Rule] = {
    "하나씩": lambda done: (1, 1),
    "늘 20": lambda done: (20, 4),
    "늘 40": lambda done: (40, 8),
    "실행": as_run,
}


def best(problem: Problem, seed: int, n_trials: int, rule: Rule) -> float:
    """최선의 loss."""
    space = SearchSpace(problem.parameters)
    proposer = make_proposer("tpe", space, ("minimize",), seed)
    pending: deque[dict[str, ParamValue]] = deque()
    found, done, asked = math.inf, 0, 0
    while done < n_trials:
        limit, together = rule(done)
        room = min(limit - len(pending), n_trials - asked)
        if room >= together or not pending:
            fresh = proposer.ask(max(room, 1), list(pending))
            asked += len(fresh)
            pending.extend(fresh)
        ended = [pending.popleft() for _ in range(min(together, len(pending)))]
        losses = [problem.loss(space.complete(params)) for params in ended]
        proposer.observe([finished(p, loss) for p, loss in zip(ended, losses, strict=True)])
        found, done = min(found, *losses, math.inf), done + len(ended)
    return found


def main(argv: Sequence[str]) -> int:
    """명령의 입구."""
    parser = argparse.ArgumentParser(description="평가 중인 시행의 수와 찾은 값")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    options = parser.parse_args(argv)
    rows = [
        {
            "problem": problem.name,
            **{
                name: statistics.median(
                    best(problem, seed, options.trials, rule) for seed in range(options.seeds)
                )
                for name, rule in RULES.items()
            },
        }
        for problem in (ackley_mixed(), rosenbrock_conditional(), styblinski_mixed())
    ]
    if options.json:
        print(json.dumps({"trials": options.trials, "rows": rows}, ensure_ascii=False))
        return 0
    print(f"{options.trials} 시행의 최선의 loss(작을수록 좋다), 씨앗 {options.seeds}개의 중앙값")
    for row in rows:
        cells = "   ".join(f"{name} {row[name]:.3f}" for name in RULES)
        print(f"  {row['problem']:<24}{cells}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
