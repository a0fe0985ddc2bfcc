"""같은 신호를 우리 엔진과 vectorbt·backtesting.py에 주고 거래와 평가금을 하나하나 견준다.

    python tests/bench/parity.py [--quick] [--json] [--write-expected]

`ma_cross` + ATR 손절의 신호를 셋에 똑같이 준다. 체결의 뜻을 맞추려고 봉 하나를 두 줄로 편다: 시가의
주문만 있는 줄과, 봉 안이 지나가는 줄(까닭은 docs/parity.md). 다른 것이 하나라도 남으면 exit code 1.
봉을 펴지 않고 도구의 습관대로 두었을 때 거래가 얼마나 달라지는지도 함께 적는다.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from parity_kit import (
    CASES,
    EXPECTED,
    QUICK,
    Case,
    Fills,
    candles_of,
    figures,
    missing,
    our_fills,
    signals_of,
)

from optimize.data.dataset import Dataset
from optimize.strategy.protocol import Signals

# 어긋났다고 보는 상대 오차.
TOLERANCE = 1e-9
# backtesting.py는 수량을 낱개로 내리므로, 첫 거래의 수량이 이만큼 되도록 돈을 불려 준다.
UNITS = 1e17


@dataclass(frozen=True)
class Line:
    """견줌 한 줄. first: 처음 어긋난 곳의 설명, 없으면 빈 글. habit: 봉을 펴지 않았을 때 다른 거래 수."""

    case: str
    tool: str
    trades: int
    worst_price: float
    worst_pnl: float
    worst_equity: float
    first: str
    habit: int | None


@dataclass(frozen=True)
class Sheet:
    """도구에 주는 줄들, 길이 r = bars × per (+ 끝 한 줄). entry와 exit는 그 줄의 시가에 할 주문이다.

    per: 봉 하나의 줄 수. 2이면 짝수 줄은 시가, 홀수 줄은 봉의 안이고 마지막에 기간의 끝(종가) 한 줄이 있다.
    seen_*: vectorbt가 손절을 볼 때의 시가·고가·저가. 시가의 줄은 앞 종가라 손절을 보지 않는 것과 같다.
    distance: 들어가는 줄에서 잰 손절의 거리(호가 통화).
    """

    bars: int
    per: int
    open: Any
    high: Any
    low: Any
    close: Any
    seen_open: Any
    seen_high: Any
    seen_low: Any
    entry: Any
    exit_long: Any
    exit_short: Any
    distance: Any

    def bar_of(self, row: Any) -> Any:
        """줄의 봉. 끝 줄은 마지막 봉이다."""
        return np.minimum(np.asarray(row) // self.per, self.bars - 1)

    def equity_at_closes(self, values: Any) -> Any:
        """봉마다의 평가금. 마지막 봉은 끝 줄의 것이다."""
        every = np.asarray(values)
        picked = every[self.per - 1 : self.per * self.bars : self.per].copy()
        picked[-1] = every[-1]
        return picked


def _delayed(values: Any) -> Any:
    """봉 i의 종가 신호를 봉 i+1의 주문으로."""
    return np.concatenate((np.zeros(1, np.asarray(values).dtype), values[:-1]))


def aligned_sheet(data: Dataset, signals: Signals) -> Sheet:
    """체결의 뜻을 맞춘 두 줄짜리."""
    c, n = data.ltf, len(data.ltf)
    before = np.concatenate(([c.open[0]], c.close[:-1]))

    def spread(at_open: Any, inside: Any, last: Any) -> Any:
        out = np.zeros(2 * n + 1, np.asarray(inside).dtype)
        out[0:-1:2], out[1:-1:2], out[-1] = at_open, inside, last
        return out

    none = np.zeros(n)
    atr = none if signals.atr is None else signals.atr
    return Sheet(
        n, 2,
        *(spread(c.open, getattr(c, name), c.close[-1]) for name in ("open", "high", "low", "close")),
        *(spread(before, getattr(c, name), c.close[-1]) for name in ("open", "high", "low")),
        spread(_delayed(signals.entry), none.astype(np.int8), 0),
        spread(_delayed(signals.exit_long), none.astype(bool), True),
        spread(_delayed(signals.exit_short), none.astype(bool), True),
        spread(_delayed(atr) * (signals.stop_atr or 0.0), none, 0.0),
    )  # fmt: skip


def habit_sheet(data: Dataset, signals: Signals) -> Sheet:
    """봉 하나가 한 줄인, 도구의 습관대로의 것: 주문만 한 봉 미룬다."""
    c = data.ltf
    prices = [np.array(getattr(c, name)) for name in ("open", "high", "low", "close")]
    atr = np.zeros(len(c)) if signals.atr is None else signals.atr
    return Sheet(
        len(c), 1, *prices, *prices[:3], _delayed(signals.entry), _delayed(signals.exit_long),
        _delayed(signals.exit_short), _delayed(atr) * (signals.stop_atr or 0.0),
    )  # fmt: skip


def vectorbt_fills(sheet: Sheet, case: Case) -> Fills:
    """`Portfolio.from_signals`. 손절은 체결가에서 잰 비율로 걸고 시장가로 나간다."""
    import pandas as pd
    import vectorbt as vbt

    fill = sheet.open * (1 + np.sign(sheet.entry) * case.slippage)
    distance = sheet.distance
    stop = np.divide(distance, fill, out=np.full(len(fill), np.nan), where=distance > 0)
    long, short = sheet.entry > 0, sheet.entry < 0
    portfolio = vbt.Portfolio.from_signals(
        pd.Series(sheet.close), price=pd.Series(sheet.open), open=pd.Series(sheet.seen_open),
        high=pd.Series(sheet.seen_high), low=pd.Series(sheet.seen_low),
        entries=long, exits=sheet.exit_long & ~short,
        short_entries=short, short_exits=sheet.exit_short & ~long,
        sl_stop=stop, stop_entry_price="fillprice", stop_exit_price="stopmarket",
        upon_opposite_entry="reverse", init_cash=case.cash, fees=case.fee,
        slippage=case.slippage, freq="1min",
    )  # fmt: skip
    records = portfolio.trades.records
    return Fills(
        sheet.bar_of(records["entry_idx"]),
        sheet.bar_of(records["exit_idx"]),
        np.where(records["direction"] == 0, 1, -1),
        *(records[name].to_numpy() for name in ("size", "entry_price", "exit_price", "pnl")),
        sheet.equity_at_closes(portfolio.value()),
    )


def backtesting_fills(sheet: Sheet, case: Case) -> Fills:
    """`Backtest`. 체결된 줄에서 체결가로 손절을 건다. slippage는 들어갈 때만 있는 도구라 쓰지 않는다."""
    import pandas as pd
    from backtesting import Backtest, Strategy

    entry, distance = sheet.entry, sheet.distance
    scale = UNITS * sheet.open[0] / case.cash
    exits = {1: sheet.exit_long, -1: sheet.exit_short}

    class Replay(Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            row = len(self.data) - 1
            for trade in self.trades:
                if trade.entry_bar == row and distance[row] > 0:
                    trade.sl = trade.entry_price - np.sign(trade.size) * distance[row]
            if row + 1 >= len(entry):
                return
            side, held = int(entry[row + 1]), int(np.sign(self.position.size))
            if side and side != held:
                (self.buy if side > 0 else self.sell)()
            elif held and exits[held][row + 1]:
                self.position.close()

    index = pd.to_datetime(np.arange(len(entry)), unit="s")
    columns = {name.title(): getattr(sheet, name) for name in ("open", "high", "low", "close")}
    test = Backtest(
        pd.DataFrame(columns, index=index), Replay, cash=case.cash * scale,
        commission=case.fee, exclusive_orders=True, finalize_trades=False,
    )  # fmt: skip
    done = test.run()
    trades = done["_trades"].sort_values(["EntryBar", "ExitBar"])
    size = trades["Size"].to_numpy()
    return Fills(
        sheet.bar_of(trades["EntryBar"]),
        sheet.bar_of(trades["ExitBar"]),
        np.sign(size).astype(int),
        np.abs(size) / scale,
        trades["EntryPrice"].to_numpy(),
        trades["ExitPrice"].to_numpy(),
        trades["PnL"].to_numpy() / scale,
        sheet.equity_at_closes(done["_equity_curve"]["Equity"]) / scale,
    )


TOOLS = {"vectorbt": vectorbt_fills, "backtesting.py": backtesting_fills}


def compared(case: Case, tool: str, ours: Fills, theirs: Fills, habit: int | None) -> Line:
    """거래마다 봉과 쪽은 똑같고, 수량·값·손익·평가금은 상대 오차 TOLERANCE 안이어야 한다."""
    first = ""
    if len(ours.side) != len(theirs.side):
        first = f"거래 수 {len(ours.side)} ≠ {len(theirs.side)}"
    shared = min(len(ours.side), len(theirs.side))
    for name in ("side", "entry_bar", "exit_bar"):
        moved = np.flatnonzero(getattr(ours, name)[:shared] != getattr(theirs, name)[:shared])
        if len(moved):
            at = int(moved[0])
            pair = getattr(ours, name)[at], getattr(theirs, name)[at]
            first = f"거래 {at}의 {name}: {pair[0]} ≠ {pair[1]} (봉 {ours.entry_bar[at]})"
            break
    worst = {}
    for name in ("quantity", "entry_price", "exit_price", "pnl"):
        a, b = getattr(ours, name)[:shared], getattr(theirs, name)[:shared]
        # 손익은 거래의 금액에 견준다(0에 가까운 손익의 상대 오차는 뜻이 없다).
        base = ours.quantity[:shared] * ours.entry_price[:shared] if name == "pnl" else np.abs(a)
        worst[name] = float(np.max(np.abs(a - b) / base, initial=0.0))
    equity = float(np.max(np.abs(ours.equity / theirs.equity - 1)))
    for name, value in {**worst, "equity": equity}.items():
        if not first and not value <= TOLERANCE:
            first = f"{name}의 상대 오차 {value:.1e}"
    price = max(worst[name] for name in ("quantity", "entry_price", "exit_price"))
    return Line(case.name, tool, len(ours.side), price, worst["pnl"], equity, first, habit)


def habit_moves(ours: Fills, theirs: Fills) -> int:
    """습관대로 두었을 때 들어가고 나온 봉과 값이 같은 짝이 없는 우리 거래의 수."""

    def keys(fills: Fills) -> set[tuple[int, int, int, float]]:
        columns = (fills.entry_bar, fills.exit_bar, fills.side, np.round(fills.exit_price, 6))
        return set(zip(*(column.tolist() for column in columns), strict=True))

    return len(keys(ours) - keys(theirs))


def run_case(case: Case, folder: Path) -> tuple[Dataset, Fills, list[Line], dict[str, Fills]]:
    """한 경우를 모든 도구로."""
    data = candles_of(case, folder)
    signals = signals_of(case, data)
    ours = our_fills(case, data)
    lines, found = [], {}
    for tool in case.tools:
        theirs = found[tool] = TOOLS[tool](aligned_sheet(data, signals), case)
        habit = habit_moves(ours, TOOLS[tool](habit_sheet(data, signals), case))
        lines.append(compared(case, tool, ours, theirs, habit))
    return data, ours, lines, found


def expected_entry(case: Case, data: Dataset, found: dict[str, Fills]) -> dict[str, Any]:
    """시험이 우리 쪽과 견줄, 다른 도구가 셈한 숫자."""
    return {
        "case": case.name,
        "fingerprint": data.ref.fingerprint,
        "bars": len(data.ltf),
        "tools": {tool: figures(fills) for tool, fills in found.items()},
    }


def provenance() -> dict[str, Any]:
    """무엇으로 언제 셈했는가."""
    return {
        "about": "tests/bench/parity.py --write-expected 가 다른 도구로 셈한 숫자. 우리 엔진의 것이 아니다.",
        "made_at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": {name: version(name) for name in ("vectorbt", "backtesting", "numba", "numpy")},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="같은 신호의 거래와 평가금을 다른 도구와 견준다")
    parser.add_argument("--quick", action="store_true", help="작은 자료만")
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    parser.add_argument(
        "--write-expected", action="store_true", help="시험이 볼 숫자를 새로 적는다"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["TQDM_DISABLE"] = "1"  # backtesting.py의 진행 막대
    lines: list[Line] = []
    entries = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if options.quick and case.name not in QUICK:
                continue
            if reason := missing(case):
                print(f"건너뜀: {case.name}: {reason}", file=sys.stderr)
                continue
            data, _, rows, found = run_case(case, Path(folder))
            entries.append(expected_entry(case, data, found))
            lines += rows
            if not options.json:
                for line in rows:
                    print(text(line), flush=True)
    if options.json:
        print(json.dumps({"lines": [asdict(line) for line in lines]}, ensure_ascii=False))
    if options.write_expected:
        body = {**provenance(), "cases": entries}
        EXPECTED.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    wrong = [line for line in lines if line.first]
    for line in wrong:
        print(f"오류: {line.case} · {line.tool}: {line.first}", file=sys.stderr)
    return 1 if wrong or not lines else 0


def text(line: Line) -> str:
    """사람이 읽는 한 줄."""
    verdict = f"다름: {line.first}" if line.first else "같음"
    return (
        f"{line.case:<32} {line.tool:<15} 거래 {line.trades:>6,}  {verdict}  (상대 오차: 값 "
        f"{line.worst_price:.0e}, 손익 {line.worst_pnl:.0e}, 평가금 {line.worst_equity:.0e}; "
        f"맞추지 않으면 다른 거래 {line.habit:,})"
    )


if __name__ == "__main__":
    sys.exit(main())
