"""파라미터의 중요도: Optuna의 PED-ANOVA(Watanabe 외, IJCAI 2023)로, 제약을 지킨 시행만 본다.

점수가 좋은 10%의 시행에서 파라미터의 분포가 전체와 얼마나 다른지를 잰다(Pearson divergence).
다른 파라미터가 켜야 쓰이는 것은 그것이 쓰인 시행만으로 따로 잰다.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from optimize.storage.engine import reading
from optimize.storage.failures import storage_errors
from optimize.storage.listing import StudyInfo
from optimize.storage.options import StorageOptions
from optimize.storage.reader import load_distributions, load_trials

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from optimize.trial import FinishedTrial

# 이보다 적으면 상위 10%가 한두 개라 뜻이 없다.
MIN_TRIALS = 20


@dataclass(frozen=True, slots=True)
class Importance:
    """share: 모두 더하면 1인 몫. trials: 이 파라미터가 쓰인 시행의 수."""

    name: str
    share: float
    trials: int


def param_importances(info: StudyInfo, options: StorageOptions) -> list[Importance]:
    """큰 것부터. 시행이 MIN_TRIALS보다 적으면 빈 목록. 목표가 여럿이면 첫 목표의 것. 실패는 StorageError."""
    trials = _read(info, options)
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


def _read(info: StudyInfo, options: StorageOptions) -> list[FrozenTrial]:
    """제약을 지키고 값이 유한한 시행들. 옛 Optuna(3 이하)의 스키마도 Optuna에 맡기지 않고 읽는다."""
    with storage_errors(info.url, "시행을 조회"), reading(info.url, options) as connection:
        trials = load_trials(connection, info.study_id)
        texts = load_distributions(connection, info.study_id)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("optuna").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # 옛 분포(UniformDistribution 따위)의 이름을 이제 쓰지 말라는 경고.
        warnings.simplefilter("ignore", FutureWarning)
        return [*_as_optuna(trials, texts)]


def _as_optuna(
    trials: Sequence[FinishedTrial], texts: Mapping[int, Mapping[str, str]]
) -> Iterator[FrozenTrial]:
    import optuna

    read = cache(optuna.distributions.json_to_distribution)
    for trial in trials:
        if trial.number is None or not trial.feasible or not math.isfinite(trial.values[0]):
            continue
        yield optuna.trial.create_trial(
            value=trial.values[0],
            params=dict(trial.params),
            distributions={name: read(texts[trial.number][name]) for name in trial.params},
        )


def _importance(trials: Sequence[FrozenTrial], name: str, minimize: bool) -> float:
    import optuna

    way = optuna.study.StudyDirection.MINIMIZE if minimize else optuna.study.StudyDirection.MAXIMIZE
    study = optuna.create_study(direction=way)
    study.add_trials(
        optuna.trial.create_trial(
            value=trial.value,
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
