"""닫힌 stdin·stdout·stderr로 불려도 명령이 제 exit code로 끝난다."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SPEAK = """
import sys
from optimize.cli import command
from optimize.errors import DataError

def main(argv):
    print("자료")
    sys.stderr.write("알림")
    if argv:
        raise DataError("캔들이 없습니다", "까닭", "해결")
    return 0

sys.exit(command(main)(sys.argv[1:]))
"""


@pytest.mark.parametrize(("argument", "code"), [("", 0), ("x", 4)])
def test_closed_streams(argument: str, code: int) -> None:
    script = 'exec "$0" -c "$1" $2 <&- >&- 2>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, _SPEAK, argument], check=False, timeout=30
    )
    assert done.returncode == code
