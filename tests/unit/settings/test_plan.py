"""계획: 칸, 이름, 저장소 규칙, 가림."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optimize import paths
from optimize.errors import SettingsError, StorageError
from optimize.settings.arguments import parse_run_arguments
from optimize.settings.plan import Plan, make_plan
from optimize.storage.options import StorageOptions
from optimize.storage.pointer import make_pointer, pointer_path, write_pointer
from optimize.storage.url import parse_storage_url, sqlite_url


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.HOME_ENV, str(tmp_path))


def plan(*argv: str, **environ: str) -> Plan:
    return make_plan(parse_run_arguments(list(argv)), environ)


def test_칸마다_스터디가_하나씩이고_이름은_slug다() -> None:
    made = plan("--symbol", "BINANCE:BTCUSDT.P", "--timeframe-grid", "1m@15m;60")
    assert [cell.study_name for cell in made.cells] == [
        "binance_btcusdt_p_1m_15m",
        "binance_btcusdt_p_1h",
    ]


def test_이름을_지으면_여러_칸일_때_칸이_뒤에_붙는다() -> None:
    assert plan("--study-name", "내것", "--timeframe-grid", "1m").cells[0].study_name == "내것"
    both = plan("--study-name", "내것", "--timeframe-grid", "1m@15m,1m@1h")
    assert [cell.study_name for cell in both.cells] == ["내것_1m_15m", "내것_1m_1h"]


def test_아무것도_정하지_않으면_가이드의_기본_postgresql이다() -> None:
    made = plan()
    assert made.cells[0].resolved.rule == "default"
    assert made.cells[0].storage_url == parse_storage_url(
        "postgresql://postgres:5432@127.0.0.1:5432/optuna"
    )


def test_빈_변수는_스터디마다의_sqlite다() -> None:
    made = plan(OPTUNA_STORAGE="")
    assert [cell.storage_url.path for cell in made.cells] == [
        paths.study_dir(cell.slug) / f"{cell.study_name}.db" for cell in made.cells
    ]
    assert "비어" in made.storage_rule


def test_dotenv의_변수를_읽고_프로세스_환경이_이긴다(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('OPTUNA_STORAGE="postgresql://a:b@h1/d"\n', encoding="utf-8")
    assert plan().cells[0].storage_url.host == "h1"
    assert plan(OPTUNA_STORAGE="postgresql://a:b@h2/d").cells[0].storage_url.host == "h2"


def test_지난_실행의_기록을_이어받는다() -> None:
    slug = "binance_btcusdt_1m_15m"
    pointer = make_pointer(
        parse_storage_url("postgresql://a@h3/d"), StorageOptions(), slug, "cli_url"
    )
    write_pointer(pointer_path(slug), pointer)
    made = plan()
    assert {cell.storage_url.host for cell in made.cells} == {"h3"}
    assert {cell.resolved.rule for cell in made.cells} == {"pointer"}


def test_쓰이지_않을_깨진_기록은_막지_않는다() -> None:
    path = pointer_path("binance_btcusdt_1m_15m")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(StorageError):
        plan()
    assert plan("--storage-url", "postgresql://a@h/d").cells[0].resolved.rule == "cli_url"
    assert plan(OPTUNA_STORAGE="").cells[0].resolved.rule == "yaml_env"


def test_기본_자리의_sqlite_기록은_칸마다_제_파일을_가리킨다() -> None:
    slug = "binance_btcusdt_1m_15m"
    pointer = make_pointer(
        sqlite_url(paths.sqlite_path(slug, slug)), StorageOptions(), slug, "yaml_env"
    )
    write_pointer(pointer_path(slug), pointer)
    made = plan()
    assert [cell.storage_url.path for cell in made.cells] == [
        paths.sqlite_path(cell.slug, cell.study_name) for cell in made.cells
    ]


def test_가린_계획과_명령에_비밀번호가_없다() -> None:
    url = "postgresql://u:c%40nary@h/d?password=c@nary2"
    made = plan("--storage-url", url, "--set", f"search.storage_url={url}")
    shown = json.dumps(made.masked(), ensure_ascii=False) + made.command_line() + repr(made.cells)
    assert "nary" not in shown
    assert "u:***@h" in shown


def test_인자의_상대_경로는_명령을_부른_폴더에서_설정의_것은_뿌리에서_잰다(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "아래"
    below.mkdir()
    monkeypatch.chdir(below)
    assert plan("--data", "a.csv").data_file == below / "a.csv"
    assert plan("--set", "data.file=a.csv").data_file == tmp_path / "a.csv"
    written = plan("--set", "strategy.name=my.py:Mine").params.strategy.name
    assert written == f"{tmp_path / 'my.py'}:Mine"
    assert plan("--set", "strategy.name=ma_cross").params.strategy.name == "ma_cross"
    assert plan("--strategy", "s.py:Mine").params.strategy.name == f"{below}/s.py:Mine"


def test_저장소_설정이_그대로_간다() -> None:
    made = plan(
        "--set", "search.storage_pool_size=3", "--set", "search.storage_statement_timeout_ms="
    )
    assert made.storage_options.pool_size == 3
    assert made.storage_options.statement_timeout_ms == 0


@pytest.mark.parametrize(
    "argv", [["--bad"], ["--n-trials"], ["--sampler", "zzz"], ["--n-trials", "x"]]
)
def test_틀린_인자는_한국어_오류다(argv: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        plan(*argv)
    assert caught.value.exit_code == 2
