"""고장 뒤의 셈: 잃은 것도, 두 번 든 것도, 남은 자리도, 다른 값도 없다.

값은 저장된 파라미터를 이 프로세스의 엔진으로 새로 평가해 한 자리도 다르지 않은지 본다: 아무 일 없이 돈
실행이 같은 파라미터에서 내는 값이다.
"""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Sequence
from contextlib import closing
from unittest.mock import patch

import optuna
import sqlalchemy as sa
from run_cases import SLUG, RunCase, assert_exact, load, read_events

from optimize.report.equity import planned_params, read_settings, stored_symbols
from optimize.runner.opening import make_objective, make_rules, scheme_of
from optimize.runner.worker import Job, Work, evaluate
from optimize.search.space import SearchSpace
from optimize.storage.url import StorageUrl
from optimize.strategy.registry import load_strategy


def assert_nothing_lost(
    case: RunCase,
    url: str | StorageUrl,
    total: int | None = None,
    name: str = SLUG,
    *,
    damaged: bool = False,
) -> list[optuna.trial.FrozenTrial]:
    """끝난 시행이 꼭 total개(None이면 몇이든)이고, 기록과 같고, RUNNING도 죽은 실행의 자리도 없고, 값이 새로 잰 것과 같다.

    damaged: 사건 기록이 망가진 시험이라 저장된 것과 기록이 서로 모자라다.
    """
    study = load(url, name)
    trials = assert_exact(study, len(study.get_trials()) if total is None else total)
    written = _written(case, name)
    stored = {trial.user_attrs["wizard"]["uid"]: trial for trial in trials}
    if not damaged:
        # 물은 것(기록에 적힌 것)은 모두 한 번씩 저장되었고, 저장된 것은 모두 물은 것이다.
        assert stored.keys() == written.keys()
    for uid in stored.keys() & written.keys():
        params, values = written[uid]
        assert stored[uid].params == params
        assert list(stored[uid].values or []) == values
    # 저장소에도 더 쓸 수 없던 실행의 자리는 lease(60초)가 지나야 풀린다.
    assert damaged or _claims(url) == 0, "죽은 실행의 자리가 남았다"
    assert_values_are_fresh(case, trials)
    return trials


def assert_values_are_fresh(case: RunCase, trials: Sequence[optuna.trial.FrozenTrial]) -> None:
    """끝까지 간 시행의 값이, 같은 파라미터를 지금 새로 평가한 값과 한 자리도 다르지 않다."""
    complete = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if not complete:
        return
    plan = next(path for path in (r / "plan.json" for r in case.run_dirs()) if path.exists())
    cell = json.loads(plan.read_text(encoding="utf-8"))["cells"][0]["cell"]
    params = planned_params(read_settings(plan))
    found = stored_symbols(params, cell)[0]
    ref, objective = found.refs[0], make_objective(params.objective)
    job = Job(
        ref,
        params.strategy.name,
        found.costs,
        objective,
        scheme=scheme_of(make_rules(params), ref),
    )
    strategy = load_strategy(params.strategy.name)
    space = SearchSpace(strategy.parameters, params.strategy.space)
    fold = 0 if job.folds else None
    works = [Work(space.complete(trial.params), fold) for trial in complete]
    # 시험의 전략은 시행마다 쉰다: 값에는 상관이 없다.
    with patch.object(time, "sleep", lambda _seconds: None):
        outcomes = [evaluate("fresh", pickle.dumps(job), (), [work])[0] for work in works]
    for trial, outcome in zip(complete, outcomes, strict=True):
        assert outcome.metrics is not None, outcome.error
        assert tuple(trial.values) == objective.score(outcome.metrics).values, trial.params


def _written(case: RunCase, name: str) -> dict[str, tuple[dict[str, object], list[float]]]:
    """모든 실행의 기록에 적힌 시행: uid → (파라미터, 값)."""
    found = {}
    for folder in case.run_dirs():
        path = folder / "events.ndjson"
        for event in read_events(path, sound=True) if path.exists() else []:
            if event["type"] == "trial" and event["study"] == name and "uid" in event:
                found[event["uid"]] = (event["params"], event["values"])
    return found


def _claims(url: str | StorageUrl) -> int:
    engine = sa.create_engine(url if isinstance(url, str) else url.secret)
    with closing(engine.connect()) as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM wizard_claims").scalar_one()
    engine.dispose()
    return int(count)
