"""병렬 단계의 검증과 클러스터, 확인 단계의 어림: 글쇠만으로 고르고, 재는 동안 화면이 멈추지 않는다."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Label, Static
from tui_kit import demo, screen_name, shown, type_text, until, until_text

from tui import bridge, previews
from tui.app import WizardApp
from tui.bridge_validation import describe_validation
from tui.draft import Draft, StorageChoice
from tui.previews import Measured
from tui.problem import Problem, ProblemError
from tui.screens import wizard_parallel, wizard_review
from tui.screens.wizard_parallel import ParallelScreen
from tui.screens.wizard_review import ReviewScreen

SIZES = [(80, 24), (120, 40)]


def drafted() -> Draft:
    """설정에서 읽은 검증을 가진 합성 데모의 초안."""
    return replace(
        bridge.new_draft(), symbol="DEMO:BTCUSDT", grid="1m@15m,1m@1h", picked="DEMO:BTCUSDT",
        storage=StorageChoice("sqlite"),
    )  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
async def test_validation_by_keyboard_reaches_the_plan(
    tui_home: Path, size: tuple[int, int]
) -> None:
    """F7로 walk-forward와 그 수를 고르면 실행의 인자와 계획에 그대로 들어간다."""
    app, draft = WizardApp(), drafted()
    async with app.run_test(size=size) as pilot:
        await app.push_screen(ParallelScreen(draft))
        await until_text(pilot, "뒤 30 %, embargo 1일")
        await pilot.press("f7", "right")
        await until_text(pilot, "창마다 검증 30 %")
        await pilot.press("down", "ctrl+u")
        await until_text(pilot, "windows")
        await pilot.press("enter")
        assert screen_name(app) == "ValidationEdit"
        await pilot.press("3", "down", "right", "down", "ctrl+u", "2", "5", "enter")
        await until(pilot, lambda: screen_name(app) == "ParallelScreen")
        await until_text(pilot, "창 3개, anchored")
    arguments = " ".join(bridge.run_arguments(draft))
    assert "--set validation.method=walk_forward --set validation.windows=3" in arguments
    assert "validation.folds" not in arguments
    section = bridge.make_plan(draft).params.validation
    assert (section.window, section.test_fraction) == ("anchored", 0.25)


async def test_method_alone_is_one_key(tui_home: Path) -> None:
    """병렬 단계에서 오른쪽 글쇠만으로 방법을 바꾸고, 그대로 두면 인자가 늘지 않는다."""
    app, draft = WizardApp(), drafted()
    assert not any("validation" in part for part in bridge.run_arguments(draft))
    async with app.run_test(size=SIZES[0]) as pilot:
        await app.push_screen(ParallelScreen(draft))
        await until_text(pilot, "뒤 30 %")
        await pilot.press("down", "down", "left")
        await until_text(pilot, "< 나누지 않음 >")
    assert bridge.run_arguments(draft)[-2:] == ["--set", "validation.method=none"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "hold_out", "test_fraction": 0.99}, "test_fraction: 0.9 이하여야 합니다"),
        ({"method": "purged_kfold", "folds": ""}, "folds: 수가 필요합니다"),
        ({"method": "cpcv", "groups": 4, "test_groups": 4}, "groups(4)보다 작아야 합니다"),
    ],
)
def test_wrong_numbers_are_told_in_korean(
    tui_home: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        describe_validation({**drafted().validation, **changes})
    assert said in caught.value.problem.title


async def test_cluster_is_checked_while_typing_and_never_twice(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """주소를 고치면 앞의 확인은 취소된다. 작업자와 컴퓨터를 보이고, 주소가 없으면 다음으로 가지 않는다."""
    running: list[str] = []
    cancelled: list[str] = []

    async def hosts(address: str) -> dict[str, int]:
        assert not running
        running.append(address)
        try:
            await asyncio.sleep(0 if address.endswith(":8786") else 60)
        except asyncio.CancelledError:
            cancelled.append(address)
            raise
        finally:
            running.remove(address)
        if "bad" in address:
            raise ProblemError(Problem("dask scheduler에 연결하지 못했습니다", "[red]끊김[/red]"))
        return {"alpha": 4, "beta": 2}

    monkeypatch.setattr(wizard_parallel, "cluster_hosts", hosts)
    app, draft = WizardApp(), demo(storage=StorageChoice("sqlite"))
    async with app.run_test(size=SIZES[0]) as pilot:
        await app.push_screen(ParallelScreen(draft))
        await pilot.press("up", "up")
        app.screen.query_one("#executor").focus()
        await pilot.press("right", "enter")
        await until(pilot, lambda: app.focused is app.screen.query_one("#scheduler"))
        await type_text(pilot, "tcp://bad:878")
        await until(pilot, lambda: running)
        await type_text(pilot, "6")
        await until_text(pilot, "연결하지 못했습니다. [red]끊김[/red]")
        # 바쁜 컴퓨터에서는 치는 사이의 앞 토막도 묻는다: 그것들도 모두 취소되었다.
        assert cancelled
        assert all("tcp://bad:878".startswith(address) for address in cancelled)
        await pilot.press("ctrl+u")
        await type_text(pilot, "tcp://a:8786")
        await until_text(pilot, "dask 작업자 6개: alpha 4, beta 2")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "ReviewScreen")
        assert "dask tcp://a:8786, 작업자 6개" in shown(app)
    arguments = bridge.run_arguments(draft)
    assert arguments[arguments.index("--executor") :][:4] == [
        "--executor", "dask", "--dask-scheduler", "tcp://a:8786",
    ]  # fmt: skip


async def test_an_unchecked_cluster_is_not_passed_over(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """클러스터를 확인하지 못했으면 해결까지 말하고, 확인 화면도 작업자의 수를 지어내지 않는다."""

    async def hosts(_address: str) -> dict[str, int]:
        raise ProblemError(Problem("패키지가 없습니다", "distributed", "설치: pip install x\n둘째"))

    monkeypatch.setattr(wizard_parallel, "cluster_hosts", hosts)
    app = WizardApp()
    draft = demo(storage=StorageChoice("sqlite"), executor="dask", scheduler="tcp://a:1")
    async with app.run_test(size=SIZES[0]) as pilot:
        await app.push_screen(ParallelScreen(draft))
        await until_text(pilot, "패키지가 없습니다. distributed")
        await until_text(pilot, "해결: 설치: pip install x")
        await pilot.press("enter")
        await until(pilot, lambda: screen_name(app) == "ReviewScreen")
        await until_text(pilot, "작업자를 확인하지 못했습니다), 작업자 모두")


async def test_review_names_the_period_and_the_file(tui_home: Path) -> None:
    """고른 기간은 둘 다 봉이 있는 날로 보인다: 적은 끝 날짜는 넣지 않는다."""
    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        draft = demo(start="2024-01-01", end="2024-03-01", storage=StorageChoice("sqlite"))
        await app.push_screen(ReviewScreen(draft))
        await until_text(pilot, "2024-01-01 ~ 2024-02-29 (UTC)")


async def test_estimate_arrives_without_blocking(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """재는 동안에도 글쇠가 듣고, 잰 것이 오는 대로 어림이 보이며, 떠나면 재던 일이 끝난다."""
    go, ended = asyncio.Event(), asyncio.Event()

    async def measure(_draft: Draft) -> AsyncGenerator[Measured, None]:
        try:
            yield Measured("1m@15m", 4.0)
            await go.wait()
            yield Measured("1m@1h", 8.0)
            await asyncio.sleep(60)
        finally:
            ended.set()

    monkeypatch.setattr(wizard_review, "measure_trials", measure)
    monkeypatch.setattr(bridge, "cores", lambda: 4)
    app = WizardApp()
    draft = demo(grid="1m@15m,1m@1h", n_trials=20_000, n_jobs=4, storage=StorageChoice("sqlite"))
    async with app.run_test(size=SIZES[0]) as pilot:
        await app.push_screen(ReviewScreen(draft))
        await until_text(pilot, "칸 1/2개를 쟀습니다")
        await pilot.press("f1")
        await until(pilot, lambda: screen_name(app) == "HelpScreen")
        await pilot.press("escape")
        go.set()
        await until_text(pilot, "약 2분 (시행 하나에 6.0 ms")
        await pilot.press("escape")
        await until(pilot, ended.is_set)


async def test_unmeasurable_candles_are_told(tui_home: Path) -> None:
    """캔들이 아직 없으면 내려받지 않고 그렇다고 말한다(진짜 자식)."""
    app = WizardApp()
    async with app.run_test(size=SIZES[1]) as pilot:
        draft = replace(drafted(), symbol="BINANCE:BTCUSDT")
        await app.push_screen(ReviewScreen(draft))
        await until_text(pilot, "재지 못했습니다: BINANCE:BTCUSDT의 캔들이 캐시에 없습니다", 60)


async def test_real_trials_are_measured(tui_home: Path) -> None:
    """진짜 자식이 칸마다 시행 하나의 시간을 준다. 설정의 작은 합성 데모로."""
    (tui_home / "config").mkdir()
    body = {"data": {"demo_days": 10}}
    (tui_home / "config/params.yaml").write_text(json.dumps(body), encoding="utf-8")
    found = [item async for item in previews.measure_trials(drafted())]
    assert [item.cell for item in found] == ["1m@15m", "1m@1h"]
    assert all(0 < item.ms < 60_000 for item in found)


def test_expected_time_divides_by_the_jobs_down_to_the_coordinator() -> None:
    """2초에 켜지고, 시행마다 고르고 적는 2.5 ms는 작업자가 많아도 coordinator 하나의 몫이다."""
    measured = [Measured("a", 10.0), Measured("b", 30.0)]
    assert previews.expected_seconds(measured, 1000, 1) == pytest.approx(2.0 + 12.5 + 32.5)
    assert previews.expected_seconds(measured, 1000, 4) == pytest.approx(2.0 + 12.5 / 4 + 32.5 / 4)
    assert previews.expected_seconds(measured, 1000, 1000) == pytest.approx(2.0 + 2 * 2.5)


async def test_left_review_shows_nothing_late(tui_home: Path) -> None:
    """확인 단계를 곧바로 떠나도 재던 것이 화면을 깨뜨리지 않는다."""
    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        await app.push_screen(ReviewScreen(drafted()))
        await pilot.press("escape")
        await until(pilot, lambda: screen_name(app) == "HomeScreen")
        assert not app.screen.query("#review-estimate")
        assert isinstance(app.screen.query_one("#empty"), Static)


async def test_configured_numbers_that_do_not_fit_the_method(tui_home: Path) -> None:
    """설정의 수가 고른 방법에 맞지 않으면 그렇게 말하고 막는다(F7에서 고친다)."""
    app, draft = WizardApp(), drafted()
    draft.validation.update(groups=40, test_groups=20)
    async with app.run_test(size=SIZES[1]) as pilot:
        await app.push_screen(ParallelScreen(draft))
        await until_text(pilot, "뒤 30 %")
        await pilot.press("down", "down", "right", "right", "right")
        await until_text(pilot, "< CPCV >")
        await until_text(pilot, "groups 40개에서")
        await pilot.press("enter")
        await pilot.pause()
        assert screen_name(app) == "ParallelScreen"


@pytest.mark.parametrize(
    ("steps", "value"),
    [(("down",) * 4, "99999"), (("down",) * 3, "0"), (("down",) * 5, "99999999999")],
)
async def test_wrong_number_takes_you_to_its_field(
    tui_home: Path, steps: tuple[str, ...], value: str
) -> None:
    app = WizardApp()
    async with app.run_test(size=SIZES[0]) as pilot:
        await app.push_screen(ParallelScreen(drafted()))
        await until_text(pilot, "미리 보기")
        await pilot.press(*steps, "ctrl+u")
        wrong = app.focused
        await type_text(pilot, value)
        await pilot.press("up", "enter")
        await until(pilot, lambda: app.focused is wrong)
        assert screen_name(app) == "ParallelScreen"


async def test_more_jobs_than_cores_do_not_shorten_the_estimate(
    tui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measure(_draft: Draft) -> AsyncGenerator[Measured, None]:
        yield Measured("1m@15m", 60.0)

    monkeypatch.setattr(wizard_review, "measure_trials", measure)
    monkeypatch.setattr(bridge, "cores", lambda: 2)
    app = WizardApp()
    async with app.run_test(size=SIZES[1]) as pilot:
        draft = demo(n_trials=1000, n_jobs=100, storage=StorageChoice("sqlite"))
        await app.push_screen(ReviewScreen(draft))
        await until_text(pilot, "약 33초")
        assert "작업 100개" in shown(app)


async def test_study_name_reaches_the_plan(tui_home: Path) -> None:
    """설정을 바꾸어 다시 할 때: 이름을 적으면 새 스터디에 쌓인다. 쓸 수 없는 이름은 넘어가지 못한다."""
    app, draft = WizardApp(), drafted()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await app.push_screen(ParallelScreen(draft))
        await until_text(pilot, "스터디 이름")
        app.screen.query_one("#study-name").focus()
        await type_text(pilot, "-둘째/")
        await pilot.press("enter")
        await until_text(pilot, "200바이트")
        assert screen_name(app) == "ParallelScreen"
        await pilot.press("backspace", "enter")
        await until(pilot, lambda: screen_name(app) == "ReviewScreen")
        await until_text(pilot, "-둘째")
    cells = bridge.make_plan(draft).cells
    assert [cell.study_name for cell in cells] == ["-둘째_1m_15m", "-둘째_1m_1h"]


async def test_only_the_focused_row_stands_out(tui_home: Path) -> None:
    """초점이 옮겨 가면 그 줄의 이름표만 굵다: 어느 칸에 있는지 색 없이도 보인다."""

    def bold(app: WizardApp) -> list[str]:
        labels = app.screen.query(".field-label").results(Label)
        return [str(label.render()) for label in labels if label.styles.text_style.bold]

    app = WizardApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(ParallelScreen(drafted()))
        await until(pilot, lambda: bold(app) == ["시행 수"])
        await pilot.press("down")
        await until(pilot, lambda: bold(app) == ["탐색 방법"])
        await pilot.press("shift+tab", "shift+tab")
        await until(pilot, lambda: bold(app) == ["전략"])
