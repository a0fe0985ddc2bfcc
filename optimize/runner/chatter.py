"""전략이 `print`로 쓰는 글: stdout은 자료의 것이므로 stderr로 보내고, 끝없이 쓰지 못하게 한다."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO

# 프로세스 하나가 쓸 글자 수. 넘으면 그 뒤는 버린다(화면이 띄운 실행의 stderr는 run.log다).
LIMIT = 32_768
OVER = "\n(전략이 쓰는 글이 많아 이 작업자의 것은 더 보이지 않습니다)\n"


class Chatter(io.TextIOBase):
    """LIMIT자까지만 내보내는 글의 흐름. 내보내지 못해도 전략을 멈추지 않는다."""

    def __init__(self, target: TextIO) -> None:
        super().__init__()
        self._target = target
        self._left = LIMIT

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._target.fileno()

    def write(self, text: str, /) -> int:
        if self._left > 0:
            shown = text[: self._left]
            self._left -= len(shown)
            with suppress(OSError, ValueError):
                self._target.write(shown if self._left else shown + OVER)
                self._target.flush()
        return len(text)


def divert_output() -> None:
    """작업자에서: `print`의 글은 모두 한도가 있는 stderr로, 1번과 2번에 곧바로 쓰는 글(`os.write`, C의 printf)은 버린다.

    곧바로 쓰는 것은 셀 수 없어 디스크(run.log)를 다 채울 수 있다.
    """
    with suppress(OSError):
        target = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(nowhere, number)
        os.close(nowhere)
        sys.stdout = sys.stderr = Chatter(target)
