"""자라는 꼴의 곡선: 시행 수, 봉 수, 작업자 수.

    python tests/bench/curves.py                     저장된 숫자(docs/benchmarks.json)로 그림을 다시 그린다
    python tests/bench/curves.py --measure --save    모두 다시 재어 저장하고 그린다(조용한 컴퓨터에서 6분)
    python tests/bench/curves.py --measure [--only trials|bars|jobs] [--quick] [--json]    재기만 한다

- 시행 수(100 → 10,000): 내장 PostgreSQL, 한 칸, 작업자 둘의 진짜 실행에서 시행 하나의 overhead와, 같은
  서버의 같은 스터디를 Optuna의 `study.optimize`와 TPESampler로 이어 돌린 시행 하나의 벽시계 시간.
- 봉 수(50,000 → 2,000,000): `squeeze_momentum` 한 번과 여덟 조합의 thread CPU 시간의 최솟값. 527,040봉까지는
  BTCUSDT 2024년의 마지막 봉들이고, 더 긴 것은 그 한 해를 이어 붙인 것이다(이음매에서 값이 이어지게 한 해마다
  같은 배수를 곱한다).
- 작업자 수(1 → 2): 초당 시행과 커널의 몫.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from conditions import conditions, load
from curve_pictures import draw_all
from end_to_end import MARKET, run_once
from kernel import timed

DOCS = Path(__file__).resolve().parents[2] / "docs"
SAVED = DOCS / "benchmarks.json"
SIZES = (100, 300, 1_000, 2_000, 5_000, 10_000)
BARS = (50_000, 100_000, 200_000, 527_040, 1_000_000, 2_000_000)
BATCH = 8
CURVES = ("trials", "bars", "jobs")


def measure(names: Sequence[str], quick: bool) -> dict[str, Any]:
    """고른 곡선들의 숫자와 저마다의 조건."""
    works: dict[str, Callable[[], Any]] = {
        "trials": lambda: by_trials(SIZES[:3] if quick else SIZES),
        "bars": lambda: by_bars(BARS[:2] if quick else BARS, 3 if quick else 15),
        "jobs": lambda: [by_jobs(jobs, 300 if quick else 2_000) for jobs in (1, 2)],
    }
    found = {}
    for name in names:
        before = conditions()
        found[name] = {"figures": works[name](), "conditions": before, "load_after": load()}
    return found


def by_trials(sizes: Sequence[int]) -> dict[str, Any]:
    """시행 수마다의 (수, ms). ours는 가장 긴 실행의 구간들이다."""
    stock, run = [], {}
    for size in sizes:
        run = run_once(size, 2, "postgresql", "1m@15m", stock=True)
        stock.append((size, run["stock"]["wall_ms"]))
        print(f"  {size:,} 시행 끝", file=sys.stderr)
    ours = [(row["at_trial"], row["overhead_ms"]) for row in run["windows"]]
    kernel = [(row["at_trial"], row["kernel_ms"]) for row in run["windows"]]
    return {"ours": ours, "kernel": kernel, "stock": stock, "share": run["kernel_share"]}


def by_bars(lengths: Sequence[int], repeats: int) -> list[dict[str, float]]:
    """봉 수마다 한 번과 여덟 조합(시행당)의 CPU ms."""
    from optimize.backtest.costs import CostModel
    from optimize.backtest.engine import run_backtest, run_batch
    from optimize.strategy.protocol import Workspace
    from optimize.strategy.registry import load_strategy

    strategy, costs = load_strategy("squeeze_momentum"), CostModel()
    params = {p.name: p.default for p in strategy.parameters}
    batch = [{**params, "kc_len": 12 + 2 * k, "osc_len": 10 + 3 * k} for k in range(BATCH)]
    rows = []
    for bars in lengths:
        with tempfile.TemporaryDirectory() as folder:
            data, space = candles(bars, Path(folder)), Workspace()
            single = timed("", lambda d=data, w=space: run_backtest(d, strategy, params, costs, w), repeats)  # fmt: skip
            many = timed("", lambda d=data, w=space: run_batch(d, strategy, batch, costs, w), max(3, repeats // 4), per=BATCH)  # fmt: skip
        rows.append({"bars": bars, "single_ms": single.cpu_min, "batch_ms": many.cpu_min})
        print(f"  {bars:,}봉 끝", file=sys.stderr)
    return rows


def candles(bars: int, folder: Path) -> Any:
    """1m@15m의 자료. 길이가 한 해를 넘으면 한 해를 이어 붙인다."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from optimize.data.files import read_candles
    from optimize.data.prepare import prepare
    from optimize.data.symbols import parse_symbol
    from optimize.data.timeframes import MINUTE_MS, parse_cell

    year = read_candles(MARKET).candles
    growth = float(year.close[-1] / year.open[0])
    place = np.arange(bars) - bars
    lap, index = np.divmod(place, len(year))
    scale = growth ** (lap - lap[0]).astype(float)
    last = int(year.open_time[-1]) + MINUTE_MS
    table = {"open_time": last + place * MINUTE_MS, "volume": year.volume[index]}
    for name in ("open", "high", "low", "close"):
        table[name] = np.asarray(getattr(year, name))[index] * scale
    path = folder / "tiled.parquet"
    pq.write_table(pa.table(table), path)
    refs = prepare(
        parse_symbol("BINANCE:BTCUSDT"), [parse_cell("1m@15m")], file=path, cache_dir=folder,
        on_progress=lambda *_: None,
    )  # fmt: skip
    return refs[0].open()


def by_jobs(jobs: int, trials: int) -> dict[str, float]:
    """작업자 수 하나의 초당 시행과 커널의 몫."""
    run = run_once(trials, jobs, "postgresql", "1m@15m,1m@1h", stock=False)
    print(f"  작업자 {jobs} 끝", file=sys.stderr)
    return {"jobs": jobs, "rate": run["trials"] / run["wall_s"], "share": run["kernel_share"],
            "overhead_ms": run["overhead_ms"], "kernel_ms": run["kernel_ms_median"]}  # fmt: skip


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="자라는 꼴의 곡선을 재고 그린다")
    parser.add_argument("--measure", action="store_true", help="다시 잽니다")
    parser.add_argument("--only", choices=CURVES, help="하나만 잽니다")
    parser.add_argument("--quick", action="store_true", help="작게 잽니다")
    parser.add_argument("--save", action="store_true", help="잰 것을 docs에 저장하고 그립니다")
    parser.add_argument("--json", action="store_true", help="숫자를 JSON으로 씁니다")
    parser.add_argument("--out", type=Path, default=DOCS / "images", help="그림을 둘 폴더")
    options = parser.parse_args(argv)
    if options.measure and not MARKET.exists():
        print(f"실제 캔들이 없습니다: {MARKET}", file=sys.stderr)
        return 4
    figures = {}
    if not options.measure or (options.save and options.only):
        figures = json.loads(SAVED.read_text(encoding="utf-8"))
    if options.measure:
        figures |= measure([options.only] if options.only else CURVES, options.quick)
    if options.save:
        SAVED.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))
    elif options.measure:
        print(json.dumps(figures, ensure_ascii=False, indent=1))
    if options.save or not options.measure:
        for path in draw_all(figures, options.out):
            print(f"그렸습니다: {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
