"""스터디 목록이 열리는 시간: 글쇠(F3)를 누르고부터 이름이 보일 때까지, 모두 세어 보일 때까지.

화면은 진짜 pty에서 돌고, 글쇠는 단말기의 바이트로 보내며, 그린 것은 단말기 쪽에서 읽는다. 저장소에는 스터디
1,000개에 시행 1,000,000개가 있다(SQLite와 내장 PostgreSQL, 우리가 쓴 것). 처음은 그 저장소의 목록을 기억하지
못할 때, 그다음은 닫았다가 다시 열 때다. CPU는 화면과 목록을 읽는 자식이 한 번 여는 동안 쓴 시간이라, 다른 일이
코어를 나눠 써도 벽시계만큼 늘지 않는다.

    python tests/bench/study_list.py [--studies 1000] [--each 1000] [--repeats 5] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from storage import fill_many_studies

from optimize.storage.embedded import EmbeddedServer
from optimize.storage.url import StorageUrl, sqlite_url

REPO = Path(__file__).resolve().parents[2]
GOAL_S, LIMIT_S = 0.5, 60.0
_F3, _ESC = b"\x1bOR", b"\x1b"
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_=>78])")


@dataclass
class Terminal:
    """화면이 도는 pty의 단말기 쪽."""

    descriptor: int
    text: str = ""
    raw: bytes = field(default=b"")

    def press(self, key: bytes) -> None:
        """글쇠를 보내고, 그 뒤에 그린 것만 읽는다."""
        self.text, self.raw = "", b""
        os.write(self.descriptor, key)

    def until(self, pattern: str) -> float:
        """그 글을 그릴 때까지 읽고 그때(perf_counter)를 준다. 오지 않으면 TimeoutError."""
        deadline = time.perf_counter() + LIMIT_S
        while not re.search(pattern, self.text):
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{pattern}\n{self.text[-2000:]}")
            if select.select([self.descriptor], [], [], 0.1)[0]:
                self.raw += os.read(self.descriptor, 65536)
                self.text = _ESCAPES.sub("", self.raw.decode("utf-8", "ignore"))
        return time.perf_counter()


def cpu_s(pid: int) -> float:
    """그 프로세스와 거둔 자식들이 쓴 CPU의 초."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def opened(
    home: Path, url: StorageUrl, chosen: argparse.Namespace
) -> list[tuple[float, float, float]]:
    """여는 대로 (이름이 보일 때까지, 모두 셀 때까지, CPU)의 초."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environ = {**os.environ, "BACKTEST_WIZARD_HOME": str(home), "TERM": "xterm-256color",
               "BACKTEST_WIZARD_STATE": str(home / "screen.json"), "COLORTERM": "truecolor",
               "PYTHONPATH": str(REPO), "LANG": "C.UTF-8",
               "OPTUNA_STORAGE": "" if url.path else url.secret}  # fmt: skip
    child = subprocess.Popen([sys.executable, "-m", "tui"], stdin=slave, stdout=slave, stderr=slave,
                             env=environ, start_new_session=True, cwd=home)  # fmt: skip
    os.close(slave)
    terminal, found = Terminal(master), []
    # 다 읽으면 '저장소를 읽습니다'가 없어진다.
    whole = rf"시행 {chosen.studies * chosen.each:,}개  최근 것부터(?!  저장소)"
    try:
        terminal.until("새 실행 시작")
        time.sleep(2.5)  # 첫 화면의 뒷일이 끝나고, 방금 쓴 파일의 표식을 믿을 만큼
        for _ in range(chosen.repeats):
            began, used = time.perf_counter(), cpu_s(child.pid)
            terminal.press(_F3)
            named = terminal.until(r"study-\d+") - began
            whole_s = terminal.until(whole) - began
            time.sleep(0.5)
            found.append((named, whole_s, cpu_s(child.pid) - used))
            terminal.press(_ESC)
            terminal.until("새 실행 시작")
            time.sleep(0.5)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        child.wait()
        os.close(master)
    return found


def measure(folder: Path, chosen: argparse.Namespace) -> list[dict[str, object]]:
    """저장소마다의 결과."""
    home = folder / "sqlite"
    file = sqlite_url(home / "studies" / "x" / "x.db")
    server = EmbeddedServer(folder / "pg")
    server.start()
    try:
        places = (("SQLite", home, file), ("PostgreSQL", folder / "postgresql", server.url()))
        results: list[dict[str, object]] = []
        for label, place, url in places:
            (place / "studies").mkdir(parents=True, exist_ok=True)
            fill_many_studies(url, chosen.studies, chosen.each)
            (first, *rest) = opened(place, url, chosen)
            results.append(
                {
                    "storage": label,
                    "first_name_s": first[0],
                    "first_all_s": first[1],
                    "next_name_s": min(one[0] for one in rest),
                    "next_all_s": min(one[1] for one in rest),
                    "next_all_max_s": max(one[1] for one in rest),
                    "next_cpu_s": min(one[2] for one in rest),
                    "load": os.getloadavg()[0],
                }
            )
        return results
    finally:
        server.stop("immediate")


def main() -> int:
    """재고 보인다. 목표를 넘으면 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--each", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-list-") as text:
        folder = Path(text)
        folder.chmod(0o711)
        results = measure(folder, chosen)
    good = all(
        float(str(one[key])) <= GOAL_S for one in results for key in ("first_all_s", "next_all_s")
    )
    if chosen.json:
        print(json.dumps({"results": results, "ok": good}))
    else:
        for one in results:
            print(
                "{storage}: 처음 이름 {first_name_s:.2f}초, 모두 {first_all_s:.2f}초; 다시 열면 이름 "
                "{next_name_s:.2f}초, 모두 {next_all_s:.2f}~{next_all_max_s:.2f}초, CPU {next_cpu_s:.2f}초 (load {load:.1f})".format(
                    **one
                )
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
