"""한 칸의 탐색 상태: 목표를 넘겨 묻지 않고, 남이 맡은 조합을 다시 묻지 않는다."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from optimize.runner.cell import CellRun
from optimize.runner.worker import Outcome
from optimize.search.folds import FoldedProposer
from optimize.search.objective import Objective, ObjectiveGoal
from optimize.search.pruning import CHECKPOINTS, make_pruner
from optimize.storage.claims import ClaimResult
from optimize.trial import FinishedTrial, Params, params_key


class Counting:
    """0, 1, 2, …를 내놓는 proposer. limit에서 다한다."""

    def __init__(self, limit: int = 10**6) -> None:
        self.limit = limit
        self.next = 0
        self.seen: list[Params] = []
        self.pending: list[Params] = []

    def observe(self, trials: Sequence[FinishedTrial]) -> None:
        self.seen += [trial.params for trial in trials]

    def ask(self, n: int, pending: Sequence[Params]) -> list[dict[str, Any]]:
        self.pending = list(pending)
        taken = range(self.next, min(self.next + n, self.limit))
        self.next = max(taken.stop, self.next)
        return [{"x": x} for x in taken]


def make_cell(target: int = 10, *, limit: int = 10**6, before: int = 0) -> tuple[CellRun, Counting]:
    proposer = Counting(limit)
    search: Any = SimpleNamespace(
        plan=SimpleNamespace(study_name="s", slug="slug"),
        space=SimpleNamespace(complete=dict),
        objective=Objective([ObjectiveGoal("sharpe")], max_drawdown_pct=50),
        proposer=FoldedProposer([proposer]),
        job=SimpleNamespace(folds=0, markets=[SimpleNamespace(ref=SimpleNamespace(symbol="A"))]),
        across="mean",
    )
    finished = [make_trial(1000 + i, number=i) for i in range(before)]
    cell = CellRun(0, search, target, make_pruner("none"))
    cell.learn(finished)
    return cell, proposer


def make_trial(x: int, score: float = 0.0, number: int | None = None) -> FinishedTrial:
    now = datetime.now(UTC)
    return FinishedTrial(f"u{x}", "COMPLETE", {"x": x}, (score,), now, now, number=number)


def outcome(sharpe: float = 1.0, drawdown: float = 10.0) -> Outcome:
    metrics = {"sharpe": sharpe, "max_drawdown_pct": drawdown, "trades": 100.0}
    return Outcome(metrics, "", 1.7e9, 0.01, {}, False)


def grant(cell: CellRun, keys: list[str], **changes: Any) -> None:
    values: dict[str, Any] = {
        "granted": keys,
        "duplicates": [],
        "remaining": 5,
        "others": 0,
        "finished": 0,
        **changes,
    }
    cell.claimed(keys, ClaimResult(**values))


def test_never_asks_past_the_target() -> None:
    cell, _ = make_cell(10, before=3)
    keys = cell.ask(100)
    assert len(keys) == 7
    assert cell.missing == 0
    grant(cell, keys)
    tasks = cell.take(4)
    assert (cell.in_flight, cell.ahead, cell.missing) == (4, 3, 0)
    for task in tasks:
        cell.finish(task, outcome())
    assert (cell.done, cell.missing) == (7, 0)
    assert not cell.complete


def test_complete_only_when_everything_is_stored() -> None:
    cell, _ = make_cell(1)
    grant(cell, cell.ask(1))
    (task,) = cell.take(1)
    trial, event = cell.finish(task, outcome())
    assert not cell.complete
    cell.settled([trial], [0])
    assert cell.complete
    assert event.number == 0


def test_numbers_continue_from_what_is_stored() -> None:
    cell, _ = make_cell(10, before=4)
    grant(cell, cell.ask(2))
    events = [cell.finish(task, outcome())[1] for task in cell.take(2)]
    assert [event.number for event in events] == [4, 5]


def test_a_rejected_trial_frees_its_place() -> None:
    """목표가 찬 사이 남이 채운 자리: 세지 않고, 남의 것을 읽어 목표에 이른다."""
    cell, _ = make_cell(2)
    grant(cell, cell.ask(2))
    trials = [cell.finish(task, outcome())[0] for task in cell.take(2)]
    cell.settled(trials, [1, -1])
    assert (cell.stored, cell.complete) == (1, False)
    cell.learn([make_trial(9, number=0)])
    assert cell.complete


def test_duplicates_are_kept_pending_until_seen() -> None:
    cell, proposer = make_cell(10)
    keys = cell.ask(2)
    grant(cell, keys, granted=keys[1:], duplicates=keys[:1], others=1)
    assert [task.params for task in cell.ready] == [{"x": 1}]
    cell.ask(1)
    assert {"x": 0} in proposer.pending
    cell.learn([make_trial(0)])
    cell.ask(1)
    assert {"x": 0} not in proposer.pending
    assert {"x": 0} in proposer.seen


def test_without_room_it_waits_for_the_others() -> None:
    cell, _ = make_cell(10)
    keys = cell.ask(3)
    grant(cell, keys, granted=keys[:1], remaining=0, others=9, finished=0)
    assert cell.waiting
    assert cell.ahead == 1
    grant(cell, [], granted=[], remaining=0, others=9)
    assert cell.waiting
    grant(cell, [], granted=[], remaining=2, others=7)
    assert not cell.waiting


def test_an_exhausted_space_completes() -> None:
    cell, _ = make_cell(10, limit=2)
    keys = cell.ask(10)
    grant(cell, keys)
    trials = [cell.finish(task, outcome())[0] for task in cell.take(10)]
    cell.settled(trials, [0, 1])
    assert not cell.complete
    assert cell.ask(10) == []
    assert cell.exhausted
    assert cell.complete


def test_the_best_is_feasible_and_flagged_in_the_event() -> None:
    cell, _ = make_cell(10)
    grant(cell, cell.ask(4))
    flags = []
    for task, (sharpe, drawdown) in zip(
        cell.take(4), [(1.0, 60.0), (0.5, 10.0), (0.4, 10.0), (0.7, 10.0)], strict=True
    ):
        trial, event = cell.finish(task, outcome(sharpe, drawdown))
        cell.note(trial)
        flags.append(event.is_best)
    assert flags == [False, True, False, True]
    assert cell.best is not None
    assert cell.best.values == (0.7,)


def test_failures_carry_their_reason_and_are_counted() -> None:
    cell, _ = make_cell(10)
    grant(cell, cell.ask(3))
    task, second, third = cell.take(3)
    broken = Outcome(None, "망가짐", 1.7e9, 0.0, {}, False)
    trial, event = cell.finish(task, broken)
    assert (trial.state, trial.error, event.score) == ("FAIL", "망가짐", None)
    assert cell.failed_in_a_row == 1
    # 잇달은 것만 센다.
    cell.finish(second, outcome())
    assert cell.failed_in_a_row == 0
    cell.finish(third, broken)
    assert cell.failed_in_a_row == 1


def test_gates_follow_the_finished_trials() -> None:
    """문턱은 끝까지 간 시행에서 오고, pruner가 없으면 앞 구간을 평가하지도 않는다."""
    cell, _ = make_cell(100)
    assert cell.gates() == ()
    pruned = CellRun(0, cell.search, 100, make_pruner("median"))
    assert [gate.minimum for gate in pruned.gates()] == [None] * len(CHECKPOINTS)
    for i in range(21):
        one = make_trial(i)
        object.__setattr__(one, "intermediate", {25: float(i), 50: float(-i)})
        pruned.note(one)
    assert [(gate.fraction, gate.minimum) for gate in pruned.gates()] == [
        (0.25, 10.0),
        (0.5, -10.0),
    ]


def test_the_key_asked_is_the_key_of_the_params() -> None:
    cell, _ = make_cell(3)
    assert cell.ask(1) == [params_key({"x": 0})]
