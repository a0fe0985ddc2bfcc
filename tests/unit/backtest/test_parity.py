"""우리 엔진의 거래와 평가금이 vectorbt와 backtesting.py가 셈한 숫자와 같다.

`parity_expected.json`은 두 도구로 `tests/bench/parity.py --write-expected`가 적은 것이다(판과 날짜가 든다).
그 견줌은 거래 하나하나를 보고, 여기서는 두 도구 없이도 우리 쪽이 움직이면 알아챈다.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity_kit import CASES, EXPECTED, Case, candles_of, figures, missing, our_fills

BODY = json.loads(EXPECTED.read_text(encoding="utf-8"))
FOUND: dict[str, Any] = {entry["case"]: entry for entry in BODY["cases"]}


def different(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """어긋난 숫자의 이름들. 정수(거래 수, 봉의 번호)는 똑같아야 하고 실수는 1e-9(상대)까지."""
    return [
        name
        for name, value in theirs.items()
        if (
            ours[name] != value
            if isinstance(value, int)
            else ours[name] != pytest.approx(value, rel=1e-9, abs=1e-9)
        )
    ]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parity")


def test_모든_경우의_숫자가_있고_어느_도구의_것인지_적혀_있다() -> None:
    assert set(FOUND) == {case.name for case in CASES}
    assert set(BODY["versions"]) >= {"vectorbt", "backtesting"}
    for case in CASES:
        assert set(FOUND[case.name]["tools"]) == set(case.tools)
        assert all(tool["trades"] > 100 for tool in FOUND[case.name]["tools"].values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_우리_엔진이_다른_도구의_숫자와_같다(case: Case, cache: Path) -> None:
    if reason := missing(case):
        pytest.skip(reason)
    data = candles_of(case, cache)
    expected = FOUND[case.name]
    assert data.ref.fingerprint == expected["fingerprint"], (
        "자료가 바뀌었다: tests/bench/parity.py --write-expected 로 다시 적는다"
    )
    ours = figures(our_fills(case, data))
    for tool, theirs in expected["tools"].items():
        assert different(ours, theirs) == [], tool


def test_거래_하나만_움직여도_숫자가_달라진다(cache: Path) -> None:
    case = CASES[0]
    fills = our_fills(case, candles_of(case, cache))
    theirs = FOUND[case.name]["tools"]["vectorbt"]
    for name in ("exit_bar", "exit_price", "pnl", "equity"):
        moved = np.array(getattr(fills, name), copy=True)
        moved[len(moved) // 2] *= 1.001 if moved.dtype.kind == "f" else 1
        moved[len(moved) // 2] += moved.dtype.kind == "i"
        changed = figures(replace(fills, **{name: moved}))
        assert different(changed, theirs), name
