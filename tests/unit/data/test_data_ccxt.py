"""ccxt로 받는 거래소: 쪽 넘기기, 빈 곳, 쉬라는 응답, 고장의 한국어 오류, 설치되지 않았을 때.

거래소는 ccxt의 규약을 흉내 낸 대역이다. 진짜 ccxt는 설치되어 있을 때 127.0.0.1의 Bybit 꼴 서버로 시험한다.
"""

from __future__ import annotations

import errno
import json
import sys
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from optimize.data import ccxt_market, clock
from optimize.data.ccxt_market import CcxtMarket
from optimize.data.download import download
from optimize.data.store import SymbolStore
from optimize.data.symbols import parse_symbol
from optimize.errors import DataError

MINUTE = 60_000
START = 1_704_067_200_000


class BaseError(Exception): ...


class ExchangeError(BaseError): ...


class BadSymbol(ExchangeError): ...  # noqa: N818


class NetworkError(BaseError): ...


class RateLimitExceeded(NetworkError): ...  # noqa: N818


class DDoSProtection(NetworkError): ...  # noqa: N818


CCXT = SimpleNamespace(
    BaseError=BaseError, ExchangeError=ExchangeError, BadSymbol=BadSymbol,
    NetworkError=NetworkError, RateLimitExceeded=RateLimitExceeded, DDoSProtection=DDoSProtection,
    exchanges=["bybit"], __version__="대역",
)  # fmt: skip


class FakeExchange:
    """분마다 한 봉, gaps의 분은 없다. cap: 한 번에 주는 봉. newest: 창의 앞이 아니라 뒤를 준다."""

    name = "Bybit"
    precisionMode = 4  # noqa: N815 — ccxt의 이름
    has = {"fetchFundingRateHistory": True}  # noqa: RUF012
    features = {"spot": {"fetchOHLCV": {"limit": 100}}, "swap": {"linear": None}}  # noqa: RUF012

    def __init__(
        self, *, gaps: set[int] = frozenset(), cap: int = 100, newest: bool = False
    ) -> None:  # type: ignore[assignment]
        self.gaps, self.cap, self.newest = gaps, cap, newest
        self.minutes = 400
        self.asked: list[tuple[int, int]] = []
        self.faults: list[Exception] = []
        self.last_response_headers: dict[str, str] = {}

    def load_markets(self) -> dict[str, Any]:
        spot = {"symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "spot": True, "swap": False,
                "precision": {"price": 0.1, "amount": 1e-6}, "limits": {"cost": {"min": 5}}}  # fmt: skip
        swap = {**spot, "symbol": "BTC/USDT:USDT", "spot": False, "swap": True, "settle": "USDT"}
        inverse = {**swap, "symbol": "BTC/USDT:BTC", "settle": "BTC"}
        return {row["symbol"]: row for row in (inverse, spot, swap)}  # type: ignore[misc]

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        self.asked.append(((since - START) // MINUTE, limit))
        if self.faults:
            raise self.faults.pop(0)
        first = (since - START) // MINUTE
        there = [k for k in range(max(first, 0), self.minutes) if k not in self.gaps]
        if self.newest:
            there = [k for k in there if k < first + limit][-self.cap :]
        else:
            there = there[: min(limit, self.cap)]
        return [[START + k * MINUTE, k + 1.0, k + 2.0, k + 0.5, k + 1.5, 10.0 + k] for k in there]

    def fetch_funding_rate_history(
        self, symbol: str, since: int, limit: int
    ) -> list[dict[str, Any]]:
        rows = [
            {"timestamp": START + k * 60 * MINUTE + 7, "fundingRate": 1e-4 * k} for k in range(6)
        ]
        return [row for row in rows if row["timestamp"] >= since][:4]


@pytest.fixture(autouse=True)
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """지금은 399분 20초: 마지막 봉(399)은 아직 움직인다. 기다림은 재지 않고 적는다."""
    monkeypatch.setattr(clock, "now_ms", lambda: START + 399 * MINUTE + 20_000)


class Waits(threading.Event):
    """기다린 초를 적고 곧 돌아온다."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return False


def market(
    exchange: FakeExchange, symbol: str = "BYBIT:BTCUSDT", waits: Waits | None = None
) -> CcxtMarket:
    return CcxtMarket(parse_symbol(symbol), CCXT, exchange, "길", waits or Waits())


def minutes(got: Any) -> list[int]:
    return ((got.open_time - START) // MINUTE).tolist()


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("cap", [100, 40])
def test_쪽을_넘겨_빠짐없이_받고_움직이는_봉은_버린다(cap: int, newest: bool) -> None:
    """거래소가 청한 것보다 적게, 또는 창의 뒤쪽만 주어도 빠지는 봉이 없다."""
    got, until = market(FakeExchange(cap=cap, newest=newest)).rest_candles(
        START, START + 500 * MINUTE
    )
    assert minutes(got) == list(range(399))
    assert until == START + 399 * MINUTE
    assert got.close[7] == 8.5


def test_거래가_없던_분은_빠진_채로_끝까지_간다() -> None:
    gaps = set(range(10, 15)) | set(range(120, 290)) | {0}
    exchange = FakeExchange(gaps=gaps)
    got, _ = market(exchange).rest_candles(START, START + 399 * MINUTE)
    assert minutes(got) == [k for k in range(399) if k not in gaps]
    assert len(exchange.asked) < 20


def test_이_컴퓨터의_시계가_빨라도_서버의_시계로_움직이는_봉을_버린다() -> None:
    exchange = FakeExchange()
    asking = market(exchange)
    exchange.last_response_headers = {"date": formatdate(START / 1000 + 397 * 60 + 20, usegmt=True)}
    got, until = asking.rest_candles(START, START + 500 * MINUTE)
    assert minutes(got) == list(range(397))
    assert until == START + 397 * MINUTE


def test_쉬라면_그만큼_쉬고_다시_묻는다() -> None:
    exchange, waits = FakeExchange(), Waits()
    asking = market(exchange, waits=waits)
    exchange.last_response_headers = {"retry-after": "7"}
    exchange.faults = [RateLimitExceeded("429"), DDoSProtection("418")]
    got, _ = asking.rest_candles(START, START + 10 * MINUTE)
    assert len(got) == 10
    assert waits.seconds == [7.0, 7.0]


def test_오래_쉬라면_알리고_멈춘다() -> None:
    exchange = FakeExchange()
    asking = market(exchange)
    exchange.last_response_headers = {"Retry-After": "3600"}
    exchange.faults = [RateLimitExceeded("429")]
    with pytest.raises(DataError, match="3600초 동안 요청을 막았습니다"):
        asking.rest_candles(START, START + MINUTE)


@pytest.mark.parametrize(
    ("fault", "times", "expected"),
    [
        (NetworkError("bybit GET https://x 503 Service Unavailable"), 5, "닿지 못했습니다"),
        (NetworkError("bybit GET https://x 451 Restricted"), 1, "지역의 접속을 막았습니다"),
        (BadSymbol("bybit does not have market"), 1, "모르는 심볼"),
        (ExchangeError("bybit {code: 10001}"), 1, "오류로 답했습니다"),
    ],
)  # fmt: skip
def test_고장은_한국어로_까닭을_댄다(fault: Exception, times: int, expected: str) -> None:
    exchange = FakeExchange()
    asking = market(exchange)
    exchange.faults = [fault] * 9
    with pytest.raises(DataError) as caught:
        asking.rest_candles(START, START + MINUTE)
    assert expected in str(caught.value)
    assert len(exchange.asked) == times


def test_잠깐의_고장은_다시_묻는다() -> None:
    exchange, waits = FakeExchange(), Waits()
    asking = market(exchange, waits=waits)
    exchange.faults = [NetworkError("timeout"), NetworkError("timeout")]
    assert len(asking.rest_candles(START, START + 10 * MINUTE)[0]) == 10
    assert waits.seconds == [1.0, 2.0]


def test_이어지지_않는_길은_한_번만_더_묻고_까닭을_댄다() -> None:
    """ccxt는 까닭을 글에 적지 않는다: 예외의 원인에서 찾는다."""
    fault = NetworkError("bybit GET https://x")
    fault.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    exchange, waits = FakeExchange(), Waits()
    asking = market(exchange, waits=waits)
    exchange.faults = [fault] * 9
    with pytest.raises(DataError, match="닿지 못했습니다") as caught:
        asking.rest_candles(START, START + MINUTE)
    assert "연결이 거절되었습니다" in caught.value.cause
    assert waits.seconds == [1.0]


def test_심볼의_시장을_찾고_단위와_펀딩을_읽는다() -> None:
    spot, swap = market(FakeExchange()), market(FakeExchange(), "BYBIT:BTCUSDT.P")
    assert (spot._market["symbol"], swap._market["symbol"]) == ("BTC/USDT", "BTC/USDT:USDT")
    assert (spot.page, swap.page) == (100, 500)
    assert (spot.market_rules().tick_size, spot.market_rules().step_size) == (0.1, 1e-6)
    assert spot.market_rules().min_notional == 5.0
    funding = swap.rest_funding(START, START + 399 * MINUTE)
    assert funding is not None
    np.testing.assert_array_equal(
        funding.time, START + 60 * MINUTE * np.arange(6)
    )  # 7 ms 늦은 것을 맞춘다
    np.testing.assert_allclose(funding.rate, 1e-4 * np.arange(6))
    with pytest.raises(DataError, match="DOGEUSDT이") as caught:
        market(FakeExchange(), "BYBIT:DOGEUSDT")
    assert ".P" in caught.value.fix


def test_캐시에_들어가고_다음에는_빠진_것만_묻는다(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = FakeExchange()
    monkeypatch.setattr("optimize.data.download.open_exchange", lambda *_: (CCXT, exchange))
    store = SymbolStore(tmp_path, parse_symbol("BYBIT:BTCUSDT.P"))
    quiet = lambda *_: None  # noqa: E731
    assert download(store, START, START + 200 * MINUTE, quiet, fix="길") == []
    manifest = store.manifest()
    assert (manifest.rows, manifest.source) == (200, "Bybit 무기한 선물 (ccxt)")
    assert manifest.market.tick_size == 0.1
    assert store.funding() is not None
    before = len(exchange.asked)
    assert download(store, START, START + 200 * MINUTE, quiet, fix="길") == []
    assert len(exchange.asked) == before
    download(store, START, START + 300 * MINUTE, quiet, fix="길")
    assert exchange.asked[before:] == [(200, 100)]


def test_설치되지_않았으면_설치할_명령을_댄다(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    store = SymbolStore(tmp_path, parse_symbol("OKX:BTCUSDT"))
    with pytest.raises(DataError, match="ccxt가 설치되어 있지 않습니다") as caught:
        download(store, START, START + MINUTE, lambda *_: None, fix="다른 길")
    assert "pip install" in caught.value.fix
    assert f"{sys.executable}" in caught.value.fix
    assert "'ccxt>=" in caught.value.fix
    assert "다른 길" in caught.value.fix


def test_ccxt가_모르는_거래소는_이름을_댄다(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", CCXT)  # type: ignore[arg-type]
    store = SymbolStore(tmp_path, parse_symbol("NASDAQ:AAPL"))
    with pytest.raises(DataError, match="NASDAQ에서는 내려받을 수 없습니다") as caught:
        download(store, START, START + MINUTE, lambda *_: None, fix="길")
    assert "인가요" not in caught.value.fix


@pytest.mark.parametrize("installed", [True, False])
def test_거래소의_오타는_바로잡은_심볼을_묻는다(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ccxt를 설치하거나 다른 거래소를 고르게 하기 전에."""
    monkeypatch.setitem(sys.modules, "ccxt", CCXT if installed else None)  # type: ignore[arg-type]
    store = SymbolStore(tmp_path, parse_symbol("BINACE:BTCUSDT.P"))
    with pytest.raises(DataError) as caught:
        download(store, START, START + MINUTE, lambda *_: None, fix="길")
    assert caught.value.fix.startswith("혹시 BINANCE:BTCUSDT.P인가요?\n")


class BybitHandler(BaseHTTPRequestHandler):
    """Bybit v5의 market/instruments-info, market/kline, market/time."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/kline"):
            first, limit = int(query["start"]), int(query.get("limit", 200))
            last = min(int(query.get("end", first + limit * MINUTE)), START + 399 * MINUTE)
            times = list(range(-(-first // MINUTE) * MINUTE, last + 1, MINUTE))[:limit]
            rows = [[str(t), "1", "2", "0.5", "1.5", "3", "4"] for t in reversed(times)]
            result: Any = {"list": rows}
        elif parts.path.endswith("/instruments-info"):
            spot = {"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading",
                    "lotSizeFilter": {"basePrecision": "0.000001", "minOrderAmt": "5", "minOrderQty": "0.00001",
                                      "maxOrderQty": "100", "quotePrecision": "0.01", "maxOrderAmt": "1e7"},
                    "priceFilter": {"tickSize": "0.01"}}  # fmt: skip
            result = {"category": "spot", "list": [spot] if query["category"] == "spot" else []}
        else:
            result = {"list": []}
        body = json.dumps({"retCode": 0, "retMsg": "OK", "result": result, "time": START}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.filterwarnings("ignore")
def test_진짜_ccxt가_127_0_0_1의_Bybit에서_받는다(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ccxt", reason="ccxt(선택 묶음)가 설치되어 있지 않습니다")
    server = ThreadingHTTPServer(("127.0.0.1", 0), BybitHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("BACKTEST_WIZARD_CCXT_URL", f"http://127.0.0.1:{server.server_port}")
    try:
        store = SymbolStore(tmp_path, parse_symbol("BYBIT:BTCUSDT"))
        download(store, START, START + 300 * MINUTE, lambda *_: None, fix="길")
    finally:
        server.shutdown()
        server.server_close()
    manifest = store.manifest()
    assert (manifest.rows, manifest.period) == (300, (START, START + 300 * MINUTE))
    assert manifest.market.tick_size == 0.01


def test_주소의_앞만_바꾼다() -> None:
    urls = {"public": "https://api.{hostname}", "v1": {"rest": "https://a.b/api/v1"}}
    assert ccxt_market._moved(urls, "http://127.0.0.1:1") == {
        "public": "http://127.0.0.1:1",
        "v1": {"rest": "http://127.0.0.1:1/api/v1"},
    }
