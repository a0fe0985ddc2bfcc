"""전략을 이름과 파일에서 찾고, 틀리면 까닭과 비슷한 이름을 댄다. numba는 들이지 않는다."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from reference.builders import dataset, random_candles

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.errors import RunError, SettingsError
from optimize.strategy import sources
from optimize.strategy.parameter import ChoiceParameter, FloatParameter, IntParameter, Parameter
from optimize.strategy.protocol import Strategy
from optimize.strategy.registry import (
    BUILTIN_STRATEGIES,
    load_strategy,
    pinned_strategy,
    reload_strategy,
    require_same_code,
    strategy_files,
    strategy_fingerprint,
)

GOOD = """
from optimize.strategy.parameter import IntParameter
class Mine:
    name = "mine"
    parameters = (IntParameter("length", 5, "길이(봉)", low=2, high=9),)
    def signals(self, dataset, params):
        raise NotImplementedError
class Empty:
    name = "empty"
class Twice(Mine):
    parameters = (*Mine.parameters, *Mine.parameters)
class Dangling(Mine):
    parameters = (IntParameter("a", 1, "", {"use_a": (True,)}),)
class Broken(Mine):
    def __init__(self):
        raise RuntimeError("열쇠가 없음")
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "내 전략.py"
    path.write_text(GOOD, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", BUILTIN_STRATEGIES)
def test_내장_전략은_규약을_지키고_기본값이_범위_안에_있다(name: str) -> None:
    strategy = load_strategy(name)
    assert isinstance(strategy, Strategy)
    assert strategy.name == name
    for p in strategy.parameters:
        assert p.description, p.name
        if isinstance(p, IntParameter | FloatParameter):
            assert p.low <= p.default <= p.high, p.name
            assert "봉" in p.description or "배" in p.description, f"{p.name}에 단위가 없다"
        else:
            assert isinstance(p, ChoiceParameter)
            assert p.default in p.choices


def test_기본_전략은_22개_넘는_파라미터를_탐색한다() -> None:
    parameters = load_strategy("squeeze_momentum").parameters
    assert len(parameters) >= 22
    switched: list[Parameter] = [p for p in parameters if p.requires]
    assert len(parameters) - len(switched) >= 12
    assert len(switched) >= 12


def test_파일의_class를_이름으로_부른다(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_strategy(f"{mine}:Mine").name == "mine"
    monkeypatch.chdir(mine.parent)
    assert load_strategy(f"{mine.name}:Mine").name == "mine"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("squeze_momentum", "squeeze_momentum"),
        ("donchian", "donchian_breakout"),
        ("{mine}:Min", "Mine"),
        ("{mine}:Empty", "signals"),
        ("{mine}:Twice", "두 번"),
        ("{mine}:Dangling", "use_a"),
        ("{mine}:Broken", "열쇠가 없음"),
        ("{mine.parent}/none.py:Mine", "읽지 못했습니다"),
    ],
)
def test_틀린_이름은_까닭과_비슷한_이름을_댄다(mine: Path, spec: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_strategy(spec.format(mine=mine))
    assert expected in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("source", "expected"), [("x = 1\ny = (\n", "2줄"), ("import os\n1 / 0\n", "2줄: ZeroDivision")]
)
def test_실행되지_않는_파일은_줄을_댄다(tmp_path: Path, source: str, expected: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(SettingsError, match="실행하지 못했습니다") as caught:
        load_strategy(f"{path}:Mine")
    assert expected in caught.value.cause


def test_지문은_내용이_바뀔_때만_바뀐다(mine: Path) -> None:
    first = strategy_fingerprint(f"{mine}:Mine")
    assert first == strategy_fingerprint(f"{mine}:Mine")
    assert first != strategy_fingerprint(f"{mine}:Empty")
    mine.write_text(GOOD + "\n# 고침\n", encoding="utf-8")
    assert first != strategy_fingerprint(f"{mine}:Mine")
    prints = {strategy_fingerprint(name) for name in BUILTIN_STRATEGIES}
    assert len(prints) == len(BUILTIN_STRATEGIES)


HELPED = """
from levels import DEPTH
from shapes.wide import WIDTH
from optimize.strategy.indicators import sma_nb
from optimize.strategy.parameter import IntParameter
class Mine:
    name = f"mine-{DEPTH}-{WIDTH}"
    parameters = ()
    def signals(self, dataset, params):
        import late
        raise NotImplementedError
"""


def helped(folder: Path, depth: int = 1) -> str:
    """곁의 파일과 꾸러미를 import하는 전략."""
    (folder / "shapes").mkdir(parents=True)
    (folder / "shapes" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "shapes" / "wide.py").write_text("from . import deep\nWIDTH = 3\n", encoding="utf-8")
    (folder / "shapes" / "deep.py").write_text("x = 1\n", encoding="utf-8")
    (folder / "levels.py").write_text(f"DEPTH = {depth}\n", encoding="utf-8")
    (folder / "late.py").write_text("import json, numpy\n", encoding="utf-8")
    (folder / "mine.py").write_text(HELPED, encoding="utf-8")
    return f"{folder / 'mine.py'}:Mine"


@pytest.fixture(autouse=True)
def _same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """전략의 폴더를 sys.path에 더한 것과 그 module이 다른 시험에 남지 않게."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sources, "_ADDED", [])
    for name in ("levels", "late", "shapes", "shapes.wide", "shapes.deep"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_지문은_import하는_파일까지_따라간다(tmp_path: Path) -> None:
    spec = helped(tmp_path)
    files = strategy_files(spec)
    own = {"Mine", "late", "levels", "shapes", "shapes.deep", "shapes.wide"}
    assert {name for name in files if not name.startswith("optimize.")} == own
    # indicators가 쓰는 우리의 파일들까지 따라간다.
    assert {f"optimize.strategy.{name}" for name in ("blocks_nb", "indicators", "jit")} <= set(
        files
    )
    for name in ("levels.py", "late.py", "shapes/deep.py"):
        before = strategy_fingerprint(spec)
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write("# 고침\n")
        assert strategy_fingerprint(spec) != before, name
    moved = tmp_path.parent / f"{tmp_path.name}_moved"
    tmp_path.rename(moved)
    assert strategy_files(f"{moved / 'mine.py'}:Mine").keys() == files.keys()


def test_곁의_파일을_고치면_다시_읽고_다른_폴더의_같은_이름과_섞지_않는다(tmp_path: Path) -> None:
    one, two = helped(tmp_path / "one", 1), helped(tmp_path / "two", 2)
    assert [load_strategy(spec).name for spec in (one, two)] == ["mine-1-3", "mine-2-3"]
    assert strategy_files(one)["levels"] != strategy_files(two)["levels"]
    seen = sys.modules["levels"]
    assert reload_strategy(two).name == "mine-2-3"
    assert sys.modules["levels"] is not seen
    (tmp_path / "one" / "levels.py").write_text("DEPTH = 77\n", encoding="utf-8")
    assert load_strategy(one).name == "mine-77-3"
    assert sys.path.count(str(tmp_path / "one")) == 1
    assert str(tmp_path / "two") not in sys.path


def test_실행하는_동안_고친_파일은_섞이지_않는다(mine: Path) -> None:
    """끝에서 다시 읽어도 시작할 때의 코드이고, 고친 뒤에 뜬 작업자는 고친 것을 알아본다."""
    spec = f"{mine}:Mine"
    code = strategy_fingerprint(spec)
    with pinned_strategy(spec):
        require_same_code(spec, code)
        mine.write_text(GOOD.replace('"mine"', '"renamed"'), encoding="utf-8")
        assert load_strategy(spec).name == "mine"
        with pytest.raises(RunError, match="실행하는 동안 전략의 파일이 바뀌었습니다"):
            require_same_code(spec, code)
        require_same_code(spec, "")
    assert load_strategy(spec).name == "renamed"
    with pinned_strategy("ma_cross"):
        assert load_strategy("ma_cross").name == "ma_cross"


def test_내장_전략의_지문은_값을_정하는_모듈을_빠뜨리지_않는다() -> None:
    """빠르게 글에서 찾은 것이 import 문을 읽은 것과 같다."""
    for name in BUILTIN_STRATEGIES:
        found = {module.rpartition(".")[2] for module in strategy_files(name)}
        assert {"levels_nb", "blocks_nb", "signal_arrays", "together", "htf_nb"} <= found
        folder = Path(sources.__file__).parent
        for module in found & {path.stem for path in folder.glob("*.py")}:
            tree = ast.parse((folder / f"{module}.py").read_text(encoding="utf-8"))
            imported = {
                node.module.rpartition(".")[2]
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                and (node.module or "").startswith("optimize.strategy.")
            }
            assert imported - sources._PLUMBING <= found | {name}, module


def test_고친_파일은_다시_읽힌다(mine: Path) -> None:
    load_strategy(f"{mine}:Mine")
    mine.write_text(GOOD.replace('"mine"', '"renamed"'), encoding="utf-8")
    assert load_strategy(f"{mine}:Mine").name == "renamed"


def test_전략을_찾고_공간을_보는_데_numba도_numpy도_들지_않는다() -> None:
    code = (
        "import sys\n"
        "from optimize.strategy.registry import *\n"
        "import optimize.backtest.metrics, optimize.backtest.costs\n"
        "[load_strategy(n).parameters for n in BUILTIN_STRATEGIES]\n"
        "[strategy_fingerprint(n) for n in BUILTIN_STRATEGIES]\n"
        "print([m for m in ('numba', 'numpy', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_신호를_만들다_난_오류는_사용자의_파일과_줄을_댄다(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def half(x):\n    return x['없음']\n")
    path = tmp_path / "mine.py"
    path.write_text(
        "from helper import half\n\nclass Mine:\n    name = 'mine'\n    parameters = ()\n"
        "    def signals(self, dataset, params):\n        return half(params)\n"
    )
    with pytest.raises(RunError) as caught:
        run_backtest(
            dataset(random_candles(1, 100), "1m"), load_strategy(f"{path}:Mine"), {}, CostModel()
        )
    assert caught.value.cause == "helper.py 2줄: KeyError: '없음'"


def test_고를_값에_없는_기본값은_거절한다(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from optimize.strategy.parameter import ChoiceParameter\n"
        "class Mine:\n    name = 'mine'\n"
        "    parameters = (ChoiceParameter('kind', 'foo', '종류', choices=('sma', 'ema')),)\n"
        "    def signals(self, dataset, params): ...\n"
    )
    with pytest.raises(SettingsError, match="규약") as caught:
        load_strategy(f"{path}:Mine")
    assert "'kind'의 기본값 foo" in caught.value.cause
