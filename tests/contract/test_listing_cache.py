"""목록의 기억: 다음 목록은 다시 세지 않되 남이 무엇을 바꾸어도 낡은 수를 보이지 않는다."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from store_kit import OPTIONS, make_trial

from optimize.storage import census, dbapi, listing
from optimize.storage.listing import StudyInfo, list_all, list_studies, stream_all
from optimize.storage.listing_cache import ListingCache, file_stamp
from optimize.storage.schema import open_rdb_storage
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl

MOMENT = datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None)
Listed = Callable[[], list[StudyInfo]]


@pytest.fixture
def foreign(storage_url: StorageUrl) -> Iterator[Any]:
    """Optuna만 쓴 데이터베이스의 storage."""
    storage = open_rdb_storage(storage_url, OPTIONS)
    yield storage
    storage.remove_session()
    storage.engine.dispose()


@pytest.fixture
def remembered(storage_url: StorageUrl, tmp_path: Path) -> Listed:
    """부를 때마다 새 프로세스처럼 기억을 파일에서 읽어 목록을 만든다. 파일은 오래된 것처럼 보이게 한다."""

    def read() -> list[StudyInfo]:
        settle(storage_url)
        found = list_all([storage_url], OPTIONS, ListingCache(tmp_path / "cache"))
        assert found.failures == []
        return sorted(found.studies, key=lambda info: info.study_id)

    return read


def settle(url: StorageUrl) -> None:
    """방금 바뀐 파일은 표식을 믿지 않으므로, 파일의 시각만 조금 전으로 돌린다."""
    if url.path is None:
        return
    for path in (url.path, Path(f"{url.path}-wal")):
        if path.exists():
            moment = path.stat().st_mtime_ns
            if moment > time.time_ns() - 60_000_000_000:
                # ns까지 저마다 다른 시각으로: 진짜 시계처럼 바뀔 때마다 달라야 한다.
                os.utime(path, ns=(moment - 3_600_000_000_000, moment - 3_600_000_000_000))


def fresh(url: StorageUrl) -> list[StudyInfo]:
    return sorted(list_studies(url, OPTIONS), key=lambda info: info.study_id)


def add(study: optuna.Study, value: float, constraint: float = -1.0) -> None:
    study.add_trial(
        optuna.trial.create_trial(
            value=value, system_attrs={"constraints": [constraint, 0.0, -0.05]}
        )
    )


def never_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """이제부터 하나라도 세면 실패한다."""
    monkeypatch.setattr(census, "_count", None)


def test_nothing_is_counted_twice(
    foreign: Any, remembered: Listed, storage_url: StorageUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """바뀐 것이 없으면 아무것도, 한 스터디가 바뀌면 그것만 센다."""
    studies = [optuna.create_study(study_name=f"s{k}", storage=foreign) for k in range(3)]
    for study in studies:
        add(study, 1.0)
    first = remembered()
    add(studies[1], 0.5)
    counted: list[list[int]] = []
    original = census._count
    monkeypatch.setattr(
        census,
        "_count",
        lambda db, ids, *rest: (counted.append([*ids]), original(db, ids, *rest))[1],
    )
    second = remembered()
    assert counted == [[studies[1]._study_id]]
    assert [info.summary.total for info in second] == [1, 2, 1]
    monkeypatch.undo()
    never_count(monkeypatch)
    assert remembered() == second
    assert first != second


def test_random_changes_by_other_tools_are_never_missed(
    foreign: Any, remembered: Listed, storage_url: StorageUrl
) -> None:
    """남이 시행을 열고 끝내고 더하고, 스터디를 지우고 같은 수로 다시 만들고 이름을 바꾸어도
    기억이 있는 목록은 없는 목록과 늘 같다."""
    r = random.Random(storage_url.backend)
    studies = {
        f"s{k}": optuna.create_study(study_name=f"s{k}", storage=foreign, direction="maximize")
        for k in range(3)
    }
    opened: list[tuple[str, optuna.trial.Trial]] = []
    for step in range(18):
        name = r.choice(list(studies))
        action = ["add", "ask", "tell", "recreate", "rename", "nothing", "best"][step % 7]
        if action == "add":
            add(studies[name], r.uniform(-1, 1), r.choice([-1.0, 0.0, 0.5]))
        elif action == "ask":
            opened.append((name, studies[name].ask()))
        elif action == "tell" and opened:
            owner, trial = opened.pop()
            studies[owner].tell(trial, r.uniform(1, 2))
        elif action == "recreate":
            count = len(studies[name].trials)
            optuna.delete_study(study_name=name, storage=foreign)
            opened = [item for item in opened if item[0] != name]
            studies[name] = optuna.create_study(study_name=name, storage=foreign)
            for _ in range(count):
                add(studies[name], r.uniform(-1, 1))
        elif action == "rename":
            with foreign.engine.begin() as connection:
                connection.exec_driver_sql(
                    f"UPDATE studies SET study_name = 'n{step}' WHERE study_name = '{name}'"
                )
            renamed = optuna.load_study(study_name=f"n{step}", storage=foreign)
            studies[f"n{step}"] = renamed
            del studies[name]
            opened = [(f"n{step}" if owner == name else owner, trial) for owner, trial in opened]
        elif action == "best":
            add(studies[name], 10.0 + step, -0.5)
        assert remembered() == fresh(storage_url), (step, action)


def test_a_finished_trial_changes_the_list_without_a_new_number(
    foreign: Any, remembered: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(study_name="s", storage=foreign)
    trial = study.ask()
    assert remembered()[0].state == "running"
    study.tell(trial, state=TrialState.FAIL)
    (info,) = remembered()
    assert (info.state, info.summary.n_failed, info.summary.total) == ("idle", 1, 1)


def test_a_database_made_again_under_the_same_url(
    foreign: Any, remembered: Listed, storage_url: StorageUrl
) -> None:
    """테이블을 모두 지우고 같은 이름·번호·시행 수로 다시 만들면 새 수를 보인다."""
    for value in (1.0, 2.0):
        study = optuna.create_study(study_name="s", storage=foreign, direction="maximize")
        study.add_trial(replace_times(optuna.trial.create_trial(value=value), value))
        assert [info.summary.best_value for info in remembered()] == [value]
        with foreign.engine.begin() as connection:
            from optuna.storages._rdb.models import BaseModel

            BaseModel.metadata.drop_all(connection)
            BaseModel.metadata.create_all(connection)


def replace_times(trial: optuna.trial.FrozenTrial, seconds: float) -> optuna.trial.FrozenTrial:
    trial.datetime_start = MOMENT.replace(second=int(seconds))
    trial.datetime_complete = trial.datetime_start
    return trial


def test_constraints_ties_and_infinities(foreign: Any, storage_url: StorageUrl) -> None:
    """제약을 어긴 최선은 건너뛰고, 같은 값이면 먼저 나온 것, 무한대도 값이다."""
    cases = {
        "어긴 최선": ("maximize", [(9.0, 0.05), (3.0, -1.0), (5.0, 1e-07), (4.0, 0.0)], (4.0, 3)),
        "같은 값": ("maximize", [(1.0, -1.0), (7.0, 0.5), (7.0, 0.0), (7.0, -1.0)], (7.0, 2)),
        "모두 어김": ("minimize", [(1.0, 2.0), (2.0, float("inf"))], (None, None)),
        "무한대": (
            "minimize",
            [(1.0, -1.0), (float("-inf"), -3.5), (-5.0, 10.0)],
            (float("-inf"), 1),
        ),
        "정수 0": ("minimize", [(2.0, 0), (1.0, 1)], (2.0, 0)),
    }
    for name, (direction, trials, _) in cases.items():
        study = optuna.create_study(study_name=name, storage=foreign, direction=direction)
        for value, constraint in trials:
            add(study, value, constraint)
    plain = optuna.create_study(study_name="제약 없음", storage=foreign)
    plain.add_trial(optuna.trial.create_trial(value=3.0))
    found = {
        info.name: (info.summary.best_value, info.summary.best_number)
        for info in list_studies(storage_url, OPTIONS)
    }
    assert found == {name: best for name, (*_, best) in cases.items()} | {"제약 없음": (3.0, 0)}


@pytest.mark.parametrize("constrained", [False, True])
def test_the_best_is_exact_for_any_layout(
    foreign: Any,
    storage_url: StorageUrl,
    monkeypatch: pytest.MonkeyPatch,
    constrained: bool,
) -> None:
    """섞인 번호, 많은 같은 값, 최선보다 좋은 가지치기·남의 값, 모두 어긴 스터디: 하나씩 본 것과 같다."""
    r = random.Random(f"{constrained}{storage_url.backend}")
    studies = [
        optuna.create_study(
            study_name=f"s{k}", storage=foreign, direction=("maximize", "minimize")[k % 2]
        )
        for k in range(6)
    ]
    # 앞의 셋은 서로 섞이고, 뒤의 셋은 모여 있다.
    order = [r.choice(studies[:3]) for _ in range(18)] + [s for s in studies[3:] for _ in range(6)]
    for study in order:
        state = r.choice([TrialState.COMPLETE] * 4 + [TrialState.PRUNED, TrialState.FAIL])
        attrs = {"constraints": [r.choice([-1.0, 0.0, 0.5])]} if constrained else {}
        if study is studies[5] and constrained:
            attrs = {"constraints": [1.0]}
        values = [r.choice([0.0, 1.0, 2.0, math.inf, -math.inf])]
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                values=None if state is TrialState.FAIL else values,
                system_attrs=attrs,
            )
        )
    expected = {}
    for study in studies:
        sign = 1 if study.direction.name == "MAXIMIZE" else -1
        fit = [
            trial
            for trial in study.get_trials()
            if trial.state is TrialState.COMPLETE
            and all(c <= 0 for c in trial.system_attrs.get("constraints", ()))
        ]
        best = max(fit, key=lambda trial: (sign * trial.values[0], -trial.number), default=None)
        expected[study.study_name] = best and (best.values[0], best.number)

    def found() -> dict[str, tuple[float | None, int] | None]:
        return {
            info.name: None
            if info.summary.best_number is None
            else (info.summary.best_value, info.summary.best_number)
            for info in list_studies(storage_url, OPTIONS)
        }

    assert found() == expected
    # 두 연결이 반씩 세어도 같다.
    monkeypatch.setattr(census, "_WORTH_SPLITTING", 1)
    monkeypatch.setattr(dbapi, "_TWIN_BYTES", 0)
    assert found() == expected


def test_big_storages_show_their_names_first(
    foreign: Any, storage_url: StorageUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """오래 셀 저장소는 이름과 시행 수를 먼저, 다 센 것을 다음에 준다."""
    monkeypatch.setattr(listing, "_WORTH_WAITING", 2)
    study = optuna.create_study(study_name="큰 것", storage=foreign)
    add(study, 1.0)
    add(study, 0.5)
    first, last = [found for _, found in stream_all([storage_url], OPTIONS)]
    assert isinstance(first, list)
    assert isinstance(last, list)
    assert [(info.name, info.state, info.summary.total) for info in first] == [
        ("큰 것", "counting", 2)
    ]
    assert (last[0].state, last[0].summary.best_value) == ("idle", 0.5)


# 기억의 파일은 저장소와 무관하다: SQLite로 한 번만 본다.
@pytest.mark.parametrize("storage_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("damage", ["garbage", "truncated", "flipped", "foreign"])
def test_broken_memory_is_made_again(
    foreign: Any, remembered: Listed, tmp_path: Path, storage_url: StorageUrl, damage: str
) -> None:
    """기억이 깨지면 버리고 다시 만든다. 목록은 맞다."""
    add(optuna.create_study(study_name="s", storage=foreign), 1.0)
    right = remembered()
    cache = tmp_path / "cache"
    body = cache.read_bytes()
    spoiled = {
        "garbage": b"\x00broken" * 999,
        "truncated": body[: len(body) // 2],
        "flipped": body.replace(b'"counts"', b'"studios"'),
        "foreign": body.replace(b"storage", b"sturage"),
    }[damage]
    assert spoiled != body
    cache.write_bytes(spoiled)
    for _ in range(3):
        assert remembered() == right
    assert ListingCache(cache).get(str(storage_url.path)) is not None


@pytest.mark.parametrize("storage_url", ["sqlite"], indirect=True)
def test_unwritable_memory_changes_nothing(
    foreign: Any, storage_url: StorageUrl, tmp_path: Path
) -> None:
    """기억을 쓸 수 없는 자리여도 목록은 나온다."""
    add(optuna.create_study(study_name="s", storage=foreign), 1.0)
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "없는 폴더" / "cache"):
        found = list_all([storage_url], OPTIONS, ListingCache(place))
        assert [info.summary.total for info in found.studies] == [1]


def test_claims_lapse_without_a_change(
    open_store: Callable[..., TrialStore], remembered: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """맡은 자리는 시간만 지나도 풀린다: 그대로인 저장소의 상태도 지금의 시계로 정한다."""
    store = open_store("맡음")
    store.append([make_trial(1)])
    store.claims("me", lease_s=3600).claim(["a"], 10)
    store.close()
    assert remembered()[0].state == "running"
    now = time.time() + 7200
    monkeypatch.setattr(listing, "server_time", lambda db: now)
    monkeypatch.setattr(listing.time, "time", lambda: now)
    never_count(monkeypatch)
    assert remembered()[0].state == "idle"


def test_several_processes_write_the_memory_at_once(
    foreign: Any, remembered: Listed, storage_url: StorageUrl, tmp_path: Path
) -> None:
    """함께 읽고 쓰는 동안에도 모두 맞는 목록을 얻는다."""
    study = optuna.create_study(study_name="s", storage=foreign)

    def read(_: int) -> int:
        found = list_all([storage_url], OPTIONS, ListingCache(tmp_path / "cache"))
        return found.studies[0].summary.total

    with ThreadPoolExecutor(4) as pool:
        for total in range(1, 4):
            add(study, float(total))
            assert list(pool.map(read, range(4))) == [total] * 4


def test_a_just_changed_file_is_not_trusted(tmp_path: Path) -> None:
    """시각이 거친 파일 시스템에서도 낡지 않게, 방금 바뀐 파일의 표식은 쓰지 않는다."""
    path = tmp_path / "a.db"
    assert file_stamp(path) is None
    path.write_bytes(b"x")
    stamp = file_stamp(path)
    assert stamp is not None
    assert not stamp.settled
    os.utime(path, (1, 1))
    settled = file_stamp(path)
    assert settled is not None
    assert settled.settled
    assert settled.text != stamp.text
