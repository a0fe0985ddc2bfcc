"""실행 화면의 soak: 시행 50,000개의 표에 초마다 200개가 들어올 때의 event loop 지연과 CPU.

화면은 진짜 pty에서 돌고(그린 것은 이 프로세스가 읽어 버린다), 사건 파일은 다른 프로세스가 늘린다.
지연은 5 ms마다 깨어나려는 task가 늦은 만큼이다. CPU는 화면 프로세스가 쓴 시간 ÷ 지난 시간이다.

    python tests/bench/live_table.py [--rows 50000] [--rate 200] [--seconds 20] [--json]
    python tests/bench/live_table.py --rate 1000 --seconds 50        사건 100,000개까지

목표(p99 지연 30 ms, 코어의 20 %)는 초마다 200개일 때의 것이다. 메모리는 화면 프로세스의 상주 메모리다.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import pty
import random
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
GOAL_LAG_MS, GOAL_CPU, GOAL_RATE = 30.0, 0.20, 200
_CELLS = (("s1", "1m@15m"), ("s2", "1m@1h"))


def write_rows(path: Path, first: int, count: int, seed: int) -> None:
    """시행 count개를 한 번에 붙인다."""
    source = random.Random(seed)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(_trial(number, source) for number in range(first, first + count))


def _trial(number: int, source: random.Random) -> str:
    names = ("net_profit_pct", "sharpe", "profit_factor", "max_drawdown_pct", "win_rate_pct",
             "trades", "sortino", "calmar", "fees_pct", "exposure_pct")  # fmt: skip
    body = {
        "v": 1, "ts": "2026-01-01T00:00:00+00:00", "type": "trial", "study": _CELLS[number % 2][0],
        "number": number // 2, "state": "COMPLETE", "score": source.gauss(0, 2),
        "metrics": {name: source.uniform(-50, 50) for name in names},
        "params": {f"param_{i}": source.randrange(500) for i in range(22)}, "duration_ms": 12.0,
        "is_best": False, "uid": f"{number:032x}", "constraints": [source.choice((-1.0, 1.0))],
    }  # fmt: skip
    return json.dumps(body, separators=(",", ":")) + "\n"


def write_head(path: Path, rows: int) -> None:
    """hello와 두 스터디."""
    with path.open("w", encoding="utf-8") as file:
        pid = os.getpid()
        file.write(
            json.dumps({"type": "hello", "run_id": "b", "pid": pid, "host": "elsewhere"}) + "\n"
        )
        for name, cell in _CELLS:
            study = {"type": "study", "study": name, "slug": "slug", "cell": cell, "done": 0,
                     "storage": "x", "target": rows, "symbol": "DEMO:BTCUSDT"}  # fmt: skip
            file.write(json.dumps(study) + "\n")


# ── 화면 쪽(자식)


async def measure(app: Any, folder: Path, arguments: argparse.Namespace) -> None:
    """표가 찬 뒤 지연과 CPU를 재고, 결과를 적고, 앱을 끝낸다."""
    while not app.screen_stack or type(app.screen).__name__ != "HomeScreen":
        await asyncio.sleep(0.05)
    began = time.perf_counter()
    app.open_run(folder)
    screen = app.screen
    while len(getattr(screen, "model", ()) and screen.model.trials) < arguments.rows:
        await asyncio.sleep(0.05)
        screen = app.screen
    filled = time.perf_counter() - began
    if arguments.sort:
        screen.action_order()
    await asyncio.sleep(1.0)
    (folder / "go").touch()
    await asyncio.sleep(0.5)
    rows, cpu, start = len(screen.model.trials), time.process_time(), time.perf_counter()
    resident = resident_mb()
    lags = []
    while (now := time.perf_counter()) - start < arguments.seconds:
        await asyncio.sleep(0.005)
        lags.append((time.perf_counter() - now - 0.005) * 1000)
    elapsed = time.perf_counter() - start
    lags.sort()
    result = {
        "rows": rows,
        "rows_after": len(screen.model.trials),
        "rate": (len(screen.model.trials) - rows) / elapsed,
        "resident_mb": resident,
        "resident_after_mb": resident_mb(),
        "fill_s": filled,
        "cpu": (time.process_time() - cpu) / elapsed,
        "lag_p50_ms": lags[len(lags) // 2],
        "lag_p99_ms": lags[int(len(lags) * 0.99)],
        "lag_max_ms": lags[-1],
        "sorted": bool(arguments.sort),
    }
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    app.exit()


def resident_mb() -> float:
    """이 프로세스의 상주 메모리, MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def view(folder: Path, arguments: argparse.Namespace) -> None:
    """자식: 진짜 driver로 앱을 돌린다."""
    # 이 파일의 이름이 패키지 `tui`를 가리지 않게 한다.
    sys.path[0] = str(REPO)
    from tui import environment

    environment.prepare()
    from tui.app import WizardApp

    class Measured(WizardApp):
        def on_ready(self) -> None:
            self._measuring = asyncio.create_task(measure(self, folder, arguments))

    Measured().run()


# ── 재는 쪽(부모)


def soak(arguments: argparse.Namespace) -> dict[str, Any]:
    """한 번 재고 결과를 준다."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "studies" / "slug" / "runs" / "bench"
        folder.mkdir(parents=True)
        events = folder / "events.ndjson"
        write_head(events, arguments.rows)
        write_rows(events, 0, arguments.rows, 1)
        master, slave = pty.openpty()
        fcntl.ioctl(
            slave, termios.TIOCSWINSZ, struct.pack("HHHH", arguments.lines, arguments.columns, 0, 0)
        )
        argv = [sys.executable, __file__, "--view", str(folder), *sys.argv[1:]]
        environ = {**os.environ, "BACKTEST_WIZARD_HOME": home, "TERM": "xterm-256color",
                   "BACKTEST_WIZARD_STATE": f"{home}/screen.json", "COLORTERM": "truecolor",
                   "PYTHONPATH": str(REPO)}  # fmt: skip
        child = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=environ,
                                 start_new_session=True)  # fmt: skip
        os.close(slave)
        drain = threading.Thread(target=_drain, args=(master,), daemon=True)
        drain.start()
        while not (folder / "go").exists() and child.poll() is None:
            time.sleep(0.02)
        number, interval = arguments.rows, 0.05
        due = time.perf_counter()
        while child.poll() is None:
            count = max(1, round(arguments.rate * interval))
            write_rows(events, number, count, number)
            number += count
            due += interval
            time.sleep(max(0.0, due - time.perf_counter()))
        os.close(master)
        return dict(json.loads((folder / "result.json").read_text(encoding="utf-8")))


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:
        return


def main() -> int:
    """재고 보인다. 목표를 넘으면 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--columns", type=int, default=120)
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--sort", action="store_true", help="점수순으로 늘어놓고 잰다")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--view", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.view:
        view(arguments.view, arguments)
        return 0
    result = soak(arguments)
    good = result["lag_p99_ms"] <= GOAL_LAG_MS and result["cpu"] <= GOAL_CPU
    good = good or arguments.rate > GOAL_RATE
    if arguments.json:
        print(json.dumps({**result, "ok": good}))
    else:
        print(
            f"{result['rows']:,} → {result['rows_after']:,}줄, {result['rate']:.0f}개/초, {arguments.columns}x{arguments.lines}: "
            f"지연 p50 {result['lag_p50_ms']:.1f} ms, p99 {result['lag_p99_ms']:.1f} ms, "
            f"최대 {result['lag_max_ms']:.1f} ms, CPU {result['cpu']:.0%}, "
            f"상주 메모리 {result['resident_mb']:.0f} → {result['resident_after_mb']:.0f} MB, "
            f"채우기 {result['fill_s']:.1f}초 (초마다 {GOAL_RATE}개일 때의 목표: p99 {GOAL_LAG_MS:.0f} ms, {GOAL_CPU:.0%}"
            + (")" if arguments.rate > GOAL_RATE else f": {'이룸' if good else '넘김'})")
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
