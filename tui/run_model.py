"""사건들을 실행 화면의 상태로 접는다. Textual을 모르는 순수한 값이다.

시행이 수만 개여도 가볍게: 표에 보일 수만 지니고, 파라미터는 사건 파일의 자리에서 다시 읽는다.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tui import bridge

# 표의 지표 열: `optimize.backtest.metrics`의 이름.
METRIC_COLUMNS = (
    "net_profit_pct",
    "sharpe",
    "profit_factor",
    "max_drawdown_pct",
    "win_rate_pct",
    "trades",
)


@dataclass(slots=True)
class TrialRow:
    """끝난 시행 한 줄.

    study: `RunModel.studies`에서의 자리. metrics: METRIC_COLUMNS의 차례, 없으면 None.
    offset, length: 사건 파일에서 이 시행의 줄이 놓인 바이트 자리.
    in_sample, out_of_sample: 학습과 검증의 날들에서 잰 첫 목표, 검증이 없으면 None.
    """

    study: int
    number: int
    state: str
    score: float | None
    feasible: bool
    metrics: tuple[float | None, ...]
    duration_ms: float
    offset: int
    length: int
    in_sample: float | None = None
    out_of_sample: float | None = None


@dataclass(slots=True)
class StudyState:
    """한 칸의 진행.

    best_row: 최고 시행의 줄 번호(이 실행의 것), 없으면 None. hosts: dask면 컴퓨터마다의 작업자 수.
    best_value: 앞선 실행까지 넣은 최고. goals: 목표의 수, 둘 이상이면 파레토이며 최고는 첫 목표의 것이다.
    goal: 첫 목표의 이름.
    """

    name: str
    slug: str
    cell: str
    storage: str
    data: str
    done: int
    target: int
    rate: float = 0.0
    eta_s: float | None = None
    workers: int = 0
    hosts: Mapping[str, int] = field(default_factory=dict)
    best_value: float | None = None
    best_row: int | None = None
    minimize: bool = False
    goals: int = 1
    goal: str = ""

    def improves(self, score: float | None) -> bool:
        """최고라고 적힌 시행이 지금의 최고를 대신하는가.

        파레토의 '최고'는 최적에 들었다는 뜻뿐이라, 첫 목표가 나아졌을 때만 그렇다.
        """
        if self.goals < 2 or score is None or self.best_value is None:
            return True
        return score <= self.best_value if self.minimize else score >= self.best_value


@dataclass(slots=True)
class Located:
    """사건과 그 줄의 자리."""

    event: bridge.Event
    offset: int
    length: int


@dataclass
class RunModel:
    """실행 하나의 상태.

    exit_code: 끝났으면 그 값. gone: 끝났다는 말 없이 사라졌는가. quiet_s: 도는데 소식이 없는 초, 오래되지 않았으면 0. messages: 경고와 오류, 온 차례. planned: 계획의 목표 시행 수, 모르면 0.
    validated: 검증의 점수를 가진 시행이 있는가.
    renumbered: 저장되며 예정과 다른 번호를 받은 시행의 수(늘면 번호의 차례를 다시 본다).
    """

    studies: list[StudyState] = field(default_factory=list)
    trials: list[TrialRow] = field(default_factory=list)
    messages: list[bridge.WarningEvent | bridge.ErrorEvent] = field(default_factory=list)
    symbol: str = ""
    is_demo: bool = False
    command: str = ""
    pid: int = 0
    host: str = ""
    preparing: bridge.DataProgressEvent | None = None
    results: list[bridge.StudyResult] = field(default_factory=list)
    exit_code: int | None = None
    gone: bool = False
    quiet_s: float = 0.0
    planned: int = 0
    renumbered: int = 0
    validated: bool = False
    _study_index: dict[str, int] = field(default_factory=dict)
    _unstored: dict[str, int] = field(default_factory=dict)

    def apply(self, batch: Iterable[Located]) -> range:
        """사건들을 접는다. 새로 들어온 시행의 줄 번호 범위를 준다."""
        first = len(self.trials)
        for located in batch:
            self._apply_one(located)
        return range(first, len(self.trials))

    @property
    def is_over(self) -> bool:
        """더 올 시행이 없는가."""
        return self.gone or self.exit_code is not None

    @property
    def error(self) -> bridge.ErrorEvent | None:
        """실행을 끝낸 오류."""
        return next((m for m in reversed(self.messages) if isinstance(m, bridge.ErrorEvent)), None)

    @property
    def best_row(self) -> int | None:
        """모든 칸을 통틀어 최고인 시행의 줄 번호."""
        rows = [study.best_row for study in self.studies if study.best_row is not None]
        pick = min if self.minimize else max
        return pick(rows, key=lambda row: self.trials[row].score or 0.0, default=None)

    @property
    def earlier_best(self) -> float | None:
        """앞선 실행이 찾은, 이 실행이 아직 넘지 못한 최고 점수. 없으면 None."""
        values = [study.best_value for study in self.studies if study.best_row is None]
        known = [value for value in values if value is not None]
        pick = min if self.minimize else max
        found = pick(known, default=None)
        if found is None or self.best_row is None:
            return found
        now = self.trials[self.best_row].score
        return found if now is None or pick(found, now) != now else None

    @property
    def together(self) -> StudyState:
        """모든 칸을 더한 것: 칸마다의 줄을 둘 자리가 없을 때 한 줄로 보인다."""
        known = [study.best_value for study in self.studies if study.best_value is not None]
        left = [study.eta_s for study in self.studies if study.eta_s is not None]
        done, target = (sum(getattr(s, key) for s in self.studies) for key in ("done", "target"))
        return StudyState(
            "", "", "", "", "", done, target,
            rate=sum(study.rate for study in self.studies),
            eta_s=max(left, default=None),
            best_value=(min if self.minimize else max)(known, default=None),
        )  # fmt: skip

    @property
    def workers(self) -> int:
        """지금 도는 작업자의 수(칸들이 나누어 쓰는 같은 작업자들이다). 모르면 0."""
        return max((study.workers for study in self.studies), default=0)

    @property
    def hosts(self) -> dict[str, int]:
        """컴퓨터마다의 작업자 수. 이 컴퓨터뿐이면 비었다."""
        merged: dict[str, int] = {}
        for study in self.studies:
            for host, count in study.hosts.items():
                merged[host] = max(count, merged.get(host, 0))
        return merged

    @property
    def minimize(self) -> bool:
        """점수가 작을수록 좋은가(다른 도구의 스터디에만 있다)."""
        return bool(self.studies) and self.studies[0].minimize

    def _apply_one(self, located: Located) -> None:
        match located.event:
            case bridge.Hello() as event:
                self.pid, self.host = event.pid, event.host
            case bridge.PlanEvent() as event:
                self.command = event.command
                self.symbol = str(event.plan.get("symbol", ""))
                self.planned = _planned(event.plan)
            case bridge.DataProgressEvent() as event:
                self.preparing = event
            case bridge.StudyEvent() as event:
                self._open_study(event)
            case bridge.TrialEvent() as event:
                self._add_trial(event, located)
            case bridge.StoredEvent() as event:
                self._renumber(event)
            case bridge.ProgressEvent() as event:
                self._progress(event)
            case bridge.WarningEvent() | bridge.ErrorEvent() as event:
                self.messages.append(event)
            case bridge.DoneEvent() as event:
                self.results, self.exit_code = list(event.studies), event.exit_code

    def _open_study(self, event: bridge.StudyEvent) -> None:
        self.preparing = None
        self.symbol = event.symbol or self.symbol
        self.is_demo = self.is_demo or event.is_demo
        state = StudyState(
            event.study, event.slug, event.cell, event.storage, event.data, event.done, event.target
        )
        state.best_value = event.best_value
        state.minimize, state.goals = event.direction == "minimize", max(1, len(event.goals))
        state.goal = str(event.goals[0].get("label", "")) if event.goals else ""
        index = self._study_index.setdefault(event.study, len(self.studies))
        if index == len(self.studies):
            self.studies.append(state)
        else:
            state.best_row = self.studies[index].best_row
            self.studies[index] = state

    def _add_trial(self, event: bridge.TrialEvent, located: Located) -> None:
        index = self._study_index.get(event.study)
        if index is None:
            return
        study = self.studies[index]
        row = len(self.trials)
        self.trials.append(
            TrialRow(
                index,
                event.number,
                event.state,
                event.score,
                event.state == "COMPLETE" and all(value <= 0 for value in event.constraints),
                tuple(event.metrics.get(name) for name in METRIC_COLUMNS),
                event.duration_ms,
                located.offset,
                located.length,
                event.in_sample_score,
                event.out_of_sample_score,
            )
        )
        self.validated = self.validated or event.out_of_sample_score is not None
        if event.uid:
            self._unstored[event.uid] = row
        if event.is_best and study.improves(event.score):
            study.best_row, study.best_value = row, event.score

    def _renumber(self, event: bridge.StoredEvent) -> None:
        for uid, number in zip(event.uids, event.numbers, strict=False):
            row = self._unstored.pop(uid, None)
            if row is not None and self.trials[row].number != number:
                self.trials[row].number = number
                self.renumbered += 1

    def _progress(self, event: bridge.ProgressEvent) -> None:
        index = self._study_index.get(event.study)
        if index is not None:
            study = self.studies[index]
            study.done, study.target = event.done, event.target
            study.rate, study.eta_s = event.rate, event.eta_s
            study.workers, study.hosts = event.workers, event.hosts


def _planned(plan: Mapping[str, object]) -> int:
    """계획의 `params.search.n_trials`."""
    found: object = plan
    for key in ("params", "search", "n_trials"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, int) else 0
