"""실행·스터디·진단 화면의 모습: 크기 셋마다 한국어 글이 든 snapshot과 견준다.

고칠 때는 `pytest tests/tui/test_run_snapshots.py --snapshot-update` 뒤에 바뀐 SVG를 눈으로 본다.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from test_diagnostics_screen import STEPS
from textual.pilot import Pilot
from tui_kit import MASKED, MOMENT, URL, scene, until, until_text, write_run

from tui import bridge
from tui.processes import Finished
from tui.screens import run as run_module
from tui.screens import studies as studies_module
from tui.screens import study as study_module
from tui.screens.diagnostics import DiagnosticsScreen
from tui.screens.studies import StudiesScreen
from tui.screens.study import StudyScreen
from tui.studies_model import StorageFailure, StudyItem, study_item


def study_events(cells: tuple[str, ...], count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"type": "study", "study": cell, "slug": "binance_btcusdt", "cell": cell, "target": 500,
         "storage": MASKED, "done": 0, "symbol": "BINANCE:BTCUSDT"}
        for cell in cells
    ]  # fmt: skip
    best = dict.fromkeys(cells, -math.inf)
    for number in range(count):
        for shift, cell in enumerate(cells):
            wave = math.sin(number * 12.9898 + shift) * 43758.5453
            score = (wave - math.floor(wave)) * 6 - 3 + number / count
            kept = number % 5 != 4
            is_best = kept and score > best[cell]
            best[cell] = score if is_best else best[cell]
            failed = number % 23 == 22
            rows.append({
                "type": "trial", "study": cell, "number": number,
                "state": "FAIL" if failed else "COMPLETE", "score": None if failed else score,
                "metrics": {} if failed else {
                    "net_profit_pct": score * 31.7, "sharpe": score, "profit_factor": 1 + score / 9,
                    "max_drawdown_pct": 30 - score, "win_rate_pct": 45 + score, "trades": 120 + number,
                },
                "params": {"detrend_style": "kc", "kc_len": 20 + number, "use_gate": True,
                           "threshold_mult": 0.35},
                "duration_ms": 9.5 + number / 10, "is_best": is_best and not failed,
                "constraints": [-1.0 if kept else 1.0], "uid": f"{cell}{number}",
            })  # fmt: skip
    return rows


def _progress(cells: tuple[str, ...], count: int) -> list[dict[str, Any]]:
    return [
        {"type": "progress", "study": cell, "done": count, "target": 500, "rate": 41.5,
         "eta_s": 125.0, "workers": 8}
        for cell in cells
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["running", "done", "failed"])
async def test_run(
    snapshot: Any,
    tui_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    monkeypatch.setattr(run_module, "is_alive", lambda _pid: state == "running")
    cells = ("1m@15m", "1m@1h", "5m@1h") if state != "done" else ("1m@15m",)
    hello = {"type": "hello", "run_id": "r", "pid": 7, "host": bridge.host_name()}
    events = [hello, *study_events(cells, 0 if state == "failed" else 60), *_progress(cells, 60)]
    if state == "failed":
        events[1:] = [
            {"type": "error", "title": "PostgreSQL에 연결하지 못했습니다",
             "cause": "127.0.0.1:5432에서 듣는 프로그램이 없습니다", "fix": "docker start optuna-postgres"},
            {"type": "done", "studies": [], "exit_code": 3},
        ]  # fmt: skip
    elif state == "done":
        result = {"study": "1m@15m", "slug": "binance_btcusdt_1m_15m", "n_complete": 58,
                  "n_pruned": 0, "n_failed": 2, "best_value": 3.4561, "best_params": {}}  # fmt: skip
        events.append({"type": "done", "studies": [result], "exit_code": 0})
    folder = write_run(tui_home, "r", events)
    awaited = {"running": "시행 180개", "done": "끝났습니다", "failed": "docker start"}[state]

    async def show(pilot: Pilot[Any]) -> None:
        await until_text(pilot, "새 실행 시작")
        pilot.app.open_run(folder)  # type: ignore[attr-defined]
        await until_text(pilot, awaited)
        pilot.app.screen._paint_plots()  # type: ignore[attr-defined]
        await pilot.press("down", "down")

    await scene(snapshot, show)


def study_items() -> list[StudyItem | StorageFailure]:
    def item(name: str, cell: str, storage: str, minutes: int, **changes: Any) -> StudyItem:
        wizard = {"symbol": "BINANCE:BTCUSDT", "cell": cell, "strategy": "squeeze_momentum",
                  "data": {"source": "Binance 현물", "period": "2024-01-01 ~ 2025-01-01 (366일, UTC)"}}  # fmt: skip
        body = {"name": name, "storage": storage, "state": "idle", "total": 5000, "n_complete": 4980,
                "n_pruned": 12, "n_failed": 8, "best_value": 2.3456, "attrs": {"wizard": wizard},
                "last_activity": (MOMENT - timedelta(minutes=minutes)).isoformat()}  # fmt: skip
        return study_item({**body, **changes})

    file = f"sqlite:///{bridge.studies_dir()}/비트코인_돌파/비트코인_돌파.db"
    return [
        item("binance_btcusdt_1m_15m", "1m@15m", MASKED, 1, state="running"),
        item("binance_btcusdt_1m_1h", "1m@1h", MASKED, 200, best_value=None),
        item("비트코인_돌파", "5m@4h", file, 5000, total=1_000_000, n_complete=1_000_000),
        StorageFailure(
            "postgresql://postgres:***@db.example:5432/optuna",
            "PostgreSQL에 연결하지 못했습니다",
            "db.example:5432에서 듣는 프로그램이 없습니다(Connection refused)",
            "서버를 켜거나 주소를 고칩니다",
        ),
    ]


async def test_studies(
    snapshot: Any,
    tui_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def listed(_lister: object) -> AsyncGenerator[StudyItem | StorageFailure, None]:
        for item in study_items():
            yield item

    monkeypatch.setattr(studies_module, "list_studies", listed)

    async def show(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(StudiesScreen())
        await until_text(pilot, "읽지 못한 저장소 1개")
        await pilot.press("down")

    await scene(snapshot, show)


async def test_study(
    snapshot: Any,
    tui_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def command(_item: StudyItem) -> tuple[list[str], dict[str, str]]:
        return [], {}

    async def write(
        _argv: list[str], _env: Mapping[str, str], _cwd: Path, output: Path
    ) -> Finished:
        lines = [json.dumps(event) for event in study_events(("1m@15m",), 60)]
        output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Finished(0, "")

    monkeypatch.setattr(study_module, "events_command", command)
    monkeypatch.setattr(study_module, "run_to_file", write)
    item = study_items()[0]
    assert isinstance(item, StudyItem)

    async def show(pilot: Pilot[Any]) -> None:
        screen = StudyScreen(item, [])
        await pilot.app.push_screen(screen)
        await until_text(pilot, "시행 60개")
        await pilot.press("b")
        screen._paint_plots()
        await pilot.pause()

    await scene(snapshot, show)


async def test_diagnostics(
    snapshot: Any,
    tui_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def check(
        _target: bridge.StorageTarget, **_options: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        for step in STEPS:
            yield step

    target = bridge.StorageTarget("postgresql", "default", "정한 것이 없습니다", MASKED, URL)
    monkeypatch.setattr(bridge, "check_storage", check)
    monkeypatch.setattr(bridge, "resolve_storage", lambda _choice: target)

    async def show(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(DiagnosticsScreen(None))
        await until_text(pilot, "막혔습니다")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 3)

    await scene(snapshot, show)
