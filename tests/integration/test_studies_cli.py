"""`python -m optimize.studies`를 사람처럼 써 본다.

명령의 입구를 이 프로세스에서 부르고, 터미널에 묻는 일과 실행을 잇는 일은 진짜 프로세스로 본다.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from in_process import Done, call
from optuna.distributions import CategoricalDistribution, FloatDistribution

from optimize.settings.arguments import parse_run_arguments
from optimize.storage.options import StorageOptions
from optimize.storage.pointer import make_pointer, pointer_path, write_pointer
from optimize.storage.store import TrialStore
from optimize.storage.url import StorageUrl, sqlite_url
from optimize.studies.__main__ import main
from optimize.trial import FinishedTrial

Run = Callable[..., Done]
SPACE = {
    "x": FloatDistribution(0, 10),
    "kind": CategoricalDistribution(["SMA", 3]),
}


def fill(url: StorageUrl, name: str, count: int = 5) -> None:
    store = TrialStore.open(url, StorageOptions(), name, ["maximize"], SPACE, {"symbol": "DEMO:A"})
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    store.append(
        [
            FinishedTrial(
                uid=f"{name}-{k}",
                state="COMPLETE" if k else "FAIL",
                params={"x": float(k), "kind": "SMA" if k % 2 else 3},
                values=(float(k),) if k else (),
                started_at=moment + timedelta(seconds=k),
                finished_at=moment + timedelta(seconds=k, milliseconds=250),
                metrics={"sharpe": k / 10},
                constraints=(1.0,) if k == count - 1 else (-1.0,),
                error="" if k else "값이 유한하지 않음",
            )
            for k in range(count)
        ]
    )
    store.close()


@pytest.fixture
def home(wizard_home: Path) -> Path:
    """기본 PostgreSQL을 보지 않게 한다: 이 컴퓨터에 켜진 서버가 끼어들지 않는다."""
    (wizard_home / ".env").write_text("OPTUNA_STORAGE=\n")
    return wizard_home


@pytest.fixture
def run(home: Path) -> Run:
    def invoke(*arguments: str, env: dict[str, str] | None = None) -> Done:
        return call(main, *arguments, env=env)

    return invoke


def test_list_over_files_pointers_and_the_configured_server(
    home: Path, run: Run, postgres_url: StorageUrl
) -> None:
    """파일, 기록이 가리키는 서버, 설정된 서버의 스터디가 한 번씩 보인다. 비밀번호는 없다."""
    fill(sqlite_url(home / "studies" / "a" / "a.db"), "파일 스터디")
    fill(sqlite_url(home / "studies" / "root.db"), "root")
    fill(postgres_url, "서버 스터디", 3)
    pointer = make_pointer(postgres_url, StorageOptions(), "서버 스터디", "cli_env", "MINE")
    write_pointer(pointer_path("a"), pointer)
    listed = run("list", "--json", env={"MINE": postgres_url.secret})
    assert listed.returncode == 0, listed.stderr
    assert listed.stderr == ""
    found = {item["name"]: item for item in json.loads(listed.stdout)}
    assert set(found) == {"파일 스터디", "root", "서버 스터디"}
    assert found["파일 스터디"] | {"storage": ""} == {
        "name": "파일 스터디",
        "storage": "",
        "backend": "sqlite",
        "directions": ["maximize"],
        "state": "idle",
        "total": 5,
        "n_complete": 4,
        "n_pruned": 0,
        "n_failed": 1,
        "n_running": 0,
        "best_value": 3.0,
        "best_number": 3,
        "last_activity": "2024-05-01T00:00:04.250000+00:00",
        "attrs": {"symbol": "DEMO:A"},
    }
    assert found["서버 스터디"]["storage"] == postgres_url.masked
    assert postgres_url.password
    assert postgres_url.password not in listed.stdout + listed.stderr
    # 비밀번호를 찾을 수 없는 기록은 알리고 나머지를 보인다.
    partial = run("list", "--json")
    assert partial.returncode == 0
    assert len(json.loads(partial.stdout)) == 2
    assert "비밀번호" in partial.stderr
    configured = run("list", env={"OPTUNA_STORAGE": postgres_url.secret})
    assert "서버 스터디" in configured.stdout


def test_list_when_there_is_nothing(run: Run) -> None:
    empty = run("list")
    assert (empty.returncode, empty.stderr) == (0, "")
    assert "스터디가 없습니다" in empty.stdout
    assert json.loads(run("list", "--json").stdout) == []


def test_show(home: Path, run: Run) -> None:
    fill(sqlite_url(home / "studies" / "a" / "a.db"), "보기")
    text = run("show", "보기").stdout
    for word in ("최대화", "완료 4", "실패 1", "시행 3", "kind: SMA", "sharpe: 0.3"):
        assert word in text
    body = json.loads(run("show", "보기", "--json", "--top", "2").stdout)
    assert [trial["number"] for trial in body["top"]] == [3, 2]
    assert body["top"][0]["params"] == {"x": 3.0, "kind": "SMA"}
    missing = run("show", "보가")
    assert missing.returncode == 2
    assert "보기" in missing.stderr
    assert missing.stdout == ""


def test_export_in_three_formats(home: Path, run: Run) -> None:
    fill(sqlite_url(home / "studies" / "a" / "a.db"), "내보냄")
    printed = run("export", "내보냄")
    rows = list(csv.DictReader(io.StringIO(printed.stdout)))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert (rows[0]["state"], rows[0]["score"], rows[0]["error"]) == (
        "FAIL",
        "",
        "값이 유한하지 않음",
    )
    assert (rows[2]["param.x"], rows[2]["param.kind"], rows[2]["sharpe"]) == ("2.0", "3", "0.2")
    assert rows[4]["feasible"] == "no"
    assert rows[1]["duration_ms"] == "250.0"
    target = home / "out.parquet"
    assert run("export", "내보냄", "-o", str(target)).returncode == 0
    table = pq.read_table(target)
    assert table.column("score").to_pylist() == [None, 1.0, 2.0, 3.0, 4.0]
    assert table.column("param.kind").to_pylist() == ["3", "SMA", "3", "SMA", "3"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert run("export", "내보냄", "-o", str(target)).returncode == 2
    assert run("export", "내보냄", "-o", str(target), "--force").returncode == 0
    body = json.loads(run("export", "내보냄", "--format", "json").stdout)
    assert body[3]["params"]["kind"] == "SMA"
    assert run("export", "내보냄", "--format", "parquet").returncode == 2
    assert run("export", "내보냄", "-o", str(home / "out.xlsx")).returncode == 2


def test_rename_then_delete_by_flag(home: Path, run: Run) -> None:
    fill(sqlite_url(home / "studies" / "a" / "a.db"), "옛 이름")
    assert run("rename", "옛 이름", "새 이름").returncode == 0
    refused = run("delete", "새 이름")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert run("delete", "새 이름", "--yes").returncode == 0
    assert json.loads(run("list", "--json").stdout) == []


def test_renamed_study_is_found_resumed_and_listed(home: Path, run: Run) -> None:
    """기본 자리의 SQLite: 이름을 바꾸면 파일·기록·결과·계획이 함께 가고, 새 이름으로 이어 돌아간다."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "BACKTEST_WIZARD_HOME": str(home)},
        )

    def optimise(*more: str) -> subprocess.CompletedProcess[str]:
        return command(
            *("optimize.run", "--symbol", "DEMO:BTCUSDT", "--timeframe-grid", "1h"),
            *("--start", "2024-01-01", "--end", "2024-02-01", "--strategy", "ma_cross"),
            *("--n-jobs", "1", "--sampler", "random", *more),
        )

    first = optimise("--n-trials", "3")
    assert first.returncode == 0, first.stderr
    folder = home / "studies" / "demo_btcusdt_1h"
    renamed = run("rename", "demo_btcusdt_1h", "지킬 것")
    assert renamed.returncode == 0, renamed.stderr
    assert not list(folder.glob("demo_btcusdt_1h.db*"))
    assert (folder / "지킬 것.db").is_file()
    assert (folder / "지킬 것" / "trials.csv").is_file()
    assert not (folder / "trials.csv").exists()
    pointer = json.loads((folder / "storage.json").read_text())
    assert (pointer["study_name"], pointer["sqlite_path"]) == (
        "지킬 것",
        "studies/demo_btcusdt_1h/지킬 것.db",
    )
    (plan,) = folder.glob("runs/*/plan.json")
    (cell,) = json.loads(plan.read_text())["cells"]
    assert cell["study"] == "지킬 것"
    assert cell["storage"].endswith(".db")
    resumed = optimise("--n-trials", "5", "--study-name", "지킬 것")
    assert resumed.returncode == 0, resumed.stderr
    listed = json.loads(run("list", "--json").stdout)
    assert [(item["name"], item["total"]) for item in listed] == [("지킬 것", 5)]
    assert run("show", "지킬 것").returncode == 0
    exported = run("export", "지킬 것")
    assert len(exported.stdout.splitlines()) == 6
    # 다른 프로그램이 파일을 열고 있으면 아무것도 바꾸지 않는다(SQLite의 잠금은 프로세스의 것이다).
    with closing(sqlite3.connect(folder / "지킬 것.db")) as other:
        other.execute("SELECT count(*) FROM studies").fetchall()
        refused = command("optimize.studies", "rename", "지킬 것", "다른 것")
    assert refused.returncode == 3
    assert "열고 있습니다" in refused.stderr
    listed = json.loads(run("list", "--json").stdout)
    assert [item["name"] for item in listed] == ["지킬 것"]


@pytest.mark.parametrize("name", ["-x", "it's", "두 낱말"])
def test_the_command_to_resume_can_be_pasted(home: Path, run: Run, name: str) -> None:
    fill(sqlite_url(home / "studies" / "a" / "a.db"), "앞")
    done = run("rename", "--", "앞", name)
    assert done.returncode == 0, done.stderr
    (given,) = shlex.split(done.stderr.split("이어 돌리기: ")[1].strip())
    assert dict(parse_run_arguments([given]).overrides)[("search", "study_name")] == name


def test_rename_on_a_server_follows_the_pointer(
    home: Path, run: Run, postgres_url: StorageUrl
) -> None:
    fill(postgres_url, "서버 것", 2)
    path = pointer_path("a")
    write_pointer(path, make_pointer(postgres_url, StorageOptions(), "서버 것", "cli_env", "MINE"))
    other = pointer_path("b")
    write_pointer(other, make_pointer(postgres_url, StorageOptions(), "남의 것", "cli_env", "MINE"))
    env = {"MINE": postgres_url.secret}
    assert run("rename", "서버 것", "새것", env=env).returncode == 0
    assert json.loads(path.read_text())["study_name"] == "새것"
    assert json.loads(other.read_text())["study_name"] == "남의 것"
    assert run("show", "새것", env=env).returncode == 0


def test_다시_실행할_수_없는_이름으로는_바꾸지_않는다(home: Path, run: Run) -> None:
    fill(sqlite_url(home / "studies" / "a" / "a.db"), "원래")
    for name in ("../x", ".숨김", " 앞빈칸", "가" * 70):
        refused = run("rename", "원래", name)
        assert refused.returncode == 2
        assert "스터디 이름은" in refused.stderr
    assert run("show", "원래", "--top", "-1").returncode == 2
    assert run("show", "원래").returncode == 0


@pytest.mark.parametrize(("typed", "code"), [("아니오\n", 2), ("지울 것\n", 0)])
def test_delete_asks_for_the_name_on_a_terminal(home: Path, typed: str, code: int) -> None:
    fill(sqlite_url(home / "studies" / "a" / "a.db"), "지울 것")
    terminal, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "optimize.studies", "delete", "지울 것"],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "BACKTEST_WIZARD_HOME": str(home)},
    )
    os.close(slave)
    os.write(terminal, typed.encode())
    _, errors = process.communicate(timeout=60)
    os.close(terminal)
    assert process.returncode == code, errors.decode()
    assert "되돌릴 수 없습니다" in errors.decode()


def test_same_name_in_two_storages_needs_a_choice(home: Path, run: Run) -> None:
    fill(sqlite_url(home / "studies" / "a" / "a.db"), "같은 이름", 3)
    fill(sqlite_url(home / "studies" / "b" / "b.db"), "같은 이름", 4)
    unclear = run("show", "같은 이름")
    assert unclear.returncode == 2
    assert "a.db" in unclear.stderr
    chosen = run("show", "같은 이름", "--storage", "b/b.db", "--json")
    assert json.loads(chosen.stdout)["total"] == 4
    (home / "studies" / "c").mkdir()
    (home / "studies" / "c" / "깨진.db").write_bytes(b"x" * 5000)
    wrong = run("show", "같은 이름", "--storage", "없는.db")
    assert wrong.returncode == 2
    assert "b/b.db" in wrong.stderr
    assert "깨진.db" not in wrong.stderr
    unread = run("show", "같은 이름", "--storage", "깨진.db")
    assert (unread.returncode, unread.stderr.count("깨진.db")) == (3, 1)
    listed = run("list")
    assert (listed.returncode, listed.stderr.count("깨진.db")) == (0, 1)


def test_clean_marks_dead_running_trials(home: Path, run: Run) -> None:
    import optuna

    url = sqlite_url(home / "studies" / "a" / "a.db")
    fill(url, "정리")
    storage = optuna.storages.RDBStorage(url.secret)
    optuna.load_study(study_name="정리", storage=storage).ask()
    storage.remove_session()
    storage.engine.dispose()
    assert "RUNNING 0개" in run("clean").stderr
    assert "RUNNING 1개" in run("clean", "정리", "--older-than", "0").stderr
    assert "정리할 시행이 없습니다" in run("clean").stderr
    for wrong in ("어제", "99999999999d"):
        assert run("clean", "정리", "--older-than", wrong).returncode == 2


def test_unreachable_chosen_storage_is_exit_3_without_the_password(run: Run) -> None:
    url = "postgresql://u:canary-pw@127.0.0.1:1/d"
    for arguments, env in (
        (("--storage-url", url), {}),
        (("--storage-url-env", "MINE"), {"MINE": url}),
    ):
        failed = run("list", *arguments, env=env)
        assert failed.returncode == 3
        assert failed.stdout == ""
        assert "canary-pw" not in failed.stderr
        assert "원인:" in failed.stderr
    assert run("list", "--storage-url-env", "NOPE").returncode == 2
    assert run("list", "--storage-url", "mysql://x").returncode == 2
    for path, said in (("/", "폴더입니다"), ("/없는.db", "그런 파일이 없습니다")):
        failed = run("list", "--storage-url", f"sqlite:///{path}")
        assert (failed.returncode, said in failed.stderr) == (3, True)
    assert run("없는명령").returncode == 2


def test_broken_pointer_is_told_and_the_rest_is_listed(home: Path, run: Run) -> None:
    fill(sqlite_url(home / "studies" / "a" / "a.db"), "멀쩡")
    (home / "studies" / "a" / "storage.json").write_text("{")
    listed = run("list")
    assert listed.returncode == 0
    assert "멀쩡" in listed.stdout
    assert "storage.json" in listed.stderr


def test_listing_imports_neither_optuna_nor_numpy(home: Path) -> None:
    """목록은 빨리 떠야 한다: 무거운 모듈을 import하지 않는다."""
    code = (
        "import sys\nfrom optimize.studies.__main__ import main\nmain(['list'])\n"
        "print([m for m in ('optuna', 'numpy', 'numba', 'pyarrow') if m in sys.modules],"
        " file=sys.stderr)"
    )
    env = {**os.environ, "BACKTEST_WIZARD_HOME": str(home)}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert done.stderr.strip() == "[]"
    assert time.monotonic() - began < 10
