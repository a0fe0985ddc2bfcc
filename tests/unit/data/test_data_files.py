"""파일 읽기: 형식·열·시각 단위를 알아보고, 애매하면 거절한다."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pa_parquet
import pytest
from exchange import make_zip
from hypothesis import given, settings
from hypothesis import strategies as st
from market import market_file

from optimize.data import files
from optimize.data.dataset import Candles
from optimize.data.demo import DEMO_START_MS, make_demo
from optimize.data.files import read_candles, read_funding
from optimize.errors import DataError

CANDLES = make_demo("ETHUSDT", 1, DEMO_START_MS, 300)
NAMES = ("open_time", "open", "high", "low", "close", "volume")


def table(**renamed: str) -> pa.Table:
    return pa.table({renamed.get(name, name): getattr(CANDLES, name) for name in NAMES})


def text(header: str, times: list[str]) -> str:
    rows = [
        ",".join([moment, *(repr(float(getattr(CANDLES, name)[i])) for name in NAMES[1:])])
        for i, moment in enumerate(times)
    ]
    return "\n".join(([header] if header else []) + rows) + "\n"


def assert_read(path: Path, **options: object) -> None:
    read = read_candles(path, **options).candles  # type: ignore[arg-type]
    for name in NAMES:
        np.testing.assert_array_equal(getattr(read, name), getattr(CANDLES, name)[: len(read)])
    assert len(read) >= 3


STAMPS = [int(moment) for moment in CANDLES.open_time[:50]]


@pytest.mark.parametrize(
    ("times", "unit"),
    [
        ([str(ms // 1000) for ms in STAMPS], "초"),
        ([f"{ms / 1000:.1f}" for ms in STAMPS], "초"),
        ([str(ms) for ms in STAMPS], "밀리초"),
        ([str(ms * 1000) for ms in STAMPS], "마이크로초"),
        ([str(ms * 1_000_000) for ms in STAMPS], "나노초"),
        ([datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in STAMPS], "시각(UTC)"),
        ([f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}" for ms in STAMPS], "UTC로 읽음"),
        ([f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}" for ms in STAMPS], "시각(UTC)"),
        ([f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S UTC}" for ms in STAMPS], "ISO"),
        ([f"{datetime.fromtimestamp(ms / 1000, UTC):%Y/%m/%d %H:%M:%S}" for ms in STAMPS], "UTC로 읽음"),
        ([f"{datetime.fromtimestamp(ms / 1000 + 32400, UTC):%Y-%m-%dT%H:%M:%S}+09:00" for ms in STAMPS], "시각(UTC)"),
    ],
)  # fmt: skip
def test_시각의_단위를_알아본다(tmp_path: Path, times: list[str], unit: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text(",".join(NAMES), times))
    assert unit in read_candles(path).recognised.time_unit
    assert_read(path)


@pytest.mark.parametrize(
    "header",
    [
        "Open time,Open,High,Low,Close,Volume",
        "timestamp,open,high,low,close,volume",
        "date,Open,High,Low,Close,Volume BTC",
        "t,o,h,l,c,v",
        "candle_date_time_utc,opening_price,high_price,low_price,trade_price,candle_acc_trade_volume",
        "\ufeff일시,시가,고가,저가,종가,거래량",
        "",
    ],
)
def test_여러_도구의_열_이름과_머리글_없는_파일(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text(header, [str(ms) for ms in STAMPS]), encoding="utf-8")
    assert_read(path)


def test_한국어_엑셀이_CP949로_저장한_파일(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    header = "일시,시가,고가,저가,종가,거래량"
    path.write_bytes(text(header, [str(ms) for ms in STAMPS]).encode("cp949"))
    assert_read(path)


def test_BOM이_붙은_머리글_없는_파일과_symlink(tmp_path: Path) -> None:
    path = tmp_path / "real.csv"
    path.write_text("\ufeff" + text("", [str(ms) for ms in STAMPS]), encoding="utf-8")
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    assert_read(link)


def test_csv_gz_parquet_arrow_feather_stream_bulk_zip은_같은_봉이다(tmp_path: Path) -> None:
    plain = text(",".join(NAMES), [str(ms) for ms in CANDLES.open_time])
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(plain.encode()))
    pa_parquet.write_table(table(), tmp_path / "a.parquet")
    pa_feather.write_feather(table(), str(tmp_path / "a.feather"), compression="lz4")
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), table().schema) as writer:
        writer.write_table(table())
    (tmp_path / "spot.zip").write_bytes(make_zip("a.csv", CANDLES, header=False))
    (tmp_path / "um.zip").write_bytes(make_zip("a.csv", CANDLES, header=True))
    for path in tmp_path.iterdir():
        assert_read(path)


def test_freqtrade_feather(tmp_path: Path) -> None:
    """date(datetime64[ms, UTC]), open, high, low, close, volume."""
    moments = pa.array(CANDLES.open_time, pa.timestamp("ms", tz="UTC"))
    freqtrade = table(open_time="date").set_column(0, "date", moments)
    pa_feather.write_feather(freqtrade, str(tmp_path / "ETH_USDT-1m.feather"))
    assert_read(tmp_path / "ETH_USDT-1m.feather")


def test_진짜_bulk_zip은_CHECKSUM이_맞고_한_달이_다_있다() -> None:
    path = market_file("binance_bulk/FILUSDT-1m-2023-08.zip")
    wanted = Path(f"{path}.CHECKSUM").read_text().split()[0]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wanted
    read = read_candles(path)
    assert read.recognised.line().endswith("CHECKSUM 확인")
    assert len(read.candles) == 44_640
    assert read.quality.clean
    assert read.candles.open[0] == 4.255


def test_곁의_CHECKSUM과_다른_파일은_읽지_않는다(tmp_path: Path) -> None:
    """같으면 확인했다고 말하고, 없으면 말하지 않으며, 다르거나 비었으면 거절한다."""
    path = tmp_path / "BTCUSDT-1m-2024-01.csv"
    pa_csv.write_csv(table(), path)
    assert not read_candles(path).recognised.verified
    sidecar = tmp_path / "BTCUSDT-1m-2024-01.csv.CHECKSUM"
    sidecar.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest().upper()}  {path.name}\n")
    assert read_candles(path).recognised.verified
    for wrong in (f"{'0' * 64}  {path.name}\n", ""):
        sidecar.write_text(wrong)
        with pytest.raises(DataError, match="CHECKSUM과 다릅니다") as caught:
            read_candles(path)
        assert str(sidecar) in caught.value.fix


def test_첫_줄이_출처인_csv(tmp_path: Path) -> None:
    """CryptoDataDownload의 첫 줄은 웹 주소 한 칸이다."""
    path = tmp_path / "a.csv"
    path.write_text(
        "https://example.com\n"
        + text("unix,open,high,low,close,volume", [str(ms) for ms in STAMPS])
    )
    assert_read(path)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("timestamp,open,high,low,close,Volume BTC,Volume USDT", "volume"),
        ("timestamp,date,high,low,close,volume", "time"),
        ("close_time,open,high,low,close,volume", "time"),
        ("timestamp,open,high,low,close,turnover", "volume"),
    ],
)
def test_애매한_열은_거절하고_정하는_길을_말한다(tmp_path: Path, header: str, field: str) -> None:
    path = tmp_path / "a.csv"
    count = header.count(",")
    path.write_text(header + "\n" + "\n".join(f"{ms}" + ",1" * count for ms in STAMPS))
    with pytest.raises(DataError, match=f"{field} 열을 정할 수 없습니다") as caught:
        read_candles(path)
    assert f"--columns {field}=" in caught.value.fix


def test_애매한_열은_정해_주면_읽는다(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    both = table(open_time="unix", volume="Volume ETH").append_column(
        "Volume USDT", pa.array(CANDLES.volume)
    )
    pa_parquet.write_table(both, tmp_path / "a.parquet")
    assert_read(tmp_path / "a.parquet", columns={"volume": "Volume ETH"})
    path.write_text("x\n")
    with pytest.raises(DataError, match="없습니다"):
        read_candles(tmp_path / "a.parquet", columns={"volume": "nope"})


@pytest.mark.parametrize("first", ["01/02/2024 00:00", "1.2.24 00:00"])
def test_일과_월을_가릴_수_없는_날짜는_거절한다(tmp_path: Path, first: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text(",".join(NAMES), [first] * 5))
    with pytest.raises(DataError, match="애매"):
        read_candles(path)


@pytest.mark.parametrize(
    "times",
    [["1704067200", "1704067260000", "1704067320000"], ["12", "13", "14"], ["", "1704067200000", "1704067260000"]],
)  # fmt: skip
def test_단위가_섞이거나_알_수_없는_시각은_거절한다(tmp_path: Path, times: list[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text(",".join(NAMES), times))
    with pytest.raises(DataError):
        read_candles(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.csv", None),
        ("empty.csv", b""),
        ("header.csv", b"open_time,open,high,low,close,volume\n"),
        ("broken.csv.gz", gzip.compress(b"open_time,open\n" * 1000, mtime=0)[:-20]),
        ("broken.zip", b"PK\x03\x04nope"),
        ("broken.parquet", b"PAR1nope"),
        ("broken.arrow", b"ARROW1nope"),
        ("what.xlsx", b"x"),
        ("seven.csv", b"1704067200000,1,1,1,1,1,1\n" * 3),
        ("words.csv", b"open_time,open,high,low,close,volume\n1704067200000,a,b,c,d,e\n"),
        ("one.csv", b"open_time,open,high,low,close,volume\n1704067200000,1,1,1,1,1\n"),
        ("utf16.csv", "시각,시가,고가,저가,종가,거래량\n2024-01-01,1,1,1,1,1\n".encode("utf-16")),
        ("semicolon.csv", b"open_time;open;high;low;close;volume\n1704067200000;1,5;1,5;1,5;1,5;1\n"),
        ("comma.csv", b'open_time,open,high,low,close,volume\n1704067200000,"1,5","1,5","1,5","1,5",1\n'),
        ("long.csv", b"x" * (2 << 20)),
        ("zeros.csv.gz", gzip.compress(bytes(2 << 20), mtime=0)),
        ("folder.csv", None),
        ("loop.csv", None),
        ("fast.csv", b"open_time,open,high,low,close,volume\n1704067200000,1,1,1,1,1\n1704067201000,1,1,1,1,1\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_읽을_수_없는_파일은_한국어로_거절한다(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    elif name == "folder.csv":
        path.mkdir()
    elif name == "loop.csv":
        path.symlink_to(path)
    with pytest.raises(DataError) as caught:
        read_candles(path)
    for part in (caught.value.title, caught.value.fix):
        assert any("가" <= letter <= "힣" for letter in part)


@pytest.mark.parametrize(
    "volume",
    [pa.array([[1.0]] * 3), pa.array([{"a": 1}] * 3), pa.array(["1", "x", "2"])],
)  # fmt: skip
def test_수가_아닌_형의_열은_거절한다(tmp_path: Path, volume: pa.Array) -> None:
    path = tmp_path / "a.parquet"
    odd = table().slice(0, 3).set_column(5, "volume", volume)
    pa_parquet.write_table(odd, path)
    with pytest.raises(DataError, match="수가 아닌 값") as caught:
        read_candles(path)
    if pa.types.is_string(volume.type):
        assert caught.value.cause == "2번째 줄(머리글 빼고)의 값 'x'"


def test_봉이_너무_많은_파일은_거절한다(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    pa_parquet.write_table(table(), path)
    monkeypatch.setattr(files, "_MOST_BARS", 300)
    assert_read(path)
    monkeypatch.setattr(files, "_MOST_BARS", 299)
    with pytest.raises(DataError, match="봉이 너무 많습니다"):
        read_candles(path)


def test_이름이_같은_열을_정해_주면_거절한다(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text("open_time,open,high,low,close,close", [str(ms) for ms in STAMPS]))
    with pytest.raises(DataError, match="'close' 열이 둘 이상"):
        read_candles(path, columns={"close": "close", "volume": "close"})


def test_빈_펀딩_파일은_거절한다(tmp_path: Path) -> None:
    empty = pa.table({"time": pa.array([], pa.int64()), "rate": pa.array([], pa.float64())})
    pa_parquet.write_table(empty, tmp_path / "f.parquet")
    with pytest.raises(DataError, match="비었습니다"):
        read_funding(tmp_path / "f.parquet")


def test_고른_기간의_흠만_센다(tmp_path: Path) -> None:
    """앞 150분에는 빈 봉과 격자를 벗어난 시각이 있고 뒤 150분은 깨끗하다."""
    stamps = [int(t) + (7 if i == 40 else 0) for i, t in enumerate(CANDLES.open_time)]
    lines = text(",".join(NAMES), [str(ms) for ms in stamps]).splitlines()
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines[:100] + lines[103:]))  # 봉 99, 100, 101이 없다
    middle = DEMO_START_MS + 150 * 60_000
    late = read_candles(path, start_ms=middle)
    assert late.quality.clean
    assert (len(late.candles), late.whole) == (150, (DEMO_START_MS, DEMO_START_MS + 300 * 60_000))
    with pytest.raises(DataError, match="격자를 벗어난 시각이 1개"):
        read_candles(path, end_ms=middle)
    early = read_candles(path, end_ms=middle, floor_off_grid=True)
    assert (early.quality.missing, len(early.candles)) == (3, 147)


def test_새것부터인_파일과_겹친_줄과_불가능한_봉을_바로잡고_센다(tmp_path: Path) -> None:
    rows = [
        [int(CANDLES.open_time[i]), *(float(getattr(CANDLES, n)[i]) for n in NAMES[1:])]
        for i in range(20)
    ]
    rows[5][2] = rows[5][3] - 1  # 고가 < 저가
    rows.append([*rows[3][:5], rows[3][5] + 1])  # 같은 시각, 다른 거래량
    rows.reverse()
    path = tmp_path / "a.csv"
    path.write_text("\n".join([",".join(NAMES), *(",".join(map(str, row)) for row in rows)]))
    read = read_candles(path)
    assert (read.quality.impossible, read.quality.duplicates, read.quality.conflicting) == (1, 1, 1)
    assert len(read.candles) == 19
    assert (np.diff(read.candles.open_time) > 0).all()
    # 파일에서 뒤에 온 것은 거꾸로 세운 원래의 줄이다.
    assert read.candles.volume[3] == CANDLES.volume[3]


def test_펀딩은_늦은_시각을_분으로_반올림하고_겹치면_뒤의_것(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(
        "fundingTime,fundingRate\n1741334400001,0.0001\n1741305600000,-0.0002\n1741334400000,0.0003\n"
    )
    funding = read_funding(path)
    assert funding.time.tolist() == [1741305600000, 1741334400000]
    assert funding.rate.tolist() == [-0.0002, 0.0003]


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from([b"", b"open_time,open,high,low,close,volume\n", b"1704067200000,1,1,1,1,1\n"]),
    st.one_of(st.binary(max_size=200), st.text("0123456789.,-eE\n\"'T:Z", max_size=200).map(str.encode)),
)  # fmt: skip
def test_무엇이_와도_DataError_말고는_내지_않는다(head: bytes, rest: bytes) -> None:
    """csv에 아무 바이트나 넣는다."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(head + rest)
        with contextlib.suppress(DataError):
            read_candles(path, floor_off_grid=True)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 400), min_size=2, max_size=60, unique=True),
    st.floats(0.001, 1e6, allow_nan=False),
)
def test_적은_것을_그대로_읽는다(minutes: list[int], price: float) -> None:
    """어떤 차례와 빈 자리로 적어도 시간순의 같은 값이 나온다."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        lines = [
            f"{DEMO_START_MS + m * 60_000},{price!r},{price!r},{price!r},{price!r},{m}"
            for m in minutes
        ]
        path.write_text("\n".join([",".join(NAMES), *lines]))
        steps = np.diff(np.sort(minutes))
        if np.bincount(steps).max() == 1 and 1 not in steps:
            return  # 간격을 정할 수 없는 파일은 다른 시험이 본다
        read = read_candles(path, floor_off_grid=True)
        if read.interval_ms == 60_000:
            expected = [DEMO_START_MS + m * 60_000 for m in sorted(minutes)]
            assert read.candles.open_time.tolist() == expected
            assert read.candles.volume.tolist() == sorted(minutes)
            assert (read.candles.close == price).all()


def test_빈_봉이_아닌_자료는_그대로_둔다() -> None:
    """Candles는 frozen이다."""
    with pytest.raises(AttributeError):
        CANDLES.open = CANDLES.close  # type: ignore[misc]
    assert isinstance(CANDLES, Candles)
