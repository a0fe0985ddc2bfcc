"""파라미터의 중요도: Optuna의 PED-ANOVA(Watanabe 외, IJCAI 2023)로, 제약을 지킨 시행만 본다.

점수가 좋은 10%의 시행에서 파라미터의 분포가 전체와 얼마나 다른지를 잰다(Pearson divergence).
다른 파라미터가 켜야 쓰이는 것은 그것이 쓰인 시행만으로 따로 잰다.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimize.storage.failures import storage_errors
from optimize.storage.listing import StudyInfo
from optimize.storage.reader import CONSTRAINTS

# 이보다 적으면 상위 10%가 한두 개라 뜻이 없다.
MIN_TRIALS = 20


@dataclass(frozen=True, slots=True)
class Importance:
    """share: 모두 더하면 1인 몫. trials: 이 파라미터가 쓰인 시행의 수."""

    name: str
    share: float
    trials: int


def param_importances(info: StudyInfo) -> list[Importance]:
    """큰 것부터. 시행이 MIN_TRIALS보다 적으면 빈 목록. 목표가 여럿이면 첫 목표의 것. 실패는 StorageError."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("optuna").setLevel(logging.ERROR)
    with storage_errors(info.url, "시행을 조회"):
        stored = optuna.load_study(study_name=info.name, storage=info.url.secret)
        trials = [trial for trial in stored.get_trials(deepcopy=False) if _usable(trial)]
    found: dict[str, tuple[float, int]] = {}
    names = dict.fromkeys(name for trial in trials for name in trial.params)
    for name in names:
        used = [trial for trial in trials if name in trial.params]
        if len(used) >= MIN_TRIALS:
            found[name] = (_importance(used, name, info.directions[0] == "MINIMIZE"), len(used))
    total = sum(value for value, _ in found.values())
    items = [
        Importance(name, value / total if total else 0.0, count)
        for name, (value, count) in found.items()
    ]
    return sorted(items, key=lambda item: -item.share)


def _importance(trials: Sequence[Any], name: str, minimize: bool) -> float:
    import optuna

    way = optuna.study.StudyDirection.MINIMIZE if minimize else optuna.study.StudyDirection.MAXIMIZE
    study = optuna.create_study(direction=way)
    study.add_trials(
        optuna.trial.create_trial(
            value=trial.values[0],
            params={name: trial.params[name]},
            distributions={name: trial.distributions[name]},
        )
        for trial in trials
    )
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found: Mapping[str, float] = optuna.importance.get_param_importances(
            study, evaluator=evaluator, params=[name], normalize=False
        )
    return found.get(name, 0.0)


def _usable(trial: Any) -> bool:
    import math

    constraints = [*(trial.system_attrs.get(CONSTRAINTS) or ())]
    # Optuna 5의 `set_constraint`는 이름마다 따로 적는다.
    for key, value in trial.system_attrs.items():
        if key.startswith(f"{CONSTRAINTS}:"):
            constraints.append(value)
    return (
        trial.state.name == "COMPLETE"
        and math.isfinite(trial.values[0])
        and all(value <= 0 for value in constraints)
    )
