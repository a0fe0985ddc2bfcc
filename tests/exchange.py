"""127.0.0.1에서 Binance와 Upbit의 형식을 말하는 시험 서버. 고장도 낸다.

`Exchange.fail(조각, …)`은 경로(와 query)에 그 조각이 든 요청을 정한 횟수만큼 망친다.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from optimize.data.dataset import Candles
from optimize.data.period import month_start, next_month
from optimize.data.quality import between

DAY_MS = 86_400_000
MICROSECONDS_FROM = 1_735_689_600_000  # 2025-01-01
KLINE_HEADER = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
    "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip


@dataclass
class Fault:
    """망칠 요청. kind: status | truncate | stall | drip | corrupt | close.

    stall은 반을 보내고 seconds초 멎고, drip은 seconds초마다 한 바이트씩 흘린다.
    """

    fragment: str
    kind: str
    times: int
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0


@dataclass
class Exchange:
    """서버의 상태. candles: 거래소가 아는 참된 1분봉. now_ms: 서버의 지금(Date 머리)."""

    candles: Candles
    now_ms: int
    futures: bool = False
    absent: set[str] = field(default_factory=set)
    month_lacks_days: set[str] = field(default_factory=set)
    funding: list[tuple[int, float]] = field(default_factory=list)
    used_weight: str = ""
    remaining: str = ""
    requests: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, fragment: str, kind: str = "status", times: int = 1, **options: Any) -> None:
        """조각이 든 요청을 times번 망친다."""
        self.faults.append(Fault(fragment, kind, times, **options))

    def asked(self, fragment: str) -> list[str]:
        """조각이 든 요청들."""
        return [path for path in self.requests if fragment in path]

    def take_fault(self, path: str) -> Fault | None:
        with self.lock:
            self.requests.append(path)
            self.moments.append(time.monotonic())
            for fault in self.faults:
                if fault.times > 0 and fault.fragment in path:
                    fault.times -= 1
                    return fault
        return None

    def answer(self, path: str) -> tuple[int, bytes]:
        """(상태, 내용)."""
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/data/"):
            return self._bulk(parts.path)
        routes = {
            "/api/v3/klines": lambda: self._klines(query, 1000),
            "/fapi/v1/klines": lambda: self._klines(query, 1500),
            "/api/v3/exchangeInfo": self._exchange_info,
            "/fapi/v1/exchangeInfo": self._exchange_info,
            "/fapi/v1/fundingRate": lambda: self._funding(query),
            "/v1/candles/minutes/1": lambda: self._upbit(query),
            "/api/v3/ping": lambda: (200, b"{}"),
            "/fapi/v1/ping": lambda: (200, b"{}"),
            "/v1/market/all": lambda: (200, b"[]"),
        }
        route = routes.get(parts.path)
        return route() if route else (404, b"")

    def _bulk(self, path: str) -> tuple[int, bytes]:
        name = path.rsplit("/", 1)[1]
        wants_checksum = name.endswith(".CHECKSUM")
        name = name.removesuffix(".CHECKSUM")
        period = name.removesuffix(".zip").split("-1m-")[-1]
        if "-fundingRate-" in name:
            return self._funding_file(name, wants_checksum=wants_checksum)
        if period in self.absent or "-1m-" not in name:
            return 404, b""
        if period.count("-") == 1:
            start, end = month_start(period), month_start(next_month(period))
        else:
            start = int(datetime.fromisoformat(period).replace(tzinfo=UTC).timestamp() * 1000)
            end = start + DAY_MS
        if end > self.now_ms:
            return 404, b""
        part = between(self.candles, start, end)
        if period.count("-") == 1:
            days = np.array([format_day(t) not in self.month_lacks_days for t in part.open_time])
            part = Candles(*(getattr(part, n)[days] for n in Candles.__dataclass_fields__))
        if not len(part):
            return 404, b""
        body = make_zip(name.replace(".zip", ".csv"), part, header=self.futures)
        return 200, checksum(body, name) if wants_checksum else body

    def _funding_file(self, name: str, *, wants_checksum: bool) -> tuple[int, bytes]:
        month = name.removesuffix(".zip").split("-fundingRate-")[-1]
        start, end = month_start(month), month_start(next_month(month))
        rows = [f"{moment},4,{rate:.8f}" for moment, rate in self.funding if start <= moment < end]
        if end > self.now_ms or not rows:
            return 404, b""
        lines = ["calc_time,funding_interval_hours,last_funding_rate", *rows]
        body = zip_csv(name.replace(".zip", ".csv"), "\n".join(lines).encode())
        return 200, checksum(body, name) if wants_checksum else body

    def _klines(self, query: dict[str, str], limit: int) -> tuple[int, bytes]:
        if query["symbol"] != "BTCUSDT":
            return 400, b'{"code":-1121,"msg":"Invalid symbol."}'
        start, end = int(query["startTime"]), int(query.get("endTime", self.now_ms))
        count = min(limit, int(query.get("limit", limit)))
        # 끝을 포함하고, 아직 움직이는 봉도 준다.
        part = between(self.candles, start, min(end, self.now_ms) + 1)
        rows = [
            [
                int(t),
                f"{o}",
                f"{h}",
                f"{low}",
                f"{c}",
                f"{v}",
                int(t) + 59_999,
                "0",
                1,
                "0",
                "0",
                "0",
            ]
            for t, o, h, low, c, v in zip(
                *(getattr(part, n)[:count] for n in KLINE_HEADER[:6]), strict=True
            )
        ]
        return 200, json.dumps(rows).encode()

    def _exchange_info(self) -> tuple[int, bytes]:
        notional = (
            {"filterType": "MIN_NOTIONAL", "notional": "100"}
            if self.futures
            else {"filterType": "NOTIONAL", "minNotional": "5.00000000"}
        )
        filters = [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "stepSize": "0.00001000"},
            notional,
        ]
        return 200, json.dumps({"symbols": [{"symbol": "BTCUSDT", "filters": filters}]}).encode()

    def _funding(self, query: dict[str, str]) -> tuple[int, bytes]:
        start, end = int(query["startTime"]), int(query["endTime"])
        rows = [
            {"symbol": "BTCUSDT", "fundingTime": moment, "fundingRate": f"{rate:.8f}"}
            for moment, rate in self.funding
            if start <= moment <= end
        ]
        return 200, json.dumps(rows[: int(query["limit"])]).encode()

    def _upbit(self, query: dict[str, str]) -> tuple[int, bytes]:
        if query["market"] != "KRW-BTC":
            return 404, b'{"error":{"name":404,"message":"Code not found"}}'
        end = int(datetime.fromisoformat(query["to"]).timestamp() * 1000)
        part = between(self.candles, 0, min(end, self.now_ms + 1))
        rows = [
            {
                "market": "KRW-BTC",
                "candle_date_time_utc": datetime.fromtimestamp(part.open_time[i] / 1000, UTC)
                .replace(tzinfo=None)
                .isoformat(),
                "opening_price": part.open[i],
                "high_price": part.high[i],
                "low_price": part.low[i],
                "trade_price": part.close[i],
                "candle_acc_trade_volume": part.volume[i],
                "candle_acc_trade_price": 0.0,
                "unit": 1,
            }
            for i in range(len(part) - 1, max(-1, len(part) - 1 - int(query["count"])), -1)
        ]
        return 200, json.dumps(rows).encode()


def format_day(moment_ms: int) -> str:
    """`2024-01-05`."""
    return datetime.fromtimestamp(int(moment_ms) / 1000, UTC).strftime("%Y-%m-%d")


_ZIPS: dict[tuple[str, bool, int], bytes] = {}


def make_zip(name: str, candles: Candles, *, header: bool) -> bytes:
    """거래소의 bulk zip. 현물은 머리글이 없고 2025년부터 마이크로초다. 한 번 만든 것은 다시 쓴다."""
    key = (name, header, zlib.crc32(candles.close) ^ len(candles))
    if key not in _ZIPS:
        _ZIPS[key] = _pack(name, candles, header=header)
    return _ZIPS[key]


def _pack(name: str, candles: Candles, *, header: bool) -> bytes:
    scale = 1000 if not header and candles.open_time[0] >= MICROSECONDS_FROM else 1
    zeros = np.zeros(len(candles), dtype=np.int64)
    columns = dict.fromkeys(KLINE_HEADER, zeros)
    columns |= {column: getattr(candles, column) for column in KLINE_HEADER[1:6]}
    columns["open_time"] = candles.open_time * scale
    columns["close_time"] = (candles.open_time + 60_000) * scale - 1
    buffer = io.BytesIO()
    pa_csv.write_csv(pa.table(columns), buffer, pa_csv.WriteOptions(include_header=header))
    return zip_csv(name, buffer.getvalue())


def zip_csv(name: str, content: bytes) -> bytes:
    """csv 하나가 든 zip. 같은 내용이면 같은 바이트다."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
    return packed.getvalue()


def checksum(body: bytes, name: str) -> bytes:
    """sha256sum 꼴."""
    return f"{hashlib.sha256(body).hexdigest()}  {name}\n".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    exchange: Exchange

    def log_message(self, *args: object) -> None:
        """조용히."""

    def do_GET(self) -> None:
        fault = self.exchange.take_fault(self.path)
        try:
            if fault is None:
                self._send(*self.exchange.answer(self.path))
            else:
                self._misbehave(fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _misbehave(self, fault: Fault) -> None:
        if fault.kind == "status":
            self._send(fault.status, fault.body, fault.headers)
            return
        status, body = self.exchange.answer(self.path)
        if fault.kind == "corrupt":
            self._send(status, b"0" * 64 + body[64:])
            return
        if fault.kind == "truncate":
            self._send(status, body[: len(body) // 2], length=len(body))
        elif fault.kind == "drip":
            self._send(status, b"", length=len(body))
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(fault.seconds)
        elif fault.kind == "stall":
            self._send(status, body[: len(body) // 2], length=len(body))
            self.wfile.flush()
            time.sleep(fault.seconds)
        self.close_connection = True

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response_only(status)
        self.send_header("Date", formatdate(self.exchange.now_ms / 1000, usegmt=True))
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if self.exchange.used_weight:
            self.send_header("X-MBX-USED-WEIGHT-1M", self.exchange.used_weight)
        if self.exchange.remaining:
            self.send_header("Remaining-Req", self.exchange.remaining)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


@contextmanager
def serve(exchange: Exchange) -> Iterator[Exchange]:
    """서버를 띄우고 끝나면 닫는다."""
    handler = type("Handler", (_Handler,), {"exchange": exchange})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    exchange.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield exchange
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def environment(url: str) -> dict[str, str]:
    """모든 거래소의 주소를 시험 서버로 돌리는 환경 변수."""
    names = ("BINANCE_BULK", "BINANCE_SPOT", "BINANCE_FUTURES", "UPBIT")
    return {f"BACKTEST_WIZARD_{name}_URL": url for name in names} | {
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
