"""과최적화 판정을 내고 보인다: 최선을 다시 셈하고, `verdict.json`을 쓰고, 끝의 표 아래에 줄을 단다."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from optimize.report.trials import private_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from optimize.backtest.costs import CostModel
    from optimize.backtest.result import BacktestResult
    from optimize.data.dataset import DatasetRef
    from optimize.search.across import AcrossSymbols
    from optimize.search.objective import Objective
    from optimize.search.space import SearchSpace
    from optimize.trial import FinishedTrial, Params
    from optimize.validation.splits import Scheme
    from optimize.verdict.collect import StudyTrials
    from optimize.verdict.figures import Rerun
    from optimize.verdict.judge import Verdict

VERDICT_FILE = "verdict.json"
# 이웃들을 모두 셈하는 데 이보다 오래 걸릴 전략이면 저장된 이웃으로 본다.
STEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bench:
    """한 칸의 시행을 다시 셈하는 데 필요한 것. scheme: 기간을 나눈 것, None이면 나누지 않았다.

    others: 심볼이 여럿이면 나머지 심볼들의 (자료, 비용). across: 심볼마다의 점수를 모으는 법.
    """

    ref: DatasetRef
    strategy: str
    costs: CostModel
    objective: Objective
    space: SearchSpace
    scheme: Scheme | None = None
    others: tuple[tuple[DatasetRef, CostModel], ...] = ()
    across: AcrossSymbols = "mean"


class _Stage:
    """심볼 하나를 다시 셈할 자리: 연 캔들과 재는 자, 시행마다 다시 쓰는 배열."""

    def __init__(self, ref: DatasetRef, costs: CostModel, bench: Bench) -> None:
        from optimize.strategy.protocol import Workspace
        from optimize.strategy.registry import load_strategy
        from optimize.validation.measure import Ruler

        self._dataset, self._strategy = ref.open(), load_strategy(bench.strategy)
        self._costs, self._workspace = costs, Workspace()
        self._ruler = Ruler(self._dataset, bench.scheme)

    def run(self, full: Params) -> BacktestResult:
        """전체 기간의 백테스트. 배열은 다음 것이 다시 쓴다."""
        from optimize.backtest.engine import run_backtest

        return run_backtest(self._dataset, self._strategy, full, self._costs, self._workspace)

    def metrics(self, full: Params, fold: int | None) -> dict[str, float]:
        """학습의 지표."""
        return self._ruler.measure(self.run(full), fold).metrics


def rerun_best(bench: Bench, best: FinishedTrial, step_seconds: float = STEP_SECONDS) -> Rerun:
    """최선과 그 한 걸음 이웃들을 다시 셈한다. 캔들이나 전략을 읽지 못하면 WizardError.

    심볼이 여럿이면 심볼마다 같은 돈을 두고 날마다 맞춘 포트폴리오로 본다: 일간 수익률은 평균이고, 거래는 끝난
    차례로 늘어놓아 수익률을 심볼의 수로 나눈다.
    step_seconds: 이웃들에 쓸 시간(초). 첫 이웃을 셈한 시간으로 보아 넘을 것 같으면 이웃을 셈하지 않는다.
    내장이 아닌 전략의 이웃도 셈하지 않는다(저장된 이웃으로 본다).
    """
    from optimize.search.across import JointObjective
    from optimize.strategy.registry import BUILTIN_STRATEGIES
    from optimize.verdict.figures import Rerun
    from optimize.verdict.plateau import one_step

    joint = JointObjective(bench.objective, bench.across)
    stages = [_Stage(ref, costs, bench) for ref, costs in ((bench.ref, bench.costs), *bench.others)]
    daily, trades = _portfolio([stage.run(bench.space.complete(best.params)) for stage in stages])
    # 남이 지은 전략은 한 번도 돌려 보지 않은 조합에서 이 프로세스를 죽이거나 멈추게 할 수 있다.
    safe = bench.strategy in BUILTIN_STRATEGIES
    neighbours = one_step(bench.space, best.params) if safe else []
    steps: list[float] = []
    began = time.perf_counter()
    for count, params in enumerate(neighbours, 1):
        full = bench.space.complete(params)
        try:
            metrics = [stage.metrics(full, best.fold) for stage in stages]
        except Exception:  # noqa: BLE001, S112 — 사용자의 전략은 이웃에서 무엇이든 올릴 수 있다
            continue
        steps.append(joint.score(metrics).values[0])
        if (time.perf_counter() - began) / count * len(neighbours) > step_seconds:
            return Rerun(daily, trades, [])
    return Rerun(daily, trades, steps)


def _portfolio(
    results: Sequence[BacktestResult],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(일간 수익률, 거래마다의 수익률)."""
    import numpy as np

    daily = np.mean([result.daily_returns() for result in results], axis=0)
    exits = np.concatenate([result.trades["exit_bar"] for result in results])
    returns = np.concatenate([result.trades["return_pct"] for result in results])
    return daily, returns[np.argsort(exits, kind="stable")] / (100.0 * len(results))


def judge_studies(
    studies: Sequence[StudyTrials], benches: Mapping[str, Bench | str]
) -> list[Verdict]:
    """함께 돈 칸들의 판정, studies의 차례로. benches: 스터디의 이름 → 다시 셈할 것, 없으면 그 까닭."""
    from optimize.verdict.figures import Judge
    from optimize.verdict.judge import judge

    panel = Judge(studies)
    verdicts = []
    for study in studies:
        bench = benches.get(study.study, "최선을 다시 셈하지 않았습니다")
        rerun, reason = try_rerun(bench, study.best)
        verdicts.append(judge(panel.figures(study, rerun, reason)))
    return verdicts


def try_rerun(
    bench: Bench | str, best: FinishedTrial | None, step_seconds: float = STEP_SECONDS
) -> tuple[Rerun | None, str]:
    """다시 셈한 것과 빈 글, 또는 None과 셈하지 못한 까닭."""
    from optimize.errors import WizardError

    if isinstance(bench, str) or best is None:
        return None, bench if isinstance(bench, str) else ""
    try:
        return rerun_best(bench, best, step_seconds), ""
    except WizardError as error:
        return None, f"최선을 다시 셈하지 못했습니다({error.title})"
    except Exception as error:  # noqa: BLE001 — 사용자의 전략은 무엇이든 올릴 수 있다
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return None, f"최선을 다시 셈하지 못했습니다({text[:200]})"


def write_verdict(path: Path, verdict: Verdict) -> None:
    """`verdict.json`(0600). 꼴은 docs/verdict.md에 있다. 쓰지 못하면 OSError."""
    text = json.dumps(verdict.as_json(), ensure_ascii=False, indent=1)
    with private_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def print_verdicts(verdicts: Sequence[Verdict], out: IO[str]) -> None:
    """실행의 끝에 다는 줄들: 스터디마다 한마디와 좋지 않은 잣대들."""
    if not verdicts:
        return
    print("과최적화 판정", file=out)
    for verdict in verdicts:
        for line in verdict.lines(brief=True):
            print(f"  {line}", file=out)
    name = verdicts[0].figures.study
    print(f"  모든 잣대 보기: python -m optimize.studies verdict {name}", file=out)
