"""Upbit 분봉. `UPBIT:BTCKRW` → `KRW-BTC`.

`/v1/candles/minutes/1`: 한 번에 200개, 새것부터, `to`는 포함하지 않는 UTC다. 거래가 없는 분은 빠지며
(준비할 때 평평하게 채운다) `Remaining-Req`의 sec가 이번 초에 남은 요청 수다(초당 10번).
주소는 `endpoints`에 있고 환경 변수로 바꿀 수 있다.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from optimize.data.dataset import Candles
from optimize.data.endpoints import upbit_url
from optimize.data.http import HttpSource, NotThere, server_time_ms
from optimize.data.quality import between, concatenate, from_rows, in_order
from optimize.data.symbols import Symbol
from optimize.data.timeframes import MINUTE_MS
from optimize.errors import DataError

_PAGE = 200
_COLUMNS = (
    "opening_price",
    "high_price",
    "low_price",
    "trade_price",
    "candle_acc_trade_volume",
)
_QUOTES = ("KRW", "BTC", "USDT")


def market_code(symbol: Symbol) -> str:
    """Upbit의 마켓 이름. 호가 통화(KRW, BTC, USDT)를 알 수 없거나 무기한 선물이면 DataError."""
    if symbol.is_perpetual:
        raise DataError(
            f"Upbit에는 무기한 선물이 없습니다: {symbol}",
            "Upbit은 현물만 거래합니다",
            f"현물이면 .P 를 빼세요: {symbol.exchange}:{symbol.ticker}",
        )
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
        pages: list[Candles] = []
        cursor, now = end_ms, end_ms
        while cursor > start_ms:
            page, now = self._page(cursor)
            pages.append(page)
            if len(page) < _PAGE or page.open_time[0] <= start_ms:
                break
            cursor = int(page.open_time[0])
        closed_until = min(end_ms, now - now % MINUTE_MS)
        return between(in_order(concatenate(pages)), start_ms, closed_until), closed_until

    def _page(self, to_ms: int) -> tuple[Candles, int]:
        """to_ms보다 앞선 봉들(시간순)과 서버의 지금(UTC ms)."""
        moment = datetime.fromtimestamp(to_ms / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            body, headers = self.http.get_json(
                f"{upbit_url()}/v1/candles/minutes/1",
                {"market": self.market, "to": moment, "count": _PAGE},
            )
        except NotThere as error:
            raise DataError(
                f"Upbit에 {self.market} 마켓이 없습니다",
                "거래소의 마켓 목록에 그 이름이 없습니다",
                "심볼의 철자를 확인하세요. 예: UPBIT:BTCKRW",
            ) from error
        remaining = re.search(r"sec=(\d+)", headers.get("Remaining-Req", ""))
        if remaining and int(remaining[1]) <= 1:
            self.http.rest_for(1.0)
        try:
            page = _to_candles(body)
            if len(page) and page.open_time[-1] >= to_ms:
                raise ValueError("to보다 늦은 봉")
        except (TypeError, ValueError, LookupError):
            raise DataError(
                "Upbit의 응답을 읽을 수 없습니다",
                str(body)[:120],
                "회사나 학교의 프록시가 응답을 바꾸는지 확인하세요",
            ) from None
        return page, server_time_ms(headers)


def _to_candles(rows: list[dict[str, Any]]) -> Candles:
    """새것부터인 줄들을 시간순으로. 모양이 다르면 TypeError, ValueError, LookupError."""
    moments = [datetime.fromisoformat(row["candle_date_time_utc"]) for row in rows]
    return from_rows(
        [int(moment.replace(tzinfo=UTC).timestamp() * 1000) for moment in moments],
        [[float(row[name]) for name in _COLUMNS] for row in rows],
    )
