"""다른 Optuna 도구가 쓴 스터디의 파라미터 중요도: Optuna 5의 이름 있는 제약도 제약이다."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution

SPACE = {"strong": FloatDistribution(0, 10), "noise": FloatDistribution(0, 10)}
Add = Callable[[optuna.Study, dict[str, float], float, float], None]


def named(study: optuna.Study, params: dict[str, float], value: float, limit: float) -> None:
    """Optuna 5의 `set_constraint`로."""
    study.enqueue_trial(params)
    trial = study.ask(SPACE)
    trial.set_constraint("거래 수", -1.0)
    trial.set_constraint("낙폭", limit)
    study.tell(trial, value)


def listed(study: optuna.Study, params: dict[str, float], value: float, limit: float) -> None:
    """sampler의 constraints_func이 적는 꼴로."""
    study.add_trial(
        optuna.trial.create_trial(
            value=value,
            params=params,
            distributions=SPACE,
            system_attrs={"constraints": [-1.0, limit]},
        )
    )


@pytest.mark.parametrize("add", [named, listed])
def test_violating_trials_do_not_count(wizard_home: Path, add: Add) -> None:
    """지킨 시행에서는 strong이, 어긴 시행까지 보면 noise가 점수를 정한다: 어긴 것은 세지 않는다."""
    (wizard_home / ".env").write_text("OPTUNA_STORAGE=\n")
    path = wizard_home / "studies" / "foreign.db"
    path.parent.mkdir(exist_ok=True)
    study = optuna.create_study(
        study_name="foreign", storage=f"sqlite:///{path}", direction="maximize"
    )
    source = random.Random(11)
    for k in range(80):
        params = {name: source.uniform(0, 10) for name in SPACE}
        if k % 4:
            add(study, params, -abs(params["strong"] - 3), -0.5)
        else:
            add(study, params, 100 + params["noise"], 0.5)
    argv = [sys.executable, "-m", "optimize.studies", "importance", "foreign", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    items = {item["name"]: item for item in json.loads(done.stdout)["items"]}
    assert {item["trials"] for item in items.values()} == {60}
    assert items["strong"]["share"] > 0.7
