"""파일을 읽지 못한 까닭을 한국어로. 파일의 내용(깨진 bytes)은 화면에 옮기지 않는다."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib

from optimize.errors import os_reason

_MAX_SHOWN = 160
_PATTERNS = (
    (r"Empty CSV file", "내용이 없습니다"),
    (r"CSV parse error: Expected (\d+) columns, got (\d+)", "열이 {0}개여야 하는데 {1}개인 줄이 있습니다"),
    (r"CSV parse error", "csv의 줄을 나눌 수 없습니다"),
    (r"invalid UTF8|Invalid UTF8", "UTF-8 글이 아닙니다(엑셀이면 'CSV UTF-8'로 다시 저장하세요)"),
    (r"straddling object straddles two block boundaries", "한 줄이 너무 깁니다"),
    (r"Parquet magic bytes not found|Parquet file size is|not a parquet file", "parquet 파일이 아니거나 끝이 잘렸습니다"),
    (r"Not an Arrow file|Expected to read|Tried reading schema|Invalid IPC|File is too small", "Arrow 파일이 아니거나 끝이 잘렸습니다"),
    (r"Failed to parse string: '([^']*)' as a scalar of type (?:double|float|int)", "'{0}'은(는) 수가 아닙니다"),
    (r"Failed to parse string: '([^']*)'", "'{0}'을(를) 읽을 수 없습니다"),
)  # fmt: skip


def file_reason(error: Exception) -> str:
    """예외의 까닭, 화면에 써도 되는 한 줄."""
    if isinstance(error, (EOFError, zlib.error)):
        return "압축이 끝까지 있지 않거나 깨졌습니다"
    if isinstance(error, gzip.BadGzipFile):
        return "gzip으로 풀 수 없습니다(내용이 깨졌습니다)"
    if isinstance(error, zipfile.BadZipFile):
        return "zip 파일이 아니거나 끝이 잘렸습니다"
    if isinstance(error, OSError) and error.errno is not None:
        return os_reason(error)
    text = str(error)
    for pattern, template in _PATTERNS:
        found = re.search(pattern, text)
        if found:
            return _printable(template.format(*found.groups()))
    return _printable(f"{type(error).__name__}: {text}")


def _printable(text: str) -> str:
    """제어 문자와 깨진 글자를 지우고 짧게."""
    line = "".join(c if c.isprintable() and c != "\ufffd" else "·" for c in " ".join(text.split()))
    return line if len(line) <= _MAX_SHOWN else f"{line[: _MAX_SHOWN - 1]}…"
