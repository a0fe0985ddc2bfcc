"""죽이고 끊어도 시행을 잃지 않고 겹치지 않는다: coordinator, 작업자, PostgreSQL."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from aftermath import assert_nothing_lost
from postgres import PostgresServer
from run_cases import (
    SLUG,
    RunCase,
    load,
    wait_until,
    workers,
)

from optimize.storage.url import StorageUrl


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """실행의 임시 폴더. 소켓을 둘 수 있게 경로가 짧다."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_kill_9_of_the_coordinator_loses_nothing_sqlite(case: RunCase, temporary: Path) -> None:
    case.strategy(seconds=0.005)
    for count in (15, 70):
        process = case.start("--storage-url", case.sqlite_url, n=110, jobs=2)
        case.wait_for_trials(count)
        flock = workers(process.pid)
        assert flock
        process.kill()
        process.wait()
        # 작업자도 따라 끝나고, 그 원형이 임시 폴더를 치운다.
        _, alive = psutil.wait_procs(flock, timeout=5)
        assert alive == []
        wait_until(lambda: not list(temporary.iterdir()), 5, "임시 폴더가 남았다")
    began = time.monotonic()
    done = case.run("--storage-url", case.sqlite_url, n=110)
    assert done.returncode == 0, done.stderr
    # 죽은 실행이 맡았던 자리의 lease(60초)를 기다리지 않는다.
    assert time.monotonic() - began < 40
    assert_nothing_lost(case, case.sqlite_url, 110)


def test_kill_9_of_the_coordinator_loses_nothing_postgresql(
    case: RunCase, postgres_url: StorageUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """여러 번 죽는 일은 `test_run_disturbed`가 아무 때나 죽이며 본다. 이름은 쓸 수 있는 가장 긴 것이다."""
    monkeypatch.setenv("OPTUNA_STORAGE", postgres_url.secret)
    case.strategy(seconds=0.005)
    named = ("--run-id", "n" * 100)
    process = case.start(*named, n=100)
    case.wait_for_trials(50)
    process.kill()
    process.wait()
    done = case.run(*named, n=100)
    assert done.returncode == 0, done.stderr
    assert_nothing_lost(case, postgres_url, 100)


def test_a_trial_written_but_not_stored_is_recovered_once(case: RunCase) -> None:
    """`stored`가 없는 시행과 반 줄로 끝난 기록: 되살려 넣고, 두 번째 시작은 다시 넣지 않는다."""
    assert case.run("--storage-url", case.sqlite_url, n=10).returncode == 0
    (first,) = case.run_dirs()
    log = first / "events.ndjson"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if '"type":"stored"' not in line and '"type":"done"' not in line]
    log.write_text("".join(kept) + '{"v":1,"type":"trial","uid":"ha', encoding="utf-8")
    wal = first / "wal.json"
    wal.write_text(wal.read_text(encoding="utf-8").replace("true", "false"), encoding="utf-8")
    case.sqlite.unlink()
    for path in (f"{case.sqlite}-wal", f"{case.sqlite}-shm"):
        Path(path).unlink(missing_ok=True)

    done = case.run("--storage-url", case.sqlite_url, n=10)
    assert done.returncode == 0, done.stderr
    assert "10개를 되살렸습니다" in done.stderr
    assert_nothing_lost(case, case.sqlite_url, 10)
    again = case.run("--storage-url", case.sqlite_url, n=12)
    assert "되살렸습니다" not in again.stderr
    assert_nothing_lost(case, case.sqlite_url, 12)


def test_a_killed_run_is_resumed_under_its_own_run_id(case: RunCase) -> None:
    """같은 `--run-id`로 다시: 적고 저장하지 못한 시행을 되살리고, 죽은 실행이 맡은 자리를 기다리지 않는다."""
    case.strategy(seconds=0.01)
    named = ("--run-id", "nightly", "--storage-url", case.sqlite_url)
    process = case.start(*named, n=60, jobs=2)
    case.wait_for_trials(20)
    process.kill()
    process.wait()
    (folder,) = case.run_dirs()
    log = folder / "events.ndjson"
    last = [event for event in case.events() if event["type"] == "trial"][-1]
    # 하나를 더 적고, 저장하기 전에 죽은 것으로 한다.
    params = {**last["params"], "grid": last["params"]["grid"] % 50 + 1}
    unstored = {**last, "uid": "f" * 32, "params": params}
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(unstored, separators=(",", ":")) + "\n")
    case.hurry()
    began = time.monotonic()
    done = case.run(*named, n=60, jobs=2)
    assert done.returncode == 0, done.stderr
    assert "되살렸습니다" in done.stderr
    assert params in [one.params for one in load(case.sqlite_url).get_trials()]
    assert time.monotonic() - began < 40
    assert_nothing_lost(case, case.sqlite_url, 60)


def test_what_a_killed_run_left_is_recovered_in_a_copied_folder(case: RunCase) -> None:
    """프로젝트의 폴더를 통째로 옮기거나 복사해도, 죽은 실행이 저장하지 못한 시행은 그 사본의 저장소로 간다."""
    assert case.run("--storage-url", case.sqlite_url, n=10).returncode == 0
    (first,) = case.run_dirs()
    log, wal = first / "events.ndjson", first / "wal.json"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    log.write_text(
        "".join(line for line in lines if '"type":"stored"' not in line), encoding="utf-8"
    )
    wal.write_text(wal.read_text(encoding="utf-8").replace("true", "false"), encoding="utf-8")
    case.sqlite.unlink()
    moved = case.copy(case.folder)
    done = moved.run("--storage-url", moved.sqlite_url, n=10)
    assert done.returncode == 0, done.stderr
    assert "10개를 되살렸습니다" in done.stderr
    assert_nothing_lost(moved, moved.sqlite_url, 10)
    assert not case.sqlite.exists()


def test_kill_9_of_a_worker_only_costs_a_retry(case: RunCase) -> None:
    """죽은 작업자의 시행도 모두 끝나고, 끝난 실행은 작업자 프로세스를 하나도 남기지 않는다."""
    case.strategy(seconds=0.02)
    process = case.start("--storage-url", case.sqlite_url, n=120, jobs=2)
    seen = []
    for count in (10, 40, 70):
        case.wait_for_trials(count)
        victims = workers(process.pid)
        assert victims
        seen += victims
        if count < 70:
            victims[0].send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    assert "작업자 프로세스가 죽어" in errors
    trials = assert_nothing_lost(case, case.sqlite_url, 120)
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    wait_until(lambda: not any(p.is_running() for p in seen), 5, "작업자가 남았다")


def test_a_strategy_that_always_raises_stops_with_its_error(case: RunCase) -> None:
    case.strategy(fault="raise")
    done = case.run("--storage-url", case.sqlite_url, n=500)
    assert done.returncode == 5
    assert "일부러 낸 오류" in done.stderr
    assert "Traceback" not in done.stderr
    trials = load(case.sqlite_url).get_trials()
    assert {trial.state.name for trial in trials} == {"FAIL"}
    assert case.events()[-1]["exit_code"] == 5


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_two_coordinators_share_a_study_and_meet_the_total_exactly(
    case: RunCase, request: pytest.FixtureRequest, backend: str
) -> None:
    url: str | StorageUrl = case.sqlite_url
    if backend == "postgresql":
        url = request.getfixturevalue("postgres_url")
        assert isinstance(url, StorageUrl)
        request.getfixturevalue("monkeypatch").setenv("OPTUNA_STORAGE", url.secret)
    extra = () if backend == "postgresql" else ("--storage-url", case.sqlite_url)
    case.strategy(seconds=0.01)
    both = [case.start(*extra, n=160, jobs=1) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert_nothing_lost(case, url, 160)
    each = [sum(event["type"] == "trial" for event in case.events(index)) for index in range(2)]
    assert sum(each) == 160
    assert min(each) > 0


def test_a_postgresql_outage_is_waited_out(
    case: RunCase,
    make_postgres: Callable[..., PostgresServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = make_postgres()
    url = server.create_database()
    monkeypatch.setenv("OPTUNA_STORAGE", url.secret)
    case.strategy(seconds=0.01)
    process = case.start(n=200)
    for count in (30, 100):
        case.wait_for_trials(count)
        server.stop("immediate")
        time.sleep(2.5)
        assert process.poll() is None
        server.start()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "저장소가 응답하지 않아 기다립니다" in errors
    assert "되살아났습니다" in errors
    assert_nothing_lost(case, url, 200)


def test_an_unreachable_storage_exits_3_and_a_fallback_is_said_aloud(
    case: RunCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", "postgresql://postgres:canary-9d1@127.0.0.1:9/optuna")
    refused = case.run(n=5)
    assert refused.returncode == 3
    for words in ("연결하지 못했습니다", "docker start", "embedded", "sqlite"):
        assert words in refused.stderr
    assert case.events()[-1] | {"ts": ""} == {
        "v": 1,
        "ts": "",
        "type": "done",
        "studies": [],
        "exit_code": 3,
    }
    done = case.run("--set", "search.storage_fallback=sqlite", n=5)
    assert done.returncode == 0, done.stderr
    assert "연결하지 못해" in done.stderr
    path = case.home / "studies" / SLUG / f"{SLUG}.db"
    assert_nothing_lost(case, f"sqlite:///{path}", 5)
    for output in (refused.stdout, refused.stderr, done.stdout, done.stderr):
        assert "canary-9d1" not in output


def test_an_unwritable_journal_ends_the_run_but_keeps_the_trials(case: RunCase) -> None:
    """사건 기록을 쓸 수 없게 되면 exit 5로 끝나고, 끝난 시행은 저장소에 있다."""
    case.strategy(seconds=0.02)
    process = case.start("--storage-url", case.sqlite_url, n=5000)
    case.wait_for_trials(20)
    log = case.run_dirs()[-1] / "events.ndjson"
    # 파일의 크기를 더 늘릴 수 없게 한다(디스크가 찬 것과 같은 길을 지난다).
    psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE, (log.stat().st_size, -1))
    threading.Timer(60, process.kill).start()
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 5, errors
    assert "실행 기록을 쓰지 못했습니다" in errors
    assert_nothing_lost(case, case.sqlite_url, damaged=True)
