"""자리 맡기의 규약: 총수가 정확하고, 겹치지 않고, 죽은 주인의 자리는 풀린다."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import sqlalchemy as sa
from store_kit import OPTIONS, OpenStore, make_trial

from optimize.storage import tables
from optimize.storage.engine import writing
from optimize.storage.store import TrialStore
from optimize.trial import params_key


def age_claims(store: TrialStore, seconds: float) -> None:
    """시간이 흐른 것처럼 모든 자리를 늙게 한다."""
    with writing(store.engine) as connection:
        column = tables.claims.c.expires_at
        connection.execute(sa.update(tables.claims).values(expires_at=column - seconds))


def test_grants_up_to_the_target(open_store: OpenStore) -> None:
    """끝난 것과 맡은 것의 합이 목표를 넘지 않는다."""
    store = open_store()
    store.append([make_trial(seed) for seed in range(3)])
    mine, other = store.claims("a"), store.claims("b")
    first = mine.claim(["k1", "k2", "k3"], target=8)
    assert (first.granted, first.remaining, first.finished) == (["k1", "k2", "k3"], 2, 3)
    second = other.claim(["k2", "k4", "k5", "k6", "k4"], target=8)
    assert (second.granted, second.duplicates) == (["k4", "k5"], ["k2"])
    assert (second.remaining, second.others) == (0, 3)
    assert other.claim(["k9"], target=8).granted == []


def test_claim_is_repeatable_after_a_lost_answer(open_store: OpenStore) -> None:
    claims = open_store().claims("a")
    assert claims.claim(["x", "y"], target=2).granted == ["x", "y"]
    assert claims.claim(["x", "y"], target=2).granted == ["x", "y"]


def test_finished_parameters_are_never_granted_again(open_store: OpenStore) -> None:
    """다른 실행이 방금 끝낸 조합도 다시 맡기지 않는다. 저장하면 자리가 비워진다."""
    store = open_store()
    trial = make_trial(1)
    key = params_key(trial.params)
    assert store.claims("a").claim([key], target=5).granted == [key]
    store.append([trial])
    result = store.claims("b").claim([key, "new"], target=2)
    assert (result.duplicates, result.granted, result.others) == ([key], ["new"], 0)


def test_dead_owners_claims_lapse_and_live_ones_do_not(open_store: OpenStore) -> None:
    store = open_store()
    dead, alive = store.claims("dead", lease_s=0.0), store.claims("alive", lease_s=30)
    dead.claim(["d"], target=2)
    alive.claim(["a"], target=2)
    age_claims(store, 20)
    assert alive.renew() == 1
    age_claims(store, 20)
    late = store.claims("late", lease_s=0.0)
    assert late.claim(["x", "y"], target=2).granted == ["x"]
    alive.release()
    assert alive.renew() == 0
    assert late.claim(["x", "z"], target=2).granted == ["x", "z"]
    late.release(["x"])
    assert late.renew() == 1


def test_restarted_server_gives_owners_time_to_renew(open_store: OpenStore) -> None:
    """서버가 막 켜졌으면 지난 lease도 풀지 않는다(멈춘 동안 갱신할 수 없었다)."""
    store = open_store()
    if store.engine.dialect.name == "sqlite":
        return  # SQLite에는 멈추는 서버가 없다
    store.claims("a").claim(["k"], target=1)
    age_claims(store, 1e6)
    long_lease = store.claims("b", lease_s=1e9)  # 서버의 나이보다 긴 lease = 막 켜진 서버
    assert long_lease.claim(["x"], target=1).granted == []


def test_late_result_does_not_exceed_the_target(open_store: OpenStore) -> None:
    """자리를 잃은 사이 남이 맡았으면 늦은 시행은 -1로 거절되고 총수가 맞는다."""
    store = open_store()
    late, taken = make_trial(1), make_trial(2)
    slow, quick = store.claims("slow", lease_s=0.0), store.claims("quick", lease_s=0.0)
    slow.claim([params_key(late.params)], target=1)
    age_claims(store, 100)
    assert quick.claim([params_key(taken.params)], target=1).granted
    assert store.append([late], target=1) == [-1]
    assert store.append([taken], target=1) == [0]
    assert store.append([taken, late], target=1) == [0, -1]
    assert store.counts().finished == 1
    assert store.append([late]) == [1]  # target을 주지 않으면 늘 들어간다


def test_two_coordinators_meet_the_total_exactly(open_store: OpenStore) -> None:
    """두 coordinator가 번갈아 맡고 넣어도 정확히 목표만큼, 겹치는 조합 없이 끝난다."""
    target = 60
    stores = [open_store(options=replace(OPTIONS, pool_size=2)) for _ in range(2)]

    def coordinate(store: TrialStore) -> int:
        claims = store.claims(uuid.uuid4().hex)
        done, seed = 0, 0
        while True:
            # 두 쪽이 같은 조합을 내놓게 하여 겹침을 일부러 만든다.
            batch = {
                params_key(t.params): t for t in (make_trial(s) for s in range(seed, seed + 7))
            }
            seed += 7
            result = claims.claim(list(batch), target)
            if result.granted:
                new = [replace(batch[key], uid=uuid.uuid4().hex) for key in result.granted]
                numbers = store.append(new, target)
                assert min(numbers) >= 0
                done += len(numbers)
            elif result.finished >= target:
                return done

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(coordinate, stores))
    trials = stores[0].load()
    assert sum(parts) == len(trials) == target
    assert [trial.number for trial in trials] == list(range(target))
    assert len({params_key(trial.params) for trial in trials}) == target
    with stores[0].engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.claims)) == 0
