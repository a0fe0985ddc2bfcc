"""스터디 복사: 어느 쪽으로든 그대로, 끊겨도 이어서, 반쪽은 보이지 않게, 원본은 그대로."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import pytest
from copy_kit import (
    FILES,
    OPTIONS,
    big_study,
    copy,
    leftovers,
    load,
    picture,
    rich_study,
    run,
    study_names,
)
from postgres import PostgresServer

from optimize.errors import StorageError
from optimize.storage.copy_rows import Transform
from optimize.storage.copy_source import open_source
from optimize.storage.copy_study import Target, copy_study
from optimize.storage.schema import ensure_schema
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl, sqlite_url
from optimize.trial import FinishedTrial


def test_sqlite_to_postgresql_and_back(any_postgres_url: StorageUrl, tmp_path: Path) -> None:
    """SQLite → PostgreSQL(15, 18) → SQLite: Optuna가 읽는 모든 것이 그대로다(RUNNING만 FAIL로)."""
    source = sqlite_url(tmp_path / "source.db")
    back = sqlite_url(tmp_path / "back.db")
    name = rich_study(source)
    before = picture(load(source, name))
    result = copy(source, any_postgres_url, "--study", name)[-2]
    assert result["type"] == "copied"
    assert result["trials"] == 7
    assert result["failed_running"] == 2
    middle = picture(load(any_postgres_url, name))
    copy(any_postgres_url, back, "--all")
    assert picture(load(back, name)) == middle
    # RUNNING이 아닌 시행과 스터디의 속성은 원본과 같다.
    running = [i for i, line in enumerate(before) if "TrialState.RUNNING" in str(line)]
    assert len(running) == 2
    assert [x for i, x in enumerate(middle) if i not in running] == [
        x for i, x in enumerate(before) if i not in running
    ]
    assert all("TrialState.FAIL" in middle[i] and "wizard_note" in middle[i] for i in running)
    assert picture(load(source, name)) == before


@pytest.mark.parametrize("version", ["4.2.1", "3.1.1", "2.10.1"])
def test_files_of_older_optuna_written_in_kst(version: str, tmp_path: Path) -> None:
    """진짜 Optuna 2·3·4가 한국 시각으로 적은 파일: 시간대를 묻고, UTC로 옮기고, 원본은 한 바이트도 바꾸지 않는다."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FILES / f"optuna-{version}-kst.sql").read_text())
        old = connection.execute("SELECT number, datetime_start FROM trials").fetchall()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    target = sqlite_url(tmp_path / "new.db")
    asked = run("--from", str(path), "--to", str(tmp_path / "new.db"), "--all", expect=2)
    assert "--source-timezone Asia/Seoul" in asked.stderr
    assert not (tmp_path / "new.db").exists()
    copy(sqlite_url(path), target, "--all", "--source-timezone", "Asia/Seoul")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        new = connection.execute("SELECT number, datetime_start FROM trials").fetchall()
    for (number, was), (same, now) in zip(old, new, strict=True):
        assert number == same
        shift = datetime.fromisoformat(was) - datetime.fromisoformat(now)
        assert shift == timedelta(hours=9)
    study = load(target, "옛 스터디")
    assert [trial.state.name for trial in study.get_trials()] == [
        *("COMPLETE", "COMPLETE", "PRUNED", "FAIL", "COMPLETE", "COMPLETE", "FAIL")
    ]
    assert study.get_trials()[4].values == [math.inf]
    assert study.user_attrs == {"메모": "한글"}


def test_kill_9_then_resume(
    postgres_embedded: PostgresServer, postgres_url: StorageUrl, tmp_path: Path
) -> None:
    """여러 순간에 kill -9해도 반쪽 스터디는 보이지 않고, 다음 실행이 옮긴 데서 잇는다."""
    source = big_study(tmp_path / "big.db", 6_000)
    command = [sys.executable, "-m", "optimize.storage", "copy", "--all", "--json"]
    command += ["--from-env", "COPY_FROM", "--to-env", "COPY_TO"]
    environment = {
        **os.environ,
        "COPY_FROM": source.secret,
        "COPY_TO": postgres_url.secret,
    }
    killed = 0
    for wanted in (1, 3):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen += json.loads(line)["type"] == "progress"
            if seen >= wanted:
                break
        process.kill()
        process.stdout.close()
        process.wait()
        killed += process.returncode == -9
        assert study_names(postgres_url) == []
    assert killed == 2
    assert leftovers(postgres_embedded, postgres_url)
    lines = copy(source, postgres_url, "--all")
    result = next(line for line in lines if line["type"] == "copied")
    assert result["trials"] == 6_000
    assert result["resumed"] >= 2_000
    assert leftovers(postgres_embedded, postgres_url) == []
    assert picture(load(postgres_url, "큰것"))[:50] == picture(load(source, "큰것"))[:50]
    assert [line["type"] for line in copy(source, postgres_url, "--all")][1:] == ["same", "result"]


def test_resume_notices_a_changed_source(postgres_url: StorageUrl, tmp_path: Path) -> None:
    """끊긴 사이 원본이 자라고 바뀌어도 지금의 원본과 같게 복사한다."""

    source = big_study(tmp_path / "big.db", 2_500)
    assert source.path is not None

    class StoppedError(Exception):
        pass

    def stop_at_2000(stage: str, done: int, total: int) -> None:
        if done >= 2_000:
            raise StoppedError

    with (
        open_source(source, OPTIONS) as opened,
        Target(postgres_url, OPTIONS) as target,
        pytest.raises(StoppedError),
    ):
        copy_study(opened, opened.studies()[0], target, Transform(), stop_at_2000)
    with closing(sqlite3.connect(source.path)) as connection, connection:
        connection.execute("UPDATE trial_values SET value = 777 WHERE trial_id = 1500")
        connection.execute("DELETE FROM trial_params WHERE trial_id = 2400")
    result = next(x for x in copy(source, postgres_url, "--all") if x["type"] == "copied")
    assert result["resumed"] == 1_000
    copied = load(postgres_url, "큰것").get_trials()
    assert copied[1499].values == [777.0]
    assert copied[2399].params == {}
    assert len(copied) == 2_500


def test_never_overwrites(postgres_url: StorageUrl, tmp_path: Path) -> None:
    """있는 이름은 거절하고 그대로 둔다. --as로 다른 이름을 주면 된다."""
    source = sqlite_url(tmp_path / "a.db")
    name = rich_study(source)
    copy(source, postgres_url, "--study", name)
    before = picture(load(postgres_url, name))
    refused = run(
        *("--from-env", "F", "--to-env", "T", "--study", name),
        env={"F": source.secret, "T": postgres_url.secret},
        expect=3,
    )
    assert "이미 있습니다" in refused.stderr
    assert "--as" in refused.stderr
    assert picture(load(postgres_url, name)) == before
    copy(source, postgres_url, "--study", name, "--as", "둘째")
    assert picture(load(postgres_url, "둘째")) == before
    load(source, name).set_user_attr("더", 1)
    load(source, name).add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    different = copy(source, postgres_url, "--all", expect=3)
    assert different[-1] == {"type": "result", "ok": False, "copied": 0, "same": 0, "failed": 1}


def test_a_read_only_folder_is_copied_from(tmp_path: Path) -> None:
    """읽기 전용 자리의 백업(WAL)에서도 옮긴다.

    root도 못 쓰게 권한을 넘는 힘(CAP_DAC_OVERRIDE)을 버리고 본다.
    """
    folder = tmp_path / "백업"
    folder.mkdir()
    source = big_study(folder / "a.db", 3)
    TrialStore.open(source, OPTIONS, "큰것", ["maximize"], {}, {}).close()  # WAL로 바꾼다
    folder.chmod(0o555)
    drop = ["--inh-caps=-dac_override", "--bounding-set=-dac_override"]
    command = [sys.executable, "-m", "optimize.storage", "copy", "--from", str(source.path)]
    try:
        done = subprocess.run(
            [
                *(["setpriv", *drop] if os.geteuid() == 0 else []),
                *(*command, "--to", str(tmp_path / "b.db"), "--all"),
            ],
            capture_output=True,
            text=True,
        )
    finally:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "시행 3개를 복사했습니다" in done.stdout


def test_dry_run_touches_nothing(
    postgres_embedded: PostgresServer,
    postgres_url: StorageUrl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = sqlite_url(tmp_path / "a.db")
    rich_study(source)
    missing = sqlite_url(tmp_path / "없는" / "b.db")
    plan = copy(source, missing, "--all", "--dry-run")[1]
    assert plan["states"] == {"COMPLETE": 4, "FAIL": 1, "RUNNING": 2}
    assert plan["exists"] is False
    assert not (tmp_path / "없는").exists()
    # 변수는 `.env`에 있어도 되고, 남이 지은 이름의 제어 글자는 터미널에 그대로 나가지 않는다.
    (tmp_path / ".env").write_text(f"COPY_TARGET={postgres_url.secret}\n")
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("UPDATE studies SET study_name = ?", ("\x1b[31m줄\n바꿈",))
    shown = run("--from", str(source.path), "--to-env", "COPY_TARGET", "--all", "--dry-run").stdout
    assert shown.startswith("\\x1b[31m줄\\x0a바꿈 → ")
    assert len(shown.splitlines()) == 1
    tables = postgres_embedded.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
        database=postgres_url.database or "",
    )
    assert tables == [(0,)]


def test_corrupting_target_is_found_and_left_empty(
    postgres_embedded: PostgresServer, postgres_url: StorageUrl, tmp_path: Path
) -> None:
    """대상이 값 하나를 바꿔 적으면(trigger) 지문이 달라 되돌려지고, 어느 시행인지 말한다."""
    from optimize.storage.engine import make_engine

    source = big_study(tmp_path / "a.db", 50)
    engine = make_engine(postgres_url, OPTIONS)
    ensure_schema(engine, postgres_url, OPTIONS)
    engine.dispose()
    postgres_embedded.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.trial_id = (SELECT min(trial_id) + 30 FROM trials) THEN "
        "NEW.value := NEW.value + 1e-9; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER spoil BEFORE INSERT ON trial_values FOR EACH ROW EXECUTE FUNCTION spoil()",
        database=postgres_url.database or "",
    )
    done = run(
        *("--from-env", "F", "--to-env", "T", "--all"),
        env={"F": source.secret, "T": postgres_url.secret},
        expect=3,
    )
    assert "30째 시행부터 지문이 다릅니다" in done.stderr
    assert study_names(postgres_url) == []


def test_two_copies_at_once_are_refused(
    postgres_url: StorageUrl, tmp_path: Path, any_target: StorageUrl
) -> None:
    from optimize.errors import StorageError

    source = big_study(tmp_path / "a.db", 10)
    errors: list[StorageError] = []

    def again(stage: str, done: int, total: int) -> None:
        if stage == "copy":
            with open_source(source, OPTIONS) as opened, Target(any_target, OPTIONS) as target:
                with pytest.raises(StorageError, match="다른 프로세스") as caught:
                    copy_study(opened, opened.studies()[0], target, Transform(), lambda *_: None)
                errors.append(caught.value)

    with open_source(source, OPTIONS) as opened, Target(any_target, OPTIONS) as target:
        copy_study(opened, opened.studies()[0], target, Transform(), again)
    assert len(errors) == 1


@pytest.fixture(params=["postgresql", "sqlite"])
def any_target(
    request: pytest.FixtureRequest, postgres_url: StorageUrl, tmp_path: Path
) -> StorageUrl:
    return postgres_url if request.param == "postgresql" else sqlite_url(tmp_path / "target.db")


def test_copied_study_goes_on_as_ours(any_target: StorageUrl, tmp_path: Path) -> None:
    """우리가 쓴 스터디는 옮긴 뒤에도 uid를 알아, 같은 시행을 다시 넣어도 한 번만 남고 번호가 이어진다."""
    distributions = {"x": optuna.distributions.FloatDistribution(0, 1)}

    def trial(index: int) -> FinishedTrial:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        return FinishedTrial(
            uid=uuid.UUID(int=index).hex,
            state="COMPLETE",
            params={"x": index / 100},
            values=(float(index),),
            started_at=now,
            finished_at=now,
            metrics={"sharpe": 1.5},
        )

    def opened(url: StorageUrl) -> TrialStore:
        return TrialStore.open(url, OPTIONS, "우리것", ["maximize"], distributions, {})

    source = sqlite_url(tmp_path / "ours.db")
    store = opened(source)
    store.append([trial(i) for i in range(20)])
    store.close()
    copy(source, any_target, "--all")
    store = opened(any_target)
    try:
        assert store.append([trial(i) for i in range(15, 25)]) == list(range(15, 25))
        assert store.counts().complete == 25
        assert store.load()[3].metrics == {"sharpe": 1.5}
    finally:
        store.close()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--from", "없는.db", "--to", "b.db", "--all"], 3, "원본 SQLite 파일이 없습니다"),
        (["--from", "a.db", "--to", "a.db", "--all"], 2, "원본과 대상이 같습니다"),
        (["--from-env", "NO_SUCH_VARIABLE", "--to", "b.db", "--all"], 2, "비어 있습니다"),
        (["--from", "a.db", "--to", "b.db", "--study", "없음"], 2, "있는 스터디: 큰것"),
        (["--from", "a.db", "--to", "b.db"], 2, "--study --all"),
        (["--from", "empty.db", "--to", "b.db", "--all"], 3, "Optuna의 스터디가 없습니다"),
        (["--from", "a.db", "--to", ".", "--all"], 3, "파일이 아니라 폴더입니다"),
        (["--from", "a.db", "--to-env", "sqlite://canary", "--all"], 2, "환경 변수의 이름"),
        (
            ["--from", "a.db", "--to", "b.db", "--all", "--source-timezone", "Seoul"],
            2,
            "모르는 시간대",
        ),
        (
            ["--from", "a.db", "--to", "postgresql://u:canary@127.0.0.1:1/x", "--all"],
            3,
            "닿지 못했습니다",
        ),
    ],
)
def test_mistakes_are_explained(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    big_study(tmp_path / "a.db", 3)
    sqlite3.connect(tmp_path / "empty.db").close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    done = run(*arguments, expect=code)
    assert message in done.stderr
    assert "해결" in done.stderr
    assert "canary" not in done.stderr
    assert "Traceback" not in done.stderr
