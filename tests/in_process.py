"""명령의 입구(`main`)를 이 프로세스에서 부른다: 프로세스 하나를 켜는 값의 열에 하나도 들지 않는다.

표준 입력은 터미널이 아니다. 명령이 표준 출력의 설정을 고치므로 부를 때마다 새 stream을 준다.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from optimize.cli import command


@dataclass(frozen=True)
class Done:
    """명령 하나의 결과."""

    returncode: int
    stdout: str
    stderr: str


def call(
    main: Callable[[list[str]], int], *arguments: object, env: Mapping[str, str] | None = None
) -> Done:
    """끝까지 돌린다. 예상하지 못한 예외는 exit code 5가 된다."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        patch.setattr("sys.stdin", io.StringIO())
        try:
            code = command(main)([str(item) for item in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
