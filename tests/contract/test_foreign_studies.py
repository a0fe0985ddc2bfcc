"""다른 도구가 Optuna로 쓴 스터디: 우리가 쓰지 않는 꼴의 제약과 attribute도 Optuna처럼 읽는다."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from store_kit import OPTIONS, SPACE, OpenStore, make_trial

from optimize.storage import tables
from optimize.storage.engine import reading
from optimize.storage.leading import leading_trials
from optimize.storage.listing import list_all, list_studies
from optimize.storage.reader import load_trials
from optimize.storage.schema import open_rdb_storage
from optimize.storage.url import StorageUrl, sqlite_url

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    # constraints_func를 이제 권하지 않는다는 경고. 지난 스터디들은 이것으로 썼다.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def storage(storage_url: StorageUrl) -> Iterator[optuna.storages.RDBStorage]:
    found = open_rdb_storage(storage_url, OPTIONS)
    yield found
    found.remove_session()
    found.engine.dispose()


def check_as_optuna(study: optuna.Study, url: StorageUrl) -> None:
    """목록의 최선과 좋은 시행의 차례, 만족하는가가 Optuna의 것과 같다."""
    (info,) = [info for info in list_studies(url, OPTIONS) if info.name == study.study_name]
    done = [trial for trial in study.get_trials() if trial.values is not None]
    fits = [all(limit <= 0 for limit in trial.constraints.values()) for trial in done]
    assert info.summary.n_complete == len(done)
    with suppress(ValueError):  # 만족하는 것이 없다
        assert info.summary.best_number == study.best_trial.number
        assert info.summary.best_value == study.best_value
    with reading(url, OPTIONS) as connection:
        loaded = load_trials(connection, info.study_id)
        assert [trial.feasible for trial in loaded] == fits
        top = first(connection, info.study_id)
    assert top == info.summary.best_number


def first(connection: Connection, study_id: int) -> int:
    (best,) = leading_trials(connection, study_id, maximize=False, count=1)
    assert best.number is not None
    return best.number


@pytest.mark.parametrize("shape", ["nan", "bool", "int"])
def test_odd_constraints_are_read_as_optuna_reads_them(
    storage: optuna.storages.RDBStorage, storage_url: StorageUrl, shape: str
) -> None:
    """NaN을 준 시행은 null이 적히고 제약이 없는 것이 된다. `x < 0.5`는 [true]로 적힌다."""

    def limits(trial: optuna.trial.FrozenTrial) -> Sequence[float]:
        x = trial.params["x"]
        return {
            "nan": (math.nan if trial.number % 3 == 0 else 0.5 - x,),
            "bool": (False, x < 0.5),
            "int": (int(x < 0.5) * 3, 0),
        }[shape]

    sampler = optuna.samplers.TPESampler(seed=3, constraints_func=limits)
    study = optuna.create_study(study_name=shape, storage=storage, sampler=sampler)
    for _ in range(20):
        with suppress(ValueError):  # Optuna는 NaN을 적은 뒤 알린다
            study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    texts = {repr(trial.system_attrs["constraints"]) for trial in study.get_trials()}
    assert {"nan": "None", "bool": "[False, True]", "int": "[3, 0]"}[shape] in texts
    check_as_optuna(study, storage_url)


def test_attributes_named_like_ours_are_theirs(
    storage: optuna.storages.RDBStorage, storage_url: StorageUrl
) -> None:
    """`validation`, `blocks`, `wizard`라는 이름을 다른 뜻으로 쓴 시행도 읽는다."""
    study = optuna.create_study(study_name="이름", storage=storage)
    odd = [0.93, "글", [1, 2], None, {"fold": 3}, {"uid_": 1}]
    for value in odd:
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        for name in ("validation", "blocks", "wizard"):
            trial.set_user_attr(name, value)
        study.tell(trial, 1.0)
    check_as_optuna(study, storage_url)
    with reading(storage_url, OPTIONS) as connection:
        for trial in load_trials(connection, 1):
            assert (trial.fold, trial.blocks, dict(trial.metrics)) == (None, "", {})


@pytest.mark.parametrize("text", ["{", None])
def test_a_broken_attribute_hides_only_its_own_storage(
    storage: optuna.storages.RDBStorage, storage_url: StorageUrl, tmp_path: Path, text: str | None
) -> None:
    good = sqlite_url(tmp_path / "좋은.db")
    optuna.create_study(study_name="좋은", storage=open_rdb_storage(good, OPTIONS))
    optuna.create_study(study_name="깨진", storage=storage).set_user_attr("메모", 1)
    with storage.engine.begin() as connection:
        connection.execute(sa.update(tables.study_user_attributes).values(value_json=text))
    found = list_all([storage_url, good], OPTIONS)
    assert [info.name for info in found.studies] == ["좋은"]
    ((url, error),) = found.failures
    assert url == storage_url
    assert "'메모'" in error.cause


def test_attributes_of_our_names_by_others_are_not_ours(
    storage: optuna.storages.RDBStorage, open_store: OpenStore
) -> None:
    """우리의 이름으로 엉뚱한 것을 적은 스터디에도 시행을 이어 넣는다."""
    study = optuna.create_study(study_name="남의 것", storage=storage, direction="maximize")
    for name in ("wizard", "wizard_space"):
        study.set_user_attr(name, "x")
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={"wizard": "x"}))
    store = open_store("남의 것")
    store.append([make_trial(1)])
    assert len(study.get_trials()) == 2
    assert sorted(study.user_attrs["wizard_space"]) == sorted(SPACE)
