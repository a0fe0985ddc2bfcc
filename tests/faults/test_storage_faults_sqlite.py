"""SQLite의 고장: 남의 잠금과 찬 디스크는 기다렸다 이어 가고, 쓸 수 없거나 깨진 파일은 한국어로 exit 3이다."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import optuna
import pytest
from faults import Bench, exact_values
from optuna.distributions import FloatDistribution
from small_disk import full, small_disk
from storage_lab import Ordeal

from optimize.errors import StorageError
from optimize.storage.options import StorageOptions
from optimize.storage.store import TrialStore
from optimize.storage.url import sqlite_url
from optimize.trial import FinishedTrial, params_key

TARGET = 200
Values = dict[str, tuple[float, ...]]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_a_foreign_lock_and_a_full_disk_are_waited_out(tmp_path: Path, undisturbed: Values) -> None:
    """한 실행이 남의 잠금을, 이어서 꽉 찬 디스크를 겪는다: 잃는 것도 다른 값도 없다."""
    bench = Bench(tmp_path / "run", TARGET, 2, TARGET)
    with small_disk(tmp_path / "disk", 8 * 1024) as disk:
        path = disk / "study.db"
        url = f"sqlite:///{path}"
        process = bench.start(url, 0.25)
        ordeal = Ordeal(bench, process)
        try:
            ordeal.wait(lambda: ordeal.count('"type":"stored"') >= 1, "첫 저장")
            with contextlib.closing(sqlite3.connect(path, timeout=30)) as other:
                other.execute("BEGIN IMMEDIATE")
                held = ordeal.count('"type":"stored"')
                waiting = bench.written() + 2
                ordeal.wait(lambda: bench.written() >= waiting, "잠긴 동안의 시행")
                assert ordeal.count('"type":"stored"') <= held + 1
                other.rollback()
            ordeal.wait(lambda: ordeal.count('"type":"stored"') > held + 1, "잠금이 풀린 뒤의 저장")
            assert ordeal.count("잠그고 있습니다") == 0
            ordeal.suffer(full(disk), "찬 디스크")
            bench.hurry()
            said = bench.finish(process)
        finally:
            process.kill()
        assert "디스크가 찼습니다" in said
        assert exact_values(url, TARGET) == undisturbed


def test_a_file_that_breaks_mid_run_is_never_called_done(
    tmp_path: Path, undisturbed: Values
) -> None:
    """도는 동안 파일이 깨지면 exit 3으로 끝나고, 파일을 치우고 다시 실행하면 모자란 시행을 채운다."""
    bench = Bench(tmp_path / "run", TARGET, 2, TARGET)
    path = tmp_path / "study.db"
    url = f"sqlite:///{path}"
    process = bench.start(url, 0.1)
    ordeal = Ordeal(bench, process)
    try:
        ordeal.wait(lambda: ordeal.count('"type":"stored"') >= 2, "저장")
        for file in (path, Path(f"{path}-wal")):
            file.write_bytes(b"\xff" * file.stat().st_size)
        bench.hurry()
        _, errors = process.communicate(timeout=90)
    finally:
        process.kill()
    # 깨진 것은 다시 읽는 때에 드러난다: 도는 동안이거나, 늦어도 끝나며 시행을 되읽을 때다.
    assert process.returncode == 3, errors
    assert "깨졌습니다" in errors or "SQLite 파일이 아닙니다" in errors
    assert "Traceback" not in errors
    again = bench.start(url, 0.0)
    _, errors = again.communicate(timeout=90)
    assert again.returncode == 3, errors
    assert "SQLite 파일이 아닙니다" in errors or "깨졌습니다" in errors
    for file in tmp_path.glob("study.db*"):
        file.unlink()
    bench.finish(bench.start(url, 0.0))
    assert exact_values(url, TARGET) == undisturbed


@contextmanager
def immutable(folder: Path) -> Iterator[None]:
    """root도 쓸 수 없는 폴더(`chattr +i`). 파일 시스템이 모르면 건너뛴다."""
    done = subprocess.run(
        ["chattr", "+i", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"쓸 수 없는 폴더를 만들 수 없다: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)


@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_a_read_only_folder_is_told_at_once(tmp_path: Path, exists: bool) -> None:
    """새 파일을 만들 수 없거나, 있는 파일 곁에 WAL을 만들 수 없으면 바로 exit 3이다."""
    folder = tmp_path / "locked"
    folder.mkdir()
    path = folder / "study.db"
    if exists:
        store = TrialStore.open(
            sqlite_url(path),
            StorageOptions(),
            "s",
            ["maximize"],
            {"x": FloatDistribution(0, 1)},
            {},
        )
        store.close()
    with immutable(folder):
        began = time.monotonic()
        done = refused(tmp_path, f"sqlite:///{path}")
        assert time.monotonic() - began < 60
    assert done.returncode == 3, done.stderr
    assert str(path) in done.stderr
    assert "열지 못했습니다" in done.stderr
    assert f"ls -ld '{folder}'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_deleted_file_is_told_instead_of_writing_into_nothing(tmp_path: Path) -> None:
    """열린 연결은 지워진 파일에도 쓸 수 있다: 넣은 줄 안 시행이 사라지지 않게 거절한다."""
    from datetime import UTC, datetime

    moment = datetime(2024, 1, 1, tzinfo=UTC)
    path = tmp_path / "study.db"
    space = {"x": FloatDistribution(0, 1)}
    store = TrialStore.open(sqlite_url(path), StorageOptions(), "s", ["maximize"], space, {})
    trials = [
        FinishedTrial(str(n), "COMPLETE", {"x": n / 9}, (n / 9,), moment, moment) for n in range(3)
    ]
    assert store.append(trials[:1]) == [0]
    kept = path.rename(tmp_path / "aside.db")
    with pytest.raises(StorageError, match="지워졌거나"):
        store.append(trials[1:])
    path.write_bytes(kept.read_bytes())
    with pytest.raises(StorageError, match="바뀌었습니다"):
        store.append(trials[1:])
    kept.rename(path)
    assert store.append(trials[1:]) == [1, 2]
    store.close()


def test_reading_again_sees_the_file_and_not_the_memory(tmp_path: Path) -> None:
    """연결이 쥔 것으로는 깨진 파일도 성하게 보인다: 끝나며 되읽기 전에 새로 읽게 한다."""
    from datetime import UTC, datetime

    moment = datetime(2024, 1, 1, tzinfo=UTC)
    path = tmp_path / "study.db"
    space = {"x": FloatDistribution(0, 1)}
    store = TrialStore.open(sqlite_url(path), StorageOptions(), "s", ["maximize"], space, {})
    store.append([FinishedTrial("u", "COMPLETE", {"x": 0.5}, (0.5,), moment, moment)])
    assert len(store.load()) == 1
    for file in (path, Path(f"{path}-wal")):
        with file.open("r+b") as opened:
            opened.write(b"\xff" * file.stat().st_size)
    assert len(store.load()) == 1
    store.reread()
    with pytest.raises(StorageError):
        store.load()
    store.close()


def test_a_corrupt_file_is_told_at_once_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    body = b"not a database " * 999
    path.write_bytes(body)
    done = refused(tmp_path, f"sqlite:///{path}")
    assert done.returncode == 3, done.stderr
    assert "SQLite 파일이 아닙니다" in done.stderr
    assert path.read_bytes() == body


def refused(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """시작하자마자 끝날 실행."""
    home = folder / "home"
    home.mkdir()
    return subprocess.run(
        [
            *(sys.executable, "-m", "optimize.run", "--symbol", "DEMO:BTCUSDT"),
            *("--timeframe-grid", "15m", "--strategy", "ma_cross", "--n-trials", "2"),
            *("--set", "data.demo_days=5", "--n-jobs", "1", "--storage-url", url),
        ],
        env={**os.environ, "BACKTEST_WIZARD_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _share(path: Path, owner: int) -> list[str]:
    """한 프로세스: 남과 같은 조합들을 내놓으며 맡은 것만 넣는다."""
    space = {"x": FloatDistribution(0, 1)}
    url = sqlite_url(path)
    store = TrialStore.open(url, StorageOptions(), "함께", ["maximize"], space, {})
    claims = store.claims(f"owner-{owner}")
    done: list[str] = []
    from datetime import UTC, datetime

    moment = datetime(2024, 1, 1, tzinfo=UTC)
    for start in range(0, 400, 10):
        batch = {params_key({"x": k / 400}): k / 400 for k in range(start, start + 10)}
        granted = claims.claim(list(batch), 400).granted
        trials = [
            FinishedTrial(
                f"{owner}-{key}", "COMPLETE", {"x": batch[key]}, (batch[key],), moment, moment
            )
            for key in granted
        ]
        store.append(trials, 400)
        done += [trial.uid for trial in trials]
    store.close()
    return done


def test_eight_processes_share_one_file_exactly(tmp_path: Path) -> None:
    """여덟 프로세스가 빈 파일을 함께 열고 같은 조합들을 나눈다: 잠김 없이 꼭 한 번씩."""
    path = tmp_path / "shared.db"
    with ProcessPoolExecutor(8, mp_context=get_context("fork")) as pool:
        parts = list(pool.map(_share, [path] * 8, range(8)))
    store = TrialStore.open(
        sqlite_url(path), StorageOptions(), "함께", ["maximize"], {"x": FloatDistribution(0, 1)}, {}
    )
    trials = store.load()
    counts = store.counts()
    store.close()
    assert [trial.number for trial in trials] == list(range(400))
    assert sorted(trial.values[0] for trial in trials) == [k / 400 for k in range(400)]
    assert sorted(uid for part in parts for uid in part) == sorted(trial.uid for trial in trials)
    assert counts.running == 0
