"""`symbols:`의 항목: 한 시행이 함께 보는 심볼 하나와, 그 심볼만의 파일과 비용."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from optimize.data.symbols import Symbol, SymbolError, parse_symbol
from optimize.settings.fields import Blank, Float, OptionalText, Section

# 이보다 많은 심볼은 이름에 다 적지 않는다.
_NAMED = 3
_HASH_LENGTH = 8


class SymbolEntry(Section):
    """심볼 하나. 비운 비용은 `backtest`의 것을 쓴다. 파일의 상대 경로는 뿌리 폴더에서 잰다."""

    symbol: str
    file: OptionalText = None
    funding_file: OptionalText = None
    fee_rate: Annotated[Annotated[Float, Field(ge=0, lt=0.1)] | None, Blank] = None
    maker_fee_rate: Annotated[Annotated[Float, Field(ge=-0.01, lt=0.1)] | None, Blank] = None
    slippage_rate: Annotated[Annotated[Float, Field(ge=0, lt=0.1)] | None, Blank] = None
    slippage_ticks: Annotated[Annotated[Float, Field(ge=0, le=1000)] | None, Blank] = None
    tick_size: Annotated[Annotated[Float, Field(gt=0)] | None, Blank] = None
    step_size: Annotated[Annotated[Float, Field(gt=0)] | None, Blank] = None
    min_notional: Annotated[Annotated[Float, Field(gt=0)] | None, Blank] = None

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        """`- BINANCE:BTCUSDT`처럼 이름만 적어도 된다."""
        return {"symbol": value} if isinstance(value, str) else value

    @field_validator("symbol")
    @classmethod
    def _is_symbol(cls, value: str) -> str:
        try:
            return str(parse_symbol(value))
        except SymbolError as error:
            raise ValueError(str(error)) from None

    @property
    def parsed(self) -> Symbol:
        """거래소와 종목."""
        return parse_symbol(self.symbol)

    @property
    def own_costs(self) -> dict[str, float]:
        """이 심볼만의 비용: 적은 것만."""
        return {name: value for name in COST_KEYS if (value := getattr(self, name)) is not None}

    def costs(self, backtest: Mapping[str, Any]) -> dict[str, Any]:
        """`backtest`에 이 심볼의 비용을 얹은 것."""
        return {**backtest, **self.own_costs}


COST_KEYS = (
    "fee_rate",
    "maker_fee_rate",
    "slippage_rate",
    "slippage_ticks",
    "tick_size",
    "step_size",
    "min_notional",
)
# 심볼마다 다르므로, 심볼이 여럿이면 `backtest`에 하나로 적을 수 없는 것.
MARKET_KEYS = ("tick_size", "step_size", "min_notional")


def as_entries(value: Any) -> Any:
    """`A,B`처럼 쉼표로 이은 글을 목록으로. 비었으면 빈 목록."""
    if value is None:
        return ()
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def ordered(entries: Sequence[SymbolEntry]) -> tuple[SymbolEntry, ...]:
    """이름의 차례로: 적은 차례가 스터디와 결과를 바꾸지 않는다. 겹치면 ValueError."""
    names = [entry.symbol for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"같은 심볼이 두 번 있습니다: {', '.join(twice)}")
    return tuple(sorted(entries, key=lambda entry: entry.symbol))


def symbols_slug(symbols: Sequence[Symbol]) -> str:
    """심볼들의 slug(이름의 차례와 무관하다).

    하나면 그 심볼의 것. 셋까지는 이어 적고 거래소가 같으면 한 번만 적는다
    (`binance_btcusdt_p_enausdt_p`). 넷부터는 `multi5_<이름들의 sha256 앞 8자>`.
    """
    ordered_symbols = sorted(symbols, key=str)
    if len(ordered_symbols) > _NAMED:
        text = ",".join(map(str, ordered_symbols))
        digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
        return f"multi{len(ordered_symbols)}_{digest}"
    parts: list[str] = []
    exchange = ""
    for symbol in ordered_symbols:
        slug = symbol.slug
        same = symbol.exchange == exchange
        parts.append(slug.removeprefix(f"{exchange.lower()}_") if same else slug)
        exchange = symbol.exchange
    return "_".join(parts)
