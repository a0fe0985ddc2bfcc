"""README와 docs/의 모든 명령이 적힌 그대로 돈다."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from docs_runner import (
    REPO,
    Command,
    DocsError,
    Sandbox,
    commands,
    documents,
    help_text,
    inline_code,
)

from optimize.data.__main__ import main as data_main
from optimize.run import main as run_main
from optimize.storage.__main__ import main as storage_main
from optimize.storage.url import StorageUrl
from optimize.studies.__main__ import main as studies_main
from optimize.verify.__main__ import main as verify_main
from tui.web.__main__ import main as web_main


@pytest.fixture
def sandbox(tmp_path: Path, postgres_url: StorageUrl) -> Iterator[Sandbox]:
    user, password = quote(postgres_url.username or ""), quote(postgres_url.password or "", safe="")
    place = f"{postgres_url.host}:{postgres_url.port}/{postgres_url.database}"
    made = Sandbox(tmp_path / "마법사", f"postgresql://{user}:{password}@{place}")
    yield made
    made.close()


def books() -> dict[str, list[Path]]:
    """한 자리에서 이어 읽는 문서들. run.md는 README의 실행을 다시 하므로 그 스터디를 이어 쓴다."""
    found = {path.name: [path] for path in documents()}
    found["README.md"] += found.pop("run.md")
    return found


@pytest.mark.parametrize("paths", books().values(), ids=books().keys())
def test_every_command_of_the_document_works(paths: list[Path], sandbox: Sandbox) -> None:
    """문서의 명령을 위에서부터 차례로, 진짜 PostgreSQL과 함께."""
    programs = {name for path in paths for item in commands(path) for name in item.programs()}
    if "psql" in programs and shutil.which("psql") is None:
        pytest.skip("문서가 쓰는 psql이 없습니다(Debian의 postgresql-client)")
    sandbox.import_candles("BINANCE:BTCUSDT")
    readme = commands(REPO / "README.md")
    installs = {command.text for command in readme if "pip" in command.programs()}
    for path in paths:
        for command in commands(path):
            if path.name != "README.md" and command.text in installs:
                continue  # README에서 설치해 본 그대로다
            print(f"$ {command.text}\n{sandbox.run(command)}")
        if path.name == "README.md":
            results_are_where_readme_says(sandbox.root / "studies/demo_btcusdt_1m_15m")


def results_are_where_readme_says(study: Path) -> None:
    for name in ("best.yaml", "trials.csv", "data.json", "storage.json"):
        assert (study / name).is_file(), name
    (run,) = (study / "runs").iterdir()
    for name in ("events.ndjson", "run.log", "plan.json"):
        assert (run / name).is_file(), name


def test_readme_has_the_commands_of_the_guide() -> None:
    """가이드의 세 명령과, 시작과 시험의 한 줄이 README에 있다."""
    texts = [re.sub(r"\s+", " ", command.text) for command in commands(REPO / "README.md")]
    for text in (
        "./시작",
        "./시작 테스트",
        "python -m optimize.run --config config/params.yaml --symbol BINANCE:BTCUSDT"
        ' --timeframe-grid "1m@15m,1m@1h" --n-trials 500 --storage-url-env OPTUNA_STORAGE',
        "python -m optimize.run --config config/params.yaml"
        ' --storage-url "postgresql://postgres:5432@127.0.0.1:5432/optuna"',
    ):
        assert text in texts


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "step ./시작 테스트\n" in (REPO / ".ci/run").read_text(encoding="utf-8")


# 우리 명령의 것이 아닌 옵션
FOREIGN_OPTIONS = {"--help"}


def test_options_named_in_the_documents_exist() -> None:
    """글과 표에 적힌 `--옵션`과 `./시작 명령 …`이 명령들의 --help에 있다."""
    helps = {
        name: help_text(main)
        for name, main in {
            "run": run_main,
            "data": data_main,
            "storage": storage_main,
            "studies": studies_main,
            "verify": verify_main,
        }.items()
    }
    bench = [sys.executable, "-m", "tests.bench", "--help"]
    told = subprocess.run(bench, cwd=REPO, check=True, capture_output=True, encoding="utf-8").stdout
    told = " ".join([*helps.values(), told, help_text(web_main)])
    known = set(re.findall(r"--[a-z][a-z-]*", told)) | FOREIGN_OPTIONS
    korean = {"실행": "run", "데이터": "data", "저장소": "storage", "스터디": "studies"}
    wrong = []
    for path in documents():
        for code in inline_code(path):
            if code.startswith(("pip ", "docker ", "sudo ", "dask ", "python tests/")):
                continue
            options = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", code)) - known
            wrong += [f"{path.name}: {code}: {option}" for option in options]
            called = re.match(r"(?:\./시작 |python -m optimize\.)([\w가-힣]+) ([a-z]+)\b", code)
            name = called and korean.get(called[1], called[1])
            if called and name in helps and not re.search(rf"\b{called[2]}\b", helps[name]):
                wrong.append(f"{path.name}: {code}: {called[2]}")
    assert wrong == []


def test_every_option_of_the_run_is_in_its_document() -> None:
    told = set(re.findall(r"--[a-z][a-z-]*", help_text(run_main))) - FOREIGN_OPTIONS
    written = set(re.findall(r"--[a-z][a-z-]*", (REPO / "docs/run.md").read_text(encoding="utf-8")))
    assert told - written == set()


def anchors(path: Path) -> set[str]:
    """문서의 제목들이 GitHub에서 갖는 자리 이름."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_of_the_documents_lead_somewhere() -> None:
    """문서의 상대 경로 링크와 그림이 있는 파일을, `#`은 그 문서의 제목을 가리킨다."""
    for path in documents():
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            other = path.parent / name if name else path
            assert other.exists(), f"{path.name}: {target}"
            assert not anchor or anchor in anchors(other), f"{path.name}: {target}"


def test_runner_refuses_what_it_does_not_know(tmp_path: Path, sandbox: Sandbox) -> None:
    """받침이 아무 명령이나 통과시키지 않는다: 모르는 명령, 실패한 명령, 숨은 명령."""
    page = tmp_path / "page.md"
    with pytest.raises(DocsError, match="돌리는 법을 모르는"):
        sandbox.run(Command(page, 1, "echo 1 && frobnicate"))
    with pytest.raises(DocsError, match="exit code 1"):
        sandbox.run(Command(page, 1, "ls 없는_파일 | grep x"))
    with pytest.raises(DocsError, match="postgres:15"):
        sandbox.run(
            Command(
                page,
                1,
                "docker run -d --name optuna-postgres -p 5432:5432 "
                "-e POSTGRES_USER=postgres -e POSTGRES_PASSWORD=5432 -e POSTGRES_DB=optuna postgres:14",
            )
        )
    page.write_text("```\n./시작 실행\n```\n", encoding="utf-8")
    with pytest.raises(DocsError, match="블록에 있다"):
        commands(page)


def test_exports_reach_the_next_command(sandbox: Sandbox) -> None:
    sandbox.run(
        Command(
            Path("page.md"), 1, 'export 이름="가 나" GREETING="가 나"'.replace('이름="가 나" ', "")
        )
    )
    assert sandbox.run(Command(Path("page.md"), 2, 'echo "$GREETING"')) == "가 나\n"
