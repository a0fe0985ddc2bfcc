"""검증이 끝에서 끝까지 새지 않는다: 검증 날의 캔들을 바꾸어도 학습 점수와 제안이 그대로다."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.backtest.segments import Calendar
from optimize.data.dataset import DatasetRef
from optimize.data.prepare import prepare
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_grid
from optimize.report.validation import validation_report
from optimize.runner.cell import CellRun, CellSearch
from optimize.runner.worker import Job, Outcome, evaluate
from optimize.search.folds import FoldedProposer, fold_seed
from optimize.search.objective import Objective, ObjectiveGoal
from optimize.search.proposer import make_proposer
from optimize.search.pruning import make_pruner
from optimize.search.space import SearchSpace
from optimize.search.winners import Winners
from optimize.storage.claims import ClaimResult
from optimize.strategy.registry import load_strategy
from optimize.trial import FinishedTrial
from optimize.validation.blocks import decode_blocks
from optimize.validation.splits import Rules, day_count, make_scheme

START = 1_704_067_200_000
DAYS = 24
FIRST_DAY = START // 86_400_000
STEP = 900_000
SPACE = SearchSpace(load_strategy("ma_cross").parameters)
OBJECTIVE = Objective([ObjectiveGoal("sharpe")], min_trades=2)


def write_candles(path: Path, *, changed_from: int = DAYS) -> Path:
    """15분봉 DAYS일. changed_from째 날부터는 다른 길을 간다(앞은 글자까지 같다)."""
    n = DAYS * 96
    steps = np.random.default_rng(3).normal(0, 0.004, n)
    other = np.random.default_rng(4).normal(0, 0.012, n)
    steps[changed_from * 96 :] = other[changed_from * 96 :]
    close = 100 * np.exp(np.cumsum(steps))
    opened = np.concatenate(([100.0], close[:-1]))
    wide = 1.001
    lines = ["open_time,open,high,low,close,volume"]
    lines += [
        f"{START + i * STEP},{o!r},{max(o, c) * wide!r},{min(o, c) / wide!r},{c!r},1.0"
        for i, (o, c) in enumerate(zip(opened.tolist(), close.tolist(), strict=True))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def dataset_ref(folder: Path, name: str, **changes: int) -> DatasetRef:
    (ref,) = prepare(
        parse_symbol("BINANCE:BTCUSDT"),
        parse_grid("15m@1h"),
        file=write_candles(folder / f"{name}.csv", **changes),
        start=None,
        end=None,
        offline=True,
        demo_seed=7,
        demo_days=1,
        cache_dir=folder / "cache",
        on_progress=lambda *_: None,
        floor_off_grid=False,
    )
    return ref


@pytest.fixture(scope="module")
def refs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, DatasetRef]:
    """바꾸기 시작한 날 → 자료."""
    folder = tmp_path_factory.mktemp("validation")
    return {day: dataset_ref(folder, str(day), changed_from=day) for day in (DAYS, 18, 16)}


def search(
    ref: DatasetRef, rules: Rules, n: int, *, pruner: str = "none", sampler: str = "tpe"
) -> tuple[list[FinishedTrial], CellRun]:
    """작업 하나로 n개: 묻고, 자리를 맡고, 작업자의 함수로 평가하고, 알린다."""
    scheme = make_scheme(rules, FIRST_DAY, FIRST_DAY + DAYS)
    job = Job(ref, "ma_cross", CostModel(), OBJECTIVE, scheme=scheme)
    proposers = [
        make_proposer(sampler, SPACE, seed=fold_seed(5, fold))
        for fold in range(max(rules.split_count, 1))
    ]
    plan: Any = SimpleNamespace(study_name="s", slug="slug")
    found = CellSearch(plan, job, SPACE, OBJECTIVE, FoldedProposer(proposers))
    cell = CellRun(0, found, n, make_pruner(pruner))
    packed = pickle.dumps(job)
    trials = []
    while cell.missing:
        keys = cell.ask(1)
        cell.claimed(keys, ClaimResult(keys, [], 1, 0, 0))
        (task,) = cell.take(1)
        (outcome,) = evaluate("시험", packed, cell.gates(), [work_of(task)])
        trial, _ = cell.finish(task, outcome)
        cell.note(trial)
        cell.observe([trial])
        cell.settled([trial], [len(trials)])
        trials.append(replace(trial, number=len(trials)))
    return trials, cell


def work_of(task: Any) -> Any:
    from optimize.runner.worker import Work

    return Work(task.full, task.fold)


def seen(trials: Sequence[FinishedTrial]) -> list[object]:
    """탐색이 본 것 모두."""
    return [(t.fold, t.params, t.in_sample, t.values, t.constraints, t.metrics) for t in trials]


@pytest.mark.parametrize(
    ("rules", "changed"),
    [(Rules(test_fraction=0.3), 16), (Rules("walk_forward", windows=2), 18)],
    ids=["hold_out", "walk_forward"],
)
def test_검증의_캔들을_바꾸어도_학습_점수와_제안이_그대로다(
    refs: dict[int, DatasetRef], rules: Rules, changed: int
) -> None:
    scheme = make_scheme(rules, FIRST_DAY, FIRST_DAY + DAYS)
    last = scheme.splits[-1].test[0]
    assert last == (FIRST_DAY + changed, FIRST_DAY + DAYS)
    calm, _ = search(refs[DAYS], rules, 40)
    moved, _ = search(refs[changed], rules, 40)
    assert seen(calm) == seen(moved)
    # 그 날을 검증에 쓰는 split의 검증 점수만 달라진다.
    differs = {
        a.fold for a, b in zip(calm, moved, strict=True) if a.out_of_sample != b.out_of_sample
    }
    assert differs == {len(scheme.splits) - 1}
    # TPE가 낸 시행까지 견주었다: 학습의 캔들이 다르면 다른 것을 낸다.
    assert len({t.in_sample for t in calm}) > 10


def test_학습의_캔들을_바꾸면_제안이_달라진다(refs: dict[int, DatasetRef]) -> None:
    """위의 시험이 무엇이든 통과시키지 않음을 본다: 16일째부터는 학습(embargo 앞 17일)에 든다."""
    rules = Rules(test_fraction=0.25, embargo_days=0)
    calm, _ = search(refs[DAYS], rules, 30)
    moved, _ = search(refs[16], rules, 30)
    assert seen(calm) != seen(moved)


def test_hold_out의_점수는_학습의_것이고_검증이_없으면_전체의_것이다(
    refs: dict[int, DatasetRef],
) -> None:
    held, _ = search(refs[DAYS], Rules(), 12)
    whole, _ = search(refs[DAYS], Rules("none"), 12)
    data, strategy = refs[DAYS].open(), load_strategy("ma_cross")
    for trial in held:
        assert trial.fold == 0
        assert trial.in_sample == trial.values == (trial.metrics["sharpe"],)
        assert trial.in_sample_constraints == trial.constraints
        assert trial.out_of_sample == (trial.out_of_sample_metrics["sharpe"],)
        assert decode_blocks(trial.blocks).days == 15
    for trial in whole:
        result = run_backtest(data, strategy, SPACE.complete(trial.params), CostModel())
        assert (trial.fold, trial.in_sample, trial.out_of_sample) == (None, (), ())
        assert trial.metrics == result.metrics
        assert decode_blocks(trial.blocks).days == DAYS


def test_여러_split의_값은_학습_날들의_합집합에서_재고_split의_것은_따로_적는다(
    refs: dict[int, DatasetRef],
) -> None:
    rules = Rules("purged_kfold", folds=4, embargo_days=0)
    trials, _ = search(refs[DAYS], rules, 12)
    data, strategy = refs[DAYS].open(), load_strategy("ma_cross")
    assert [trial.fold for trial in trials] == [0, 1, 2, 3] * 3
    for trial in trials:
        result = run_backtest(data, strategy, SPACE.complete(trial.params), CostModel())
        # k-fold의 학습을 모두 모으면 전체 기간이다.
        assert trial.metrics == result.metrics
    assert any(trial.in_sample != trial.values for trial in trials)


def test_pruner는_학습의_앞만_본다(refs: dict[int, DatasetRef]) -> None:
    calm, _ = search(refs[DAYS], Rules(), 60, pruner="median", sampler="random")
    moved, _ = search(refs[16], Rules(), 60, pruner="median", sampler="random")
    assert [(t.state, t.intermediate) for t in calm] == [(t.state, t.intermediate) for t in moved]
    stopped = [trial for trial in calm if trial.state == "PRUNED"]
    assert stopped
    assert all((t.fold, t.in_sample, t.blocks) == (0, (), "") for t in stopped)


@pytest.mark.parametrize("method", ["hold_out", "walk_forward", "purged_kfold", "cpcv"])
def test_보고는_split마다_이긴_시행과_이어_붙인_검증을_담는다(
    refs: dict[int, DatasetRef], method: str
) -> None:
    rules = Rules(method, windows=3, folds=3, groups=4, test_groups=2)  # type: ignore[arg-type]
    trials, cell = search(refs[DAYS], rules, 6 * rules.split_count)
    scheme = cell.search.job.scheme
    assert scheme is not None
    winners = Winners(rules.split_count, ("maximize",))
    for trial in trials:
        winners.offer(trial)
    data, strategy = refs[DAYS].open(), load_strategy("ma_cross")
    runs: list[int] = []

    def rerun(params: Any) -> Any:
        runs.append(1)
        return run_backtest(data, strategy, SPACE.complete(params), CostModel())

    body = validation_report(
        scheme, winners, Calendar.of(data), rerun, lambda m: OBJECTIVE.score(m).values
    )
    assert len(body["splits"]) == rules.split_count
    assert sum(split["n_trials"] for split in body["splits"]) == len(trials)
    for fold, split in enumerate(body["splits"]):
        mine = [
            t for t in trials if t.fold == fold and all(c <= 0 for c in t.in_sample_constraints)
        ]
        if split["winner"] is None:
            assert not mine
            continue
        best = max(mine, key=lambda t: t.in_sample[0])
        assert split["in_sample"] == [best.in_sample[0]]
        assert split["out_of_sample"] == list(best.out_of_sample)
        assert split["out_of_sample_metrics"] == best.out_of_sample_metrics
        assert OBJECTIVE.score(split["in_sample_metrics"]).values == best.in_sample
    assert len(runs) == sum(split["winner"] is not None for split in body["splits"])
    if method == "cpcv":
        assert len(body["paths"]) == 3
        assert body["path_scores"]["median"] == sorted(p["score"][0] for p in body["paths"])[1]
        assert body["stitched"] is None
        return
    # 이어 붙인 순이익은 이긴 시행들의 검증 수익의 곱이다.
    growth = np.prod(
        [
            1 + s["out_of_sample_metrics"]["net_profit_pct"] / 100
            for s in body["splits"]
            if s["winner"] is not None
        ]
    )
    found = body["stitched"]["metrics"]["net_profit_pct"]
    assert found == pytest.approx(100 * (growth - 1), rel=1e-9, abs=1e-9)
    assert body["score"] == [body["stitched"]["metrics"]["sharpe"]]
    inside = body["efficiency"]["in_sample_cagr_pct"]
    logs = [
        (np.log1p(s["in_sample_metrics"]["net_profit_pct"] / 100), day_count(split.train))
        for s, split in zip(body["splits"], scheme.splits, strict=True)
        if s["winner"] is not None
    ]
    yearly = np.expm1(365 * sum(g for g, _ in logs) / sum(d for _, d in logs)) * 100
    assert inside == pytest.approx(yearly)
    assert (body["efficiency"]["value"] is None) == (inside <= 0)


def test_끝까지_가지_못한_시행은_이기지_못한다() -> None:
    winners = Winners(2, ("maximize",))
    now: Any = None
    failed = FinishedTrial("f", "FAIL", {}, (), now, now, fold=0, number=0)
    broken = FinishedTrial(
        "b", "COMPLETE", {}, (9.0,), now, now, fold=0, in_sample=(9.0,),
        in_sample_constraints=(1.0,), number=1,
    )  # fmt: skip
    stranger = FinishedTrial("s", "COMPLETE", {}, (9.0,), now, now, number=2)
    for trial in (failed, broken, stranger):
        winners.offer(trial)
    assert winners.trials == [None, None]
    assert winners.counts == [2, 0]


def test_한_split의_결과는_같은_지표를_두_번_보내지_않는다(refs: dict[int, DatasetRef]) -> None:
    scheme = make_scheme(Rules(), FIRST_DAY, FIRST_DAY + DAYS)
    job = Job(refs[DAYS], "ma_cross", CostModel(), OBJECTIVE, scheme=scheme)
    params = SPACE.complete({})
    (one,) = evaluate("a", pickle.dumps(job), (), [work_of(SimpleNamespace(full=params, fold=0))])
    assert isinstance(one, Outcome)
    assert one.in_sample is None
    assert one.out_of_sample is not None
