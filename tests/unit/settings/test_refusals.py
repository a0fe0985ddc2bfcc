"""설정의 거절: 모르는 지표, 거꾸로 된 범위, 빈 칸, true를 수로 쓴 것, YAML의 까닭이 한국어인 것."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimize.errors import SettingsError
from optimize.settings.dotenv_file import read_dotenv
from optimize.settings.load import load_params, parse_assignment, validate
from optimize.settings.yaml_file import parse_yaml

_TWO_SYMBOLS = ["DEMO:BTCUSDT", "DEMO:ETHUSDT"]
_TWO_GOALS = {"mode": "pareto", "goals": ["sharpe", "max_drawdown_pct"]}


def _cause(tree: dict[str, object]) -> str:
    with pytest.raises(SettingsError) as caught:
        validate(tree, "params.yaml")
    return caught.value.cause


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"search": {"n_jobs": True}}, "search.n_jobs = True: 수여야"),
        ({"backtest": {"fee_rate": False}}, "backtest.fee_rate = False: 수여야"),
        ({"objective": {"goals": [{"metric": "sharp"}]}}, "혹시 'sharpe'인가요?"),
        (
            {"objective": {"goals": [{"metric": "sharpe", "wieght": 2}]}},
            "objective.goals.0.wieght: 모르는 키입니다 — 혹시 'objective.goals.0.weight'인가요?",
        ),
        (
            {"objective": {"constraints": {"limits": [{"metric": "trades"}]}}},
            "min이나 max 가운데 하나",
        ),
        (
            {"objective": {"constraints": {"limits": [{"metric": "trades", "min": 5, "max": 4}]}}},
            "min(5)이 max(4)보다",
        ),
        ({"data": {"start": "2024-02-01", "end": "2024-01-01"}}, "data: 시작(2024-02-01)이"),
        ({"data": {"start": "20240201", "end": "2024-02-01"}}, "앞서야 합니다"),
        ({"objective": {"mode": "pareto"}}, "objective: mode: pareto는 서로 다른 목표가 둘 이상"),
        (
            {"objective": {"mode": "pareto", "goals": ["sharpe", "sharpe"]}},
            "objective: mode: pareto는 서로 다른 목표가 둘 이상",
        ),
        (
            {"objective": _TWO_GOALS, "search": {"pruner": "median"}},
            "search.pruner = 'median': objective.mode가 pareto면",
        ),
        ({"objective": _TWO_GOALS, "search": {"sampler": "cmaes"}}, "search.sampler = 'cmaes'"),
        (
            {"symbols": [{"symbol": "DEMO:BTCUSDT"}, {"symbol": "demo:btcusdt"}]},
            "symbols: 같은 심볼이 두 번 있습니다: DEMO:BTCUSDT",
        ),
        ({"symbols": ["BTC"]}, "거래소:종목으로 씁니다. 예: BINANCE:BTCUSDT"),
        ({"strategy": "ma_cross"}, "그 아래에 키를 적습니다: strategy.name, strategy.space"),
        ({"search": 5}, "search.n_jobs …"),
        ({"objective": {"goals": [3]}}, "objective.goals.0.metric, objective.goals.0.weight"),
        ({"objective": {"goals": "sharpe"}}, "목록이어야 합니다(대괄호로"),
        (
            {"symbols": [{"symbl": "DEMO:BTCUSDT", "symbol": "DEMO:A1"}]},
            "'symbols.0.symbol'인가요?",
        ),
        ({"symbols": _TWO_SYMBOLS, "data": {"file": "a.csv"}}, "data.file: 심볼이 여럿이면"),
        ({"symbols": _TWO_SYMBOLS, "backtest": {"tick_size": 0.1}}, "backtest.tick_size: 심볼마다"),
        (
            {"symbols": _TWO_SYMBOLS, "search": {"pruner": "median"}},
            "search.pruner = 'median': 심볼이",
        ),
    ],
)
def test_틀린_값은_키의_경로와_허용되는_것을_말한다(tree: dict[str, object], expected: str) -> None:
    cause = _cause(tree)
    assert expected in cause
    assert len(cause.splitlines()) == 1, "하나의 잘못이 두 줄이 되지 않는다"


def test_빈_칸은_정하지_않음이나_끔이다() -> None:
    search = {"timeout": "", "seed": None, "storage_lock_timeout_ms": None}
    constraints = {"max_drawdown_pct": ""}
    params = validate({"search": search, "objective": {"constraints": constraints}}, "x")
    assert params.search.timeout is None
    assert params.search.seed is None
    assert params.search.storage_lock_timeout_ms == 0
    assert params.objective.constraints.max_drawdown_pct is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("symbol: [1", "',' 또는 ']'이(가) 와야 하는데 글의 끝이(가) 있습니다"),
        ("\tsymbol: x", "탭(tab) 글자로 시작할 수 없습니다"),
        ("a: b: c", "'키: 값'이 올 수 없습니다"),
        ("!!python/name:os.system x", "쓸 수 없는 태그"),
    ],
)
def test_yaml의_까닭은_한국어다(text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_yaml(text, "x.yaml")
    assert expected in caught.value.cause
    assert "x.yaml: 1번째 줄" in caught.value.cause


def test_set의_까닭도_한국어다() -> None:
    with pytest.raises(SettingsError, match="글의 끝") as caught:
        parse_assignment("search.n_jobs=[")
    assert "expected" not in caught.value.cause


def test_읽지_못하는_설정_파일의_까닭은_한국어다(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="파일이 아니라 폴더입니다"):
        load_params(tmp_path)
    broken = tmp_path / "x.yaml"
    broken.write_bytes(b"symbol: \xff")
    with pytest.raises(SettingsError, match=r"UTF-8 글이 아닙니다\(9번째 바이트\)"):
        load_params(broken)


def test_글이_아닌_dotenv는_설정의_오류다(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    (tmp_path / ".env").write_bytes(b"OPTUNA_STORAGE=\xff\xfe")
    with pytest.raises(SettingsError, match=r"\.env를 읽지 못했습니다"):
        read_dotenv()
