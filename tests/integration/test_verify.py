"""`./시작 검증`: 미래를 보는 전략을 봉과 값을 대며 잡고 exit code 5로 끝난다."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reference.builders import MINUTE, START

from optimize.cli import command
from optimize.strategy.registry import BUILTIN_STRATEGIES
from optimize.verify.__main__ import main

REPO = Path(__file__).resolve().parents[2]
EXAMPLE = REPO / "docs/examples/rsi_reversal.py"
HEAD = """
import numpy as np
from optimize.strategy.parameter import ChoiceParameter, IntParameter
from optimize.strategy.protocol import Signals

class Mine:
    name = "mine"
    parameters = (IntParameter("length", 20, "길이", low=5, high=60), ChoiceParameter("on", False, "켬"))

    def signals(self, dataset, params):
        c = dataset.ltf.close
        n = len(c)
        atr, stop = np.ones(n), None
"""
TAIL = """
        never = np.zeros(n, bool)
        return Signals(entry.astype(np.int8), never, never.copy(), atr, stop_atr=stop)
"""
SAFE = "        entry = np.where(c > np.concatenate(([c[0]], c[:-1])), 1, -1)\n"
# 새는 전략: 셈, 움직이는 칸, 본 것(있으면).
LEAKS = {
    "다음 봉의 종가": (
        "        entry = np.append(np.sign(np.diff(c)), 0)\n",
        "entry",
        "뒤의 LTF 봉",
    ),
    "가운데를 맞춘 이동 평균": (
        "        mean = np.convolve(c, np.ones(21) / 21, 'same')\n        entry = np.where(c > mean, 1, -1)\n",
        "entry",
        "뒤의 LTF 봉",
    ),
    "자료 전체로 고른 값": (
        "        z = (c - c.mean()) / c.std()\n        entry = np.where(z > 1, -1, np.where(z < -1, 1, 0))\n",
        "entry",
        "뒤의 LTF 봉",
    ),
    "닫히지 않은 HTF 봉": (
        "        at = np.searchsorted(dataset.htf.open_time, dataset.ltf.open_time, 'right') - 1\n"
        "        trend = dataset.htf.close[np.clip(at, 0, len(dataset.htf) - 1)]\n"
        "        entry = np.where(c < trend, 1, -1)\n",
        "entry",
        "아직 닫히지 않은 HTF 봉",
    ),
    "드문 신호가 다음 거래량을 본다": (
        "        v = np.append(dataset.ltf.volume[1:], 0)\n"
        "        entry = np.where((np.arange(n) % 97 == 0) & (v > dataset.ltf.volume), 1, 0)\n",
        "entry",
        "뒤의 LTF 봉",
    ),
    "켰을 때만 샌다": (
        SAFE + "        if params['on']:\n            atr = np.append(np.abs(np.diff(c)), 1.0)\n",
        "atr",
        "뒤의 LTF 봉",
    ),
    "손절 거리를 전체 변동성으로": (
        SAFE + "        stop = float(np.std(c))\n",
        "stop_atr",
        "뒤의 LTF 봉",
    ),
    "처음 본 자료를 기억한다": (
        "        seen = globals().setdefault('MEAN', c.mean())\n        entry = np.where(c > seen, 1, -1)\n",
        "entry",
        None,
    ),
}


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """사흘 치 1분봉 csv."""
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, 4320)))
    opened = np.concatenate(([100.0], close[:-1]))
    rows = ["open_time,open,high,low,close,volume"]
    for i, (o, c) in enumerate(zip(opened, close, strict=True)):
        rows.append(
            f"{START + i * MINUTE},{o:.4f},{max(o, c) * 1.001:.4f},{min(o, c) * 0.999:.4f},"
            f"{c:.4f},{rng.uniform(1, 9):.3f}"
        )
    path = tmp_path_factory.mktemp("verify") / "candles.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    return tmp_path


def mine(folder: Path, body: str) -> str:
    """그 셈을 하는 사용자 전략 파일."""
    path = folder / "mine.py"
    path.write_text(HEAD + body + TAIL)
    return f"{path}:Mine"


def verify(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)."""
    code = command(main)([str(item) for item in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize("label", LEAKS)
def test_leaky_strategy_is_caught_and_named(
    label: str, home: Path, candles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """exit code 5, 움직인 칸과 그 봉의 UTC 시각과 앞뒤 값, 그리고 무엇을 보았는지."""
    body, field, source = LEAKS[label]
    code, out, _ = verify(
        capsys, "--strategy", mine(home, body), "--data", candles, "--timeframe-grid", "1m@15m",
        "--rounds", 10, "--param-sets", 3, "--json",
    )  # fmt: skip
    assert code == 5
    told = json.loads(out)
    assert told["ok"] is False
    leaks = [leak for item in told["cells"][0]["sets"] for leak in item["leaks"]]
    assert {leak["field"] for leak in leaks} == {field}
    assert source is None or any(source in leak["text"] for leak in leaks)
    named = rf"(봉 [\d,]+\(2024-01-0\d \d\d:\d\d UTC\)|청산 규칙)의 {field}: \S+ → \S+ \("
    for leak in leaks:
        assert re.match(named, leak["text"])
        assert leak["whole"] != leak["partial"]
        if leak["bar"] is not None:
            assert leak["bar"] < leak["cut"]
            assert leak["open_time_ms"] == START + leak["bar"] * MINUTE


def test_index_error_on_the_cut_data_is_a_finding(
    home: Path, candles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """뒤를 자른 자료에서 멈추는 것도 뒤가 있어야만 도는 전략이라는 뜻이다."""
    body = (
        "        at = np.minimum(dataset.htf_index + 1, 287)\n"
        "        entry = np.where(c < dataset.htf.close[at], 1, -1)\n"
    )
    code, out, _ = verify(
        capsys, "--strategy", mine(home, body), "--data", candles, "--timeframe-grid", "1m@15m"
    )
    assert code == 5
    assert re.search(r"뒤를 자르니 전략이 멈췄습니다: mine\.py \d+줄: IndexError", out)


def test_values_that_change_by_themselves_are_found(
    home: Path, candles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = "        entry = np.random.default_rng().integers(-1, 2, n)\n"
    code, out, _ = verify(capsys, "--strategy", mine(home, body), "--data", candles)
    assert code == 5
    assert "같은 자료로 다시 셈하니 움직임" in out


@pytest.mark.parametrize("name", [*BUILTIN_STRATEGIES, f"{EXAMPLE}:RsiReversal"])
def test_shipped_strategies_pass_on_demo_candles(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """캔들이 없으면 알리고 합성 데모로 시험한다. 굵은 LTF와 HTF까지."""
    code, out, err = verify(
        capsys,
        "--strategy",
        name,
        "--timeframe-grid",
        "1m@15m,5m@1h",
        "--rounds",
        6,
        "--bars",
        6000,
    )
    assert code == 0, out
    assert "미래를 보는 곳을 찾지 못했습니다" in out
    assert "합성 데모로 시험합니다" in err
    assert "DEMO:BTCUSDT 5m@1h 시험" in err


def test_a_pass_without_any_signal_is_said_to_prove_little(
    home: Path, candles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """신호가 없으면 새는 것도 보이지 않는다: 통과라고만 하지 않는다."""
    options = ("--data", candles, "--timeframe-grid", "1m", "--rounds", 2, "--param-sets", 2)
    spec = mine(home, "        entry = np.zeros(n)\n")
    code, out, _ = verify(capsys, "--strategy", spec, *options)
    assert code == 0
    assert "모든 묶음에서 진입 신호가 한 번도 나오지 않았습니다" in out
    code, out, _ = verify(capsys, "--strategy", mine(home, SAFE), *options)
    assert code == 0
    assert "알림" not in out


def test_every_symbol_of_the_settings_is_tested(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """설정의 symbols 모두를, 명령의 --symbol 하나는 그것만."""
    config = home / "two.yaml"
    config.write_text("symbols: [DEMO:BTCUSDT, DEMO:ETHUSDT]\n")
    options = ("--config", config, "--strategy", "donchian_breakout", "--timeframe-grid", "5m",
               "--rounds", 2, "--param-sets", 1, "--bars", 2000, "--json")  # fmt: skip
    for extra, expected in (
        ((), ["DEMO:BTCUSDT", "DEMO:ETHUSDT"]),
        (("--symbol", "DEMO:SOLUSDT"), ["DEMO:SOLUSDT"]),
    ):
        code, out, _ = verify(capsys, *options, *extra)
        assert code == 0
        assert [cell["symbol"] for cell in json.loads(out)["cells"]] == expected


def test_what_the_strategy_prints_is_not_in_the_report(
    home: Path, candles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = mine(home, "        print('여기까지 왔다')\n" + SAFE)
    path = Path(spec.rpartition(":")[0])
    path.write_text("print('읽힌다')\n" + path.read_text())
    code, out, err = verify(
        capsys, "--strategy", spec, "--data", candles, "--rounds", 1, "--param-sets", 1, "--json"
    )
    assert code == 0
    assert json.loads(out)["ok"] is True
    assert "읽힌다" in err
    assert "여기까지 왔다" in err


def test_same_seed_same_report(
    home: Path, candles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = mine(home, LEAKS["다음 봉의 종가"][0])
    options = ("--strategy", spec, "--data", candles, "--json", "--bars", 1000)
    first = verify(capsys, *options, "--seed", 5)[1]
    assert verify(capsys, *options, "--seed", 5)[1] == first
    assert verify(capsys, *options, "--seed", 6)[1] != first


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--rounds", "0"], 2, "--rounds 을(를) 고치거나 빼세요"),
        (["--strategy", "ma_crosss"], 2, "ma_cross"),
        (["--timeframe-grid", "1m@1m"], 2, "HTF"),
        (["--set", "strategy.space.fast_lenn=3", "--strategy", "ma_cross"], 2, "fast_len"),
        (["--data", "없는파일.csv"], 4, "파일이 없습니다"),
        (
            ["--symbol", "BINANCE:ETHUSDT"],
            4,
            "거래소에 묻지 않고 캐시만 봅니다(설정 data.offline, 또는",
        ),
        (["--start", "2024-01-01"], 4, "optimize.data fetch --symbol BINANCE:BTCUSDT"),
    ],
)
def test_refusals_have_their_exit_codes(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = verify(capsys, *arguments)
    assert (found, out) == (code, "")
    assert message in err


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("        raise ValueError('엉망')\n", "ValueError: 엉망"),
        ("        raise SystemExit(3)\n", "SystemExit: 3"),
        ("        entry = np.zeros(3)\n", "entry의 모양이 (3,)"),
        ("        return c, c\n", "Signals가 아니라 tuple"),
    ],
)
def test_strategy_that_stops_is_an_error_of_the_run(
    body: str, message: str, home: Path, candles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = verify(capsys, "--strategy", mine(home, body), "--data", candles)
    assert (code, out) == (5, "")
    assert message in err
    assert "해결:" in err
    assert not list(home.rglob("crash-*"))


def test_the_process_exits_with_the_code(home: Path, candles: Path) -> None:
    """명령으로 불러도 같은 exit code, 진행은 stderr에."""
    spec = mine(home, LEAKS["다음 봉의 종가"][0])
    done = subprocess.run(
        [sys.executable, "-m", "optimize.verify", "--strategy", spec, "--data", str(candles)],
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        cwd=REPO,
    )
    assert done.returncode == 5
    assert "의 entry: " in done.stdout
    assert "BINANCE:BTCUSDT 1m@15m 시험" in done.stderr
