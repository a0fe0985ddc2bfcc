"""안내에 쓰는 화면의 그림: 진짜 캔들로 실행하며 120×40으로 찍어 `docs/images/*.png`에 둔다.

손으로 돌린다(`-P`: 곁의 tui.py가 화면의 tui를 가리지 않게). chromium과 한글 고정폭 글꼴(NanumGothicCoding)이 있어야 한다.

    python -P tests/bench/screenshots.py [--candles FILE] [--out docs/images] [--n-trials 150]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.app import WizardApp

REPO = Path(__file__).resolve().parents[2]
CANDLES = REPO.parent / "shared" / "market" / "BINANCE_BTCUSDT_1m_2024.csv.gz"
SYMBOL, GRID, SIZE, RUN_ID = "BINANCE:BTCUSDT", "1m@15m,1m@1h,5m@1h", (120, 40), "20260101-090000"
FONT, FONT_SIZE, SCALE = "NanumGothicCoding", 24.4, 0.75
MOST_BYTES = 350_000
# 스터디 화면에서 여는 창들: (이름, 누를 글쇠, 기다릴 글).
WINDOWS = (
    ("trial", ("b", "enter"), "파라미터"),
    ("equity", ("g",), "(UTC)"),
    ("slice", ("n",), "PED-ANOVA"),
    ("contour", ("f6",), "1~9"),
    ("splits", ("w",), "hold-out"),
    ("verdict", ("j",), "우연 확률"),
    ("help", ("f1",), "이 화면의 글쇠"),
)
WAIT_SECONDS = 240.0


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """이 프로젝트의 모듈을 끝까지 돌린다."""
    argv = [sys.executable, "-m", *arguments]
    return subprocess.run(
        argv, check=True, capture_output=True, text=True, env={**os.environ, **environ}
    )


async def until(pilot: Pilot[Any], ready: Callable[[], object]) -> None:
    """참이 될 때까지 기다린다. 때를 넘기면 TimeoutError."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(shown(pilot))
        await asyncio.sleep(0.1)
        await pilot.pause()


def shown(pilot: Pilot[Any]) -> str:
    """지금 화면의 글."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def has(pilot: Pilot[Any], *texts: str) -> bool:
    """그 글들이 모두 화면에 보이는가."""
    screen = shown(pilot)
    return all(text in screen for text in texts)


def draw(svg: str, target: Path, work: Path) -> None:
    """SVG를 한글 고정폭 글꼴로 PNG에 그린다."""
    # Textual의 SVG는 Fira Code의 너비(글자 크기의 0.61)로 자리를 잡는다. 한글은 두 칸을 그대로 채운다.
    svg = re.sub(r"@font-face *{[^}]*}", "", svg)
    # 글꼴에 없어 다른 글꼴로 그려지는 점자(그림)만 너비를 지킨다.
    svg = re.sub(r' textLength="[^"]*"(?=[^<>]*>[^<>\u2800-\u28ff]*<)', "", svg)
    # 글꼴이 조금 아래에 그려지므로 마지막 줄의 밑이 잘리지 않게 한다.
    svg = re.sub(r' clip-path="url\(#[^"]*-clip-terminal\)"', "", svg)
    svg = re.sub(r"font-family:[^;]*;", f"font-family: '{FONT}';", svg)
    svg = svg.replace("font-size: 20px", f"font-size: {FONT_SIZE}px").replace("Fira Code", FONT)
    page = work / "page.html"
    style = "body{margin:0;background:#000} text{white-space:pre;transform:translateY(1.5px)}"
    page.write_text(
        f'<html><head><meta charset="utf-8"><style>{style}</style></head><body>{svg}</body></html>',
        encoding="utf-8",
    )
    box = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', svg)
    width, height = (int(float(one)) for one in box.groups()) if box else (1494, 1056)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("chromium이 없습니다: apt-get install chromium")
    subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--force-device-scale-factor={SCALE}", f"--window-size={width},{height}",
         f"--screenshot={target}", page.as_uri()],
        check=True, capture_output=True,
    )  # fmt: skip
    size = target.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{target.name}: {size:,} bytes. {MOST_BYTES:,} 아래여야 합니다")
    print(f"{target.name}: {size:,} bytes", flush=True)


async def walk(app: WizardApp, home: Path, n_trials: int, save: Callable[[str], None]) -> None:
    """화면을 차례로 찍는다. save는 지금 화면을 그 이름으로 둔다."""
    from dataclasses import replace

    from tui import bridge
    from tui.draft import StorageChoice
    from tui.screens import study as _study  # noqa: F401 — 찍는 동안 불러오지 않는다
    from tui.screens.run import RunScreen
    from tui.screens.wizard_grid import GridScreen
    from tui.screens.wizard_parallel import ParallelScreen
    from tui.screens.wizard_review import ReviewScreen
    from tui.screens.wizard_space import SpaceScreen
    from tui.screens.wizard_storage import StorageScreen
    from tui.screens.wizard_symbol import SymbolScreen

    draft = replace(
        bridge.new_draft(), symbol=SYMBOL, grid=GRID, picked=SYMBOL, n_trials=5000,
        storage=StorageChoice(), data_note="캐시의 캔들을 씁니다",
    )  # fmt: skip
    steps = (
        ("symbol", SymbolScreen(draft), "캐시의 캔들을 씁니다"),
        ("grid", GridScreen(draft), "칸 3개"),
        ("storage", StorageScreen(draft), "연결됨"),
        ("space", SpaceScreen(draft), "kc_len"),
        ("parallel", ParallelScreen(draft), "남음"),
        ("validation", ParallelScreen(draft), "뒤 30 %"),
        ("review", ReviewScreen(draft), "이 컴퓨터에서 잰 것"),
    )
    async with app.run_test(size=SIZE) as pilot:
        for name, screen, text in steps:
            await app.push_screen(screen)
            await until(pilot, lambda text=text: has(pilot, text, "F1 도움말"))
            if name == "validation":
                await pilot.press("f7", "right")
                await until(pilot, lambda: has(pilot, "창 5개"))
            save(name)
            while app.screen is not app.screen_stack[1]:
                app.pop_screen()
        with start_run(n_trials) as run:
            folders = home / "studies"
            await until(pilot, lambda: list(folders.glob(f"*/runs/{RUN_ID}/events.ndjson")))
            run_dir = next(folders.glob(f"*/runs/{RUN_ID}"))
            events = run_dir / "events.ndjson"
            await app.push_screen(RunScreen(run_dir))
            await until(pilot, lambda: events.read_text().count('"trial"') > n_trials)
            await asyncio.sleep(1)
            await pilot.pause()
            save("run")
            await until(pilot, lambda: run.poll() is not None)
        if run.returncode:
            sys.exit(f"실행이 실패했습니다: {run.returncode}")
        await asyncio.sleep(1)
        await pilot.pause()
        save("run-done")
        app.pop_screen()
        await until(pilot, lambda: "1m@1h" in shown(pilot))
        await pilot.press("f5")
        await asyncio.sleep(1)
        await pilot.pause()
        save("home")
        await pilot.press("f3")
        await until(pilot, lambda: "1m_15m" in shown(pilot) or "1m@15m" in shown(pilot))
        await asyncio.sleep(1)
        await pilot.pause()
        save("studies")
        await pilot.press("space", "down", "space", "c")
        await until(pilot, lambda: has(pilot, "kc_len"))
        save("compare")
        await pilot.press("escape")
        await until(pilot, lambda: has(pilot, "고른 것 2개"))
        await pilot.press("enter")
        await asyncio.sleep(3)
        await pilot.pause()
        save("study")
        for name, keys, text in WINDOWS:
            await pilot.press(*keys)
            await until(pilot, lambda text=text: has(pilot, text))
            await asyncio.sleep(1)
            await pilot.pause()
            save(name)
            if name != "slice":
                await pilot.press("escape")
        await pilot.press("escape", "f4")
        await until(pilot, lambda: has(pilot, "화면 설정입니다"))
        save("settings")
        await pilot.press("escape", "ctrl+p")
        await until(pilot, lambda: has(pilot, "찾을 명령을"))
        save("palette")
        await pilot.press("escape", "f9")
        await until(pilot, lambda: "왕복" in shown(pilot) and "점검 중" not in shown(pilot))
        await asyncio.sleep(2)
        await pilot.pause()
        save("diagnostics")


def start_run(n_trials: int) -> subprocess.Popen[bytes]:
    """화면 곁에서 도는 실행."""
    argv = [sys.executable, "-m", "optimize.run", "--symbol", SYMBOL, "--timeframe-grid", GRID]
    argv += ["--start", "2024-01-01", "--end", "2024-04-01", "--n-trials", str(n_trials)]
    argv += ["--seed", "7", "--run-id", RUN_ID]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(argv, stdout=quiet, stderr=quiet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candles", type=Path, default=CANDLES)
    parser.add_argument("--out", type=Path, default=REPO / "docs" / "images")
    parser.add_argument("--n-trials", type=int, default=150)
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        home = Path(folder)
        shutil.copytree(REPO / "config", home / "config")
        os.environ["BACKTEST_WIZARD_HOME"] = str(home)
        os.environ["BACKTEST_WIZARD_STATE"] = str(home / "screen.json")
        command("optimize.data", "import", str(options.candles), "--symbol", SYMBOL)
        command("optimize.storage", "embedded", "start")
        try:
            url = command("optimize.storage", "embedded", "url").stdout.strip()
            os.environ["OPTUNA_STORAGE"] = url
            from tui.app import WizardApp

            app = WizardApp()

            def save(name: str) -> None:
                svg = app.export_screenshot(title="백테스트 마법사")
                draw(svg, out / f"{name}.png", home)

            asyncio.run(walk(app, home, options.n_trials, save))
        finally:
            command("optimize.storage", "embedded", "stop")


if __name__ == "__main__":
    main()
