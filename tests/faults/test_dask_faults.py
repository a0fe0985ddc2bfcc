"""dask 무리의 고장: 작업자와 scheduler가 죽고, 작업자가 뒤늦게 붙고, 판이 다른 작업자가 섞인다."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from aftermath import assert_nothing_lost
from dask_lab import DaskLab
from run_cases import RunCase, read_events, wait_until

from optimize.errors import RunError, SettingsError
from optimize.runner import dask_cluster
from optimize.runner.dask_cluster import DaskCluster

TRIALS = 100


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    case = RunCase(tmp_path, wizard_home)
    yield case
    case.close()


@pytest.fixture
def lab(case: RunCase) -> Iterator[DaskLab]:
    lab = DaskLab(case)
    yield lab
    lab.close()


def hosts_seen(case: RunCase) -> set[str]:
    """사건 기록의 `progress`에 나온 작업자들의 host."""
    path = case.run_dirs()[-1] / "events.ndjson"
    events = [event for event in read_events(path) if event["type"] == "progress"]
    return {host for event in events for host in event["hosts"]}


def test_kills_of_worker_and_scheduler_lose_nothing(case: RunCase, lab: DaskLab) -> None:
    """kill -9 뒤에도 물은 만큼 정확히 끝나고, 뒤늦게 붙은 작업자가 일하며, 다른 판은 일하지 않는다."""
    # 작업자가 뜨는 데 얼마가 걸리든 그 전에 실행이 끝나지 않게 한다.
    case.strategy(seconds=3.0)
    scheduler = lab.scheduler()
    victim = lab.worker("127.0.0.2")
    lab.worker("127.0.0.3")
    lab.worker("127.0.0.9", lab.other_version())
    dask = ("--executor", "dask", "--dask-scheduler", lab.address)
    run = case.start(*dask, "--storage-url", case.sqlite_url, n=TRIALS, jobs=-1)
    case.wait_for_trials(4, 180)
    victim.kill()
    lab.worker("127.0.0.4")
    wait_until(lambda: "127.0.0.4" in hosts_seen(case), 180, "늦게 붙은 작업자를 쓰지 않는다")
    scheduler.kill()
    scheduler.wait(timeout=30)
    # nanny가 없는 작업자는 scheduler를 따라 끝난다.
    lab.scheduler()
    lab.worker("127.0.0.5")
    wait_until(
        lambda: "127.0.0.5" in hosts_seen(case), 180, "다시 뜬 scheduler의 작업자를 쓰지 않는다"
    )
    case.hurry()
    out, errors = run.communicate(timeout=240)

    assert run.returncode == 0, errors
    assert "끊겼습니다" in errors
    assert "Traceback" not in out + errors
    assert "distributed" not in errors.replace("판이 다른 dask", "")
    events = case.events()
    finished = [event for event in events if event["type"] == "trial"]
    assert [event["state"] for event in finished] == ["COMPLETE"] * TRIALS
    assert len({event["uid"] for event in finished}) == TRIALS
    assert_nothing_lost(case, case.sqlite_url, TRIALS)
    refused = [e for e in events if e["type"] == "warning" and "판이 다른" in e["title"]]
    assert len(refused) == 1
    assert "127.0.0.9" in refused[0]["cause"]
    assert "127.0.0.9" not in hosts_seen(case)


def test_no_scheduler_and_no_usable_worker_are_clear_errors(
    lab: DaskLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """닿지 못하는 scheduler와 판이 다른 작업자뿐인 무리에는 시행을 보내지 않는다."""
    for wrong in ("foo bar", "http://127.0.0.1:9", "tcp://127.0.0.1", ":8786"):
        with pytest.raises(SettingsError, match="주소가 틀렸습니다"):
            DaskCluster(wrong, None, SimpleQueue())
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(RunError, match="dask scheduler에 연결하지 못했습니다") as unreached:
        DaskCluster(lab.address, None, SimpleQueue()).connect()
    assert f"{lab.address}: 1초 안에 이어지지 않았습니다" in unreached.value.cause
    monkeypatch.undo()
    lab.scheduler()
    lab.worker("127.0.0.9", lab.other_version())
    with pytest.raises(RunError, match="판이 다른 dask 작업자는 쓰지 않습니다") as refused:
        connect_patiently(lab)
    assert "127.0.0.9" in refused.value.cause
    assert "프로그램" in refused.value.cause


def connect_patiently(lab: DaskLab) -> None:
    """작업자가 뜨기를 기다리며 잇는다."""
    deadline = time.monotonic() + 60
    while True:
        try:
            DaskCluster(lab.address, None, SimpleQueue()).connect()
        except RunError as error:
            if "판이 다른" in error.title or time.monotonic() > deadline:
                raise
