"""Proposer의 약속: 겹치지 않음, 다함, 되풀이, 이어 돌리기, 배움."""

from __future__ import annotations

import statistics

import pytest
from search_problem import MIXED, drive, failed, finished, pruned, score

from optimize.search.proposer import SAMPLERS, make_proposer
from optimize.search.space import SearchSpace
from optimize.search.tpe_proposer import N_STARTUP, TpeProposer
from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter
from optimize.trial import params_key

LEARNERS = [name for name in SAMPLERS if name != "random"]
SMALL = (
    IntParameter("a", 1, low=1, high=5),
    ChoiceParameter("on", False),
    IntParameter("b", 1, requires={"on": (True,)}, low=1, high=3),
)  # 5 × (1 + 3) = 20 조합


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_proposal_is_new_and_inside_the_space(name: str) -> None:
    """평가 중인 것과도, 지난 것과도 겹치지 않는다(여럿을 한꺼번에 청해도)."""
    space = SearchSpace(MIXED)
    proposer = make_proposer(name, space, seed=3)
    pending: list[dict[str, object]] = []
    keys = set()
    for _ in range(15):
        fresh = proposer.ask(3, pending)
        assert len(fresh) == 3
        assert all(space.contains(params) for params in fresh)
        pending += fresh
        keys |= {params_key(params) for params in fresh}
        done, pending = pending[:2], pending[2:]
        proposer.observe([finished(params, score(params)) for params in done])
    assert len(keys) == 45


@pytest.mark.parametrize("name", SAMPLERS)
def test_small_space_is_covered_exactly_once_then_runs_dry(name: str) -> None:
    space = SearchSpace(SMALL)
    proposer = make_proposer(name, space, seed=1)
    asked = drive(proposer, 50, lambda params: float(params["a"]))
    assert len(asked) == len({params_key(params) for params in asked}) == space.size == 20
    assert proposer.ask(1, []) == []


@pytest.mark.parametrize("name", SAMPLERS)
def test_fewer_are_given_when_fewer_remain(name: str) -> None:
    proposer = make_proposer(name, SearchSpace(SMALL), seed=1)
    first = proposer.ask(15, [])
    assert len(first) == 15
    assert len(proposer.ask(15, first)) == 5


@pytest.mark.parametrize("name", SAMPLERS)
def test_fully_fixed_space_has_one_combination(name: str) -> None:
    proposer = make_proposer(name, SearchSpace(SMALL, {"a": 2, "on": False}), seed=1)
    assert proposer.ask(4, []) == [{}]
    proposer.observe([finished({}, 1.0)])
    assert proposer.ask(4, []) == []


@pytest.mark.parametrize("name", SAMPLERS)
def test_seeded_run_with_one_job_is_reproducible(name: str) -> None:
    space = SearchSpace(MIXED)
    first = drive(make_proposer(name, space, seed=11), 40)
    assert first == drive(make_proposer(name, space, seed=11), 40)
    assert first != drive(make_proposer(name, space, seed=12), 40)


@pytest.mark.parametrize("name", SAMPLERS)
def test_resumed_run_is_well_defined(name: str) -> None:
    """25개에서 끊고 두 번 이으면 같은 결과가 난다."""
    space = SearchSpace(MIXED)
    before = drive(make_proposer(name, space, seed=5), 25)

    def resumed() -> list[object]:
        proposer = make_proposer(name, space, seed=5)
        proposer.observe([finished(params, score(params)) for params in before])
        return list(drive(proposer, 15))

    assert resumed() == resumed()


@pytest.mark.parametrize("name", ["random", "tpe"])
@pytest.mark.parametrize("cut", [4, 10, 47, 130])
def test_interruption_leaves_no_trace(name: str, cut: int) -> None:
    """끊고 이은 것이 끊지 않은 것과 같다(TPE는 모형을 한꺼번에 다시 세운다)."""
    space = SearchSpace(MIXED)
    whole = drive(make_proposer(name, space, seed=5), cut + 30)
    proposer = make_proposer(name, space, seed=5)
    proposer.observe([finished(params, score(params)) for params in whole[:cut]])
    assert drive(proposer, 30) == whole[cut:]


@pytest.mark.parametrize("name", LEARNERS)
def test_learner_beats_random(name: str) -> None:
    """150번 뒤의 최선의 중앙값이 무작위보다 뚜렷이 낫다."""
    space = SearchSpace(MIXED)

    def median(sampler: str) -> float:
        return statistics.median(
            max(map(score, drive(make_proposer(sampler, space, seed=seed), 150)))
            for seed in range(5)
        )

    assert median(name) > 0.8 * median("random")


@pytest.mark.parametrize("name", ["tpe", "nsga2", "cmaes", "tpe_optuna"])
def test_constraints_steer_the_search(name: str) -> None:
    """값이 좋은 쪽(x > 0.4)이 모두 제약을 어기면, 뒤의 시행은 만족하는 쪽으로 모인다."""
    proposer = make_proposer(name, SearchSpace([FloatParameter("x", 0.5), *MIXED[2:4]]), seed=2)
    xs = []
    for _ in range(160):
        params = proposer.ask(1, [])[0]
        x = float(params["x"])
        xs.append(x)
        proposer.observe([finished(params, x, x - 0.4)])
    assert statistics.fmean(x <= 0.4 for x in xs[100:]) > 0.5
    assert max(x for x in xs[100:] if x <= 0.4) > 0.35


@pytest.mark.parametrize("name", SAMPLERS)
def test_failed_and_foreign_and_pruned_trials_are_taken_in(name: str) -> None:
    """실패한 조합은 다시 나오지 않고, 지금의 공간에 없는 시행이 섞여도 이어 간다."""
    space = SearchSpace(SMALL)
    proposer = make_proposer(name, space, seed=1)
    listed = list(space.combinations())
    proposer.observe(
        [
            *(failed(params) for params in listed[:5]),
            *(pruned(params, 25, 0.1) for params in listed[5:8]),
            finished({"a": 99, "on": False}, 5.0),
            finished({"gone": 1}, 5.0),
            finished(listed[9], 2.0),
        ]
    )
    rest = drive(proposer, 50, lambda params: float(params["a"]))
    assert len(rest) == 20 - 9
    assert not {params_key(p) for p in rest} & {params_key(p) for p in listed[:8]}


@pytest.mark.parametrize("name", SAMPLERS)
def test_combination_lost_with_its_worker_can_be_asked_again(name: str) -> None:
    proposer = make_proposer(name, SearchSpace(SMALL), seed=1)
    lost = proposer.ask(20, [])
    again = proposer.ask(20, [])
    assert {params_key(p) for p in lost} == {params_key(p) for p in again}


def test_trials_seen_twice_are_learned_once() -> None:
    """저장소에서 자기 시행을 다시 읽어도 모형이 같다."""
    space = SearchSpace(MIXED)
    trials = [finished(p, score(p)) for p in drive(make_proposer("random", space, seed=1), 30)]
    once, twice = (make_proposer("tpe", space, seed=1) for _ in range(2))
    once.observe(trials)
    twice.observe(trials)
    twice.observe(trials[10:])
    assert once.ask(3, []) == twice.ask(3, [])


def test_nsga2_continues_from_the_observed_population() -> None:
    """이어 돌린 NSGA-II는 무작위 첫 세대가 아니라 관측한 세대의 자손을 낸다."""
    space = SearchSpace(MIXED)
    proposer = make_proposer("nsga2", space, seed=1)
    parents = drive(make_proposer("random", space, seed=4), 60)
    proposer.observe([finished(params, score(params)) for params in parents])
    inherited = {p["x"] for p in parents}
    children = proposer.ask(20, [])
    assert sum(child["x"] in inherited for child in children) >= 5


def test_directions() -> None:
    space = SearchSpace([FloatParameter("x", 0.5)])
    xs = [
        statistics.fmean(float(p["x"]) for p in _minimising_or_maximising(space, direction)[40:])
        for direction in ("minimize", "maximize")
    ]
    assert xs[0] < 0.3 < 0.7 < xs[1]
    with pytest.raises(ValueError, match="방향을 알 수"):
        make_proposer("tpe", space, ("maximise",))
    with pytest.raises(ValueError, match="모르는 sampler"):
        make_proposer("tpee", space)


def _minimising_or_maximising(space: SearchSpace, direction: str) -> list[dict[str, object]]:
    proposer = make_proposer("tpe", space, (direction,), seed=1)
    return list(drive(proposer, 80, lambda params: float(params["x"])))


def test_one_batch_spreads_wider_than_repeated_single_asks() -> None:
    """한꺼번에 청한 것들은 서로를 평가 중으로 보므로(constant liar) 따로 청한 것들보다 덜 겹친다."""
    space = SearchSpace([FloatParameter("x", 0.5), FloatParameter("y", 0.5)])
    trials = []
    for params in drive(make_proposer("random", space, seed=1), 60):
        x, y = float(params["x"]), float(params["y"])
        trials.append(finished(params, -((x - 0.4) ** 2) - (y - 0.6) ** 2))

    def spread(batches: list[list[dict[str, object]]]) -> float:
        points = [(float(p["x"]), float(p["y"])) for batch in batches for p in batch]
        return statistics.fmean(
            min(abs(a - c) + abs(b - d) for c, d in points if (c, d) != (a, b)) for a, b in points
        )

    def asked(seed: int, n: int) -> list[dict[str, object]]:
        proposer = make_proposer("tpe", space, seed=seed)
        proposer.observe(trials)
        return list(proposer.ask(n, []))

    together = statistics.median(spread([asked(seed, 12)]) for seed in range(9))
    apart = statistics.median(
        spread([asked(100 * seed + i, 1) for i in range(12)]) for seed in range(9)
    )
    assert together > 1.15 * apart


@pytest.mark.parametrize(("target", "loads"), [(N_STARTUP, False), (N_STARTUP + 1, True)])
def test_tpe_loads_nothing_it_will_not_use(target: int, loads: bool) -> None:
    """모형에 닿지 않을 만큼 짧은 실행은 numba를 불러 두지 않는다. 그래도 물음은 같다."""
    proposer = make_proposer("tpe", SearchSpace(MIXED), seed=4, target=target)
    assert isinstance(proposer, TpeProposer)
    assert (proposer._loading is not None) == loads
    assert proposer.ask(3, []) == make_proposer("tpe", SearchSpace(MIXED), seed=4).ask(3, [])
