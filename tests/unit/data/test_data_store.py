"""심볼의 캐시: 더하기, 겹침, 깨짐, 도중의 죽음."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optimize.data import store as store_module
from optimize.data.dataset import Candles, FundingSchedule
from optimize.data.demo import make_demo
from optimize.data.manifest import MarketRules, list_cached, merge_spans, subtract
from optimize.data.period import parse_start
from optimize.data.quality import between
from optimize.data.store import SymbolStore
from optimize.data.symbols import parse_symbol
from optimize.errors import DataError

MINUTE, DAY = 60_000, 86_400_000
START = parse_start("2024-01-30")
WHOLE = make_demo("ETHUSDT", 1, START, 5 * 1440)


@pytest.fixture
def store(tmp_path: Path) -> SymbolStore:
    return SymbolStore(tmp_path / "data", parse_symbol("BINANCE:ETHUSDT"))


def put(store: SymbolStore, start: int, end: int, candles: Candles = WHOLE) -> int:
    return store.merge(between(candles, start, end), MINUTE, (start, end), "시험")


def test_조각을_어떤_차례로_더해도_하나로_이어진다(store: SymbolStore) -> None:
    for first, last in ((3, 5), (0, 1), (1, 3), (2, 4)):
        put(store, START + first * DAY, START + last * DAY)
    assert store.manifest().covered == [(START, START + 5 * DAY)]
    assert sorted(store.manifest().months) == ["2024-01", "2024-02"]
    put(store, START + 40 * DAY, START + 41 * DAY, make_demo("X", 1, START + 40 * DAY, 1440))
    assert [entry.spans for entry in list_cached(store.folder.parent)] == [2]
    np.testing.assert_array_equal(store.read(START, START + 5 * DAY).close, WHOLE.close)


def test_같은_시각은_새_값이_이기고_바뀐_수를_센다(store: SymbolStore) -> None:
    put(store, START, START + DAY)
    volume = WHOLE.volume.copy()
    volume[:7] += 1
    changed = Candles(
        WHOLE.open_time, WHOLE.open, WHOLE.high, WHOLE.low, WHOLE.close, volume, WHOLE.filled
    )
    assert put(store, START, START + DAY, changed) == 7
    np.testing.assert_array_equal(store.read(START, START + DAY).volume, volume[:1440])


def test_간격이_다른_봉은_섞지_않는다(store: SymbolStore) -> None:
    put(store, START, START + DAY)
    with pytest.raises(DataError, match="간격이 다릅니다") as caught:
        store.merge(between(WHOLE, START, START + DAY), 5 * MINUTE, (START, START + DAY), "시험")
    assert "--replace" in caught.value.fix


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test_깨진_달은_열_때_알아챈다(store: SymbolStore, damage: str) -> None:
    put(store, START, START + 5 * DAY)
    path = store.month_path("2024-02")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if damage != "delete":
        path.write_bytes(data if damage == "flip" else data[:-200])
    assert store.broken_months() == ["2024-02"]
    with pytest.raises(DataError, match="깨졌습니다") as caught:
        store.read(START, START + 5 * DAY)
    assert "--repair" in caught.value.fix
    with pytest.raises(DataError, match="깨졌습니다"):
        put(store, START + 4 * DAY, START + 5 * DAY)
    store.drop_months(["2024-02"])
    assert store.missing(START, START + 5 * DAY) == [(START + 2 * DAY, START + 5 * DAY)]
    assert len(store.read(START, START + 2 * DAY)) == 2 * 1440


def test_목록을_적기_전에_죽어도_앞의_것이_온전하다(
    store: SymbolStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """달 파일을 새로 적은 바로 뒤에 죽는 경우."""
    put(store, START, START + DAY)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "write_manifest", die)
        with pytest.raises(KeyboardInterrupt):
            put(store, START + DAY, START + 2 * DAY)
    np.testing.assert_array_equal(store.read(START, START + DAY).close, WHOLE.close[:1440])
    put(store, START + DAY, START + 2 * DAY)
    assert len(store.read(START, START + 2 * DAY)) == 2 * 1440
    assert len(list(store.folder.glob("*.arrow"))) == 1, "남은 파일이 치워진다"
    assert not list(store.folder.glob("*.tmp"))


def test_사용자가_둔_파일은_지우지_않고_죽은_임시_파일은_치운다(store: SymbolStore) -> None:
    put(store, START, START + DAY)
    foreign = [
        store.folder / name for name in ("내것.arrow", "notes.txt", "2024-01.arrow", "x.tmp")
    ]
    dead = [
        store.folder / name
        for name in (
            ".2024-01.01234567.arrow.ab12.tmp",
            ".manifest.json.ab12.tmp",
            ".funding.01234567.arrow.ab12.tmp",
            "2023-05.01234567.arrow",
        )
    ]
    for path in foreign + dead:
        path.write_text("x")
    put(store, START + DAY, START + 2 * DAY)
    assert all(path.exists() for path in foreign)
    assert not any(path.exists() for path in dead)
    assert len(store.read(START, START + 2 * DAY)) == 2 * 1440


def test_목록과_펀딩과_거래_규칙(store: SymbolStore, tmp_path: Path) -> None:
    assert list_cached(tmp_path / "data") == []
    put(store, START, START + DAY)
    times = START + np.arange(3, dtype=np.int64) * 8 * 3_600_000
    store.merge_funding(FundingSchedule(times[:2], np.array([1e-4, 2e-4])))
    store.merge_funding(FundingSchedule(times[1:], np.array([3e-4, 4e-4])))
    funding = store.funding()
    assert funding is not None
    assert funding.time.tolist() == times.tolist()
    assert funding.rate.tolist() == [1e-4, 3e-4, 4e-4]
    store.set_market(MarketRules(0.1, 0.001, 5.0))
    assert store.manifest().market.tick_size == 0.1
    (entry,) = list_cached(tmp_path / "data")
    assert (entry.symbol, entry.bars, entry.has_funding) == ("BINANCE:ETHUSDT", 1440, True)
    assert (entry.start_ms, entry.end_ms) == (START, START + DAY)


def test_갈아_끼우기는_한꺼번에_되거나_하나도_되지_않는다(
    store: SymbolStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, START, START + 3 * DAY)
    store.merge_funding(FundingSchedule(np.array([START], dtype=np.int64), np.array([1e-4])))
    hourly = Candles(*(getattr(WHOLE, name)[::60] for name in Candles.__dataclass_fields__))
    days = (START + 3 * DAY, START + 5 * DAY)

    def swap() -> None:
        store.merge(between(hourly, *days), 60 * MINUTE, days, "파일 h", replace=True)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "write_manifest", die)
        with pytest.raises(KeyboardInterrupt):
            swap()
    assert len(store.read(START, START + 3 * DAY)) == 3 * 1440
    swap()
    assert store.manifest().covered == [days]
    assert (store.manifest().rows, store.manifest().interval_ms) == (48, 60 * MINUTE)
    assert store.funding() is not None


def test_읽을_수_없는_목록은_알린다(store: SymbolStore, tmp_path: Path) -> None:
    put(store, START, START + DAY)
    (store.folder / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="목록을 읽을 수 없습니다"):
        store.manifest()
    assert list_cached(tmp_path / "data") == []


def test_구간의_셈() -> None:
    assert merge_spans([(5, 7), (1, 3), (3, 4), (9, 9)]) == [(1, 4), (5, 7)]
    assert subtract((0, 10), [(1, 4), (5, 7)]) == [(0, 1), (4, 5), (7, 10)]
    assert subtract((2, 3), [(1, 4)]) == []
