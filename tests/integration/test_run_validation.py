"""`--validation`: 방법마다 처음부터 끝까지, 이어 돌려도 고르게, 다른 나눔은 거절."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_cases import SLUG, RunCase, load

METHODS: dict[str, tuple[int, tuple[str, ...]]] = {
    "walk_forward": (3, ("--set", "validation.windows=3", "--set", "data.demo_days=16")),
    "purged_kfold": (3, ("--set", "validation.folds=3")),
    "cpcv": (6, ("--set", "validation.groups=4", "--set", "validation.embargo_days=0")),
}


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


def report(case: RunCase) -> dict[str, Any]:
    path = case.home / "studies" / SLUG / "validation.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("method", METHODS)
def test_방법마다_split에_고르게_돌고_학습과_검증을_나란히_보인다(
    case: RunCase, method: str
) -> None:
    splits, options = METHODS[method]
    n = 4 * splits
    done = case.run(
        *("--storage-url", case.sqlite_url, "--validation", method, "--sampler", "random"), *options,
        n=n,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trials = load(case.sqlite_url).get_trials()
    records = [trial.user_attrs["validation"] for trial in trials]
    assert Counter(record["fold"] for record in records) == dict.fromkeys(range(splits), 4)
    assert all(trial.user_attrs["blocks"] for trial in trials)
    body = report(case)
    assert [split["n_trials"] for split in body["splits"]] == [4] * splits
    for split in body["splits"]:
        winner = trials[split["winner"]]
        mine = [r["in_sample"][0] for r in records if r["fold"] == split["split"]]
        assert winner.user_attrs["validation"]["in_sample"] == [max(mine)] == split["in_sample"]
    for text in ("학습 점수", "검증 점수", body["label"]):
        assert text in done.stdout
    events = case.events()
    (study,) = [event for event in events if event["type"] == "study"]
    assert len(study["validation"]["splits"]) == splits
    assert study["validation"]["splits"][0]["test"] == body["splits"][0]["test"]
    event = next(event for event in events if event["type"] == "trial")
    assert event["in_sample"] == records[event["number"]]["in_sample"]
    (result,) = events[-1]["studies"]
    assert result["out_of_sample"] == body["score"][0]


def test_이어_돌려도_고르게_나뉘고_다른_나눔은_거절한다(case: RunCase) -> None:
    url = ("--storage-url", case.sqlite_url, "--validation", "purged_kfold")
    for n in (7, 11):
        done = case.run(*url, "--set", "validation.folds=3", n=n)
        assert done.returncode == 0, done.stderr
    folds = [t.user_attrs["validation"]["fold"] for t in load(case.sqlite_url).get_trials()]
    assert sorted(Counter(folds).values()) == [3, 4, 4]
    refused = case.run(*url, "--set", "validation.folds=4", n=11)
    assert refused.returncode == 2
    assert "검증: folds 3 → 4" in refused.stderr
    short = case.run(*url, "--set", "validation.folds=9", "--study-name", "short", n=5)
    assert short.returncode == 4
    assert "validation.folds" in short.stderr
