"""`python -m optimize.data`를 사용자처럼 쓴다.

명령의 입구를 이 프로세스에서 부르고, 여럿이 함께 도는 일과 Ctrl-C는 진짜 프로세스로 본다.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from exchange import Exchange, environment, serve
from in_process import call
from market import market_file

from optimize.data.__main__ import main
from optimize.data.demo import make_demo
from optimize.data.manifest import list_cached
from optimize.data.period import parse_start
from optimize.data.store import SymbolStore
from optimize.data.symbols import parse_symbol

MINUTE = 60_000


def command(*args: object, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "optimize.data", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environ},
    )


def run(*args: object, code: int = 0, **environ: str) -> tuple[str, str]:
    done = call(main, *args, env=environ)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def test_들이고_보고_점검한다(wizard_home: Path) -> None:
    file = market_file("BINANCE_ENAUSDT.P_1m_2025-05.csv.gz")
    funding = market_file("BINANCE_ENAUSDT.P_funding_2025.csv.gz")
    out, err = run("import", file, "--symbol", "binance:enausdt.p", "--funding", funding)
    assert "43,200개" in out
    assert "펀딩 474번" in out
    assert "time=open_time" in err
    listed = json.loads(run("list", "--json")[0])
    assert [(entry["symbol"], entry["bars"]) for entry in listed] == [("BINANCE:ENAUSDT.P", 43_200)]
    assert listed[0]["has_funding"]
    assert "BINANCE:ENAUSDT.P" in run("목록")[0]
    (report,) = json.loads(run("check", "--symbol", "BINANCE:ENAUSDT.P", "--json")[0])
    assert report["quality"]["clean"]
    assert list((wizard_home / "data" / "binance_enausdt_p").glob("2025-05.*.arrow"))


def test_빈틈_있는_파일의_점검은_README의_수와_같다(wizard_home: Path) -> None:
    file = market_file("BINANCE_BTCUSDT_1m_2017-12_2018-02_gappy.csv.gz")
    out, _ = run("점검", "--data", file)
    for figure in ("127,340개", "2,259개 (1.743%)", "6곳", "21,602개", "100개"):
        assert figure in out
    _, err = run("import", file, "--symbol", "BINANCE:BTCUSDT", code=4)
    assert "--floor-times" in err
    _, err = run("import", file, "--symbol", "BINANCE:BTCUSDT", "--floor-times")
    assert "1.74%" in err


def test_깨진_달은_점검이_찾고_repair가_비운다(wizard_home: Path) -> None:
    store = put(wizard_home, "BINANCE:ETHUSDT", "2024-01-30", 3)
    month = store.month_path("2024-02")
    data = bytearray(month.read_bytes())
    data[len(data) // 2] ^= 0xFF
    month.write_bytes(data)
    out, _ = run("check", "--symbol", "BINANCE:ETHUSDT", code=4)
    assert "2024-02" in out
    out, _ = run("check", "--symbol", "BINANCE:ETHUSDT", "--repair")
    assert "비웠습니다" in out
    assert store.missing(parse_start("2024-01-30"), parse_start("2024-02-02")) == [
        (parse_start("2024-02-01"), parse_start("2024-02-02"))
    ]


def test_목록이_깨진_심볼도_점검이_찾고_다른_폴더는_건드리지_않는다(wizard_home: Path) -> None:
    good = put(wizard_home, "BINANCE:BTCUSDT", "2024-01-30", 1)
    bad = put(wizard_home, "BINANCE:ETHUSDT.P", "2024-01-30", 1)
    (bad.folder / "manifest.json").write_text('{"version": 1, "months": 3}')
    (wizard_home / "data" / "남의것").mkdir()
    (wizard_home / "data" / "남의것" / "manifest.json").write_text("{}")
    (wizard_home / "data" / "메모.txt").write_text("x")
    out, _ = run("점검", code=4)
    assert "BINANCE:BTCUSDT" in out
    assert "흠이 없습니다" in out
    assert "BINANCE:ETHUSDT.P" in out
    assert "manifest.json (--repair" in out
    assert "남의것" not in out
    out, _ = run("점검", "--repair")
    assert "비웠습니다" in out
    assert (wizard_home / "data" / "남의것" / "manifest.json").exists()
    assert good.broken_months() == []
    put(wizard_home, "BINANCE:ETHUSDT.P", "2024-01-30", 1)
    assert "흠이 없습니다" in run("점검", "--symbol", "BINANCE:ETHUSDT.P")[0]


def test_오류는_한국어와_exit_code로(wizard_home: Path) -> None:
    nowhere = environment("http://127.0.0.1:9")
    _, err = run("fetch", "--symbol", "BINANCE:BTCUSDT", code=4, **nowhere)
    for piece in ("닿지 못했습니다", "--data", "optimize.data import", "DEMO:BTCUSDT"):
        assert piece in err
    _, err = run("fetch", "--symbol", "BTCUSDT", code=2)
    assert "심볼이 아닙니다" in err
    _, err = run("import", "--symbol", "BINANCE:BTCUSDT", code=2)
    assert "파일이 없습니다" in err
    for arguments, piece in (
        (("clean", "--days", "-1"), "--days -1: 0 이상"),
        (("clean", "--days", "nan"), "--days nan: 0 이상"),
        (("probe", "--symbol", "BINANCE:BTCUSDT", "--timeout", "-1"), "--timeout -1: 0 이상"),
        (("check", "--data", "x.csv", "--columns", "foo=bar"), "'foo=bar': 뜻=열 꼴이"),
        (("fetch", "--symbol", "DEMO:BTCUSDT"), "optimize.run --symbol DEMO:BTCUSDT"),
        (("fetch", "--symbol", "UPBIT:BTCKRW", "--start", "2024-99-01"), "기간의 시작을 읽을 수"),
    ):
        assert piece in run(*arguments, code=2)[1]
    _, err = run("import", wizard_home, "--symbol", "DEMO:BTCUSDT", code=2)
    assert "합성 데모" in err
    _, err = run("check", code=4)
    assert "캐시가 비었습니다" in err
    _, err = run("import", "--symbol", "BINANCE:BTCUSDT", "--funding", "x.csv", code=2)
    assert "현물이라 펀딩이 없습니다" in err
    assert "Traceback" not in err


def test_확인은_빠르고_셋을_가린다(wizard_home: Path) -> None:
    truth = make_demo("BTCUSDT", 1, parse_start("2024-01-01"), 10)
    with serve(Exchange(truth, parse_start("2024-01-01"))) as exchange:
        found = json.loads(probe(**environment(exchange.url)))
        assert (found["availability"], found["reachable"]) == ("reachable", True)
        exchange.fail("/", status=451, times=9)
        assert json.loads(probe(**environment(exchange.url)))["availability"] == "neither"
        put(wizard_home, "BINANCE:BTCUSDT", "2024-01-01", 1)
        exchange.fail("/", "stall", times=9, seconds=5)
        began = time.monotonic()
        found = json.loads(probe(**environment("http://127.0.0.1:9")))
        assert time.monotonic() - began < 3
    assert (found["availability"], found["bars"]) == ("cached", 1440)
    assert json.loads(probe("DEMO:BTCUSDT"))["availability"] == "demo"
    assert "BYBIT은(는) ccxt로 내려받는" in json.loads(probe("BYBIT:BTCUSDT"))["detail"]


def test_화면이_쓰는_가벼운_길은_pyarrow도_numpy도_들이지_않는다() -> None:
    """목록과 확인은 TUI가 첫 화면에서 부른다."""
    code = (
        "import sys, optimize.data.manifest, optimize.data.probe, optimize.data.__main__\n"
        "heavy = {'numpy', 'pyarrow', 'httpx', 'filelock'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_두_프로세스가_함께_받아도_캐시는_온전하다(wizard_home: Path) -> None:
    start, now = parse_start("2025-01-25"), parse_start("2025-02-04T10:30")
    truth = make_demo("BTCUSDT", 1, start, (now - start) // MINUTE + 1)
    with serve(Exchange(truth, now)) as exchange:
        args = (
            "fetch",
            "--symbol",
            "BINANCE:BTCUSDT",
            "--start",
            "2025-01-25",
            "--end",
            "2025-02-04",
        )
        both = [command(*args, **environment(exchange.url)) for _ in range(2)]
        for process in both:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        assert len(exchange.asked("1m-2025-01.zip")) == 2, "한 프로세스만 받는다"
    store = SymbolStore(wizard_home / "data", parse_symbol("BINANCE:BTCUSDT"))
    end = parse_start("2025-02-04")
    np.testing.assert_array_equal(
        store.read(start, end).close, truth.close[: (end - start) // MINUTE]
    )
    assert store.broken_months() == []


def test_여러_프로세스가_함께_들여도_아무것도_잃지_않는다(
    wizard_home: Path, tmp_path: Path
) -> None:
    """같은 심볼에 서로 다른 날을 동시에 들인다."""
    starts = [parse_start(f"2024-03-0{day}") for day in range(1, 6)]
    files = []
    for i, start in enumerate(starts):
        candles = make_demo("ETHUSDT", 1, start, 1440)
        columns = ("open_time", "open", "high", "low", "close", "volume")
        rows = zip(*(getattr(candles, name).tolist() for name in columns), strict=True)
        file = tmp_path / f"{i}.csv"
        file.write_text("\n".join([",".join(columns), *(",".join(map(repr, r)) for r in rows)]))
        files.append(file)
    processes = [command("import", file, "--symbol", "BINANCE:ETHUSDT") for file in files]
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    store = SymbolStore(wizard_home / "data", parse_symbol("BINANCE:ETHUSDT"))
    assert store.manifest().rows == 5 * 1440
    assert store.broken_months() == []


def test_Ctrl_C는_130으로_끝나고_다음에_이어진다(wizard_home: Path) -> None:
    start, now = parse_start("2024-12-01"), parse_start("2025-02-01")
    truth = make_demo("BTCUSDT", 1, start, (now - start) // MINUTE)
    args = ("fetch", "--symbol", "BINANCE:BTCUSDT", "--start", "2024-12-01", "--end", "2025-02-01")
    with serve(Exchange(truth, now)) as exchange:
        exchange.fail("1m-2025-01.zip", "stall", times=1, seconds=30)
        process = command(*args, **environment(exchange.url))
        deadline = time.monotonic() + 20
        while not list_cached(wizard_home / "data") and time.monotonic() < deadline:
            time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=25)
        assert time.monotonic() - began < 3, "멎은 연결을 기다리지 않는다"
        assert process.returncode == 130
        assert "멈췄습니다" in err
        assert "Traceback" not in err
        exchange.requests.clear()
        run(*args, **environment(exchange.url))
        assert not exchange.asked("1m-2024-12.zip"), "받은 달은 다시 받지 않는다"
    store = SymbolStore(wizard_home / "data", parse_symbol("BINANCE:BTCUSDT"))
    np.testing.assert_array_equal(store.read(start, now).close, truth.close)


def probe(symbol: str = "BINANCE:BTCUSDT", **environ: str) -> str:
    return run("probe", "--symbol", symbol, "--json", **environ)[0]


def put(home: Path, symbol: str, start: str, days: int) -> SymbolStore:
    """캐시에 만든 봉을 넣는다."""
    store = SymbolStore(home / "data", parse_symbol(symbol))
    first = parse_start(start)
    candles = make_demo("X", 1, first, days * 1440)
    store.merge(candles, MINUTE, (first, first + days * 86_400_000), "시험")
    return store


@pytest.mark.parametrize("words", [["--help"], ["fetch", "--help"], ["import", "--help"]])
def test_도움말은_한국어다(words: list[str]) -> None:
    out, _ = run(*words)
    assert "사용법" in out
    assert "도움말" in out
