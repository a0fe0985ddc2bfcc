"""진단 화면을 글쇠만으로: 막힌 단계의 원인과 해결, 한 걸음 해결, 보고서, 취소."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from tui_kit import MASKED, URL, screen_name, shown, until, until_text

from optimize.storage.url import StorageUrl
from tui import bridge
from tui.app import WizardApp
from tui.draft import StorageChoice
from tui.problem import Problem, ProblemError
from tui.screens.diagnostics import DiagnosticsScreen
from tui.widgets.row_table import RowTable

SIZE = (100, 32)
STEPS: list[dict[str, Any]] = [
    {"type": "step", "name": "url", "title_ko": "주소", "status": "ok", "ms": 0.1,
     "detail_ko": "정해졌습니다"},
    {"type": "step", "name": "tcp", "title_ko": "TCP 연결", "status": "fail", "ms": 3.2,
     "detail_ko": "", "cause_ko": "[b]거절됨[/b]\n둘째 줄 postgresql://u:p4ssw0rd@h/d",
     "fix_ko": "서버를 켜세요", "remedy": "start_embedded"},
    {"type": "step", "name": "login", "title_ko": "로그인", "status": "skip", "ms": 0.0},
    {"type": "result", "ok": False},
]  # fmt: skip


@pytest.fixture
def checks(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """정해 둔 단계를 내는 점검. 불린 한 걸음 해결의 이름을 적어 둔다."""
    calls: list[str] = []

    async def check(
        _target: bridge.StorageTarget, *, remedy: str = "", **_options: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        calls.append(remedy)
        for step in STEPS:
            await asyncio.sleep(0)
            yield {**step, "status": "ok", "ok": True} if remedy and "status" in step else step

    target = bridge.StorageTarget("postgresql", "default", "정한 것이 없습니다", MASKED, URL)
    monkeypatch.setattr(bridge, "check_storage", check)
    monkeypatch.setattr(bridge, "resolve_storage", lambda _choice: target)
    return calls


async def open_with_key(pilot: Any) -> DiagnosticsScreen:
    await until_text(pilot, "새 실행 시작")
    await pilot.press("f9")
    await until(pilot, lambda: isinstance(pilot.app.screen, DiagnosticsScreen))
    screen = pilot.app.screen
    assert isinstance(screen, DiagnosticsScreen)
    return screen


async def test_failed_step_is_chosen_with_cause_and_fix(checks: list[str]) -> None:
    """막힌 단계로 커서가 가고, 원인과 해결이 보이며, 복사한 보고서에 비밀번호가 없다."""
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_with_key(pilot)
        await until_text(pilot, "'TCP 연결' 단계에서 막혔습니다")
        current = screen.query_one(RowTable).current
        assert current is not None
        assert current.key == "tcp"
        for text in ("[b]거절됨[/b]", "서버를 켜세요", "F6 내장 PostgreSQL 켜기", "건너뜀"):
            await until_text(pilot, text)
        assert "p4ssw0rd" not in shown(app)
        await pilot.press("c")
        for text in ("[실패] TCP 연결 (3.2 ms)", "원인: [b]거절됨[/b]", "해결: 서버를 켜세요"):
            assert text in app.clipboard
        assert "p4ssw0rd" not in app.clipboard
        await pilot.press("up")
        await until_text(pilot, "주소: 정상")
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(app) == "HomeScreen")


async def test_remedy_asks_then_runs_and_rechecks(checks: list[str]) -> None:
    app = WizardApp()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_with_key(pilot)
        await until_text(pilot, "막혔습니다")
        await pilot.press("f6")
        await until(pilot, lambda: screen_name(app) == "Confirm")
        await pilot.press("escape")
        assert checks == [""]
        await pilot.press("f6", "enter")
        await until_text(pilot, "모두 정상입니다")
        assert checks == ["", "start_embedded"]
        await pilot.press("f5")
        await until_text(pilot, "막혔습니다")
        assert checks[-1] == ""


@pytest.mark.parametrize("size", [(60, 15), (80, 24)])
async def test_verdict_and_the_whole_fix_can_be_read(
    checks: list[str], monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """가장 작은 창에서도 판정이 보이고, 긴 해결은 Tab으로 가서 끝까지 읽는다."""
    fix = "\n".join(f"해결 {n}째 줄" for n in range(30))
    monkeypatch.setitem(STEPS[1], "fix_ko", fix)
    app = WizardApp()
    async with app.run_test(size=size) as pilot:
        await open_with_key(pilot)
        await until_text(pilot, "'TCP 연결' 단계에서 막혔습니다")
        assert "해결 29째 줄" not in shown(app)
        await pilot.press("tab", "end")
        await until_text(pilot, "해결 29째 줄")


async def test_a_typed_address_is_called_so(checks: list[str]) -> None:
    """주소를 적어 고른 저장소를 환경 변수로 정했다고 하지 않는다."""
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(DiagnosticsScreen(StorageChoice("url", url=URL)))
        await until_text(pilot, "(적은 주소)")


async def test_f9_is_heard_on_every_screen_and_opens_once(checks: list[str]) -> None:
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await open_with_key(pilot)
        depth = len(app.screen_stack)
        await pilot.press("f9", "f9")
        await pilot.pause()
        assert len(app.screen_stack) == depth
        # 창 위에도 열리고, 나가면 그 창이다.
        await pilot.press("escape", "f1")
        await until(pilot, lambda: screen_name(app) == "HelpScreen")
        await pilot.press("f9")
        await until(pilot, lambda: screen_name(app) == "DiagnosticsScreen")
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(app) == "HelpScreen")


async def test_unresolvable_storage_is_the_first_step(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """URL조차 정하지 못하면 그것이 막힌 단계다."""

    def resolve(_choice: StorageChoice | None) -> bridge.StorageTarget:
        raise ProblemError(
            Problem("URL을 읽을 수 없습니다", "포트가 수가 아닙니다", "5432처럼 씁니다")
        )

    monkeypatch.setattr(bridge, "resolve_storage", resolve)
    async with WizardApp().run_test(size=SIZE) as pilot:
        await open_with_key(pilot)
        for text in ("URL을 읽을 수 없습니다", "포트가 수가 아닙니다", "5432처럼 씁니다"):
            await until_text(pilot, text)


async def test_leaving_ends_the_check(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch, checks: list[str]
) -> None:
    """점검 도중에 나가면 점검하는 자식도 끝난다."""
    ended = asyncio.Event()

    async def endless(
        _target: bridge.StorageTarget, **_options: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        try:
            yield STEPS[0]
            await asyncio.sleep(600)
        finally:
            ended.set()

    monkeypatch.setattr(bridge, "check_storage", endless)
    async with WizardApp().run_test(size=SIZE) as pilot:
        await open_with_key(pilot)
        await until_text(pilot, "정해졌습니다")
        await pilot.press("q")
        await until(pilot, ended.is_set)


async def test_real_server(
    tui_home: Path, postgres_url: StorageUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """진짜 자식이 진짜 서버를 점검하고, 단계마다 걸린 ms가 보인다. 비밀번호는 보이지 않는다."""
    monkeypatch.setenv("OPTUNA_STORAGE", postgres_url.secret)
    async with WizardApp().run_test(size=(140, 40)) as pilot:
        screen = await open_with_key(pilot)
        await until(pilot, lambda: len(screen.steps) >= 5)
        await until(
            pilot, lambda: any(w in shown(pilot.app) for w in ("모두 정상", "쓸 수 있습니다"))
        )
        assert all(step.status != "fail" for step in screen.steps)
        assert postgres_url.password
        assert postgres_url.password not in shown(pilot.app)
