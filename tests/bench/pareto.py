"""여러 목표의 sampler 견주기: 빠른 TPE와 Optuna의 TPESampler·NSGA-II를 같은 시행 수에서.

    python tests/bench/pareto.py [--json] [--quick] [--only quality|timing]

잣대는 초부피(hypervolume): 찾은 시행들이 지배하는, 기준점까지의 넓이다(클수록 좋다). 씨앗을 짝지어
돌리고 짝의 차이는 정확한 Wilcoxon signed-rank 검정(양쪽)으로 본다.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import optuna
from sampler import suggest, wide_parameters, wilcoxon
from sampler_problems import MARKET, real_metrics

from optimize.search.proposer import make_proposer
from optimize.search.space import SearchSpace
from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter, Parameter
from optimize.trial import FinishedTrial, ParamValue

_NOW = datetime.now(UTC)
_GOALS = ("minimize", "minimize")
Pair = tuple[float, float]


@dataclass(frozen=True)
class Problem:
    """작을수록 좋은 목표 둘. reference: 초부피를 재는 기준점(이보다 나쁜 시행은 세지 않는다)."""

    name: str
    parameters: tuple[Parameter, ...]
    losses: Callable[[dict[str, ParamValue]], Pair]
    reference: Pair
    n_trials: int = 200


def zdt1() -> Problem:
    """ZDT1 10차원 (Zitzler 외 2000, "Comparison of Multiobjective Evolutionary Algorithms")."""

    def losses(p: dict[str, ParamValue]) -> Pair:
        x = [float(p[f"x{i}"]) for i in range(10)]
        g = 1 + 9 * statistics.fmean(x[1:])
        return x[0], g * (1 - math.sqrt(x[0] / g))

    parameters = tuple(FloatParameter(f"x{i}", 0.5) for i in range(10))
    return Problem("zdt1", parameters, losses, (1.1, 4.0))


def two_centers() -> Problem:
    """섞인 종류의 8차원에서 두 답까지의 거리. 켜고 끄는 조건부 차원이 하나 있다."""
    places = {"a": 0.0, "b": 0.3, "c": 0.7, "d": 1.0}
    parameters: tuple[Parameter, ...] = (
        *(FloatParameter(f"x{i}", 0.5) for i in range(3)),
        IntParameter("n", 10, low=2, high=200),
        FloatParameter("rate", 0.1, low=1e-3, high=1.0, log=True),
        ChoiceParameter("c", "a", choices=tuple(places)),
        ChoiceParameter("extra", False),
        FloatParameter("gain", 0.0, requires={"extra": (True,)}, low=0.0, high=4.0, step=0.25),
    )

    def losses(p: dict[str, ParamValue]) -> Pair:
        at = [float(p[f"x{i}"]) for i in range(3)]
        at += [float(p["n"]) / 200, 1 + math.log10(float(p["rate"])) / 3, places[str(p["c"])]]
        at += [float(p["gain"]) / 4 if p["extra"] else 0.5]
        first = math.dist(at, [0.2, 0.3, 0.4, 0.1, 0.7, 0.3, 0.5])
        return first, math.dist(at, [0.6, 0.7, 0.3, 0.5, 0.4, 0.7, 0.9])

    return Problem("two_centers", parameters, losses, (1.5, 1.5))


def real_candles() -> Problem | None:
    """BTCUSDT 2024년 15분봉(HTF 1시간)의 −sharpe와 최대 낙폭(%). 거래 30회 미만은 기준점 밖이다."""
    market = real_metrics()
    if market is None:
        return None
    parameters, metrics_of = market

    def losses(p: dict[str, ParamValue]) -> Pair:
        metrics = metrics_of(p)
        if metrics["trades"] < 30:
            return 10.0, 100.0
        return -metrics["sharpe"], metrics["max_drawdown_pct"]

    return Problem("btcusdt_15m_1h", parameters, losses, (0.0, 40.0))


def hypervolume(points: Sequence[Pair], reference: Pair) -> float:
    """두 목표의 초부피: 첫 목표로 늘어놓아 계단의 넓이를 더한다."""
    total, top = 0.0, reference[1]
    for x, y in sorted(points):
        if x < reference[0] and y < top:
            total += (reference[0] - x) * (top - y)
            top = y
    return total


def by_proposer(problem: Problem, seed: int, name: str = "tpe") -> float:
    """우리 Proposer가 찾은 초부피."""
    space = SearchSpace(problem.parameters)
    proposer = make_proposer(name, space, _GOALS, seed)
    found: list[Pair] = []
    for _ in range(problem.n_trials):
        params = proposer.ask(1, [])[0]
        found.append(problem.losses(space.complete(params)))
        proposer.observe([FinishedTrial("", "COMPLETE", params, found[-1], _NOW, _NOW)])
    return hypervolume(found, problem.reference)


def by_optuna(problem: Problem, seed: int, sampler: type[optuna.samplers.BaseSampler]) -> float:
    """Optuna의 sampler(기본값)가 찾은 초부피."""
    space = SearchSpace(problem.parameters)
    study = optuna.create_study(directions=_GOALS, sampler=sampler(seed=seed))  # type: ignore[call-arg]
    for _ in range(problem.n_trials):
        trial = study.ask()
        params = space.walk(lambda p: suggest(trial, p))  # noqa: B023 — 바로 부른다
        study.tell(trial, problem.losses(space.complete(params)))
    return hypervolume([(t.values[0], t.values[1]) for t in study.trials], problem.reference)


@dataclass(frozen=True)
class QualityRow:
    """한 문제의 초부피(클수록 좋다)의 중앙값과, Optuna TPE와의 짝 견줌."""

    problem: str
    n_trials: int
    seeds: int
    fast: float
    stock: float
    nsga2: float
    random: float
    wins: int
    losses: int
    p_value: float


def quality(problems: Sequence[Problem], n_seeds: int) -> list[QualityRow]:
    """문제마다 씨앗을 짝지어 견준다."""
    rows = []
    for problem in problems:
        seeds = range(n_seeds)
        fast = [by_proposer(problem, seed) for seed in seeds]
        stock = [by_optuna(problem, seed, optuna.samplers.TPESampler) for seed in seeds]
        nsga2 = [by_optuna(problem, seed, optuna.samplers.NSGAIISampler) for seed in seeds]
        rand = [by_proposer(problem, seed, "random") for seed in seeds]
        differences = [a - b for a, b in zip(fast, stock, strict=True)]
        rows.append(
            QualityRow(
                problem.name,
                problem.n_trials,
                n_seeds,
                *(statistics.median(values) for values in (fast, stock, nsga2, rand)),
                wins=sum(d > 0 for d in differences),
                losses=sum(d < 0 for d in differences),
                p_value=wilcoxon(differences),
            )
        )
        print(f"  {problem.name} 끝", file=sys.stderr)
    return rows


def timing(sizes: Sequence[int]) -> list[dict[str, float]]:
    """22차원, 목표 둘: 시행 하나의 ask+observe에 드는 CPU ms(30번의 중앙값)."""
    import random

    space = SearchSpace(wide_parameters())

    def trial(params: dict[str, ParamValue]) -> FinishedTrial:
        at = [float(params[f"f{i}"]) for i in range(8)]
        values = math.dist(at, [0.3] * 8), math.dist(at, [0.7] * 8)
        return FinishedTrial("", "COMPLETE", params, values, _NOW, _NOW)

    rows = []
    for n in sizes:
        rng = random.Random(n)
        proposer = make_proposer("tpe", space, _GOALS, 1)
        start = time.process_time()
        for _ in range(n):
            proposer.observe([trial(space.draw(rng))])
        proposer.ask(1, [])
        learned = time.process_time() - start
        costs = []
        for _ in range(30):
            start = time.process_time()
            proposed = proposer.ask(1, [])
            spent = time.process_time() - start
            trials = [trial(params) for params in proposed]
            start = time.process_time()
            proposer.observe(trials)
            costs.append(spent + time.process_time() - start)
        rows.append({"n": n, "ms": 1e3 * statistics.median(costs), "resume_s": learned})
    return rows


def run(quick: bool, only: str | None) -> dict[str, Any]:
    """모든 견주기를 돌려 JSON으로 쓸 수 있는 사전을 준다."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    result: dict[str, Any] = {"optuna": optuna.__version__}
    if only != "timing":
        real = None if quick else real_candles()
        problems = [zdt1(), two_centers(), *([real] if real else [])]
        result["quality"] = [asdict(row) for row in quality(problems, 3 if quick else 12)]
        if real is None:
            result["real_candles"] = "quick" if quick else f"{MARKET} 없음"
    if only != "quality":
        result["timing"] = timing((100, 1000) if quick else (100, 1000, 5000, 10_000))
    return result


def report(result: dict[str, Any]) -> str:
    """사람이 읽는 표."""
    lines = [f"Optuna {result['optuna']}"]
    if "quality" in result:
        lines.append("\n[품질] 시행 수가 같을 때의 초부피의 중앙값, 클수록 좋다")
        lines.append(
            f"{'문제':<16}{'시행':>5}{'씨앗':>5}{'빠른 TPE':>12}{'Optuna TPE':>12}{'NSGA-II':>10}"
            f"{'무작위':>10}{'승-패':>9}{'p':>7}"
        )
    lines.extend(
        f"{row['problem']:<18}{row['n_trials']:>7}{row['seeds']:>6}{row['fast']:>13.4f}"
        f"{row['stock']:>12.4f}{row['nsga2']:>10.4f}{row['random']:>12.4f}"
        f"{row['wins']:>8}-{row['losses']:<3}{row['p_value']:>6.3f}"
        for row in result.get("quality", [])
    )
    lines.extend(
        f"시행 {row['n']:>6,}개: 한 시행 {row['ms']:.2f} ms" for row in result.get("timing", [])
    )
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """명령의 입구."""
    parser = argparse.ArgumentParser(description="여러 목표의 sampler 견주기")
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    parser.add_argument("--quick", action="store_true", help="작게 돌려 본다")
    parser.add_argument("--only", choices=("quality", "timing"))
    options = parser.parse_args(argv)
    result = run(options.quick, options.only)
    print(json.dumps(result, ensure_ascii=False) if options.json else report(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
