"""127.0.0.x 위의 진짜 dask 무리: scheduler 하나와 작업자 프로세스들."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from run_cases import RunCase, children

REPO = Path(__file__).resolve().parents[2]


class DaskLab:
    """작업자마다 다른 loopback 주소에 앉혀 여러 host처럼 보이게 한다."""

    def __init__(self, case: RunCase) -> None:
        self._case = case
        self._processes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"

    def scheduler(self) -> subprocess.Popen[bytes]:
        return self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def worker(self, host: str, source: Path = REPO) -> subprocess.Popen[bytes]:
        """source: 이 프로그램의 소스가 있는 폴더."""
        where = str(self._case.folder / f"dask-{host}-{len(self._processes)}")
        return self._start(
            *("worker", self.address, "--host", host, "--nthreads", "1", "--no-nanny"),
            *("--local-directory", where),
            source=source,
        )

    def other_version(self) -> Path:
        """한 줄이 다른 소스."""
        copy = self._case.folder / "other"
        shutil.copytree(
            REPO / "optimize", copy / "optimize", ignore=shutil.ignore_patterns("__pycache__")
        )
        with (copy / "optimize" / "trial.py").open("a", encoding="utf-8") as file:
            file.write("\n# 다른 판\n")
        return copy

    def _start(self, kind: str, *arguments: str, source: Path = REPO) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "env": {**self._case.environ(), "PYTHONPATH": str(source)},
            "cwd": source,
        }
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments),
                "--no-dashboard",
            ],
            **options,
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in self._processes:
            offspring: list[psutil.Process] = children(process.pid)
            process.kill()
            for child in offspring:
                child.kill()
            process.wait(timeout=30)
