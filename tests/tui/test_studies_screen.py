"""스터디 목록과 한 스터디를 글쇠만으로: 진짜 SQLite 파일과 PostgreSQL, 진짜 자식 프로세스."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from studies_kit import fill, study_file
from tui_kit import screen_name, shown, type_text, until, until_text

from optimize.storage.options import StorageOptions
from optimize.storage.pointer import make_pointer, pointer_path, write_pointer
from optimize.storage.url import StorageUrl, parse_storage_url
from tui import studies_commands
from tui.app import WizardApp
from tui.screens import studies as studies_screen
from tui.screens.studies import StudiesScreen
from tui.screens.study import StudyScreen
from tui.screens.study_actions import _file_stem, renamed_storage
from tui.studies_model import StudyItem, study_item
from tui.widgets.row_table import RowTable
from tui.widgets.trial_table import TrialTable

SIZE = (120, 40)
DEAD = "postgresql+psycopg2://postgres:s3cret-word@127.0.0.1:9/optuna"


async def open_list(pilot: Any, awaited: str) -> None:
    await until_text(pilot, "새 실행 시작")
    await pilot.press("f3")
    await until_text(pilot, awaited)


# ── 목록


async def test_unreachable_storage_is_told_and_hides_nothing(studies_home: Path) -> None:
    """닿지 않는 서버는 까닭과 함께 한 줄로 보이고, 다른 저장소의 스터디는 그대로 보인다."""
    fill(study_file(studies_home, "alpha"), "alpha")
    pointer = make_pointer(parse_storage_url(DEAD), StorageOptions(), "x", "cli_env", "MINE")
    write_pointer(pointer_path("dead"), pointer)
    app = WizardApp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINE", DEAD)
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await open_list(pilot, "읽지 못한 저장소")
            text = shown(app)
            assert "alpha" in text
            assert "127.0.0.1:9" in text
            assert "s3cret-word" not in text
            await pilot.press("end")
            await until_text(pilot, "원인")
            await pilot.press("enter")
            await until(pilot, lambda: screen_name(app) == "ErrorScreen")
            await until_text(pilot, "해결")
            assert "s3cret-word" not in shown(app)


async def test_names_are_shown_while_a_big_storage_is_counted(
    studies_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """오래 세는 저장소도 이름과 시행 수가 먼저 보이고, 다 세면 같은 줄이 채워진다."""
    counted = asyncio.Event()
    body = {"type": "study", "name": "큰 스터디", "storage": "sqlite:////x.db", "total": 1234}

    async def listed(_lister: object) -> AsyncGenerator[StudyItem, None]:
        yield study_item({**body, "state": "counting", "best_value": None})
        await counted.wait()
        yield study_item({**body, "state": "idle", "best_value": 0.75})

    monkeypatch.setattr(studies_screen, "list_studies", listed)
    async with WizardApp().run_test(size=SIZE) as pilot:
        await pilot.app.push_screen(StudiesScreen())
        await until_text(pilot, "세는 중")
        assert "1,234" in shown(pilot.app)
        counted.set()
        await until_text(pilot, "0.75")
        assert shown(pilot.app).count("큰 스터디") == 1
        assert "세는 중" not in shown(pilot.app)


async def test_cursor_goes_to_the_neighbour_of_a_removed_study(
    studies_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """고른 스터디가 없어지면 맨 위가 아니라 그 아래의 것으로 간다."""
    names = ["가", "나", "다"]

    async def listed(_lister: object) -> AsyncGenerator[StudyItem, None]:
        for name in names:
            yield study_item({"name": name, "storage": "sqlite:////x.db", "state": "idle"})

    monkeypatch.setattr(studies_screen, "list_studies", listed)
    async with WizardApp().run_test(size=SIZE) as pilot:
        screen = StudiesScreen()
        await pilot.app.push_screen(screen)
        await until_text(pilot, "스터디 3개")
        await pilot.press("down")
        assert screen.target is not None
        assert screen.target.name == "나"
        names.remove("나")
        await pilot.press("f5")
        await until_text(pilot, "스터디 2개")
        assert screen.target.name == "다"


def test_hostile_names_reach_the_command_and_the_file(tmp_path: Path) -> None:
    """`-`로 시작하는 이름은 옵션이 아니고, 보이지 않는 이름도 쳐서 지울 수 있으며, 파일 이름은 한 칸이다."""
    from optimize.studies.__main__ import _parser

    for name in ("--yes", "-x", "[red]가[/red]"):
        item = study_item({"name": name, "storage": "sqlite:////x.db"})
        argv = studies_commands._studies_argv(item, "rename", after=["-y"])
        parsed = _parser().parse_args(argv[3:])
        assert (parsed.name, parsed.new_name) == (name, "-y")
    assert study_item({"name": "\x1b[1m"}).label == r"'\x1b[1m'"
    for name in ("a/../b", "가나" * 150, "\x1b[2J"):
        stem = _file_stem(name)
        assert stem
        assert "/" not in stem
        (tmp_path / f"{stem}.csv").touch()


def test_storage_follows_the_renamed_file(tmp_path: Path) -> None:
    """기본 자리의 SQLite는 이름을 따라 옮겨진다. 다른 파일과 서버는 그대로다."""
    (tmp_path / "새.db").touch()
    place = f"sqlite:///{tmp_path}"
    assert renamed_storage(f"{place}/옛.db", "옛", "새") == f"{place}/새.db"
    assert renamed_storage(f"{place}/모음.db", "옛", "새") == f"{place}/모음.db"
    assert renamed_storage("postgresql://h/옛.db", "옛", "새") == "postgresql://h/옛.db"


async def test_empty_list_says_what_to_do(studies_home: Path) -> None:
    async with WizardApp().run_test(size=(80, 24)) as pilot:
        await open_list(pilot, "새 실행을 시작하면 여기에 남습니다")
        await pilot.press("enter", "f6", "f7")
        assert screen_name(pilot.app) == "StudiesScreen"
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(pilot.app) == "HomeScreen")


async def test_filter_order_open_and_back_by_keyboard(studies_home: Path) -> None:
    """초성으로 거르고, 차례를 바꾸고, 열어서 시행을 정렬하고 살피고 돌아온다."""
    fill(study_file(studies_home, "alpha"), "alpha")
    fill(study_file(studies_home, "비트코인"), "비트코인", 30)
    app = WizardApp()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_list(pilot, "스터디 2개, 시행 42개")
        await pilot.press("slash")
        await type_text(pilot, "ㅂㅌㅋ")
        await until_text(pilot, "스터디 2개 가운데 1개")
        assert "alpha (" not in shown(app)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: screen_name(app) == "StudyScreen")
        await until_text(pilot, "시행 30개")
        screen = app.screen
        assert isinstance(screen, StudyScreen)
        table = screen.query_one(TrialTable)
        await until(pilot, lambda: len(table.view) == 30)
        # 최고는 조건을 지킨 28번이고, 조건을 어긴 29번은 점수가 높아도 뒤다.
        await until_text(pilot, "시행 28 (1m@15m)")
        await pilot.press("b")
        await until(pilot, lambda: screen.model.trials[table.current or 0].number == 28)
        await pilot.press("enter")
        await until_text(pilot, "파라미터")
        assert "x " in shown(app)
        await pilot.press("escape")
        folder = screen.events_path.parent
        assert folder.stat().st_mode & 0o777 == 0o700
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(app) == "StudiesScreen")
        await until(pilot, lambda: not folder.exists())
        await pilot.press("escape")
        await until_text(pilot, "스터디 2개, 시행 42개")
        for order in ("이름순", "시행 많은 것부터", "최고 점수순", "최근 것부터"):
            await pilot.press("o")
            await until_text(pilot, order)


# ── 일


async def test_rename_export_clean_and_delete(studies_home: Path) -> None:
    """이름을 바꾸고, csv로 내보내고, 정리하고, 이름을 그대로 입력해야만 지운다."""
    fill(study_file(studies_home, "alpha"), "alpha")
    app = WizardApp()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_list(pilot, "스터디 1개, 시행 12개")
        await pilot.press("m")
        await until(pilot, lambda: screen_name(app) == "AskText")
        await pilot.press("enter")
        await until_text(pilot, "지금과 다른 이름을 적어 주세요")
        await type_text(pilot, " 둘째")
        await pilot.press("enter")
        await until_text(pilot, "이름을 바꿨습니다: alpha 둘째")
        await until_text(pilot, "alpha 둘째 (합성 데모)")
        await pilot.press("f7")
        await until_text(pilot, "어디에 내보낼까요?")
        await pilot.press("ctrl+u")
        await type_text(pilot, "out.txt")
        await pilot.press("enter")
        await until_text(pilot, "확장자는")
        await pilot.press("ctrl+u")
        await type_text(pilot, "out.csv")
        await pilot.press("enter")
        await until_text(pilot, "내보냈습니다")
        exported = (studies_home / "out.csv").read_text(encoding="utf-8").splitlines()
        assert len(exported) == 13
        await pilot.press("k")
        await until_text(pilot, "멈춘 시행을 정리할까요?")
        await pilot.press("enter")
        await until_text(pilot, "정리했습니다")
        await pilot.press("delete")
        await until_text(pilot, "스터디를 지울까요?")
        await type_text(pilot, "alpha")
        await pilot.press("enter")
        await until_text(pilot, "이름이 같지 않습니다")
        await pilot.press("escape")
        await until_text(pilot, "스터디 1개, 시행 12개")
        await pilot.press("delete")
        await until(pilot, lambda: screen_name(app) == "AskText")
        await type_text(pilot, "alpha 둘째")
        await pilot.press("enter")
        await until_text(pilot, "지웠습니다")
        await until_text(pilot, "스터디가 없습니다")


async def test_copy_to_a_typed_postgresql(studies_home: Path, postgres_url: StorageUrl) -> None:
    """적은 PostgreSQL에 복사한다. 비밀번호는 화면에 보이지 않고, 복사한 스터디를 읽을 수 있다."""
    import optuna

    fill(study_file(studies_home, "alpha"), "alpha")
    app = WizardApp()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_list(pilot, "스터디 1개, 시행 12개")
        await pilot.press("f8")
        await until_text(pilot, "어디로 복사할까요?")
        await pilot.press("end", "enter")
        await until_text(pilot, "복사할 저장소")
        await type_text(pilot, postgres_url.secret)
        assert postgres_url.password
        assert postgres_url.password not in shown(app)
        await pilot.press("enter")
        await until_text(pilot, "복사했습니다: alpha")
    copied = optuna.load_study(study_name="alpha", storage=postgres_url.secret)
    assert len(copied.trials) == 12


async def test_failed_command_is_the_error_window(studies_home: Path) -> None:
    """이미 있는 이름으로 바꾸면 자식이 말한 제목과 해결이 오류 창에 보인다."""
    url = study_file(studies_home, "both")
    fill(url, "alpha")
    fill(url, "beta")
    app = WizardApp()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_list(pilot, "스터디 2개")
        first = app.screen
        assert isinstance(first, StudiesScreen)
        first.query_one("#studies", RowTable).select_key(f"{url.masked}\nalpha")
        await pilot.press("m")
        await until(pilot, lambda: screen_name(app) == "AskText")
        await pilot.press("ctrl+u")
        await type_text(pilot, "beta")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "ErrorScreen")
        await until_text(pilot, "beta")


async def test_compare_two_marked_studies(studies_home: Path) -> None:
    """Space로 둘을 골라 C: 최고 시행의 지표와 파라미터가 나란히 보인다. 하나만 고르면 그렇다고 말한다."""
    fill(study_file(studies_home, "alpha"), "alpha")
    fill(study_file(studies_home, "beta"), "beta", 31)
    app = WizardApp()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_list(pilot, "스터디 2개")
        await pilot.press("space", "c")
        await until_text(pilot, "둘에서 넷까지")
        await pilot.press("down", "space")
        await until_text(pilot, "고른 것 2개")
        await pilot.press("c")
        await until(pilot, lambda: screen_name(app) == "CompareScreen")
        # 조건을 지킨 최고: alpha는 10번, beta는 29번.
        await until_text(pilot, "최고 시행(조건을 지킨 것이 먼저)")
        line = next(line for line in shown(app).splitlines() if line.strip("> ").startswith("x "))
        assert sorted(line.split()[-2:]) == ["10", "29"]
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(app) == "StudiesScreen")
