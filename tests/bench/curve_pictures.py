"""`curves.py`가 잰 숫자로 그리는 세 그림. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from svg_plot import Axis, Goal, Line, draw


def draw_all(figures: dict[str, Any], folder: Path) -> list[Path]:
    """곡선마다 그림 하나를 그린다. figures: 곡선의 이름 → 숫자와 조건."""
    makers = {"trials": _trials, "bars": _bars, "jobs": _jobs}
    pictures = {
        f"bench_{name}.svg": makers[name](curve["figures"], _note(curve))
        for name, curve in figures.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pictures.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in pictures]


def _note(curve: dict[str, Any]) -> str:
    """그림에 적을 조건: CPU와 그때의 load."""
    at = curve["conditions"]
    return f"{at['cpu']} {at['cores']}코어, load {at['load']} → {curve['load_after']}"


def _decades(values: Sequence[float]) -> list[tuple[float, str]]:
    """값들을 품는 10의 거듭제곱 tick."""
    ticks, at = [], 1e-2
    while at < min(values):
        at *= 10
    at /= 10
    while not ticks or ticks[-1][0] < max(values):
        ticks.append((at, f"{at:g}" if at < 1 else f"{at:,.0f}"))
        at *= 10
    return ticks


def _trials(rows: dict[str, Any], note: str) -> str:
    # 0에 닿는 구간은 로그 눈금에 그릴 수 없어 0.05 ms로 올린다.
    ours = [(n, max(ms, 0.05)) for n, ms in rows["ours"]]
    values = [ms for _, ms in [*ours, *rows["stock"]]]
    x = Axis("스터디의 시행 수", [(100, "100"), (300, "300"), (1e3, "1,000"), (3e3, "3,000"), (1e4, "10,000")], log=True)  # fmt: skip
    y = Axis("시행 하나에 커널 밖에서 드는 ms", _decades(values), log=True)
    lines = [Line("백테스트 마법사", ours), Line("Optuna의 study.optimize", rows["stock"])]
    text = f"PostgreSQL, 31차원, TPE, 작업자 둘, {note}"
    return draw("시행이 쌓일 때의 overhead", text, x, y, lines, [Goal(4.0, "목표 4 ms")])


def _bars(rows: Sequence[dict[str, float]], note: str) -> str:
    single = [(row["bars"], row["single_ms"]) for row in rows]
    batch = [(row["bars"], row["batch_ms"]) for row in rows]
    ticks = [(5e4, "5만"), (1e5, "10만"), (2e5, "20만"), (5e5, "50만"), (1e6, "100만"), (2e6, "200만")]  # fmt: skip
    y = Axis("시행 하나의 CPU ms", _decades([ms for _, ms in [*single, *batch]]), log=True)
    lines = [Line("한 번", single), Line("여덟 조합을 한 번에, 시행당", batch)]
    text = f"squeeze_momentum, 1m@15m, 한 코어, 모든 지표, {note}"
    return draw("봉이 늘 때의 커널", text, Axis("1분봉의 수", ticks, log=True), y, lines)


def _jobs(rows: Sequence[dict[str, float]], note: str) -> str:
    rate = [(row["jobs"], row["rate"]) for row in rows]
    ideal = [(row["jobs"], row["jobs"] * rows[0]["rate"]) for row in rows]
    top = 50 * (int(max(v for _, v in [*rate, *ideal])) // 50 + 1)
    y = Axis("초당 시행", [(v, f"{v}") for v in range(0, top + 1, 50)])
    shares = ", ".join(f"작업자 {row['jobs']:.0f}: 커널의 몫 {row['share']:.0%}" for row in rows)
    lines = [Line("잰 것", rate), Line("작업자 하나의 배수", ideal)]
    x = Axis("작업자 수", [(1, "1"), (2, "2")])
    return draw("작업자를 늘릴 때", f"{shares}, {note}", x, y, lines)
