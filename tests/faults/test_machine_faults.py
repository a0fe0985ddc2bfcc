"""컴퓨터의 고장: 시계가 뒤로 가고, 디스크가 차고, `studies/`를 쓸 수 없고, 기록이 잘린다."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aftermath import assert_nothing_lost
from run_cases import (
    RunCase,
    load,
    read_events,
    wait_until,
)
from small_disk import small_disk

# 표시 파일이 있으면 시계가 한 시간 전을 가리킨다.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
    const char *mark = getenv("CLOCK_STEP_FILE");
    return mark && access(mark, F_OK) == 0 ? -3600 : 0;
}

int clock_gettime(clockid_t id, struct timespec *out) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, out);
    if (id == CLOCK_REALTIME) out->tv_sec += offset();
    return code;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *out, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


def test_a_clock_that_steps_back_an_hour_changes_nothing(
    case: RunCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """실행 도중에 한 시간 뒤로 가도, 죽고 다시 이어도 목표를 꼭 채우고 기다리지 않는다."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("시계를 속일 library를 만들 C 컴파일러가 없습니다")
    source, library, step = (case.folder / name for name in ("clock.c", "clock.so", "step"))
    source.write_text(CLOCK, encoding="utf-8")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CLOCK_STEP_FILE", str(step))
    case.strategy(seconds=0.02)
    process = case.start("--storage-url", case.sqlite_url, n=50)
    case.wait_for_trials(10)
    step.touch()
    case.wait_for_trials(25)
    process.kill()
    process.wait()
    done = case.run("--storage-url", case.sqlite_url, n=50)
    assert done.returncode == 0, done.stderr
    trials = assert_nothing_lost(case, case.sqlite_url, 50)
    started = [trial.datetime_start for trial in trials if trial.datetime_start]
    assert (max(started) - min(started)).total_seconds() > 3000, "시계가 뒤로 가지 않았다"
    for trial in trials:
        assert trial.duration is not None
        assert 0 <= trial.duration.total_seconds() < 60


def test_a_full_disk_under_studies_ends_with_a_sentence_and_keeps_the_trials(
    case: RunCase,
) -> None:
    """사건 기록과 로그의 디스크가 차면 exit 5와 까닭. 끝난 시행은 저장소에 있고, 넓히면 이어진다."""
    case.strategy(seconds=0.001)
    url = f"sqlite:///{case.folder / 'elsewhere.db'}"
    with small_disk(case.home / "studies", 200):
        done = case.run("--storage-url", url, n=3000)
        assert done.returncode == 5, done.stderr
        assert "쓰지 못했습니다" in done.stderr
        assert "디스크" in done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        kept = len(load(url).get_trials())
        assert kept > 0
        assert_nothing_lost(case, url, kept, damaged=True)
    done = case.run("--storage-url", url, n=kept + 5)
    assert done.returncode == 0, done.stderr
    assert_nothing_lost(case, url, kept + 5, damaged=True)


def test_a_full_disk_under_the_sqlite_file_is_waited_out(case: RunCase) -> None:
    """저장소의 디스크가 차면 까닭을 말하고 기다린다. 넓히면 밀린 시행을 저장하고 끝난다."""
    case.strategy(seconds=0.002)
    disk = case.folder / "disk"
    with small_disk(disk, 900):
        url = f"sqlite:///{disk / 't.db'}"
        process = case.start("--storage-url", url, n=500)
        wait_until(lambda: bool(outages(case)), 60, "디스크가 찬 것을 알리지 않는다")
        assert "디스크" in outages(case)[0]["cause"]
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        out, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
        assert "Traceback" not in out + errors
        assert_nothing_lost(case, url, 500)


def outages(case: RunCase) -> list[dict[str, Any]]:
    """저장소가 응답하지 않는다는 알림들."""
    if not case.run_dirs():
        return []
    path = case.run_dirs()[-1] / "events.ndjson"
    events = read_events(path) if path.exists() else []
    return [e for e in events if e["type"] == "warning" and "저장소" in e["title"]]


def test_studies_that_cannot_be_written_is_said_before_anything_runs(case: RunCase) -> None:
    with small_disk(case.home / "studies", 100, "ro"):
        done = case.run("--storage-url", f"sqlite:///{case.folder / 'a.db'}")
    assert done.returncode == 5
    assert "만들지 못했습니다" in done.stderr
    assert "읽기만 되는" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("cut", ["half a line and garbage", "empty"])
def test_a_damaged_event_file_loses_only_the_damaged_line(case: RunCase, cut: str) -> None:
    """마지막 줄이 반쪽이고 쓰레기가 섞인 기록에서도 성한 줄은 되살아난다."""
    case.strategy(seconds=0.02)
    process = case.start("--storage-url", case.sqlite_url, n=40)
    case.wait_for_trials(12)
    process.kill()
    process.wait()
    log = case.run_dirs()[-1] / "events.ndjson"
    whole = log.read_bytes()
    # 틀린 값, 모르는 상태, 범위 밖의 파라미터: 꼴은 성하지만 시행이 아니다.
    trial = next(event for event in case.events() if event["type"] == "trial")
    wrong = (
        ("started_at", "x"),
        ("state", "WAITING"),
        ("values", [float("nan")]),
        ("params", {"a": 1}),
    )
    lines = [{**trial, "uid": name, name: value} for name, value in wrong]
    odd = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
    log.write_bytes(b"" if cut == "empty" else whole[:-40] + b"\x00\xff{]\n\n\n" + odd)
    done = case.run("--storage-url", case.sqlite_url, n=40)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert_nothing_lost(case, case.sqlite_url, 40, damaged=True)
