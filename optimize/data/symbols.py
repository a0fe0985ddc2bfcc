"""심볼의 표기 `EXCHANGE:TICKER`. 표준 라이브러리만 쓴다.

TradingView처럼 쓴다: `BINANCE:BTCUSDT` 현물, `BINANCE:BTCUSDT.P` 무기한 선물(USD-M),
`UPBIT:BTCKRW`. `DEMO:BTCUSDT`는 seed로 만든 합성 캔들이며 늘 '합성 데모'라고 밝힌다.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

EXCHANGES = ("BINANCE", "UPBIT", "DEMO")
DEMO_LABEL = "합성 데모"
# 흔한 견적 통화로 끝나는 종목.
_PAIR = re.compile(r"[A-Z0-9]{2,}(USDT|USDC|USD|KRW|BTC|ETH)(\.P)?", re.ASCII)
# Upbit의 마켓 `KRW-BTC`: 견적 통화가 앞이다. BTC와 USDT 마켓은 다른 거래소의 표기와 헷갈리므로 UPBIT:일 때만.
_UPBIT_MARKET = re.compile(
    r"(?:UPBIT:(?=BTC|USDT|KRW)|(?=KRW))(([A-Z]{3,4})-([A-Z0-9]{2,20}))", re.ASCII
)
_PATTERN = re.compile(r"([A-Z0-9]{2,20}):([A-Z0-9]{2,30})(\.P)?", re.ASCII)


class SymbolError(ValueError):
    """읽을 수 없는 심볼. 메시지는 한국어 한 줄이다."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """거래소와 종목. exchange·ticker는 대문자, is_perpetual은 `.P`가 붙었는가."""

    exchange: str
    ticker: str
    is_perpetual: bool = False

    def __str__(self) -> str:
        return f"{self.exchange}:{self.ticker}{'.P' if self.is_perpetual else ''}"

    @property
    def slug(self) -> str:
        """`binance_btcusdt`, 무기한은 `binance_btcusdt_p`."""
        return f"{self.exchange}_{self.ticker}{'_p' if self.is_perpetual else ''}".lower()

    @property
    def is_demo(self) -> bool:
        """합성 데모인가."""
        return self.exchange == "DEMO"


def symbol_of_slug(slug: str) -> Symbol | None:
    """`Symbol.slug`의 거꾸로. 심볼의 slug가 아니면 None."""
    exchange, _, rest = slug.partition("_")
    ticker = rest.removesuffix("_p")
    try:
        found = parse_symbol(f"{exchange}:{ticker}{'.P' if ticker != rest else ''}")
    except SymbolError:
        return None
    return found if found.slug == slug else None


def parse_symbol(text: str) -> Symbol:
    """심볼을 읽는다. 소문자와 앞뒤 빈칸은 받아 고친다. 틀리면 SymbolError.

    거래소 이름은 막지 않는다: 파일에서 들여온 심볼은 다른 거래소일 수 있다.
    """
    match = _PATTERN.fullmatch(text.strip().upper())
    if match is None:
        raise SymbolError(f"'{text.strip()}'은(는) 심볼이 아닙니다{_hint(text.strip().upper())}")
    return Symbol(match[1], match[2], match[3] is not None)


def _hint(text: str) -> str:
    """무엇이 틀렸는지 알면 그것을, 모르면 예를."""
    upbit = _UPBIT_MARKET.fullmatch(text)
    if upbit:
        return (
            f": Upbit의 {upbit[1]}은(는) 종목을 앞에 씁니다. 혹시 UPBIT:{upbit[3]}{upbit[2]}인가요?"
        )
    bare = re.sub(r"[-/_]", "", text)
    if _PATTERN.fullmatch(f"BINANCE:{bare}"):
        market = f"UPBIT:{bare}" if bare.endswith("KRW") else f"BINANCE:{bare}"
        example = market if _PAIR.fullmatch(bare) else "BINANCE:BTCUSDT"
        return f": 거래소:종목으로 씁니다. 예: {example}"
    if bare != text and _PATTERN.fullmatch(bare):
        return f": 종목은 이어 씁니다. 혹시 {bare}인가요?"
    return ". 예: BINANCE:BTCUSDT, BINANCE:BTCUSDT.P, DEMO:BTCUSDT"


def likely_symbol(symbol: Symbol) -> Symbol | None:
    """거래소의 이름이 오타로 보이면 바로잡은 심볼. `BINANCEUS`처럼 더 긴 이름은 다른 거래소다."""
    if symbol.exchange.startswith(EXCHANGES):
        return None
    close = difflib.get_close_matches(symbol.exchange, EXCHANGES, n=1, cutoff=0.75)
    return Symbol(close[0], symbol.ticker, symbol.is_perpetual) if close else None
