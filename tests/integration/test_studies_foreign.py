"""다른 도구가 쓴 스터디와 파일을 `python -m optimize.studies`로 본다: 이상한 이름·수·글, 옛 판, 남의 잠금."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pyarrow.parquet as pq
import pytest
from copy_kit import FILES
from in_process import Done, call

from optimize.studies.__main__ import main


@pytest.fixture
def home(wizard_home: Path) -> Path:
    (wizard_home / ".env").write_text("OPTUNA_STORAGE=\n")
    (wizard_home / "studies" / "a").mkdir(parents=True)
    return wizard_home


def run(*arguments: str) -> Done:
    return call(main, *arguments)


def foreign(home: Path, name: str, choices: list[Any], file: str = "a.db") -> optuna.Study:
    """선택지마다 세 시행."""
    url = f"sqlite:///{home / 'studies' / 'a' / file}"
    study = optuna.create_study(storage=url, study_name=name, direction="maximize")
    space = {"종\x1b]0;제목\x07류": optuna.distributions.CategoricalDistribution(choices)}
    for k in range(3 * len(choices)):
        (param,) = space
        params = {param: choices[k % len(choices)]}
        study.add_trial(
            optuna.trial.create_trial(value=float(k), params=params, distributions=space)
        )
    return study


def test_foreign_studies_are_shown_safely_and_as_strict_json(home: Path) -> None:
    """이름과 선택지가 터미널을 다스리지 못하고, 무한대와 NaN이 든 것도 JSON으로 읽힌다."""
    name = "붉은\x1b[31m"
    study = foreign(home, name, ["\x1b[2J가", math.inf])
    study.set_user_attr("한계", {"위": math.inf, "아래": [-math.inf, math.nan]})
    study.ask()
    for arguments in (
        ["list"],
        *([command, name] for command in ("show", "importance", "verdict")),
        ["clean", "--older-than", "0"],
    ):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr, arguments
    assert "붉은\\x1b[31m" in run("show", name).stdout

    def strict(*arguments: str) -> Any:
        return json.loads(run(*arguments).stdout, parse_constant=pytest.fail)

    (listed,) = strict("list", "--json")
    assert listed["attrs"]["한계"] == {"위": "inf", "아래": ["-inf", "nan"]}
    assert strict("list", "--lines")["attrs"] == listed["attrs"]
    assert "inf" in strict("show", name, "--json")["top"][0]["params"].values()
    assert "inf" in strict("export", name, "--format", "json")[1]["params"].values()
    removed = run("delete", "--yes", name)
    assert (removed.returncode, "\x1b" in removed.stderr) == (0, False)


@pytest.mark.parametrize("version", ["2.10.1", "3.1.1", "4.2.1"])
def test_files_of_older_optuna(home: Path, version: str) -> None:
    """Optuna 3과 4의 파일은 올리지 않고도 보고, 2의 것은 길을 말한다. 파일은 바뀌지 않는다."""
    path = home / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FILES / f"optuna-{version}-kst.sql").read_text())
    before = path.read_bytes()
    where = ("--storage-url", f"sqlite:///{path}")
    for command in ("list", "show", "export", "importance", "verdict"):
        names = () if command == "list" else ("옛 스터디",)
        done = run(command, *names, *where)
        if version == "2.10.1":
            assert done.returncode == 3
            assert "copy --from" in done.stderr
            assert "upgrade_schema" in done.stderr
        else:
            assert done.returncode == 0, done.stderr
    assert path.read_bytes() == before


def test_text_that_is_not_utf8_is_shown_and_exported(home: Path) -> None:
    """깨진 파일 이름(짝 없는 surrogate)을 attribute나 선택지로 적은 스터디가 있어도 목록과 내보내기가 된다."""
    broken = os.fsdecode(b"\xc6\xc4\xc0\xcf.csv")
    foreign(home, "깨진 글", [broken]).set_user_attr("파일", broken)
    for _ in range(2):  # 둘째는 기억에서 읽는다
        (listed,) = json.loads(run("list", "--json").stdout)
        assert listed["attrs"] == {"파일": broken}
    escaped = broken.encode(errors="backslashreplace").decode()
    assert "\\xdcc6" in run("show", "깨진 글").stdout
    for kind in ("csv", "parquet", "json"):
        target = home / f"out.{kind}"
        assert run("export", "깨진 글", "-o", str(target)).returncode == 0, kind
    assert escaped in (home / "out.csv").read_text()
    columns = pq.read_table(home / "out.parquet").to_pydict()
    assert [escaped] * 3 in columns.values()
    assert broken in json.loads((home / "out.json").read_text())[0]["params"].values()


def test_a_locked_file_does_not_hold_the_list(home: Path) -> None:
    """남이 오래 잠근 파일은 3초만 기다리고 알린다(쓸 때의 60초가 아니라). 나머지는 보인다."""
    foreign(home, "보임", [1])
    foreign(home, "잠김", [1], "b.db")
    with closing(sqlite3.connect(home / "studies" / "a" / "b.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        listed = run("list")
        took = time.monotonic() - began
    assert listed.returncode == 0
    assert "보임" in listed.stdout
    assert "b.db" in listed.stderr
    assert "잠그고 있습니다" in listed.stderr
    assert took < 20


def test_ctrl_c_while_a_server_is_silent_ends_at_once(tmp_path: Path) -> None:
    """답하지 않는 서버를 기다리는 목록도 Ctrl-C에 바로 끝난다."""
    (tmp_path / "params.yaml").write_text("search: {storage_connect_timeout: 500}\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/d"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "optimize.studies", "list"),
                *("--config", str(tmp_path / "params.yaml"), "--storage-url", url),
            ],
            env={**os.environ, "BACKTEST_WIZARD_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        peer, _ = silent.accept()
        with peer:
            assert peer.recv(8)  # 연결해서 답을 기다린다
            process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=60)
    assert (process.returncode, out, said) == (130, "", "멈췄습니다.\n")
