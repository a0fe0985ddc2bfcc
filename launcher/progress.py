"""설치 도구를 돌리며 진행을 한국어로 보이기."""

import os
import re
import select
import subprocess
import time

from launcher import tools
from launcher.console import STDERR, repaint, say

TERMINATE_SECONDS = 10


def run(command: "list[str]", lock: int) -> "tuple[int, str]":
    """도구를 끝까지 돌린다. (종료 코드, 모든 출력).

    lock: 도구도 쥐고 있을 잠금의 fd. 이쪽만 죽어도 도구가 끝날 때까지 잠금이 남는다.
    멈추는 신호를 받으면 도구부터 끝내고 예외를 올린다.
    """
    reader, writer = os.pipe()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer,
        pass_fds=(lock,),
        env=tools.environment(),
    )
    os.close(writer)
    progress = Progress()
    output = b""
    try:
        while True:
            if select.select([reader], [], [], 1.0)[0]:
                chunk = os.read(reader, 65536)
                if not chunk:
                    return process.wait(), output.decode("utf-8", "replace")
                lines = (output.rpartition(b"\n")[2] + chunk).split(b"\n")[:-1]
                output += chunk
                for line in lines:
                    progress.see(line.decode("utf-8", "replace"))
            progress.tick()
    finally:
        progress.close()
        os.close(reader)
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """아직 도는 도구를 끝낸다."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(TERMINATE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Progress:
    """도구의 영어 출력에서 고른 줄을 한국어로. 터미널에서는 한 줄을 고쳐 쓴다."""

    MEANINGS = (
        (r"\s*Downloading ([\w.-]+?)(?:-\d\S*)? \((.+)\)$", "내려받는 중: {0} ({1})"),
        (r"\s*Using cached ([\w.-]+?)-\d", "받아 둔 것을 쓰는 중: {0}"),
        (r"Resolved (\d+) packages?", "꾸러미 {0}개를 골랐습니다"),
        (r"Prepared (\d+) packages?", "꾸러미 {0}개를 내려받았습니다"),
        (r"\s+Installing build dependencies", "빌드 도구를 받는 중"),
        (r"Installing collected packages", "꾸러미를 설치하는 중"),
        (r"(?:Successfully i|I)nstalled ", "꾸러미를 설치했습니다"),
    )
    QUIET_SECONDS = 15

    def __init__(self) -> None:
        self.began = self.painted = time.monotonic()
        self.live = os.isatty(STDERR)
        self.text = "시작하는 중"

    def see(self, line: str) -> None:
        """출력 한 줄을 본다."""
        for pattern, meaning in self.MEANINGS:
            match = re.match(pattern, line)
            text = match and meaning.format(*match.groups())
            if text and text != self.text:
                self.text = text
                self.paint()
                return

    def tick(self) -> None:
        """조용한 동안에도 멈추지 않았음을 보인다."""
        if self.live or time.monotonic() - self.painted >= self.QUIET_SECONDS:
            self.paint()

    def paint(self) -> None:
        self.painted = time.monotonic()
        line = f"  [{self.painted - self.began:3.0f}초] {self.text}"
        if self.live:
            repaint(line)
        else:
            say(line)

    def close(self) -> None:
        if self.live:
            repaint("")
