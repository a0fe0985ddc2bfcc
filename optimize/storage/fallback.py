"""모르는 schema revision의 데이터베이스에 Optuna의 API로 쓰는 길. 느리지만 Optuna가 책임진다.

uid는 시행의 user attribute `wizard`에서 찾으므로, 도중에 끊겨도 다시 부르면 빠진 것만 넣는다.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from optimize.storage.append import TrialEncoder, user_attributes
from optimize.storage.options import StorageOptions
from optimize.storage.reader import ATTRIBUTE, CONSTRAINTS
from optimize.storage.schema import open_rdb_storage
from optimize.storage.url import StorageUrl
from optimize.trial import FinishedTrial

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


class OptunaApiWriter:
    """`Study.add_trial`로 넣는 writer."""

    def __init__(
        self,
        url: StorageUrl,
        options: StorageOptions,
        study_name: str,
        distributions: Mapping[str, BaseDistribution],
    ) -> None:
        import optuna

        self._study = optuna.load_study(
            study_name=study_name, storage=open_rdb_storage(url, options)
        )
        self._distributions = dict(distributions)
        self._n_objectives = len(self._study.directions)

    def append(self, trials: Sequence[FinishedTrial]) -> dict[str, tuple[int, int]]:
        """빠진 시행만 넣는다. uid → (trial_id, 번호)."""
        encoder = TrialEncoder(self._distributions, self._n_objectives)
        for trial in trials:
            encoder.check(trial)
        stored = self._stored()
        for trial in trials:
            if trial.uid not in stored:
                self._study.add_trial(frozen_trial(trial, self._distributions))
        stored = self._stored()
        return {trial.uid: stored[trial.uid] for trial in trials}

    def _stored(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for trial in self._study.get_trials(deepcopy=False):
            ours = trial.user_attrs.get(ATTRIBUTE)
            # 다른 도구가 같은 이름의 attribute를 적었을 수 있다.
            if isinstance(ours, dict) and (uid := ours.get("uid")):
                found.setdefault(uid, (trial._trial_id, trial.number))
        return found


def frozen_trial(
    trial: FinishedTrial, distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    """Optuna의 시행으로. 시각은 Optuna가 쓰는 시간대 없는 현지 시각이 된다."""
    import optuna

    return optuna.trial.FrozenTrial(
        number=-1,
        trial_id=-1,
        state=optuna.trial.TrialState[trial.state],
        value=None,
        values=list(trial.values) or None,
        datetime_start=trial.started_at.astimezone().replace(tzinfo=None),
        datetime_complete=trial.finished_at.astimezone().replace(tzinfo=None),
        params=dict(trial.params),
        distributions={name: distributions[name] for name in trial.params},
        user_attrs=user_attributes(trial),
        system_attrs={CONSTRAINTS: list(trial.constraints)} if trial.constraints else {},
        intermediate_values=dict(trial.intermediate),
    )
