"""체결과 비용의 설정. 표준 라이브러리만 쓴다."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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
    maintenance_margin_rate: 유지 증거금률. 1/leverage보다 작아야 한다.
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

    def __post_init__(self) -> None:
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
        if ref.tick_size is None:
            raise SettingsError(
                f"backtest.slippage_ticks = {self.slippage_ticks:g}을(를) 쓸 수 없습니다",
                f"{ref.symbol}의 호가 단위(tick size)를 모릅니다.",
                "--set backtest.slippage_ticks=0 으로 끄고 backtest.slippage_rate를 쓰십시오.",
            )
        return self.slippage_ticks * ref.tick_size
