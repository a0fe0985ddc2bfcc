"""도는 프로세스들의 CPU와 메모리. 앱의 꾸러미만 쓰므로 사용자의 설치에서도 잰다(벤치의 도구가 끌어오는 것 없이)."""

from __future__ import annotations

import threading

import psutil

_SAMPLE_SECONDS = 0.1
# 미리 도는 시행: TPE가 나설 만큼 돌아야 그 컴파일도 끝난다.
WARM_TRIALS = 40


class CpuMeter(threading.Thread):
    """coordinator·작업자·서버의 CPU 초와 메모리를 끝날 때까지 잰다."""

    def __init__(self, pid: int, server: int | None) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.server = server
        self.cpu: dict[str, float] = {}
        self.private_mb: dict[str, float] = {}
        self.resident_mb: dict[str, float] = {}
        self.stopped = threading.Event()
        self._seen: dict[int, tuple[str, float]] = {}
        self._began: dict[int, float] = {}

    def run(self) -> None:
        while not self.stopped.wait(_SAMPLE_SECONDS):
            self._sample(self.pid, "coordinator", "worker")
            if self.server is not None:
                self._sample(self.server, "server", "server")
            self.cpu = {}
            for pid, (kind, seconds) in self._seen.items():
                before = self._began[pid] if kind == "server" else 0.0
                self.cpu[kind] = self.cpu.get(kind, 0.0) + seconds - before

    def _sample(self, pid: int, own: str, below: str) -> None:
        try:
            parent = psutil.Process(pid)
            members = [(parent, own), *((child, below) for child in parent.children())]
        except psutil.Error:
            return
        for process, kind in members:
            try:
                times, memory = process.cpu_times(), process.memory_full_info()
            except psutil.Error:
                continue
            spent = times.user + times.system
            self._began.setdefault(process.pid, spent)
            self._seen[process.pid] = (kind, spent)
            self.private_mb[kind] = max(self.private_mb.get(kind, 0.0), memory.uss / 2**20)
            self.resident_mb[kind] = max(self.resident_mb.get(kind, 0.0), memory.rss / 2**20)
