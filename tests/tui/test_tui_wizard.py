"""마법사의 단계들을 글쇠만으로: 진짜 자식 프로세스, 진짜 PostgreSQL, 진짜 실행."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tui_kit import demo, screen_name, shown, type_text, until, until_text

from tui import bridge
from tui.app import WizardApp
from tui.draft import StorageChoice
from tui.problem import ProblemError
from tui.screens.wizard_grid import GridScreen
from tui.screens.wizard_parallel import ParallelScreen
from tui.screens.wizard_review import ReviewScreen
from tui.widgets.fields import TextField

SIZE = (100, 32)


def small_config(home: Path, **search: Any) -> None:
    """작은 실행이 되는 설정."""
    (home / "config").mkdir(exist_ok=True)
    body = {"data": {"demo_days": 6}, "search": {"n_trials": 6, "n_jobs": 1, **search}}
    (home / "config" / "params.yaml").write_text(json.dumps(body), encoding="utf-8")


# ── 2 시간 격자


async def test_matrix_and_text_follow_each_other(tui_home: Path) -> None:
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(GridScreen(demo(grid="1m@15m,1m@1h")))
        await pilot.pause()
        field = app.screen.query_one("#grid-text", TextField)
        await pilot.press("right", "space")
        await until(pilot, lambda: field.value == "1m@15m,1m@30m,1m@1h")
        await pilot.press("left", "space")
        await until(pilot, lambda: field.value == "1m@30m,1m@1h")
        await pilot.press("tab", "ctrl+u")
        await type_text(pilot, "2m@10m;60@1d")
        await until_text(pilot, "표에 없는 칸: 2m@10m")
        assert "[x]" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "StorageScreen")
        assert app.screen.draft.grid == "2m@10m,1h@1d"  # type: ignore[attr-defined]


async def test_impossible_cells_and_bad_text_are_refused_with_the_reason(tui_home: Path) -> None:
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await app.push_screen(GridScreen(demo()))
        await pilot.pause()
        await pilot.press("left", "down", "space")
        await until_text(pilot, "HTF 5m은(는) LTF 3m의 정수배여야")
        await pilot.press("down", "space")
        await until_text(pilot, "HTF 5m은(는) LTF 5m보다 커야")
        await pilot.press("tab", "ctrl+u")
        await type_text(pilot, "1M")
        await until_text(pilot, "달(month)")
        await pilot.press("enter")
        assert screen_name(app) == "GridScreen"


# ── 4 병렬, 5 확인


async def test_parallel_refuses_nonsense_and_previews(tui_home: Path) -> None:
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        draft = demo(grid="1m@15m,1m@1h", storage=StorageChoice("sqlite"))
        await app.push_screen(ParallelScreen(draft))
        await until_text(pilot, "스터디 2개 x 시행 500번 = 1,000번")
        await pilot.press("ctrl+u", "enter")
        await until_text(pilot, "시행 수: 정수가 필요합니다")
        assert screen_name(app) == "ParallelScreen"
        await type_text(pilot, "7")
        await pilot.press("down", "right", "down", "ctrl+u", "9", "9", "9")
        await until_text(pilot, "빠듯함")
        await pilot.press("ctrl+u", "3", "down", "down", "4", "2", "up", "up", "up", "up", "up")
        await pilot.press("right", "enter")
        await until(pilot, lambda: screen_name(app) == "ReviewScreen")
    assert (draft.n_trials, draft.sampler, draft.n_jobs, draft.seed, draft.strategy) == (
        7,
        "random",
        3,
        42,
        "ma_cross",
    )


async def test_review_shows_the_exact_command(tui_home: Path) -> None:
    """보이는 명령이 실제로 띄우는 인자와 같고, 복사된다."""
    draft = demo(storage=StorageChoice("sqlite"), seed=1, data_note="만든 캔들")
    app = WizardApp()
    async with app.run_test(size=(200, 50)) as pilot:
        await app.push_screen(ReviewScreen(draft))
        command = bridge.shown_command(draft)
        await until(pilot, lambda: "".join(command.split()) in "".join(shown(app).split()))
        await pilot.press("f6")
        await until(pilot, lambda: app.clipboard == command)
    assert command.startswith("OPTUNA_STORAGE= ./시작 실행 --symbol DEMO:BTCUSDT")
    plan = bridge.make_plan(draft)
    assert str(plan.cells[0].storage_url.path).endswith("demo_btcusdt_1m_15m.db")


@pytest.mark.parametrize("kind", ["auto", "env", "url", "sqlite"])
def test_secrets_go_by_environment_only(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    """어느 저장소를 골라도 인자와 보이는 명령에 비밀번호가 없다."""
    secret = "canary-secret"
    url = f"postgresql://me:{secret}@127.0.0.1:9/mine"
    monkeypatch.setenv("OPTUNA_STORAGE", url)
    draft = demo(storage=StorageChoice(kind, url=url))
    spawned: dict[str, Any] = {}

    def spawn(argv: list[str], env: dict[str, str], _cwd: Path, log: Path) -> int:
        spawned.update(argv=argv, env=env, log=log)
        return 1

    monkeypatch.setattr(bridge, "spawn_detached", spawn)
    started = bridge.start_run(draft)
    assert secret not in " ".join(spawned["argv"])
    assert secret not in bridge.shown_command(draft)
    expected = "" if kind == "sqlite" else url
    assert spawned["env"]["OPTUNA_STORAGE"] == expected
    for folder in (started.run_dir, started.run_dir.parent, tui_home / "studies"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_unwritable_studies_is_a_problem_not_a_traceback(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tui_home / "studies").write_text("폴더가 아니다")
    monkeypatch.setenv("OPTUNA_STORAGE", "")
    with pytest.raises(ProblemError) as caught:
        bridge.start_run(demo())
    assert "studies" in caught.value.problem.cause


@pytest.mark.usefixtures("closed_default")
async def test_enter_alone_leads_to_a_running_optimisation(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Path]
) -> None:
    """처음 화면에서 Enter만으로 진짜 실행이 떠서 끝까지 간다: 거래소도 PostgreSQL도 없는 컴퓨터."""
    small_config(tui_home)
    monkeypatch.setattr(bridge, "embedded_state", lambda: "unusable")
    app = WizardApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("enter")
        await until_text(pilot, "닿지 못하고 캐시도")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "GridScreen")
        assert "합성 데모" in shown(app).splitlines()[0]
        await pilot.press("enter")
        await until_text(pilot, "SQLite 파일에 저장합니다")
        await until_text(pilot, "연결됨")
        await pilot.press("enter")
        await until_text(pilot, "미리 보기")
        await pilot.press("enter")
        await until_text(pilot, "이대로 시작할까요?")
        assert "합성 데모" in shown(app).splitlines()[0]
        await pilot.press("enter")
        await until(pilot, lambda: opened)
        events = opened[0] / "events.ndjson"
        await until(
            pilot, lambda: events.exists() and '"type":"done"' in events.read_text(), seconds=60
        )
    last = json.loads(events.read_text(encoding="utf-8").splitlines()[-1])
    assert last["exit_code"] == 0
    assert [study["n_complete"] for study in last["studies"]] == [6, 6]
    assert (opened[0] / "run.log").stat().st_mode & 0o777 == 0o600
    kept = json.loads((tui_home / "screen.json").read_text(encoding="utf-8"))
    assert kept["recent_symbols"] == ["BINANCE:BTCUSDT"]
    assert os.path.exists(tui_home / "studies" / "demo_btcusdt_1m_1h" / "storage.json")


# ── 뒤로 가도 그대로


async def test_going_back_keeps_every_choice(tui_home: Path, opened: list[Path]) -> None:
    """Enter를 누르지 않고 Esc로 나온 단계의 고친 것도, 처음 화면까지 나갔다 온 것도 그대로다."""
    small_config(tui_home)
    app = WizardApp()
    async with app.run_test(size=SIZE) as pilot:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "SymbolScreen")
        await type_text(pilot, "demo")
        await until_text(pilot, "만든 캔들이며")
        await pilot.press("tab")
        await type_text(pilot, "2024-02-01")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "GridScreen")
        await pilot.press("right", "space", "escape")
        await until(pilot, lambda: screen_name(app) == "SymbolScreen")
        await pilot.press("enter")
        await until_text(pilot, "1m@15m,1m@30m,1m@1h")
        await pilot.press("enter")
        await until_text(pilot, "연결 시험")
        # 한 번 옮긴 뒤에는 스스로 고른 것이라 연결 시험의 끝이 고른 줄을 바꾸지 않는다.
        await pilot.press("down", "home", "down", "down", "tab", "ctrl+u")
        await type_text(pilot, "db.example")
        await pilot.press("escape", "enter")
        await until(pilot, lambda: screen_name(app) == "StorageScreen")
        await until_text(pilot, "db.example")
        await pilot.press("end")
        await until_text(pilot, "연결됨")
        await pilot.press("enter")
        await until_text(pilot, "미리 보기")
        await pilot.press("ctrl+u", "4", "2", "down", "right", "escape")
        await until_text(pilot, "연결됨")
        await pilot.press("enter")
        await until_text(pilot, "x 시행 42번")
        assert "< 무작위 >" in shown(app)
        for _ in range(4):
            await pilot.press("escape")
        await until(pilot, lambda: screen_name(app) == "HomeScreen")
        await pilot.press("f2")
        await until_text(pilot, "만든 캔들이며")
        assert "2024-02-01" in shown(app)
        await pilot.press("enter", "enter")
        await until_text(pilot, "연결됨")
        await pilot.press("enter")
        await until_text(pilot, "스터디 3개 x 시행 42번")
        await pilot.press("enter")
        await until_text(pilot, "이대로 시작할까요?")
        await pilot.press("enter")
        await until(pilot, lambda: opened, 60)
        # 시작한 것은 끝난 초안이다: 다음 새 실행은 설정의 값으로 열린다.
        while screen_name(app) != "HomeScreen":
            app.pop_screen()
        await pilot.press("f2")
        await until(pilot, lambda: screen_name(app) == "SymbolScreen")
        assert "2024-02-01" not in shown(app)
