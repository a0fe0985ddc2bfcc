"""`시작`이 더하는 시간: 갖춘 뒤의 `./시작`과 `.venv`의 `python -m tui`를 번갈아 잰다.

    python tests/bench/launch_time.py [횟수]

둘 다 아무것도 하지 않는 tui를 열므로 차이가 곧 런처의 몫이다. 목표는 50 ms 이하.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from launcher_clone import make_clone

DEFAULT_REPEATS = 50


def main(repeats: int) -> None:
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
    for name, values in times.items():
        median, most = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        print(f"{name:14} 중앙값 {median:6.1f} ms   95% {most:6.1f} ms")
    added = statistics.median(times["./시작"]) - statistics.median(times["python -m tui"])
    print(f"런처의 몫      중앙값 {added:6.1f} ms   ({repeats}번)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_REPEATS)
