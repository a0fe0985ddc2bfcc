"""거래소의 주소. 표준 라이브러리만 쓴다.

환경 변수로 바꿀 수 있다(시험, 사내 거울 서버): BACKTEST_WIZARD_BINANCE_BULK_URL,
BACKTEST_WIZARD_BINANCE_SPOT_URL, BACKTEST_WIZARD_BINANCE_FUTURES_URL, BACKTEST_WIZARD_UPBIT_URL.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from optimize.errors import SettingsError


def _from_env(name: str, default: str) -> str:
    """환경 변수의 주소, 비었으면 default. http(s) 주소가 아니면 SettingsError."""
    url = (os.environ.get(name) or default).strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            f"환경 변수 {name}의 주소가 틀렸습니다",
            f"'{url}'은(는) http:// 나 https:// 로 시작하는 주소가 아닙니다",
            f"예: {name}={default} (비우면 이 주소입니다)",
        )
    return url


def binance_bulk_url() -> str:
    """bulk zip의 뿌리."""
    return _from_env("BACKTEST_WIZARD_BINANCE_BULK_URL", "https://data.binance.vision")


def binance_api_url(*, is_perpetual: bool) -> str:
    """REST의 뿌리. 현물은 키 없이 쓰는 시세 전용 호스트다."""
    if is_perpetual:
        return _from_env("BACKTEST_WIZARD_BINANCE_FUTURES_URL", "https://fapi.binance.com")
    return _from_env("BACKTEST_WIZARD_BINANCE_SPOT_URL", "https://data-api.binance.vision")


def upbit_url() -> str:
    """Upbit REST의 뿌리."""
    return _from_env("BACKTEST_WIZARD_UPBIT_URL", "https://api.upbit.com")


def binance_probe_urls(*, is_perpetual: bool) -> tuple[str, ...]:
    """닿는지 물어볼 주소들(REST, bulk)."""
    ping = "/fapi/v1/ping" if is_perpetual else "/api/v3/ping"
    return binance_api_url(is_perpetual=is_perpetual) + ping, binance_bulk_url() + "/"


def upbit_probe_urls() -> tuple[str, ...]:
    """닿는지 물어볼 주소."""
    return (upbit_url() + "/v1/market/all",)


@dataclass(frozen=True, slots=True)
class BinanceMarketKind:
    """현물과 USD-M의 다른 점. page: REST 한 번의 봉 수. weight_limit: 1분의 사용량 한도."""

    label: str
    bulk_folder: str
    klines: str
    exchange_info: str
    page: int
    weight_limit: int


SPOT = BinanceMarketKind(
    "Binance 현물", "spot", "/api/v3/klines", "/api/v3/exchangeInfo", 1000, 6000
)
FUTURES = BinanceMarketKind(
    "Binance USD-M 선물", "futures/um", "/fapi/v1/klines", "/fapi/v1/exchangeInfo", 1500, 2400
)
