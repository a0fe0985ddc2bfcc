"""`python -m optimize.run`을 진짜 프로세스로 돌리는 시험들의 연장."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
import psutil

from optimize.storage.url import StorageUrl

SLUG = "demo_btcusdt_15m_1h"
# 한 시행에 `seconds`초를 쉬고(파일 `hurry`가 생길 때까지), 드물게 거래하는 전략. fault의 뜻대로 망가진다.
STRATEGY = """
import time
import numpy as np
from pathlib import Path
from optimize.strategy.parameter import FloatParameter, IntParameter
from optimize.strategy.protocol import Signals

SECONDS = {seconds}
HURRY = Path({hurry!r})
FAULT = {fault!r}

class Case:
    name = "case"
    parameters = (
        IntParameter("every", 50, "봉", low=20, high=400),
        FloatParameter("shift", 0.5, "비율", low=0.0, high=1.0),
        IntParameter("grid", 1, "격자", low=1, high={grid}),
    )

    def signals(self, dataset, params):
        if not HURRY.exists():
            time.sleep(SECONDS)
        if FAULT == "raise":
            raise ValueError("일부러 낸 오류")
        n = len(dataset.ltf)
        start = int(params["shift"] * params["every"])
        entry = np.zeros(n, dtype=np.int8)
        entry[start :: params["every"]] = 1
        leave = np.zeros(n, dtype=np.bool_)
        leave[start + params["every"] // 2 :: params["every"]] = True
        return Signals(entry, leave, np.zeros(n, dtype=np.bool_))
"""


class RunCase:
    """한 시험의 폴더와 전략, 그 위에서 도는 실행들. 작업자는 시험이 더 달라고 하지 않으면 하나다."""

    def __init__(self, folder: Path, home: Path, script: Path | None = None) -> None:
        self.folder = folder
        self.home = home
        self.script = script
        self.processes: list[subprocess.Popen[str]] = []
        if script is None:
            self.strategy()

    def strategy(self, *, seconds: float = 0.0, fault: str = "", grid: int = 50) -> None:
        """전략 파일을 이 시험의 폴더에 (다시) 쓴다."""
        self.script = self.folder / "case.py"
        hurry = str(self.folder / "hurry")
        text = STRATEGY.format(seconds=seconds, hurry=hurry, fault=fault, grid=grid)
        self.script.write_text(text, encoding="utf-8")

    def copy(self, folder: Path) -> RunCase:
        """같은 전략 파일로, 끝난 실행들의 사본 위에서 이어 가는 case."""
        home = folder / "copy"
        # 다른 시험이 읽는 동안에만 있는 파일이다.
        shutil.copytree(self.home, home, ignore=shutil.ignore_patterns("*-wal", "*-shm"))
        return RunCase(folder, home, self.script)

    def hurry(self) -> None:
        """이제부터 시행이 쉬지 않는다."""
        (self.folder / "hurry").touch()

    def command(self, *extra: str, n: int = 40, jobs: int = 1) -> list[str]:
        return [
            *(sys.executable, "-m", "optimize.run", "--symbol", "DEMO:BTCUSDT"),
            *("--strategy", f"{self.script}:Case", "--n-trials", str(n)),
            *("--n-jobs", str(jobs), "--timeframe-grid", "15m@1h"),
            *("--set", "data.demo_days=10", "--set", "objective.constraints.min_trades=0"),
            *extra,
        ]

    def run(self, *extra: str, n: int = 40, jobs: int = 1) -> subprocess.CompletedProcess[str]:
        """끝까지 돌린다."""
        return subprocess.run(
            self.command(*extra, n=n, jobs=jobs),
            capture_output=True,
            text=True,
            timeout=300,
            env=self.environ(),
            check=False,
        )

    def start(
        self, *extra: str, n: int = 40, jobs: int = 1, session: bool = True
    ) -> subprocess.Popen[str]:
        """띄우기만 한다. session: 새 session에서(화면이 띄우듯이)."""
        process = subprocess.Popen(
            self.command(*extra, n=n, jobs=jobs),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ(),
            start_new_session=session,
        )
        self.processes.append(process)
        return process

    def environ(self) -> dict[str, str]:
        return {**os.environ, "BACKTEST_WIZARD_HOME": str(self.home)}

    def close(self) -> None:
        """아직 도는 실행을 (자식까지) 끝낸다."""
        for process in self.processes:
            if process.poll() is None:
                for child in children(process.pid):
                    child.kill()
                process.kill()
            process.communicate(timeout=30)

    @property
    def sqlite(self) -> Path:
        return self.home / "studies" / "t.db"

    @property
    def sqlite_url(self) -> str:
        return f"sqlite:///{self.sqlite}"

    def run_dirs(self) -> list[Path]:
        return sorted((self.home / "studies").glob("*/runs/*"))

    def events(self, index: int = -1) -> list[dict[str, Any]]:
        return read_events(self.run_dirs()[index] / "events.ndjson")

    def wait_for_trials(self, count: int, seconds: float = 60) -> None:
        """아무 실행의 기록에나 시행이 count개 적힐 때까지 기다린다."""

        def enough() -> bool:
            paths = [folder / "events.ndjson" for folder in self.run_dirs()]
            texts = [path.read_text(encoding="utf-8") for path in paths if path.exists()]
            return sum(text.count('"type":"trial"') for text in texts) >= count

        wait_until(enough, seconds, f"시행 {count}개가 적히지 않는다")


def wait_until(condition: Callable[[], bool], seconds: float, message: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def read_events(path: Path, *, sound: bool = False) -> list[dict[str, Any]]:
    """적힌 사건들. sound: 깨진 줄(kill -9가 남긴 반 줄)은 건너뛴다."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    events = []
    # 끝의 줄은 적는 중일 수 있다.
    for line in lines[:-1]:
        try:
            events.append(json.loads(line))
        except ValueError:
            if not sound:
                raise
    return events


def children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def workers(pid: int) -> list[psutil.Process]:
    """coordinator의 작업자들: 원형(forkserver)의 자식."""
    found = []
    try:
        for child in psutil.Process(pid).children():
            if "multiprocessing.forkserver" in " ".join(child.cmdline()):
                found += child.children()
    except psutil.Error:
        return []
    return found


def load(url: str | StorageUrl, name: str = SLUG) -> optuna.Study:
    """아무 도구나 하듯이 Optuna로 연다."""
    text = url if isinstance(url, str) else url.secret
    return optuna.load_study(study_name=name, storage=text)


def assert_exact(study: optuna.Study, total: int) -> list[optuna.trial.FrozenTrial]:
    """끝난 시행이 꼭 total개, 번호가 이어지고, RUNNING이 없고, 같은 조합이 두 번 없다."""
    trials = study.get_trials()
    unfinished = [trial.number for trial in trials if not trial.state.is_finished()]
    assert unfinished == []
    assert [trial.number for trial in trials] == list(range(total))
    uids = [trial.user_attrs["wizard"]["uid"] for trial in trials]
    assert len(set(uids)) == total
    combinations = {json.dumps(trial.params, sort_keys=True) for trial in trials}
    assert len(combinations) == total
    for trial in trials:
        if trial.state == optuna.trial.TrialState.COMPLETE:
            assert trial.params
            assert trial.values is not None
    return trials


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> None:
    os.kill(process.pid, number)


def modes(paths: Sequence[Path]) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in paths}


def journal_mode(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    finally:
        connection.close()
