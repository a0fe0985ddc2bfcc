"""목록의 열: 넓은 창에서 남는 너비는 글이 잘리는 열에 먼저 가고, 이름과 값은 한눈에 들어온다."""

from __future__ import annotations

from textual.app import App, ComposeResult
from tui_kit import shown

from tui.widgets.row_table import Column, Row, RowTable

GRID = "1m@15m,1m@1h,5m@1h,15m@4h"


class _Page(App[None]):
    def compose(self) -> ComposeResult:
        yield RowTable([Column("심볼", min_width=18), Column("격자", 18), Column("상태", 9)])


async def drawn(width: int, name: str) -> str:
    """그 너비에 그린 글."""
    app = _Page()
    async with app.run_test(size=(width, 4)) as pilot:
        app.query_one(RowTable).set_rows([Row("가", (name, GRID, "완료"))])
        await pilot.pause()
        return shown(app)


async def test_spare_width_goes_to_the_cut_column() -> None:
    """좁으면 격자가 잘리고, 자리가 나면 이름보다 먼저 격자가 다 보인다."""
    assert GRID not in await drawn(50, "BINANCE:BTCUSDT.P")
    assert GRID in await drawn(70, "BINANCE:BTCUSDT.P")


async def test_a_cut_column_takes_from_the_roomy_ones() -> None:
    """좁아서 이름이 잘리면 글보다 넓은 열에서 가져온다."""
    name = "demo_btcusdt_15m_1h (합성 데모)"
    app = _Page()
    async with app.run_test(size=(60, 4)) as pilot:
        table = app.query_one(RowTable)
        table.set_rows([Row("가", (name, "15m@1h", "완료"))])
        await pilot.pause()
        assert name in shown(app)


class _Fixed(App[None]):
    def compose(self) -> ComposeResult:
        yield RowTable([Column("번호", 8, "right"), *(Column("", 22, "right") for _ in range(3))])


async def test_fixed_columns_do_not_run_off_the_window() -> None:
    """너비를 정해 둔 열들뿐이어도 글이 들어갈 만큼 줄어, 마지막 열까지 보인다."""
    app = _Fixed()
    async with app.run_test(size=(60, 4)) as pilot:
        app.query_one(RowTable).set_rows([Row("가", ("7", "1.5 클수록", "15 작을수록", "끝"))])
        await pilot.pause()
        line = shown(app).splitlines()[1]
        assert line.rstrip().endswith("끝")
        assert "15 작을수록" in line


async def test_wide_window_keeps_values_near_the_name() -> None:
    """아주 넓어도 이름의 열은 제 글보다 크게 넓어지지 않는다. 긴 이름은 다 보인다."""
    line = (await drawn(200, "BINANCE:BTCUSDT.P")).splitlines()[1]
    assert line.index("완료") < 80
    long = "b" * 90
    assert long in await drawn(200, long)
