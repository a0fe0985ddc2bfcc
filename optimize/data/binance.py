"""Binance 현물과 USD-M 선물: bulk zip과 REST.

bulk: `data/{spot|futures/um}/{monthly|daily}/klines/SYM/1m/SYM-1m-YYYY-MM[-DD].zip`과 `.CHECKSUM`
(sha256sum 꼴). 현물 파일은 머리글이 없고 2025-01-01부터 마이크로초이며, USD-M 파일은 2022-05쯤부터
머리글이 있고 밀리초다. 둘 다 `files`가 알아본다. 404는 (아직) 없다는 뜻이다.
REST: 현물 `/api/v3/klines`(1000개, weight 2), USD-M `/fapi/v1/klines`(1500개). 시작과 끝을 모두 포함하며
마지막 봉은 아직 움직이는 것일 수 있다.
주소는 `endpoints`에 있고 환경 변수로 바꿀 수 있다.
"""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
import zlib
from typing import Any, TypeVar

import httpx
import numpy as np
import pyarrow as pa

from optimize.data.archives import read_csv_member
from optimize.data.columns import match_columns, number_column, time_to_ms
from optimize.data.dataset import Candles, FundingSchedule
from optimize.data.endpoints import FUTURES, SPOT, binance_api_url, binance_bulk_url
from optimize.data.file_reasons import file_reason
from optimize.data.files import read_csv_table, tidy_funding
from optimize.data.http import HttpSource, NotThere, UnreachableError, server_time_ms
from optimize.data.manifest import MarketRules
from optimize.data.quality import between, concatenate, from_rows, in_order
from optimize.data.symbols import Symbol
from optimize.data.timeframes import MINUTE_MS
from optimize.errors import DataError

_DOWNLOAD_ATTEMPTS = 3
# 펀딩은 정산을 마친 뒤에 실린다: 이만큼 지나지 않은 때는 아직 확인하지 않은 것으로 둔다.
FUNDING_DELAY_MS = 5 * MINUTE_MS
_Body = TypeVar("_Body", list[Any], dict[str, Any])


class BinanceMarket:
    """한 심볼의 Binance 시장. 모든 메서드는 thread에서 함께 불러도 된다."""

    def __init__(self, symbol: Symbol, http: HttpSource) -> None:
        self.symbol = symbol
        self.http = http
        self._at = FUTURES if symbol.is_perpetual else SPOT
        self._api = binance_api_url(is_perpetual=symbol.is_perpetual)
        self.label = self._at.label

    def archive(self, period: str) -> tuple[Candles, str]:
        """bulk 파일 하나의 봉과 zip의 sha256. period: `2024-01` 또는 `2024-01-05`.

        없거나 CHECKSUM이 아직 없으면 NotThere, 거듭 받아도 CHECKSUM과 다르면 DataError.
        """
        url = self._archive_url("klines", period)
        body, digest = self._verified_zip(url)
        return _parse_archive(_zip_table(body, url)), digest

    def archive_digest(self, period: str) -> str:
        """bulk 파일의 지금 CHECKSUM(sha256). 없으면 NotThere."""
        body, _ = self.http.get_bytes(self._archive_url("klines", period) + ".CHECKSUM")
        return _checksum(body)

    def funding_archive(self, month: str) -> FundingSchedule:
        """한 달의 펀딩 bulk 파일. 없으면 NotThere."""
        url = self._archive_url("fundingRate", month)
        body, _ = self._verified_zip(url)
        table = _zip_table(body, url)
        names = table.column_names
        if "calc_time" not in names or "last_funding_rate" not in names:
            raise DataError(
                f"펀딩 파일의 열이 다릅니다: {url}",
                f"calc_time과 last_funding_rate가 있어야 하는데, 있는 열: {', '.join(names)}",
                "펀딩 기록 파일을 따로 받아 --funding 파일 로 주세요",
            )
        times, _unit = time_to_ms(table["calc_time"], "calc_time")
        return tidy_funding(times, number_column(table["last_funding_rate"], "last_funding_rate"))

    def _archive_url(self, kind: str, period: str) -> str:
        ticker = self.symbol.ticker
        cadence = "monthly" if period.count("-") == 1 else "daily"
        folder, name = (
            (f"klines/{ticker}/1m", f"{ticker}-1m-{period}.zip")
            if kind == "klines"
            else (f"fundingRate/{ticker}", f"{ticker}-fundingRate-{period}.zip")
        )
        return f"{binance_bulk_url()}/data/{self._at.bulk_folder}/{cadence}/{folder}/{name}"

    def _verified_zip(self, url: str) -> tuple[bytes, str]:
        """zip과 sha256. 받는 사이에 다시 올라왔을 수 있으므로 다르면 둘 다 다시 받는다."""
        wanted = found = ""
        for _ in range(_DOWNLOAD_ATTEMPTS):
            checksum, _headers = self.http.get_bytes(url + ".CHECKSUM")
            body, _headers = self.http.get_bytes(url)
            wanted, found = _checksum(checksum), hashlib.sha256(body).hexdigest()
            if wanted == found:
                return body, found
        raise DataError(
            f"내려받은 파일이 CHECKSUM과 다릅니다: {url.rsplit('/', 1)[-1]}",
            f"CHECKSUM {wanted[:16]}…, 받은 파일 {found[:16]}… ({_DOWNLOAD_ATTEMPTS}번 받음)",
            "잠시 뒤 같은 명령을 다시 실행하세요. 이미 받은 달은 다시 받지 않습니다",
        )

    def first_candle_ms(self) -> int | None:
        """상장 뒤 첫 1분봉을 여는 시각. 봉이 없으면 None. 심볼이 없으면 DataError."""
        first, _, _ = self._klines(startTime=0, limit=1)
        return int(first.open_time[0]) if len(first) else None

    def rest_candles(self, start_ms: int, end_ms: int) -> tuple[Candles, int]:
        """[start_ms, end_ms)의 닫힌 봉과, 확인된 끝(UTC ms). 아직 움직이는 봉은 버린다."""
        pages: list[Candles] = []
        cursor, now = start_ms, end_ms
        while cursor < end_ms:
            page, rows, now = self._klines(
                startTime=cursor, endTime=end_ms - 1, limit=self._at.page
            )
            pages.append(page)
            if rows < self._at.page:
                break
            cursor = self._onward(cursor, int(page.open_time[-1]) + MINUTE_MS)
        closed_until = min(end_ms, now - now % MINUTE_MS)
        return between(in_order(concatenate(pages)), start_ms, closed_until), closed_until

    def _klines(self, **params: int) -> tuple[Candles, int, int]:
        """(봉들, 줄 수, 서버의 지금 UTC ms)."""
        body, headers = self._rest(
            self._at.klines, {"symbol": self.symbol.ticker, "interval": "1m", **params}, list
        )
        try:
            return _rows_to_candles(body), len(body), server_time_ms(headers)
        except (TypeError, ValueError, LookupError):
            raise self._unreadable(body) from None

    def _rest(
        self, path: str, params: dict[str, Any], shape: type[_Body]
    ) -> tuple[_Body, httpx.Headers]:
        """REST의 응답. 그 길이 없으면(bulk만 있는 거울 서버) UnreachableError, 모양이 다르면 DataError."""
        try:
            body, headers = self.http.get_json(self._api + path, params)
        except NotThere:
            raise UnreachableError(
                f"{self.label}의 REST가 그 자리에 없습니다 (HTTP 404)",
                self._api + path,
                f"주소를 환경 변수로 바꾸었다면 그 값을 확인하세요.\n{self.http.fix}",
            ) from None
        self._mind_weight(headers)
        if not isinstance(body, shape):
            raise self._unreadable(body)
        return body, headers

    def _onward(self, cursor: int, following: int) -> int:
        """다음 쪽의 시작. 같은 쪽을 되풀이하면 끝나지 않으므로 DataError."""
        if following <= cursor:
            raise self._unreadable(f"시각 {cursor} 뒤를 물었는데 그 앞의 것만 왔습니다")
        return following

    def _unreadable(self, body: object) -> DataError:
        return DataError(
            f"{self.label}의 응답을 읽을 수 없습니다",
            str(body)[:120],
            "회사나 학교의 프록시가 응답을 바꾸는지 확인하세요",
        )

    def _mind_weight(self, headers: httpx.Headers) -> None:
        """1분 사용량이 한도의 80 %를 넘으면 다음 분까지 모두 쉰다."""
        used = headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdigit() and int(used) > 0.8 * self._at.weight_limit:
            self.http.rest_for(60 - time.time() % 60)

    def market_rules(self) -> MarketRules:
        """호가 단위, 수량 단위, 최소 주문 금액."""
        params = {} if self.symbol.is_perpetual else {"symbol": self.symbol.ticker}
        body, _ = self._rest(self._at.exchange_info, params, dict)
        try:
            for entry in body["symbols"]:
                if entry["symbol"] == self.symbol.ticker:
                    return _market_rules(entry["filters"])
        except (AttributeError, TypeError, ValueError, LookupError):
            raise self._unreadable(body) from None
        raise DataError(
            f"{self.label}에 {self.symbol.ticker}이(가) 없습니다",
            "거래소의 종목 목록에 그 이름이 없습니다(상장 폐지되었거나 철자가 다릅니다)",
            "심볼의 철자를 확인하세요",
        )

    def rest_funding(self, start_ms: int, end_ms: int) -> tuple[FundingSchedule, int]:
        """[start_ms, end_ms)의 펀딩 기록과, 확인된 끝(UTC ms). 몇 ms 늦은 시각은 분으로 반올림한다."""
        times: list[int] = []
        rates: list[float] = []
        cursor, now = start_ms, end_ms
        while cursor < end_ms:
            page, headers = self._rest(
                "/fapi/v1/fundingRate",
                {
                    "symbol": self.symbol.ticker,
                    "startTime": cursor,
                    "endTime": end_ms - 1,
                    "limit": 1000,
                },
                list,
            )
            try:
                times += [int(row["fundingTime"]) for row in page]
                rates += [float(row["fundingRate"]) for row in page]
            except (TypeError, ValueError, LookupError):
                raise self._unreadable(page) from None
            now = server_time_ms(headers)
            if len(page) < 1000:
                break
            cursor = self._onward(cursor, times[-1] + 1)
        found = tidy_funding(np.array(times, dtype=np.int64), np.array(rates, dtype=np.float64))
        return found, min(end_ms, now - FUNDING_DELAY_MS)


def _market_rules(found: list[dict[str, Any]]) -> MarketRules:
    """exchangeInfo의 filters에서. 0이나 없는 것은 모르는 것이다."""
    filters = {item["filterType"]: item for item in found}
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    return MarketRules(
        _number(filters.get("PRICE_FILTER", {}).get("tickSize")),
        _number(filters.get("LOT_SIZE", {}).get("stepSize")),
        _number(notional.get("minNotional", notional.get("notional"))),
    )


def _number(text: str | None) -> float | None:
    return float(text or 0) or None


def _checksum(body: bytes) -> str:
    """sha256sum 꼴(`<hex>  파일`)의 hex."""
    return body.decode(errors="replace").split()[0].lower() if body.strip() else ""


def _zip_table(body: bytes, url: str) -> pa.Table:
    name = url.rsplit("/", 1)[-1]
    try:
        return read_csv_table(io.BytesIO(read_csv_member(io.BytesIO(body), name)))
    except (zipfile.BadZipFile, zlib.error, EOFError, pa.ArrowException) as error:
        raise DataError(
            f"내려받은 zip을 열 수 없습니다: {name}",
            f"CHECKSUM과는 같으나 {file_reason(error)}",
            "거래소가 깨진 파일을 올렸습니다. 그 기간을 빼고 --start 와 --end 를 고르거나 뒤에 다시 받으세요",
        ) from error


def _parse_archive(table: pa.Table) -> Candles:
    names = match_columns(table.column_names, {})
    times, _ = time_to_ms(table[names["time"]], names["time"])
    values = {
        field: number_column(table[name], name) for field, name in names.items() if field != "time"
    }
    raw = Candles(open_time=times, filled=np.zeros(len(times), dtype=np.bool_), **values)
    return in_order(raw)


def _rows_to_candles(rows: list[list[Any]]) -> Candles:
    """REST의 줄들. 모양이 다르면 TypeError, ValueError, LookupError."""
    return from_rows(
        [int(row[0]) for row in rows], [[float(value) for value in row[1:6]] for row in rows]
    )
