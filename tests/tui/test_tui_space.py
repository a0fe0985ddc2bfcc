"""전략의 탐색 공간: 보기, 좁히기, 되돌리기, 명령에 실리기."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tui_kit import demo, screen_name, shown, type_text, until, until_text

from tui import bridge
from tui.app import WizardApp
from tui.bridge_space import choice_override, range_override, read_space
from tui.draft import Draft, StorageChoice
from tui.problem import ProblemError
from tui.screens.wizard_parallel import ParallelScreen

SIZES = [(80, 24), (120, 40)]


def sqlite(**changes: object) -> Draft:
    return demo(storage=StorageChoice("sqlite"), **changes)


@pytest.mark.parametrize("size", SIZES)
async def test_narrow_fix_and_reset_by_keyboard(tui_home: Path, size: tuple[int, int]) -> None:
    """범위를 좁히고, 틀린 값은 실행과 같은 까닭으로 막고, 값을 골라 고정하고, Del로 되돌린다."""
    app = WizardApp()
    draft = sqlite()
    async with app.run_test(size=size) as pilot:
        await app.push_screen(ParallelScreen(draft))
        await until_text(pilot, "파라미터와 범위")
        await pilot.press("f6")
        await until_text(pilot, "8 ~ 120")
        assert "차원 31개" in shown(app)
        await pilot.press("down", "enter")
        await until_text(pilot, "고정 값")
        await pilot.press("ctrl+u")
        await type_text(pilot, "500")
        await pilot.press("enter")
        await until_text(pilot, "high(120) 이하여야 합니다")
        assert draft.space == {}
        await pilot.press("ctrl+u")
        await type_text(pilot, "10")
        await pilot.press("down", "ctrl+u")
        await type_text(pilot, "40")
        await pilot.press("enter")
        await until_text(pilot, "10 ~ 40")
        await pilot.press("down", "enter")
        await until_text(pilot, "고정 값")
        await pilot.press("down", "down")
        await type_text(pilot, "24")
        await pilot.press("enter")
        await until_text(pilot, "고정 바꿈")
        await pilot.press("home", "enter")
        await until_text(pilot, "넣음")
        await pilot.press("right", "down", "right", "enter")
        await until_text(pilot, "deluxe, mod")
        assert draft.space == {
            "kc_len": {"low": 10, "high": 40},
            "bb_len": 24,
            "detrend_style": {"choices": ["deluxe", "mod"]},
        }
        await pilot.press("down", "down", "delete")
        await until(pilot, lambda: "bb_len" not in draft.space)
        await pilot.press("escape")
        await until_text(pilot, "파라미터 2개를 바꿈")
        await pilot.press("enter")
        await until_text(pilot, "kc_len={low: 10, high: 40}")
        assert "--set" in bridge.shown_command(draft)


async def test_each_strategy_keeps_its_own_space(tui_home: Path) -> None:
    """전략을 바꾸면 그 전략의 공간이 보이고, 앞 전략에서 좁힌 것은 실리지 않는다."""
    app = WizardApp()
    draft = sqlite(spaces={"squeeze_momentum": {"kc_len": 20}})
    async with app.run_test(size=SIZES[1]) as pilot:
        await app.push_screen(ParallelScreen(draft))
        await until_text(pilot, "파라미터 1개를 바꿈")
        await pilot.press("up", "right")
        await until_text(pilot, "파라미터와 범위")
        assert "--set" not in bridge.run_arguments(draft)
        await pilot.press("f6")
        await until_text(pilot, "이동평균 교차: 차원")
        await pilot.press("escape", "left")
        await until_text(pilot, "파라미터 1개를 바꿈")
        assert "strategy.space.kc_len=20" in bridge.run_arguments(draft)


async def test_empty_choice_is_refused(tui_home: Path) -> None:
    """고를 값을 모두 빼면 까닭을 말하고 창이 남는다."""
    app = WizardApp()
    draft = sqlite()
    async with app.run_test(size=SIZES[0]) as pilot:
        await app.push_screen(ParallelScreen(draft))
        await pilot.press("f6")
        await until_text(pilot, "8 ~ 120")
        await pilot.press("enter")
        await until_text(pilot, "넣음")
        for _ in range(4):
            await pilot.press("right", "down")
        await pilot.press("enter")
        await until_text(pilot, "choices = []")
        assert screen_name(app) == "SpaceEdit"
        assert draft.space == {}


def test_overrides_reach_the_plan(tui_home: Path) -> None:
    """초안의 덮어쓰기가 실행의 계획에 그 값 그대로 들어간다(지수로 적히는 작은 수도)."""
    space = {
        "kc_len": {"low": 10, "high": 40},
        "bb_mult": 1e-05,
        "use_stop": False,
        "signal_style": {"choices": ["sma", "hma"]},
        "detrend_style": "kc",
    }
    plan = bridge.make_plan(sqlite(spaces={"squeeze_momentum": space}))
    assert plan.params.strategy.space == space


def test_settings_file_is_part_of_the_shown_space(tui_home: Path) -> None:
    """설정 파일이 바꾼 간격은 범위를 새로 적어도 남고, 같은 범위를 적으면 바꾸지 않은 것이다."""
    (tui_home / "config").mkdir(exist_ok=True)
    body = {"strategy": {"space": {"kc_len": {"low": 10, "high": 60, "step": 5}, "bb_len": 30}}}
    (tui_home / "config" / "params.yaml").write_text(yaml.safe_dump(body), encoding="utf-8")
    space = read_space(bridge.run_arguments(sqlite()))
    row = space.row("kc_len")
    assert (row.low, row.high, row.step, row.state) == (10, 60, 5, "searched")
    assert range_override(row, "10", "60") is None
    assert range_override(row, "20", "40") == {"low": 20, "high": 40, "step": 5}
    assert (space.row("bb_len").fixed, space.row("bb_len").state) == (30, "fixed")
    style = space.row("signal_style")
    assert choice_override(style, style.choices) is None
    assert choice_override(style, ("ema",)) == "ema"


def test_off_parameters_and_wrong_names(tui_home: Path) -> None:
    """조건을 끄면 딸린 파라미터가 꺼짐이 되고, 없는 파라미터는 ProblemError다."""
    draft = sqlite(spaces={"squeeze_momentum": {"use_stop": False}})
    assert read_space(bridge.run_arguments(draft)).row("stop_atr").state == "off"
    draft.spaces["squeeze_momentum"] = {"kc_lem": 3}
    with pytest.raises(ProblemError) as caught:
        read_space(bridge.run_arguments(draft))
    assert "kc_len" in caught.value.problem.cause


def test_reading_a_space_stays_light(tui_home: Path) -> None:
    """탐색 공간을 읽어도 optuna, numba, numpy가 불려 오지 않는다."""
    code = (
        "import sys\nfrom tui.bridge_space import read_space\n"
        "read_space(['--symbol', 'DEMO:BTCUSDT', '--timeframe-grid', '1m@15m'])\n"
        "print([m for m in ('optuna', 'numba', 'numpy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
