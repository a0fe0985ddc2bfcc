"""비밀번호는 어디에도 남지 않는다: 진짜 서버로 실행·점검·복사·실패를 모두 지나며 온갖 곳을 뒤진다.

뒤지는 곳: `studies/` 아래의 모든 파일, stdout과 stderr, 도는 동안의 모든 프로세스의 명령줄,
모든 자식의 환경 변수, 점검의 출력(글과 JSON). coordinator의 환경은 사용자가 준 그대로라 뒤지지 않는다.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from in_process import Done, call
from postgres import PostgresServer
from run_cases import RunCase, assert_exact, children, load, workers

from optimize.run import main as run_main
from optimize.storage.__main__ import main as storage_main
from optimize.storage.url import StorageUrl

# 어느 꼴로 적히든 이 세 조각 가운데 하나는 그대로 남는다.
PASSWORD = "Canary7f3e p@ss/w:%{0}#카나리아kzq9"
PIECES = ("Canary7f3e", "kzq9", "카나리아", quote("카나리아"), quote("p@ss/w", safe=""))


@dataclass(frozen=True)
class Given:
    """사용자가 저장소를 알려 주는 한 방법."""

    environ: dict[str, str]
    arguments: tuple[str, ...] = ()


def ways(url: StorageUrl) -> dict[str, Given]:
    place = f"127.0.0.1:{url.port}/{url.database}"
    encoded = quote(PASSWORD, safe="")
    full = f"postgresql://canary:{encoded}@{place}"
    return {
        "raw_url": Given({"OPTUNA_STORAGE": f"postgresql://canary:{PASSWORD}@{place}"}),
        "query": Given({"OPTUNA_STORAGE": f"postgresql://canary@{place}?password={encoded}"}),
        "pgpassword": Given(
            {"OPTUNA_STORAGE": f"postgresql://canary@{place}", "PGPASSWORD": PASSWORD}
        ),
        "argument": Given({}, ("--storage-url", full)),
    }


@pytest.fixture
def case(tmp_path: Path, wizard_home: Path) -> Iterator[RunCase]:
    made = RunCase(tmp_path, wizard_home)
    yield made
    made.close()


@pytest.fixture
def canary_url(postgres_embedded: PostgresServer, postgres_url: StorageUrl) -> Iterator[StorageUrl]:
    """카나리아 사용자가 주인인 빈 데이터베이스(URL의 사용자는 관리자다)."""
    doubled = PASSWORD.replace("'", "''")
    postgres_embedded.execute(
        f"CREATE ROLE canary LOGIN PASSWORD '{doubled}'",
        f"ALTER DATABASE {postgres_url.database} OWNER TO canary",
    )
    yield postgres_url
    postgres_embedded.drop_database(postgres_url)
    postgres_embedded.execute("DROP ROLE canary")


def assert_clean(where: str, text: str) -> None:
    for piece in PIECES:
        assert piece not in text, f"{where}: …{text[max(0, text.index(piece) - 200) :][:400]}…"


def assert_processes_are_clean(process: subprocess.Popen[str], *, own_argv: bool) -> None:
    """명령줄과 작업자의 환경. own_argv: 사용자가 인자로 준 것이라 제 명령줄은 보지 않는다."""
    flock = children(process.pid)
    assert workers(process.pid)
    for member in [*flock, *([] if own_argv else [psutil.Process(process.pid)])]:
        assert_clean(f"{member.pid}의 명령줄", " ".join(member.cmdline()))
    # 작업자만이 아니라 자식 모두(원형, semaphore를 치우는 것).
    for member in flock:
        assert_clean(f"자식 {member.pid}의 환경({member.cmdline()})", str(member.environ()))


def assert_files_are_clean(home: Path) -> None:
    files = [path for path in home.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"storage.json", "events.ndjson", "run.log", "plan.json"} <= names
    for path in files:
        assert_clean(str(path), path.read_bytes().decode("utf-8", "replace"))


def tool(main: Callable[[list[str]], int], *arguments: str) -> Done:
    done = call(main, *arguments)
    assert_clean(" ".join(arguments), done.stdout + done.stderr)
    return done


@pytest.mark.parametrize("way", ["raw_url", "query", "pgpassword", "argument"])
def test_a_password_is_written_nowhere(
    case: RunCase, canary_url: StorageUrl, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """실행 한 번(계획, 탐색, 결과)과 점검."""
    given = ways(canary_url)[way]
    for name, value in given.environ.items():
        monkeypatch.setenv(name, value)
    case.strategy(seconds=0.02)
    process = case.start(*given.arguments, n=30)
    case.wait_for_trials(5)
    assert_processes_are_clean(process, own_argv=bool(given.arguments))
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert_clean("stdout", stdout)
    assert_clean("stderr", stderr)
    assert_exact(load(canary_url), 30)

    plan = tool(run_main, "--symbol", "DEMO:BTCUSDT", "--plan", *given.arguments)
    assert plan.returncode == 0
    for extra in ((), ("--json",)):
        checked = tool(storage_main, "check", *extra, *given.arguments)
        assert checked.returncode == 0, checked.stdout
        assert "canary" in checked.stdout
    assert_files_are_clean(case.home)


def test_a_password_is_not_in_any_failure(
    case: RunCase, canary_url: StorageUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """없는 데이터베이스, 닫힌 포트, 없는 호스트, 틀린 사용자, 못 쓰는 URL, 복사의 실패."""
    good = ways(canary_url)["raw_url"].environ["OPTUNA_STORAGE"]
    encoded = quote(PASSWORD, safe="")
    address = f"127.0.0.1:{canary_url.port}"
    assert case.run("--storage-url", case.sqlite_url, n=3).returncode == 0
    broken = {
        f"postgresql://canary:{encoded}@{address}/nowhere": 3,
        f"postgresql://nobody:{PASSWORD}@{address}/{canary_url.database}": 3,
        f"postgresql://canary:{PASSWORD}@127.0.0.1:9/optuna": 3,
        f"postgresql://canary@127.0.0.1:9/optuna?password={encoded}": 3,
        f"postgresql://canary:{encoded}@no-such-host.invalid/optuna": 3,
        f"postgresql://canary:{encoded}@{address}/{canary_url.database}?sslmode=require": 3,
        f"mysql://canary:{PASSWORD}@{address}/x": 2,
        f"postgresql://canary:{PASSWORD}@127.0.0.1:port/x": 2,
    }
    for url, code in broken.items():
        monkeypatch.setenv("OPTUNA_STORAGE", url)
        failed = tool(storage_main, "check", "--json", "--connect-timeout", "3")
        assert failed.returncode == code, (failed.stdout, failed.stderr)
    for url in list(broken)[:2]:
        monkeypatch.setenv("OPTUNA_STORAGE", url)
        refused = case.run(n=3)
        assert refused.returncode == 3
        assert_clean("run", refused.stdout + refused.stderr)
    monkeypatch.delenv("OPTUNA_STORAGE")
    for source, target in (
        (next(iter(broken)), str(case.sqlite)),
        (str(case.sqlite), next(iter(broken))),
    ):
        copied = tool(storage_main, "copy", "--from", source, "--to", target, "--all")
        assert copied.returncode == 3
    # 제대로 된 복사도 이름만 보인다.
    assert tool(
        storage_main, "copy", "--from", str(case.sqlite), "--to", good, "--all"
    ).returncode == 0  # fmt: skip
    assert_files_are_clean(case.home)
