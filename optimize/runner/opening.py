"""실행을 여는 일: 저장소에 닿아 보고, 캔들을 마련하고, 스터디를 열고, 지난 실행의 것을 되살린다."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from optimize import paths
from optimize.errors import SettingsError, StorageError, WizardError
from optimize.memory import without_collection
from optimize.protocol import WarningEvent
from optimize.runner.events import EventWriter
from optimize.runner.fingerprint import (
    claim_study,
    describe_study,
    digest,
    note_target,
    utc_days,
)
from optimize.runner.journal import (
    Journal,
    JournalStudy,
    dead_journals,
    note_stored,
    portable_storage,
    unstored_trials,
)
from optimize.storage.budget import BudgetError, require_connections

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef
    from optimize.search.objective import Objective
    from optimize.search.space import SearchSpace
    from optimize.settings.model import ObjectiveSection, Params
    from optimize.settings.plan import CellPlan, Plan
    from optimize.storage.store import TrialStore
    from optimize.storage.url import StorageUrl
    from optimize.trial import FinishedTrial
    from optimize.validation.splits import Rules, Scheme

_TRIALS_PER_SPLIT = 50
_OTHER_WAYS = (
    "내장 PostgreSQL: python -m optimize.storage embedded start  또는  --set search.storage_fallback=embedded\n"
    "SQLite: --storage-url sqlite:///studies/이름.db  또는  --set search.storage_fallback=sqlite"
)


@dataclass(frozen=True, slots=True)
class OpenedStudy:
    """연 스터디 하나. journal: 이 실행이 그 스터디에 적는 자리."""

    cell: CellPlan
    store: TrialStore
    journal: JournalStudy


def reach_storage(plan: Plan, events: EventWriter) -> Plan:
    """저장소에 닿는지 먼저 본다(캔들을 내려받기 전에). 닿지 못하면 StorageError.

    지난 실행이 내장 PostgreSQL을 썼는데 꺼져 있으면 켠다.
    `search.storage_fallback`이 정해져 있으면 그리로 바꾼 계획을 주고 알린다.
    """
    plan = _wake_embedded(plan)
    servers = {
        cell.storage_url.masked: cell.storage_url
        for cell in plan.cells
        if cell.storage_url.backend == "postgresql"
    }
    for url in servers.values():
        try:
            _touch(url, plan)
        except BudgetError:
            raise
        except StorageError as error:
            fallback = plan.params.search.storage_fallback
            if fallback == "none":
                raise _unreachable(url, plan, error) from error
            plan = _fall_back(plan, fallback)
            events.emit(
                WarningEvent(
                    f"PostgreSQL에 연결하지 못해 {plan.cells[0].storage_url.masked}을(를) 씁니다",
                    error.cause,
                    f"search.storage_fallback이 {fallback}입니다. 멈추게 하려면 none으로 두세요",
                )
            )
            break
    return plan


def _unreachable(url: StorageUrl, plan: Plan, error: StorageError) -> StorageError:
    """닿지 못한 까닭과 길들. 드라이버의 글로는 까닭을 모르면 점검에게 묻는다."""
    from optimize.storage.check import first_failure
    from optimize.storage.failures import CHECK, diagnose

    cause, fixes = error.cause, [error.fix]
    again = _check_again(url, plan)
    # 시간 초과는 드라이버가 제 글로 알린다: 다시 물어 두 배로 기다리지 않는다.
    if diagnose(error).fix == CHECK:
        found = first_failure(url, plan.storage_options, again)
        fixes = []
        if found is not None:
            cause, fixes = f"{url.masked} — {found.cause_ko}", [found.fix_ko]
    return StorageError(
        "PostgreSQL에 연결하지 못했습니다",
        f"{cause}\n저장소를 정한 규칙: {plan.storage_rule}",
        "\n".join(
            [
                "다음 가운데 하나를 고르세요:",
                *fixes,
                f"어디서 막혔는지 보기: {again}",
                _OTHER_WAYS,
            ]
        ),
    )


def _check_again(url: StorageUrl, plan: Plan) -> str:
    """이 실행이 고른 저장소를 점검하는 명령. 설정만으로 정해졌으면 인자가 없다."""
    from optimize.storage.check_again import same_check
    from optimize.storage.failures import CHECK

    resolved = next(cell.resolved for cell in plan.cells if cell.storage_url == url)
    if resolved.rule in {"default", "yaml_url"}:
        return CHECK
    # 기록(pointer)의 변수는 비어 있거나 다른 서버의 것일 수 있다.
    named = resolved.env_name if resolved.rule in {"cli_env", "yaml_env"} else None
    return same_check(url, env_name=named)


def _wake_embedded(plan: Plan) -> Plan:
    """내장 서버를 가리키는 칸이 있으면 켜고, 바뀌었을 수 있는 포트의 URL로 고친다."""
    if not any(cell.resolved.embedded for cell in plan.cells):
        return plan
    from optimize.storage.embedded import default_server

    server = default_server()
    server.start()
    cells = tuple(
        replace(cell, storage_url=server.url()) if cell.resolved.embedded else cell
        for cell in plan.cells
    )
    return replace(plan, cells=cells)


def _touch(url: StorageUrl, plan: Plan) -> None:
    """닿는지, 이 계획이 쓸 연결이 남았는지 본다. PostgreSQL의 URL만 받는다."""
    from optimize.storage.engine import make_engine
    from optimize.storage.failures import storage_errors

    engine = make_engine(url, plan.storage_options)
    try:
        with storage_errors(url, "저장소에 연결"), engine.connect() as connection:
            studies = sum(cell.storage_url == url for cell in plan.cells)
            require_connections(connection, studies)
    finally:
        engine.dispose()


def _fall_back(plan: Plan, fallback: str) -> Plan:
    """모든 칸을 fallback의 저장소로. 계획과 storage.json이 말하는 규칙도 바뀐다."""
    from optimize.storage.resolve import ResolvedStorage
    from optimize.storage.url import sqlite_url

    if fallback == "embedded":
        from optimize.storage.embedded import default_server

        server = default_server()
        server.start()
        urls = [server.url() for _ in plan.cells]
    else:
        urls = [sqlite_url(paths.sqlite_path(c.slug, c.study_name)) for c in plan.cells]
    rule_ko = f"search.storage_fallback: {fallback} (닿지 못한 저장소: {plan.storage_rule})"
    cells = tuple(
        replace(
            cell,
            storage_url=url,
            resolved=ResolvedStorage(
                url, "fallback", rule_ko, None, url.backend, embedded=fallback == "embedded"
            ),
        )
        for cell, url in zip(plan.cells, urls, strict=True)
    )
    return replace(plan, cells=cells)


def make_objective(section: ObjectiveSection) -> Objective:
    """설정의 목표와 제약. 모르는 지표면 SettingsError."""
    from optimize.search.objective import Objective, ObjectiveGoal, ObjectiveLimit

    constraints = section.constraints
    return Objective(
        [ObjectiveGoal(goal.metric, goal.weight) for goal in section.goals],
        min_trades=constraints.min_trades,
        max_drawdown_pct=constraints.max_drawdown_pct,
        limits=[ObjectiveLimit(item.metric, item.min, item.max) for item in constraints.limits],
        non_finite_score=section.non_finite_score,
        mode=section.mode,
    )


def make_rules(params: Params) -> Rules:
    """설정의 검증. pruner와 함께 쓸 수 없는 방법이면 SettingsError."""
    from optimize.validation.splits import METHODS, Rules

    rules = Rules(**params.validation.model_dump())
    if params.search.pruner != "none" and rules.method not in ("none", "hold_out"):
        raise SettingsError(
            f"{METHODS[rules.method]}에는 pruner를 쓸 수 없습니다",
            f"search.pruner = {params.search.pruner}: 가망은 학습의 앞 구간으로 가리는데, "
            "split마다 학습이 시작하는 날이 다릅니다",
            "search.pruner를 none으로 두거나 validation.method를 hold_out으로 바꾸세요",
        )
    return rules


def warn_thin_splits(rules: Rules, n_trials: int, events: EventWriter) -> None:
    """split마다 돌아가는 시행이 sampler가 배우기에 모자라면 알린다."""
    splits = max(rules.split_count, 1)
    # 시행 하나는 탐색이 아니라 고른 것(best.yaml)을 다시 계산하는 실행이다.
    if splits > 1 and 1 < n_trials < _TRIALS_PER_SPLIT * splits:
        events.emit(
            WarningEvent(
                f"split마다 시행이 약 {n_trials // splits}개뿐입니다",
                f"시행 {n_trials:,}개를 split {splits}개가 나누어 갖습니다. split마다 따로 탐색하므로, 적으면 "
                "아무렇게나 고른 것과 다르지 않습니다",
                f"--n-trials 를 {_TRIALS_PER_SPLIT * splits:,} 이상으로 늘리거나 split을 줄이세요",
            )
        )


def scheme_of(rules: Rules, ref: DatasetRef) -> Scheme:
    """캔들의 기간(UTC 날)을 나눈다. 나눌 수 없게 짧으면 DataError."""
    from optimize.validation.splits import make_scheme

    return make_scheme(rules, *utc_days(ref))


@without_collection()
def open_studies(
    plan: Plan,
    cells: Sequence[Sequence[DatasetRef]],
    space: SearchSpace,
    objective: Objective,
    code: Mapping[str, str],
) -> list[OpenedStudy]:
    """칸마다의 스터디를 열고 지문을 견주고 `storage.json`을 쓴다. 하나라도 실패하면 모두 닫는다.

    cells: 칸마다 심볼마다의 자료. code: 전략의 파일들(`strategy_files`).
    """
    from optimize.storage.pointer import make_pointer, pointer_path, write_pointer
    from optimize.storage.store import TrialStore

    opened: list[OpenedStudy] = []
    try:
        for cell, refs in zip(plan.cells, cells, strict=True):
            described = describe_study(plan.params, refs[0], space, code, refs[1:])
            store = TrialStore.open(
                cell.storage_url,
                plan.storage_options,
                cell.study_name,
                list(objective.directions),
                space.distributions,
                {},
            )
            journal = JournalStudy(
                cell.study_name,
                _storage_name(cell.storage_url),
                digest(described),
                plan.params.search.n_trials,
            )
            opened.append(OpenedStudy(cell, store, journal))
            claim_study(store, described)
            note_target(store, plan.params.search.n_trials)
            pointer = make_pointer(
                cell.storage_url,
                plan.storage_options,
                cell.study_name,
                cell.resolved.rule,
                cell.resolved.env_name,
            )
            write_pointer(pointer_path(cell.slug), pointer)
    except BaseException:
        for item in opened:
            item.store.close()
        raise
    return opened


def _storage_name(url: StorageUrl) -> str:
    """기록이 저장소를 알아보는 이름. 내장 서버는 포트가 바뀌어도 같은 저장소다."""
    from optimize.storage.local_server import is_embedded

    return "embedded" if is_embedded(url) else portable_storage(url.masked)


def recover(opened: Sequence[OpenedStudy], events: EventWriter, run_dir: Path) -> None:
    """죽은 실행의 기록에서 저장되지 못한 시행을 넣고, 그 실행이 맡았던 자리를 푼다. run_dir: 지금 실행의 폴더."""
    for item in opened:
        for journal in dead_journals(item.journal, run_dir):
            count = _recover_one(item, journal)
            if count:
                events.emit(
                    WarningEvent(
                        f"{item.cell.study_name}: 지난 실행이 저장하지 못한 시행 {count}개를 되살렸습니다",
                        f"실행 {journal.run_dir.name}이(가) 끝까지 저장하지 못하고 멈췄습니다",
                    )
                )


def _recover_one(item: OpenedStudy, journal: Journal) -> int:
    study = next(s for s in journal.studies if s.same_study(item.journal))
    trials = unstored_trials(journal.run_dir, study.study)
    # 맡은 자리를 아직 쥔 채로 넣는다: 그 실행의 목표 안에서 제 자리에 들어간다.
    numbers = _append_sound(item.store, trials, study.target)
    item.store.claims(journal.owner).release()
    if trials:
        stored = {trial.uid: number for trial, number in zip(trials, numbers, strict=True)}
        note_stored(journal.run_dir, study.study, stored)
    # 적지 못하면 다음 시작이 같은 일을 되풀이할 뿐이다(uid가 같아 겹치지 않는다).
    with suppress(WizardError):
        journal.settle(study)
    return sum(number >= 0 for number in numbers)


def _append_sound(store: TrialStore, trials: Sequence[FinishedTrial], target: int) -> list[int]:
    """스터디가 받을 수 있는 시행만 넣는다. 받을 수 없는(깨진 기록의) 것의 번호는 -1이다."""
    try:
        return store.append(trials, target)
    except (ValueError, TypeError, KeyError):
        if len(trials) == 1:
            return [-1]
    return [number for trial in trials for number in _append_sound(store, [trial], target)]


def storage_secrets(plan: Plan, environ: Mapping[str, str]) -> tuple[str, ...]:
    """저장소의 비밀번호가 든 환경 변수의 이름들(작업자에게 넘기지 않는다)."""
    search = plan.params.search
    names = {"PGPASSWORD", search.storage_url_env or "", plan.cells[0].resolved.env_name or ""}
    return tuple(sorted(name for name in names if name and environ.get(name)))
