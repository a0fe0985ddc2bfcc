"""시간 단위와 격자, 심볼의 표기."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize.data.symbols import Symbol, SymbolError, parse_symbol
from optimize.data.timeframes import (
    Cell,
    Timeframe,
    TimeframeError,
    format_grid,
    parse_grid,
    parse_timeframe,
)


@pytest.mark.parametrize("text", ["60", "1h", "1H", "60m", " 60m "])
def test_한_시간의_여러_표기(text: str) -> None:
    assert parse_timeframe(text) == Timeframe(60)


@pytest.mark.parametrize(
    "text", ["1M", "0m", "-1m", "m", "", "1.5h", "2w", "1분", "１m", "99999999m"]
)
def test_시간_단위가_아닌_것은_거절한다(text: str) -> None:
    with pytest.raises(TimeframeError):
        parse_timeframe(text)


@pytest.mark.parametrize(
    "text", ["1m@15m,1m@1h", "1m@15m;1m@1h", "1@15\n1@60", " 1m@15m , ,1m@1H;"]
)
def test_격자의_구분자(text: str) -> None:
    assert format_grid(parse_grid(text)) == "1m@15m,1m@1h"


@pytest.mark.parametrize(
    "text", ["", ",", "1h@15m", "15m@15m", "7m@15m", "1m@", "@1h", "1m,1m", "60,1h"]
)
def test_틀린_격자는_거절한다(text: str) -> None:
    with pytest.raises(TimeframeError):
        parse_grid(text)


def test_칸의_slug() -> None:
    assert Cell(Timeframe(1), Timeframe(15)).slug == "1m_15m"
    assert Cell(Timeframe(240)).slug == "4h"


@given(st.integers(1, 10080))
def test_표기는_되읽힌다(minutes: int) -> None:
    assert parse_timeframe(str(Timeframe(minutes))) == Timeframe(minutes)


@given(st.text(max_size=30))
def test_어떤_글이_와도_값이거나_한국어_오류다(text: str) -> None:
    for parse, error in ((parse_grid, TimeframeError), (parse_symbol, SymbolError)):
        try:
            parse(text)
        except error as caught:
            assert str(caught)


def test_심볼의_표기() -> None:
    assert parse_symbol(" binance:btcusdt.p ") == Symbol("BINANCE", "BTCUSDT", True)
    assert parse_symbol("BINANCE:BTCUSDT.P").slug == "binance_btcusdt_p"
    assert str(parse_symbol("UPBIT:BTCKRW")) == "UPBIT:BTCKRW"
    assert parse_symbol("DEMO:BTCUSDT").is_demo


@pytest.mark.parametrize(
    "text", ["BTCUSDT", "BINANCE:", ":BTC", "A B:C", "BINANCE:BTC/USDT", "../x:BTC"]
)
def test_심볼이_아닌_것은_거절한다(text: str) -> None:
    with pytest.raises(SymbolError):
        parse_symbol(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ethusdt", "거래소:종목으로 씁니다. 예: BINANCE:ETHUSDT"),
        ("ETH/USDT", "거래소:종목으로 씁니다. 예: BINANCE:ETHUSDT"),
        ("KRW-ETH", "혹시 UPBIT:ETHKRW인가요?"),
        ("UPBIT:KRW-ETH", "혹시 UPBIT:ETHKRW인가요?"),
        ("upbit:btc-eth", "혹시 UPBIT:ETHBTC인가요?"),
        ("BTC-USDT", "거래소:종목으로 씁니다. 예: BINANCE:BTCUSDT"),
        ("ETHKRW", "거래소:종목으로 씁니다. 예: UPBIT:ETHKRW"),
        ("ETH", "거래소:종목으로 씁니다. 예: BINANCE:BTCUSDT"),
        ("BINANCE:BTC-USDT", "혹시 BINANCE:BTCUSDT인가요?"),
        ("BINANCE:", "예: BINANCE:BTCUSDT, BINANCE:BTCUSDT.P"),
    ],
)
def test_흔한_표기에는_바로잡은_것을_댄다(text: str, hint: str) -> None:
    with pytest.raises(SymbolError, match=re.escape(hint)):
        parse_symbol(text)
