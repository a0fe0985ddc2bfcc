"""켜지는 시간: `./시작`의 첫 화면, `--plan`, 캐시가 있는 새 프로세스.

    python tests/bench/startup.py [--repeats 7] [--json]

첫 화면은 진짜 pty에서 `./시작`을 띄워 제목이 그려질 때까지의 벽시계다(목표 ≤ 0.6초). `--plan`은
`python -m optimize.run --plan`이 끝날 때까지다(목표 ≤ 0.5초). 모두 데운 뒤의 값이며, 최솟값과 중앙값을
적는다. 첫 화면까지 optuna·numba·pandas·numpy를 읽지 않는다는 것은 시험이 지킨다.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from goals import against

REPO = Path(__file__).resolve().parents[2]
SIGN = "백테스트 마법사".encode()
CTRL_Q = b"\x11"
GOALS = {"first_paint": 0.6, "plan": 0.5}
_GIVE_UP_SECONDS = 60.0


def first_paint(environ: Mapping[str, str]) -> float:
    """`./시작`을 띄워 제목이 그려질 때까지의 초. 그려지지 않으면 RuntimeError."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    began = time.perf_counter()
    child = subprocess.Popen(
        [str(REPO / "시작")], stdin=slave, stdout=slave, stderr=slave, env=environ,
        start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        seen = b""
        while SIGN not in seen:
            ready, _, _ = select.select([master], [], [], 1.0)
            if ready:
                seen += os.read(master, 65536)
            if child.poll() is not None or time.perf_counter() - began > _GIVE_UP_SECONDS:
                raise RuntimeError(f"첫 화면이 그려지지 않았다: {seen[-300:]!r}")
        return time.perf_counter() - began
    finally:
        _quit(child, master)


def _quit(child: subprocess.Popen[bytes], master: int) -> None:
    """Ctrl+Q로 닫는다. 그린 것을 읽어 주어야 끝난다."""
    until = time.perf_counter() + 10.0
    try:
        while child.poll() is None and time.perf_counter() < until:
            os.write(master, CTRL_Q)
            if select.select([master], [], [], 0.2)[0]:
                os.read(master, 65536)
    except OSError:
        pass  # 화면이 닫혔다
    finally:
        child.kill()
        child.wait()
        os.close(master)


def plan(environ: Mapping[str, str]) -> float:
    """`--plan`이 끝날 때까지의 초."""
    command = [sys.executable, "-m", "optimize.run", "--symbol", "DEMO:BTCUSDT",
               "--timeframe-grid", "1m@15m,1m@1h", "--plan"]  # fmt: skip
    began = time.perf_counter()
    subprocess.run(command, env=environ, cwd=REPO, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def repeated(work: Callable[[], float], repeats: int) -> dict[str, float]:
    """데운 뒤의 최솟값과 중앙값, 초."""
    work()
    times = [work() for _ in range(repeats)]
    return {"min_s": min(times), "median_s": statistics.median(times)}


def measure(repeats: int) -> dict[str, Any]:
    """이름마다의 값과 목표."""
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "BACKTEST_WIZARD_HOME": home, "OPTUNA_STORAGE": "",
                   "BACKTEST_WIZARD_STATE": f"{home}/screen.json", "TERM": "xterm-256color"}  # fmt: skip
        works = {"first_paint": first_paint, "plan": plan}
        found = {name: repeated(lambda w=work: w(environ), repeats) for name, work in works.items()}
    for name, row in found.items():
        row |= {"goal_s": GOALS[name], "ok": row["median_s"] <= GOALS[name]}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="켜지는 시간을 잰다")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    options = parser.parse_args()
    found = measure(options.repeats)
    if options.json:
        print(json.dumps(found))
        return 0
    names = {"first_paint": "./시작의 첫 화면", "plan": "optimize.run --plan"}
    for name, row in found.items():
        print(f"{names[name]:<24} 최소 {row['min_s']:.2f}초  중앙값 {row['median_s']:.2f}초  ({against(row['min_s'], row['goal_s'], '초')})")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
