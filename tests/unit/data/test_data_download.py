"""내려받기: 시험 서버가 말하는 Binance·Upbit 형식. 고장은 `test_data_faults.py`에 있다."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from download_kit import DAY, FIRST, NOW, TRUTH, assert_same, fetch
from exchange import Exchange

from optimize.data.dataset import Candles
from optimize.data.period import parse_start
from optimize.data.quality import between
from optimize.data.store import SymbolStore
from optimize.data.symbols import parse_symbol
from optimize.errors import DataError, SettingsError


def test_달_zip_하루_zip_REST가_이어져_거래소와_같은_봉이_된다(
    exchange: Exchange, tmp_path: Path
) -> None:
    """2024년은 ms, 2025년은 us인 현물 파일과 REST의 닫힌 봉까지. 움직이는 봉은 버린다."""
    store, notes = fetch(tmp_path)
    assert_same(store, FIRST, NOW // 60_000 * 60_000)
    assert store.manifest().period == (FIRST, parse_start("2025-02-04T10:30"))
    assert not notes
    assert exchange.asked("monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip")
    assert exchange.asked("daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-02-01.zip")
    assert exchange.asked("/api/v3/klines")


def test_다시_부르면_아무것도_받지_않는다(exchange: Exchange, tmp_path: Path) -> None:
    fetch(tmp_path, end="2025-02-04")
    exchange.requests.clear()
    fetch(tmp_path, end="2025-02-04")
    assert exchange.requests == []


def test_거래_규칙을_받는다(exchange: Exchange, tmp_path: Path) -> None:
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    rules = store.manifest().market
    assert (rules.tick_size, rules.step_size, rules.min_notional) == (0.01, 0.00001, 5.0)


def test_선물은_머리글이_있는_zip과_펀딩을_받고_늦은_시각을_반올림한다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.futures = True
    start = parse_start("2025-01-01")
    exchange.funding = [(start + i * 4 * 3_600_000 + i % 7, 0.0001 * i) for i in range(150)]
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01", symbol="BINANCE:BTCUSDT.P")
    assert_same(store, start, parse_start("2025-02-01"))
    funding = store.funding()
    assert funding is not None
    np.testing.assert_array_equal(funding.time, start + np.arange(150) * 4 * 3_600_000)
    np.testing.assert_allclose(funding.rate, 0.0001 * np.arange(150))
    assert store.manifest().market.min_notional == 100.0


def test_펀딩은_달의_처음부터_받고_아직_실리지_않은_때는_다음에_다시_묻는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    """서버의 지금은 10:30:20, 이 컴퓨터의 시계는 5분 빠르다: 10:25부터는 확인하지 않은 것이다."""
    exchange.futures = True
    exchange.funding = [(FIRST + i * 3_600_000, 1e-4) for i in range(2000)]
    asked = {"start": "2025-01-20", "end": "2025-02-05", "symbol": "BINANCE:BTCUSDT.P"}
    store, _ = fetch(tmp_path, **asked)
    assert store.manifest().funding_covered == [(parse_start("2025-01-01"), NOW - 300_000)]
    exchange.requests.clear()
    store, _ = fetch(tmp_path, **asked)
    assert len(exchange.asked("fundingRate")) == 1


def test_달_파일이_빠뜨린_날은_하루_파일로_그것도_없으면_REST로_채운다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.month_lacks_days = {"2025-01-10", "2025-01-20"}
    exchange.absent = {"2025-01-20"}
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))
    assert exchange.asked("BTCUSDT-1m-2025-01-10.zip")
    rest = [path for path in exchange.asked("/api/v3/klines") if "startTime=0" not in path]
    assert len(rest) == 2, "빠진 하루(1440개)만 REST 두 쪽으로 받는다"


def test_상장보다_앞선_기간은_묻지_않고_알린다(exchange: Exchange, tmp_path: Path) -> None:
    store, notes = fetch(tmp_path, start="2024-06-01", end="2025-01-01")
    assert store.missing(parse_start("2024-06-01"), parse_start("2025-01-01")) == []
    assert not exchange.asked("1m-2024-07")
    assert any("첫 캔들" in note for note in notes)


def test_상장보다_앞서_끝나는_기간은_몇_번을_물어도_첫_캔들을_댄다(
    exchange: Exchange, tmp_path: Path
) -> None:
    for _ in range(2):
        with pytest.raises(DataError, match="캔들이 없습니다") as caught:
            fetch(tmp_path, start="2024-06-01", end="2024-07-01")
        assert "2024-12-28 00:00" in caught.value.cause


def test_아직_오지_않은_기간은_묻지_않고_거절한다(exchange: Exchange, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="아직 오지 않았습니다"):
        fetch(tmp_path, start="2030-01-01", end="2031-01-01")
    assert exchange.requests == []


def test_굵은_봉이_든_캐시에는_이어_받지_않는다(exchange: Exchange, tmp_path: Path) -> None:
    store = SymbolStore(tmp_path, parse_symbol("BINANCE:BTCUSDT"))
    hourly = Candles(*(getattr(TRUTH, name)[::60] for name in Candles.__dataclass_fields__))
    store.merge(between(hourly, FIRST, FIRST + DAY), 3_600_000, (FIRST, FIRST + DAY), "파일 h.csv")
    with pytest.raises(DataError, match="1h 봉이 들어 있어") as caught:
        fetch(tmp_path)
    assert str(store.folder) in caught.value.fix
    assert exchange.requests == []


def test_다시_올라온_달은_refresh가_알아보고_다시_받는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    raised = TRUTH.close.copy()
    raised[10_000] = TRUTH.high[10_000]
    exchange.candles = Candles(
        TRUTH.open_time, TRUTH.open, TRUTH.high, TRUTH.low, raised, TRUTH.volume, TRUTH.filled
    )
    fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))
    exchange.requests.clear()
    fetch(tmp_path, start="2025-01-01", end="2025-02-01", refresh=True)
    moment = int(TRUTH.open_time[10_000])
    assert store.read(moment, moment + 60_000).close[0] == TRUTH.high[10_000]
    exchange.requests.clear()
    fetch(tmp_path, start="2025-01-01", end="2025-02-01", refresh=True)
    assert len(exchange.asked("2025-01.zip")) == 1, "바뀌지 않은 달은 CHECKSUM만 본다"


def test_멈추면_멎은_파일을_기다리지_않고_끝나며_받은_것은_남는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.fail("1m-2025-01.zip", "stall", times=99, seconds=6)
    calls: list[int] = []

    def stop(label: str, done: int, total: int) -> None:
        calls.append(done)
        if done >= 1:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, on_progress=stop)
    assert time.monotonic() - began < 3
    assert SymbolStore(tmp_path, parse_symbol("BINANCE:BTCUSDT")).manifest().rows > 0


def test_업비트는_새것부터_넘기며_거래_없는_분은_비워_둔다(
    exchange: Exchange, tmp_path: Path
) -> None:
    traded = np.ones(len(TRUTH), dtype=np.bool_)
    traded[100:160] = False
    traded[3000:3400] = False
    exchange.candles = Candles(
        *(getattr(TRUTH, name)[traded] for name in Candles.__dataclass_fields__)
    )
    store, _ = fetch(tmp_path, end="2024-12-31", symbol="UPBIT:BTCKRW")
    end = parse_start("2024-12-31")
    stored, truth = store.read(FIRST, end), between(exchange.candles, FIRST, end)
    np.testing.assert_array_equal(stored.open_time, truth.open_time)
    np.testing.assert_array_equal(stored.close, truth.close)
    assert store.missing(FIRST, end) == []
    assert "market=KRW-BTC" in exchange.requests[0]


@pytest.mark.parametrize(
    ("symbol", "title"),
    [("UPBIT:NOPEKRW", "KRW-NOPE 마켓이 없습니다"), ("UPBIT:BTCKRW.P", "무기한 선물이 없습니다")],
)
def test_업비트에_없는_마켓(exchange: Exchange, tmp_path: Path, symbol: str, title: str) -> None:
    with pytest.raises(DataError, match=title):
        fetch(tmp_path, symbol=symbol)
