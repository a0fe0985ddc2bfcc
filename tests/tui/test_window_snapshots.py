"""창들의 모습: 설정, 판정, 나눔, 등고선, 파레토, 견주기, 물음들. 크기 셋마다 snapshot과 견준다.

고칠 때는 `pytest tests/tui/test_window_snapshots.py --snapshot-update` 뒤에 바뀐 SVG를 눈으로 본다.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from test_insight import VALIDATION, VERDICT, grid_trials, trial
from test_run_snapshots import study_items
from textual.screen import Screen
from tui_kit import SIZES, compare_sizes, until, until_text

from tui import bridge
from tui.app import WizardApp
from tui.bridge_space import SpaceRow
from tui.screens import compare as compare_module
from tui.screens import pareto as pareto_module
from tui.screens import settings as settings_module
from tui.screens import study_analysis, trial_equity
from tui.screens.compare import CompareScreen
from tui.screens.confirm import Confirm
from tui.screens.confirm_text import AskText
from tui.screens.pareto import ParetoScreen
from tui.screens.run_log import RunLog
from tui.screens.settings import SettingsScreen
from tui.screens.space_edit import SpaceEdit
from tui.screens.splits import SplitsScreen
from tui.screens.study_analysis import AnalysisScreen
from tui.screens.study_storage import ChooseStorage
from tui.screens.trial_detail import TrialDetail
from tui.screens.trial_equity import EquityScreen
from tui.screens.validation_edit import ValidationEdit
from tui.screens.verdict import VerdictScreen
from tui.studies_commands import Front, Importance
from tui.text import studies as ko
from tui.verdicts import Verdict, parse_validation, parse_verdict

ROW = SpaceRow("kc_len", "Keltner 채널의 길이(봉)", "int", "searched", low=8, high=120, step=1)
VALUES = {"method": "walk_forward", "test_fraction": 0.3, "windows": 5, "window": "rolling",
          "folds": 5, "groups": 6, "test_groups": 2, "embargo_days": 1}  # fmt: skip


def best() -> bridge.TrialEvent:
    return next(item for item in grid_trials() if item.score == 0)


def detailed() -> bridge.TrialEvent:
    metrics = {"net_profit_pct": 31.7, "sharpe": 2.1, "max_drawdown_pct": 12.5, "trades": 130.0}
    return trial(1234, 2.3456, {"kc_len": 20, "use_gate": True, "threshold_mult": 0.35},
                 metrics=metrics, in_sample_score=2.9, out_of_sample_score=1.4, fold=2)  # fmt: skip


async def apply(_name: str, _override: object) -> str:
    return ""


async def judged() -> list[Verdict]:
    return [parse_verdict(VERDICT)]


def _log() -> Screen[Any]:
    messages = [
        bridge.WarningEvent(
            "캔들: 빈 봉 12개를 채웠습니다", "2024-03-31 02:00", "그대로 두어도 됩니다"
        )
    ]
    return RunLog(messages, Path("/없는/run.log"))


def _analysis() -> Screen[Any]:
    return AnalysisScreen(study_items()[0], grid_trials(), best())  # type: ignore[arg-type]


# 이름 → (화면, 기다릴 글, 그 뒤에 누를 글쇠)
WINDOWS: dict[str, tuple[Callable[[], Screen[Any]], str, tuple[str, ...]]] = {
    "settings": (SettingsScreen, "화면 설정입니다", ()),
    "validation": (lambda: ValidationEdit(VALUES), "창 5개", ()),
    "space_edit": (lambda: SpaceEdit(ROW, {"low": 10, "high": 40}, apply), "낮은 값", ()),
    "confirm": (lambda: Confirm("실행을 멈출까요?", "도는 시행까지 마치고 멈춥니다."), "예", ()),
    "ask": (
        lambda: AskText(ko.RENAME_TITLE, ko.RENAME_BODY.format(name="비트코인_돌파"), ko.RENAME_LABEL,
                        "비트코인_돌파", lambda _text: ko.RENAME_BAD),
        "비트코인",
        ("enter",),
    ),
    "choose_storage": (
        lambda: ChooseStorage("비트코인_돌파", ["postgresql://postgres:***@127.0.0.1:5432/optuna"]),
        "다른 저장소",
        (),
    ),
    "trial": (lambda: TrialDetail(detailed(), "1m@15m", 1234), "검증 점수", ()),
    "log": (_log, "빈 봉", ()),
    "verdict": (lambda: VerdictScreen("비트코인_돌파", judged), "우연 확률", ()),
    "splits": (
        lambda: SplitsScreen("비트코인_돌파", parse_validation(VALIDATION)), "이어 붙인", ()
    ),
    "slice": (_analysis, "최고의 둘레", ()),
    "contour": (_analysis, "60.0%", ("f6",)),
    "pareto": (
        lambda: ParetoScreen(
            study_items()[0],  # type: ignore[arg-type]
            [trial(i, 1.0, {}, values=[math.sin(i) * 2, 20 + math.cos(i * 2.3) * 9])
             for i in range(80)],
            lambda _number: None,
        ),
        "파레토 최적 3개",
        ("down",),
    ),
    "compare": (lambda: CompareScreen(study_items()[:2]), "kc_len", ()),  # type: ignore[arg-type]
    "equity": (
        lambda: EquityScreen(detailed(), "1m@15m", Path("/없는/plan.json")), "366일", ()
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def steady(tui_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """자식이 주는 것을 고정한다."""

    async def ranked(_item: object) -> list[Importance]:
        shares = {"x": 0.6, "y": 0.3, "kind": 0.1}
        return [Importance(name, share, 100) for name, share in shares.items()]

    async def front(_item: object) -> Front:
        goals = (("Sharpe", False), ("최대 낙폭", True))
        return Front(goals, ((3, (2.0, 22.0)), (7, (1.5, 15.0)), (9, (0.5, 11.5))))

    async def top(item: Any) -> dict[str, Any]:
        return {
            "metrics": {"sharpe": 1.0 + len(item.name) / 10, "trades": 100.0},
            "params": {"kc_len": len(item.name), "use_gate": True},
        }

    async def computed(*_: object) -> AsyncGenerator[dict[str, Any], None]:
        equity = [10_000 * (1 + 0.4 * i / 366 + 0.1 * math.sin(i / 20)) for i in range(366)]
        split = {"train": [[19_723, 19_970]], "test": [[19_971, 20_089]]}
        yield {"type": "equity", "equity": equity, "initial_cash": 10_000.0, "first_day": 19_723,
               "splits": [split] * 3}  # fmt: skip

    monkeypatch.setattr(study_analysis, "importances", ranked)
    monkeypatch.setattr(pareto_module, "pareto_front", front)
    monkeypatch.setattr(compare_module, "best_trial", top)
    monkeypatch.setattr(trial_equity, "json_lines", computed)
    monkeypatch.setattr(settings_module, "state_path", lambda: Path("~/.config/screen.json"))


HALVES = {"앞": tuple(WINDOWS)[::2], "뒤": tuple(WINDOWS)[1::2]}


@pytest.mark.parametrize("half", HALVES)
async def test_windows(tui_home: Path, snapshot: Any, half: str) -> None:
    """앱 하나에서 창들을 차례로 열어 본다."""
    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        for name in HALVES[half]:
            make, awaited, keys = WINDOWS[name]
            screen = make()
            await app.push_screen(screen)
            await until_text(pilot, awaited)
            await pilot.press(*keys)
            await compare_sizes(pilot, snapshot, f"{name}-")
            app.pop_screen()
            await until(pilot, lambda screen=screen: screen not in app.screen_stack)


def test_every_screen_has_a_snapshot() -> None:
    """화면과 창을 더하면 그 모습의 시험도 더하게 한다."""
    from tui import screens
    from tui.screens.base import BaseModal, BaseScreen

    folder = Path(str(screens.__file__)).parent
    for path in sorted(folder.glob("*.py")):
        __import__(f"tui.screens.{path.stem}")
    kinds = {
        kind.__name__
        for base in (BaseScreen, BaseModal)
        for kind in _descendants(base)
        if kind.__module__.startswith("tui.screens.")
    }
    shown = {"ErrorScreen", "HelpScreen", "HomeScreen", "PaletteScreen", "RunScreen", "StudiesScreen",
             "StudyScreen", "DiagnosticsScreen", "SymbolScreen", "GridScreen", "StorageScreen",
             "ParallelScreen", "SpaceScreen", "ReviewScreen"}  # fmt: skip
    shown |= {type(make()).__name__ for make, _, _ in WINDOWS.values()}
    assert kinds - shown == {"StepScreen", "TrialsScreen"}, "뼈대만 남아야 한다"


def _descendants(kind: type) -> set[type]:
    found = set(kind.__subclasses__())
    return found.union(*(_descendants(child) for child in found)) if found else found


async def test_light_theme_draws_every_window(tui_home: Path, snapshot: Any) -> None:
    """밝은 테마의 판정과 등고선(빛깔이 많은 창들)."""
    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        app.action_toggle_theme()
        for name in ("verdict", "contour"):
            make, awaited, keys = WINDOWS[name]
            await app.push_screen(make())
            await until_text(pilot, awaited)
            await pilot.press(*keys)
            await compare_sizes(pilot, snapshot, f"light-{name}-")
