"""스터디 열기의 규약: 방향·공간·이름·스키마가 맞지 않으면 까닭을 말하고 거절한다."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from store_kit import OPTIONS, SPACE, OpenStore, make_trial

from optimize.errors import SettingsError, StorageError
from optimize.storage import tables
from optimize.storage.engine import make_engine
from optimize.storage.schema import ADVISORY_LOCK
from optimize.storage.url import StorageUrl

LoadOptuna = Callable[..., optuna.Study]


def test_direction_mismatch_is_refused(open_store: OpenStore) -> None:
    open_store()
    with pytest.raises(SettingsError) as caught:
        open_store(directions=("minimize",))
    assert "최대화" in caught.value.cause
    with pytest.raises(SettingsError):
        open_store(directions=("maximize", "maximize"))


def test_changed_space_is_refused_where_optuna_would_refuse(open_store: OpenStore) -> None:
    """범위는 바꿀 수 있고, 종류나 선택지는 바꿀 수 없다. 꺼져 있던 파라미터도 본다."""
    open_store()
    open_store(space={**SPACE, "length": IntDistribution(1, 300)})
    for changed in (
        {"length": FloatDistribution(1, 2)},
        {"kind": CategoricalDistribution(["SMA"])},
    ):
        with pytest.raises(SettingsError) as caught:
            open_store(space={**SPACE, **changed})
        assert next(iter(changed)) in caught.value.cause


def test_space_of_a_foreign_study_is_checked_too(
    open_store: OpenStore, load_optuna: LoadOptuna
) -> None:
    """Optuna로만 만든 스터디를 이어받을 때는 시행의 분포와 견준다."""
    open_store("씨앗")
    study = optuna.create_study(study_name="남의 것", storage=load_optuna("씨앗")._storage)
    study.add_trial(
        optuna.create_trial(params={"x": 1}, distributions={"x": IntDistribution(0, 9)}, value=1.0)
    )
    with pytest.raises(SettingsError):
        open_store("남의 것", ("minimize",), {"x": CategoricalDistribution([1])})
    store = open_store("남의 것", ("minimize",), {"x": IntDistribution(0, 99)})
    assert store.load()[0].uid == "optuna-1"
    trial = make_trial(1, params={"x": 50}, constraints=())
    assert store.append([trial]) == [1]


def test_study_names(open_store: OpenStore) -> None:
    open_store("이름 '\"%{}/" + "가" * 100)
    for name in ("", "  ", "x" * 513):
        with pytest.raises(SettingsError):
            open_store(name)


def test_unknown_revision_falls_back_to_optunas_api(
    storage_url: StorageUrl,
    open_store: OpenStore,
    load_optuna: LoadOptuna,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """우리가 모르는(Optuna는 아는) revision이면 add_trial로 넣고, 그래도 한 번만 들어간다."""
    monkeypatch.setattr(tables, "SUPPORTED_REVISION", "v0.0.0")
    inserted: list[str] = []
    original = optuna.Study.add_trial
    monkeypatch.setattr(
        optuna.Study, "add_trial", lambda self, t: (inserted.append("x"), original(self, t))[1]
    )
    store = open_store()
    trials = [make_trial(1), make_trial(2)]
    assert store.append(trials) == [0, 1]
    assert store.append([*trials, make_trial(3)]) == [0, 1, 2]
    assert len(inserted) == 3
    assert [trial.uid for trial in store.load()] == [*(t.uid for t in trials), make_trial(3).uid]
    assert len(load_optuna().trials) == 3


@pytest.mark.parametrize(("revision", "word"), [("v2.6.0.a", "upgrade"), ("v99.0.0", "-U optuna")])
def test_other_schema_revisions_are_refused_with_the_way_on(
    storage_url: StorageUrl, open_store: OpenStore, revision: str, word: str
) -> None:
    store = open_store()
    with store.engine.begin() as connection:
        connection.execute(sa.update(tables.alembic_version).values(version_num=revision))
    with pytest.raises(StorageError) as caught:
        open_store()
    assert word in caught.value.fix


def test_foreign_table_named_studies(storage_url: StorageUrl, open_store: OpenStore) -> None:
    """다른 프로그램의 studies 테이블이 있으면 그렇게 말하고 건드리지 않는다."""
    engine = make_engine(storage_url, OPTIONS)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE studies (id integer, title text)")
    with pytest.raises(StorageError) as caught:
        open_store()
    assert "같은 이름의 다른 테이블" in caught.value.title
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["studies"]
    engine.dispose()


def test_several_coordinators_note_the_same_attribute_at_once(open_store: OpenStore) -> None:
    """함께 시작한 coordinator들이 같은 attribute를 처음 적어도 부딪치지 않는다."""
    stores = [open_store() for _ in range(4)]
    with ThreadPoolExecutor(len(stores)) as pool:
        for turn in range(10):
            note = {f"note-{turn}": turn}
            list(pool.map(lambda store, note=note: store.set_user_attrs(note), stores))
    attrs = stores[0].user_attrs()
    assert [attrs[f"note-{turn}"] for turn in range(10)] == list(range(10))


@pytest.mark.parametrize("storage_url", ["postgres15", "postgres18"], indirect=True)
def test_another_process_may_take_long_to_make_the_schema(
    storage_url: StorageUrl, open_store: OpenStore
) -> None:
    """바쁜 컴퓨터에서 남이 스키마를 만드는 데 lock_timeout보다 오래 걸려도 기다렸다가 연다."""
    engine = make_engine(storage_url, OPTIONS)
    patient = replace(OPTIONS, lock_timeout_ms=300)
    with ThreadPoolExecutor(1) as pool, engine.connect() as other:
        other.execute(sa.select(sa.func.pg_advisory_lock(ADVISORY_LOCK)))
        opening = pool.submit(open_store, options=patient)
        waiting = sa.text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        )
        while other.scalar(waiting) == 0 and not opening.done():
            time.sleep(0.02)
        time.sleep(1.0)
        other.execute(sa.select(sa.func.pg_advisory_unlock(ADVISORY_LOCK)))
        assert opening.result().append([make_trial(1)]) == [0]
    engine.dispose()
