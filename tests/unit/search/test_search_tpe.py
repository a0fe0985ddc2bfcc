"""빠른 TPE의 셈: 밀도의 참조 구현, 끼우기와 다시 세우기의 일치, 평가 중인 조합."""

from __future__ import annotations

import inspect
import math
import random
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from search_problem import MIXED

from optimize.search import tpe_draw_nb, tpe_fit_nb, tpe_group, tpe_model
from optimize.search.space import SearchSpace
from optimize.search.tpe_dimensions import Codec, Dimension
from optimize.search.tpe_group import TpeGroup
from optimize.search.tpe_model import TpeModel
from optimize.search.tpe_proposer import condition_groups
from optimize.search.tpe_rank import rank_of
from optimize.strategy.parameter import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)

WIDE: tuple[Parameter, ...] = (
    FloatParameter("x", 0.5, low=-2.0, high=3.0),
    FloatParameter("rate", 0.1, low=0.01, high=10.0, log=True),
    IntParameter("n", 5, low=1, high=20),
    FloatParameter("s", 0.0, low=0.0, high=1.0, step=0.25),
    ChoiceParameter("c", "a", choices=("a", "b", "c")),
)


def coordinates(parameters: tuple[Parameter, ...], n: int, seed: int) -> NDArray[np.float64]:
    codec = Codec([Dimension(p) for p in parameters])
    rng = random.Random(seed)
    space = SearchSpace(parameters)
    return np.array([codec.encode(space.draw(rng)) for _ in range(n)])


def reference_log_density(
    parameters: tuple[Parameter, ...], kernels: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """모듈의 글에 적힌 식을 그대로 옮긴 numpy 구현. 무게는 모두 1."""
    n = len(kernels)
    logs = np.zeros((len(x), n + 1))
    for d, parameter in enumerate(parameters):
        dimension = Dimension(parameter)
        if isinstance(parameter, ChoiceParameter):
            k = len(parameter.choices)
            same, other = (1 + 1 / (n + 1)), 1 / (n + 1)
            probability = np.where(x[:, d, None] == kernels[None, :, d], same, other)
            logs[:, :n] += np.log(probability / (1 + k / (n + 1)))
            logs[:, n] -= math.log(k)
            continue
        order = np.argsort(kernels[:, d], kind="stable")
        mu = kernels[order, d]
        gaps = np.diff(mu)
        sigma_sorted = np.full(n, max(mu[0], 1 - mu[0]))
        if n > 1:
            sigma_sorted = np.maximum(np.append(gaps, 0.0), np.insert(gaps, 0, 0.0))
        sigma = np.empty(n)
        sigma[order] = np.clip(sigma_sorted, 1 / min(100, n + 2), 1.0)
        centers = np.append(kernels[:, d], 0.5)
        sigmas = np.append(sigma, 1.0)
        if dimension.levels:
            h = 1 / dimension.levels
            s = np.sqrt(sigmas**2 + h**2 / 12)
            grid = (np.arange(dimension.levels) + 0.5) * h
            mass = np.exp(-((grid[:, None] - centers) ** 2) / (2 * s**2)).sum(axis=0)
        else:
            s = sigmas
            mass = np.array(
                [
                    sd
                    * math.sqrt(math.pi / 2)
                    * (math.erf((1 - m) / sd / math.sqrt(2)) + math.erf(m / sd / math.sqrt(2)))
                    for m, sd in zip(centers, s, strict=True)
                ]
            )
        logs += -((x[:, d, None] - centers) ** 2) / (2 * s**2) - np.log(mass)
    peak = logs.max(axis=1)
    return peak + np.log(np.exp(logs - peak[:, None]).sum(axis=1))


@pytest.mark.parametrize("n", [1, 2, 3, 40, 150, 700])
@pytest.mark.parametrize("parameters", [*((p,) for p in WIDE), WIDE])
def test_density_equals_the_written_formula(parameters: tuple[Parameter, ...], n: int) -> None:
    """허용 오차: 눈금의 합을 적분으로 갈음한 것(폭 ≥ 눈금)과 float32."""
    rows = coordinates(parameters, n, seed=n)
    x = coordinates(parameters, 60, seed=n + 1)
    layout = Codec([Dimension(p) for p in parameters]).layout
    kernels = tpe_fit_nb.empty_kernels(len(parameters), n)
    for i, row in enumerate(rows):
        kernels.mu[:, i] = row
        tpe_fit_nb.insert_row_nb(kernels, layout, i)
    mine = tpe_draw_nb.log_density_nb(kernels, layout, n + 1, np.ones(n, np.float32), x)
    assert mine == pytest.approx(reference_log_density(parameters, rows, x), abs=0.02)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_inserting_and_removing_equals_rebuilding_bit_for_bit(data: st.DataObject) -> None:
    """어떤 차례로 끼우고 빼도 같은 행들로 처음부터 세운 것과 비트까지 같다."""
    n = data.draw(st.integers(1, 130))
    rows = coordinates(WIDE, n, seed=data.draw(st.integers(0, 99)))
    layout = Codec([Dimension(p) for p in WIDE]).layout
    kept = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1)))
    moved, fresh = (tpe_fit_nb.empty_kernels(len(WIDE), n) for _ in range(2))
    for kernels in (moved, fresh):
        kernels.mu[:] = rows.T
    sequence = data.draw(st.permutations(range(n)))
    for row in sequence:
        tpe_fit_nb.insert_row_nb(moved, layout, row)
    for row in sequence:
        if row not in kept:
            tpe_fit_nb.remove_row_nb(moved, layout, row)
    tpe_fit_nb.rebuild_nb(fresh, layout, np.array(kept, dtype=np.int64))
    assert moved.size[0] == fresh.size[0] == len(kept)
    for name in ("sigma", "inv", "logc"):
        numeric = slice(0, 4)
        left, right = getattr(moved, name), getattr(fresh, name)
        assert np.array_equal(left[numeric, kept], right[numeric, kept]), name
    assert np.array_equal(moved.base[kept], fresh.base[kept])


@pytest.mark.parametrize("parameter", [*WIDE[2:], IntParameter("m", 1, low=1, high=9, log=True)])
def test_samples_stay_on_the_grid_and_follow_the_density(parameter: Parameter) -> None:
    """뽑은 값의 도수가 밀도(눈금 위의 확률)와 맞는다."""
    dimension = Dimension(parameter)
    layout = Codec([dimension]).layout
    kernels = tpe_fit_nb.empty_kernels(1, 8)
    rows = coordinates((parameter,), 8, seed=3)
    kernels.mu[:] = rows.T
    tpe_fit_nb.rebuild_nb(kernels, layout, np.arange(8, dtype=np.int64))
    drawn = tpe_draw_nb.sample_nb(kernels, layout, 20_000, np.random.default_rng(1))
    values = [dimension.decode(u) for u in drawn[:, 0]]
    places, counts = np.unique(drawn[:, 0], return_counts=True)
    assert np.allclose(places, [dimension.encode(dimension.decode(u)) for u in places])
    density = np.exp(
        tpe_draw_nb.log_density_nb(kernels, layout, 9, np.ones(8, np.float32), places[:, None])
    )
    if dimension.kind != 2:  # 로그 정수의 밀도는 눈금의 폭을 곱하지 않은 것이다
        assert counts / len(values) == pytest.approx(density / 9, abs=0.03)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_codec_round_trip(seed: int) -> None:
    space = SearchSpace((*WIDE, IntParameter("m", 9, low=2, high=300, log=True)))
    codec = Codec([Dimension(p) for p in space.dimensions])
    params = space.draw(random.Random(seed))
    back = {
        d.name: d.decode(float(u))
        for d, u in zip(codec.dimensions, codec.encode(params), strict=True)
    }
    for name, value in params.items():
        assert back[name] == (pytest.approx(value) if isinstance(value, float) else value)


def test_good_trials_come_first() -> None:
    """만족하고 끝난 것(값순) → pruning된 것(더 간 것) → 제약을 어긴 것(덜 어긴 것)."""

    def rank(
        loss: float = 0.0,
        complete: bool = True,
        at: dict[int, float] | None = None,
        over: float = 0.0,
    ) -> tuple[float, ...]:
        return rank_of(
            complete=complete, losses=[loss], intermediate=at or {}, constraints=[over], sign=1.0
        )

    ordered = [
        rank(-1.0),
        rank(2.0),
        rank(complete=False, at={25: 0.0, 75: 9.0}),
        rank(complete=False, at={50: 1.0}),
        rank(complete=False, at={50: 2.0}),
        rank(complete=False),
        rank(-9.0, over=0.1),
        rank(complete=False, over=0.2),
    ]
    assert ordered == sorted(ordered)


def test_infinite_ranks_are_refused() -> None:
    model = TpeModel([[WIDE[0]]])
    place = model.encode({"x": 1.0})
    with pytest.raises(ValueError, match="유한"):
        model.add(place, (0, math.inf, 0.0))


def test_conditional_dimensions_that_switch_on_together_form_a_group() -> None:
    space = SearchSpace(
        [*MIXED, FloatParameter("trail", 1.0, requires={"use_stop": (True,)}, low=1.0, high=9.0)]
    )
    grouped = [[p.name for p in group] for group in condition_groups(space)]
    assert grouped == [
        ["x", "rate", "n", "length", "ma", "use_stop"],
        ["stop", "trail"],
        ["n_on"],
    ]
    on = SearchSpace(MIXED, {"use_stop": True})
    assert [p.name for p in condition_groups(on)[0]][-1] == "stop"


def test_pending_combinations_push_the_next_ones_away() -> None:
    """constant liar: 평가 중인 자리 둘레의 log l − log g가 내려간다."""
    parameter = FloatParameter("x", 0.5)
    group = TpeGroup(Codec([Dimension(parameter)]))
    for i in range(40):
        group.append(np.array([i / 40]))
    group.fit([19, 20, 21], [])
    alone = group.candidates(200, np.random.default_rng(0))[:20, 0]
    group.fit([19, 20, 21], [np.array([0.5])] * 30)
    apart = group.candidates(200, np.random.default_rng(0))[:20, 0]
    assert np.abs(apart - 0.5).mean() > np.abs(alone - 0.5).mean()


def test_history_grows_past_the_first_capacity_without_change() -> None:
    """기둥을 늘려도(256 → 512 → …) 하나씩 배운 모형과 한꺼번에 배운 모형이 같은 후보를 낸다."""
    space = SearchSpace(MIXED)
    rng = random.Random(0)
    trials = [space.draw(rng) for _ in range(700)]
    groups = condition_groups(space)
    slow, quick = TpeModel(groups), TpeModel(groups)
    for i, params in enumerate(trials):
        rank = (0, (i * 37 % 101) / 7, 0.0)
        slow.add(slow.encode(params), rank)
        quick.add(quick.encode(params), rank)
        if i % 50 == 0:
            slow.fit([slow.encode(p) for p in trials[:3]])
    for model in (slow, quick):
        model.fit([model.encode(trials[5])])
    for name in ("x", "n", "ma", "stop", "n_on"):
        left, right = (m.draw(np.random.default_rng(9)).value(name) for m in (slow, quick))
        assert left == right


@pytest.mark.parametrize("n", [1, 5, 25, 26, 27, 60])
def test_weights_equal_optunas_ramp(n: int) -> None:
    below = np.array([0, 3], dtype=np.int64) if n > 5 else np.zeros(0, np.int64)
    expected = np.ones(n)
    if n > 25:
        expected[: n - 25] = np.linspace(1 / n, 1.0, n - 25)
    weight = tpe_fit_nb.weights_nb(n + len(below), below)
    assert np.all(weight[below] == 0)
    assert np.delete(weight, below) == pytest.approx(expected, rel=1e-6)


def test_warm_up_passes_through_every_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """미리 컴파일하는 길이 빠뜨린 커널은 실행의 도중에 컴파일되어 탐색이 멈춘 것처럼 보인다."""
    source = inspect.getsource(tpe_group)
    names = {match[0]: match[1] for match in re.findall(r"\b((tpe_\w+_nb)\.\w+_nb)\(", source)}
    assert len(names) >= 5
    passed: set[str] = set()
    for name, module in names.items():
        place = getattr(tpe_group, module)
        kernel = getattr(place, name.rpartition(".")[2])

        def spied(*given: Any, name: str = name, kernel: Any = kernel) -> Any:
            passed.add(name)
            return kernel(*given)

        monkeypatch.setattr(place, name.rpartition(".")[2], spied)
    tpe_model.warm_up(FloatParameter("x", 0.5, low=0.0, high=1.0))
    assert passed == set(names)
