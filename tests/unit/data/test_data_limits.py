"""밖에서 온 것의 크기와 길: 너무 큰 응답, 풀면 커지는 zip, 적힌 크기를 속인 zip, 경로 속임, TLS를 벗기는 넘김."""

from __future__ import annotations

import gzip
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from optimize.data import archives
from optimize.data.archives import read_csv_member
from optimize.data.files import read_candles
from optimize.data.http import HttpOptions, HttpSource, UnreachableError, _refuse_downgrade
from optimize.errors import DataError

ROWS = "".join(f"{1_704_067_200_000 + i * 60_000},1,1,1,1,1\n" for i in range(5)).encode()


class _Big(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 5000)

    def log_message(self, *args: object) -> None:
        del args


@pytest.fixture
def big_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Big)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def packed(*members: tuple[str, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer


@pytest.mark.parametrize(("limit", "fits"), [(5000, True), (4999, False)])
def test_응답은_한도까지만_받는다(big_server: str, limit: int, fits: bool) -> None:
    source = HttpSource("거래소", "", HttpOptions(largest_bytes=limit), threading.Event())
    try:
        if fits:
            assert len(source.get_bytes(big_server)[0]) == 5000
        else:
            with pytest.raises(DataError, match="너무 큰 응답"):
                source.get_bytes(big_server)
    finally:
        source.close()


def test_풀면_커지는_zip은_거절한다(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_CSV_BYTES", 1000)
    assert len(read_csv_member(packed(("a.csv", b"1" * 1000)), "a.zip")) == 1000
    with pytest.raises(DataError, match="풀린 크기"):
        read_csv_member(packed(("a.csv", b"1" * 1001)), "a.zip")


def test_적힌_크기를_속인_zip도_그만큼만_읽는다(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_CSV_BYTES", 1000)
    honest = packed(("a.csv", b"1" * 100_000)).getvalue()
    lying = honest.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != honest
    with pytest.raises((DataError, zipfile.BadZipFile)):
        read_csv_member(io.BytesIO(lying), "a.zip")


def test_풀면_커지는_gzip은_한도까지만_읽는다(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"open_time,open,high,low,close,volume\n" + ROWS))
    assert len(read_candles(path).candles) == 5
    monkeypatch.setattr(archives, "LARGEST_GZIP_BYTES", 150)
    with pytest.raises(DataError, match="풀린 크기"):
        read_candles(path)


def test_암호를_걸었거나_모르는_압축의_zip은_거절한다(tmp_path: Path) -> None:
    """머리의 깃발(암호)과 압축 방법(99 = AES)을 바꾼다. 자리는 local과 central header의 것이다."""
    body = packed(("a.csv", ROWS)).getvalue()
    central = body.index(b"PK\x01\x02")
    for offset, value, cause in ((6, 1, "암호"), (8, 99, "모르는 방법")):
        changed = bytearray(body)
        changed[offset] = changed[central + offset + 2] = value
        path = tmp_path / "a.zip"
        path.write_bytes(changed)
        with pytest.raises(DataError, match="풀 수 없습니다") as caught:
            read_candles(path)
        assert cause in caught.value.cause


def test_macOS가_끼워_넣은_것은_csv로_세지_않는다() -> None:
    body = packed(("a.csv", ROWS), ("__MACOSX/._a.csv", b"x"))
    assert read_csv_member(body, "a.zip") == ROWS


def test_zip_속의_경로는_디스크에_닿지_않는다(tmp_path: Path) -> None:
    body = packed(("../../outside.csv", b"open_time,open,high,low,close,volume\n" + ROWS))
    path = tmp_path / "inner" / "a.zip"
    path.parent.mkdir()
    path.write_bytes(body.getvalue())
    read_candles(path, floor_off_grid=False)
    assert {item.name for item in tmp_path.rglob("*")} == {"inner", "a.zip"}


@pytest.mark.parametrize(
    ("origin", "target", "refused"),
    [("https://a/x", "http://a/x", True), ("https://a/x", "https://b/x", False)],
)
def test_TLS를_벗기는_넘김은_따라가지_않는다(origin: str, target: str, refused: bool) -> None:
    response = httpx.Response(302, request=httpx.Request("GET", origin))
    response.next_request = httpx.Request("GET", target)
    if refused:
        with pytest.raises(UnreachableError, match="암호화하지 않은"):
            _refuse_downgrade(response)
    else:
        _refuse_downgrade(response)
