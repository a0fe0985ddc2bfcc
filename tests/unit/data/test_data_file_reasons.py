"""깨진 파일의 까닭: 한국어이고, 깨진 bytes를 화면에 옮기지 않는다."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from optimize.data.files import read_candles, read_funding, read_raw
from optimize.errors import DataError

_HEAD = "open_time,open,high,low,close,volume\n"
_ROWS = [f"{1704067200000 + 60_000 * i},1,2,0.5,1,3\n" for i in range(200)]


def _refusal(path: Path, body: bytes) -> DataError:
    path.write_bytes(body)
    with pytest.raises(DataError) as caught:
        read_raw(path)
    return caught.value


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        (
            "a.csv.gz",
            gzip.compress((_HEAD + "".join(_ROWS)).encode(), mtime=0)[:-40],
            "압축이 끝까지",
        ),
        ("a.csv.gz", b"\x1f\x8b\x08\x00" + b"\xff" * 200, "압축이"),
        ("a.csv", b"", "내용이 없습니다"),
        ("a.csv", (_HEAD + _ROWS[0] + "1,2,3\n").encode(), "열이 6개여야 하는데 3개인 줄"),
        ("a.parquet", b"x" * 500, "parquet 파일이 아니거나"),
        ("a.arrow", b"y" * 500, "Arrow 파일이 아니거나"),
        ("a.zip", b"z" * 500, "zip 파일이 아니거나"),
        (
            "a.csv",
            (_HEAD + _ROWS[0].replace("0.5", "abc")).encode(),
            "1번째 줄(머리글 빼고)의 값 'abc'",
        ),
        (
            "a.csv",
            (_HEAD + _ROWS[0] + "Z" + _ROWS[1]).encode(),
            "2번째 줄(머리글 빼고)의 값 'Z1704067260000'",
        ),
        ("a.csv", (_HEAD + _ROWS[0]).replace(",", ";").encode(), "';'이나 탭"),
    ],
)
def test_까닭은_한국어다(tmp_path: Path, name: str, body: bytes, expected: str) -> None:
    error = _refusal(tmp_path / name, body)
    assert expected in error.cause
    assert error.fix


def test_폴더는_폴더라고_말한다(tmp_path: Path) -> None:
    folder = tmp_path / "dir.csv"
    folder.mkdir()
    with pytest.raises(DataError, match="파일이 아니라 폴더입니다"):
        read_raw(folder)


def test_깨진_bytes를_화면에_옮기지_않는다(tmp_path: Path) -> None:
    body = b'open_time,open\n\x1b[31m"\x07\x00,\xff\xfe,3,4\n'
    error = _refusal(tmp_path / "a.csv", body)
    assert error.cause.replace("\n", "").isprintable()
    assert "\ufffd" not in error.cause


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("open_time;open;high;low;close;volume\n1;2", "쉼표로 나뉜 csv"),
        ("open_time,open,high,low,close,volume\n1704067200000,1,1,1,1,1", "봉이 더 든"),
        ('open_time,open,high,low,close,volume\n1704067200000,"42,000.5",1,1,1,1', "천 단위 쉼표"),
    ],
)
def test_거절은_파일의_이름과_고칠_것을_댄다(tmp_path: Path, text: str, fix: str) -> None:
    """파일이 여럿인 실행에서도 어느 파일인지 알아야 한다."""
    path = tmp_path / "eth.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"^eth\.csv: ") as caught:
        read_candles(path)
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("rows", "cause", "fix"),
    [
        (["time,rate", "1704067200000,"], "1개", "고치거나 지우세요"),
        (
            ["time,rate", "1704067200000,abc"],
            "1번째 줄(머리글 빼고)의 값 'abc'",
            "고치거나 지우세요",
        ),
        (["when,how", "1,2"], "파일의 열: when, how", "funding_time, funding_rate"),
    ],
)
def test_펀딩_파일의_거절은_까닭에_맞는_해결을_댄다(
    tmp_path: Path, rows: list[str], cause: str, fix: str
) -> None:
    path = tmp_path / "funding.csv"
    path.write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"funding\.csv") as caught:
        read_funding(path)
    assert cause in caught.value.cause
    assert fix in caught.value.fix
