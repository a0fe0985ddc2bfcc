"""Upbit 분봉. `UPBIT:BTCKRW` → `KRW-BTC`.

`/v1/candles/minutes/1`: 한 번에 200개, 새것부터, `to`는 포함하지 않는 UTC다. 거래가 없는 분은 빠지며
(준비할 때 평평하게 채운다) `Remaining-Req`의 sec가 이번 초에 남은 요청 수다(초당 10번).
주소는 `endpoints`에 있고 환경 변수로 바꿀 수 있다.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np

from optimize.data.dataset import Candles
from optimize.data.endpoints import upbit_url
from optimize.data.http import HttpSource, NotThere, server_time_ms
from optimize.data.quality import in_order
from optimize.data.symbols import Symbol
from optimize.data.timeframes import MINUTE_MS
from optimize.errors import DataError

_PAGE = 200
_QUOTES = ("KRW", "BTC", "USDT")


def market_code(symbol: Symbol) -> str:
    """Upbit의 마켓 이름. 호가 통화(KRW, BTC, USDT)를 알 수 없으면 DataError."""
    for quote in _QUOTES:
        if symbol.ticker.endswith(quote) and len(symbol.ticker) > len(quote):
            return f"{quote}-{symbol.ticker[: -len(quote)]}"
    raise DataError(
        f"Upbit의 마켓을 알 수 없습니다: {symbol}",
        f"끝이 {', '.join(_QUOTES)} 가운데 하나여야 합니다",
        "예: UPBIT:BTCKRW",
    )


class UpbitMarket:
    """한 마켓의 Upbit 분봉."""

    label = "Upbit"

    def __init__(self, symbol: Symbol, http: HttpSource) -> None:
        self.market = market_code(symbol)
        self.http = http

    def rest_candles(self, start_ms: int, end_ms: int) -> tuple[Candles, int]:
        """[start_ms, end_ms)의 닫힌 1분봉과 확인된 끝(UTC ms)."""
        rows: list[dict[str, Any]] = []
        cursor, now = end_ms, end_ms
        while cursor > start_ms:
            page, headers = self._page(cursor)
            now = server_time_ms(headers)
            rows += [row for row in page if _time_of(row) >= start_ms]
            if len(page) < _PAGE or _time_of(page[-1]) <= start_ms:
                break
            cursor = _time_of(page[-1])
        closed_until = min(end_ms, now - now % MINUTE_MS)
        return _to_candles([row for row in rows if _time_of(row) < closed_until]), closed_until

    def _page(self, to_ms: int) -> tuple[list[dict[str, Any]], httpx.Headers]:
        moment = datetime.fromtimestamp(to_ms / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            body, headers = self.http.get_json(
                f"{upbit_url()}/v1/candles/minutes/1",
                {"market": self.market, "to": moment, "count": _PAGE},
            )
        except NotThere as error:
            raise DataError(
                f"Upbit에 {self.market} 마켓이 없습니다",
                "",
                "심볼의 철자를 확인하세요. 예: UPBIT:BTCKRW",
            ) from error
        if not isinstance(body, list):
            raise DataError("Upbit의 응답을 읽을 수 없습니다", str(body)[:120])
        remaining = re.search(r"sec=(\d+)", headers.get("Remaining-Req", ""))
        if remaining and int(remaining[1]) <= 1:
            self.http.rest_for(1.0)
        return body, headers


def _time_of(row: dict[str, Any]) -> int:
    moment = datetime.fromisoformat(row["candle_date_time_utc"]).replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _to_candles(rows: list[dict[str, Any]]) -> Candles:
    rows = rows[::-1]

    def column(name: str) -> Any:
        return np.array([float(row[name]) for row in rows], dtype=np.float64)

    return in_order(
        Candles(
            open_time=np.array([_time_of(row) for row in rows], dtype=np.int64),
            open=column("opening_price"),
            high=column("high_price"),
            low=column("low_price"),
            close=column("trade_price"),
            volume=column("candle_acc_trade_volume"),
            filled=np.zeros(len(rows), dtype=np.bool_),
        )
    )
