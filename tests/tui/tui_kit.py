"""화면 시험이 함께 쓰는 도구: 화면의 글 읽기, 때를 기다리기, 사건 파일 만들기."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from tui.draft import Draft

MASKED = "postgresql://postgres:***@127.0.0.1:5432/optuna"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URL = "postgresql+psycopg2://postgres:5432@127.0.0.1:5432/optuna"


def shown(app: App[Any]) -> str:
    """지금 화면에 보이는 글."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = 20.0) -> None:
    """조건이 참이 될 때까지 기다린다. 때를 넘기면 화면의 글과 함께 실패한다."""
    deadline = time.monotonic() + seconds
    while True:
        await pilot.pause()
        if condition():
            return
        assert time.monotonic() < deadline, f"기다리던 것이 오지 않았다:\n{shown(pilot.app)}"
        await asyncio.sleep(0.02)


async def until_text(pilot: Pilot[Any], text: str, seconds: float = 20.0) -> None:
    """그 글이 화면에 보일 때까지."""
    await until(pilot, lambda: text in shown(pilot.app), seconds)


async def type_text(pilot: Pilot[Any], text: str) -> None:
    """글자를 하나씩 친다(한글 낱자와 음절도)."""
    for character in text:
        await pilot.press(character)


SIZES = [(80, 24), (120, 40), (200, 50)]


async def compare_sizes(pilot: Pilot[Any], snapshot: Any, name: str = "") -> None:
    """지금 화면을 크기마다 snapshot(SVG)과 견준다. 앱은 하나이고 창의 크기만 바꾼다."""
    from pytest_textual_snapshot import SVGImageExtension

    wrong = []
    for width, height in SIZES:
        await pilot.resize_terminal(width, height)
        await pilot.pause()
        if hasattr(pilot.app.screen, "_paint_plots"):
            pilot.app.screen._paint_plots()
            await pilot.pause()
        svg = pilot.app.export_screenshot()
        kept = snapshot(extension_class=SVGImageExtension, name=f"{name}{width}x{height}")
        wrong += [] if svg == kept else [f"{name}{width}x{height}"]
    assert not wrong, f"모습이 달라졌다: {wrong}\n{shown(pilot.app)}"


async def scene(snapshot: Any, show: Callable[[Pilot[Any]], Awaitable[None]]) -> None:
    """앱을 열어 show가 만든 화면을 크기마다 견준다."""
    from tui.app import WizardApp

    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        await show(pilot)
        await compare_sizes(pilot, snapshot)


def screen_name(app: App[Any]) -> str:
    """지금 화면의 class 이름."""
    return type(app.screen).__name__


def write_run(home: Path, run_id: str, events: list[dict[str, Any]], slug: str = "slug") -> Path:
    """실행 폴더 하나를 만든다. 스터디까지 연 실행이면 계획(plan.json)도 있다."""
    folder = home / "studies" / slug / "runs" / run_id
    folder.mkdir(parents=True)
    stamp = {"v": 1, "ts": "2026-01-02T03:04:05+00:00"}
    lines = [json.dumps({**stamp, **event}, separators=(",", ":")) for event in events]
    (folder / "events.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if any(event["type"] == "study" for event in events):
        (folder / "plan.json").write_text("{}", encoding="utf-8")
    return folder


def demo(**changes: Any) -> Draft:
    """합성 데모의 초안."""
    return Draft(
        **{"symbol": "DEMO:BTCUSDT", "grid": "1m@15m", "picked": "DEMO:BTCUSDT", **changes}
    )
