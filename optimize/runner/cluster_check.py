"""dask 무리에 쓸 작업자가 있는지 본다: `python -m optimize.runner.cluster_check tcp://호스트:8786`.

stdout은 한 줄의 JSON `{"type": "cluster", "workers", "hosts": {컴퓨터: 작업자 수}}`이다.
exit code: 0 쓸 수 있음 · 2 패키지나 주소가 없음 · 5 닿지 못하거나 쓸 작업자가 없음.
"""

from __future__ import annotations

import json
from queue import SimpleQueue

from optimize.cli import KoreanArgumentParser, command


def _main(argv: list[str]) -> int:
    from optimize.runner.dask_cluster import DaskCluster
    from optimize.runner.executors import stop_executor

    parser = KoreanArgumentParser(
        prog="python -m optimize.runner.cluster_check",
        description="dask scheduler에 닿는지, 쓸 작업자가 있는지 봅니다.",
    )
    parser.add_argument("scheduler", metavar="주소", help="예: tcp://127.0.0.1:8786")
    cluster = DaskCluster(parser.parse_args(argv).scheduler, None, SimpleQueue())
    executor = cluster.connect()
    try:
        hosts = cluster.hosts()
    finally:
        stop_executor(executor)
    print(json.dumps({"type": "cluster", "workers": sum(hosts.values()), "hosts": hosts}))
    return 0


main = command(_main)

if __name__ == "__main__":
    raise SystemExit(main(None))
