"""여러 심볼의 시행: 나누어 셈하든 차례로 셈하든 같고, 심볼마다의 것은 그 심볼만 돌린 것과 같다."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from optimize.backtest.costs import CostModel
from optimize.data.period import DAY_MS
from optimize.data.prepare import prepare
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_grid
from optimize.protocol import TrialEvent, decode, encode
from optimize.runner.cell import CellRun, CellSearch, trial_event
from optimize.runner.fingerprint import describe_study, digest
from optimize.runner.journal import finished_trial
from optimize.runner.pool import Task
from optimize.runner.worker import Job, Market, Outcome, Work, evaluate
from optimize.search.folds import FoldedProposer
from optimize.search.objective import Objective, ObjectiveGoal
from optimize.search.proposer import make_proposer
from optimize.search.space import SearchSpace
from optimize.settings.load import load_params
from optimize.settings.symbols import symbols_slug
from optimize.strategy.registry import load_strategy
from optimize.trial import FinishedTrial
from optimize.validation.blocks import decode_blocks
from optimize.validation.splits import Rules, make_scheme

NAMES = ("DEMO:BTCUSDT", "DEMO:ETHUSDT", "DEMO:SOLUSDT")
OBJECTIVE = Objective([ObjectiveGoal("sharpe")])
SPACE = SearchSpace(load_strategy("ma_cross").parameters)


@pytest.fixture(scope="module")
def markets(tmp_path_factory: pytest.TempPathFactory) -> list[Market]:
    """심볼마다 8일의 합성 캔들. 둘째는 수수료가 다르다."""
    cache = tmp_path_factory.mktemp("symbols")
    found = []
    for place, name in enumerate(NAMES):
        (ref,) = prepare(
            parse_symbol(name),
            parse_grid("15m@1h"),
            demo_seed=7,
            demo_days=8,
            cache_dir=cache,
            on_progress=lambda *_: None,
        )
        found.append(Market(ref, CostModel(fee_rate=0.002 if place == 1 else 0.0005)))
    return found


def job_of(markets: list[Market], rules: Rules) -> Job:
    first, *others = markets
    start, end = first.ref.start_ms // DAY_MS, (first.ref.end_ms - 1) // DAY_MS + 1
    scheme = make_scheme(rules, start, end)
    return Job(first.ref, "ma_cross", first.costs, OBJECTIVE, scheme=scheme, others=tuple(others))


def run(job: Job, groups: int, n: int = 6) -> list[FinishedTrial]:
    """묻고, 나누어 보내고, 작업자의 함수로 셈하고, 모은다. 묶음은 뒤에서부터 끝난다."""
    plan: Any = SimpleNamespace(study_name="s", slug="s")
    proposer = FoldedProposer([make_proposer("random", SPACE, seed=3)])
    search = CellSearch(plan, job, SPACE, OBJECTIVE, proposer, "worst")
    cell = CellRun(0, search, n, None, groups=groups)
    packed = pickle.dumps(job)
    keys = cell.ask(n)
    for key in keys:
        cell.ready.append(cell._claiming.pop(key))
    trials = {}
    chunks = cell.joiner.spread(cell.take(n))
    assert len(chunks) == min(groups, len(job.markets))
    assert sum(map(len, chunks)) == n * len(job.markets), "심볼마다 한 번씩만 셈한다"
    for tasks in reversed(chunks):
        works = [Work(task.full, task.fold, task.symbol) for task in tasks]
        for task, outcome in zip(tasks, evaluate("s", packed, (), works), strict=True):
            whole = cell.joiner.join(task, outcome)
            if whole is not None:
                trials[task.uid], _ = cell.finish(task, whole)
    assert cell.in_flight == 0
    return sorted(trials.values(), key=lambda trial: str(trial.params))


def seen(trial: FinishedTrial) -> list[object]:
    return [
        trial.params,
        trial.values,
        trial.constraints,
        trial.metrics,
        trial.out_of_sample,
        trial.out_of_sample_metrics,
        trial.by_symbol,
        trial.blocks,
    ]


def test_splitting_the_symbols_changes_nothing(markets: list[Market]) -> None:
    job = job_of(markets, Rules(test_fraction=0.3, embargo_days=0))
    alone, two, three, many = (run(job, groups) for groups in (1, 2, 3, 9))
    expected = [seen(trial) for trial in alone]
    assert [trial.state for trial in alone] == ["COMPLETE"] * 6
    for other in (two, three, many):
        assert [seen(trial) for trial in other] == expected


def test_each_symbol_is_what_it_is_alone_and_the_worst_is_taken(markets: list[Market]) -> None:
    rules = Rules(test_fraction=0.3, embargo_days=0)
    joint = run(job_of(markets, rules), 1)
    alone = [run(job_of([market], rules), 1) for market in markets]
    for place, trial in enumerate(joint):
        single = [trials[place] for trials in alone]
        assert [t.params for t in single] == [trial.params] * 3
        assert trial.values[0] == min(t.values[0] for t in single)
        assert trial.out_of_sample[0] == min(t.out_of_sample[0] for t in single)
        assert trial.metrics["trades"] == min(t.metrics["trades"] for t in single)
        assert trial.metrics["fees_pct"] == max(t.metrics["fees_pct"] for t in single)
        for name, one in zip(NAMES, single, strict=True):
            assert trial.by_symbol[name]["values"] == list(one.values)
            assert trial.by_symbol[name]["out_of_sample"] == list(one.out_of_sample)
            assert one.by_symbol == {}
        together = decode_blocks(trial.blocks).sums
        each = [decode_blocks(t.blocks).sums for t in single]
        assert together == pytest.approx(np.mean(each, axis=0), abs=1e-6)


def test_the_event_log_brings_the_whole_trial_back(markets: list[Market]) -> None:
    trial = run(job_of(markets, Rules("none")), 2, n=1)[0]
    event = decode(encode(trial_event("s", trial, 0, is_best=False)))
    assert isinstance(event, TrialEvent)
    back = finished_trial(event)
    assert set(back.by_symbol) == set(NAMES)
    assert (back.by_symbol, back.values, back.blocks) == (
        trial.by_symbol,
        trial.values,
        trial.blocks,
    )


def test_one_failed_symbol_fails_the_trial_and_is_named() -> None:
    plan: Any = SimpleNamespace(study_name="s", slug="s")
    job: Any = SimpleNamespace(
        folds=0, markets=[SimpleNamespace(ref=SimpleNamespace(symbol=name)) for name in NAMES]
    )
    search: Any = SimpleNamespace(plan=plan, job=job, objective=OBJECTIVE, across="mean")
    cell = CellRun(0, search, 1, None)
    good = Outcome({"sharpe": 1.0, "trades": 9.0}, "", 1.7e9, 0.5, {}, False)
    bad = Outcome(None, "ValueError: 망가짐", 1.6e9, 0.25, {}, False)
    task = Task("u", 0, {"a": 1}, {"a": 1})
    (tasks,) = cell.joiner.spread([task])
    joined = [
        cell.joiner.join(task, outcome)
        for task, outcome in zip(tasks, (good, bad, good), strict=True)
    ]
    assert joined[:2] == [None, None]
    assert joined[2] is not None
    trial, event = cell.finish(task, joined[2])
    assert (trial.state, trial.error) == ("FAIL", "DEMO:ETHUSDT: ValueError: 망가짐")
    assert event.duration_ms == 1250.0


def test_every_symbols_data_and_costs_are_in_the_fingerprint(markets: list[Market]) -> None:
    first, second, third = (market.ref for market in markets)
    entries = "[DEMO:BTCUSDT, DEMO:ETHUSDT, DEMO:SOLUSDT]"

    def described(symbols: str, refs: list[Any], rule: str = "mean") -> str:
        overrides = [
            (("symbols",), [part.strip() for part in symbols.strip("[]").split(",")]),
            (("objective", "across_symbols"), rule),
        ]
        params = load_params(None, overrides)
        return digest(describe_study(params, refs[0], SPACE, {"h": "h"}, refs[1:]))

    base = described(entries, [first, second, third])
    again = described("[DEMO:SOLUSDT, DEMO:BTCUSDT, DEMO:ETHUSDT]", [first, second, third])
    assert again == base, "적은 차례는 상관없다"
    assert described(entries, [first, second, third], "worst") != base
    changed = replace(second, fingerprint="0" * 64)
    assert described(entries, [first, changed, third]) != base, "둘째 심볼의 캔들"
    market = replace(third, step_size=0.5)
    assert described(entries, [first, second, market]) != base, "셋째 심볼의 수량 단위"
    single = described("[DEMO:BTCUSDT]", [first])
    assert described("[DEMO:BTCUSDT]", [first], "worst") == single, "심볼이 하나면 값이 같다"


def test_costs_of_one_symbol_are_in_the_fingerprint(markets: list[Market]) -> None:
    refs = [market.ref for market in markets[:2]]

    def described(fee: float | None) -> str:
        entries = [{"symbol": "DEMO:BTCUSDT"}, {"symbol": "DEMO:ETHUSDT", "fee_rate": fee}]
        params = load_params(None, [(("symbols",), entries)])
        return digest(describe_study(params, refs[0], SPACE, {"h": "h"}, refs[1:]))

    assert described(0.001) != described(None)


@pytest.mark.parametrize(
    ("names", "slug"),
    [
        (["BINANCE:BTCUSDT.P"], "binance_btcusdt_p"),
        (["BINANCE:ENAUSDT.P", "BINANCE:BTCUSDT.P"], "binance_btcusdt_p_enausdt_p"),
        (["UPBIT:BTCKRW", "BINANCE:BTCUSDT"], "binance_btcusdt_upbit_btckrw"),
        (["DEMO:A1", "DEMO:B1", "DEMO:C1", "DEMO:D1"], "multi4_8c0318a9"),
        (["DEMO:D1", "DEMO:B1", "DEMO:C1", "DEMO:A1"], "multi4_8c0318a9"),
    ],
)
def test_the_name_does_not_depend_on_the_order(names: list[str], slug: str) -> None:
    assert symbols_slug([parse_symbol(name) for name in names]) == slug


def test_refs_of_different_periods_are_cut_to_the_common_one(tmp_path: Path) -> None:
    """한 심볼의 파일이 짧으면 모두 그 기간으로 준비한다."""
    from optimize.protocol import WarningEvent
    from optimize.runner.candles import load_markets

    start = 1_735_689_600_000
    files = {}
    for name, first, minutes in (("AAA:AAAUSDT", 0, 4320), ("AAA:BBBUSDT", 600, 4000)):
        rows = ["open_time,open,high,low,close,volume"]
        rows += [f"{start + 60_000 * (first + i)},100,101,99,100,1" for i in range(minutes)]
        path = tmp_path / f"{name[-7:]}.csv"
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        files[name] = str(path)
    params = load_params(
        None, [(("symbols",), [{"symbol": name, "file": file} for name, file in files.items()])]
    )
    plan: Any = SimpleNamespace(params=params, cells=[SimpleNamespace(cell=parse_grid("15m")[0])])
    said: list[Any] = []
    events: Any = SimpleNamespace(emit=lambda *items: said.extend(items))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
        (cell,) = load_markets(plan, events)
    assert [market.ref.symbol for market in cell] == list(files)
    periods = {(market.ref.start_ms, market.ref.end_ms) for market in cell}
    assert periods == {(start + 600 * 60_000, start + 4320 * 60_000)}
    titles = [event.title for event in said if isinstance(event, WarningEvent)]
    assert "심볼 2개의 기간이 달라 공통 기간만 씁니다" in titles
