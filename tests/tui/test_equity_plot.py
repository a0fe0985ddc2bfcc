"""평가금의 그림: 검증의 날들이 제자리에, 색이 없어도 읽히게 선다."""

from __future__ import annotations

import re

import pytest
from textual.app import App, ComposeResult
from tui_kit import shown

from tui.screens.trial_equity import _test_lines
from tui.widgets.plots_equity import EquityPlot

FIRST = 19_723  # 2024-01-01


class _Page(App[None]):
    def compose(self) -> ComposeResult:
        yield EquityPlot()


async def drawn(width: int, *splits: list[tuple[int, int]]) -> str:
    """100일의 곡선을 그린 글."""
    app = _Page()
    async with app.run_test(size=(width, 12)) as pilot:
        app.query_one(EquityPlot).styles.height = 12
        app.query_one(EquityPlot).show([100.0 + day for day in range(100)], FIRST, 100.0, *splits)
        await pilot.pause()
        return shown(app)


async def test_validation_days_stand_where_they_are() -> None:
    """학습 70일, 쉬는 하루, 검증 29일: 띠의 칸 수가 날의 몫이고 경계에 세로줄이 있다."""
    text = await drawn(112, [(FIRST, FIRST + 70)], [(FIRST + 71, FIRST + 100)])
    *plot, band, axis = text.splitlines()
    assert band[12:] == "학습 " + "-" * 65 + " " + "검증 " + "=" * 24
    assert all(line[12 + 71] == "\u2805" for line in plot[4:]), "곡선이 없는 줄에도 경계가 보인다"
    assert axis.split() == ["2024-01-01", "2024-04-09"]


async def test_several_validation_parts_and_narrow_bands() -> None:
    """검증이 두 토막이면 띠도 두 토막이고, 말을 둘 자리가 없는 토막은 부호만 남는다."""
    parts = [(FIRST + 10, FIRST + 13), (FIRST + 60, FIRST + 80)]
    train = [(FIRST, FIRST + 10), (FIRST + 13, FIRST + 60), (FIRST + 80, FIRST + 100)]
    text = await drawn(112, train, parts)
    band = text.splitlines()[-2][12:]
    assert re.fullmatch(r"학습 -{5}===학습 -{42}검증 ={15}학습 -{15}", band)


async def test_nothing_is_marked_without_a_split() -> None:
    """나누지 않은 실행의 그림에는 띠가 없다."""
    text = await drawn(60)
    assert "학습" not in text
    assert "검증" not in text


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ([(2, 4)], "검증 1970-01-03 ~ 1970-01-04 (2일): 그 동안 +50.00 %"),
        ([(0, 1), (2, 4)], "검증 1970-01-01 ~ 1970-01-04 의 2토막 (3일): 그 동안 +65.00 %"),
    ],
)
def test_growth_over_the_validation_days(test: list[tuple[int, int]], words: str) -> None:
    """검증의 날들만의 수익: 그 앞날의 평가금에서 끝 날의 평가금까지, 토막은 곱한다."""
    assert _test_lines(test, [100.0, 110.0, 120.0, 150.0, 180.0], 0) == [words]
    assert _test_lines([], [100.0], 0) == []
