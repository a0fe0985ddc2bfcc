"""내려받기의 고장: 쉬라는 응답, 끊김, 멈춤, 틀린 내용, 막힘, 오류 코드."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from download_kit import FIRST, IMPATIENT, NOW, QUICK, assert_same, fetch
from exchange import Exchange, environment

from optimize.data.http import HttpSource
from optimize.data.period import parse_start
from optimize.errors import DataError, SettingsError


def test_REST가_막힌_곳의_펀딩은_달마다의_zip에서_받는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.futures = True
    start = parse_start("2025-01-01")
    exchange.funding = [(start + i * 4 * 3_600_000 + i % 7, 1e-4 * i) for i in range(220)]
    exchange.fail("/fapi/v1/", status=451, times=99)
    store, notes = fetch(tmp_path, start="2025-01-01", symbol="BINANCE:BTCUSDT.P")
    funding = store.funding()
    assert funding is not None
    assert funding.time.tolist() == [start + i * 4 * 3_600_000 for i in range(31 * 6)]
    np.testing.assert_allclose(funding.rate, 1e-4 * np.arange(31 * 6))
    assert "펀딩을 받지 못한 달: 2025-02" in " ".join(notes)


def test_429는_Retry_After만큼_쉬고_이어_간다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("1m-2025-01.zip", status=429, headers={"Retry-After": "1"})
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    at = [i for i, path in enumerate(exchange.requests) if "1m-2025-01.zip" in path]
    assert exchange.moments[at[1]] - exchange.moments[at[0]] >= 1.0
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))


def test_쉬어도_거듭_429면_bulk만으로_이어_가며_까닭을_알린다(
    exchange: Exchange, tmp_path: Path
) -> None:
    body = b'{"code":-1003,"msg":"Too much request weight used"}'
    exchange.fail("/api/v3", status=429, headers={"Retry-After": "0"}, body=body, times=99)
    store, notes = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))
    assert "요청을 줄이라고 합니다 (HTTP 429)" in " ".join(notes)


def test_오래_쉬라는_418은_언제_다시_할지_알린다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("1m-2025-01.zip", status=418, headers={"Retry-After": "7200"})
    with pytest.raises(DataError, match="7200초") as caught:
        fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert "120분 뒤" in caught.value.fix


def test_사용량이_한도에_가까우면_쉰다(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(HttpSource, "rest_for", lambda _self, seconds: rests.append(seconds))
    exchange.used_weight = "4799"
    fetch(tmp_path / "a", start="2025-01-01", end="2025-02-01")
    assert not rests
    exchange.used_weight = "4801"
    fetch(tmp_path / "b", start="2025-01-01", end="2025-02-01")
    assert rests
    assert all(0 < seconds <= 60 for seconds in rests)


@pytest.mark.parametrize("kind", ["truncate", "stall", "corrupt", "close"])
def test_한_번_망가진_파일은_다시_받는다(exchange: Exchange, tmp_path: Path, kind: str) -> None:
    """도중에 끊김, 멈춤, 내용이 바뀜, 연결이 닫힘."""
    # 파일을 미리 만들어 두어 서버가 느려서 기다리는 일이 없게 한다.
    exchange.answer("/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip")
    # 첫 요청은 CHECKSUM, 다음이 zip이다: 둘 다 망가뜨린다.
    exchange.fail("BTCUSDT-1m-2025-01.zip", kind, times=2, seconds=1.2)
    options = IMPATIENT if kind == "stall" else QUICK
    store, _ = fetch(tmp_path, start="2025-01-01", end="2025-02-01", options=options)
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))


def test_REST의_한_쪽이_멈추면_끊고_다시_묻는다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=17386", "stall", seconds=1.2)
    store, notes = fetch(tmp_path, start="2025-02-04", options=IMPATIENT)
    assert_same(store, parse_start("2025-02-04"), NOW // 60_000 * 60_000)
    assert not notes
    assert exchange.faults[0].times == 0


@pytest.mark.parametrize(
    ("fault", "headers", "body"),
    [
        ("status", {"Content-Encoding": "gzip"}, b"nope"),
        ("drip", {}, b""),
    ],
)
def test_풀리지_않거나_조금씩_흘리는_응답은_끊고_다시_묻는다(
    exchange: Exchange, tmp_path: Path, fault: str, headers: dict[str, str], body: bytes
) -> None:
    exchange.fail("1m-2025-02-03.zip", fault, status=200, headers=headers, body=body, seconds=0.1)
    options = replace(QUICK, longest_response_s=1.0)
    store, notes = fetch(tmp_path, start="2025-02-03", end="2025-02-04", options=options)
    assert_same(store, parse_start("2025-02-03"), parse_start("2025-02-04"))
    assert not notes
    assert len(exchange.asked("2025-02-03.zip.CHECKSUM")) == 2


@pytest.mark.parametrize("body", [b'{"klines": []}', b'[["a", "1"]]', b"[1]", b"<html>"])
def test_모양이_다른_REST의_응답은_한국어로_말한다(
    exchange: Exchange, tmp_path: Path, body: bytes
) -> None:
    for symbol, path in (("BINANCE:BTCUSDT", "/api/v3/klines"), ("UPBIT:BTCKRW", "/v1/candles")):
        exchange.fail(path, status=200, body=body)
        with pytest.raises(DataError, match=r"응답을 (읽을 수 없|보냈)") as caught:
            fetch(tmp_path, symbol=symbol)
        assert "프록시" in caught.value.fix


def test_같은_쪽만_되풀이하는_서버에_붙들리지_않는다(exchange: Exchange, tmp_path: Path) -> None:
    """2월 4일을 물을 때마다 그 앞의 1000개를 준다."""
    page = exchange.answer("/api/v3/klines?symbol=BTCUSDT&startTime=1738000000000")[1]
    exchange.fail("startTime=17386", status=200, body=page, times=99)
    with pytest.raises(DataError, match="읽을 수 없습니다"):
        fetch(tmp_path, start="2025-02-04")


def test_REST가_없는_거울_서버면_bulk만_받는다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("/api/v3/", status=404, times=99)
    store, notes = fetch(tmp_path, start="2025-01-01", end="2025-02-01")
    assert_same(store, parse_start("2025-01-01"), parse_start("2025-02-01"))
    assert any("HTTP 404" in note for note in notes)


def test_끝없는_넘김과_틀린_주소는_그렇게_말한다(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.fail("/", status=302, headers={"Location": "/loop"}, times=999)
    with pytest.raises(DataError, match="닿지 못했습니다") as caught:
        fetch(tmp_path)
    assert "끝없이" in caught.value.cause
    for wrong in ("data.example.com", "ftp://example.com", "http://", "http://[x"):
        monkeypatch.setenv("BACKTEST_WIZARD_BINANCE_BULK_URL", wrong)
        with pytest.raises(SettingsError, match="BACKTEST_WIZARD_BINANCE_BULK_URL의 주소"):
            fetch(tmp_path)


def test_CHECKSUM이_계속_다르면_거절하고_다른_달은_남아_이어_받는다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.fail("1m-2025-01.zip.CHECKSUM", "corrupt", times=3)
    with pytest.raises(DataError, match="CHECKSUM"):
        fetch(tmp_path, end="2025-02-01")
    exchange.requests.clear()
    store, _ = fetch(tmp_path, end="2025-02-01")
    assert_same(store, FIRST, parse_start("2025-02-01"))
    assert len(exchange.asked("1m-2025-01.zip")) == 2


def test_REST만_451이면_bulk로_이어_가고_못_받은_최근을_알린다(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.fail("/api/v3/", status=451, times=99)
    store, notes = fetch(tmp_path)
    assert_same(store, FIRST, parse_start("2025-02-04"))
    assert store.manifest().period == (FIRST, parse_start("2025-02-04"))
    assert any("HTTP 451" in note for note in notes)


def test_bulk만_막히면_REST로_받는다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("/data/", status=403, times=99)
    store, notes = fetch(tmp_path, start="2025-01-30", end="2025-02-03")
    assert_same(store, parse_start("2025-01-30"), parse_start("2025-02-03"))
    (note,) = notes
    assert "REST로 받습니다" in note
    assert "HTTP 403" in note


def test_모두_막히면_까닭과_다른_길을_말한다(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail("/", status=451, times=99)
    with pytest.raises(DataError, match="이 지역의 접속") as caught:
        fetch(tmp_path)
    assert "다른 길" in caught.value.fix


def test_닿지_못하면_곧_알린다(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(DataError, match="닿지 못했습니다"):
        fetch(tmp_path)
    assert time.monotonic() - began < 3


def test_모르는_심볼은_그렇게_말한다(exchange: Exchange, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="모르는 심볼"):
        fetch(tmp_path, symbol="BINANCE:NOPEUSDT")


@pytest.mark.parametrize(
    ("code", "title"), [(-1120, "모르는 시간 단위"), (-1003, "요청이 너무 많")]
)
def test_거래소의_오류_코드를_한국어로_말한다(
    exchange: Exchange, tmp_path: Path, code: int, title: str
) -> None:
    body = f'{{"code":{code},"msg":"x"}}'.encode()
    exchange.fail("/api/v3/klines", status=400, body=body)
    with pytest.raises(DataError, match=title):
        fetch(tmp_path)


def test_업비트의_남은_요청이_하나면_1초_쉰다(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(HttpSource, "rest_for", lambda _self, seconds: rests.append(seconds))
    exchange.remaining = "group=candles; min=1800; sec=2"
    fetch(tmp_path, end="2024-12-29", symbol="UPBIT:BTCKRW")
    assert rests == []
    exchange.remaining = "group=candles; min=1800; sec=1"
    fetch(tmp_path, end="2024-12-30", symbol="UPBIT:BTCKRW")
    assert set(rests) == {1.0}
