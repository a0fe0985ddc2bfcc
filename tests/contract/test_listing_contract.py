"""목록의 규약: 요약이 늘 시행을 다 읽은 것과 같고, 아무것도 바꾸지 않는다."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from store_kit import OPTIONS, SPACE, OpenStore, make_trial

from optimize.errors import SettingsError
from optimize.storage import listing, tables
from optimize.storage.admin import StudyAdmin
from optimize.storage.census import Summary
from optimize.storage.engine import reading, writing
from optimize.storage.fallback import frozen_trial
from optimize.storage.listing import StudyInfo, distinct, list_all, list_studies
from optimize.storage.schema import open_rdb_storage
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl, parse_storage_url, sqlite_url

LoadOptuna = Callable[..., optuna.Study]


def only(url: StorageUrl, name: str) -> StudyInfo:
    (found,) = [info for info in list_studies(url, OPTIONS) if info.name == name]
    return found


def truth(store: TrialStore) -> Summary:
    """시행을 다 읽어 손으로 센 요약."""
    trials, counts = store.load(), store.counts()
    sign = 1 if store.directions == ("MAXIMIZE",) else -1
    feasible = [trial for trial in trials if trial.feasible]
    best = max(feasible, key=lambda t: (sign * t.values[0], -(t.number or 0)), default=None)
    if len(store.directions) > 1:
        best = None
    return Summary(
        total=counts.finished + counts.running,
        unfinished=counts.running,
        n_complete=counts.complete,
        n_pruned=counts.pruned,
        n_failed=counts.failed,
        best_value=best.values[0] if best else None,
        best_number=best.number if best else None,
        last_activity=max((trial.finished_at for trial in trials), default=None),
    )


@pytest.mark.parametrize("directions", [("maximize",), ("minimize",), ("maximize", "minimize")])
def test_incremental_summary_equals_a_full_read(
    open_store: OpenStore, storage_url: StorageUrl, directions: tuple[str, ...]
) -> None:
    """무작위 묶음을 넣을 때마다 요약이 다 읽어 센 것과 같고, 요약을 지우고 집계해도 같다."""
    store = open_store("요약", directions)
    r = random.Random(len(directions))
    empty = only(storage_url, "요약")
    assert (empty.state, empty.summary) == ("empty", Summary())
    for step in range(8):
        batch = []
        for index in range(r.randint(1, 5)):
            state = r.choice(["COMPLETE", "COMPLETE", "PRUNED", "FAIL"])
            values = tuple(
                r.choice([r.uniform(-1, 1), 0.5, math.inf, -math.inf]) for _ in directions
            )
            constraints = r.choice([(), (0.0,), (-1.0, -2.5), (1e-7,), (-3.0, 20.0), (math.inf,)])
            batch.append(
                make_trial(
                    step * 10 + index,
                    state=state,
                    values=() if state == "FAIL" else values,
                    constraints=constraints,
                )
            )
        store.append(batch)
        info = only(storage_url, "요약")
        assert info.summary == truth(store)
        assert info.state == "idle"
    with writing(store.engine) as connection:
        connection.execute(sa.delete(tables.summaries))
    assert only(storage_url, "요약").summary == truth(store)


def test_summary_follows_changes_by_other_tools(
    open_store: OpenStore, storage_url: StorageUrl, load_optuna: LoadOptuna
) -> None:
    """Optuna가 시행을 더하거나 끝내도 목록이 맞고, 다시 연 뒤의 append도 맞다."""
    store = open_store("남")
    store.append([make_trial(1)])
    study = load_optuna("남")
    trial = study.ask(SPACE)
    assert only(storage_url, "남").state == "running"
    store.append([make_trial(2)])
    study.tell(trial, 99.0)
    study.add_trial(frozen_trial(make_trial(3, constraints=()), SPACE))
    info = only(storage_url, "남")
    assert (info.summary.total, info.summary.best_value, info.state) == (4, 99.0, "idle")
    again = open_store("남")
    again.append([make_trial(5, values=(100.0,), constraints=())])
    assert only(storage_url, "남").summary.best_number == 4


def test_cached_summaries_are_not_recounted(
    open_store: OpenStore, storage_url: StorageUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """우리가 쓴 스터디는 시행을 훑지 않는다."""
    for name in ("하나", "둘"):
        open_store(name).append([make_trial(1)])
    monkeypatch.setattr(listing, "check_marks", None)  # 부르면 실패한다
    assert len(list_studies(storage_url, OPTIONS)) == 2


def test_state_and_attributes(open_store: OpenStore, storage_url: StorageUrl) -> None:
    store = open_store("상태", attrs={"symbol": "BINANCE:BTCUSDT"})
    claims = store.claims("me")
    claims.claim(["a"], 10)
    info = only(storage_url, "상태")
    assert (info.state, info.attrs, info.directions) == (
        "running",
        {"symbol": "BINANCE:BTCUSDT"},
        ("MAXIMIZE",),
    )
    assert info.as_json()["storage"] == storage_url.masked
    claims.release()
    assert only(storage_url, "상태").state == "empty"


def test_plain_optuna_database_is_listed_and_untouched(storage_url: StorageUrl) -> None:
    """Optuna만 쓴 저장소도 제약까지 맞게 보이고 테이블이나 색인이 생기지 않는다."""
    storage = open_rdb_storage(storage_url, OPTIONS)
    study = optuna.create_study(study_name="plain", storage=storage, direction="minimize")
    values = ((3.0, 0.0), (1.0, 0.5), (2.0, -1.0))
    for value, constraint in values:
        trial = study.ask()
        trial.set_constraint("한도", constraint)
        study.tell(trial, value)
    study.ask()
    info = only(storage_url, "plain")
    assert info.summary.best_value == study.best_value == 2.0
    assert (info.summary.n_complete, info.summary.unfinished, info.state) == (3, 1, "running")
    with reading(storage_url, OPTIONS) as connection:
        names = set(sa.inspect(connection).get_table_names())
    assert not {name for name in names if name.startswith("wizard")}
    storage.remove_session()
    storage.engine.dispose()


def test_unreachable_storages_do_not_hide_the_others(
    open_store: OpenStore, storage_url: StorageUrl, tmp_path: Path
) -> None:
    open_store("보임").append([make_trial(1)])
    dead = parse_storage_url("postgresql://u:canary@127.0.0.1:1/d")
    broken = tmp_path / "broken.db"
    broken.write_text("망가진 파일" * 500)
    empty = tmp_path / "empty.db"
    empty.touch()
    urls = [dead, storage_url, sqlite_url(broken), sqlite_url(empty)]
    found = list_all(urls, replace(OPTIONS, connect_timeout=2))
    assert [info.name for info in found.studies] == ["보임"]
    assert [url for url, _ in found.failures] == [dead, sqlite_url(broken)]
    assert "canary" not in "".join(str(error) for _, error in found.failures)


def test_same_place_is_listed_once(tmp_path: Path) -> None:
    one = parse_storage_url("postgresql://u@localhost/d")
    same = parse_storage_url("postgresql://u:pw@127.0.0.1:5432/d")
    other = parse_storage_url("postgresql://u:pw@127.0.0.1:5433/d")
    file = sqlite_url(tmp_path / "a.db")
    again = sqlite_url(tmp_path / "x" / ".." / "a.db")
    assert distinct([one, same, other, file, again]) == [same, other, file]


def test_rename_delete_clean(
    open_store: OpenStore, storage_url: StorageUrl, load_optuna: LoadOptuna
) -> None:
    keep, gone = open_store("남길 것"), open_store("지울 것")
    keep.append(
        [make_trial(1), make_trial(2, state="PRUNED", values=(1.0,), intermediate={1: 1.0})]
    )
    gone.append([make_trial(3), make_trial(4)])
    admin = StudyAdmin(storage_url, OPTIONS)
    try:
        admin.rename("남길 것", "새 이름")
        with pytest.raises(SettingsError):
            admin.rename("새 이름", "지울 것")
        with pytest.raises(SettingsError):
            admin.rename("없는 것", "무엇")
        assert admin.delete("지울 것") == 2
        assert [info.name for info in list_studies(storage_url, OPTIONS)] == ["새 이름"]
        assert len(load_optuna("새 이름").trials) == 2
        with keep.engine.connect() as connection:
            for table in (tables.trial_params, tables.stored, tables.trials, tables.trial_values):
                owners = set(connection.scalars(sa.select(table.c.trial_id)))
                assert len(owners) == 2, table.name

        study = load_optuna("새 이름")
        dead, alive = study.ask(SPACE), study.ask(SPACE)
        study.enqueue_trial({"ratio": 0.5})
        old = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=3)
        with keep.engine.begin() as connection:
            connection.execute(
                sa.update(tables.trials)
                .where(tables.trials.c.trial_id == dead._trial_id)
                .values(datetime_start=old)
            )
        assert admin.clean("새 이름", timedelta(hours=1)) == 1
        info = only(storage_url, "새 이름")
        assert (info.summary.n_failed, info.summary.unfinished) == (1, 2)
        failed = keep.load()[-1]
        assert failed.state == "FAIL"
        assert "정리함" in failed.error
        assert study.get_trials()[alive.number].state.name == "RUNNING"
    finally:
        admin.close()


def test_running_study_is_not_renamed_or_deleted(
    open_store: OpenStore, storage_url: StorageUrl
) -> None:
    claims = open_store("쓰는 중").claims("me")
    claims.claim(["a"], 5)
    admin = StudyAdmin(storage_url, OPTIONS)
    try:
        for action in (
            lambda: admin.delete("쓰는 중"),
            lambda: admin.rename("쓰는 중", "다른 이름"),
        ):
            with pytest.raises(SettingsError) as caught:
                action()
            assert "실행이 쓰고 있습니다" in caught.value.title
        claims.release()
        assert admin.delete("쓰는 중") == 0
    finally:
        admin.close()
