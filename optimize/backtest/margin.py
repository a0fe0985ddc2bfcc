"""격리 증거금의 구간표(tier): 포지션이 클수록 유지 증거금률이 높고 쓸 수 있는 레버리지가 낮다.

기호: N = 포지션의 금액(수량 × 가격), 구간 t의 유지 증거금 = N × rate_t − amount_t.
amount_t(유지 증거금의 공제액, Binance의 `cum`)는 구간의 경계에서 유지 증거금이 이어지게 하는 값이다:
amount_0 = 0, amount_t = amount_(t−1) + cap_(t−1) × (rate_t − rate_(t−1)).
출처: Binance "Leverage and Margin of USDⓈ-M Futures", "How to Calculate Liquidation Price of USDⓈ-M Futures".
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize import paths
from optimize.errors import SettingsError, unreadable_reason

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef

AUTO, NONE = "auto", "none"
_SHIPPED = Path(__file__).with_name("binance_margin_tiers.json")
_KEYS = ("notional_cap", "max_leverage", "maintenance_margin_rate", "maintenance_amount")
_FIX = (
    "backtest.margin_tiers에 auto, none, 파일의 경로, 또는 "
    "[{notional_cap: 50000, max_leverage: 125, maintenance_margin_rate: 0.004}, …]를 쓰세요."
)


@dataclass(frozen=True, slots=True)
class MarginTier:
    """구간 하나. notional_cap: 이 금액까지(호가 통화). max_leverage: 쓸 수 있는 최대 배수.

    maintenance_margin_rate: 유지 증거금률. maintenance_amount: 공제액(호가 통화).
    """

    notional_cap: float
    max_leverage: float
    maintenance_margin_rate: float
    maintenance_amount: float


Spec = str | tuple[MarginTier, ...]


def read_tiers(given: object) -> Spec:
    """설정의 값을 `auto`, `none`, 또는 구간들로. 글이면 파일의 경로다(뿌리 폴더에서 잰다).

    공제액을 비운 구간은 이어지게 셈한다. 틀리면 SettingsError.
    """
    if isinstance(given, str):
        return given if given in (AUTO, NONE) else _checked(_read_file(given))
    if not isinstance(given, Sequence) or not given:
        raise _refusal(f"받은 것: {given!r}")
    return _checked(given)


def tiers_for(spec: Spec, flat_rate: float, ref: DatasetRef) -> tuple[MarginTier, ...]:
    """이 심볼에 쓸 구간들. `auto`는 Binance 무기한 선물이면 실린 표, 아니면 flat_rate 한 구간이다."""
    if isinstance(spec, tuple):
        return spec
    exchange, _, ticker = ref.symbol.partition(":")
    if spec == AUTO and exchange == "BINANCE" and ticker.endswith(".P"):
        tables = _shipped_tables()
        return tables.get(ticker.removesuffix(".P"), tables["default"])
    return (MarginTier(math.inf, math.inf, flat_rate, 0.0),)


def max_notional(tiers: Sequence[MarginTier], leverage: float, ref: DatasetRef) -> float:
    """그 레버리지로 가질 수 있는 가장 큰 금액(호가 통화). 어느 구간도 허락하지 않으면 SettingsError."""
    allowed = [tier.notional_cap for tier in tiers if tier.max_leverage >= leverage]
    if not allowed:
        top = max(tier.max_leverage for tier in tiers)
        raise SettingsError(
            f"backtest.leverage = {leverage:g}은(는) {ref.symbol}에서 쓸 수 없습니다",
            f"증거금 구간표의 최대 레버리지는 {top:g}배입니다.",
            f"--set backtest.leverage={top:g} 이하로 낮추거나 backtest.margin_tiers를 정하십시오.",
        )
    return max(allowed)


def tiers_digest(tiers: Sequence[MarginTier]) -> str:
    """구간표의 지문(sha256의 앞 16자)."""
    return hashlib.sha256(repr(tuple(tiers)).encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _shipped_tables() -> Mapping[str, tuple[MarginTier, ...]]:
    body = json.loads(_SHIPPED.read_text(encoding="utf-8"))
    return {name: _checked(rows) for name, rows in body["tables"].items()}


def _read_file(name: str) -> object:
    """YAML이나 JSON 파일의 목록."""
    import yaml

    path = paths.home() / Path(name).expanduser()
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(f"파일 {path}을(를) 읽지 못했습니다: {unreadable_reason(error)}") from None
    except yaml.YAMLError as error:
        raise _refusal(f"파일 {path}을(를) 읽지 못했습니다: {error}") from None


def _checked(rows: object) -> tuple[MarginTier, ...]:
    """차례로 선 구간들. 금액은 커지고 유지 증거금률은 낮아지지 않으며 레버리지는 높아지지 않는다."""
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise _refusal("구간의 목록이어야 합니다.")
    tiers: list[MarginTier] = []
    for number, row in enumerate(rows, 1):
        tier = row if isinstance(row, MarginTier) else _tier(row, tiers, number)
        _check_order(tier, tiers[-1] if tiers else None, number)
        tiers.append(tier)
    return tuple(tiers)


def _tier(row: object, before: Sequence[MarginTier], number: int) -> MarginTier:
    if not isinstance(row, Mapping):
        raise _refusal(f"{number}번째 구간이 '키: 값' 꼴이 아닙니다: {row!r}")
    unknown = [str(key) for key in row if key not in _KEYS]
    if unknown:
        raise _refusal(f"{number}번째 구간의 모르는 키: {', '.join(unknown)}")
    values: dict[str, float] = {}
    for key in _KEYS:
        value: Any = row.get(key)
        if key == "maintenance_amount" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise _refusal(f"{number}번째 구간의 {key} = {value!r}: 0 이상의 수여야 합니다")
        values[key] = float(value)
    rate, continued = values["maintenance_margin_rate"], 0.0
    if before:
        last = before[-1]
        step = last.notional_cap * (rate - last.maintenance_margin_rate)
        continued = last.maintenance_amount + step
    amount = values.setdefault("maintenance_amount", continued)
    if abs(amount - continued) > 1e-6 * max(1.0, abs(continued)):
        raise _refusal(
            f"{number}번째 구간의 maintenance_amount = {amount:g}: 앞 구간과 이어지려면 {continued:g}입니다"
        )
    return MarginTier(**values)


def _check_order(tier: MarginTier, last: MarginTier | None, number: int) -> None:
    if not tier.notional_cap > 0 or not 0 <= tier.maintenance_margin_rate < 1:
        raise _refusal(
            f"{number}번째 구간의 금액은 양수, 유지 증거금률은 0 이상 1 미만이어야 합니다"
        )
    if not tier.max_leverage >= 1 or tier.maintenance_margin_rate * tier.max_leverage >= 1:
        raise _refusal(
            f"{number}번째 구간의 max_leverage = {tier.max_leverage:g}: 1 이상이고 "
            f"1/유지 증거금률({tier.maintenance_margin_rate:g})보다 작아야 합니다"
        )
    if last is None:
        return
    if (
        tier.notional_cap <= last.notional_cap
        or tier.maintenance_margin_rate < last.maintenance_margin_rate
        or tier.max_leverage > last.max_leverage
    ):
        raise _refusal(
            f"{number}번째 구간은 앞보다 금액이 크고, 유지 증거금률이 낮지 않고, 레버리지가 높지 않아야 합니다"
        )


def _refusal(cause: str) -> SettingsError:
    return SettingsError("backtest.margin_tiers가 틀렸습니다", cause, _FIX)
