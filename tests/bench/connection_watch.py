"""실행들이 저장소에 연 연결의 수를 밖에서 센다."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psutil
from postgres import PostgresServer


class Watcher(threading.Thread):
    """coordinator와 작업자가 연 저장소 연결의 최대를 0.2초마다 센다."""

    def __init__(
        self, pids: list[int], sqlite: Path | None, postgres: PostgresServer | None
    ) -> None:
        super().__init__(daemon=True)
        self.pids = pids
        self.sqlite = sqlite
        self.postgres = postgres
        self.coordinators = self.workers = self.processes = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.2):
            own = [psutil.Process(pid) for pid in self.pids if psutil.pid_exists(pid)]
            below = [child for parent in own for child in _children(parent)]
            self.processes = max(self.processes, len(below))
            self.workers = max(self.workers, sum(self._connections(p) for p in below))
            self.coordinators = max(self.coordinators, sum(self._connections(p) for p in own))

    def _connections(self, process: psutil.Process) -> int:
        if self.sqlite is not None:
            files = quiet(process.open_files)
            return sum(file.path == str(self.sqlite) for file in files)
        assert self.postgres is not None
        port = self.postgres.url().port
        links = quiet(lambda: process.net_connections("tcp"))
        return sum(bool(c.raddr) and c.raddr.port == port for c in links)


def _children(process: psutil.Process) -> list[psutil.Process]:
    return quiet(lambda: process.children(recursive=True))


def quiet(read: Any) -> list[Any]:
    """사라진 프로세스는 빈 목록."""
    try:
        return list(read())
    except psutil.Error:
        return []
