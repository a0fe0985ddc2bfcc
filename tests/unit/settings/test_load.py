"""설정이 무엇을 받고 무엇을 어떤 말로 거절하는지."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from optimize import paths
from optimize.errors import SettingsError
from optimize.settings.load import load_params, parse_assignment, validate
from optimize.settings.messages import all_keys
from optimize.settings.model import Params
from optimize.settings.yaml_file import parse_yaml, read_yaml

SHIPPED = paths.default_config()


def refused(tree: dict[str, object]) -> str:
    with pytest.raises(SettingsError) as caught:
        validate(tree, "시험.yaml")
    assert caught.value.exit_code == 2
    assert caught.value.fix
    return caught.value.cause


def test_배포한_yaml은_모든_키를_기본값_그대로_담는다() -> None:
    assert load_params(SHIPPED) == Params()
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for key in all_keys(Params):
        below: object = shipped
        for part in key.split("."):
            assert isinstance(below, dict)
            assert part in below, f"params.yaml에 {key}가 없습니다"
            below = below[part]


def test_배포한_yaml의_모든_키에_설명이_붙어_있다() -> None:
    explained = False
    for line in SHIPPED.read_text(encoding="utf-8").splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            explained = True
        elif re.match(r"[a-z_]+:", stripped):
            # 이어 나오는 키들(풀의 네 키처럼)은 바로 위의 설명을 나누어 쓴다.
            assert explained or stripped in {
                "data:",
                "strategy:",
                "backtest:",
                "objective:",
                "search:",
            }
        else:
            explained = explained and bool(stripped)


def test_가이드의_기본값() -> None:
    search = Params().search
    assert search.storage_url_env == "OPTUNA_STORAGE"
    assert (search.storage_pool_size, search.storage_max_overflow) == (8, 16)
    assert (search.storage_pool_timeout, search.storage_pool_recycle) == (30, 1800)
    assert search.storage_statement_timeout_ms == 300_000
    assert search.storage_isolation_level == "READ COMMITTED"


@pytest.mark.parametrize("blank", [None, "", "  ", 0])
def test_statement_timeout은_비우거나_0이면_꺼진다(blank: object) -> None:
    params = validate({"search": {"storage_statement_timeout_ms": blank}}, "x")
    assert params.search.storage_statement_timeout_ms == 0


def test_모르는_키는_경로와_비슷한_키를_말한다() -> None:
    cause = refused({"search": {"n_job": 3}})
    assert "search.n_job:" in cause
    assert "'search.n_jobs'" in cause


def test_다른_묶음에_둔_키는_제자리를_알려_준다() -> None:
    assert "'search.n_trials'" in refused({"n_trials": 3})


@pytest.mark.parametrize(
    ("tree", "path", "allowed"),
    [
        ({"search": {"n_jobs": "abc"}}, "search.n_jobs = 'abc'", "정수"),
        ({"search": {"n_jobs": 0}}, "search.n_jobs = 0", "-1"),
        ({"search": {"n_trials": 0}}, "search.n_trials = 0", "1 이상"),
        ({"search": {"sampler": "tp"}}, "search.sampler = 'tp'", "'tpe'"),
        ({"search": {"storage_pool_size": 0}}, "search.storage_pool_size = 0", "1 이상"),
        ({"search": {"study_name": "../a"}}, "search.study_name", "'/'"),
        ({"backtest": {"fee_rate": -1}}, "backtest.fee_rate = -1", "0 이상"),
        ({"backtest": {"fee_rate": float("nan")}}, "backtest.fee_rate", "유한"),
        ({"backtest": {"leverage": 0.5}}, "backtest.leverage = 0.5", "1 이상"),
        ({"data": {"start": "2024/01/01"}}, "data.start", "YYYY-MM-DD"),
        ({"objective": {"goals": []}}, "objective.goals", "1개 이상"),
        ({"symbol": "BTC"}, "symbol = 'BTC'", "BINANCE:BTCUSDT"),
        ({"timeframe_grid": "7m@15m"}, "timeframe_grid", "정수배"),
        ({"timeframe_grid": "1h@15m"}, "timeframe_grid", "커야"),
        ({"timeframe_grid": "1M"}, "timeframe_grid", "달"),
        ({"search": 3}, "search = 3", "search.n_trials"),
    ],
)
def test_틀린_값은_경로와_값과_허용되는_것을_말한다(
    tree: dict[str, object], path: str, allowed: str
) -> None:
    cause = refused(tree)
    assert path in cause
    assert allowed in cause


def test_잘못은_한꺼번에_모두_말한다() -> None:
    assert len(refused({"search": {"n_jobs": 0, "n_trials": 0, "xyz": 1}}).splitlines()) == 3


def test_오류에_저장소_비밀번호가_보이지_않는다() -> None:
    cause = refused({"search": {"storage_url": ["postgresql://u:canary@h/d"]}})
    assert "canary" not in cause


def test_인자는_yaml을_이기고_뒤의_것이_이긴다(tmp_path: Path) -> None:
    config = tmp_path / "p.yaml"
    config.write_text("search: {n_trials: 7, seed: 1}\n", encoding="utf-8")
    params = load_params(
        config, [(("search", "n_trials"), "9"), parse_assignment("search.n_trials=11")]
    )
    assert (params.search.n_trials, params.search.seed) == (11, 1)


def test_set으로_목록과_전략_공간에_닿는다() -> None:
    params = load_params(
        None,
        [
            parse_assignment("strategy.space.bb_len={low: 10, high: 20}"),
            parse_assignment("objective.goals=[{metric: sortino, weight: 2}]"),
            parse_assignment("search.storage_url_env="),
        ],
    )
    assert params.strategy.space == {"bb_len": {"low": 10, "high": 20}}
    assert params.objective.goals[0].metric == "sortino"
    assert params.search.storage_url_env is None


@pytest.mark.parametrize("text", ["search.n_jobs", "=3", "search..n=3", "a=[1"])
def test_set의_꼴이_틀리면_거절한다(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_assignment(text)


def test_set의_모르는_묶음은_비슷한_키를_말한다() -> None:
    with pytest.raises(SettingsError, match=r"search\.n_jobs"):
        load_params(None, [parse_assignment("serch.n_jobs=3")])


def test_yaml의_같은_키_두_번은_거절한다() -> None:
    with pytest.raises(SettingsError, match="두 번"):
        parse_yaml("symbol: BINANCE:BTCUSDT\nsymbol: BINANCE:ETHUSDT\n", "x")


@pytest.mark.parametrize(
    "text", ["a: [1", "\t- x", "- 1\n- 2", "1: 2", "%%%", "a: *b", "a: !!python/name:os x"]
)
def test_깨진_yaml은_자리를_말하며_거절한다(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_yaml(text, "내.yaml")
    assert "내.yaml" in caught.value.cause


def test_없는_설정_파일() -> None:
    with pytest.raises(SettingsError, match="없습니다"):
        read_yaml(Path("/없는/파일.yaml"))


def test_비운_묶음은_기본값이다() -> None:
    assert validate({"search": None, "data": None}, "x") == Params()


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_keys = st.sampled_from([*all_keys(Params), "모르는", "search.x"]) | st.text(max_size=8)


@given(
    st.dictionaries(
        _keys,
        st.recursive(
            _scalars, lambda s: st.lists(s, max_size=3) | st.dictionaries(_keys, s, max_size=3)
        ),
        max_size=5,
    )
)
def test_어떤_사전이_와도_계획이거나_한국어_오류다(tree: dict[str, object]) -> None:
    try:
        validate(tree, "x")
    except SettingsError as error:
        assert error.cause


@given(st.text(max_size=200))
def test_어떤_글이_와도_사전이거나_한국어_오류다(text: str) -> None:
    try:
        assert isinstance(parse_yaml(text, "x"), dict)
    except SettingsError as error:
        assert error.cause


@pytest.mark.parametrize("text", ["timeframe_grid: 1:30", "timeframe_grid: [1m, 1:30]"])
def test_sexagesimal_is_not_a_number(text: str) -> None:
    """YAML 1.1은 1:30을 90으로 읽는다. 90분이 되지 않고 거절한다."""
    with pytest.raises(SettingsError, match="설정이 틀렸습니다") as caught:
        validate(parse_yaml(text, "x.yaml"), "x.yaml")
    assert "1:30" in caught.value.cause
    assert parse_assignment("timeframe_grid=1:30") == (("timeframe_grid",), "1:30")
    assert parse_assignment("search.n_jobs=4") == (("search", "n_jobs"), 4)
    assert parse_assignment("data.start=2024-01-01")[1].isoformat() == "2024-01-01"
