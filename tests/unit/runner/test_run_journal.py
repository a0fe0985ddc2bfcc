"""죽은 실행의 기록: 저장되지 않은 시행만, 살아 있는 실행은 건드리지 않고."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimize import paths
from optimize.errors import SettingsError
from optimize.protocol import StoredEvent, encode
from optimize.runner.cell import trial_event
from optimize.runner.journal import (
    Journal,
    JournalStudy,
    begin_journal,
    dead_journals,
    finished_trial,
    is_running,
    note_stored,
    portable_storage,
    read_journal,
    run_lock,
    unstored_trials,
    written_trials,
)
from optimize.trial import FinishedTrial, ParamValue

STUDY = JournalStudy("s", "sqlite:////x.db", "f00", 10)


def trial(
    uid: str,
    state: Literal["COMPLETE", "PRUNED", "FAIL"] = "COMPLETE",
    params: Mapping[str, ParamValue] | None = None,
) -> FinishedTrial:
    started = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    return FinishedTrial(
        uid=uid,
        state=state,
        params=params or {"a": 1, "b": 0.1, "c": "글", "d": True},
        values=() if state == "FAIL" else (0.1 + 0.2,),
        started_at=started,
        finished_at=started + timedelta(microseconds=12345),
        metrics={"sharpe": 1 / 3},
        constraints=(0.0, -1.5),
        intermediate={25: 0.5},
        error="x" if state == "FAIL" else "",
        fold=3,
        in_sample=() if state == "FAIL" else (0.7,),
        in_sample_constraints=() if state == "FAIL" else (-0.1, 1 / 3),
        out_of_sample=() if state == "FAIL" else (-0.2,),
        out_of_sample_metrics={} if state == "FAIL" else {"sharpe": 0.1},
        blocks="" if state == "FAIL" else "1AAA=",
    )


def make_run(name: str, *lines: str, studies: tuple[JournalStudy, ...] = (STUDY,)) -> Path:
    folder = paths.private_dir(paths.run_dir("slug", name))
    (folder / "events.ndjson").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    Journal(folder, name, studies).write()
    return folder


def written(one: FinishedTrial, study: str = "s") -> str:
    return encode(trial_event(study, one, 0, is_best=False))


@pytest.mark.parametrize("state", ["COMPLETE", "PRUNED", "FAIL"])
def test_a_written_trial_comes_back_bit_for_bit(
    state: Literal["COMPLETE", "PRUNED", "FAIL"], wizard_home: Path
) -> None:
    folder = make_run("r", written(trial("u", state)))
    assert unstored_trials(folder, "s") == [trial("u", state)]


@given(
    params=st.dictionaries(
        st.text(min_size=1),
        st.one_of(
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(),
        ),
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_any_parameters_survive_the_journal(params: dict[str, ParamValue]) -> None:
    from optimize.protocol import TrialEvent, decode

    one = trial("u", params=params)
    event = decode(written(one))
    assert isinstance(event, TrialEvent)
    assert finished_trial(event) == one
    assert all(not isinstance(v, float) or math.isfinite(v) for v in event.params.values())


def test_only_what_was_not_stored_and_belongs_to_the_study(wizard_home: Path) -> None:
    folder = make_run(
        "r",
        written(trial("a")),
        written(trial("b")),
        written(trial("other"), study="elsewhere"),
        "깨진 줄",
        encode(StoredEvent("s", ["a"], [0])),
        written(trial("c")),
    )
    with (folder / "events.ndjson").open("a", encoding="utf-8") as file:
        file.write(written(trial("torn"))[:80])
    assert [t.uid for t in unstored_trials(folder, "s")] == ["b", "c"]
    note_stored(folder, "s", {"b": 1})
    assert [t.uid for t in unstored_trials(folder, "s")] == ["c"]


def test_dead_runs_of_the_same_study_are_found_and_others_are_left(wizard_home: Path) -> None:
    mine = paths.run_dir("slug", "mine")
    dead = make_run("dead")
    make_run("settled", studies=(JournalStudy("s", STUDY.storage, "f00", 10, settled=True),))
    make_run("storage", studies=(JournalStudy("s", "sqlite:////y.db", "f00", 10),))
    make_run("fingerprint", studies=(JournalStudy("s", STUDY.storage, "f01", 10),))
    alive = make_run("alive")
    broken = make_run("broken")
    (broken / "wal.json").write_text("{", encoding="utf-8")
    with run_lock(alive):
        assert is_running(alive)
        assert [j.run_dir for j in dead_journals(STUDY, mine)] == [dead]
    assert [j.run_dir for j in dead_journals(STUDY, mine)] == [alive, dead]
    (journal,) = [j for j in dead_journals(STUDY, mine) if j.run_dir == dead]
    journal.settle(STUDY)
    assert [j.run_dir for j in dead_journals(STUDY, mine)] == [alive]
    again = read_journal(dead / "wal.json")
    assert again is not None
    assert again.studies[0].settled


def test_a_run_under_a_used_name_finds_what_its_namesake_left(wizard_home: Path) -> None:
    other = JournalStudy("elsewhere", STUDY.storage, "f00", 10)
    folder = make_run("nightly", written(trial("old")), studies=(STUDY, other))
    with run_lock(folder):
        assert [j.owner for j in dead_journals(STUDY, folder)] == ["nightly"]
        start = (folder / "events.ndjson").stat().st_size
        journal = begin_journal(folder, "again", [STUDY])
    assert [item.study for item in journal.studies] == ["s", "elsewhere"]
    assert read_journal(folder / "wal.json") == journal
    with (folder / "events.ndjson").open("a", encoding="utf-8") as file:
        file.write(written(trial("new")) + "\n")
    assert [t.uid for t in written_trials(folder, "s", 0)] == ["old", "new"]
    assert [t.uid for t in written_trials(folder, "s", start)] == ["new"]
    # 제 것이 끝나도 남의 스터디의 것은 남는다.
    assert not begin_journal(folder, "x", [STUDY]).settle(STUDY).studies[1].settled
    assert [item.study for item in begin_journal(folder, "x", [other]).studies] == ["elsewhere"]


def test_a_file_inside_the_project_keeps_its_name_in_a_copy(
    wizard_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = f"sqlite:///{wizard_home}/studies/x.db"
    assert portable_storage(inside) == "sqlite:///studies/x.db"
    for outside in ("sqlite:////y.db", f"sqlite:///{wizard_home}2/x.db", "postgresql://u:***@h/x"):
        assert portable_storage(outside) == outside
    # 앞 판이 절대 경로로 적은 기록도 제자리에서는 알아본다.
    old = JournalStudy("s", inside, "f00", 10)
    folder = make_run("old", studies=(old,))
    now = JournalStudy("s", portable_storage(inside), "f00", 10)
    assert [j.run_dir for j in dead_journals(now, tmp_path)] == [folder]


def test_one_run_id_runs_once_at_a_time(wizard_home: Path) -> None:
    folder = make_run("r")
    with run_lock(folder), pytest.raises(SettingsError, match="이미 돌고"), run_lock(folder):
        pass
    assert not is_running(folder)
