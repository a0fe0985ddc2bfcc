"""캔들 마련하기: 파일·캐시·합성 데모가 같은 길로 memory map되는 자료가 된다."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exchange import Exchange, environment, serve
from market import market_file

from optimize.data import arrow_io, clock
from optimize.data.dataset import Candles, DatasetRef, FundingSchedule
from optimize.data.demo import DEMO_START_MS, make_demo
from optimize.data.period import format_ms, parse_start
from optimize.data.prepare import prepare
from optimize.data.store import SymbolStore
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_grid
from optimize.errors import DataError, SettingsError

DAY = 86_400_000
MINUTE = 60_000
Prepare = Callable[..., list[DatasetRef]]


@pytest.fixture
def ready(tmp_path: Path) -> Prepare:
    """짧게 부르는 prepare. 진행의 이름은 `ready.labels`에 쌓인다."""

    def call(symbol: str, grid: str, **options: object) -> list[DatasetRef]:
        defaults: dict[str, object] = {"offline": True, "demo_seed": 7, "demo_days": 3}
        return prepare(
            parse_symbol(symbol),
            parse_grid(grid),
            cache_dir=tmp_path / "data",
            on_progress=lambda label, done, total: labels.append(label),
            **{**defaults, **options},  # type: ignore[arg-type]
        )

    labels: list[str] = []
    call.labels = labels  # type: ignore[attr-defined]
    return call


def test_합성_데모는_늘_밝히고_seed가_같으면_같다(ready: Prepare, tmp_path: Path) -> None:
    (first,) = ready("DEMO:BTCUSDT", "1m@15m")
    (other,) = ready("DEMO:BTCUSDT", "1m@15m", demo_seed=8)
    assert first.is_demo
    assert "합성 데모" in first.source
    assert any("합성 데모" in note for note in first.notes)
    assert first.fingerprint != other.fingerprint
    whole = make_demo("BTCUSDT", 7, DEMO_START_MS, 3 * 1440)
    np.testing.assert_array_equal(first.open().ltf.close, whole.close)


def test_데모의_봉은_있을_수_있는_봉이고_뭉치는_변동성을_갖는다() -> None:
    candles = make_demo("BTCUSDT", 3, DEMO_START_MS, 60 * 1440)
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.low > 0).all()
    assert (candles.volume > 0).all()
    size = np.abs(np.diff(np.log(candles.close)))
    assert 0.0003 < size.std() < 0.002
    assert np.corrcoef(size[:-1], size[1:])[0, 1] > 0.1


def test_복사_없는_읽기_전용_view로_열리고_ref는_작다(ready: Prepare) -> None:
    for ref in ready("DEMO:BTCUSDT", "5m@15m,1m"):
        dataset = pickle.loads(pickle.dumps(ref)).open()
        assert len(pickle.dumps(ref)) < 2000
        arrays = [getattr(dataset.ltf, name) for name in Candles.__dataclass_fields__]
        for array in [*arrays, dataset.htf_index, dataset.base_start]:
            if array is not None:
                assert not array.flags.owndata
                assert not array.flags.writeable
                assert array.flags.aligned
                assert array.flags.c_contiguous
        assert dataset.ltf.filled.dtype == np.bool_
        assert dataset.ltf.open_time.dtype == np.int64


def test_T에_연_HTF_봉은_T_더하기_HTF_빼기_LTF에_연_봉부터_보인다(ready: Prepare) -> None:
    (ref,) = ready("DEMO:BTCUSDT", "5m@1h")
    dataset = ref.open()
    assert dataset.htf is not None
    assert dataset.htf_index is not None
    opened = dataset.htf.open_time[2]
    at = int(np.searchsorted(dataset.ltf.open_time, opened + 3_600_000 - 300_000))
    assert dataset.htf_index[at] == 2
    assert dataset.htf_index[at - 1] == 1


def test_LTF가_굵으면_1분봉과_그_자리를_준다(ready: Prepare) -> None:
    (ref,) = ready("DEMO:BTCUSDT", "15m")
    dataset = ref.open()
    assert dataset.base is not None
    assert dataset.base_start is not None
    assert len(dataset.base_start) == len(dataset.ltf) + 1
    for i in (0, 7, len(dataset.ltf) - 1):
        inside = slice(dataset.base_start[i], dataset.base_start[i + 1])
        assert dataset.base.open_time[inside][0] == dataset.ltf.open_time[i]
        assert len(dataset.base.open_time[inside]) == 15
        assert dataset.base.high[inside].max() == dataset.ltf.high[i]
        assert dataset.base.close[inside][-1] == dataset.ltf.close[i]
    (plain,) = ready("DEMO:BTCUSDT", "1m")
    assert plain.open().base is None


def test_진짜_1년_파일은_둘째부터는_읽지_않는다(ready: Prepare) -> None:
    file = market_file("BINANCE_BTCUSDT_1m_2024.csv.gz")
    first = ready("BINANCE:BTCUSDT", "1m@15m,1m@1h", file=file)
    assert ready.labels  # type: ignore[attr-defined]
    ready.labels.clear()  # type: ignore[attr-defined]
    again = ready("BINANCE:BTCUSDT", "1m@15m,1m@1h", file=file)
    assert not ready.labels  # type: ignore[attr-defined]
    assert first == again
    assert [ref.bars for ref in first] == [527_040, 527_040]
    first[0].open()
    dataset = first[1].open()
    assert dataset.htf is not None
    assert len(dataset.htf) == 8784


def test_마련하기는_표를_읽는_것을_들이지_않는다() -> None:
    """이미 읽어 둔 캔들을 여는 실행은 pyarrow.compute의 9 MB와 그 import를 쓰지 않는다."""
    code = "import sys, optimize.data.prepare; print('pyarrow.compute' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_파일과_들여온_캐시는_같은_지문이고_오프라인에서_돈다(
    ready: Prepare, tmp_path: Path
) -> None:
    candles = make_demo("ETHUSDT", 1, DEMO_START_MS, 40 * 1440)
    file = write_csv(tmp_path / "eth.csv", candles)
    store = SymbolStore(tmp_path / "data", parse_symbol("BINANCE:ETHUSDT"))
    store.merge(candles, MINUTE, (DEMO_START_MS, DEMO_START_MS + 40 * DAY), "파일 eth.csv")
    (from_file,) = ready("BINANCE:ETHUSDT", "5m@1h", file=file)
    (from_cache,) = ready("BINANCE:ETHUSDT", "5m@1h")
    assert from_file.fingerprint == from_cache.fingerprint
    assert from_file.source == from_cache.source == "파일 eth.csv"


def test_기간을_고르면_그만큼만_끝은_포함하지_않는다(ready: Prepare, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "x.csv", make_demo("ETHUSDT", 1, DEMO_START_MS, 10 * 1440))
    (ref,) = ready("BINANCE:ETHUSDT", "1h", file=file, start="2024-01-03", end="2024-01-05")
    assert (format_ms(ref.start_ms), format_ms(ref.end_ms)) == (
        "2024-01-03 00:00",
        "2024-01-05 00:00",
    )
    assert ref.bars == 48
    assert not ref.notes
    for period in (("2023-12-20", None), (None, "2024-02-01")):
        (part,) = ready("BINANCE:ETHUSDT", "1h", file=file, start=period[0], end=period[1])
        assert part.bars == 240
        assert "일부만 있습니다: 2024-01-01 00:00 ~ 2024-01-11 00:00" in " ".join(part.notes)
    with pytest.raises(DataError, match="파일에 없습니다"):
        ready("BINANCE:ETHUSDT", "1h", file=file, start="2025-01-03", end="2025-01-05")
    with pytest.raises(SettingsError, match="끝보다 늦"):
        ready("BINANCE:ETHUSDT", "1h", file=file, start="2024-01-05", end="2024-01-03")


@pytest.mark.parametrize("text", ["0001-01-01T00:00+09:00", "1999-12-31", "2024-13-01", "어제", ""])
def test_읽을_수_없거나_터무니없는_시각은_거절한다(text: str) -> None:
    with pytest.raises(SettingsError, match="읽을 수 없습니다"):
        parse_start(text)


def test_시간대가_붙은_시각은_UTC로_옮긴다() -> None:
    assert format_ms(parse_start("2024-01-01T00:00+09:00")) == "2023-12-31 15:00"
    assert parse_start("2024-01-01 00:00:00Z") == parse_start("2024-01-01")


def test_깨진_준비_파일은_새로_만든다(ready: Prepare) -> None:
    (ref,) = ready("DEMO:BTCUSDT", "5m@15m")
    before = columns(ref)
    for path in (ref.ltf_path, ref.base_path):
        assert path is not None
        data = bytearray(Path(path).read_bytes())
        data[len(data) // 2] ^= 0xFF
        replaced = Path(path + ".new")
        replaced.write_bytes(data)
        replaced.replace(path)
    (again,) = ready("DEMO:BTCUSDT", "5m@15m")
    np.testing.assert_array_equal(columns(again), before)


def test_잘린_파일을_열면_한국어로_알린다(ready: Prepare) -> None:
    (ref,) = ready("DEMO:BTCUSDT", "5m")
    Path(ref.ltf_path).write_bytes(Path(ref.ltf_path).read_bytes()[:-100])
    with pytest.raises(DataError, match="열 수 없습니다"):
        ref.open()


def test_빈_봉은_직전_종가로_채우고_표시하고_알린다(ready: Prepare, tmp_path: Path) -> None:
    whole = make_demo("ETHUSDT", 1, DEMO_START_MS, 2 * 1440)
    kept = np.ones(len(whole), dtype=np.bool_)
    kept[100:130] = False
    holed = Candles(*(getattr(whole, name)[kept] for name in Candles.__dataclass_fields__))
    file = write_csv(tmp_path / "gap.csv", holed)
    one, fifteen = ready("BINANCE:ETHUSDT", "1m,15m", file=file)
    ltf = one.open().ltf
    assert np.flatnonzero(ltf.filled).tolist() == list(range(100, 130))
    assert (ltf.close[100:130] == whole.close[99]).all()
    assert (ltf.high[100:130] == whole.close[99]).all()
    assert (ltf.volume[100:130] == 0).all()
    assert one.filled_bars == 30
    assert any("빈 봉 30개(1.04%)" in note for note in one.notes)
    # 15분봉 7(105~119분)만 온통 채운 봉이다.
    assert np.flatnonzero(fifteen.open().ltf.filled).tolist() == [7]


def test_격자를_벗어난_봉은_시킬_때만_내림한다(ready: Prepare, tmp_path: Path) -> None:
    """파일에서도 캐시에서도 같다. 켬과 끔은 서로의 준비된 자료를 쓰지 않는다."""
    whole = make_demo("ETHUSDT", 1, DEMO_START_MS, 1440)
    shifted = whole.open_time.copy()
    shifted[500:600] += 789
    off = Candles(
        shifted, whole.open, whole.high, whole.low, whole.close, whole.volume, whole.filled
    )
    store = SymbolStore(tmp_path / "data", parse_symbol("BINANCE:ETHUSDT"))
    store.merge(off, MINUTE, (DEMO_START_MS, DEMO_START_MS + DAY), "시험")
    for file in (None, write_csv(tmp_path / "off.csv", off)):
        for _ in range(2):
            with pytest.raises(DataError, match="100개"):
                ready("BINANCE:ETHUSDT", "1m", file=file)
            (ref,) = ready("BINANCE:ETHUSDT", "1m", file=file, floor_off_grid=True)
            np.testing.assert_array_equal(ref.open().ltf.open_time, whole.open_time)


def test_격자를_벗어난_진짜_파일은_시킬_때만_내림한다(ready: Prepare) -> None:
    file = market_file("BINANCE_BTCUSDT_1m_2017-12_2018-02_gappy.csv.gz")
    with pytest.raises(DataError, match="21,602개") as caught:
        ready("BINANCE:BTCUSDT", "1m", file=file)
    assert "data.floor_off_grid=true" in caught.value.fix
    (ref,) = ready("BINANCE:BTCUSDT", "1m", file=file, floor_off_grid=True)
    ltf = ref.open().ltf
    assert (np.diff(ltf.open_time) == MINUTE).all()
    assert (ltf.open_time % MINUTE == 0).all()
    assert ref.bars == 129_600
    assert ref.filled_bars == 2_261
    assert any("1.74%" in note for note in ref.notes)


def test_펀딩_기록을_붙이고_없으면_알린다(ready: Prepare) -> None:
    file = market_file("BINANCE_ENAUSDT.P_1m_2025-05.csv.gz")
    funding = market_file("BINANCE_ENAUSDT.P_funding_2025.csv.gz")
    (without,) = ready("BINANCE:ENAUSDT.P", "5m@15m", file=file)
    assert any("펀딩 기록이 없어" in note for note in without.notes)
    (ref,) = ready("BINANCE:ENAUSDT.P", "5m@15m", file=file, funding_file=funding)
    schedule = ref.open().funding
    assert schedule is not None
    assert len(schedule) == 474
    assert (schedule.time % 3_600_000 == 0).all(), "몇 ms 늦은 시각이 반올림된다"
    assert not ref.notes
    assert ref.fingerprint != without.fingerprint


def test_들여온_펀딩은_파일_실행에도_쓰인다(ready: Prepare, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "p.csv", make_demo("ETHUSDT", 1, DEMO_START_MS, 1440))
    store = SymbolStore(tmp_path / "data", parse_symbol("BINANCE:ETHUSDT.P"))
    times = DEMO_START_MS + np.arange(4, dtype=np.int64) * 8 * 3_600_000
    store.merge_funding(FundingSchedule(times, np.full(4, 1e-4)))
    (ref,) = ready("BINANCE:ETHUSDT.P", "1m", file=file)
    found = ref.open().funding
    assert found is not None
    np.testing.assert_array_equal(found.time, times)


def test_데모_심볼에_파일을_섞지_않는다(ready: Prepare, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="함께 쓸 수 없습니다"):
        ready("DEMO:BTCUSDT", "1m", file=tmp_path / "a.csv")


def test_쓸_수_없는_캐시_폴더는_한국어로_알린다(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("폴더가 아니다")
    with pytest.raises(DataError, match="쓸 수 없습니다"):
        prepare(
            parse_symbol("DEMO:BTCUSDT"),
            parse_grid("1m"),
            demo_days=1,
            cache_dir=tmp_path / "data",
            on_progress=lambda *_: None,
        )


def test_캐시에_없으면_길들을_말하고_데모로_바꾸지_않는다(ready: Prepare) -> None:
    with pytest.raises(DataError, match="캐시에 없습니다") as caught:
        ready("BINANCE:ETHUSDT", "1m")
    for way in ("--data", "optimize.data import", "DEMO:ETHUSDT"):
        assert way in caught.value.fix


def test_함께_도는_심볼의_길은_심볼을_단_인자다(ready: Prepare) -> None:
    """심볼이 여럿인 실행은 `--data 파일`을 받지 않는다: 붙여 넣으면 되는 꼴을 댄다."""
    with pytest.raises(DataError) as caught:
        ready("BINANCE:ETHUSDT", "1m@15m", one_of_several=True)
    assert "--data BINANCE:ETHUSDT=파일.csv.gz" in caught.value.fix
    assert "--data 파일" not in caught.value.fix
    assert "--symbols 에서 BINANCE:ETHUSDT 대신 DEMO:ETHUSDT" in caught.value.fix


def test_캐시를_벗어난_기간은_오프라인에서_거절한다(ready: Prepare, tmp_path: Path) -> None:
    candles = make_demo("ETHUSDT", 1, DEMO_START_MS, 1440)
    store = SymbolStore(tmp_path / "data", parse_symbol("BINANCE:ETHUSDT"))
    store.merge(candles, MINUTE, (DEMO_START_MS, DEMO_START_MS + DAY), "파일 a")
    with pytest.raises(DataError, match="고른 기간이 캐시에 없습니다") as caught:
        ready("BINANCE:ETHUSDT", "1m", start="2024-01-01", end="2024-02-01")
    assert "2024-01-01 00:00 ~ 2024-01-02 00:00" in caught.value.cause


def test_떨어진_구간이_둘이면_가장_긴_구간을_쓴다(ready: Prepare, tmp_path: Path) -> None:
    """사이의 몇 달을 평평하게 채우지 않는다."""
    store = SymbolStore(tmp_path / "data", parse_symbol("BINANCE:ETHUSDT"))
    for start, days in ((DEMO_START_MS, 2), (parse_start("2024-06-01"), 5)):
        candles = make_demo("ETHUSDT", 1, start, days * 1440)
        store.merge(candles, MINUTE, (start, start + days * DAY), "파일 a")
    (ref,) = ready("BINANCE:ETHUSDT", "1m")
    assert format_ms(ref.start_ms) == "2024-06-01 00:00"
    assert ref.bars == 5 * 1440
    assert ref.filled_bars == 0


def test_빈_캐시는_최근_365일을_내려받는다(ready: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    now = parse_start("2025-02-04T10:30")
    listed = parse_start("2025-01-20")
    truth = make_demo("BTCUSDT", 1, listed, (now - listed) // MINUTE + 1)
    with serve(Exchange(truth, now)) as exchange:
        for name, value in environment(exchange.url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(clock, "now_ms", lambda: now)
        (ref,) = ready("BINANCE:BTCUSDT", "1m@1h", offline=False)
    assert ref.source == "Binance 현물"
    assert ref.tick_size == 0.01
    assert format_ms(ref.start_ms) == "2025-01-20 00:00"
    assert format_ms(ref.end_ms) == "2025-02-04 00:00"
    assert any("첫 캔들" in note for note in ref.notes)
    assert any("일부만 있습니다: 2025-01-20" in note for note in ref.notes)
    np.testing.assert_array_equal(ref.open().ltf.close, truth.close[: ref.bars])


def test_굵은_파일로는_고운_칸을_만들지_못한다고_말한다(ready: Prepare, tmp_path: Path) -> None:
    whole = make_demo("ETHUSDT", 1, DEMO_START_MS, 1440)
    hourly = Candles(*(getattr(whole, name)[::60] for name in Candles.__dataclass_fields__))
    possible = Candles(
        hourly.open_time, hourly.open, hourly.high, hourly.low, hourly.close, hourly.volume, hourly.filled
    )  # fmt: skip
    file = write_csv(tmp_path / "hour.csv", possible)
    with pytest.raises(DataError, match="1h 캔들로 1m 칸"):
        ready("BINANCE:ETHUSDT", "1m", file=file)
    (ref,) = ready("BINANCE:ETHUSDT", "4h", file=file)
    assert ref.base_interval_ms == 3_600_000
    assert ref.bars == 6


def test_너무_짧은_기간은_까닭을_말한다(ready: Prepare, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "s.csv", make_demo("ETHUSDT", 1, DEMO_START_MS, 30))
    with pytest.raises(DataError, match="너무 짧아"):
        ready("BINANCE:ETHUSDT", "1m@1h", file=file)


def columns(ref: DatasetRef) -> np.ndarray:
    """LTF와 바탕 봉의 모든 값."""
    dataset = ref.open()
    assert dataset.base is not None
    return np.concatenate(
        [
            getattr(candles, name)
            for candles in (dataset.ltf, dataset.base)
            for name in Candles.__dataclass_fields__
        ]
    )


def write_csv(path: Path, candles: Candles) -> Path:
    """시험용 csv."""
    names = ("open_time", *arrow_io.PRICE_COLUMNS)
    rows = zip(*(getattr(candles, name).tolist() for name in names), strict=True)
    lines = [",".join(names), *(",".join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path
