"""체결을 docs/strategy.md의 글대로 한 봉씩 흉내 낸다. 건너뛰지도 미리 세지도 않는다.

제품의 kernel과 코드도 생각도 나누지 않는다: 봉마다 펀딩, 대기 주문, 봉 안의 움직임, 평가, 새 신호를
차례대로 다루고 long과 short을 따로 쓴다.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor, inf
from typing import Any


@dataclass
class PlainTrade:
    side: int
    entry_bar: int
    entry_price: float
    quantity: float
    margin: float
    equity: float
    fees: float
    funding: float = 0.0
    exit_bar: int = -1
    exit_price: float = 0.0
    reason: str = ""
    pnl: float = 0.0
    bars: int = 0


@dataclass
class PlainRun:
    trades: list[PlainTrade] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)


class PlainEngine:
    """한 번의 백테스트."""

    def __init__(self, data: Any, signals: Any, costs: Any, rules: dict[str, Any]) -> None:
        self.data, self.signals, self.costs, self.rules = data, signals, costs, rules
        self.wallet = costs.initial_cash
        self.position: PlainTrade | None = None
        self.levels: dict[str, float] = {}
        self.exit_order = ""
        self.run_result = PlainRun()
        tick = costs.tick_size or data.ref.tick_size or 0.0
        self.slip_price = costs.slippage_ticks * tick

    # -- 체결 ---------------------------------------------------------------

    def buy_price(self, price: float) -> float:
        return price * (1 + self.costs.slippage_rate) + self.slip_price

    def sell_price(self, price: float) -> float:
        return price * (1 - self.costs.slippage_rate) - self.slip_price

    def enter(self, j: int, side: int) -> None:
        costs, bars = self.costs, self.data.ltf
        atr = None if self.signals.atr is None else self.signals.atr[j - 1]
        uses_atr = any(self.rules.get(k) for k in ("stop_atr", "trail_atr", "target_atr"))
        if uses_atr and (atr is None or not atr > 0):
            return
        opened = float(bars.open[j])
        price = self.buy_price(opened) if side > 0 else self.sell_price(opened)
        if price <= 0 or self.wallet <= 1e-9 * costs.initial_cash:
            return
        notional = self.wallet * costs.position_fraction / (1 / costs.leverage + costs.fee_rate)
        caps = [
            t.notional_cap for t in costs.tiers(self.data.ref) if t.max_leverage >= costs.leverage
        ]
        quantity = min(notional, max(caps)) / price
        step = costs.step_size or self.data.ref.step_size
        if step:
            quantity = floor(quantity / step + 1e-9) * step
        least = costs.min_notional or self.data.ref.min_notional or 0
        if quantity <= 0 or quantity * price < least:
            return
        fee = quantity * price * costs.fee_rate
        margin = quantity * price / costs.leverage
        self.position = PlainTrade(side, j, price, quantity, margin, self.wallet, fee)
        self.wallet -= fee
        self.exit_order = ""
        away = lambda key, sign: (  # noqa: E731
            price + sign * side * self.rules[key] * atr if self.rules.get(key) else None
        )
        self.levels = {
            "stop": away("stop_atr", -1),
            "trail": away("trail_atr", -1),
            "target": away("target_atr", +1),
            "best": price,
        }

    def leave(self, j: int, price: float, reason: str, bars: int) -> None:
        """price는 slippage 앞의 값. 강제 청산이면 쓰지 않는다."""
        trade = self.position
        assert trade is not None
        broke = trade.entry_price - trade.side * trade.margin / trade.quantity
        maker = self.costs.maker_fee_rate
        if reason == "liquidation":
            out, fee = broke, 0.0
        elif reason == "target" and maker is not None:  # 걸어 둔 지정가가 제값에 체결된다
            out = self.levels["target"]
            fee = trade.quantity * out * maker
        else:
            out = self.sell_price(price) if trade.side > 0 else self.buy_price(price)
            out = max(out, broke) if trade.side > 0 else min(out, broke)
            fee = trade.quantity * out * self.costs.fee_rate
        gross = trade.side * trade.quantity * (out - trade.entry_price)
        if reason not in ("liquidation", "target") or (reason == "target" and maker is None):
            fee = min(fee, max(trade.margin + gross, 0.0))  # 증거금보다 더 잃지 않는다
        self.wallet += gross - fee
        trade.fees += fee
        trade.exit_bar, trade.exit_price, trade.reason, trade.bars = j, out, reason, bars
        trade.pnl = gross - trade.fees - trade.funding
        self.run_result.trades.append(trade)
        self.position = None

    def pay_funding(self, price: float, rate: float) -> None:
        trade = self.position
        assert trade is not None
        paid = trade.side * trade.quantity * price * rate
        trade.funding += paid
        self.wallet -= paid
        trade.margin = min(trade.margin, self.wallet)  # 남는 돈이 없으면 증거금에서 낸다

    # -- 봉 안 --------------------------------------------------------------

    def liquidation_price(self) -> float:
        """거래소의 식을 구간마다 풀어, 그 값에서의 포지션 금액이 그 구간에 드는 것을 고른다."""
        trade = self.position
        assert trade is not None
        tiers = self.costs.tiers(self.data.ref)
        prices, floor = [], 0.0
        for tier in tiers:
            mmr, cum = tier.maintenance_margin_rate, tier.maintenance_amount
            entry_value = trade.side * trade.quantity * trade.entry_price
            above = trade.margin + cum - entry_value
            price = above / (trade.quantity * (mmr - trade.side))
            if floor < trade.quantity * price <= tier.notional_cap:
                return price
            prices.append(price)
            floor = tier.notional_cap
        # 표에 없는 곳: 0 이하로 내려가야 닿는 long, 마지막 구간도 넘는 short.
        return prices[0] if prices[0] <= 0 else prices[-1]

    def protective(self) -> tuple[float, str]:
        """(더 가까운 손절, 그 이름). 없으면 (무한, "")."""
        assert self.position is not None
        side = self.position.side
        found = [(v, k) for k in ("stop", "trail") if (v := self.levels[k]) is not None]
        if not found:
            return (-inf if side > 0 else inf), ""
        if len(found) == 2 and found[0][0] == found[1][0]:
            return found[0]
        return max(found) if side > 0 else min(found)

    def moved(self, j: int, o: float, h: float, low: float) -> bool:
        """봉 하나가 지나간다. 닫혔으면 True. 손절이 익절보다 먼저다."""
        trade = self.position
        assert trade is not None
        stop, name = self.protective()
        liq, target = self.liquidation_price(), self.levels["target"]
        held = j - trade.entry_bar + 1
        if trade.side > 0:
            if o <= liq:
                return self.closed(j, o, "liquidation", held)
            if o <= stop:
                return self.closed(j, o, name, held)
            if target is not None and o >= target:
                return self.closed(j, o, "target", held)
            if stop >= liq and low <= stop:
                return self.closed(j, stop, name, held)
            if low <= liq:
                return self.closed(j, liq, "liquidation", held)
            if target is not None and h >= target:
                return self.closed(j, target, "target", held)
        else:
            if o >= liq:
                return self.closed(j, o, "liquidation", held)
            if o >= stop:
                return self.closed(j, o, name, held)
            if target is not None and o <= target:
                return self.closed(j, o, "target", held)
            if stop <= liq and h >= stop:
                return self.closed(j, stop, name, held)
            if h >= liq:
                return self.closed(j, liq, "liquidation", held)
            if target is not None and low <= target:
                return self.closed(j, target, "target", held)
        return False

    def closed(self, j: int, price: float, reason: str, held: int) -> bool:
        self.leave(j, price, reason, held)
        return True

    def inside(self, j: int, step_ms: int) -> bool:
        """봉 j의 안. 바탕 봉이 있으면 그 차례로. 닫혔으면 True."""
        bars, base = self.data.ltf, self.data.base
        opened = int(bars.open_time[j])
        rows = [r for r in self.funding_between(opened, opened + step_ms) if r[0] != opened]
        subs: list[int] = []
        if base is not None:
            subs = list(range(int(self.data.base_start[j]), int(self.data.base_start[j + 1])))
        if not subs:
            for _, rate in rows:
                self.pay_funding(float(bars.open[j]), rate)
            if bars.filled[j]:
                return False
            return self.moved(j, float(bars.open[j]), float(bars.high[j]), float(bars.low[j]))
        for s in subs:
            until = int(base.open_time[s + 1]) if s + 1 < len(base.open_time) else opened + step_ms
            while rows and rows[0][0] < until:
                self.pay_funding(float(base.open[s]), rows.pop(0)[1])
            if base.filled[s]:
                continue
            if self.moved(j, float(base.open[s]), float(base.high[s]), float(base.low[s])):
                return True
        return False

    def funding_between(self, lo: int, hi: int) -> list[tuple[int, float]]:
        schedule = self.data.funding
        if schedule is None or not self.costs.funding:
            return []
        pairs = zip(schedule.time.tolist(), schedule.rate.tolist(), strict=True)
        return [(t, r) for t, r in pairs if lo <= t < hi]

    # -- 전체 ---------------------------------------------------------------

    def run(self, step_ms: int) -> PlainRun:
        bars = self.data.ltf
        n = len(bars.close)
        for j in range(n):
            just_left = self.at_open(j)
            if j > 0 and self.position is None and not bars.filled[j] and not bars.filled[j - 1]:
                side = int(self.signals.entry[j - 1])
                allowed = {"both": (1, -1), "long": (1,), "short": (-1,)}[self.costs.direction]
                if side in allowed and side != just_left:
                    self.enter(j, side)
            if self.position is not None:
                self.inside(j, step_ms)
            if self.position is not None and j == n - 1:
                held = j - self.position.entry_bar + 1
                self.leave(j, float(bars.close[j]), "end", held)
            self.run_result.equity.append(self.marked(j))
            if self.position is not None:
                self.after_close(j)
        return self.run_result

    def at_open(self, j: int) -> int:
        """봉의 시가: 펀딩, 그다음 기다리던 청산. 닫은 쪽을 준다(없으면 0)."""
        if self.position is None:
            return 0
        bars, trade = self.data.ltf, self.position
        opened = int(bars.open_time[j])
        for _, rate in self.funding_between(opened, opened + 1):
            self.pay_funding(float(bars.open[j]), rate)
        if not self.exit_order or bars.filled[j]:
            return 0
        o, liq = float(bars.open[j]), self.liquidation_price()
        broken = o <= liq if trade.side > 0 else o >= liq
        reason = "liquidation" if broken else self.exit_order
        target = self.levels["target"]
        if self.costs.maker_fee_rate is not None and target is not None:
            reached = o >= target if trade.side > 0 else o <= target
            reason = "target" if reached else reason
        self.leave(j, o, reason, j - trade.entry_bar)
        return trade.side

    def marked(self, j: int) -> float:
        if self.position is None:
            return self.wallet
        t = self.position
        return self.wallet + t.side * t.quantity * (float(self.data.ltf.close[j]) - t.entry_price)

    def after_close(self, j: int) -> None:
        """봉 j가 닫힌 뒤 알게 된 것: 따라가는 손절과 다음 시가의 청산 주문."""
        t, bars, levels = self.position, self.data.ltf, self.levels
        assert t is not None
        if levels["trail"] is not None:
            gap = self.rules["trail_atr"] * self.signals.atr[j]
            if t.side > 0:
                levels["best"] = max(levels["best"], float(bars.high[j]))
                levels["trail"] = max(levels["trail"], levels["best"] - gap)
            else:
                levels["best"] = min(levels["best"], float(bars.low[j]))
                levels["trail"] = min(levels["trail"], levels["best"] + gap)
        if not self.exit_order:
            wanted = self.signals.exit_long[j] if t.side > 0 else self.signals.exit_short[j]
            limit = self.rules.get("max_bars")
            if wanted:
                self.exit_order = "signal"
            elif limit and j - t.entry_bar + 1 >= limit:
                self.exit_order = "time"
