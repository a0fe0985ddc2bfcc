"""시행의 차례(TrialView)와 표의 커서: 느리지만 뻔한 답과 견준다."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tui_kit import until

from tui import bridge
from tui.run_model import METRIC_COLUMNS, Located, RunModel, StudyState, TrialRow
from tui.trial_view import (
    COLUMN_COUNT,
    NEWEST,
    SCORE_COLUMN,
    FilterError,
    TrialView,
    column_value,
    parse_filter,
    state_text,
)

VALUES = st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 1.0, 2.5]), st.floats(-1e6, 1e6))


@st.composite
def trials(draw: Any) -> TrialRow:
    state = draw(st.sampled_from(["COMPLETE", "PRUNED", "FAIL"]))
    return TrialRow(
        study=draw(st.integers(0, 1)),
        number=draw(st.integers(0, 30)),
        state=state,
        score=None if state == "FAIL" else draw(VALUES),
        feasible=state == "COMPLETE" and draw(st.booleans()),
        metrics=tuple(draw(VALUES) for _ in METRIC_COLUMNS),
        duration_ms=draw(st.floats(0, 1e4)),
        offset=0,
        length=0,
    )


def plain_order(rows: list[TrialRow], column: int, descending: bool) -> list[int]:
    """뻔한 답: 새것부터 놓고 안정 정렬을 겹친다."""
    order = list(range(len(rows)))[::-1]
    if column == NEWEST:
        return order if descending else order[::-1]
    have = [row for row in order if column_value(rows[row], column) is not None]
    lack = [row for row in order if column_value(rows[row], column) is None]
    have.sort(key=lambda row: column_value(rows[row], column) or 0.0, reverse=descending)
    if descending:
        # reverse=True도 같은 값의 차례는 지킨다.
        assert have == sorted(have, key=lambda row: -(column_value(rows[row], column) or 0.0))
    if column == SCORE_COLUMN:
        have.sort(key=lambda row: not rows[row].feasible)
    return have + lack


@pytest.mark.parametrize("column", range(NEWEST, COLUMN_COUNT))
@given(
    st.lists(trials(), max_size=40),
    st.booleans(),
    st.lists(st.integers(1, 9), max_size=6),
    st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_order_is_the_plain_sort(
    column: int, rows: list[TrialRow], descending: bool, cuts: list[int], filtered: bool
) -> None:
    """몇 개씩 나누어 들어와도, 한 번에 정렬한 것과 늘 같은 차례다."""
    live: list[TrialRow] = []
    view = TrialView(live)
    view.sort_by(column, descending)
    if filtered:
        view.filter_by(lambda row: row.feasible)
    start = 0
    for size in [*cuts, len(rows)]:
        live.extend(rows[start : start + size])
        view.add(range(start, len(live)))
        start = len(live)
    wanted = [
        row for row in plain_order(rows, column, descending) if not filtered or rows[row].feasible
    ]
    assert [view.row_at(position) for position in range(len(view))] == wanted
    assert [view.position_of(row) for row in wanted] == list(range(len(wanted)))


@pytest.mark.parametrize("descending", [True, False])
def test_infeasible_trials_come_after_by_score(descending: bool) -> None:
    """조건을 어긴 시행은 점수가 아무리 좋아도 지킨 시행의 뒤다."""
    rows = [_row(0, 1.0), _row(1, 99.0, feasible=False), _row(2, -99.0, feasible=False)]
    view = TrialView(rows)
    view.sort_by(SCORE_COLUMN, descending)
    assert view.row_at(0) == 0


def test_many_at_once_take_the_sorting_road() -> None:
    """200개가 넘게 한꺼번에 와도(다시 붙을 때) 차례가 같다."""
    rows = [_row(number, float(number * 7919 % 1000)) for number in range(1000)]
    view = TrialView(rows)
    view.sort_by(SCORE_COLUMN, descending=True)
    fresh = TrialView(rows)
    fresh.column, fresh.descending = SCORE_COLUMN, True
    fresh.add(range(1000))
    assert [view.row_at(i) for i in range(1000)] == [fresh.row_at(i) for i in range(1000)]


def test_frozen_view_ignores_later_trials_even_when_sorted() -> None:
    rows = [_row(number, float(number)) for number in range(3)]
    view = TrialView(rows)
    view.rebuild()
    view.freeze(True)
    rows += [_row(number, float(number)) for number in range(3, 6)]
    view.sort_by(SCORE_COLUMN, descending=True)
    assert [view.row_at(i) for i in range(len(view))] == [2, 1, 0]
    view.freeze(False)
    assert len(view) == 6


STUDIES = [StudyState("s", "s", cell, "x", "", 0, 10) for cell in ("1m@15m", "1m@1h")]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [0, 1, 2, 3]),
        ("1m@1h", [1, 3]),
        ("완료", [0, 1]),
        ("어김", [2]),
        ("실패", [3]),
        ("점수>=1", [1, 2]),
        ("거래>100 sharpe<3", [2]),
        ("trades!=100", [1, 2]),
        ("net_profit<0", [0]),
        ("순이익<0", [0]),
        ("2", [2]),
        ("1M@1H 완료", [1]),
    ],
)
def test_filter_language(text: str, numbers: list[int]) -> None:
    """낱말은 칸·상태·번호, 비교는 열이나 지표의 이름. 값이 없으면 어느 비교에도 맞지 않는다."""
    rows = [
        _row(0, 0.0, profit=-1.0, sharpe=0.0, count=100),
        _row(1, 1.0, profit=1.0, sharpe=5.0, count=150, study=1),
        _row(2, 2.0, profit=2.0, sharpe=1.0, count=150, feasible=False),
        TrialRow(1, 3, "FAIL", None, False, (None,) * len(METRIC_COLUMNS), 1.0, 0, 0),
    ]
    predicate = parse_filter(text, STUDIES)
    kept = [row.number for row in rows if predicate is None or predicate(row)]
    assert kept == numbers


@pytest.mark.parametrize("text", ["점수>", "없는열>3", ">=3", "sharpe>abc", "점수>>1"])
def test_bad_filter_is_refused_with_the_words(text: str) -> None:
    with pytest.raises(FilterError, match="읽을 수 없는 조건"):
        parse_filter(text, STUDIES)


def test_state_words() -> None:
    """상태는 색이 아니라 말이다."""
    assert state_text(_row(0, 1.0)) == "완료"
    assert state_text(_row(0, 1.0, feasible=False)) == "조건 어김"


def _row(
    number: int,
    score: float,
    *,
    profit: float = 0.0,
    sharpe: float = 0.0,
    count: float = 0.0,
    study: int = 0,
    feasible: bool = True,
) -> TrialRow:
    metrics = (profit, sharpe, 1.0, 1.0, 50.0, count)
    return TrialRow(study, number, "COMPLETE", score, feasible, metrics, 1.0, 0, 0)


# ── 표의 커서


def trial_event(number: int, score: float, **changes: Any) -> bridge.TrialEvent:
    return bridge.TrialEvent(
        **{
            "study": "s", "number": number, "state": "COMPLETE", "score": score,
            "metrics": {}, "params": {}, "duration_ms": 1.0, "is_best": False,
            "uid": f"u{number}", **changes,
        }
    )  # fmt: skip


def feed(model: RunModel, *events: bridge.Event) -> range:
    return model.apply([Located(event, 0, 0) for event in events])


def test_pareto_best_is_the_first_goal() -> None:
    """파레토의 is_best는 최적에 들었다는 뜻뿐이다: 최고는 첫 목표(여기서는 작을수록)가 가장 좋은 시행이다."""
    goals = [
        {"metric": name, "label": name, "direction": "minimize"} for name in ("낙폭", "수수료")
    ]
    model = RunModel()
    study = bridge.StudyEvent("s", "s", "1m", "x", 0, 9, direction="minimize", goals=goals)  # type: ignore[arg-type]
    feed(
        model,
        study,
        *(trial_event(n, score, is_best=True) for n, score in enumerate((5.0, 2.0, 4.0))),
    )
    assert (model.best_row, model.studies[0].best_value) == (1, 2.0)


async def test_renumbered_trials_move_in_a_paused_table() -> None:
    """보기를 멈춘 동안 저장되며 번호가 바뀌어도, 번호의 차례에서 커서가 제 시행에 남는다."""
    from textual.app import App

    from tui.widgets.trial_table import TrialTable

    class Host(App[None]):
        def compose(self) -> Any:
            yield TrialTable(model)

    model = RunModel()
    rows = feed(model, bridge.StudyEvent("s", "s", "1m", "x", 0, 9),
                *(trial_event(n, 1.0, uid=f"u{n}") for n in range(5)))  # fmt: skip
    async with Host().run_test() as pilot:
        table = pilot.app.query_one(TrialTable)
        table.add(rows)
        table.sort_by(0, descending=True)
        await pilot.press("down", "down")
        assert table.current == 2
        table.set_frozen(True)
        table.add(feed(model, bridge.StoredEvent("s", ["u2"], [50]), trial_event(9, 1.0)))
        assert (table.current, table.position, len(table.view)) == (2, 0, 5)


async def test_cursor_stays_on_its_trial() -> None:
    """새 시행이 앞에 들어와도 커서는 보던 시행에 머물고, 맨 위에 있으면 맨 위를 따라간다."""
    from textual.app import App, ComposeResult

    from tui.theme import DARK
    from tui.widgets.trial_table import TrialTable

    model = RunModel()

    class Host(App[None]):
        def compose(self) -> ComposeResult:
            yield TrialTable(model)

        def on_mount(self) -> None:
            self.register_theme(DARK)
            self.theme = DARK.name

    feed(model, bridge.StudyEvent("s", "s", "1m", "x", 0, 100))
    app = Host()
    async with app.run_test(size=(100, 12)) as pilot:
        table = app.query_one(TrialTable)
        table.focus()
        table.add(feed(model, *(trial_event(n, float(n)) for n in range(20))))
        assert table.current == 19  # 맨 위(새것)
        table.add(feed(model, trial_event(20, 5.5)))
        assert table.current == 20
        await pilot.press("down", "down")
        await until(pilot, lambda: table.current == 18)
        table.add(feed(model, *(trial_event(n, 100.0 - n) for n in range(21, 60))))
        assert table.current == 18
        assert table.position == 41
        # 보던 시행은 화면 안에 있다.
        top = int(table.scroll_offset.y)
        assert top <= 41 < top + 11
        table.sort_by(SCORE_COLUMN, descending=True)
        assert table.position == 0
        # 저장되며 번호가 바뀌어도 번호의 차례가 맞고 커서는 그 시행에 머문다.
        table.sort_by(0, descending=True)
        await pilot.press("down", "down", "down")
        kept = table.current
        feed(model, bridge.StoredEvent("s", ["u3"], [500]))
        table.add(range(0))
        assert table.current == kept
        assert model.trials[table.view.row_at(0)].number == 500


async def test_pause_freezes_the_view_only() -> None:
    from textual.app import App, ComposeResult

    from tui.widgets.trial_table import TrialTable

    model = RunModel()

    class Host(App[None]):
        def compose(self) -> ComposeResult:
            yield TrialTable(model)

    feed(model, bridge.StudyEvent("s", "s", "1m", "x", 0, 100))
    async with Host().run_test() as pilot:
        table = pilot.app.query_one(TrialTable)
        table.add(feed(model, trial_event(0, 1.0)))
        table.set_frozen(True)
        table.add(feed(model, trial_event(1, 2.0)))
        assert (len(table.view), len(model.trials)) == (1, 2)
        table.set_frozen(False)
        assert len(table.view) == 2
