"""그 밖의 거래소: ccxt의 통일된 `fetch_ohlcv`로 1분봉을 받는다(선택 묶음 `ccxt`).

`BYBIT:BTCUSDT` 현물, `OKX:BTCUSDT.P` 무기한 선물(호가 통화로 정산하는 것)처럼 쓴다. 거래소의 이름은 ccxt의
것이며 TradingView의 다른 이름(GATEIO, HUOBI)도 알아듣는다. 요청의 간격은 ccxt가 거래소마다 지킨다.
거래소는 한 번에 주는 봉의 수도, 빈 분을 다루는 법도 다르다: 앞이 빈 채로 오면 그 빈 곳을 한 번 더 묻고,
그래도 없으면 거래가 없던 분으로 본다(준비할 때 평평하게 채운다).
주소는 환경 변수 BACKTEST_WIZARD_CCXT_URL로 바꿀 수 있다(시험, 사내 거울 서버).
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import numpy as np

from optimize.data import clock
from optimize.data.dataset import Candles, FundingSchedule
from optimize.data.files import tidy_funding
from optimize.data.http import Cancelled, UnreachableError, server_time_ms
from optimize.data.manifest import MarketRules
from optimize.data.quality import from_rows
from optimize.data.reasons import is_lasting, known_reason
from optimize.data.symbols import Symbol, likely_symbol
from optimize.data.timeframes import MINUTE_MS
from optimize.errors import DataError

_ALIASES = {"GATEIO": "gate", "HUOBI": "htx"}
_PAGE = 500
_FUNDING_PAGE = 100
_ATTEMPTS = 5
_BACKOFF_S = 1.0
_LONGEST_REST_S = 300.0
_TICK_SIZE = 4  # ccxt.TICK_SIZE: precision이 자릿수가 아니라 단위다
_Answer = TypeVar("_Answer")
Row = list[float]


def load_ccxt(symbol: Symbol, fix: str) -> Any:
    """ccxt. 설치되어 있지 않으면 DataError(설치할 명령을 댄다)."""
    try:
        return importlib.import_module("ccxt")
    except ImportError as error:
        raise DataError(
            f"{symbol.exchange}의 캔들은 ccxt로 받는데 ccxt가 설치되어 있지 않습니다",
            "내려받기를 스스로 다루는 거래소는 BINANCE와 UPBIT이고, 나머지는 ccxt를 씁니다"
            + ("" if isinstance(error, ModuleNotFoundError) else f"\n{error}"),
            f"{_typo_hint(symbol)}설치: {_install_command()}\n{fix}",
        ) from None


def _typo_hint(symbol: Symbol) -> str:
    likely = likely_symbol(symbol)
    return f"혹시 {likely}인가요?\n" if likely else ""


def _install_command() -> str:
    """이 환경에 설치하는 명령. uv로 만든 .venv에는 pip가 없다."""
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {shlex.quote(sys.executable)} 'ccxt>=4.5'"
    return f"{shlex.quote(sys.executable)} -m pip install 'ccxt>=4.5'"


def open_exchange(symbol: Symbol, fix: str) -> tuple[Any, Any]:
    """(ccxt, 그 거래소). ccxt가 모르는 거래소면 DataError."""
    ccxt = load_ccxt(symbol, fix)
    name = _ALIASES.get(symbol.exchange, symbol.exchange.lower())
    if name not in ccxt.exchanges:
        raise DataError(
            f"{symbol.exchange}에서는 내려받을 수 없습니다",
            f"ccxt {ccxt.__version__}이(가) 모르는 거래소입니다",
            f"{_typo_hint(symbol)}거래소의 이름을 확인하세요. 예: BYBIT, OKX, BITGET, KUCOIN\n{fix}",
        )
    exchange = getattr(ccxt, name)({"enableRateLimit": True, "timeout": 20_000})
    exchange.requests_trust_env = True  # HTTPS_PROXY를 따른다
    replaced = os.environ.get("BACKTEST_WIZARD_CCXT_URL")
    if replaced:
        exchange.urls = {**exchange.urls, "api": _moved(exchange.urls["api"], replaced.rstrip("/"))}
    return ccxt, exchange


def _moved(urls: Any, base: str) -> Any:
    """주소의 앞(호스트)만 바꾼다."""
    if isinstance(urls, dict):
        return {key: _moved(value, base) for key, value in urls.items()}
    return base + "/".join(["", *str(urls).split("/")[3:]]).rstrip("/")


class CcxtMarket:
    """한 종목. ccxt: 예외의 자리(모듈). exchange: 연 거래소. 한 thread에서만 쓴다."""

    def __init__(
        self, symbol: Symbol, ccxt: Any, exchange: Any, fix: str, cancel: threading.Event
    ) -> None:
        self.symbol = symbol
        self.fix = fix
        self._ccxt = ccxt
        self._exchange = exchange
        self._cancel = cancel
        self.label = f"{exchange.name} {'무기한 선물' if symbol.is_perpetual else '현물'} (ccxt)"
        self._market = self._find()
        self.page = self._page_size()

    def _find(self) -> dict[str, Any]:
        """이 종목의 시장. 없으면 DataError."""
        markets = self._ask(self._exchange.load_markets)
        wanted = "swap" if self.symbol.is_perpetual else "spot"
        for market in markets.values():
            name = f"{market.get('base')}{market.get('quote')}".upper()
            settled = not self.symbol.is_perpetual or market.get("settle") == market.get("quote")
            if name == self.symbol.ticker and market.get(wanted) and settled:
                found: dict[str, Any] = market
                return found
        raise DataError(
            f"{self.label}에 {self.symbol.ticker}이(가) 없습니다",
            f"시장 {len(markets):,}개를 보았습니다",
            f"심볼의 철자를 확인하세요. 무기한 선물은 끝에 .P를 붙입니다.\n{self.fix}",
        )

    def _page_size(self) -> int:
        """한 번에 묻는 봉의 수. 거래소가 밝히지 않으면 500."""
        features = getattr(self._exchange, "features", None) or {}
        kind = features.get("swap" if self.symbol.is_perpetual else "spot") or {}
        if self.symbol.is_perpetual:
            kind = kind.get("linear", kind) or {}
        limit = (kind.get("fetchOHLCV") or {}).get("limit")
        return int(limit) if limit else _PAGE

    def rest_candles(self, start_ms: int, end_ms: int) -> tuple[Candles, int]:
        """[start_ms, end_ms)의 닫힌 1분봉과 확인된 끝(UTC ms). 아직 움직이는 봉은 버린다."""
        now = clock.now_ms()
        last = min(end_ms, now - now % MINUTE_MS)
        rows: list[Row] = []
        cursor = start_ms
        while cursor < last:
            edge = min(cursor + self.page * MINUTE_MS, last)
            found = self._window(cursor, edge)
            rows += found
            cursor = int(found[-1][0]) + MINUTE_MS if found else edge
        headers = self._headers()
        if "Date" in headers:
            # 이 컴퓨터의 시계가 빠를 수 있다: 닫힌 봉인지는 서버의 시계로 가린다.
            told = server_time_ms(headers)
            last = max(min(last, told - told % MINUTE_MS), start_ms)
        return _to_candles([row for row in rows if row[0] < last]), last

    def _window(self, start: int, end: int) -> list[Row]:
        """[start, end)의 봉들, 시간순. 앞이 비었으면 그곳을 다시 묻는다."""
        limit = (end - start) // MINUTE_MS
        got = self._ask(
            lambda: self._exchange.fetch_ohlcv(self._market["symbol"], "1m", start, limit)
        )
        inside = sorted((row for row in got if start <= row[0] < end), key=lambda row: row[0])
        if inside and inside[0][0] > start:
            return self._window(start, int(inside[0][0])) + inside
        return inside

    def rest_funding(self, start_ms: int, end_ms: int) -> FundingSchedule | None:
        """[start_ms, end_ms)의 펀딩 기록. 거래소가 주지 않으면 None."""
        if not self._exchange.has.get("fetchFundingRateHistory"):
            return None
        times: list[int] = []
        rates: list[float] = []
        cursor = start_ms
        while cursor < end_ms:
            since = cursor
            page = self._ask(
                lambda since=since: self._exchange.fetch_funding_rate_history(  # type: ignore[misc]
                    self._market["symbol"], since, _FUNDING_PAGE
                )
            )
            new = sorted(
                (int(row["timestamp"]), float(row["fundingRate"]))
                for row in page
                if cursor <= row["timestamp"] < end_ms
            )
            if not new:
                break
            times += [moment for moment, _ in new]
            rates += [rate for _, rate in new]
            cursor = times[-1] + 1
        return tidy_funding(np.array(times, dtype=np.int64), np.array(rates, dtype=np.float64))

    def market_rules(self) -> MarketRules:
        """호가 단위, 수량 단위, 최소 주문 금액. 거래소가 밝히지 않은 것은 None."""
        precision = self._market.get("precision") or {}
        cost = ((self._market.get("limits") or {}).get("cost") or {}).get("min")
        return MarketRules(
            self._unit(precision.get("price")),
            self._unit(precision.get("amount")),
            float(cost) if cost else None,
        )

    def _unit(self, precision: Any) -> float | None:
        if precision is None:
            return None
        if getattr(self._exchange, "precisionMode", _TICK_SIZE) == _TICK_SIZE:
            return float(precision) or None
        return float(10.0 ** -int(precision))

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        """묻는다. 잠깐의 실패와 쉬라는 응답은 기다려 다시 묻는다. 나머지는 한국어 DataError."""
        ccxt, last = self._ccxt, ""
        for attempt in range(_ATTEMPTS):
            if self._cancel.is_set():
                raise Cancelled
            try:
                return call()
            except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as error:
                last = str(error)
                self._rest(self._retry_after() or _BACKOFF_S * 2**attempt)
            except ccxt.NetworkError as error:
                last = ": ".join(filter(None, (known_reason(error), str(error))))
                if _blocked(last) or (attempt and is_lasting(error)):
                    break
                self._rest(_BACKOFF_S * 2**attempt)
            except ccxt.BadSymbol as error:
                raise DataError(
                    f"{self.label}: 모르는 심볼입니다", _short(error), "심볼의 철자를 확인하세요"
                ) from error
            except ccxt.BaseError as error:
                raise DataError(
                    f"{self.label}이(가) 오류로 답했습니다",
                    f"{type(error).__name__}: {_short(error)}",
                    self.fix,
                ) from error
        raise UnreachableError(
            f"{self.label}에 닿지 못했습니다",
            f"{_blocked(last)}{last[:200]}",
            f"인터넷 연결을 확인하고 잠시 뒤 다시 실행하세요. 받은 것은 캐시에 남아 있습니다.\n{self.fix}",
        )

    def _headers(self) -> httpx.Headers:
        """마지막 응답의 머리. ccxt가 남기지 않았으면 비었다."""
        kept = getattr(self._exchange, "last_response_headers", None) or {}
        return httpx.Headers({str(name): str(value) for name, value in kept.items()})

    def _retry_after(self) -> float:
        try:
            return max(0.0, float(self._headers().get("Retry-After", "0")))
        except ValueError:
            return 0.0

    def _rest(self, seconds: float) -> None:
        if seconds > _LONGEST_REST_S:
            raise DataError(
                f"{self.label}이(가) {seconds:.0f}초 동안 요청을 막았습니다",
                "짧은 때에 너무 많이 물었습니다",
                f"{seconds / 60:.0f}분 뒤에 같은 명령을 다시 실행하세요. 받은 것은 캐시에 남아 있습니다",
            )
        if self._cancel.wait(seconds):
            raise Cancelled


def _blocked(message: str) -> str:
    """지역 제한이나 거절이면 그 말, 아니면 빈 글. ccxt는 상태를 글에 적는다."""
    if " 451 " in message:
        return "이 지역의 접속을 막았습니다(HTTP 451): "
    return "접속을 거절했습니다(HTTP 403): " if " 403 " in message else ""


def _short(error: Exception) -> str:
    return str(error)[:200]


def _to_candles(rows: list[Row]) -> Candles:
    return from_rows([int(row[0]) for row in rows], [row[1:6] for row in rows])
