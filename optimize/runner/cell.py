"""한 칸(스터디 하나)의 탐색 상태: 무엇을 더 물을지, 무엇이 나가 있는지, 지금까지의 최선.

시행은 이렇게 흐른다: 묻기(ask) → 자리 맡기(claim) → 준비됨(ready) → 작업자 → 끝남(기록) → 저장됨.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from optimize.protocol import TrialEvent
from optimize.runner.joint import SymbolJoiner
from optimize.runner.pool import Task
from optimize.runner.worker import Gate, Job, Outcome
from optimize.search.across import AcrossSymbols, JointObjective
from optimize.search.pareto import Leaders
from optimize.search.pruning import CHECKPOINTS, Pruner
from optimize.trial import FinishedTrial, Params, SymbolScore, params_key

if TYPE_CHECKING:
    from optimize.search.folds import FoldedProposer
    from optimize.search.objective import Objective, Score
    from optimize.search.space import SearchSpace
    from optimize.settings.plan import CellPlan
    from optimize.storage.claims import ClaimResult

_SMOOTH = 0.2
# 첫 시행의 길이를 모를 때의 짐작(초).
_GUESS_SECONDS = 0.05
# 심볼마다 적는 지표.
SYMBOL_METRICS = ("net_profit_pct", "sharpe", "max_drawdown_pct", "profit_factor", "trades")


@dataclass(frozen=True, slots=True)
class CellSearch:
    """칸을 여는 데 필요한 것."""

    plan: CellPlan
    job: Job
    space: SearchSpace
    objective: Objective
    proposer: FoldedProposer
    across: AcrossSymbols = "mean"


class CellRun:
    """main thread에서만 쓴다. target: 스터디의 목표 총수."""

    def __init__(
        self,
        index: int,
        search: CellSearch,
        target: int,
        pruner: Pruner | None,
        groups: int = 1,
    ) -> None:
        """groups: 심볼이 여럿일 때 한 시행을 나누어 맡을 작업자의 수."""
        self.index = index
        self.search = search
        self.target = target
        self.study = search.plan.study_name
        self.ready: deque[Task] = deque()
        self.leaders = Leaders(search.objective.directions)
        self.joint = JointObjective(search.objective, search.across)
        self.symbols = tuple(market.ref.symbol for market in search.job.markets)
        self.joiner = SymbolJoiner(self.symbols, self.joint, groups)
        self.stored = 0
        self.unsaved = 0
        self.in_flight = 0
        self.waiting = False
        self.asked_at = 0.0
        self.trial_seconds = _GUESS_SECONDS
        self.kernel_seconds = 0.0
        self.evaluated = 0
        self.failed_in_a_row = 0
        self.last_error = ""
        self.exhausted = False
        self.states = Counter[str]()
        self._pruner = pruner
        self._claiming: dict[str, Task] = {}
        # 끝난 뒤의 검증의 보고(`optimize.report.validation`), 아직이면 None.
        self.validation: dict[str, Any] | None = None
        self._blocked: dict[str, Task] = {}
        self._next_number = 0
        self._flying: dict[str, Task] = {}

    @property
    def last_number(self) -> int:
        """아는 마지막 번호, 없으면 -1."""
        return self._next_number - 1

    @property
    def best(self) -> FinishedTrial | None:
        """제약을 만족한 최선(목표가 여럿이면 파레토 최적 가운데 첫 목표가 가장 좋은 것), 없으면 None."""
        return self.leaders.best

    @property
    def front_size(self) -> int | None:
        """파레토 최적 시행의 수, 목표가 하나면 None."""
        return len(self.leaders) if self.leaders.is_pareto else None

    @property
    def slug(self) -> str:
        """칸의 slug."""
        return self.search.plan.slug

    @property
    def done(self) -> int:
        """끝난 시행의 수(아직 저장하지 못한 것도 든다)."""
        return self.stored + self.unsaved

    @property
    def ahead(self) -> int:
        """물었지만 아직 보내지 않은 수."""
        return len(self.ready) + len(self._claiming)

    @property
    def missing(self) -> int:
        """더 물어야 할 수."""
        return max(self.target - self.done - self.in_flight - self.ahead, 0)

    @property
    def complete(self) -> bool:
        """목표를 채웠거나 공간이 다했고, 나가 있거나 저장을 기다리는 것이 없는가."""
        idle = not (self.in_flight or self.ahead or self.unsaved)
        return idle and (self.stored >= self.target or self.exhausted)

    def ask(self, n: int) -> list[str]:
        """새 조합을 최대 n개 묻고, 자리를 맡을 지문들을 준다. 공간이 다했으면 빈 목록이다."""
        proposed = self.search.proposer.ask(min(n, self.missing), self._pending())
        self.exhausted = not proposed and not self._blocked
        self.waiting = not proposed and not self.exhausted
        keys = []
        for fold, params in proposed:
            key = params_key(params)
            full = self.search.space.complete(params)
            self._claiming[key] = Task(
                uuid.uuid4().hex,
                self.index,
                params,
                full,
                fold=fold if self.search.job.folds else None,
            )
            keys.append(key)
        self.asked_at = time.monotonic()
        return keys

    def claimed(self, keys: Sequence[str], result: ClaimResult) -> None:
        """자리 맡기의 답: 맡은 것은 보낼 수 있고, 남의 것은 다시 묻지 않게 둔다."""
        granted, duplicates = set(result.granted), set(result.duplicates)
        turned_away = False
        for key in keys:
            task = self._claiming.pop(key, None)
            if task is None:
                continue
            if key in granted:
                self.ready.append(task)
            elif key in duplicates:
                self._blocked[key] = task
            else:
                turned_away = True
        if not result.others:
            # 남이 맡은 것이 없으니, 막힌 것은 이미 저장되어 곧 읽힐 것뿐이다.
            self._blocked.clear()
        self.waiting = turned_away or (not keys and not result.remaining)

    def take(self, n: int) -> list[Task]:
        """보낼 시행을 최대 n개 꺼낸다."""
        tasks = [self.ready.popleft() for _ in range(min(n, len(self.ready)))]
        self.in_flight += len(tasks)
        for task in tasks:
            self._flying[task.uid] = task
        return tasks

    def drop_ready(self) -> None:
        """보내지 않은 것을 버린다(멈출 때)."""
        self.ready.clear()
        self._claiming.clear()

    def finish(self, task: Task, outcome: Outcome) -> tuple[FinishedTrial, TrialEvent]:
        """결과 하나를 끝난 시행과 그 사건으로. 아직 sampler에 알리지는 않는다."""
        self.in_flight -= 1
        self._flying.pop(task.uid, None)
        self.evaluated += 1
        self.kernel_seconds += outcome.seconds
        if outcome.metrics is not None:
            self.trial_seconds += _SMOOTH * (outcome.seconds - self.trial_seconds)
        trial = self._trial(task, outcome)
        failed = trial.state == "FAIL"
        self.failed_in_a_row = self.failed_in_a_row + 1 if failed else 0
        self.last_error = trial.error if failed else self.last_error
        is_best = self.leaders.accepts(trial)
        event = trial_event(self.study, trial, self._next_number, is_best)
        self._next_number += 1
        self.unsaved += 1
        return trial, event

    def gates(self) -> tuple[Gate, ...]:
        """지금의 문턱들. pruner가 없으면 비었고, 아직 견줄 것이 적으면 보기만 하는 문턱이다."""
        if self._pruner is None:
            return ()
        thresholds = self._pruner.thresholds()
        return tuple(Gate(step / 100, thresholds.get(step)) for step in CHECKPOINTS)

    def note(self, trial: FinishedTrial) -> None:
        """최선과 셈과 문턱을 고친다."""
        self.states[trial.state] += 1
        self.leaders.offer(trial)
        if self._pruner is not None:
            self._pruner.observe([trial])
        if trial.number is not None:
            self._next_number = max(self._next_number, trial.number + 1)

    def observe(self, trials: Sequence[FinishedTrial]) -> None:
        """끝난 시행들을 sampler에 알린다."""
        self.search.proposer.observe(trials)
        if self._blocked:
            for trial in trials:
                self._blocked.pop(params_key(trial.params), None)

    def learn(self, trials: Sequence[FinishedTrial]) -> None:
        """저장소에서 읽은(지난 실행이나 다른 실행의) 시행들을 배운다."""
        for trial in trials:
            self.note(trial)
        self.observe(trials)
        self.stored += len(trials)

    def settled(self, trials: Sequence[FinishedTrial], numbers: Sequence[int]) -> None:
        """저장된 시행들의 번호를 받는다. -1은 목표가 차서 넣지 않은 것이다."""
        self.unsaved -= len(trials)
        self.stored += sum(number >= 0 for number in numbers)
        self._next_number = max([self._next_number, *(n + 1 for n in numbers)])

    def _pending(self) -> list[tuple[int, Params]]:
        waiting = (*self._claiming.values(), *self.ready, *self._blocked.values())
        return [(task.fold or 0, task.params) for task in (*self._flying.values(), *waiting)]

    def _trial(self, task: Task, outcome: Outcome) -> FinishedTrial:
        started = datetime.fromtimestamp(outcome.started, tz=UTC)
        base = FinishedTrial(
            uid=task.uid,
            state="FAIL",
            params=task.params,
            values=(),
            started_at=started,
            finished_at=started + timedelta(seconds=outcome.seconds),
            intermediate=outcome.intermediate,
            error=outcome.error,
            fold=task.fold,
        )
        if outcome.metrics is None:
            return base
        if outcome.pruned:
            last = outcome.intermediate[max(outcome.intermediate)]
            return replace(base, state="PRUNED", values=(last,), metrics=outcome.metrics)
        parts = outcome.parts or (outcome,)
        score = self._score([part.metrics for part in parts])
        complete = replace(
            base,
            state="COMPLETE",
            values=score.values,
            constraints=score.constraints,
            metrics=outcome.metrics,
            blocks=outcome.blocks,
            by_symbol=self._by_symbol(parts),
        )
        if outcome.out_of_sample is None:
            return complete
        inside = [part.in_sample for part in parts]
        seen = score if outcome.in_sample is None else self._score(inside)
        return replace(
            complete,
            in_sample=seen.values,
            in_sample_constraints=seen.constraints,
            out_of_sample=self._score([part.out_of_sample for part in parts]).values,
            out_of_sample_metrics=outcome.out_of_sample,
        )

    def _score(self, parts: Sequence[Mapping[str, float] | None]) -> Score:
        return self.joint.score([part or {} for part in parts])

    def _by_symbol(self, parts: Sequence[Outcome]) -> dict[str, SymbolScore]:
        """심볼마다의 점수. 심볼이 하나면 비었다."""
        score = self.search.objective.score
        found: dict[str, SymbolScore] = {}
        for symbol, part in zip(self.symbols, parts, strict=True):
            metrics = part.metrics or {}
            found[symbol] = {
                "values": list(score(metrics).values),
                "out_of_sample": list(score(part.out_of_sample).values)
                if part.out_of_sample
                else [],
                "metrics": {name: metrics[name] for name in SYMBOL_METRICS if name in metrics},
            }
        return found if len(found) > 1 else {}


def trial_event(study: str, trial: FinishedTrial, number: int, is_best: bool) -> TrialEvent:
    """끝난 시행의 사건. 이것만으로 시행을 되살릴 수 있다(`journal.finished_trial`)."""
    elapsed = trial.finished_at - trial.started_at
    return TrialEvent(
        study=study,
        number=number,
        state=trial.state,
        score=trial.values[0] if trial.values else None,
        metrics=trial.metrics,
        params=trial.params,
        duration_ms=elapsed / timedelta(milliseconds=1),
        is_best=is_best,
        uid=trial.uid,
        started_at=trial.started_at.isoformat(),
        values=list(trial.values),
        constraints=list(trial.constraints),
        intermediate={str(step): value for step, value in trial.intermediate.items()},
        error=trial.error,
        fold=trial.fold,
        in_sample_score=trial.in_sample[0] if trial.in_sample else None,
        out_of_sample_score=trial.out_of_sample[0] if trial.out_of_sample else None,
        in_sample=list(trial.in_sample),
        in_sample_constraints=list(trial.in_sample_constraints),
        out_of_sample=list(trial.out_of_sample),
        out_of_sample_metrics=trial.out_of_sample_metrics,
        blocks=trial.blocks,
        by_symbol=trial.by_symbol,
    )
