"""sampler 견주기: 빠른 TPE와 Optuna의 TPESampler를 같은 실행에서 잰다.

    python tests/bench/sampler.py [--json] [--quick] [--only quality|timing]

품질: 시험 함수 셋(섞인 종류의 차원)과 실제 캔들의 목표를 씨앗마다 짝지어 돌려, 시행 수가 같을 때의
최선을 견준다. 짝의 차이는 정확한 Wilcoxon signed-rank 검정(양쪽)으로 본다.
시간: 22개 차원에서 시행 하나의 ask+observe(Optuna는 ask+suggest+tell)에 드는 CPU 시간을 시행 수별로
잰다. 둘 다 스레드 하나로 셈하며, 다른 일이 코어를 나누어 써도 흔들리지 않게 CPU 시간을 쓴다.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna

sys.path.insert(0, str(Path(__file__).resolve().parent))
from sampler_problems import (
    MARKET,
    Problem,
    ackley_mixed,
    real_candles,
    rosenbrock_conditional,
    styblinski_mixed,
)

from optimize.search.proposer import make_proposer
from optimize.search.space import SearchSpace
from optimize.strategy.parameter import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)
from optimize.trial import FinishedTrial, ParamValue

_NOW = datetime.now(UTC)
NOISE_P = 0.05  # 이보다 작으면 잡음이 아닌 차이로 본다


def best_by_stock(problem: Problem, seed: int) -> float:
    """Optuna의 TPESampler(기본값)로 찾은 최선."""
    space = SearchSpace(problem.parameters)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    for _ in range(problem.n_trials):
        trial = study.ask()
        params = space.walk(lambda p: suggest(trial, p))  # noqa: B023 — 바로 부른다
        study.tell(trial, problem.loss(space.complete(params)))
    return study.best_value


def best_by_proposer(problem: Problem, seed: int, name: str = "tpe") -> float:
    """우리 Proposer로 찾은 최선."""
    space = SearchSpace(problem.parameters)
    proposer = make_proposer(name, space, ("minimize",), seed)
    best = math.inf
    for _ in range(problem.n_trials):
        params = proposer.ask(1, [])[0]
        loss = problem.loss(space.complete(params))
        best = min(best, loss)
        proposer.observe([finished(params, loss)])
    return best


def suggest(trial: optuna.Trial, parameter: Parameter) -> ParamValue:
    """선언대로 Optuna에 묻는다."""
    if isinstance(parameter, IntParameter):
        return trial.suggest_int(
            parameter.name, parameter.low, parameter.high, step=parameter.step, log=parameter.log
        )
    if isinstance(parameter, FloatParameter):
        return trial.suggest_float(
            parameter.name, parameter.low, parameter.high, step=parameter.step, log=parameter.log
        )
    assert isinstance(parameter, ChoiceParameter)
    return trial.suggest_categorical(parameter.name, parameter.choices)  # type: ignore[return-value]


def finished(params: dict[str, ParamValue], loss: float) -> FinishedTrial:
    """끝난 시행 하나."""
    return FinishedTrial("", "COMPLETE", params, (loss,), _NOW, _NOW)


def wilcoxon(differences: Sequence[float]) -> float:
    """짝 차이의 정확한 양쪽 Wilcoxon signed-rank p값(0은 빼고 같은 크기는 평균 순위).

    출처: Wilcoxon (1945). 순위 합의 분포를 2배한 정수 순위로 모두 센다.
    """
    used = sorted((d for d in differences if d != 0), key=abs)
    if not used:
        return 1.0
    doubled: list[int] = []
    for d in used:
        ties = [i for i, other in enumerate(used) if abs(other) == abs(d)]
        doubled.append(ties[0] + ties[-1] + 2)
    counts = {0: 1}
    for rank in doubled:
        shifted = {total + rank: n for total, n in counts.items()}
        counts = {t: counts.get(t, 0) + shifted.get(t, 0) for t in counts.keys() | shifted.keys()}
    observed = sum(rank for rank, d in zip(doubled, used, strict=True) if d > 0)
    middle = sum(doubled) / 2
    extreme = sum(n for t, n in counts.items() if abs(t - middle) >= abs(observed - middle))
    return extreme / 2 ** len(used)


@dataclass(frozen=True)
class QualityRow:
    """한 문제의 결과. 값은 최선의 loss(작을수록 좋다)."""

    problem: str
    dimensions: int
    n_trials: int
    seeds: int
    fast_median: float
    stock_median: float
    random_median: float
    wins: int
    losses: int
    p_value: float
    fast: list[float]
    stock: list[float]


def quality(problems: Sequence[Problem], n_seeds: int) -> list[QualityRow]:
    """문제마다 씨앗을 짝지어 견준다."""
    rows = []
    for problem in problems:
        fast = [best_by_proposer(problem, seed) for seed in range(n_seeds)]
        stock = [best_by_stock(problem, seed) for seed in range(n_seeds)]
        rand = [best_by_proposer(problem, seed, "random") for seed in range(n_seeds)]
        differences = [a - b for a, b in zip(fast, stock, strict=True)]
        rows.append(
            QualityRow(
                problem=problem.name,
                dimensions=len(SearchSpace(problem.parameters).dimensions),
                n_trials=problem.n_trials,
                seeds=n_seeds,
                fast_median=statistics.median(fast),
                stock_median=statistics.median(stock),
                random_median=statistics.median(rand),
                wins=sum(d < 0 for d in differences),
                losses=sum(d > 0 for d in differences),
                p_value=wilcoxon(differences),
                fast=fast,
                stock=stock,
            )
        )
        print(f"  {problem.name} 끝", file=sys.stderr)
    return rows


def wide_parameters() -> tuple[Parameter, ...]:
    """22차원: 실수 8, 정수 6, log 2, 간격 2, 고를 값 4."""
    return (
        *(FloatParameter(f"f{i}", 0.5) for i in range(8)),
        *(IntParameter(f"i{i}", 5, low=2, high=120) for i in range(6)),
        FloatParameter("rate", 0.1, low=1e-3, high=1.0, log=True),
        IntParameter("length", 10, low=1, high=500, log=True),
        *(FloatParameter(f"s{i}", 0.5, low=0.0, high=5.0, step=0.1) for i in range(2)),
        *(ChoiceParameter(f"c{i}", "a", choices=("a", "b", "c")) for i in range(4)),
    )


def wide_loss(params: dict[str, ParamValue]) -> float:
    """22차원의 값싼 목표."""
    total = sum((float(params[f"f{i}"]) - 0.3) ** 2 for i in range(8))
    total += sum(((float(params[f"i{i}"]) - 40) / 100) ** 2 for i in range(6))
    return total + 0.1 * sum(params[f"c{i}"] != "b" for i in range(4))


@dataclass(frozen=True)
class TimingRow:
    """시행 수 n에서 시행 하나에 드는 CPU ms(n 둘레 여러 시행의 중앙값)."""

    n: int
    fast_ms: float
    fast_batch8_ms: float
    stock_ms: float | None


def timing(sizes: Sequence[int], stock_limit: int) -> list[TimingRow]:
    """시행 수별 시간. stock_limit보다 큰 n에서는 Optuna를 재지 않는다."""
    import random

    space = SearchSpace(wide_parameters())
    rows = []
    for n in sizes:
        rng = random.Random(n)
        history = [(params, wide_loss(params)) for params in (space.draw(rng) for _ in range(n))]
        rows.append(
            TimingRow(
                n,
                _time_fast(space, history, 1),
                _time_fast(space, history, 8),
                _time_stock(space, history) if n <= stock_limit else None,
            )
        )
        print(f"  {n}개 끝", file=sys.stderr)
    return rows


def _time_fast(
    space: SearchSpace, history: list[tuple[dict[str, ParamValue], float]], batch: int
) -> float:
    proposer = make_proposer("tpe", space, ("minimize",), 1)
    proposer.observe([finished(params, loss) for params, loss in history])
    proposer.ask(1, [])
    costs = []
    for _ in range(30):
        start = time.process_time()
        proposed = proposer.ask(batch, [])
        spent = time.process_time() - start
        trials = [finished(params, wide_loss(params)) for params in proposed]
        start = time.process_time()
        proposer.observe(trials)
        costs.append((spent + time.process_time() - start) / batch)
    return 1e3 * statistics.median(costs)


def _time_stock(space: SearchSpace, history: list[tuple[dict[str, ParamValue], float]]) -> float:
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    study.add_trials(
        [
            optuna.trial.create_trial(params=p, distributions=space.distributions, value=v)
            for p, v in history
        ]
    )
    costs = []
    for _ in range(10):
        start = time.process_time()
        trial = study.ask()
        params = space.walk(lambda p: suggest(trial, p))  # noqa: B023 — 바로 부른다
        spent = time.process_time() - start
        loss = wide_loss(params)
        start = time.process_time()
        study.tell(trial, loss)
        costs.append(spent + time.process_time() - start)
    return 1e3 * statistics.median(costs)


def run(quick: bool = False, only: str | None = None) -> dict[str, Any]:
    """모든 견주기를 돌려 JSON으로 쓸 수 있는 사전을 준다."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seeds = 3 if quick else 12
    result: dict[str, Any] = {"optuna": optuna.__version__}
    if only != "timing":
        problems = [ackley_mixed(), rosenbrock_conditional(), styblinski_mixed()]
        real = None if quick else real_candles(200)
        rows = quality([*problems, *([real] if real else [])], seeds)
        result["quality"] = [asdict(row) for row in rows]
        if real is None:
            result["real_candles"] = "quick" if quick else f"{MARKET} 없음"
    if only != "quality":
        sizes = (100, 1000) if quick else (100, 1000, 2000, 5000, 10_000)
        result["timing"] = [asdict(row) for row in timing(sizes, 1000 if quick else 10_000)]
    return result


def _not_worse(row: dict[str, Any]) -> str:
    """Optuna의 TPE보다 낫거나 잡음 안인가."""
    better = row["fast_median"] <= row["stock_median"]
    return "이룸" if better or row["p_value"] > NOISE_P else "못 미침"


def report(result: dict[str, Any]) -> str:
    """사람이 읽는 표."""
    lines = [f"Optuna {result['optuna']}"]
    if "quality" in result:
        lines.append(
            "\n[품질] 시행 수가 같을 때의 최선의 loss, 작을수록 좋다"
            f" (목표: Optuna의 것보다 낫거나 p > {NOISE_P:g})"
        )
        lines.append(
            f"{'문제':<24}{'차원':>5}{'시행':>6}{'씨앗':>5}"
            f"{'빠른 TPE':>12}{'Optuna TPE':>12}{'무작위':>12}{'승-패':>8}{'p':>8}"
        )
        lines.extend(
            f"{row['problem']:<24}{row['dimensions']:>6}{row['n_trials']:>7}{row['seeds']:>6}"
            f"{row['fast_median']:>14.4f}{row['stock_median']:>12.4f}"
            f"{row['random_median']:>13.4f}{row['wins']:>7}-{row['losses']:<3}"
            f"{row['p_value']:>7.3f}  {_not_worse(row)}"
            for row in result["quality"]
        )
    if "timing" in result:
        lines.append("\n[시간] 22차원, 시행 하나에 드는 CPU ms")
        lines.append(f"{'시행 수':>8}{'빠른 TPE':>12}{'8개씩':>10}{'Optuna TPE':>12}{'배':>8}")
        for row in result["timing"]:
            stock = row["stock_ms"]
            tail = (
                f"{stock:>12.1f}{stock / row['fast_ms']:>9.0f}" if stock else f"{'-':>12}{'-':>9}"
            )
            lines.append(
                f"{row['n']:>9}{row['fast_ms']:>13.3f}{row['fast_batch8_ms']:>12.3f}{tail}"
            )
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """명령의 입구."""
    parser = argparse.ArgumentParser(description="sampler 견주기")
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    parser.add_argument("--quick", action="store_true", help="작게 돌려 본다")
    parser.add_argument("--only", choices=("quality", "timing"))
    options = parser.parse_args(argv)
    result = run(options.quick, options.only)
    print(json.dumps(result, ensure_ascii=False) if options.json else report(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
