"""시험용 Dataset. HTF 묶기와 보이는 때를 제품과 따로, 한 봉씩 센다."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from optimize.data.dataset import Candles, Dataset, DatasetRef, FundingSchedule
from optimize.data.timeframes import parse_cell

MINUTE = 60_000
START = 1_704_067_200_000  # 2024-01-01 00:00 UTC
MARKET = Path(__file__).resolve().parents[3] / "shared" / "market"
REAL_2024 = MARKET / "BINANCE_BTCUSDT_1m_2024.csv.gz"


def frozen(array: np.ndarray) -> np.ndarray:
    """memory map된 자료처럼 읽기 전용."""
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array


def candles(
    open_: Any, high: Any, low: Any, close: Any, *, start: int = START, step: int = MINUTE,
    filled: Any = None,
) -> Candles:  # fmt: skip
    n = len(close)
    flags = np.zeros(n, bool) if filled is None else np.asarray(filled, bool)
    floats = [frozen(np.asarray(values, float)) for values in (open_, high, low, close)]
    return Candles(
        frozen(start + step * np.arange(n, dtype=np.int64)),
        *floats,
        frozen(np.ones(n)),
        frozen(flags),
    )


def grouped(base: Candles, ratio: int) -> Candles:
    """봉 ratio개씩 묶는다. 남는 꼬리는 버린다."""
    rows = [range(k, k + ratio) for k in range(0, len(base) - ratio + 1, ratio)]
    pick = lambda f: frozen(np.array([f(list(r)) for r in rows]))  # noqa: E731
    return Candles(
        frozen(np.array([base.open_time[r[0]] for r in rows], dtype=np.int64)),
        pick(lambda r: base.open[r[0]]),
        pick(lambda r: max(base.high[i] for i in r)),
        pick(lambda r: min(base.low[i] for i in r)),
        pick(lambda r: base.close[r[-1]]),
        pick(lambda r: sum(base.volume[i] for i in r)),
        frozen(np.array([all(base.filled[i] for i in r) for r in rows], dtype=bool)),
    )


def visible(ltf: Candles, ltf_ms: int, htf: Candles, htf_ms: int) -> np.ndarray:
    """LTF 봉이 닫힐 때 이미 닫힌 마지막 HTF 봉을 한 봉씩 센다."""
    index, j = [], -1
    for opened in ltf.open_time:
        while j + 1 < len(htf) and htf.open_time[j + 1] + htf_ms <= opened + ltf_ms:
            j += 1
        index.append(j)
    return frozen(np.array(index, dtype=np.int32))


def dataset(
    base: Candles,
    cell: str = "1m",
    *,
    funding: Mapping[int, float] | None = None,
    with_base: bool = True,
    **rules: Any,
) -> Dataset:
    """1분봉 base에서 칸의 자료. funding: UTC ms → 비율. rules: tick_size 등 DatasetRef의 칸."""
    parsed = parse_cell(cell)
    ratio = parsed.ltf.minutes
    ltf = base if ratio == 1 else grouped(base, ratio)
    htf = index = sub = starts = None
    if parsed.htf is not None:
        htf = grouped(base, parsed.htf.minutes)
        index = visible(ltf, parsed.ltf.ms, htf, parsed.htf.ms)
    if ratio > 1 and with_base:
        sub = base
        starts = frozen(ratio * np.arange(len(ltf) + 1, dtype=np.int64))
    ref = DatasetRef(
        symbol="TEST:BTCUSDT", cell=cell, start_ms=int(ltf.open_time[0]),
        end_ms=int(ltf.open_time[-1]) + parsed.ltf.ms, fingerprint="0" * 64, source="시험",
        is_demo=False, bars=len(ltf), filled_bars=int(ltf.filled.sum()), ltf_path="", **rules,
    )  # fmt: skip
    schedule = None
    if funding is not None:
        times = sorted(funding)
        schedule = FundingSchedule(
            frozen(np.array(times, dtype=np.int64)),
            frozen(np.array([funding[t] for t in times], dtype=float)),
        )
    return Dataset(ref, ltf, htf, index, sub, starts, schedule)


def random_candles(
    seed: int, n: int, *, volatility: float = 0.002, filled: float = 0.0, gaps: float = 0.02
) -> Candles:
    """무작위 걸음. gaps: 시가가 앞 종가에서 튀는 봉의 비율. filled: 채운 봉의 비율."""
    rng = np.random.default_rng(seed)
    price = 100.0
    rows: list[tuple[float, float, float, float]] = []
    flags = rng.random(n) < filled
    flags[0] = False
    for i in range(n):
        if flags[i]:
            rows.append((price, price, price, price))
            continue
        opened = price * (1 + (rng.normal() * 5 * volatility if rng.random() < gaps else 0.0))
        closed = opened * (1 + volatility * rng.normal())
        top = max(opened, closed) * (1 + volatility * abs(rng.normal()) * 0.6)
        bottom = min(opened, closed) * (1 - volatility * abs(rng.normal()) * 0.6)
        rows.append((opened, top, bottom, closed))
        price = closed
    o, h, low, c = (np.array(column) for column in zip(*rows, strict=True))
    return candles(o, h, low, c, filled=flags)


def real_candles(first: int, n: int) -> Candles:
    """2024년 BTCUSDT의 [first, first+n) 1분봉. 파일이 없으면 FileNotFoundError."""
    from pyarrow import csv

    if not hasattr(real_candles, "table"):
        real_candles.table = csv.read_csv(REAL_2024)  # type: ignore[attr-defined]
    table = real_candles.table.slice(first, n)  # type: ignore[attr-defined]
    column: Callable[[str], np.ndarray] = lambda name: table[name].to_numpy()  # noqa: E731
    return candles(
        *(column(name) for name in ("open", "high", "low", "close")),
        start=int(column("open_time")[0]),
    )


def truncated(data: Dataset, bars: int) -> Dataset:
    """LTF bars봉까지만 아는 자료: 그때까지 닫힌 HTF·바탕 봉만 남긴다."""

    def cut(c: Candles, k: int) -> Candles:
        return Candles(*(frozen(getattr(c, name)[:k].copy()) for name in Candles.__slots__))

    htf = index = sub = starts = None
    if data.htf is not None and data.htf_index is not None:
        htf = cut(data.htf, int(data.htf_index[bars - 1]) + 1)
        index = frozen(data.htf_index[:bars].copy())
    if data.base is not None and data.base_start is not None:
        starts = frozen(data.base_start[: bars + 1].copy())
        sub = cut(data.base, int(starts[-1]))
    return Dataset(
        replace(data.ref, bars=bars), cut(data.ltf, bars), htf, index, sub, starts, data.funding
    )
