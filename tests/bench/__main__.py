"""벤치마크의 한 입구: `./시작 벤치 [kernel|sampler|storage|end_to_end|startup|tui|memory|data|parity|soak|noise|curves|all] [--quick] [--json]`.

하나하나는 제 프로세스에서 차례로 돌고, 하나를 재지 못해도 나머지는 잰다. 목표를 넘겼는지는 숫자 곁에
적을 뿐이고, exit code는 재지 못한 것이 있을 때만 0이 아니다(1).
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from conditions import conditions, load

HERE = Path(__file__).resolve().parent
ALL = "all"


@dataclass(frozen=True)
class Bench:
    """잴 것 하나. full·quick: 스크립트의 인자. goal_exit: 쟀지만 목표를 넘긴 exit code."""

    script: str
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    goal_exit: int | None = None
    can_save: bool = False


BENCHES: dict[str, tuple[Bench, ...]] = {
    "kernel": (
        Bench("kernel.py", quick=("--repeats", "5")),
        Bench("compare.py", quick=("--repeats", "2")),
    ),
    "sampler": (
        Bench("sampler.py", quick=("--quick",)),
        Bench("staleness.py", quick=("--trials", "60", "--seeds", "2")),
    ),
    "storage": (Bench("storage.py", quick=("append", "threads")),),
    "end_to_end": (
        Bench("end_to_end.py", ("--stock",), ("--trials", "500", "--stock")),
        Bench("end_to_end.py", ("--jobs", "1", "--trials", "1000"), ("--jobs", "1", "--trials", "250")),
        Bench("end_to_end.py", ("--trials", "10000", "--grid", "1m@15m", "--stock"), ("--trials", "300", "--grid", "1m@15m")),
    ),
    "startup": (Bench("startup.py", quick=("--repeats", "3")), Bench("launch_time.py", quick=("10",))),
    "tui": (
        Bench("live_table.py", quick=("--rows", "5000", "--seconds", "5"), goal_exit=1),
        Bench("live_table.py", ("--rate", "1000", "--seconds", "50"), ("--rows", "2000", "--rate", "1000", "--seconds", "3")),
        Bench("study_list.py", quick=("--studies", "20", "--each", "10", "--repeats", "2"), goal_exit=1),
    ),
    "memory": (Bench("memory.py", quick=("--trials", "5000")),),
    "data": (Bench("candles.py", quick=("--repeats", "1")),),
    "parity": (Bench("parity.py", quick=("--quick",)),),
    "soak": (Bench("soak.py", quick=("--trials", "2000")),),
    "noise": (Bench("noise.py", quick=("--seeds", "20")),),
    "curves": (Bench("curves.py", ("--measure",), ("--measure", "--quick"), can_save=True),),
}  # fmt: skip


def command(bench: Bench, chosen: argparse.Namespace) -> list[str]:
    """잴 것 하나의 명령."""
    arguments = [*(bench.quick if chosen.quick else bench.full)]
    arguments += ["--save"] if chosen.save and bench.can_save else []
    arguments += ["--json"] if chosen.json else []
    return [sys.executable, str(HERE / bench.script), *arguments]


def measure(bench: Bench, chosen: argparse.Namespace) -> dict[str, Any]:
    """하나를 돌린다. --json이면 그 결과를 담는다."""
    began, before, as_json = time.monotonic(), load(), chosen.json
    argv = command(bench, chosen)
    done = subprocess.run(
        argv, stdout=subprocess.PIPE if as_json else None, encoding="utf-8", check=False
    )
    report: dict[str, Any] = {
        "command": argv[1:],
        "load_before": before,
        "load_after": load(),
        "seconds": round(time.monotonic() - began, 1),
        "exit_code": done.returncode,
        "measured": done.returncode in (0, bench.goal_exit),
    }
    if as_json and report["measured"]:
        try:
            report["result"] = json.loads(done.stdout)
        except ValueError:
            report |= {"measured": False, "stdout": done.stdout[-500:]}
    if not as_json:
        print(f"  (load {before} → {report['load_after']}, {report['seconds']:.0f}초)", flush=True)
    return report


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./시작 벤치", description="속도와 메모리를 재고, 같은 실행에서 다른 도구와 견줍니다."
    )
    parser.add_argument(
        "names", nargs="*", metavar="이름", help=" · ".join([*BENCHES, ALL]) + " (기본 all)"
    )
    parser.add_argument("--quick", action="store_true", help="작게 몇 분 안에 잽니다")
    parser.add_argument("--json", action="store_true", help="결과를 JSON 하나로 씁니다")
    parser.add_argument(
        "--save", action="store_true", help="curves의 숫자를 docs에 저장하고 그립니다"
    )
    parser.add_argument("--dry-run", action="store_true", help="돌릴 명령만 보입니다")
    chosen = parser.parse_args(argv)
    unknown = [name for name in chosen.names if name not in (*BENCHES, ALL)]
    if unknown:
        parser.error(f"모르는 이름입니다: {', '.join(unknown)} (쓸 수 있는 것: {', '.join([*BENCHES, ALL])})")  # fmt: skip
    names = list(BENCHES) if not chosen.names or ALL in chosen.names else chosen.names
    if chosen.quick and chosen.save:
        parser.error("--quick으로 작게 잰 것은 저장하지 않습니다")
    if chosen.dry_run:
        for name in names:
            for bench in BENCHES[name]:
                print(f"{name:<11}{shlex.join(command(bench, chosen))}")
        return 0
    report: dict[str, Any] = {"conditions": conditions(), "quick": chosen.quick, "benches": {}}
    if not chosen.json:
        flat = {**report["conditions"], **report["conditions"]["versions"]}
        del flat["versions"]
        print("  ".join(f"{key} {value}" for key, value in flat.items()), flush=True)
    for name in names:
        print(f"\n[{name}]", file=sys.stderr if chosen.json else sys.stdout, flush=True)
        report["benches"][name] = [measure(b, chosen) for b in BENCHES[name]]
    if chosen.json:
        print(json.dumps(report, ensure_ascii=False))
    runs = [run for rows in report["benches"].values() for run in rows]
    failed = [run for run in runs if not run["measured"]]
    for run in failed:
        print(f"오류: 재지 못했습니다(exit code {run['exit_code']}): {shlex.join(run['command'])}", file=sys.stderr)  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
