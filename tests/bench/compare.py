"""`ma_cross` + 손절을 vectorbt·backtesting.py와 같은 실행에서 견준다.

    python tests/bench/compare.py [--repeats 5] [--json]

실제 BTCUSDT 2024년 1분봉(527,040봉), 한 코어. 모두 sma 20/80의 교차로 양쪽에 들어가고, 들어간
봉의 ATR(14) 3배에서 손절하며, 한 쪽 수수료율은 같다. 셋 다 지표·체결·성과 지표까지 다시 셈한다.
체결하는 봉(우리와 backtesting.py는 다음 봉의 시가, vectorbt는 같은 봉의 종가)과 손절의 자리가
도구마다 달라 거래 수는 조금 다르므로 함께 적는다. 시간은 thread CPU와 벽시계의 최솟값이다.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from goals import against
from kernel import REAL, open_real

from optimize.backtest.costs import CostModel
from optimize.backtest.engine import run_backtest
from optimize.data.dataset import Dataset
from optimize.strategy.protocol import Workspace
from optimize.strategy.registry import load_strategy

FAST, SLOW, ATR_LEN, STOP_ATR, FEE = 20, 80, 14, 3.0, 0.0005
GOALS = {"vectorbt": 20.0, "backtesting.py": 400.0}
PARAMS = {"average": "sma", "fast_len": FAST, "slow_gap": SLOW - FAST, "use_htf": False,
          "atr_len": ATR_LEN, "use_stop": True, "stop_atr": STOP_ATR}  # fmt: skip


def ours(data: Dataset) -> Callable[[], int]:
    """우리 kernel로 한 번 도는 함수. 거래 수를 준다."""
    strategy, workspace = load_strategy("ma_cross"), Workspace()
    params = {p.name: p.default for p in strategy.parameters} | PARAMS
    costs = CostModel(fee_rate=FEE, slippage_rate=0.0)
    return lambda: int(run_backtest(data, strategy, params, costs, workspace).metrics["trades"])


def frame(data: Dataset) -> Any:
    """두 도구가 받는 OHLCV 표(index는 UTC)."""
    import pandas as pd

    candles = data.ltf
    columns = {name: getattr(candles, name.lower()).copy() for name in
               ("Open", "High", "Low", "Close", "Volume")}  # fmt: skip
    return pd.DataFrame(columns, index=pd.to_datetime(candles.open_time, unit="ms"))


def vectorbt(bars: Any, stats: bool) -> Callable[[], int]:
    """vectorbt로 한 번 도는 함수. stats가 거짓이면 성과 지표는 셈하지 않는다."""
    import vectorbt as vbt

    def work() -> int:
        close = bars.Close
        fast, slow = vbt.MA.run(close, FAST), vbt.MA.run(close, SLOW)
        up, down = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
        atr = vbt.ATR.run(bars.High, bars.Low, close, ATR_LEN, ewm=False).atr
        portfolio = vbt.Portfolio.from_signals(
            close, entries=up, short_entries=down, open=bars.Open, high=bars.High, low=bars.Low,
            sl_stop=STOP_ATR * atr / close, fees=FEE, freq="1min", upon_opposite_entry="reverse",
        )  # fmt: skip
        if stats:
            portfolio.stats()
        return int(portfolio.trades.count())

    return work


def backtesting(bars: Any) -> Callable[[], int]:
    """backtesting.py로 한 번 도는 함수."""
    import numpy as np
    import pandas as pd
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover

    def sma(values: Any, length: int) -> Any:
        return pd.Series(values).rolling(length).mean()

    def atr(high: Any, low: Any, close: Any) -> Any:
        before = np.concatenate([close[:1], close[:-1]])
        true_range = np.maximum(high, before) - np.minimum(low, before)
        return sma(true_range, ATR_LEN)

    class Cross(Strategy):
        def init(self) -> None:
            self.fast = self.I(sma, self.data.Close, FAST)
            self.slow = self.I(sma, self.data.Close, SLOW)
            self.atr = self.I(atr, self.data.High, self.data.Low, self.data.Close)

        def next(self) -> None:
            price = self.data.Close[-1]
            if crossover(self.fast, self.slow):
                self.buy(sl=price - STOP_ATR * self.atr[-1])
            elif crossover(self.slow, self.fast):
                self.sell(sl=price + STOP_ATR * self.atr[-1])

    def work() -> int:
        # 낱개로만 사므로 돈을 넉넉히 준다.
        test = Backtest(bars, Cross, cash=1e10, commission=FEE, exclusive_orders=True,
                        finalize_trades=True)  # fmt: skip
        return int(test.run()["# Trades"])

    return work


def timed(work: Callable[[], int], repeats: int) -> dict[str, float]:
    """데운 뒤의 최솟값, ms."""
    trades, cpu, wall = work(), [], []
    for _ in range(repeats):
        c, w = time.thread_time(), time.perf_counter()
        work()
        cpu.append((time.thread_time() - c) * 1000)
        wall.append((time.perf_counter() - w) * 1000)
    return {"cpu_ms": min(cpu), "wall_ms": min(wall), "trades": trades}


def compare(repeats: int) -> dict[str, Any]:
    """셋을 재고 배수를 붙인다."""
    warnings.simplefilter("ignore")
    os.environ["TQDM_DISABLE"] = "1"  # backtesting.py의 진행 막대
    with tempfile.TemporaryDirectory() as folder:
        data = open_real(Path(folder))
        rows = {"우리": timed(ours(data), repeats * 4)}
        bars = frame(data)
        rows["vectorbt"] = timed(vectorbt(bars, True), repeats)
        rows["vectorbt(성과 지표 없이)"] = timed(vectorbt(bars, False), repeats)
        rows["backtesting.py"] = timed(backtesting(bars), 1)
        again = timed(ours(data), repeats * 4)
        rows["우리"] = {key: min(value, again[key]) for key, value in rows["우리"].items()}
        for name in list(rows)[1:]:
            rows[name]["times"] = rows[name]["cpu_ms"] / rows["우리"]["cpu_ms"]
        for name, goal in GOALS.items():
            rows[name] |= {"goal": goal, "ok": rows[name]["times"] >= goal}
        return {"bars": len(data.ltf), "rows": rows,
                "versions": {name: version(name) for name in ("vectorbt", "backtesting", "numba")}}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="ma_cross + 손절을 다른 도구와 견준다")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    options = parser.parse_args()
    if not REAL.exists():
        print(f"실제 캔들이 없습니다: {REAL}", file=sys.stderr)
        return 4
    result = compare(options.repeats)
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
        return 0
    print(f"ma_cross + 손절, {result['bars']:,}봉, 한 코어, 부하 {os.getloadavg()[0]:.1f}/{os.cpu_count()}코어")  # fmt: skip
    print("  " + ", ".join(f"{name} {text}" for name, text in result["versions"].items()))
    for name, row in result["rows"].items():
        goal = f"  우리가 {row['times']:.0f}배 빠르다" if "times" in row else ""
        goal += (
            f" ({against(row['times'], row['goal'], '배', least=True)})" if "goal" in row else ""
        )
        print(f"  {name:<16}CPU {row['cpu_ms']:9.1f} ms  벽 {row['wall_ms']:9.1f} ms  거래 {row['trades']:,}{goal}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
