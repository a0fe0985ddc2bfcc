"""`python -m optimize.run`이 처음부터 끝까지: 꼭 그 수만큼, 다시 하면 더하지 않고, 결과가 되먹여진다."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from run_cases import SLUG, RunCase, assert_exact, load, modes

from optimize import protocol
from optimize.storage.url import StorageUrl


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


@pytest.fixture
def continued(finished_run: RunCase, tmp_path: Path, wizard_home: Path) -> RunCase:
    """끝난 실행의 사본: 그 스터디를 이어 간다."""
    return finished_run.copy(tmp_path)


def test_two_cells_reach_the_target_exactly_and_a_second_run_adds_nothing(case: RunCase) -> None:
    grid = ("--timeframe-grid", "15m@1h,15m@4h", "--storage-url", case.sqlite_url)
    first = case.run(*grid, jobs=2)
    assert first.returncode == 0, first.stderr
    names = [SLUG, "demo_btcusdt_15m_4h"]
    for name in names:
        assert_exact(load(case.sqlite_url, name), 40)
        assert name in first.stdout
    assert "합성 데모" in first.stdout

    again = case.run(*grid, jobs=2)
    assert again.returncode == 0, again.stderr
    for name in names:
        assert_exact(load(case.sqlite_url, name), 40)
    assert [event["type"] for event in case.events()].count("trial") == 0


def test_a_larger_target_adds_only_what_is_missing(continued: RunCase) -> None:
    before = [t.user_attrs["wizard"]["uid"] for t in load(continued.sqlite_url).get_trials()]
    assert len(before) == 40
    assert continued.run("--storage-url", continued.sqlite_url, n=55).returncode == 0
    after = assert_exact(load(continued.sqlite_url), 55)
    assert [t.user_attrs["wizard"]["uid"] for t in after[:40]] == before


def test_postgresql_holds_the_same_exact_study(case: RunCase, any_postgres_url: StorageUrl) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASE_STORAGE", any_postgres_url.secret)
        for _ in range(2):
            done = case.run("--storage-url-env", "CASE_STORAGE")
            assert done.returncode == 0, done.stderr
            assert_exact(load(any_postgres_url), 40)
    password = any_postgres_url.password
    assert password
    for path in (case.home / "studies").rglob("*"):
        if path.is_file():
            assert password.encode() not in path.read_bytes(), path


def test_events_tell_the_whole_run_in_order(finished_run: RunCase) -> None:
    (run_dir,) = finished_run.run_dirs()
    assert run_dir.name == "the-run"
    lines = (run_dir / "events.ndjson").read_text(encoding="utf-8").splitlines()
    events = [protocol.decode(line) for line in lines]
    kinds = [event.type for event in events if event is not None]
    assert len(kinds) == len(lines)
    assert kinds[:2] == ["hello", "plan"]
    assert kinds[-1] == "done"
    assert kinds.index("study") < kinds.index("trial")
    trials = {e.uid: e for e in events if isinstance(e, protocol.TrialEvent)}
    stored = {
        uid: number
        for e in events
        if isinstance(e, protocol.StoredEvent)
        for uid, number in zip(e.uids, e.numbers, strict=True)
    }
    assert set(stored) == set(trials)
    assert sorted(stored.values()) == list(range(40))
    done = events[-1]
    assert isinstance(done, protocol.DoneEvent)
    assert done.studies[0].n_complete == 40
    best = max(e.score for e in trials.values() if e.score is not None)
    assert done.studies[0].best_value == pytest.approx(best)
    assert [e for e in trials.values() if e.is_best][-1].score == best


def test_events_to_stdout_are_alone_there(finished_run: RunCase) -> None:
    printed = (finished_run.folder / "stdout.txt").read_text(encoding="utf-8")
    decoded = [protocol.decode(line) for line in printed.splitlines()]
    assert None not in decoded
    assert [e.type for e in decoded if e is not None].count("trial") == 40


def test_results_beside_the_study_and_best_feeds_back(continued: RunCase) -> None:
    folder = continued.home / "studies" / SLUG
    with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    study = load(continued.sqlite_url)
    assert [int(row["number"]) for row in rows] == list(range(40))
    for row, trial in zip(rows, study.get_trials(), strict=True):
        assert float(row["score"]) == trial.value
        assert int(row["param.every"]) == trial.params["every"]
        assert float(row["sharpe"]) == trial.user_attrs["wizard"]["metrics"]["sharpe"]
    best = study.best_trial
    with (folder / "best_trades.csv").open(encoding="utf-8", newline="") as file:
        samples = [row["sample"] for row in csv.DictReader(file)]
    # 기본은 hold-out: 지표는 학습의 것이고, 거래는 모두 적되 어느 구간의 것인지 말한다.
    assert samples.count("in_sample") == best.user_attrs["wizard"]["metrics"]["trades"]
    checked = best.user_attrs["validation"]
    assert samples.count("out_of_sample") == checked["out_of_sample_metrics"]["trades"]
    assert checked["in_sample"] == [best.value]
    for row, trial in zip(rows, study.get_trials(), strict=True):
        assert row["in_sample_score"] == row["score"]
        assert [float(row["out_of_sample_score"])] == trial.user_attrs["validation"][
            "out_of_sample"
        ]
    report = json.loads((folder / "validation.json").read_text(encoding="utf-8"))
    assert report["splits"][0]["winner"] == best.number
    assert report["splits"][0]["test"] == [["2024-01-08", "2024-01-10"]]
    assert report["splits"][0]["out_of_sample"] == checked["out_of_sample"]
    assert report["score"] == pytest.approx(checked["out_of_sample"])
    config = folder / "best.yaml"
    space = yaml.safe_load(config.read_text(encoding="utf-8"))["strategy"]["space"]
    assert space == {**best.params}

    fed = continued.run("--config", str(config), "--storage-url", continued.sqlite_url, n=1)
    assert fed.returncode == 0, fed.stderr
    (trial,) = load(continued.sqlite_url, f"{SLUG}_best").get_trials()
    assert trial.value == best.value


def test_files_under_studies_are_private(
    case: RunCase, finished_run: RunCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """저장소에 닿지 못해 exit code 3으로 끝난 실행의 것도, 끝까지 간 실행의 것도."""
    monkeypatch.setenv("OPTUNA_STORAGE", "postgresql://postgres:5432@127.0.0.1:9/optuna")
    assert case.run(n=5).returncode == 3
    for home in (case.home, finished_run.home):
        found = list((home / "studies").rglob("*"))
        assert modes([path for path in found if path.is_dir()]) == {0o700}
        assert modes([path for path in found if path.is_file()]) == {0o600}


def test_one_job_and_a_seed_repeat_the_same_trials_in_the_same_order(
    case: RunCase, finished_run: RunCase
) -> None:
    url = f"sqlite:///{case.home / 'again.db'}"
    done = case.run("--storage-url", url, "--seed", "11", "--study-name", "again")
    assert done.returncode == 0, done.stderr
    first, again = load(finished_run.sqlite_url), load(url, "again")
    assert [(t.params, t.values) for t in again.get_trials()] == [
        (t.params, t.values) for t in first.get_trials()
    ]


def test_an_exhausted_space_stops_with_a_warning(case: RunCase) -> None:
    space = ("--set", "strategy.space.every=100", "--set", "strategy.space.shift=0.5")
    case.strategy(grid=7)
    done = case.run("--storage-url", case.sqlite_url, *space)
    assert done.returncode == 0, done.stderr
    assert_exact(load(case.sqlite_url), 7)
    assert "모든 조합" in done.stderr


def test_pruner_stops_hopeless_trials_and_records_the_steps(case: RunCase) -> None:
    done = case.run("--storage-url", case.sqlite_url, "--pruner", "median", n=80)
    assert done.returncode == 0, done.stderr
    trials = assert_exact(load(case.sqlite_url), 80)
    pruned = [trial for trial in trials if trial.state.name == "PRUNED"]
    assert pruned
    assert all(set(trial.intermediate_values) <= {25, 50} for trial in trials)
    assert all(trial.intermediate_values for trial in trials)


def test_a_changed_setting_is_refused_naming_it_and_a_new_name_is_accepted(
    continued: RunCase,
) -> None:
    url = ("--storage-url", continued.sqlite_url)
    refused = continued.run(*url, "--set", "backtest.fee_rate=0.001", n=50)
    assert refused.returncode == 2
    assert "fee_rate 0.0005 → 0.001" in refused.stderr
    assert "--study-name" in refused.stderr
    assert_exact(load(continued.sqlite_url), 40)
    assert (
        continued.run(
            *url, "--set", "backtest.fee_rate=0.001", "--study-name", "other", n=5
        ).returncode
        == 0
    )
    longer = continued.run(*url, "--set", "data.demo_days=11", n=50)
    assert longer.returncode == 2
    assert "캔들" in longer.stderr


def test_timeout_ends_cleanly_with_what_is_done(case: RunCase) -> None:
    case.strategy(seconds=0.05)
    done = case.run("--storage-url", case.sqlite_url, "--timeout", "2", n=5000)
    assert done.returncode == 0, done.stderr
    trials = load(case.sqlite_url).get_trials()
    assert 0 < len(trials) < 200
    assert_exact(load(case.sqlite_url), len(trials))
    # 목표에 못 미친 까닭을 말한다.
    (late,) = (event for event in case.events() if "시간 제한" in event.get("title", ""))
    assert late["type"] == "warning"
    assert f"{5000 - len(trials):,}개쯤" in late["cause"]
    assert "시간 제한 2초" in done.stderr


def test_모두_실패한_실행은_까닭을_말하고_exit_code_5다(case: RunCase) -> None:
    """목표가 작아 '잇달아 20개'의 문턱에 닿지 않아도 성공이라 하지 않는다."""
    case.strategy(fault="raise")
    done = case.run("--storage-url", case.sqlite_url, n=3)
    assert done.returncode == 5, done.stderr
    assert "시행 3개가 모두 실패했습니다" in done.stderr
    assert "일부러 낸 오류" in done.stderr
    assert case.events()[-1]["exit_code"] == 5


def test_계획은_없는_전략과_틀린_탐색_공간을_거절한다(case: RunCase) -> None:
    for extra, said in (
        (("--strategy", "squeeze"), "squeeze_momentum"),
        (("--set", "strategy.space.nope=1"), "이 전략에 없는 파라미터"),
    ):
        done = case.run("--plan", "--storage-url", case.sqlite_url, *extra)
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stdout == ""


def test_호가_단위를_모르면_호가로_미끄러지는_실행을_탐색_전에_거절한다(
    case: RunCase, tmp_path: Path
) -> None:
    rows = [f"{1704067200000 + 60_000 * i},1,2,0.5,1,3" for i in range(3000)]
    file = tmp_path / "c.csv"
    file.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]), encoding="utf-8")
    done = case.run(
        *("--symbol", "BINANCE:ENAUSDT", "--data", str(file), "--storage-url", case.sqlite_url),
        *("--set", "backtest.slippage_ticks=2"),
    )
    assert done.returncode == 2, done.stderr
    assert "호가 단위" in done.stderr
    assert "trial" not in [event["type"] for event in case.events()]
