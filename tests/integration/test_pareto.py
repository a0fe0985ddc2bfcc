"""여러 목표의 실행: 파레토 최적 시행들이 표·사건·결과 파일·스터디의 명령에서 Optuna의 것과 같다."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

import pytest
from run_cases import SLUG, RunCase, assert_exact, load

from optimize.studies.__main__ import main as studies_main

# 거래가 많으면 수수료도 많다: 둘은 늘 엇갈려 파레토 최적이 여럿이다.
GOALS = ("--set", "objective.mode=pareto", "--set", "objective.goals=[trades, fees_pct]")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunCase]:
    """끝난 실행 하나를 여러 시험이 나누어 본다."""
    folder = tmp_path_factory.mktemp("pareto")
    made = RunCase(folder, folder / "home")
    made.home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKTEST_WIZARD_HOME", str(made.home))
        patch.delenv("OPTUNA_STORAGE", raising=False)
        done = made.run(*GOALS, "--storage-url", made.sqlite_url)
        assert done.returncode == 0, done.stderr
        (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
        yield made
    made.close()


def optuna_front(case: RunCase) -> list[int]:
    """Optuna가 아는 파레토 최적의 번호, 거래 수가 많은 차례."""
    best = load(case.sqlite_url).best_trials
    return [t.number for t in sorted(best, key=lambda t: (-t.values[0], t.values[1]))]


def test_every_value_is_stored_in_its_own_unit_and_direction(case: RunCase) -> None:
    study = load(case.sqlite_url)
    assert [way.name for way in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    for trial in assert_exact(study, 40):
        metrics = trial.user_attrs["wizard"]["metrics"]
        assert trial.values == [metrics["trades"], metrics["fees_pct"]]


def test_events_say_who_joined_the_front(case: RunCase) -> None:
    events = case.events(0)
    (study,) = (event for event in events if event["type"] == "study")
    assert [goal["metric"] for goal in study["goals"]] == ["trades", "fees_pct"]
    assert [goal["direction"] for goal in study["goals"]] == ["maximize", "minimize"]
    seen: list[list[float]] = []
    for event in events:
        if event["type"] == "trial":
            high, low = event["values"]
            beaten = any(a >= high and b <= low and [a, b] != [high, low] for a, b in seen)
            assert event["is_best"] is not beaten
            seen.append(event["values"])
    (result,) = events[-1]["studies"]
    front = optuna_front(case)
    assert result["front_size"] == len(front) > 1
    assert result["best_value"] == load(case.sqlite_url).trials[front[0]].values[0]


def test_the_front_is_printed_and_written(case: RunCase) -> None:
    text = (case.folder / "stdout.txt").read_text(encoding="utf-8")
    front = optuna_front(case)
    assert f"파레토 최적 {len(front)}개" in text
    folder = case.home / "studies" / SLUG
    body = json.loads((folder / "front.json").read_text(encoding="utf-8"))
    assert [row["number"] for row in body["front"]] == front
    with (folder / "front.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == front
    for row, item in zip(rows, body["front"], strict=True):
        assert [float(row["goal.trades"]), float(row["goal.fees_pct"])] == item["values"]
        assert float(row["param.shift"]) == item["params"]["shift"]
    with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    assert float(first["score_1"]) == float(first["fees_pct"])


def test_the_studies_command_shows_and_exports_it(
    case: RunCase, capsys: pytest.CaptureFixture[str]
) -> None:
    front = optuna_front(case)
    assert studies_main(["show", SLUG, "--storage-url", case.sqlite_url, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert [row["number"] for row in body["front"]] == front
    assert body["goals"][1]["label"] == "수수료"
    assert studies_main(["show", SLUG, "--storage-url", case.sqlite_url]) == 0
    assert f"파레토 최적 {len(front)}개" in capsys.readouterr().out
    assert studies_main(["list", "--storage-url", case.sqlite_url]) == 0
    assert "파레토" in capsys.readouterr().out
    assert studies_main(["export", SLUG, "--storage-url", case.sqlite_url]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert sorted(int(r["number"]) for r in rows if r["front"] == "yes") == sorted(front)
    assert studies_main(["events", SLUG, "--storage-url", case.sqlite_url]) == 0
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert done["studies"][0]["front_size"] == len(front)


def test_another_mode_cannot_share_the_study(case: RunCase) -> None:
    other = case.run("--storage-url", case.sqlite_url)
    assert other.returncode == 2
    assert "방향이 지금 설정과 다릅니다" in other.stderr
    assert_exact(load(case.sqlite_url), 40)
