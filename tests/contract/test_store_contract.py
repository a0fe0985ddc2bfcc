"""TrialStore의 규약: 모든 저장소에서 같고, Optuna가 자기 것으로 읽는다."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import optuna
import pytest
import sqlalchemy as sa
from store_kit import OPTIONS, SPACE, OpenStore, make_trial

from optimize.errors import StorageError
from optimize.storage import tables
from optimize.storage.failures import StorageOperationError
from optimize.storage.fallback import frozen_trial
from optimize.storage.reader import Counts
from optimize.storage.schema import open_rdb_storage
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl
from optimize.trial import FinishedTrial

LoadOptuna = Callable[..., optuna.Study]


def varied_trials() -> list[FinishedTrial]:
    """상태·무한대·중간 값·제약·오류를 모두 담은 시행들."""
    pruned = {1: 0.5, 2: math.inf, 5: -0.25}
    return [
        *(make_trial(seed) for seed in range(6)),
        make_trial(10, values=(math.inf,)),
        make_trial(11, values=(-math.inf,), constraints=()),
        make_trial(12, state="PRUNED", values=(-0.25,), intermediate=pruned, constraints=()),
        make_trial(13, state="FAIL", values=(), error="값이 '유한'하지 않음", metrics={}),
        make_trial(14, intermediate={0: math.nan, 1: -math.inf}),
        make_trial(
            15,
            fold=2,
            in_sample=(1 / 3,),
            in_sample_constraints=(-0.5, 0.25),
            out_of_sample=(-0.75,),
            out_of_sample_metrics={"sharpe": -0.75, "trades": 4.0},
            blocks="1" + "A" * 500,
        ),
        make_trial(16, state="FAIL", values=(), constraints=(), metrics={}, fold=0),
    ]


def comparable(trial: optuna.trial.FrozenTrial) -> dict[str, object]:
    """Optuna 시행의 모든 것, 번호표 둘을 빼고."""
    fields = dict(vars(trial))
    fields.pop("_trial_id")
    fields["_distributions"] = dict(sorted(fields["_distributions"].items()))
    fields["intermediate_values"] = {
        step: str(value) for step, value in fields["intermediate_values"].items()
    }
    return fields


def test_optuna_reads_the_same_as_after_its_own_add_trial(
    open_store: OpenStore, load_optuna: LoadOptuna
) -> None:
    """우리가 넣은 시행과 Optuna의 add_trial이 넣은 시행을 Optuna로 읽으면 모든 칸이 같다."""
    trials = varied_trials()
    open_store("ours").append(trials)
    open_store("theirs")
    theirs = load_optuna("theirs")
    for trial in trials:
        theirs.add_trial(frozen_trial(trial, SPACE))
    left = load_optuna("ours").get_trials()
    right = load_optuna("theirs").get_trials()
    assert [comparable(a) for a in left] == [comparable(b) for b in right]
    assert load_optuna("ours").best_trial.number == load_optuna("theirs").best_trial.number
    assert list(left[0].params) == list(trials[0].params)
    assert left[0].constraints == {"0": trials[0].constraints[0], "1": -1.0}


def test_rows_are_the_same_as_optunas_own(open_store: OpenStore, load_optuna: LoadOptuna) -> None:
    """테이블의 행(분포 JSON, 값의 종류까지)도 add_trial이 쓴 것과 같다."""
    trials = varied_trials()
    ours = open_store("ours")
    ours.append(trials)
    other = open_store("theirs")
    theirs = load_optuna("theirs")
    for trial in trials:
        theirs.add_trial(frozen_trial(trial, SPACE))
    sides = (
        tables.trial_params,
        tables.trial_values,
        tables.trial_intermediate_values,
        tables.trial_user_attributes,
        tables.trial_system_attributes,
    )
    with ours.engine.connect() as connection:
        for table in sides:
            columns = [c for c in table.c if not c.primary_key and c.name != "trial_id"]
            rows = [
                connection.execute(
                    sa.select(tables.trials.c.number, *columns)
                    .join(tables.trials, tables.trials.c.trial_id == table.c.trial_id)
                    .where(tables.trials.c.study_id == store.study_id)
                    .order_by(tables.trials.c.number, *table.primary_key.columns)
                ).all()
                for store in (ours, other)
            ]
            assert rows[0] == rows[1], table.name
            assert rows[0], table.name


def test_load_gives_back_what_was_appended(open_store: OpenStore) -> None:
    """읽은 시행은 넣은 시행과 같고 번호만 더해진다. after로 이어 읽는다."""
    store = open_store()
    trials = varied_trials()
    numbers = store.append(trials)
    assert numbers == list(range(len(trials)))
    loaded = store.load()
    for trial, number, back in zip(trials, numbers, loaded, strict=True):
        expected = replace(trial, number=number, blocks="")
        if number == 10:  # NaN은 자신과 같지 않다
            assert str(dict(back.intermediate)) == str(dict(trial.intermediate))
            back = replace(back, intermediate={})
            expected = replace(expected, intermediate={})
        assert back == expected
    assert [trial.number for trial in store.load(after=10)] == [11, 12]
    assert store.load(after=99) == []
    assert store.counts() == Counts(complete=10, pruned=1, failed=2, running=0)
    (page,) = store.pages(blocks=True)
    assert [trial.blocks for trial in page] == [trial.blocks for trial in trials]


def test_append_is_idempotent_by_uid(open_store: OpenStore) -> None:
    """같은 uid는 따로든 섞여서든 한 묶음에 두 번이든 한 번만 들어가고 같은 번호를 준다."""
    store = open_store()
    first = [make_trial(seed) for seed in range(4)]
    assert store.append(first) == [0, 1, 2, 3]
    assert store.append(first) == [0, 1, 2, 3]
    extra = make_trial(9)
    assert store.append([first[2], extra, extra, first[0]]) == [2, 4, 4, 0]
    assert open_store("다른 연구").append(first) == [0, 1, 2, 3]
    assert [trial.number for trial in store.load()] == [0, 1, 2, 3, 4]
    assert store.append([]) == []


def test_large_batch_in_one_call(open_store: OpenStore) -> None:
    store = open_store()
    trials = [make_trial(seed) for seed in range(1200)]
    assert store.append(trials) == list(range(1200))
    assert store.append(trials[::-1]) == list(range(1200))[::-1]
    assert store.counts().complete == 1200


def test_batch_uses_few_statements_and_one_commit(open_store: OpenStore) -> None:
    """50개 묶음은 20문장 이하, commit 한 번이다(add_trial은 시행마다 67문장)."""
    store = open_store()
    store.append([make_trial(1000)])
    statements: list[str] = []
    commits: list[object] = []
    sa.event.listen(
        store.engine, "before_cursor_execute", lambda c, cur, text, *rest: statements.append(text)
    )
    sa.event.listen(store.engine, "commit", commits.append)
    store.append([make_trial(seed) for seed in range(50)])
    assert len(statements) <= 20, statements
    assert len(commits) == 1


def test_failed_batch_leaves_nothing(open_store: OpenStore) -> None:
    """묶음의 끝이 틀리면 앞도 들어가지 않는다."""
    store = open_store()
    bad = replace(make_trial(2), params={"unknown": 1})
    with pytest.raises(ValueError, match="unknown"):
        store.append([make_trial(1), bad])
    assert store.counts() == Counts()


@pytest.mark.parametrize(
    "changes",
    [
        {"values": ()},
        {"values": (1.0, 2.0)},
        {"values": (math.nan,)},
        {"params": {"length": 200}},
        {"params": {"kind": "WMA"}},
    ],
)
def test_what_optuna_would_refuse_is_refused(
    open_store: OpenStore, changes: dict[str, object]
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        open_store().append([make_trial(1, **changes)])


def test_multi_objective(open_store: OpenStore, load_optuna: LoadOptuna) -> None:
    store = open_store("둘", ("maximize", "minimize"))
    store.append(
        [make_trial(1, values=(1.0, 2.0), constraints=()), make_trial(2, values=(0.5, 9.0))]
    )
    study = load_optuna("둘")
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.trials[0].values == [1.0, 2.0]
    assert study.best_trials[0].number == 0


def test_reopening_merges_attributes_and_keeps_trials(
    open_store: OpenStore, load_optuna: LoadOptuna
) -> None:
    open_store(attrs={"symbol": "DEMO:BTC", "n": 1}).append([make_trial(1)])
    again = open_store(attrs={"n": 2, "한글": "값"})
    attrs = again.user_attrs()
    assert (attrs["symbol"], attrs["n"], attrs["한글"]) == ("DEMO:BTC", 2, "값")
    again.set_user_attrs({"n": 3})
    assert load_optuna().user_attrs["n"] == 3
    assert again.append([make_trial(2)]) == [1]


def test_mixed_with_optunas_own_trials(open_store: OpenStore, load_optuna: LoadOptuna) -> None:
    """Optuna의 ask/tell·add_trial과 번갈아 써도 번호가 이어지고 RUNNING은 세지도 읽지도 않는다."""
    store = open_store()
    store.append([make_trial(1)])
    study = load_optuna()
    asked = study.ask(SPACE)
    store.append([make_trial(2)])
    study.add_trial(frozen_trial(make_trial(3), SPACE))
    assert store.counts() == Counts(complete=3, running=1)
    assert [trial.number for trial in store.load()] == [0, 2, 3]
    study.tell(asked, 1.25)
    assert store.append([make_trial(4)]) == [4]
    assert [trial.number for trial in store.load()] == [0, 1, 2, 3, 4]
    assert store.load()[1].values == (1.25,)


def test_times_survive_a_local_timezone(
    open_store: OpenStore, load_optuna: LoadOptuna, monkeypatch: pytest.MonkeyPatch
) -> None:
    """서울에서 읽어도 같은 순간이다(저장은 시간대 없는 UTC)."""
    import time

    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        store = open_store()
        moment = datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
        trial = make_trial(1, started_at=moment, finished_at=moment + timedelta(hours=1))
        store.append([trial])
        assert store.load()[0].started_at == moment
        frozen = load_optuna().trials[0]
        assert frozen.datetime_start is not None
        assert frozen.datetime_start.astimezone(UTC) == moment
        assert frozen.duration == timedelta(hours=1)
    finally:
        monkeypatch.undo()
        time.tzset()


def _open_and_append(url: StorageUrl, seed: int) -> list[int]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    store = TrialStore.open(url, OPTIONS, "함께", ["maximize"], SPACE, {"seed": 1})
    numbers = [
        n
        for k in range(4)
        for n in store.append([make_trial(seed * 100 + k * 5 + j) for j in range(5)])
    ]
    store.close()
    return numbers


def test_many_processes_open_an_empty_database_and_append(
    storage_url: StorageUrl, open_store: OpenStore
) -> None:
    """네 프로세스가 빈 데이터베이스를 함께 열고 넣어도 실패 없이 번호가 겹치지도 비지도 않는다."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        numbers = [
            n for part in pool.map(_open_and_append, [storage_url] * 4, range(4)) for n in part
        ]
    assert sorted(numbers) == list(range(80))
    assert [trial.number for trial in open_store("함께").load()] == list(range(80))


def test_numbers_stay_unique_under_repeatable_read(open_store: OpenStore) -> None:
    """설정이 REPEATABLE READ여도(Optuna는 번호가 겹친다) 번호는 고유하다."""
    options = replace(OPTIONS, isolation_level="REPEATABLE READ", pool_size=4)
    store = open_store(options=options)
    batches = [[make_trial(i * 10 + j) for j in range(3)] for i in range(20)]
    with ThreadPoolExecutor(4) as pool:
        numbers = [n for part in pool.map(store.append, batches) for n in part]
    assert sorted(numbers) == list(range(60))


def test_optuna_can_delete_our_study_and_name_can_be_reused(
    open_store: OpenStore, storage_url: StorageUrl
) -> None:
    """Optuna로 지워도 우리 테이블이 막지 않고, 같은 이름·같은 uid로 새로 시작할 수 있다."""
    store = open_store()
    trials = [make_trial(1), make_trial(2)]
    store.append(trials)
    storage = open_rdb_storage(storage_url, OPTIONS)
    optuna.delete_study(study_name="연구-1", storage=storage)
    storage.engine.dispose()
    with pytest.raises(StorageError):
        store.append([make_trial(3)])
    again = open_store()
    assert again.append(trials) == [0, 1]
    assert len(again.load()) == 2


def test_closed_store_error_is_korean_and_typed(
    open_store: OpenStore, storage_url: StorageUrl
) -> None:
    """드라이버 오류는 StorageOperationError가 되고 비밀번호가 없다."""
    store = open_store()
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE trial_values")
    with pytest.raises(StorageOperationError) as caught:
        store.append([make_trial(1)])
    assert caught.value.retryable is False
    assert not storage_url.password or storage_url.password not in str(caught.value)
