"""장애 조치: 서버가 사라지고 60초 뒤에 대기 서버(streaming standby)가 같은 주소에서 이어받는다.

    python tests/bench/failover.py [--trials 2000] [--workers 4] [--down 60]

commit마다 함께 적던(synchronous) 대기 서버와, 뒤처져 시행을 잃은(asynchronous) 대기 서버로 한 번씩. 끝난 시행이 꼭
목표만큼이고 값이 아무 일 없이 돈 실행과 모두 같지 않으면 AssertionError로 끝난다.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import optuna

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parent))
from faults import Bench, exact_values, leftover, reference
from postgres import PostgresServer, embedded_binaries
from tcp_proxy import TcpProxy


def failover(folder: Path, target: int, workers: int, down: float) -> None:
    """서버가 사라지고 down초 뒤에 대기 서버가 이어받는다."""
    expected = reference(folder / "reference", target, workers)
    for lagging in (False, True):
        said = fail_over(folder / str(lagging), target, workers, expected, down, lagging=lagging)
        found = [
            line.strip() for line in said.splitlines() if "멈춰 있었" in line or "잃어" in line
        ]
        kind = "뒤처진 대기 서버" if lagging else "함께 commit하던 대기 서버"
        print(
            f"failover({kind}): {down:.0f}초 뒤 이어받음. {' · '.join(found)}: COMPLETE {target:,}, "
            f"번호 0~{target - 1} 이어짐, RUNNING 0, 값은 아무 일 없던 실행과 모두 같음",
            flush=True,
        )


def fail_over(
    folder: Path,
    target: int,
    workers: int,
    expected: dict[str, tuple[float, ...]],
    down: float,
    *,
    lagging: bool,
) -> str:
    """목표의 반쯤에서 서버를 immediate로 끄고 down초 뒤에 대기 서버로 옮긴다. 실행의 stderr.

    lagging: 대기 서버가 목표의 셋째 토막에서부터 따라오지 못했다. 아니면 commit마다 함께 적었다.
    """
    primary = PostgresServer(embedded_binaries())
    url = primary.create_database()
    standby = PostgresServer(embedded_binaries(), primary=primary)
    bench = Bench(folder, target, workers, target)
    try:
        if not lagging:
            primary.synchronous("*")
        with TcpProxy("127.0.0.1", url.port or 0) as proxy:
            through = url.secret.replace(f":{url.port}/", f":{proxy.port}/")
            process = bench.start(through, 0.1)
            bench.wait_for(target // 3, process)
            if lagging:
                standby.stop("immediate")
            bench.wait_for(target // 2, process)
            primary.stop("immediate")
            time.sleep(down)
            if lagging:
                standby.start()
            standby.promote()
            standby.synchronous("")
            proxy.target = ("127.0.0.1", standby.url().port or 0)
            bench.hurry()
            said = bench.finish(process)
        moved = standby.url(url.database or "")
        assert exact_values(moved.secret, target) == expected
        leftover(moved)
        return said
    finally:
        standby.close()
        primary.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--down", type=float, default=60.0)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="bench-failover-") as text:
        failover(Path(text), args.trials, args.workers, args.down)


if __name__ == "__main__":
    main()
