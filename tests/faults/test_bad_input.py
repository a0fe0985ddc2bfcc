"""무엇을 주어도 exit code는 0·2·3·4이고 한국어 까닭이 있으며 traceback과 비밀번호는 보이지 않는다.

명령의 입구(`main`)를 이 프로세스에서 부른다. 예상하지 못한 예외는 exit code 5와 crash 기록이 되므로
여기서 실패로 드러난다. 파일 하나하나의 읽개는 각자의 property 시험이 더 깊이 본다.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import in_process
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimize.data.__main__ import main as data_main
from optimize.run import main as run_main
from optimize.runner.journal import unstored_trials
from optimize.storage.__main__ import main as storage_main
from optimize.studies.__main__ import main as studies_main
from optimize.trial import FinishedTrial

SECRET = "canary-pw-77"
FUZZ = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
VALUES = st.one_of(
    st.text(max_size=30).filter(lambda text: "\0" not in text),
    st.sampled_from(
        ["", "-1", "0", "1e999", "nan", "１２", "1m@15m,", "1M", "@", "BINANCE:", ":", "한글", "../..",
         "DEMO:BTCUSDT.P", "2024-13-45", "\x1b[31m", "a" * 300, "{}", "[1", "null", "1:30"]
    ),
)  # fmt: skip
OPTIONS = st.sampled_from(
    [
        "--symbol", "--timeframe-grid", "--start", "--end", "--data", "--strategy", "--n-trials",
        "--timeout", "--n-jobs", "--dataset-jobs", "--executor", "--dask-scheduler", "--sampler",
        "--seed", "--pruner", "--study-name", "--storage-url", "--storage-url-env", "--set",
        "--config", "--run-id", "--모르는것",
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    [
        "symbol", "timeframe_grid", "data.start", "data.file", "strategy.space", "strategy.name",
        "backtest.leverage", "objective.goals", "objective.constraints.limits", "search.n_jobs",
        "search.study_name", "search.storage_pool_size", "validation.method", "search", "a.b.c",
    ]
)  # fmt: skip


@pytest.fixture(autouse=True)
def quiet_home(wizard_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """빈 프로젝트."""
    monkeypatch.chdir(wizard_home)
    return wizard_home


def call(main: Callable[[list[str]], int], *argv: str) -> tuple[int, str]:
    """(exit code, 출력 모두)."""
    done = in_process.call(main, *argv)
    return done.returncode, done.stdout + done.stderr


def assert_clear(code: int, text: str, *allowed: int) -> None:
    assert code in (0, *allowed), text
    assert "Traceback" not in text
    assert SECRET not in text
    assert "\x1b" not in text
    if code:
        assert "오류: " in text
        assert any("가" <= letter <= "힣" for letter in text)


@FUZZ
@given(st.lists(st.tuples(OPTIONS, VALUES), max_size=3))
def test_any_arguments_of_run(pairs: list[tuple[str, str]]) -> None:
    assert_clear(*call(run_main, "--plan", *(part for pair in pairs for part in pair)), 2, 3, 4)


@FUZZ
@given(KEYS, VALUES)
def test_any_set_value(key: str, value: str) -> None:
    assert_clear(*call(run_main, "--plan", "--set", f"{key}={value}"), 2, 3, 4)


@FUZZ
@given(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)))
def test_any_yaml_file(content: bytes) -> None:
    Path("p.yaml").write_bytes(content)
    assert_clear(*call(run_main, "--plan", "--config", "p.yaml"), 2, 3, 4)


@FUZZ
@given(
    st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)),
    st.sampled_from([b"", b"OPTUNA_STORAGE=", b"OPTUNA_STORAGE=postgresql://u:canary-pw-77@"]),
)
def test_any_dotenv_file(quiet_home: Path, content: bytes, head: bytes) -> None:
    (quiet_home / ".env").write_bytes(head + content)
    assert_clear(*call(run_main, "--plan"), 2, 3)


@FUZZ
@given(
    st.sampled_from(
        ["postgresql://", "postgresql://u:canary-pw-77@", "sqlite:///", "mysql://", "sqlite://", ""]
    ),
    st.text(max_size=30).filter(lambda text: "\0" not in text),
)
def test_any_storage_url(head: str, rest: str) -> None:
    """이어 보지 않고 읽기만 한다."""
    assert_clear(*call(run_main, "--plan", "--storage-url", head + rest), 2, 3)


@FUZZ
@given(
    st.binary(max_size=200),
    st.sampled_from(["a.csv", "a.csv.gz", "a.parquet", "a.arrow", "a.feather", "a.zip", "a.txt"]),
)
def test_any_candle_file(content: bytes, name: str) -> None:
    Path(name).write_bytes(content)
    code, text = call(data_main, "import", name, "--symbol", "BINANCE:BTCUSDT")
    assert code != 0
    assert_clear(code, text, 2, 4)


@FUZZ
@given(st.lists(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode))))
def test_any_event_file(quiet_home: Path, lines: list[bytes]) -> None:
    """남이 쓴 기록, 깨진 기록: 성한 시행만 되살린다."""
    trial = json.dumps({"v": 1, "ts": "", "type": "trial", "study": "s", "number": "x"}).encode()
    (quiet_home / "events.ndjson").write_bytes(b"\n".join([*lines, trial]))
    assert all(isinstance(found, FinishedTrial) for found in unstored_trials(quiet_home, "s"))


@pytest.mark.parametrize(
    "content", [b"not a database", b"SQLite format 3\0" + b"\xff" * 200], ids=["text", "header"]
)
def test_a_corrupt_sqlite_file_is_a_storage_error_and_is_left_alone(
    quiet_home: Path, content: bytes
) -> None:
    path = quiet_home / "bad.db"
    path.write_bytes(content)
    code, text = call(storage_main, "check", "--storage-url", f"sqlite:///{path}")
    assert code == 3
    assert "저장소를 쓸 수 없습니다" in text
    code, text = call(
        run_main,
        *("--symbol", "DEMO:BTCUSDT", "--timeframe-grid", "15m", "--n-trials", "1"),
        *("--set", "data.demo_days=10", "--storage-url", f"sqlite:///{path}"),
    )
    assert_clear(code, text, 3)
    assert code == 3
    assert path.read_bytes() == content


def test_a_study_named_by_another_tool_cannot_steer_the_terminal(quiet_home: Path) -> None:
    """다른 도구가 지은 이름 속의 escape와 방향 뒤집기는 보이는 글이 된다."""
    import optuna

    folder = quiet_home / "studies"
    folder.mkdir(exist_ok=True)
    name = "evil\x1b]52;c;aGk=\x07\x1b[2J\u202eabc"
    study = optuna.create_study(study_name=name, storage=f"sqlite:///{folder / 'evil.db'}")
    study.tell(study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}), 1.0)
    for argv in (["list"], ["list", "--json"], ["show", name], ["export", name]):
        code, text = call(studies_main, *argv)
        assert "\x1b" not in text, argv
        assert "\u202e" not in text or argv[1:] == ["--json"], argv
        assert code in (0, 2, 3), text


@pytest.mark.parametrize("trick", ["../outside", "a/b", "/etc/x", "..", ".hidden", "a\0b"])
def test_a_study_name_cannot_leave_the_studies_folder(quiet_home: Path, trick: str) -> None:
    before = set(os.listdir(quiet_home.parent))
    code, text = call(
        run_main,
        *("--symbol", "DEMO:BTCUSDT", "--timeframe-grid", "15m", "--study-name", trick),
        *("--n-trials", "1", "--set", "data.demo_days=10", "--storage-url", "sqlite:///x.db"),
    )
    assert code == 2, text
    assert set(os.listdir(quiet_home.parent)) == before
    assert not list(quiet_home.glob("studies/**/*.db"))


@pytest.mark.parametrize("trick", ["demo_btcusdt_15m", "demo_btcusdt_15m/runs"])
def test_a_link_inside_studies_is_not_followed_out(quiet_home: Path, trick: str) -> None:
    """slug의 폴더나 그 안의 폴더가 밖을 가리키면 거기에 적지 않는다."""
    outside = quiet_home.parent / "outside"
    outside.mkdir()
    link = quiet_home / "studies" / trick
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    code, text = call(
        run_main,
        *("--symbol", "DEMO:BTCUSDT", "--timeframe-grid", "15m", "--n-trials", "1"),
        *("--set", "data.demo_days=10", "--storage-url", "sqlite:///x.db"),
    )
    assert code == 5, text
    assert "링크" in text
    assert list(outside.iterdir()) == []


def test_a_linked_study_file_or_journal_is_not_followed_out(quiet_home: Path) -> None:
    """스터디 파일, 사건 기록, 지난 실행의 폴더가 밖을 가리키는 링크면 거기에 적지 않는다."""
    outside = quiet_home.parent / "outside"
    outside.mkdir()
    slug = quiet_home / "studies" / "demo_btcusdt_15m"
    runs = slug / "runs"
    (runs / "mine").mkdir(parents=True)
    (slug / "demo_btcusdt_15m.db").symlink_to(outside / "stolen.db")
    (runs / "mine" / "events.ndjson").symlink_to(outside / "stolen.ndjson")
    (runs / "old").symlink_to(outside)
    once = (
        *("--symbol", "DEMO:BTCUSDT", "--timeframe-grid", "15m", "--n-trials", "1"),
        *("--set", "data.demo_days=10", "--n-jobs", "1"),
    )
    inside = f"sqlite:///{slug / 'demo_btcusdt_15m.db'}"
    code, text = call(run_main, *once, "--storage-url", inside)
    assert code == 3, text
    assert "링크" in text
    assert "sqlite:////" in text
    code, text = call(run_main, *once, "--storage-url", "sqlite:///x.db", "--run-id", "mine")
    assert code == 5, text
    assert "링크" in text
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("trick", ["secret", "pipe", "device", "folder", "loop", "dot"])
def test_a_candle_file_that_is_a_trick_is_refused(quiet_home: Path, trick: str) -> None:
    """다른 종류의 파일을 가리키는 링크의 글을 보이지 않고, pipe와 장치를 기다리지 않는다."""
    path = quiet_home / "a.csv"
    match trick:
        case "secret":
            (quiet_home / "secret").write_text(f"root,{SECRET},1,2,3,4\n", encoding="utf-8")
            path.symlink_to(quiet_home / "secret")
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case "dot":
            path = Path()
    code, text = call(data_main, "import", str(path), "--symbol", "BINANCE:BTCUSDT")
    assert_clear(code, text, 4)
    assert code == 4
