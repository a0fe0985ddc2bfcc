"""전략의 고장: 멈추고, 예외를 내고, 값이 아닌 것을 주고, 메모리를 흘리고, 프로세스를 죽여도
나머지 시행은 끝나고, 고장 난 시행은 저마다의 까닭으로 실패한다.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import psutil
import pytest
from aftermath import assert_nothing_lost, assert_values_are_fresh
from run_cases import RunCase, assert_exact, load, workers

TRIALS = 36
STRATEGY = """
import ctypes, itertools, os, signal, time
import numpy as np
from optimize.strategy.parameter import ChoiceParameter, IntParameter
from optimize.strategy.protocol import Signals

LEAKED = []
print("전략의 글")

def forever():
    # 컴파일한 무한 고리처럼 GIL을 쥔 채 코어를 태우며 signal handler에 닿지 않는다.
    sum(itertools.repeat(0))

def deaf():
    # C에서 GIL을 쥔 채 기다리기만 한다: CPU를 쓰지 않고, 신호에도 깨지 않는다.
    mutex, library = ctypes.create_string_buffer(64), ctypes.PyDLL(None)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)

class Faulty:
    name = "faulty"
    parameters = (
        ChoiceParameter("fault", "none", "고장", choices={faults}),
        IntParameter("every", 50, "봉", low=20, high=400),
    )

    def signals(self, dataset, params):
        n = len(dataset.ltf)
        entry = np.zeros(n, dtype=np.int8)
        leave = np.zeros(n, dtype=np.bool_)
        entry[:: params["every"]] = 1
        leave[params["every"] // 2 :: params["every"]] = True
        match params["fault"]:
            case "raise":
                raise ValueError("일부러 낸 오류\\x1b[31m")
            case "exit":
                raise SystemExit(3)
            case "interrupt":
                raise KeyboardInterrupt
            case "fork":
                os.fork()
                raise OSError("둘이 되었다")
            case "chatty":
                print("끝없는 글" * 100_000)
                for number in (1, 2):
                    os.write(number, ("곧바로 쓴 글" * 200_000).encode())
                os.chdir("/")
                raise RuntimeError("수다")
            case "sleep":
                time.sleep(600)
            case "compiled":
                forever()
            case "deaf":
                deaf()
            case "nan":
                entry = np.full(n, np.nan)
            case "short":
                entry = entry[:-1]
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "leak":
                LEAKED.append(np.ones(10_000_000))
                time.sleep(0.1)
        return Signals(entry, leave, np.zeros(n, dtype=np.bool_))

class Healthy(Faulty):
    name = "healthy"

    def signals(self, dataset, params):
        return Faulty.signals(self, dataset, {**params, "fault": "none"})
"""
REASONS = {
    "raise": "ValueError: 일부러 낸 오류",
    "exit": "SystemExit: 3",
    "interrupt": "KeyboardInterrupt",
    "fork": "OSError: 둘이 되었다",
    "chatty": "RuntimeError: 수다",
    "sleep": "시간 제한 1초",
    "compiled": "시간 제한을 넘겨 작업자 프로세스를 끝냈습니다",
    "deaf": "시간 제한을 넘겨 작업자 프로세스를 끝냈습니다",
    "nan": "entry의 값을 int8(으)로 옮길 수 없습니다",
    "short": "entry의 모양이",
    "kill": "번 죽었습니다: {SIGKILL(-9)}",
}
# 예외로 끊을 수 없어 프로세스가 끝나는 것.
FATAL = ("compiled", "deaf", "kill")


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


def arguments(case: RunCase, *faults: str, strategy: str = "Faulty") -> tuple[str, ...]:
    """그 고장들이 고루 나는 전략으로 도는 실행의 인자."""
    path = case.folder / "faulty.py"
    path.write_text(STRATEGY.replace("{faults}", repr(("none", *faults))), encoding="utf-8")
    return (
        *("--strategy", f"{path}:{strategy}", "--sampler", "random", "--seed", "3"),
        *("--set", "search.trial_timeout=1", "--storage-url", case.sqlite_url),
        *("--study-name", strategy),
    )


def test_each_faulty_trial_fails_with_its_reason_and_the_rest_are_right(case: RunCase) -> None:
    faults = [name for name in REASONS if name not in FATAL]
    done = case.run(*arguments(case, *faults), "--events", "-", n=TRIALS, jobs=1)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    # 전략이 무엇을 쓰든 stdout은 자료의 것이고, 끝없이 쓰지 못한다.
    assert {json.loads(line)["v"] for line in done.stdout.splitlines()} == {1}
    assert "전략의 글" in done.stderr
    assert "더 보이지 않습니다" in done.stderr
    assert "곧바로 쓴 글" not in done.stderr
    assert len(done.stderr) < 2_000_000
    assert "\x1b[31m" not in done.stdout + done.stderr
    trials = assert_nothing_lost(case, case.sqlite_url, TRIALS, "Faulty")
    assert {trial.params["fault"] for trial in trials} == {"none", *faults}
    check(case, trials)

    undisturbed = case.run(*arguments(case, *faults, strategy="Healthy"), n=TRIALS, jobs=1)
    assert undisturbed.returncode == 0, undisturbed.stderr
    expected = {key(t): t.values for t in load(case.sqlite_url, "Healthy").get_trials()}
    for trial in trials:
        if trial.params["fault"] == "none":
            assert trial.values == expected[key(trial)]


def test_a_trial_that_takes_its_process_along_fails_alone(case: RunCase) -> None:
    """모든 조합을 하나씩: 저마다 프로세스를 죽이는 셋은 까닭과 함께 실패하고, 함께 잃은 성한 셋은 끝난다."""
    faults = ("fine", "sound", *FATAL)
    options = (*arguments(case, *faults), "--set", "strategy.space.every=50")
    done = case.run(*options, n=6, jobs=2)
    assert done.returncode == 0, done.stderr
    trials = assert_nothing_lost(case, case.sqlite_url, 6, "Faulty")
    assert {trial.params["fault"] for trial in trials} == {"none", *faults}
    check(case, trials)


def check(case: RunCase, trials: list[optuna.trial.FrozenTrial]) -> None:
    """고장 난 시행은 저마다의 까닭으로 실패했고 나머지는 끝났다."""
    errors = {event["uid"]: event["error"] for event in case.events() if event["type"] == "trial"}
    for trial in trials:
        fault = trial.params["fault"]
        if fault not in REASONS:
            assert trial.state == optuna.trial.TrialState.COMPLETE
            continue
        assert trial.state == optuna.trial.TrialState.FAIL
        wizard = trial.user_attrs["wizard"]
        assert REASONS[fault] in errors[wizard["uid"]]
        assert REASONS[fault] in wizard["error"]


def key(trial: optuna.trial.FrozenTrial) -> tuple[object, ...]:
    return tuple(sorted(trial.params.items()))


def test_a_leaking_strategy_is_given_fresh_workers(case: RunCase) -> None:
    """시행마다 80 MB를 흘려도 작업자가 갈아 끼워져 메모리가 한없이 늘지 않는다."""
    process = case.start(*arguments(case, "leak"), n=60, jobs=2)
    most = 0
    seen: set[int] = set()
    while process.poll() is None:
        for worker in workers(process.pid):
            try:
                most = max(most, worker.memory_info().rss)
            except psutil.Error:
                continue
            seen.add(worker.pid)
        time.sleep(0.05)
    assert process.returncode == 0
    trials = assert_exact(load(case.sqlite_url, "Faulty"), 60)
    # 흘리는 시행을 여기서 다시 돌리지는 않는다.
    assert_values_are_fresh(case, [trial for trial in trials if trial.params["fault"] == "none"])
    assert len(seen) > 2
    assert most < 1_500_000_000
