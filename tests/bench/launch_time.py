"""`시작`이 더하는 시간: 갖춘 뒤의 `./시작`과 `.venv`의 `python -m tui`를 번갈아 잰다.

    python tests/bench/launch_time.py [횟수] [--json]

둘 다 아무것도 하지 않는 tui를 열므로 차이가 곧 런처의 몫이다. 목표는 50 ms 이하.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from launcher_clone import make_clone

DEFAULT_REPEATS = 50


def measure(repeats: int) -> dict[str, Any]:
    """둘의 중앙값과 95 %, ms."""
    with tempfile.TemporaryDirectory() as folder:
        clone = make_clone(Path(folder))
        clone.install_fake_uv()
        clone.start()
        (clone.root / "tui/__main__.py").write_text("")
        environment = clone.environment()
        direct = [str(clone.root / ".venv/bin/python"), "-m", "tui"]
        times: dict[str, list[float]] = {"./시작": [], "python -m tui": []}
        for _ in range(repeats):
            for name, command in (("./시작", [str(clone.launcher)]), ("python -m tui", direct)):
                began = time.perf_counter()
                subprocess.run(command, cwd=clone.home, env=environment, check=True)
                times[name].append((time.perf_counter() - began) * 1000)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "repeats": repeats,
        "medians_ms": medians,
        "p95_ms": {name: statistics.quantiles(v, n=20)[-1] for name, v in times.items()},
        "launcher_ms": medians["./시작"] - medians["python -m tui"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="런처가 더하는 시간을 잰다")
    parser.add_argument("repeats", nargs="?", type=int, default=DEFAULT_REPEATS)
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    options = parser.parse_args()
    result = measure(options.repeats)
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
        return 0
    for name, median in result["medians_ms"].items():
        print(f"{name:14} 중앙값 {median:6.1f} ms   95% {result['p95_ms'][name]:6.1f} ms")
    print(f"런처의 몫      중앙값 {result['launcher_ms']:6.1f} ms   ({options.repeats}번)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
