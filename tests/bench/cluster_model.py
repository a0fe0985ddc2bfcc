"""작업자 1,000개의 흉내: 잰 비용으로 돌리는 discrete-event simulation.

    python tests/bench/cluster_model.py [--trial-ms 10,100,1000] [--coordinators 4] [--json]

묶음(시행 k개)이 이 자리들을 돈다. 괄호는 자리의 수이며 하나하나는 온 차례로 일한다.

    coordinator(C): 묻고 보낸다 → 저장소의 잠금(1): 자리 맡기 → scheduler(1) → 작업자(W): k × 시행
    → scheduler(1) → coordinator(C): 받아 적는다 → 다시 처음. 저장은 잠금을 쓰지만 기다리지 않는다.

비용(`Costs`)은 `cluster.py`와 `storage.py`로 잰 것이다(send와 task는 작업자 여덟의 시행당 CPU에서). 난수는 작업자의 시행 시간(±20 %)에만 쓰며 씨앗이 있다.
어느 자리가 먼저 꽉 차는지(쓰임이 1에 가까운 자리)가 첫 벽이다.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

COSTS = ("ask", "done", "send", "task", "claim", "append")
WORKERS = (1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000)
# 앞의 반은 줄이 쌓이는 때라 세지 않는다.
_WARM = 0.5


@dataclass(frozen=True)
class Costs:
    """초. ask·done: coordinator가 시행 하나에. send: coordinator가 묶음 하나에(dask의 client). task: scheduler가 묶음 하나에(보낼 때와 끝날 때의 합).

    claim·append: 저장소의 잠금을 시행 하나에 쥐는 시간. chunk_s: 한 묶음의 길이(시행이 짧으면 여럿을 묶는다).
    """

    ask: float = 0.0009
    done: float = 0.0013
    send: float = 0.0047
    task: float = 0.0022
    claim: float = 0.00025
    append: float = 0.0006
    chunk_s: float = 0.02
    max_chunk: int = 32
    slots: int = 2


class Station:
    """온 차례로 일하는 자리들. used: 일한 초."""

    def __init__(self, servers: int) -> None:
        self._free = [0.0] * servers
        self.used = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """지금 온 일이 끝나는 때."""
        start = max(now, self._free[0])
        heapq.heapreplace(self._free, start + seconds)
        self.used += seconds
        return start + seconds

    def load(self, elapsed: float) -> float:
        return self.used / (elapsed * len(self._free))


def simulate(
    workers: int, coordinators: int, trial_s: float, costs: Costs, seconds: float, seed: int = 1
) -> dict[str, Any]:
    """초당 시행과 자리마다의 쓰임."""
    rng = random.Random(seed)
    size = max(1, min(round(costs.chunk_s / trial_s), costs.max_chunk))
    brains = [Station(1) for _ in range(coordinators)]
    lock, scheduler, crowd = Station(1), Station(1), Station(workers)
    # (때, 차례, 단계, coordinator). 작업자마다 두 묶음이 나가 있게 coordinator들이 나누어 든다.
    tokens = max(workers * costs.slots, coordinators)
    heap = [(0.0, i, 0, i % coordinators) for i in range(tokens)]
    done, order = 0, tokens
    while heap:
        now, _, stage, home = heapq.heappop(heap)
        if now > seconds:
            continue
        if stage == 0:
            after = brains[home].serve(now, size * costs.ask + costs.send)
        elif stage == 1:
            after = lock.serve(now, size * costs.claim)
        elif stage == 2:
            after = scheduler.serve(now, costs.task / 2)
        elif stage == 3:
            after = crowd.serve(now, size * trial_s * rng.uniform(0.8, 1.2))
        elif stage == 4:
            after = scheduler.serve(now, costs.task / 2)
        else:
            after = brains[home].serve(now, size * costs.done)
            lock.serve(after, size * costs.append)
            done += size if now > _WARM * seconds else 0
        order += 1
        heapq.heappush(heap, (after, order, (stage + 1) % 6, home))
    loads = {
        "coordinator": max(b.load(seconds) for b in brains),
        "저장소의 잠금": lock.load(seconds),
        "scheduler": scheduler.load(seconds),
        "작업자": crowd.load(seconds),
    }
    return {"workers": workers, "coordinators": coordinators, "trial_ms": trial_s * 1000,
            "chunk": size, "rate": done / ((1 - _WARM) * seconds), "ideal": workers / trial_s,
            "loads": {name: min(value, 1.0) for name, value in loads.items()},
            "wall": max(loads, key=lambda name: loads[name])}  # fmt: skip


def _length(trial_ms: float) -> float:
    """흉내낼 초: 줄이 다 쌓이고도 남게."""
    return max(30.0, 60 * trial_ms / 1000)


def sweep(trial_ms: float, coordinators: int, costs: Costs) -> list[dict[str, Any]]:
    """작업자 수마다. 시뮬레이션의 길이는 시행이 길수록 길다."""
    seconds = _length(trial_ms)
    return [simulate(w, coordinators, trial_ms / 1000, costs, seconds) for w in WORKERS]


def moves(trial_ms: float, workers: int, coordinators: int, costs: Costs) -> list[dict[str, Any]]:
    """벽을 옮기는 것들을 하나씩 바꾸어 본다."""
    seconds = _length(trial_ms)
    tries = {
        "그대로": (coordinators, costs),
        "coordinator 네 배": (4 * coordinators, costs),
        "coordinator의 CPU 반": (coordinators, replace(costs, ask=costs.ask / 2, done=costs.done / 2)),
        "저장소의 잠금 반": (coordinators, replace(costs, claim=costs.claim / 2, append=costs.append / 2)),
        "묶음 네 배": (coordinators, replace(costs, chunk_s=4 * max(costs.chunk_s, trial_ms / 1000))),
        "coordinator 네 배 + 잠금 반": (4 * coordinators, replace(costs, claim=costs.claim / 2, append=costs.append / 2)),
    }  # fmt: skip
    return [
        {"name": name, **simulate(workers, c, trial_ms / 1000, k, seconds)}
        for name, (c, k) in tries.items()
    ]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="잰 비용으로 작업자 1,000개를 흉내낸다")
    parser.add_argument("--trial-ms", default="10,100,1000")
    parser.add_argument("--coordinators", type=int, default=4)
    for name in COSTS:
        parser.add_argument(f"--{name}-ms", type=float, default=getattr(Costs, name) * 1000)
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    options = parser.parse_args(argv)
    costs = Costs(**{n: getattr(options, f"{n}_ms") / 1000 for n in COSTS})  # fmt: skip
    lengths = [float(text) for text in options.trial_ms.split(",")]
    report = {
        "costs": asdict(costs),
        "sweeps": {f"{ms:g}": sweep(ms, options.coordinators, costs) for ms in lengths},
        "moves": {f"{ms:g}": moves(ms, 1000, options.coordinators, costs) for ms in lengths},
    }
    if options.json:
        print(json.dumps(report, ensure_ascii=False))
        return 0
    for ms, rows in report["sweeps"].items():
        print(f"\n시행 {ms} ms, coordinator {options.coordinators}")
        for row in rows:
            loads = ", ".join(f"{name} {value:.0%}" for name, value in row["loads"].items())
            print(
                f"  작업자 {row['workers']:>5}: 초당 {row['rate']:>8,.0f} / {row['ideal']:>9,.0f}  {loads}"
            )
        for row in report["moves"][ms]:
            print(f"    1,000개, {row['name']:<28} 초당 {row['rate']:>8,.0f}  벽: {row['wall']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
