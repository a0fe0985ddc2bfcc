"""화면의 모습: 크기 셋(80x24, 120x40, 200x50)마다 한국어 글이 든 snapshot과 견준다.

고칠 때는 `pytest tests/tui/test_tui_snapshots.py --snapshot-update` 뒤에 바뀐 SVG를 눈으로 본다.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from tui_kit import MASKED, MOMENT, URL, scene, until, until_text, write_run

from tui import bridge
from tui.app import WizardApp
from tui.draft import Draft, StorageChoice
from tui.previews import Measured
from tui.problem import Problem
from tui.screens import wizard_review

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def still(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """컴퓨터마다 다른 것을 고정한다."""

    async def probe(_symbol: str) -> tuple[bool, str]:
        return False, "이름을 찾지 못했습니다(DNS)"

    async def check(
        target: bridge.StorageTarget, **_options: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        if target.rule == "default":
            yield {
                "type": "result",
                "ok": False,
                "cause_ko": "127.0.0.1:5432에서 듣는 프로그램이 없습니다(Connection refused)",
                "fix_ko": "docker start optuna-postgres",
            }
            return
        details = {
            "identity": "데이터베이스 optuna · 사용자 postgres · PostgreSQL 18.6",
            "capacity": "max_connections 200 · 쓰는 중 1 · 남음 199 · 필요 24",
            "latency": "p50 0.04 ms · p95 0.08 ms (5번)",
        }
        for name, detail in details.items():
            yield {"type": "step", "name": name, "status": "ok", "detail_ko": detail}
        yield {"type": "result", "ok": True}

    def resolve(choice: StorageChoice | None, _draft: Draft | None = None) -> bridge.StorageTarget:
        rule = "default" if choice is None or choice.kind == "auto" else "cli_env"
        return bridge.StorageTarget("postgresql", rule, "정한 것이 없습니다", MASKED, URL)

    async def measure(_draft: Draft) -> AsyncGenerator[Measured, None]:
        yield Measured("1m@15m", 9.5)
        yield Measured("1m@1h", 9.5)

    monkeypatch.setattr(wizard_review, "measure_trials", measure)
    monkeypatch.setattr(bridge, "probe_exchange", probe)
    monkeypatch.setattr(bridge, "check_storage", check)
    monkeypatch.setattr(bridge, "resolve_storage", resolve)
    monkeypatch.setattr(bridge, "embedded_state", lambda: "running")
    monkeypatch.setattr(bridge, "cores", lambda: 8)
    monkeypatch.setattr(bridge, "memory_bytes", lambda: (16 * 2**30, 32 * 2**30))


VALIDATION = {
    "method": "hold_out", "test_fraction": 0.3, "windows": 5, "window": "rolling", "folds": 5,
    "groups": 6, "test_groups": 2, "embargo_days": 1,
}  # fmt: skip


def draft(**changes: Any) -> Draft:
    return Draft(
        **{
            "symbol": "DEMO:BTCUSDT",
            "grid": "1m@15m,1m@1h",
            "picked": "BINANCE:BTCUSDT",
            "data_note": "만든 캔들이며 실제 시세가 아닙니다. 모든 화면에 합성 데모라고 표시합니다",
            "storage": StorageChoice("embedded"),
            "seed": 7,
            **changes,
        }
    )


def _symbol() -> Screen[None]:
    from tui.screens.wizard_symbol import SymbolScreen

    return SymbolScreen(draft(symbol="BINANCE:BTCUSDT"))


def _grid() -> Screen[None]:
    from tui.screens.wizard_grid import GridScreen

    return GridScreen(draft())


def _storage() -> Screen[None]:
    from tui.screens.wizard_storage import StorageScreen

    return StorageScreen(draft(storage=StorageChoice()))


def _parallel() -> Screen[None]:
    from tui.screens.wizard_parallel import ParallelScreen

    hold_out = {"method": "hold_out", "test_fraction": 0.3, "embargo_days": 1}
    return ParallelScreen(draft(validation={**VALIDATION, **hold_out}))


def _space() -> Screen[None]:
    from tui.screens.wizard_space import SpaceScreen

    narrowed = {"kc_len": {"low": 10, "high": 40}, "use_gate": False}
    return SpaceScreen(draft(spaces={"squeeze_momentum": narrowed}))


def _review() -> Screen[None]:
    from tui.screens.wizard_review import ReviewScreen

    return ReviewScreen(draft(validation={**VALIDATION, "method": "walk_forward"}))


STEPS = {
    "symbol": (_symbol, "닿지 못하고 캐시도"),
    "grid": (_grid, "칸 2개"),
    "storage": (_storage, "PostgreSQL 18.6"),
    "parallel": (_parallel, "남음 199"),
    "space": (_space, "10 ~ 40"),
    "review": (_review, "9.5 ms"),
}


@pytest.mark.parametrize("step", STEPS)
async def test_wizard(snapshot: Any, step: str) -> None:
    make, awaited = STEPS[step]

    async def show(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(make())
        await until_text(pilot, awaited)

    await scene(snapshot, show)


def _runs(home: Path) -> None:
    study = {
        "type": "study", "study": "s", "slug": "slug", "cell": "1m@15m", "storage": "x", "done": 0,
        "target": 500, "symbol": "BINANCE:BTCUSDT.P",
    }  # fmt: skip
    for index, (code, best) in enumerate([(0, 1.2345), (130, None), (5, -0.5)]):
        done = {
            "type": "done", "exit_code": code,
            "studies": [{"study": "s", "slug": "slug", "n_complete": 500 - index, "n_pruned": 0,
                         "n_failed": 0, "best_value": best, "best_params": {}}],
        }  # fmt: skip
        demo = {"symbol": "DEMO:BTCUSDT", "is_demo": True} if index == 1 else {}
        name = f"2026010{index}"
        hello = {"type": "hello", "run_id": name, "pid": 1}
        folder = write_run(home, name, [hello, {**study, **demo}, done])
        stamp = MOMENT.timestamp() - 60 * 7 * (index * index * 40 + 1)
        os.utime(folder / "events.ndjson", (stamp, stamp))


async def test_home(snapshot: Any, tui_home: Path) -> None:
    _runs(tui_home)

    async def show(pilot: Pilot[Any]) -> None:
        await until_text(pilot, "실패")

    await scene(snapshot, show)


async def test_help(snapshot: Any) -> None:
    async def show(pilot: Pilot[Any]) -> None:
        await until_text(pilot, "새 실행 시작")
        await pilot.press("f1")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 3)

    await scene(snapshot, show)


async def test_light_palette(snapshot: Any) -> None:
    async def show(pilot: Pilot[Any]) -> None:
        await until_text(pilot, "새 실행 시작")
        pilot.app.action_toggle_theme()  # type: ignore[attr-defined]
        await pilot.press("ctrl+p")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 3)

    await scene(snapshot, show)


async def test_error(snapshot: Any) -> None:
    async def show(pilot: Pilot[Any]) -> None:
        await until_text(pilot, "새 실행 시작")
        problem = Problem(
            "저장소에 연결하지 못했습니다",
            "127.0.0.1:5432에서 듣는 프로그램이 없습니다(Connection refused)",
            "docker start optuna-postgres\n또는 python -m optimize.storage embedded start",
        )
        pilot.app.show_problem(problem)  # type: ignore[attr-defined]
        await until(pilot, lambda: len(pilot.app.screen_stack) == 3)

    await scene(snapshot, show)


def test_small_window(snap_compare: Compare) -> None:
    assert snap_compare(WizardApp(), terminal_size=(50, 12))
