"""ma_cross와 donchian_breakout과 문서의 예제가 글대로 신호를 내고 엔진이 참조와 같이 체결한다."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import plain_indicators as plain
from reference.builders import dataset, random_candles
from reference.compare import assert_same, rules_of, run_plain
from reference.plain_squeeze import htf_trend

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.backtest.lookahead import find_leaks
from optimize.backtest.metrics import METRICS
from optimize.data.dataset import Dataset
from optimize.strategy.registry import load_strategy

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "rsi_reversal.py"
Side = list[int]


def defaults(name: str, **changes: Any) -> dict[str, Any]:
    return {**{p.name: p.default for p in load_strategy(name).parameters}, **changes}


def filtered(side: Side, data: Dataset, p: dict[str, Any]) -> Side:
    if not p["use_htf"] or data.htf is None:
        return side
    trend = htf_trend(data, p["htf_len"])
    return [s if s == t else 0 for s, t in zip(side, trend, strict=True)]


def plain_ma_cross(data: Dataset, p: dict[str, Any]) -> tuple[Side, list[bool], list[bool]]:
    close = data.ltf.close.tolist()

    def average(length: int) -> list[float | None]:
        if p["average"] == "ema":
            out = plain.smooth(close, 2 / (length + 1))
            return [None] * min(length - 1, len(out)) + out[length - 1 :]
        return {"sma": plain.sma, "hma": plain.hma}[p["average"]](close, length)

    fast, slow = average(p["fast_len"]), average(p["fast_len"] + p["slow_gap"])
    side, up, down = [0] * len(close), [False] * len(close), [False] * len(close)
    for i in range(1, len(close)):
        a0, b0, a1, b1 = fast[i - 1], slow[i - 1], fast[i], slow[i]
        if a0 is None or b0 is None or a1 is None or b1 is None:
            continue
        up[i], down[i] = a0 <= b0 and a1 > b1, a0 >= b0 and a1 < b1
        side[i] = up[i] - down[i]
    return filtered(side, data, p), down, up


def plain_donchian(data: Dataset, p: dict[str, Any]) -> tuple[Side, list[bool], list[bool]]:
    h, low, c = (getattr(data.ltf, k).tolist() for k in ("high", "low", "close"))
    n = len(c)

    def over(i: int, length: int) -> bool:
        return i >= length and c[i] > max(h[i - length : i])

    def under(i: int, length: int) -> bool:
        return i >= length and c[i] < min(low[i - length : i])

    def fresh(rule: Any, i: int) -> bool:
        return rule(i, p["entry_len"]) and not (i > 0 and rule(i - 1, p["entry_len"]))

    side = [fresh(over, i) - fresh(under, i) for i in range(n)]
    return (
        filtered(side, data, p),
        [under(i, p["exit_len"]) for i in range(n)],
        [over(i, p["exit_len"]) for i in range(n)],
    )


def compare(name: str, data: Dataset, p: dict[str, Any], expected: Any) -> None:
    strategy = load_strategy(name)
    found = strategy.signals(data, p)
    for ours, theirs in zip(
        (found.entry, found.exit_long, found.exit_short), expected, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    costs = CostModel(leverage=3.0)
    result = run_backtest(data, strategy, p, costs)
    assert_same(result, run_plain(data, found, costs, rules_of(found)), data, costs)


markets = st.builds(
    lambda seed, n, cell: dataset(random_candles(seed, n), cell),
    st.integers(0, 2**31),
    st.integers(60, 500) | st.integers(1100, 1500),
    st.sampled_from(["1m", "1m@15m", "3m@15m"]),
)


@settings(max_examples=40, deadline=None)
@given(
    data=markets,
    average=st.sampled_from(["sma", "ema", "hma"]),
    fast=st.integers(2, 20),
    gap=st.integers(2, 40),
    use_htf=st.booleans(),
    use_stop=st.booleans(),
    use_target=st.booleans(),
)
def test_ma_cross가_참조와_같다(
    data: Dataset,
    average: str,
    fast: int,
    gap: int,
    use_htf: bool,
    use_stop: bool,
    use_target: bool,
) -> None:
    p = defaults(
        "ma_cross", average=average, fast_len=fast, slow_gap=gap, use_htf=use_htf, htf_len=5,
        use_stop=use_stop, stop_atr=2.0, use_target=use_target, target_atr=3.0,
    )  # fmt: skip
    compare("ma_cross", data, p, plain_ma_cross(data, p))


@settings(max_examples=40, deadline=None)
@given(
    data=markets,
    entry_len=st.integers(2, 60),
    exit_len=st.integers(1, 30),
    use_htf=st.booleans(),
    use_trail=st.booleans(),
)
def test_donchian_breakout이_참조와_같다(
    data: Dataset, entry_len: int, exit_len: int, use_htf: bool, use_trail: bool
) -> None:
    p = defaults(
        "donchian_breakout", entry_len=entry_len, exit_len=exit_len, use_htf=use_htf, htf_len=5,
        use_trail=use_trail, trail_atr=3.0,
    )  # fmt: skip
    compare("donchian_breakout", data, p, plain_donchian(data, p))


def first_strategy_of_the_document(folder: Path) -> str:
    """문서에 적힌 가장 짧은 전략을 그대로 파일로."""
    text = (ROOT / "docs" / "strategy.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import numpy.*?)```", text, re.DOTALL)
    path = folder / "above_mean.py"
    path.write_text(code, encoding="utf-8")
    return f"{path}:AboveMean"


@pytest.mark.parametrize("name", ["예제", "글"])
def test_문서의_전략이_거래하고_미래를_보지_않는다(name: str, tmp_path: Path) -> None:
    spec = f"{EXAMPLE}:RsiReversal" if name == "예제" else first_strategy_of_the_document(tmp_path)
    strategy = load_strategy(spec)
    data = dataset(random_candles(11, 4000), "1m@15m")
    params = {p.name: p.default for p in strategy.parameters}
    result = run_backtest(data, strategy, params, CostModel())
    assert result.metrics["trades"] > 10
    assert all(np.isfinite(value) for value in result.metrics.values())
    assert list(find_leaks(data, strategy, params, rounds=10, seed=3)) == []


@pytest.mark.parametrize("kind", ["parameter", "metric", "indicator", "file"])
def test_전략_문서가_코드와_맞는다(kind: str) -> None:
    """문서가 대는 이름이 실제로 있다."""
    text = (ROOT / "docs" / "strategy.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z][a-z_0-9]+)(?:\([^`]*\))?`", text))
    if kind == "parameter":
        squeeze = {p.name for p in load_strategy("squeeze_momentum").parameters}
        rules = ("exit_", "use_", "stop_", "trail_", "target_")
        assert {
            name for name in squeeze if not name.startswith(rules) and name not in text
        } == set()
    elif kind == "metric":
        assert set(METRICS) <= named
    elif kind == "indicator":
        from optimize.strategy import indicators

        listed = {name for name in named if name.endswith("_nb")}
        assert listed == {n for n in vars(indicators) if n.endswith("_nb") and n in text}
        assert len(listed) >= 12
    else:
        for path in re.findall(r"`((?:docs|tests)/[\w/.]+?)/?`", text):
            assert (ROOT / path).exists(), path
