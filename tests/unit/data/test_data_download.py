"""내려받기: 시험 서버가 말하는 Binance·Upbit 형식과 고장들."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange import Exchange, environment, serve

from optimize.data import clock
from optimize.data.dataset import Candles
from optimize.data.demo import make_demo
from optimize.data.download import download
from optimize.data.http import HttpOptions, HttpSource
from optimize.data.period import parse_start
from optimize.data.quality import between
from optimize.data.store import SymbolStore
from optimize.data.symbols import parse_symbol
from optimize.errors import DataError, SettingsError

DAY = 86_400_000
FIRST = parse_start("2024-12-28")
NOW = parse_start("2025-02-04T10:30:20")
QUICK = HttpOptions(connect_timeout=5, read_timeout=20, attempts=3, backoff_s=0.01)
IMPATIENT = HttpOptions(connect_timeout=5, read_timeout=0.7, attempts=3, backoff_s=0.01)
TRUTH = make_demo("BTCUSDT", 1, FIRST, (NOW - FIRST) // 60_000 + 1)


def silent(label: str, done: int, total: int) -> None:
    """진행을 버린다."""


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    with serve(Exchange(TRUTH, NOW)) as running:
        for name, value in environment(running.url).items():
            monkeypatch.setenv(name, value)
        # 이 컴퓨터의 시계가 5분 빠르다: 닫힌 봉인지는 서버의 시계로 가린다.
        monkeypatch.setattr(clock, "now_ms", lambda: NOW // 60_000 * 60_000 + 300_000)
        yield running


def fetch(
    cache: Path,
    start: str = "2024-12-28",
    end: str = "2025-02-05",
    symbol: str = "BINANCE:BTCUSDT",
    **options: Any,
) -> tuple[SymbolStore, list[str]]:
    store = SymbolStore(cache, parse_symbol(symbol))
    notes = download(
        store,
        parse_start(start),
        parse_start(end),
        options.pop("on_progress", silent),
        fix="다른 길",
        **{"options": QUICK, **options},
    )
    return store, notes


def assert_same(store: SymbolStore, start: int, end: int) -> None:
    """캐시의 봉이 거래소의 참값과 모두 같다."""
    stored, truth = store.read(start, end), between(TRUTH, start, end)
    for name in ("open_time", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(truth, name), err_msg=name)


def test_달_zip_하루_zip_REST가_이어져_거래소와_같은_봉이_된다(
    exchange: Exchange, tmp_path: Path
) -> None:
    """2024년은 ms, 2025년은 us인 현물 파일과 REST의 닫힌 봉까지. 움직이는 봉은 버린다."""
    store, notes = fetch(tmp_path)
    assert_same(store, FIRST, NOW // 60_000 * 60_000)
    assert store.manifest().period == (FIRST, parse_start("2025-02-04T10:30"))
    assert not notes
    assert exchange.asked("monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip")
    assert exchange.asked("daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-02-01.zip")
    assert exchange.asked("/api/v3/klines")


def test_다시_부르면_아무것도_받지_않는다(exchange: Exchange, tmp_path: Path) -> None:
    fetch(tmp_path, end="2025-02-04")
    exchange.requests.clear()
    fetch(tmp_path, end="2025-02-04")
    assert exchange.requests == []


def test_거래_규칙을_받는다(exchange: Exchange, tmp_path: Path) -> None:
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    rules = store.manifest().market
    assert (rules.tick_size, rules.step_size, rules.min_notional) == (0.01, 0.00001, 5.0)


def test_선물은_머리글이_있는_zip과_펀딩을_받고_늦은_시각을_반올림한다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.futures = True
    start = parse_start("2025-01-01")
    exchange.funding = [(start + i * 4 * 3_600_000 + i % 7, 0.0001 * i) for i in range(150)]
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01", symbol="BINANCE:BTCUSDT.P")
    assert_same(store, start, parse_start("2025-02-01"))
    funding = store.funding()
    assert funding is not None
    np.testing.assert_array_equal(funding.time, start + np.arange(150) * 4 * 3_600_000)
    np.testing.assert_allclose(funding.rate, 0.0001 * np.arange(150))
    assert store.manifest().market.min_notional == 100.0


def test_펀딩은_달의_처음부터_받고_아직_실리지_않은_때는_다음에_다시_묻는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    """서버의 지금은 10:30:20, 이 컴퓨터의 시계는 5분 빠르다: 10:25부터는 확인하지 않은 것이다."""
    exchange.futures = True
    exchange.funding = [(FIRST + i * 3_600_000, 1e-4) for i in range(2000)]
    asked = {"start": "2025-01-20", "end": "2025-02-05", "symbol": "BINANCE:BTCUSDT.P"}
    store, _ = fetch(tmp_path, **asked)
    assert store.manifest().funding_covered == [(parse_start("2025-01-01"), NOW - 300_000)]
    exchange.requests.clear()
    store, _ = fetch(tmp_path, **asked)
    assert len(exchange.asked("fundingRate")) == 1


def test_REST가_막힌_곳의_펀딩은_달마다의_zip에서_받는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.futures = True
    start = parse_start("2025-01-01")
    exchange.funding = [(start + i * 4 * 3_600_000 + i % 7, 1e-4 * i) for i in range(220)]
    exchange.fail("/fapi/v1/", status=451, times=99)
    store, notes = fetch(tmp_path, start="2025-01-01", symbol="BINANCE:BTCUSDT.P")
    funding = store.funding()
    assert funding is not None
    assert funding.time.tolist() == [start + i * 4 * 3_600_000 for i in range(31 * 6)]
    np.testing.assert_allclose(funding.rate, 1e-4 * np.arange(31 * 6))
    assert "펀딩을 받지 못한 달: 2025-02" in " ".join(notes)


def test_달_파일이_빠뜨린_날은_하루_파일로_그것도_없으면_REST로_채운다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.month_lacks_days = {"2025-01-10", "2025-01-20"}
    exchange.absent = {"2025-01-20"}
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))
    assert exchange.asked("BTCUSDT-1m-2025-01-10.zip")
    rest = [path for path in exchange.asked("/api/v3/klines") if "startTime=0" not in path]
    assert len(rest) == 2, "빠진 하루(1440개)만 REST 두 쪽으로 받는다"


def test_상장보다_앞선_기간은_묻지_않고_알린다(exchange: Exchange, tmp_path: Path) -> None:
    store, notes = fetch(tmp_path, start="2024-06-01", end="2025-01-01")
    assert store.missing(parse_start("2024-06-01"), parse_start("2025-01-01")) == []
    assert not exchange.asked("1m-2024-07")
    assert any("첫 캔들" in note for note in notes)


def test_상장보다_앞서_끝나는_기간은_몇_번을_물어도_첫_캔들을_댄다(
    exchange: Exchange, tmp_path: Path
) -> None:
    for _ in range(2):
        with pytest.raises(DataError, match="캔들이 없습니다") as caught:
            fetch(tmp_path, start="2024-06-01", end="2024-07-01")
        assert "2024-12-28 00:00" in caught.value.cause


def test_429는_Retry_After만큼_쉬고_이어_간다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("1m-2025-01.zip", status=429, headers={"Retry-After": "1"})
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    at = [i for i, path in enumerate(exchange.requests) if "1m-2025-01.zip" in path]
    assert exchange.moments[at[1]] - exchange.moments[at[0]] >= 1.0
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))


def test_쉬어도_거듭_429면_bulk만으로_이어_가며_까닭을_알린다(
    exchange: Exchange, tmp_path: Path
) -> None:
    body = b'{"code":-1003,"msg":"Too much request weight used"}'
    exchange.fail("/api/v3", status=429, headers={"Retry-After": "0"}, body=body, times=99)
    store, notes = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))
    assert "요청을 줄이라고 합니다 (HTTP 429)" in " ".join(notes)


def test_오래_쉬라는_418은_언제_다시_할지_알린다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("1m-2025-01.zip", status=418, headers={"Retry-After": "7200"})
    with pytest.raises(DataError, match="7200초") as caught:
        fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert "120분 뒤" in caught.value.fix


def test_사용량이_한도에_가까우면_쉰다(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(HttpSource, "rest_for", lambda _self, seconds: rests.append(seconds))
    exchange.used_weight = "4799"
    fetch(tmp_path / "a", start="2025-01-01", end="2025-02-01")
    assert not rests
    exchange.used_weight = "4801"
    fetch(tmp_path / "b", start="2025-01-01", end="2025-02-01")
    assert rests
    assert all(0 < seconds <= 60 for seconds in rests)


@pytest.mark.parametrize("kind", ["truncate", "stall", "corrupt", "close"])
def test_한_번_망가진_파일은_다시_받는다(exchange: Exchange, tmp_path: Path, kind: str) -> None:
    """도중에 끊김, 멈춤, 내용이 바뀜, 연결이 닫힘."""
    # 파일을 미리 만들어 두어 서버가 느려서 기다리는 일이 없게 한다.
    exchange.answer("/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip")
    # 첫 요청은 CHECKSUM, 다음이 zip이다: 둘 다 망가뜨린다.
    exchange.fail("BTCUSDT-1m-2025-01.zip", kind, times=2, seconds=1.2)
    options = IMPATIENT if kind == "stall" else QUICK
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01", options=options)
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))


def test_REST의_한_쪽이_멈추면_끊고_다시_묻는다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=17386", "stall", seconds=1.2)
    store, notes = fetch(tmp_path, start="2025-02-04", options=IMPATIENT)
    assert_same(store, parse_start("2025-02-04"), NOW // 60_000 * 60_000)
    assert not notes
    assert exchange.faults[0].times == 0


@pytest.mark.parametrize(
    ("fault", "headers", "body"),
    [
        ("status", {"Content-Encoding": "gzip"}, b"nope"),
        ("drip", {}, b""),
    ],
)
def test_풀리지_않거나_조금씩_흘리는_응답은_끊고_다시_묻는다(
    exchange: Exchange, tmp_path: Path, fault: str, headers: dict[str, str], body: bytes
) -> None:
    exchange.fail("1m-2025-02-03.zip", fault, status=200, headers=headers, body=body, seconds=0.1)
    options = replace(QUICK, longest_response_s=1.0)
    store, notes = fetch(tmp_path, start="2025-02-03", end="2025-02-04", options=options)
    assert_same(store, parse_start("2025-02-03"), parse_start("2025-02-04"))
    assert not notes
    assert len(exchange.asked("2025-02-03.zip.CHECKSUM")) == 2


@pytest.mark.parametrize("body", [b'{"klines": []}', b'[["a", "1"]]', b"[1]", b"<html>"])
def test_모양이_다른_REST의_응답은_한국어로_말한다(
    exchange: Exchange, tmp_path: Path, body: bytes
) -> None:
    for symbol, path in (("BINANCE:BTCUSDT", "/api/v3/klines"), ("UPBIT:BTCKRW", "/v1/candles")):
        exchange.fail(path, status=200, body=body)
        with pytest.raises(DataError, match=r"응답을 (읽을 수 없|보냈)") as caught:
            fetch(tmp_path, symbol=symbol)
        assert "프록시" in caught.value.fix


def test_같은_쪽만_되풀이하는_서버에_붙들리지_않는다(exchange: Exchange, tmp_path: Path) -> None:
    """2월 4일을 물을 때마다 그 앞의 1000개를 준다."""
    page = exchange.answer("/api/v3/klines?symbol=BTCUSDT&startTime=1738000000000")[1]
    exchange.fail("startTime=17386", status=200, body=page, times=99)
    with pytest.raises(DataError, match="읽을 수 없습니다"):
        fetch(tmp_path, start="2025-02-04")


def test_REST가_없는_거울_서버면_bulk만_받는다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("/api/v3/", status=404, times=99)
    store, notes = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))
    assert any("HTTP 404" in note for note in notes)


def test_끝없는_넘김과_틀린_주소는_그렇게_말한다(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.fail("/", status=302, headers={"Location": "/loop"}, times=999)
    with pytest.raises(DataError, match="닿지 못했습니다") as caught:
        fetch(tmp_path)
    assert "끝없이" in caught.value.cause
    for wrong in ("data.example.com", "ftp://example.com", "http://", "http://[x"):
        monkeypatch.setenv("BACKTEST_WIZARD_BINANCE_BULK_URL", wrong)
        with pytest.raises(SettingsError, match="BACKTEST_WIZARD_BINANCE_BULK_URL의 주소"):
            fetch(tmp_path)


def test_아직_오지_않은_기간은_묻지_않고_거절한다(exchange: Exchange, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="아직 오지 않았습니다"):
        fetch(tmp_path, start="2030-01-01", end="2031-01-01")
    assert exchange.requests == []


def test_굵은_봉이_든_캐시에는_이어_받지_않는다(exchange: Exchange, tmp_path: Path) -> None:
    store = SymbolStore(tmp_path, parse_symbol("BINANCE:BTCUSDT"))
    hourly = Candles(*(getattr(TRUTH, name)[::60] for name in Candles.__dataclass_fields__))
    store.merge(between(hourly, FIRST, FIRST + DAY), 3_600_000, (FIRST, FIRST + DAY), "파일 h.csv")
    with pytest.raises(DataError, match="1h 봉이 들어 있어") as caught:
        fetch(tmp_path)
    assert str(store.folder) in caught.value.fix
    assert exchange.requests == []


def test_CHECKSUM이_계속_다르면_거절하고_다른_달은_남아_이어_받는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.fail("1m-2025-01.zip.CHECKSUM", "corrupt", times=3)
    with pytest.raises(DataError, match="CHECKSUM"):
        fetch(tmp_path, end="2025-02-01")
    exchange.requests.clear()
    store, _ = fetch(tmp_path, end="2025-02-01")
    assert_same(store, FIRST, parse_start("2025-02-01"))
    assert len(exchange.asked("1m-2025-01.zip")) == 2


def test_REST만_451이면_bulk로_이어_가고_못_받은_최근을_알린다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.fail("/api/v3/", status=451, times=99)
    store, notes = fetch(tmp_path)
    assert_same(store, FIRST, parse_start("2025-02-04"))
    assert store.manifest().period == (FIRST, parse_start("2025-02-04"))
    assert any("HTTP 451" in note for note in notes)


def test_bulk만_막히면_REST로_받는다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("/data/", status=403, times=99)
    store, notes = fetch(tmp_path, start="2025-01-30", end="2025-02-03")
    assert_same(store, parse_start("2025-01-30"), parse_start("2025-02-03"))
    (note,) = notes
    assert "REST로 받습니다" in note
    assert "HTTP 403" in note


def test_모두_막히면_까닭과_다른_길을_말한다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("/", status=451, times=99)
    with pytest.raises(DataError, match="이 지역의 접속") as caught:
        fetch(tmp_path)
    assert "다른 길" in caught.value.fix


def test_닿지_못하면_곧_알린다(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(DataError, match="닿지 못했습니다"):
        fetch(tmp_path)
    assert time.monotonic() - began < 3


def test_모르는_심볼은_그렇게_말한다(exchange: Exchange, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="모르는 심볼"):
        fetch(tmp_path, symbol="BINANCE:NOPEUSDT")


@pytest.mark.parametrize(
    ("code", "title"), [(-1120, "모르는 시간 단위"), (-1003, "요청이 너무 많")]
)
def test_거래소의_오류_코드를_한국어로_말한다(
    exchange: Exchange, tmp_path: Path, code: int, title: str
) -> None:
    body = f'{{"code":{code},"msg":"x"}}'.encode()
    exchange.fail("/api/v3/klines", status=400, body=body)
    with pytest.raises(DataError, match=title):
        fetch(tmp_path)


def test_다시_올라온_달은_refresh가_알아보고_다시_받는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    raised = TRUTH.close.copy()
    raised[10_000] = TRUTH.high[10_000]
    exchange.candles = Candles(
        TRUTH.open_time, TRUTH.open, TRUTH.high, TRUTH.low, raised, TRUTH.volume, TRUTH.filled
    )
    fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))
    exchange.requests.clear()
    fetch(tmp_path, start="2025-01-01", end="2025-02-01", refresh=True)
    moment = int(TRUTH.open_time[10_000])
    assert store.read(moment, moment + 60_000).close[0] == TRUTH.high[10_000]
    exchange.requests.clear()
    fetch(tmp_path, start="2025-01-01", end="2025-02-01", refresh=True)
    assert len(exchange.asked("2025-01.zip")) == 1, "바뀌지 않은 달은 CHECKSUM만 본다"


def test_멈추면_멎은_파일을_기다리지_않고_끝나며_받은_것은_남는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.fail("1m-2025-01.zip", "stall", times=99, seconds=6)
    calls: list[int] = []

    def stop(label: str, done: int, total: int) -> None:
        calls.append(done)
        if done >= 1:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, on_progress=stop)
    assert time.monotonic() - began < 3
    assert SymbolStore(tmp_path, parse_symbol("BINANCE:BTCUSDT")).manifest().rows > 0


def test_업비트는_새것부터_넘기며_거래_없는_분은_비워_둔다(
    exchange: Exchange, tmp_path: Path
) -> None:
    traded = np.ones(len(TRUTH), dtype=np.bool_)
    traded[100:160] = False
    traded[3000:3400] = False
    exchange.candles = Candles(
        *(getattr(TRUTH, name)[traded] for name in Candles.__dataclass_fields__)
    )
    store, _ = fetch(tmp_path, end="2024-12-31", symbol="UPBIT:BTCKRW")
    end = parse_start("2024-12-31")
    stored, truth = store.read(FIRST, end), between(exchange.candles, FIRST, end)
    np.testing.assert_array_equal(stored.open_time, truth.open_time)
    np.testing.assert_array_equal(stored.close, truth.close)
    assert store.missing(FIRST, end) == []
    assert "market=KRW-BTC" in exchange.requests[0]


def test_업비트의_남은_요청이_하나면_1초_쉰다(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(HttpSource, "rest_for", lambda _self, seconds: rests.append(seconds))
    exchange.remaining = "group=candles; min=1800; sec=2"
    fetch(tmp_path, end="2024-12-29", symbol="UPBIT:BTCKRW")
    assert rests == []
    exchange.remaining = "group=candles; min=1800; sec=1"
    fetch(tmp_path, end="2024-12-30", symbol="UPBIT:BTCKRW")
    assert set(rests) == {1.0}


@pytest.mark.parametrize(
    ("symbol", "title"),
    [("UPBIT:NOPEKRW", "KRW-NOPE 마켓이 없습니다"), ("UPBIT:BTCKRW.P", "무기한 선물이 없습니다")],
)
def test_업비트에_없는_마켓(exchange: Exchange, tmp_path: Path, symbol: str, title: str) -> None:
    with pytest.raises(DataError, match=title):
        fetch(tmp_path, symbol=symbol)
