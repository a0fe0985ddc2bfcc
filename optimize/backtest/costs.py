"""체결과 비용의 설정. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from optimize.backtest.margin import AUTO, MarginTier, Spec, max_notional, read_tiers, tiers_for
from optimize.errors import SettingsError

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef

Direction = Literal["both", "long", "short"]


@dataclass(frozen=True, slots=True)
class CostModel:
    """계좌와 비용. 비율은 1이 100 %다. 틀린 값은 SettingsError.

    initial_cash: 처음 돈, 호가 통화. fee_rate: 한 쪽 체결의 taker 수수료율.
    slippage_rate: 체결 가격이 불리해지는 비율, 들어갈 때와 나올 때 모두.
    slippage_ticks: 거기에 더하는 호가 단위의 수. 호가 단위를 아는 심볼에서만 쓴다.
    leverage: 격리 마진의 배수(현물은 1). position_fraction: 한 번에 쓰는 평가금의 비율.
        증거금과 진입 수수료의 합이 평가금 × position_fraction이다.
    direction: 들어갈 수 있는 쪽. funding: 무기한 선물의 펀딩을 주고받는가.
    maintenance_margin_rate: 유지 증거금률. 1/leverage보다 작아야 한다. 구간표를 쓰지 않을 때의 값이다.
    maker_fee_rate: 익절을 지정가로 걸어 둘 때의 maker 수수료율(음수는 돌려받음). None이면 익절도 taker다.
    tick_size, step_size, min_notional: 호가 단위, 수량 단위, 최소 주문 금액. None이면 자료가 아는 것을 쓴다.
    margin_tiers: 증거금 구간표. `auto`는 Binance 무기한 선물이면 실린 표, `none`은 쓰지 않음.
        설정의 목록이나 파일의 경로를 주면 읽어 구간들로 바꾼다.
    """

    initial_cash: float = 10_000.0
    fee_rate: float = 0.0005
    slippage_rate: float = 0.0001
    slippage_ticks: float = 0.0
    leverage: float = 1.0
    position_fraction: float = 1.0
    direction: Direction = "both"
    funding: bool = True
    maintenance_margin_rate: float = 0.004
    maker_fee_rate: float | None = None
    tick_size: float | None = None
    step_size: float | None = None
    min_notional: float | None = None
    margin_tiers: Spec = AUTO

    def __post_init__(self) -> None:
        object.__setattr__(self, "margin_tiers", read_tiers(self.margin_tiers))
        checks = (
            ("initial_cash", self.initial_cash > 0, "0보다 커야 합니다"),
            ("fee_rate", 0 <= self.fee_rate < 1, "0 이상 1 미만이어야 합니다"),
            ("slippage_rate", 0 <= self.slippage_rate < 1, "0 이상 1 미만이어야 합니다"),
            ("slippage_ticks", self.slippage_ticks >= 0, "0 이상이어야 합니다"),
            ("leverage", self.leverage >= 1, "1 이상이어야 합니다"),
            ("position_fraction", 0 < self.position_fraction <= 1, "0보다 크고 1 이하여야 합니다"),
            ("direction", self.direction in ("both", "long", "short"), "both, long, short 중 하나"),
            (
                "maintenance_margin_rate",
                0 <= self.maintenance_margin_rate * self.leverage < 1,
                f"0 이상이고 1/leverage({1 / max(self.leverage, 1):g})보다 작아야 합니다. "
                "아니면 들어가자마자 강제 청산됩니다",
            ),
        )
        maker = self.maker_fee_rate
        checks += (
            *(
                (key, not isinstance(value, float) or math.isfinite(value), "유한한 수여야 합니다")
                for key, value in ((name, getattr(self, name)) for name in self.__slots__)
            ),
            (
                "maker_fee_rate",
                maker is None or -0.01 <= maker < 1,
                "-0.01 이상 1 미만이어야 합니다",
            ),
            *(
                (key, (value := getattr(self, key)) is None or value > 0, "0보다 커야 합니다")
                for key in ("tick_size", "step_size", "min_notional")
            ),
        )
        for key, ok, allowed in checks:
            if not ok:
                raise SettingsError(
                    f"backtest.{key} = {getattr(self, key)!r}은(는) 쓸 수 없습니다",
                    f"{allowed}.",
                    f"--set backtest.{key}=... 또는 config/params.yaml에서 고치십시오.",
                )

    def slippage_price(self, ref: DatasetRef) -> float:
        """호가 단위로 더하는 slippage, 호가 통화. 호가 단위를 모르면 SettingsError."""
        if self.slippage_ticks == 0:
            return 0.0
        tick = self.tick_size or ref.tick_size
        if tick is None:
            raise SettingsError(
                f"backtest.slippage_ticks = {self.slippage_ticks:g}을(를) 쓸 수 없습니다",
                f"{ref.symbol}의 호가 단위(tick size)를 모릅니다.",
                "--set backtest.tick_size=0.1 처럼 호가 단위를 알려 주거나, "
                "--set backtest.slippage_ticks=0 으로 끄고 backtest.slippage_rate를 쓰십시오.",
            )
        return self.slippage_ticks * tick

    def tiers(self, ref: DatasetRef) -> tuple[MarginTier, ...]:
        """이 심볼에 쓸 증거금 구간들."""
        return tiers_for(self.margin_tiers, self.maintenance_margin_rate, ref)

    def max_notional(self, ref: DatasetRef) -> float:
        """이 레버리지로 가질 수 있는 가장 큰 포지션, 호가 통화. 쓸 수 없는 레버리지면 SettingsError."""
        return max_notional(self.tiers(ref), self.leverage, ref)

    def check(self, ref: DatasetRef) -> None:
        """이 심볼에서 쓸 수 있는 설정인가. 아니면 SettingsError."""
        self.slippage_price(ref)
        self.max_notional(ref)
