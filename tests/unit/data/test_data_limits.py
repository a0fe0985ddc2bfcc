"""밖에서 온 것의 크기와 길: 너무 큰 응답, 풀면 커지는 zip, 적힌 크기를 속인 zip, 경로 속임, TLS를 벗기는 넘김."""

from __future__ import annotations

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


def test_zip_속의_경로는_디스크에_닿지_않는다(tmp_path: Path) -> None:
    rows = "".join(f"{1_704_067_200_000 + i * 60_000},1,1,1,1,1\n" for i in range(5))
    body = packed(("../../outside.csv", b"open_time,open,high,low,close,volume\n" + rows.encode()))
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
