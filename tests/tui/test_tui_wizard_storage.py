"""저장소 단계: 진짜 서버와 진짜 자식 프로세스로, 시험은 한 번에 하나."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from tui_kit import MASKED, URL, demo, screen_name, shown, type_text, until, until_text

from optimize.storage.url import StorageUrl, parse_storage_url
from tui import bridge
from tui.app import WizardApp
from tui.draft import Draft, StorageChoice
from tui.screens.wizard_grid import GridScreen
from tui.screens.wizard_review import ReviewScreen
from tui.screens.wizard_storage import StorageScreen
from tui.widgets.fields import TextField
from tui.widgets.row_table import RowTable

SIZE = (100, 32)


@pytest.mark.usefixtures("closed_default")
async def test_missing_default_falls_back_to_sqlite_and_says_so(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """기본 PostgreSQL이 없고 내장도 없으면 SQLite를 고르고 그렇게 말한다."""
    monkeypatch.setattr(bridge, "embedded_state", lambda: "unusable")
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(StorageScreen(demo()))
        await until_text(pilot, "SQLite 파일에 저장합니다")
        await until_text(pilot, "Connection refused")
        await until_text(pilot, "연결됨")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "ParallelScreen")
        assert app.screen.draft.storage.kind == "sqlite"  # type: ignore[attr-defined]
        await until_text(pilot, "SQLite는 한 프로세스가 모아 씁니다")


@pytest.mark.usefixtures("closed_default")
async def test_fallback_prefers_the_embedded_server_and_starts_it(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: StorageUrl
) -> None:
    """내장 PostgreSQL을 쓸 수 있으면 그것을 고르고, Enter가 켜고 시험한 뒤 다음으로 간다."""
    started: list[bool] = []
    resolve = bridge.resolve_storage
    parsed = postgres_url

    def resolved(choice: StorageChoice | None, draft: Draft | None = None) -> bridge.StorageTarget:
        if choice is not None and choice.kind == "embedded":
            return bridge.StorageTarget("postgresql", "embedded", "", parsed.masked, parsed.secret)
        return resolve(choice, draft)

    monkeypatch.setattr(bridge, "embedded_state", lambda: "absent")
    monkeypatch.setattr(bridge, "start_embedded", lambda: started.append(True))
    monkeypatch.setattr(bridge, "resolve_storage", resolved)
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(StorageScreen(demo()))
        await until_text(pilot, "내장 PostgreSQL에 저장합니다")
        assert not started
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "ParallelScreen")
        assert started == [True]
        await until_text(pilot, "max_connections")


async def test_configured_storage_is_never_replaced(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """환경 변수로 정해 둔 서버가 죽었으면 다른 것으로 옮기지 않고 까닭과 해결을 보인다."""
    monkeypatch.setenv("OPTUNA_STORAGE", "postgresql://me:canary-secret@127.0.0.1:9/mine")
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(StorageScreen(demo()))
        await until_text(pilot, "환경 변수 OPTUNA_STORAGE")
        await until_text(pilot, "Connection refused")
        await pilot.press("enter")
        await pilot.pause()
        assert screen_name(app) == "StorageScreen"
        row = app.screen.query_one(RowTable).current
        assert row is not None
        assert row.key == "auto"
        assert "canary-secret" not in app.export_screenshot()


async def test_url_fields_reach_a_real_server_and_hide_the_password(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: StorageUrl
) -> None:
    """URL을 붙이면 칸이 나뉘고, 살아 있는 서버의 이름·사용자·판이 보이며, 비밀번호는 어디에도 없다."""
    monkeypatch.setenv("OPTUNA_STORAGE", "")
    url = postgres_url
    app = WizardApp()
    async with app.run_test(size=(100, 40)) as pilot:
        await app.push_screen(StorageScreen(demo()))
        await until_text(pilot, "시험")
        await pilot.press("down", "down", "tab", "ctrl+u")
        field = app.screen.query_one("#url-host", TextField)
        assert app.focused is field
        field.value = url.secret
        await until(pilot, lambda: field.value == "127.0.0.1")
        assert app.screen.query_one("#url-password", TextField).value == url.password
        await until_text(pilot, f"데이터베이스 {url.database}, 사용자 {url.username}")
        await until_text(pilot, "왕복 시간 p50")
        assert url.password is not None
        assert url.password not in app.export_screenshot()
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "ParallelScreen")
        draft = app.screen.draft  # type: ignore[attr-defined]
        assert parse_storage_url(draft.storage.url).same_login(url)
        assert url.password not in repr(draft)
        await app.push_screen(ReviewScreen(draft))
        await until_text(pilot, "***")
        await pilot.press("c")
        await until(pilot, lambda: "***" in app.clipboard)
        assert url.password not in app.clipboard + app.export_screenshot()


async def test_variable_name_is_checked(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: StorageUrl
) -> None:
    """없는 변수는 없다고 말하고, 있는 변수는 그 서버를 시험한다."""
    monkeypatch.setenv("OPTUNA_STORAGE", "")
    monkeypatch.setenv("MY_DB", postgres_url.secret)
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(StorageScreen(demo()))
        await until_text(pilot, "시험")
        await pilot.press("down", "tab", "ctrl+u")
        await type_text(pilot, "MY_D")
        await until_text(pilot, "환경 변수 MY_D이(가) 없습니다")
        await type_text(pilot, "B")
        await until_text(pilot, "PostgreSQL 18")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "ParallelScreen")
        assert app.screen.draft.storage == StorageChoice("env", "MY_DB")  # type: ignore[attr-defined]


async def test_two_tests_never_run_at_once_and_leaving_cancels(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """빨리 바꿔 골라도 시험은 한 번에 하나이고, 화면을 떠나면 멈춘다."""
    running = 0
    most = 0
    cancelled = 0

    async def check(*_args: Any, **_kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        nonlocal running, most, cancelled
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(30)
            yield {"type": "result", "ok": True}
        except (asyncio.CancelledError, GeneratorExit):
            cancelled += 1
            await asyncio.sleep(0.05)
            raise
        finally:
            running -= 1

    target = bridge.StorageTarget("postgresql", "yaml_env", "까닭", MASKED, URL, "OPTUNA_STORAGE")
    monkeypatch.setattr(bridge, "check_storage", check)
    monkeypatch.setattr(bridge, "resolve_storage", lambda *_a, **_k: target)
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(StorageScreen(demo()))
        await until(pilot, lambda: running == 1)
        for key in ("down", "down", "up", "up", "end"):
            await pilot.press(key)
            await asyncio.sleep(0.45 if key == "down" else 0.05)
        await until(pilot, lambda: running == 1)
        await pilot.press("f4")
        await until(pilot, lambda: screen_name(app) == "SettingsScreen")
        await until(pilot, lambda: running == 0)
    assert most == 1
    assert cancelled >= 2


@pytest.mark.parametrize("port", ["99999", "54a", "0"])
async def test_wrong_port_never_becomes_sqlite(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    """틀린 포트는 틀렸다고 말한다. 빈 URL은 SQLite를 뜻하므로 그리로 새지 않아야 한다."""
    monkeypatch.setenv("OPTUNA_STORAGE", "")
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(StorageScreen(demo()))
        await until_text(pilot, "연결됨")
        await pilot.press("down", "down", "tab", "tab", "ctrl+u")
        await type_text(pilot, port)
        await until_text(pilot, "포트는 1에서 65535 사이의 수여야 합니다")
        await pilot.press("enter")
        await pilot.pause()
        assert screen_name(app) == "StorageScreen"


async def test_typed_url_is_split_when_the_field_is_left(tui_home: Path) -> None:
    """한 글자씩 적는 URL은 칸을 떠날 때 나뉘고, 뒤의 옵션도 남는다. 적는 동안에는 시험하지 않는다."""
    app = WizardApp()
    async with app.run_test(size=(100, 40)) as pilot:
        await app.push_screen(StorageScreen(demo(storage=StorageChoice("url"))))
        await until_text(pilot, "시험")
        await pilot.press("tab", "ctrl+u")
        await type_text(pilot, "postgres://a:pw@db:6543/m?sslmode=require")
        await until_text(pilot, "URL을 끝까지 적고")
        await pilot.press("tab")
        screen = app.screen
        assert isinstance(screen, StorageScreen)
        assert screen.query_one("#url-host", TextField).value == "db"
        assert screen.query_one("#url-database", TextField).value == "m?sslmode=require"
        found = parse_storage_url(screen.storage_choice.url)
        assert (found.port, found.password, found.query) == (6543, "pw", (("sslmode", "require"),))


async def test_retest_waits_until_the_last_child_is_gone(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F5를 거듭 눌러도 앞의 시험이 자식을 거둔 뒤에 다음 시험이 뜬다."""
    running = most = began = 0

    async def check(*_args: Any, **_kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        nonlocal running, most, began
        running, began = running + 1, began + 1
        most = max(most, running)
        try:
            await asyncio.sleep(30)
            yield {"type": "result", "ok": True}
        finally:
            try:
                await asyncio.sleep(0.2)
            finally:
                running -= 1

    target = bridge.StorageTarget("postgresql", "yaml_env", "까닭", MASKED, URL, "OPTUNA_STORAGE")
    monkeypatch.setattr(bridge, "check_storage", check)
    monkeypatch.setattr(bridge, "resolve_storage", lambda *_a, **_k: target)
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(StorageScreen(demo()))
        await until(pilot, lambda: running == 1)
        for _ in range(4):
            await pilot.press("f5")
            await asyncio.sleep(0.05)
        await until(pilot, lambda: began >= 2 and running == 1)
    assert most == 1


async def test_smallest_window_reaches_every_field_and_cell(tui_home: Path) -> None:
    """60×15에서도 초점이 간 칸은 보이고, 격자의 모든 열이 보인다."""
    app = WizardApp()
    async with app.run_test(size=(60, 15)) as pilot:
        await app.push_screen(StorageScreen(demo(storage=StorageChoice("url"))))
        await until_text(pilot, "시험")
        for name in ("host", "port", "database", "user", "password"):
            await pilot.press("tab")
            field = app.screen.query_one(f"#url-{name}", TextField)
            assert app.focused is field
            await until(pilot, lambda field=field: app.screen.region.contains_region(field.region))
            assert field.region.bottom < 15
        await app.push_screen(GridScreen(demo()))
        await until_text(pilot, " 1d ")
        assert "칸 1개" in shown(app)
