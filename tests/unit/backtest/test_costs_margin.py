"""손으로 셈한 값과 견준다: 증거금 구간표의 청산가와 상한, maker 익절, 사용자가 준 호가·수량 단위."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference.builders import MINUTE, START, candles, dataset
from reference.compare import REASONS, run_fixed

from optimize.backtest.costs import CostModel
from optimize.backtest.margin import _SHIPPED, read_tiers
from optimize.data.dataset import Dataset
from optimize.errors import SettingsError
from optimize.strategy.protocol import Signals

FREE = {"fee_rate": 0.0, "slippage_rate": 0.0}


def market(*rows: tuple[float, float, float, float], symbol: str = "BINANCE:BTCUSDT.P") -> Dataset:
    data = dataset(candles(*(np.array(column, float) for column in zip(*rows, strict=True))))
    return replace(data, ref=replace(data.ref, symbol=symbol))


def one_trade(data: Dataset, side: int, rules: dict[str, Any] | None = None, **costs: Any) -> Any:
    """봉 0의 신호로 봉 1의 시가에 들어간 거래와 그 까닭."""
    n = len(data.ltf)
    entry = np.zeros(n, np.int8)
    entry[0] = side
    never = np.zeros(n, bool)
    signals = Signals(entry, never, never.copy(), np.ones(n), **(rules or {}))
    (trade,) = run_fixed(data, signals, CostModel(**{**FREE, **costs})).trades
    return trade, REASONS[int(trade["reason"])]


def touching(price: float, side: int) -> tuple[float, float, float, float]:
    """100에서 열려 price까지 갔다 100에 닫는 봉."""
    return (100, 100, price, 100) if side > 0 else (100, price, 100, 100)


# 현금 · 레버리지 · 쪽 · 청산가(손으로 셈한 값)
LIQUIDATIONS = [
    # N = 5,000,000(구간 4: 1 %, 공제 11,450), 증거금 100,000, Q = 50,000.
    # long (5,000,000 − 100,000 − 11,450) / (50,000 × 0.99) = 4,888,550 / 49,500 = 98.75858…
    (100_000, 50, 1, 98.758585858),
    # short (5,000,000 + 100,000 + 11,450) / (50,000 × 1.01) = 5,111,450 / 50,500 = 101.21683…
    (100_000, 50, -1, 101.216831683),
    # N = 3,010,000은 구간 4이나 청산될 때의 금액은 2,968,143으로 구간 3(0.65 %, 공제 950)이다.
    # (3,010,000 − 60,200 − 950) / (30,100 × 0.9935) = 2,948,850 / 29,904.35 = 98.60939…
    (60_200, 50, 1, 98.609399635),
    # short은 커지며 다음 구간으로 간다: N = 590,000(구간 2), 청산될 때는 구간 3이다.
    # (590,000 + 29,500 + 950) / (5,900 × 1.0065) = 620,450 / 5,938.35 = 104.48188…
    (29_500, 20, -1, 104.481884699),
    # 첫 구간: N = 10,000, 증거금 1,000. (10,000 − 1,000) / (100 × 0.996) = 90.36144…
    (1_000, 10, 1, 90.361445783),
]


@pytest.mark.parametrize(("cash", "leverage", "side", "price"), LIQUIDATIONS)
def test_구간표의_청산가는_거래소의_식과_같다(
    cash: float, leverage: float, side: int, price: float
) -> None:
    costs = {"initial_cash": cash, "leverage": leverage}
    for miss, dead in ((1e-6, False), (-1e-6, True)):
        data = market(*[(100.0, 100.0, 100.0, 100.0)] * 2, touching(price + side * miss, side))
        trade, reason = one_trade(data, side, **costs)
        assert (reason == "liquidation") is dead
        assert trade["pnl"] == pytest.approx(-cash if dead else 0.0, abs=1e-6)


def test_레버리지마다_가질_수_있는_금액이_정해져_있다() -> None:
    """125배는 50,000까지: 현금 1,000이면 125,000이 아니라 50,000(수량 500)만 산다."""
    rows = [(100.0, 100.0, 100.0, 100.0)] * 3
    trade, _ = one_trade(market(*rows), 1, initial_cash=1000, leverage=125)
    assert trade["quantity"] == pytest.approx(500.0)
    spot = market(*rows, symbol="BINANCE:BTCUSDT")
    trade, _ = one_trade(spot, 1, initial_cash=1000, leverage=125)
    assert trade["quantity"] == pytest.approx(1250.0)
    trade, _ = one_trade(market(*rows), 1, initial_cash=1000, leverage=125, margin_tiers="none")
    assert trade["quantity"] == pytest.approx(1250.0)


def test_심볼이_허락하지_않는_레버리지는_거절한다() -> None:
    rows = [(0.3, 0.3, 0.3, 0.3)] * 3
    with pytest.raises(SettingsError, match=r"BINANCE:ENAUSDT\.P에서 쓸 수 없습니다") as caught:
        one_trade(market(*rows, symbol="BINANCE:ENAUSDT.P"), 1, leverage=75)
    assert "50배" in caught.value.cause


def test_실린_표는_구간의_경계에서_유지_증거금이_이어진다() -> None:
    """공제액을 손으로도 다시 셈한다: amount = 앞 amount + 앞 cap × (rate − 앞 rate)."""
    tables = json.loads(_SHIPPED.read_text(encoding="utf-8"))["tables"]
    assert set(tables) == {"BTCUSDT", "ETHUSDT", "default"}
    for rows in tables.values():
        for before, row in pairwise(rows):
            at = before["notional_cap"]
            low, high = (
                at * tier["maintenance_margin_rate"] - tier["maintenance_amount"]
                for tier in (before, row)
            )
            assert high == pytest.approx(low)
    assert tables["BTCUSDT"][1]["maintenance_amount"] == 50  # 50,000 × (0.5 % − 0.4 %)


@pytest.mark.parametrize(
    ("side", "end", "expected"),
    [
        # 체결 100 × 1.0001 + 2 × 0.1 = 100.21. 1000 × 10 / (1 + 0.0005 × 10) / 100.21 = 99.29397 → 99.293.
        # 나올 때 110 × 0.9999 − 0.2 = 109.789. 수수료 0.05 %: 4.975075765 + 5.4506395885 = 10.4257153535.
        # 펀딩 99.293 × 101 × 0.0003 = 3.0085779(냄). 99.293 × 9.579 − 10.4257153535 − 3.0085779.
        (1, 110.0, (100.21, 109.789, 99.293, 10.4257153535, 3.0085779, 937.6933537465)),
        # 체결 100 × 0.9999 − 0.2 = 99.79. 10000 / 1.005 / 99.79 = 99.71188 → 99.711.
        # 나올 때 90 × 1.0001 + 0.2 = 90.209. 수수료 4.975080345 + 4.4974147995 = 9.4724951445.
        # 펀딩 99.711 × 101 × 0.0003 = 3.0212433(받음). 99.711 × 9.581 − 9.4724951445 + 3.0212433.
        (-1, 90.0, (99.79, 90.209, 99.711, 9.4724951445, -3.0212433, 948.8798391555)),
    ],
)
def test_모든_비용이_함께일_때(side: int, end: float, expected: tuple[float, ...]) -> None:
    """현금 1,000, 10배, taker 0.05 %, slippage 0.01 %와 2호가(0.1), 수량 단위 0.001, 값 101에서 펀딩 0.03 %."""
    rows = [(100.0,) * 4] * 2 + [(101.0,) * 4, (end,) * 4]
    bars = candles(*(np.array(column, float) for column in zip(*rows, strict=True)))
    data = dataset(bars, funding={START + 2 * MINUTE: 0.0003}, tick_size=0.1, step_size=0.001)
    data = replace(data, ref=replace(data.ref, symbol="BINANCE:BTCUSDT.P"))
    costs = {"fee_rate": 0.0005, "slippage_rate": 0.0001, "slippage_ticks": 2, "leverage": 10}
    trade, _ = one_trade(data, side, initial_cash=1000, **costs)
    names = ("entry_price", "exit_price", "quantity", "fees", "funding", "pnl")
    assert [trade[name] for name in names] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("side", [1, -1])
def test_maker_익절은_걸어_둔_값에_slippage_없이_maker_수수료로_체결된다(side: int) -> None:
    """100에 들어가 5 위(short은 아래)에 건다. 2 % 튀어 열려도 105(95)이고, 수수료는 0.02 %다."""
    costs = {"initial_cash": 1000, "fee_rate": 0.001, "slippage_rate": 0.01}
    data = market(*[(100.0, 100.0, 100.0, 100.0)] * 2, *[(107.0, 108.0, 92.0, 93.0)] * 2)
    if side < 0:
        data = market(*[(100.0, 100.0, 100.0, 100.0)] * 2, *[(93.0, 108.0, 92.0, 107.0)] * 2)
    entered = 100 * (1 + 0.01 * side)
    trade, reason = one_trade(data, side, {"target_atr": 5.0}, maker_fee_rate=0.0002, **costs)
    limit = entered + 5 * side
    assert reason == "target"
    assert trade["exit_price"] == pytest.approx(limit)
    quantity = 1000 / (1.001 * entered)
    assert trade["fees"] == pytest.approx(quantity * (entered * 0.001 + limit * 0.0002))
    assert trade["pnl"] == pytest.approx(quantity * 5 - trade["fees"])
    taker, _ = one_trade(data, side, {"target_atr": 5.0}, **costs)
    opened = 107.0 if side > 0 else 93.0
    assert taker["exit_price"] == pytest.approx(opened * (1 - 0.01 * side))
    assert taker["fees"] == pytest.approx(quantity * 0.001 * (entered + taker["exit_price"]))


def test_손절은_maker를_정해도_taker다() -> None:
    data = market(*[(100.0, 100.0, 100.0, 100.0)] * 2, (100, 100, 90, 95))
    costs = {"initial_cash": 1000, "fee_rate": 0.001, "maker_fee_rate": 0.0}
    trade, reason = one_trade(data, 1, {"stop_atr": 5.0, "target_atr": 5.0}, **costs)
    assert reason == "stop"
    assert trade["fees"] == pytest.approx(1000 / 100.1 * (100 + 95) * 0.001)


@pytest.mark.parametrize(("side", "prices"), [(1, (100.3, 99.7)), (-1, (99.7, 100.3))])
def test_설정의_단위는_자료가_아는_것을_이긴다(side: int, prices: tuple[float, float]) -> None:
    """호가 단위 0.1로 3칸: 살 때 100.3, 팔 때 99.7. 수량 단위 4: 1000/100.3 = 9.97 → 8."""
    rows = [(100.0, 100.0, 100.0, 100.0)] * 3
    data = market(*rows)
    data = replace(data, ref=replace(data.ref, tick_size=0.5, step_size=0.001, min_notional=1.0))
    costs = {"initial_cash": 1000, "slippage_ticks": 3, "tick_size": 0.1, "step_size": 4}
    trade, _ = one_trade(data, side, **costs)
    assert (trade["entry_price"], trade["exit_price"]) == pytest.approx(prices)
    assert trade["quantity"] == 8.0
    assert trade["pnl"] == pytest.approx(-8 * 0.6)
    with pytest.raises(ValueError, match="not enough values"):
        one_trade(data, side, min_notional=803.0, **costs)  # 8 × 100.3 = 802.4에 못 미친다


def test_구간은_목록이나_파일로_준다(tmp_path: Path) -> None:
    """공제액을 비우면 이어지게 셈한다: 1,000 × (2 % − 1 %) = 10."""
    rows = [
        {"notional_cap": 1000, "max_leverage": 20, "maintenance_margin_rate": 0.01},
        {"notional_cap": 5000, "max_leverage": 10, "maintenance_margin_rate": 0.02},
    ]
    given = read_tiers(rows)
    assert [tier.maintenance_amount for tier in given] == [0.0, pytest.approx(10.0)]  # type: ignore[union-attr]
    path = tmp_path / "tiers.json"
    path.write_text(json.dumps(rows))
    assert CostModel(margin_tiers=str(path)).margin_tiers == given
    # N = 3,000(구간 2), 증거금 300: (3,000 − 300 − 10) / (30 × 0.98) = 91.49659…
    data = market(*[(100.0, 100.0, 100.0, 100.0)] * 2, (100, 100, 91.4966, 100))
    assert one_trade(data, 1, initial_cash=300, leverage=10, margin_tiers=given)[1] == "end"
    data = market(*[(100.0, 100.0, 100.0, 100.0)] * 2, (100, 100, 91.4965, 100))
    assert one_trade(data, 1, initial_cash=300, leverage=10, margin_tiers=given)[1] == "liquidation"


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ([], "받은 것"),
        ("없는파일.yaml", "읽지 못했습니다: 파일이나 폴더가 없습니다"),
        ([{"notional_cap": 1000, "max_leverage": 20}], "maintenance_margin_rate"),
        ([{"cap": 1000}], "모르는 키: cap"),
        ([{"notional_cap": 1e3, "max_leverage": 200, "maintenance_margin_rate": 0.01}], "200"),
        (
            [
                {"notional_cap": 1e3, "max_leverage": 20, "maintenance_margin_rate": 0.01},
                {"notional_cap": 1e3, "max_leverage": 20, "maintenance_margin_rate": 0.01},
            ],
            "2번째 구간은 앞보다",
        ),
        *(
            (
                [
                    {"notional_cap": 1e3, "max_leverage": 20, "maintenance_margin_rate": 0.01},
                    {"notional_cap": 2e3, "max_leverage": most, "maintenance_margin_rate": rate},
                ],
                "2번째 구간은 앞보다",
            )
            for most, rate in ((25, 0.01), (20, 0.005))
        ),
        (
            [
                {"notional_cap": 1e3, "max_leverage": 20, "maintenance_margin_rate": 0.01},
                {
                    "notional_cap": 2e3,
                    "max_leverage": 20,
                    "maintenance_margin_rate": 0.02,
                    "maintenance_amount": 5,
                },
            ],
            "이어지려면 10",
        ),
    ],
)
def test_틀린_구간표는_까닭을_대며_거절한다(given: Any, cause: str) -> None:
    with pytest.raises(SettingsError, match="margin_tiers") as caught:
        CostModel(margin_tiers=given)
    assert cause in caught.value.cause


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(
            ("maker_fee_rate", -0.02),
            ("maker_fee_rate", 1.0),
            ("tick_size", 0.0),
            ("step_size", -1.0),
        ),
        *((name, float("inf")) for name in ("initial_cash", "slippage_ticks", "step_size")),
        *((name, float("nan")) for name in ("fee_rate", "leverage", "position_fraction")),
    ],
)
def test_벗어난_값은_거절한다(key: str, value: float) -> None:
    with pytest.raises(SettingsError, match=key):
        CostModel(**{key: value})
