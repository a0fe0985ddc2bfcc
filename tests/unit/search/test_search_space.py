"""탐색 공간: 덮어쓰기의 검증, 조건부 차원, 조합의 수."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimize.errors import SettingsError
from optimize.search.space import Levels, SearchSpace, index_of
from optimize.strategy.parameter import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)
from optimize.trial import ParamValue, params_key

PARAMETERS: tuple[Parameter, ...] = (
    IntParameter("length", 20, low=5, high=50),
    FloatParameter("mult", 2.0, low=1.0, high=3.0, step=0.25),
    ChoiceParameter("ma", "sma", choices=("sma", "ema", "hma")),
    ChoiceParameter("use_stop", True),
    FloatParameter("stop_atr", 3.0, requires={"use_stop": (True,)}, low=0.5, high=9.0),
    IntParameter("hma_len", 9, requires={"ma": ("hma",)}, low=2, high=200, log=True),
)


def space(**overrides: object) -> SearchSpace:
    return SearchSpace(PARAMETERS, overrides)


def names(built: SearchSpace) -> list[str]:
    return [parameter.name for parameter in built.dimensions]


def refusal(**overrides: object) -> str:
    with pytest.raises(SettingsError) as caught:
        space(**overrides)
    assert caught.value.exit_code == 2
    return caught.value.cause


def test_without_overrides_every_parameter_is_a_dimension() -> None:
    assert names(space()) == [p.name for p in PARAMETERS]
    assert space().size is None  # stop_atr이 연속이다


def test_range_choices_and_fixed_value_are_applied() -> None:
    built = space(
        length={"low": 10, "high": 30, "step": 5},
        mult={"high": 2.0},
        ma={"choices": ["ema", "hma"]},
        use_stop=False,
        hma_len={"choices": [5, 9]},
    )
    assert names(built) == ["length", "mult", "ma", "hma_len"]
    assert built.size == 5 * 5 * (1 + 2)
    assert {p["length"] for p in built.combinations()} == {10, 15, 20, 25, 30}


def test_fixed_switch_removes_the_dimensions_it_switches_off() -> None:
    assert "stop_atr" not in names(space(use_stop=False))
    assert "stop_atr" in names(space(use_stop=True))
    assert "hma_len" not in names(space(ma={"choices": ["sma", "ema"]}))


def test_blank_override_keeps_the_declaration() -> None:
    assert space(length=None).fingerprint == space().fingerprint


def test_single_value_ranges_are_fixed_and_cost_no_dimension() -> None:
    built = space(length={"low": 7, "high": 7}, ma={"choices": ["ema"]})
    assert built.fixed == {"length": 7, "ma": "ema"}
    assert names(built) == ["mult", "use_stop", "stop_atr"]


def test_complete_gives_defaults_for_inactive_and_fixed_values() -> None:
    built = space(length=33)
    full = built.complete({"mult": 1.5, "ma": "sma", "use_stop": False})
    assert full == {
        "length": 33,
        "mult": 1.5,
        "ma": "sma",
        "use_stop": False,
        "stop_atr": 3.0,
        "hma_len": 9,
    }


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"lenght": 3}, ("strategy.space.lenght = 3", "혹시 'length'인가요?")),
        ({"length": {"lo": 3}}, ("strategy.space.length.lo = 3", "혹시 'low'인가요?")),
        ({"length": {"low": 60}}, ("strategy.space.length.low = 60", "high(50) 이하")),
        ({"length": {"step": 0}}, ("strategy.space.length.step = 0", "0보다 커야")),
        ({"length": {"low": 2.5}}, ("strategy.space.length.low = 2.5", "정수여야")),
        ({"length": {"low": True}}, ("strategy.space.length.low = True", "정수여야")),
        ({"length": "길게"}, ("strategy.space.length = '길게'", "정수여야")),
        ({"mult": {"high": float("nan")}}, ("strategy.space.mult.high = nan", "유한한 수")),
        ({"mult": {"low": 0, "log": True}}, ("strategy.space.mult.low = 0.0", "log 눈금")),
        ({"mult": {"step": 0.1, "log": True}}, ("strategy.space.mult.step = 0.1", "함께 쓸 수")),
        ({"ma": "emma"}, ("strategy.space.ma = 'emma'", "['sma', 'ema', 'hma']", "혹시 'ema'")),
        ({"ma": {"choices": ["wma"]}}, ("strategy.space.ma.choices[0] = 'wma'", "가운데 하나")),
        ({"ma": {"choices": []}}, ("strategy.space.ma.choices = []", "하나 이상")),
        ({"ma": {"choices": ["ema", "ema"]}}, ("두 번",)),
        ({"ma": {"low": 1}}, ("범위가 없는 파라미터",)),
        ({"use_stop": 1}, ("strategy.space.use_stop = 1", "[False, True]")),
        ({"length": [5, 10]}, ("strategy.space.length = [5, 10]", "choices")),
        ({"length": {"choices": [5], "low": 3}}, ("함께 쓰지 않습니다",)),
        ({"length": {}}, ("low, high, step, log 또는 choices",)),
    ],
)
def test_refusals_name_key_value_and_what_is_allowed(
    overrides: dict[str, object], expected: tuple[str, ...]
) -> None:
    cause = refusal(**overrides)
    for part in expected:
        assert part in cause


def test_every_mistake_is_reported_at_once() -> None:
    assert len(refusal(lenght=3, mult={"low": 9}, ma="emma").splitlines()) == 3


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([IntParameter("a", 1), IntParameter("a", 1)], "두 번 선언"),
        ([IntParameter("a", 1, requires={"b": (1,)})], "앞에 선언되어 있지 않습니다"),
        ([IntParameter("a", 1, low=9, high=2)], "이하여야"),
        ([ChoiceParameter("a", 1, choices=())], "하나 이상"),
        (
            [FloatParameter("f", 0.5), IntParameter("a", 1, requires={"f": (0.5,)})],
            "조건이 될 수 없습니다",
        ),
    ],
)
def test_wrong_declarations_of_a_users_strategy_are_refused(
    parameters: list[Parameter], expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        SearchSpace(parameters)
    assert expected in caught.value.cause


def test_decimal_steps_are_not_lost_to_binary_rounding() -> None:
    built = SearchSpace([FloatParameter("x", 0.1, low=0.1, high=0.7, step=0.1)])
    assert [p["x"] for p in built.combinations()] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def test_high_off_the_grid_stops_at_the_last_step_below() -> None:
    built = SearchSpace([IntParameter("n", 0, low=0, high=10, step=4)])
    assert [p["n"] for p in built.combinations()] == [0, 4, 8]
    assert built.distributions["n"].high == 8  # type: ignore[attr-defined]


def test_fingerprint_follows_every_part_of_the_space() -> None:
    different = {
        space().fingerprint,
        space(length=3).fingerprint,
        space(length={"low": 6}).fingerprint,
        space(mult={"step": 0.5}).fingerprint,
        space(ma={"choices": ["ema", "sma", "hma"]}).fingerprint,
        SearchSpace(PARAMETERS[:-1]).fingerprint,
    }
    assert len(different) == 6
    assert space(length=3).fingerprint == space(length=3.0).fingerprint


@pytest.mark.parametrize(
    "parameter", [*PARAMETERS, ChoiceParameter("mixed", 1, choices=(1, True, "1"))]
)
def test_a_remembered_place_is_the_counted_one(parameter: Parameter) -> None:
    """외운 자리도 세어 찾은 자리와 같다: 1과 True, 1과 1.0, 눈금 밖의 값."""
    levels = Levels(parameter)
    asked: list[ParamValue] = [
        1,
        True,
        2.5,
        1.0,
        "1",
        2,
        2.0,
        20,
        1.25,
        1.3,
        1000,
        False,
        "ema",
        -5,
    ]
    for _ in range(2):
        assert [levels.index(value) for value in asked] == [index_of(parameter, v) for v in asked]


def test_the_key_of_a_combination_never_changes() -> None:
    """저장소와 나누어 쓰는 다른 판의 실행이 같은 조합을 알아보는 지문이다."""
    key = "a16d1aac9186df10209a837500add0ac"
    assert params_key({"b": 1, "a": True, "글": "x", "c": 0.1}) == key
    assert params_key({"글": "x", "c": 0.1, "a": True, "b": 1.0}) == key
    assert params_key({"글": "x", "c": 0.1, "a": 1, "b": 1.0}) != key


def test_contains_knows_inactive_missing_and_out_of_range() -> None:
    built = space(length=20)
    inside = {"mult": 1.25, "ma": "ema", "use_stop": False}
    assert built.contains(inside)
    assert not built.contains({**inside, "stop_atr": 2.0})  # 꺼졌는데 있다
    assert not built.contains({**inside, "use_stop": True})  # 켜졌는데 없다
    assert not built.contains({**inside, "mult": 1.3})  # 눈금 밖
    assert not built.contains({**inside, "ma": "wma"})
    assert not built.contains({**inside, "length": 20})  # 고정되어 차원이 아니다


@st.composite
def small_spaces(draw: st.DrawFn) -> SearchSpace:
    """서로 조건을 거는 작은 공간."""
    parameters: list[Parameter] = []
    for i in range(draw(st.integers(1, 5))):
        requires = {}
        if parameters and draw(st.booleans()):
            other = draw(st.sampled_from(parameters))
            values = other.choices if isinstance(other, ChoiceParameter) else range(5)
            requires = {
                other.name: tuple(draw(st.lists(st.sampled_from(list(values)), max_size=2)))
            }
        if draw(st.booleans()):
            choices = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
            parameters.append(
                ChoiceParameter(f"p{i}", choices[0], requires=requires, choices=tuple(choices))
            )
        else:
            low, high = sorted(draw(st.tuples(st.integers(0, 4), st.integers(0, 4))))
            step = draw(st.integers(1, 2))
            parameters.append(
                IntParameter(f"p{i}", low, requires=requires, low=low, high=high, step=step)
            )
    return SearchSpace(parameters)


@settings(max_examples=150, deadline=None)
@given(small_spaces(), st.integers(0, 10))
def test_size_counts_exactly_the_distinct_combinations(built: SearchSpace, seed: int) -> None:
    listed = [params_key(params) for params in built.combinations()]
    assert len(listed) == len(set(listed)) == built.size
    assert all(built.contains(params) for params in built.combinations())
    assert params_key(built.draw(random.Random(seed))) in listed


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_draws_are_inside_the_optuna_distributions(seed: int) -> None:
    import optuna

    built = space()
    params = built.draw(random.Random(seed))
    assert built.contains(params)
    # 범위 밖의 값이 하나라도 있으면 create_trial이 ValueError를 낸다.
    optuna.trial.create_trial(
        params=params,
        distributions={name: built.distributions[name] for name in params},
        value=0.0,
    )


def test_log_integers_are_drawn_evenly_on_the_log_scale() -> None:
    built = SearchSpace([IntParameter("n", 1, low=1, high=1000, log=True)])
    rng = random.Random(0)
    drawn = [int(built.draw(rng)["n"]) for _ in range(4000)]
    # [0.5, 1000.5]의 로그에서 [0.5, 31.5]의 몫은 0.545.
    assert 0.50 < sum(n <= 31 for n in drawn) / len(drawn) < 0.59


def test_validation_alone_imports_neither_optuna_nor_numpy() -> None:
    code = (
        "import sys\n"
        "from optimize.search.space import SearchSpace\n"
        "from optimize.strategy.parameter import IntParameter\n"
        "import optimize.search.objective, optimize.search.proposer, optimize.search.pruning\n"
        "assert SearchSpace([IntParameter('a', 1, low=1, high=9)], {'a': {'low': 2}}).size == 8\n"
        "heavy = {'optuna', 'numpy', 'numba', 'pandas'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ({"length": 0}, "strategy.space.length = 0: 1 이상"),
        ({"length": -5}, "1 이상"),
        ({"length": {"low": 0}}, "strategy.space.length.low = 0: 1 이상"),
        ({"length": {"choices": [10, 0]}}, "strategy.space.length.choices[1] = 0: 1 이상"),
        ({"mult": -0.5}, "strategy.space.mult = -0.5: 0 이상"),
        ({"stop_atr": {"low": -1.0}}, "0 이상"),
    ],
)
def test_길이의_0과_배수의_음수는_거절한다(override: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        SearchSpace(PARAMETERS, override)
    assert said in caught.value.cause


def test_음수로_선언한_것과_선언의_default는_받는다() -> None:
    signed = FloatParameter("bias", 0.0, low=-1.0, high=1.0)
    off = IntParameter("bars", 0, low=1, high=9)
    built = SearchSpace((signed, off), {"bias": -3.0, "bars": 0})
    assert built.complete({}) == {"bias": -3.0, "bars": 0}
    assert SearchSpace(PARAMETERS, {"mult": 0.0}).complete({"length": 5})["mult"] == 0.0
