"""펀딩 기록 파일: 무기한 선물 파일의 실행이 거래소의 진짜 시각과 비율로 펀딩을 주고받는다."""

from __future__ import annotations

import csv
import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from reference.builders import MARKET, MINUTE, START
from reference.compare import run_fixed

from optimize.backtest.costs import CostModel
from optimize.data.dataset import DatasetRef
from optimize.data.prepare import prepare
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_cell
from optimize.errors import SettingsError
from optimize.strategy.protocol import Signals

HOUR = 60 * MINUTE


def prepared(
    tmp_path: Path, candles: Path, funding: Path | None, symbol: str = "BINANCE:ENAUSDT.P"
) -> DatasetRef:
    (ref,) = prepare(
        parse_symbol(symbol),
        [parse_cell("1m")],
        file=candles,
        funding_file=funding,
        cache_dir=tmp_path / "data",
        on_progress=lambda *_: None,
    )
    return ref


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    """이틀 치 1분봉, 값은 늘 2."""
    rows = [f"{START + i * MINUTE},2,2,2,2,1" for i in range(2880)]
    path = tmp_path / "candles.csv"
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    return path


def funding_csv(tmp_path: Path, rows: list[tuple[int, float]]) -> Path:
    path = tmp_path / "funding.csv"
    path.write_text("\n".join(["time,rate", *(f"{t},{r}" for t, r in rows)]))
    return path


def test_몇_ms_늦은_시각은_그_분으로_맞추고_비율은_그대로다(tmp_path: Path, candles: Path) -> None:
    late = [(START + 4 * HOUR * k + (k * 7) % 23, 0.0001 * k) for k in range(12)]
    ref = prepared(tmp_path, candles, funding_csv(tmp_path, late))
    funding = ref.open().funding
    assert funding is not None
    np.testing.assert_array_equal(funding.time, START + 4 * HOUR * np.arange(12))
    np.testing.assert_allclose(funding.rate, 0.0001 * np.arange(12))
    assert not any("펀딩" in note for note in ref.notes)


def test_펀딩이_다르면_자료의_지문도_다르다(tmp_path: Path, candles: Path) -> None:
    rows = [(START + 8 * HOUR * k, 0.0001) for k in range(6)]
    prints = {
        prepared(tmp_path, candles, funding_csv(tmp_path, rows)).fingerprint,
        prepared(tmp_path, candles, funding_csv(tmp_path, [*rows[:-1], (rows[-1][0], 0.0002)])).fingerprint,
        prepared(tmp_path, candles, None).fingerprint,
    }  # fmt: skip
    assert len(prints) == 3


def test_빈_곳과_모자란_기간을_알린다(tmp_path: Path, candles: Path) -> None:
    rows = [(START + 8 * HOUR * k, 0.0001) for k in range(6)]
    ref = prepared(tmp_path, candles, funding_csv(tmp_path, rows[:2] + rows[3:]))
    assert "8시간이 넘는 빈 곳이 1곳" in " ".join(ref.notes)
    ref = prepared(tmp_path, candles, funding_csv(tmp_path, rows[4:]))
    assert "일부" in " ".join(ref.notes)
    assert "0으로 셉니다" in " ".join(prepared(tmp_path, candles, None).notes)


def test_현물에는_펀딩_파일을_받지_않는다(tmp_path: Path, candles: Path) -> None:
    funding = funding_csv(tmp_path, [(START, 0.0001)])
    with pytest.raises(SettingsError, match="현물") as caught:
        prepared(tmp_path, candles, funding, "BINANCE:ENAUSDT")
    assert "BINANCE:ENAUSDT.P" in caught.value.fix


@pytest.mark.parametrize(("name", "hours"), [("ENAUSDT", 4), ("BTCUSDT", 8)])
@pytest.mark.parametrize("side", [1, -1])
def test_실제_기록의_행마다_그_분의_시가로_주고받는다(
    tmp_path: Path, name: str, hours: int, side: int
) -> None:
    """한 달을 들고 있던 포지션의 펀딩 = 쪽 × 수량 × Σ 그 분의 시가 × 비율, 파일을 따로 읽어 셈한다."""
    source = MARKET / f"BINANCE_{name}.P_1m_2025-05.csv.gz"
    record = MARKET / f"BINANCE_{name}.P_funding_2025.csv.gz"
    if not source.exists():
        pytest.skip(f"실제 캔들이 없습니다: {source}")
    ref = prepared(tmp_path, source, record, f"BINANCE:{name}.P")
    data = ref.open()
    n = len(data.ltf)
    entry = np.zeros(n, np.int8)
    entry[0] = side
    never = np.zeros(n, bool)
    costs = CostModel(fee_rate=0.0, slippage_rate=0.0, initial_cash=1e6)
    (trade,) = run_fixed(data, Signals(entry, never, never.copy()), costs).trades
    opens = dict(zip(data.ltf.open_time.tolist(), data.ltf.open.tolist(), strict=True))
    with gzip.open(record, "rt") as file:
        rows = [
            (round(float(a) / 60_000) * 60_000, float(b)) for a, b in list(csv.reader(file))[1:]
        ]
    first, last = int(data.ltf.open_time[1]), int(data.ltf.open_time[-1])
    held = [(time, rate) for time, rate in rows if first < time <= last]
    assert {b[0] - a[0] for a, b in pairwise(held)} == {hours * HOUR}
    paid = side * float(trade["quantity"]) * sum(opens[time] * rate for time, rate in held)
    assert trade["funding"] == pytest.approx(paid)
    assert trade["funding"] != 0
