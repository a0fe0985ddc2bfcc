"""손으로 셈한 값과 견준다: 수수료, slippage, 호가 단위, 펀딩, 격리 증거금 청산, 봉 안의 차례, 채운 봉."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference.builders import MINUTE, START, candles, dataset
from reference.compare import REASONS, run_fixed

from optimize.backtest.costs import CostModel
from optimize.backtest.result import BacktestResult
from optimize.data.dataset import Dataset
from optimize.errors import DataError, RunError, SettingsError
from optimize.strategy.protocol import Signals

FREE = {"fee_rate": 0.0, "slippage_rate": 0.0, "maintenance_margin_rate": 0.0}


def bars(*rows: tuple[float, float, float, float], filled: tuple[int, ...] = ()) -> Any:
    """(시가, 고가, 저가, 종가) 줄들로 1분봉."""
    flags = [i in filled for i in range(len(rows))]
    return candles(*(np.array(c, float) for c in zip(*rows, strict=True)), filled=flags)


def flat(price: float, count: int) -> list[tuple[float, float, float, float]]:
    return [(price, price, price, price)] * count


def orders(
    n: int,
    *,
    entry: dict[int, int],
    exit_long: tuple[int, ...] = (),
    exit_short: tuple[int, ...] = (),
    atr: float = 1.0,
    **rules: Any,
) -> Signals:
    sides = np.zeros(n, np.int8)
    for bar, side in entry.items():
        sides[bar] = side
    flags = [np.isin(np.arange(n), chosen) for chosen in (exit_long, exit_short)]
    return Signals(sides, flags[0], flags[1], np.full(n, atr), **rules)


def run(data: Dataset, signals: Signals, **costs: Any) -> BacktestResult:
    return run_fixed(data, signals, CostModel(**{**FREE, "initial_cash": 1000.0, **costs}))


def only(result: BacktestResult) -> np.void:
    assert len(result.trades) == 1
    return result.trades[0]


def reason(result: BacktestResult) -> str:
    return REASONS[int(only(result)["reason"])]


def test_신호는_다음_시가에_체결되고_양쪽_모두_slippage가_불리하고_수수료가_든다() -> None:
    data = dataset(
        bars((90, 90, 90, 90), (100, 100, 100, 100), (105, 105, 105, 105), (110, 110, 110, 110))
    )
    signals = orders(4, entry={0: 1}, exit_long=(2,))
    trade = only(run(data, signals, fee_rate=0.001, slippage_rate=0.01))
    assert (trade["entry_bar"], trade["exit_bar"], trade["bars"]) == (1, 3, 2)
    assert trade["entry_price"] == pytest.approx(101.0)  # 100 × 1.01
    assert trade["exit_price"] == pytest.approx(108.9)  # 110 × 0.99
    quantity = 1000 / (101 * 1.001)
    assert trade["quantity"] == pytest.approx(quantity)  # 수수료까지 합쳐 가진 돈
    assert trade["fees"] == pytest.approx(quantity * (101 + 108.9) * 0.001)
    assert trade["pnl"] == pytest.approx(quantity * (108.9 - 101) - trade["fees"])


def test_short은_낮게_팔고_높게_되산다() -> None:
    data = dataset(bars(*flat(100, 2), (90, 90, 90, 90), (80, 80, 80, 80)))
    trade = only(run(data, orders(4, entry={0: -1}, exit_short=(2,)), slippage_rate=0.01))
    assert trade["entry_price"] == pytest.approx(99.0)
    assert trade["exit_price"] == pytest.approx(80.8)
    assert trade["pnl"] == pytest.approx(1000 / 99 * (99 - 80.8))


def test_호가_단위의_slippage는_단위를_알_때만_쓴다() -> None:
    rows = bars(*flat(100, 4))
    signals = orders(4, entry={0: 1}, exit_long=(1,))
    trade = only(run(dataset(rows, tick_size=0.5), signals, slippage_ticks=3.0))
    assert (trade["entry_price"], trade["exit_price"]) == (101.5, 98.5)
    with pytest.raises(SettingsError, match="slippage_ticks"):
        run(dataset(rows), signals, slippage_ticks=3.0)


def test_수량은_단위로_내리고_최소_주문에_못_미치면_들어가지_않는다() -> None:
    rows = bars(*flat(300, 4))
    signals = orders(4, entry={0: 1})
    trade = only(run(dataset(rows, step_size=0.5, min_notional=10.0), signals))
    assert trade["quantity"] == 3.0  # 1000/300 = 3.33
    assert trade["pnl"] == 0.0
    assert len(run(dataset(rows, min_notional=1000.01), signals).trades) == 0
    assert len(run(dataset(rows, step_size=5.0), signals).trades) == 0


@pytest.mark.parametrize(
    ("bar", "expected", "price"),
    [
        ((100, 106, 94, 100), "stop", 95.0),  # 둘 다 닿으면 손절이 먼저
        ((100, 106, 96, 100), "target", 105.0),
        ((94, 106, 93, 100), "stop", 94.0),  # 손절을 넘어 열리면 그 시가
        ((107, 108, 90, 100), "target", 107.0),  # 익절을 넘어 열리면 그 시가
        ((100, 104.99, 95.01, 100), "end", 100.0),
        ((100, 100, 95, 100), "stop", 95.0),  # 딱 닿은 것도 닿은 것
    ],
)
@pytest.mark.parametrize("side", [1, -1])
def test_봉_안의_손절과_익절(bar: Any, expected: str, price: float, side: int) -> None:
    """short은 200에서 거울에 비춘 봉이다."""
    rows = [*flat(100, 2), bar, *flat(100, 1)]
    if side < 0:
        rows = [(200 - o, 200 - low, 200 - h, 200 - c) for o, h, low, c in rows]
        price = 200 - price
    signals = orders(4, entry={0: side}, stop_atr=5.0, target_atr=5.0)
    result = run(dataset(bars(*rows)), signals)
    assert reason(result) == expected
    assert only(result)["exit_price"] == pytest.approx(price)


def test_손절은_들어간_봉에서도_지켜진다() -> None:
    data = dataset(bars(*flat(100, 1), (100, 101, 90, 99), *flat(99, 1)))
    result = run(data, orders(3, entry={0: 1}, stop_atr=5.0))
    assert reason(result) == "stop"
    assert (only(result)["entry_bar"], only(result)["exit_bar"]) == (1, 1)


def test_따라가는_손절은_앞_봉까지의_고가로만_오르고_내려가지_않는다() -> None:
    rows = bars(
        *flat(100, 2),
        (100, 120, 100, 119),  # 이 봉의 고가 120은 다음 봉부터 쓴다: 이 봉의 손절은 90
        (119, 119, 111, 112),  # 손절 110
        (112, 112, 109, 110),  # 110에 닿는다
        *flat(110, 1),
    )
    result = run(dataset(rows), orders(6, entry={0: 1}, trail_atr=10.0))
    assert reason(result) == "trail"
    assert (only(result)["exit_bar"], only(result)["exit_price"]) == (4, 110.0)


def test_고운_봉이_있으면_LTF_봉_안의_차례를_가린다() -> None:
    """3분봉 안에서 익절이 먼저 닿았다: 1분봉이 없으면 손절이라고 본다."""
    base = bars(*flat(100, 6), (100, 106, 100, 105), (105, 105, 94, 95), (95, 96, 95, 96))
    signals = orders(3, entry={0: 1}, stop_atr=5.0, target_atr=5.0)
    assert reason(run(dataset(base, "3m"), signals)) == "target"
    assert reason(run(dataset(base, "3m", with_base=False), signals)) == "stop"


def test_시간_청산은_들어간_봉을_1로_센다() -> None:
    trade = only(run(dataset(bars(*flat(100, 8))), orders(8, entry={0: 1}, max_bars=3)))
    assert (trade["entry_bar"], trade["exit_bar"], trade["bars"]) == (1, 4, 3)
    assert REASONS[int(trade["reason"])] == "time"


def test_반대_신호에는_같은_시가에서_뒤집는다() -> None:
    data = dataset(bars(*flat(100, 3), *flat(110, 3)))
    result = run(data, orders(6, entry={0: 1, 2: -1}, exit_long=(2,)))
    assert result.trades["exit_bar"][0] == result.trades["entry_bar"][1] == 3
    assert result.trades["side"].tolist() == [1, -1]
    assert result.trades["pnl"][0] == pytest.approx(100.0)


@pytest.mark.parametrize(("direction", "sides"), [("long", [1]), ("short", [-1])])
def test_고르지_않은_쪽은_들어가지_않는다(direction: str, sides: list[int]) -> None:
    data = dataset(bars(*flat(100, 6)))
    signals = orders(6, entry={0: 1, 2: -1}, exit_long=(2,), exit_short=(4,))
    assert run(data, signals, direction=direction).trades["side"].tolist() == sides


class Test펀딩:
    """펀딩은 실제 시각마다, 그 시각에 가진 포지션에 매긴다."""

    def schedule(self, *bars_and_rates: tuple[int, float]) -> dict[int, float]:
        return {START + MINUTE * bar: rate for bar, rate in bars_and_rates}

    def test_양수면_long이_내고_short이_받는다(self) -> None:
        funding = self.schedule((2, 0.01), (4, -0.005))
        for side in (1, -1):
            data = dataset(bars(*flat(100, 6)), funding=funding)
            result = run(data, orders(6, entry={0: side}))
            assert only(result)["funding"] == pytest.approx(side * 1000 * (0.01 - 0.005))
            assert only(result)["pnl"] == pytest.approx(-side * 5.0)
            assert result.metrics["funding_pct"] == pytest.approx(side * 0.5)

    def test_그_시각의_시가에_들어간_포지션은_내지_않고_나온_포지션은_낸다(self) -> None:
        data = dataset(bars(*flat(100, 6)), funding=self.schedule((1, 0.01), (3, 0.02)))
        result = run(data, orders(6, entry={0: 1}, exit_long=(2,)))
        assert only(result)["exit_bar"] == 3
        assert only(result)["funding"] == pytest.approx(20.0)

    def test_굵은_봉_안의_펀딩은_그_분의_시가로_매긴다(self) -> None:
        base = bars(*flat(100, 4), *flat(120, 4))
        funding = self.schedule((5, 0.01))
        data = dataset(base, "2m", funding=funding)
        assert only(run(data, orders(4, entry={0: 1})))["funding"] == pytest.approx(12.0)

    def test_손절된_뒤의_펀딩은_내지_않는다(self) -> None:
        base = bars(*flat(100, 3), (100, 100, 90, 95), *flat(95, 4))
        data = dataset(base, "2m", funding=self.schedule((5, 0.01)))
        result = run(data, orders(4, entry={0: 1}, stop_atr=5.0))
        assert reason(result) == "stop"
        assert only(result)["funding"] == 0.0

    def test_끄면_매기지_않는다(self) -> None:
        data = dataset(bars(*flat(100, 6)), funding=self.schedule((2, 0.01)))
        assert only(run(data, orders(6, entry={0: 1}), funding=False))["funding"] == 0.0

    def test_남는_돈이_없으면_증거금에서_나가_청산가가_다가온다(self) -> None:
        """10배 long, 증거금 1000, 수량 100. 펀딩 300을 내면 증거금 700: 파산가 93, 청산가 93/0.99."""
        rows = bars(*flat(100, 3), (100, 100, 93.9, 95), *flat(95, 1))
        funding = self.schedule((2, 0.03))
        costs = {"leverage": 10.0, "maintenance_margin_rate": 0.01}
        result = run(dataset(rows, funding=funding), orders(5, entry={0: 1}), **costs)
        assert reason(result) == "liquidation"
        assert only(result)["exit_price"] == pytest.approx(93.0)
        assert only(result)["pnl"] == pytest.approx(-1000.0)
        assert reason(run(dataset(rows), orders(5, entry={0: 1}), **costs)) == "end"


class Test강제청산:
    """Binance 격리 증거금: long (Q·P - M)/(Q·(1 - mmr)), short (Q·P + M)/(Q·(1 + mmr))."""

    costs: dict[str, Any] = {"leverage": 10.0, "maintenance_margin_rate": 0.005}  # noqa: RUF012
    long_price = (100 - 10) / 0.995  # 90.452...
    short_price = (100 + 10) / 1.005  # 109.452...

    @pytest.mark.parametrize(
        ("side", "bar", "dead"),
        [
            (1, (100, 100, 90.46, 95), False),
            (1, (100, 100, 90.45, 95), True),
            (-1, (100, 109.45, 100, 105), False),
            (-1, (100, 109.46, 100, 105), True),
        ],
    )
    def test_청산가에_닿으면_증거금을_모두_잃는다(self, side: int, bar: Any, dead: bool) -> None:
        data = dataset(bars(*flat(100, 2), bar, *flat(100, 2)))
        result = run(data, orders(5, entry={0: side}), **self.costs)
        assert (reason(result) == "liquidation") is dead
        assert only(result)["pnl"] == pytest.approx(-1000.0 if dead else 0.0)
        assert result.metrics["liquidations"] == float(dead)

    def test_쓴_몫만_잃는다(self) -> None:
        data = dataset(bars(*flat(100, 2), (100, 100, 50, 60), *flat(60, 2)))
        result = run(data, orders(5, entry={0: 1}), position_fraction=0.25, **self.costs)
        assert only(result)["pnl"] == pytest.approx(-250.0)
        assert result.metrics["net_profit_pct"] == pytest.approx(-25.0)

    def test_손절이_청산가보다_가까우면_손절이_먼저다(self) -> None:
        data = dataset(bars(*flat(100, 2), (100, 100, 50, 60), *flat(60, 2)))
        result = run(data, orders(5, entry={0: 1}, stop_atr=5.0), **self.costs)
        assert reason(result) == "stop"
        assert only(result)["pnl"] == pytest.approx(-500.0)

    def test_청산가를_넘어_열리면_손절보다도_신호보다도_청산이_먼저다(self) -> None:
        data = dataset(bars(*flat(100, 3), *flat(80, 2)))
        stopped = run(data, orders(5, entry={0: 1}, stop_atr=5.0), **self.costs)
        signalled = run(data, orders(5, entry={0: 1}, exit_long=(2,)), **self.costs)
        assert reason(stopped) == reason(signalled) == "liquidation"

    def test_모두_잃으면_다시_들어가지_않는다(self) -> None:
        data = dataset(bars(*flat(100, 2), (100, 100, 50, 60), *flat(60, 6)))
        result = run(data, orders(9, entry={0: 1, 4: 1}), **self.costs)
        assert len(result.trades) == 1
        assert result.metrics["max_drawdown_pct"] == pytest.approx(100.0)

    def test_들어가자마자_청산될_설정은_거절한다(self) -> None:
        with pytest.raises(SettingsError, match="maintenance_margin_rate"):
            CostModel(leverage=20.0, maintenance_margin_rate=0.05)


class Test채운봉:
    """거래가 없어 직전 종가로 채운 봉에서는 아무것도 체결하지 않는다."""

    def test_들어가지_않는다(self) -> None:
        signals = orders(5, entry={0: 1, 1: 1})
        for filled in ((1,), (0, 1)):
            data = dataset(bars(*flat(100, 5), filled=filled))
            result = run(data, signals)
            assert all(bar not in (1, 2) for bar in result.trades["entry_bar"])

    def test_기다리던_청산은_첫_진짜_봉의_시가에_체결된다(self) -> None:
        rows = bars(*flat(100, 5), *flat(70, 3), filled=(3, 4))
        result = run(dataset(rows), orders(8, entry={0: 1}, exit_long=(2,)))
        assert (only(result)["exit_bar"], only(result)["exit_price"]) == (5, 70.0)

    def test_빈_시간을_지난_손절은_진짜_봉의_시가에_체결된다(self) -> None:
        rows = bars(*flat(100, 5), *flat(70, 3), filled=(3, 4))
        result = run(dataset(rows), orders(8, entry={0: 1}, stop_atr=5.0))
        assert reason(result) == "stop"
        assert (only(result)["exit_bar"], only(result)["exit_price"]) == (5, 70.0)


class Test틀린신호:
    """사용자 전략의 실수를 한국어로 댄다."""

    data = dataset(bars(*flat(100, 6)))

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"entry": np.zeros(5, np.int8)}, "entry의 모양"),
            ({"entry": np.full(6, 0.5)}, "entry의 값"),
            ({"atr": None}, "Signals.atr"),
            ({"stop_atr": -1.0}, "stop_atr"),
            ({"max_bars": 0}, "max_bars"),
        ],
    )
    def test_모양과_값(self, change: dict[str, Any], expected: str) -> None:
        signals = orders(6, entry={0: 1}, stop_atr=1.0)
        for name, value in change.items():
            setattr(signals, name, value)
        with pytest.raises(RunError) as caught:
            run(self.data, signals)
        assert expected in str(caught.value)

    def test_정수와_실수_배열도_값이_맞으면_받는다(self) -> None:
        signals = orders(6, entry={0: 1}, exit_long=(3,))
        expected = run(self.data, signals)
        signals.entry = signals.entry.astype(np.int64)  # type: ignore[assignment]
        signals.exit_long = signals.exit_long.astype(np.int8)  # type: ignore[assignment]
        assert run(self.data, signals).metrics == expected.metrics

    def test_전략의_예외는_이름과_파라미터를_댄다(self) -> None:
        from optimize.backtest.engine import run_backtest

        class Raises:
            name = "raises"
            parameters = ()

            def signals(self, dataset: Dataset, params: Any) -> Signals:
                raise KeyError("lenght")

        with pytest.raises(RunError) as caught:
            run_backtest(self.data, Raises(), {"length": 3}, CostModel())
        assert "raises" in caught.value.title
        assert "lenght" in caught.value.cause
        assert "length=3" in caught.value.fix

    def test_봉_하나로는_돌리지_않는다(self) -> None:
        with pytest.raises(DataError, match="모자랍니다"):
            run(dataset(bars(*flat(100, 1))), orders(1, entry={}))


def test_방향이_아닌_entry는_몇_번째_값인지_말하며_거절한다() -> None:
    with pytest.raises(RunError, match="1번째 값이 5"):
        run(dataset(bars(*flat(100, 3))), orders(3, entry={1: 5}))
