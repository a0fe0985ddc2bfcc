"""명령이 끝날 때: 맡겨 둔 뒷일은 하고, 운영 체제가 거둘 객체를 하나씩 치우느라 시간을 쓰지 않는다."""

from __future__ import annotations

import subprocess
import sys

_LEAVE = """
import atexit, gc, sys
from optimize.cli import command

class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        sys.stdout.write("치움 ")

def main(argv):
    gc.disable()
    Cycle()
    atexit.register(sys.stdout.write, "뒷일 ")
    return 3

sys.exit(command(main)([]))
"""


def test_nothing_is_collected_after_the_command() -> None:
    """끝날 때의 수집이 돌면 고리의 `__del__`이 불린다. atexit에 맡긴 일과 exit code는 그대로다."""
    done = subprocess.run(
        [sys.executable, "-c", _LEAVE], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.stdout, done.stderr, done.returncode) == ("뒷일 ", "", 3)
