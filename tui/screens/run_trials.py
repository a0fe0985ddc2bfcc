"""시행들을 보이는 화면의 뼈대: 사건 파일을 따라 읽어 표·그림·카드를 채운다.

실행 화면과 스터디 화면이 함께 쓴다. 하위 클래스는 읽을 파일과 머리의 글을 준다.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker

from tui import bridge
from tui.commands import Command
from tui.event_tail import EventTail, read_trial
from tui.run_model import Located, RunModel
from tui.screens.base import BaseScreen
from tui.studies_model import StudyItem
from tui.text import insight
from tui.text import run as ko
from tui.trial_view import NEWEST, SCORE_COLUMN, FilterError, parse_filter
from tui.verdicts import VALIDATION_FILE, parse_validation, read_record
from tui.widgets.fields import TextField
from tui.widgets.heatmap import CellMatrix
from tui.widgets.plots import ScorePlot
from tui.widgets.trial_area import TrialArea
from tui.widgets.trial_card import card_text
from tui.widgets.trial_table import TrialTable

# 사람이 보기에 살아 있고, 그리는 값은 낮은 만큼: 초마다 네 번.
_POLL_SECONDS = 0.25
_PLOT_SECONDS = 1.0
# 단면과 산점도에 찍는 시행은 이만큼쯤까지다.
_SAMPLE_TRIALS = 3000
# 이보다 좁으면 최고 시행의 카드를 감춘다(Enter로 볼 수 있다).
_CARD_WIDTH = 116
# 이보다 낮으면 그림을 감춘다(글쇠로 볼 수 있다).
_PLOT_HEIGHT = 36

TRIAL_COMMANDS = (
    Command("run.detail", "enter", "detail", *ko.DETAIL, in_palette=False),
    Command("run.order", "b", "order", *ko.ORDER),
    Command("run.filter", "slash", "filter", *ko.FILTER),
)
PLOTS = Command("run.plots", "v", "plots", *ko.PLOTS)
EQUITY = Command("run.equity", "g", "equity", *ko.EQUITY)
VERDICT = Command("run.verdict", "j", "verdict", *insight.VERDICT)
PARETO = Command("run.pareto", "o", "pareto", *insight.FRONT)
SPLITS = Command("run.splits", "w", "splits", *insight.SPLITS)


class TrialsScreen(BaseScreen[None]):
    """시행의 표를 가진 화면."""

    @dataclass
    class Batch(Message):
        """사건 파일에서 새로 읽은 사건들."""

        located: list[Located]

    def __init__(self, events_path: Path) -> None:
        super().__init__()
        self.events_path = events_path
        self.model = RunModel()
        self.filter_text = ""
        self._filter_error = ""
        self._plots: bool | None = None
        # 기록의 끝까지 읽어 새것이 없던 횟수.
        self.empty_reads = 0

    def compose_head(self) -> ComposeResult:
        """표 위의 것. 하위 클래스가 준다."""
        yield from ()

    def compose_body(self) -> ComposeResult:
        yield from self.compose_head()
        yield Static(id="run-note", classes="muted")
        with Horizontal(id="filter-row", classes="field-row"):
            yield Static(ko.FILTER_LABEL, classes="field-label")
            yield TextField(placeholder=ko.FILTER_HINT, id="filter", classes="wide")
        with Horizontal(id="run-columns"):
            with TrialArea(id="run-left"):
                yield TrialTable(self.model, id="trials")
                with Horizontal(id="plots"):
                    yield ScorePlot(self.model)
                    yield CellMatrix(self.model)
            with VerticalScroll(id="card-scroll", can_focus=False):
                yield Static(id="card")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#filter-row").display = False
        self.query_one(TrialTable).focus()
        self.set_interval(_PLOT_SECONDS, self._paint_plots)
        self.show_note()
        self._show_card()

    def follow(self) -> None:
        """사건 파일을 다른 thread에서 따라 읽기 시작한다."""
        self.run_worker(self._follow, thread=True, exclusive=True, group="tail")

    def _apply_size(self) -> None:
        super()._apply_size()
        self.set_class(self.app.size.width < _CARD_WIDTH, "-no-card")
        self.set_class(not self._shows_plots, "-no-plots")

    @property
    def _shows_plots(self) -> bool:
        return self.app.size.height >= _PLOT_HEIGHT if self._plots is None else self._plots

    # ── 사건

    def _follow(self) -> None:
        """다른 thread: 파일을 이어 읽어 덩이로 알린다. 위젯은 만지지 않는다."""
        worker, tail = get_current_worker(), EventTail(self.events_path)
        while not worker.is_cancelled:
            located = tail.read()
            if located:
                self.post_message(self.Batch(located))
            else:
                self.empty_reads += 1
            # 밀린 것을 읽을 때도 화면이 글쇠를 들을 틈을 준다.
            time.sleep(0.01 if located else _POLL_SECONDS)

    def on_trials_screen_batch(self, message: Batch) -> None:
        """새 사건들을 접고 바뀐 곳만 그린다."""
        before = self._card_state()
        with self.app.batch_update():
            rows = self.apply_events(message.located)
            self.query_one(TrialTable).add(rows)
            self.show_note()
            if self._card_state() != before:
                self._show_card()

    def apply_events(self, located: list[Located]) -> range:
        """사건들을 접고 새 시행의 줄 번호를 준다. 하위 클래스가 머리를 함께 그린다."""
        return self.model.apply(located)

    # ── 보이기

    def show_note(self) -> None:
        """표 위의 한두 줄. 하위 클래스가 준다."""

    def count_text(self) -> str:
        """시행 수의 글. 거르기를 읽을 수 없으면 그 말이 앞선다."""
        table = self.query_one(TrialTable)
        total, shown = f"{len(self.model.trials):,}", f"{len(table.view):,}"
        words = ko.COUNT_FILTERED if self.filter_text else ko.COUNT
        text = words.format(total=total, shown=shown)
        return f"{self._filter_error}  {text}" if self._filter_error else text

    def _paint_plots(self) -> None:
        if self._shows_plots:
            self.query_one(ScorePlot).update()
            self.query_one(CellMatrix).update()

    def _card_state(self) -> tuple[int | None, int | None, float | None]:
        """카드에 보이는 것이 바뀌었는지 아는 값: 최고의 줄, 그 번호, 앞선 실행의 최고."""
        row = self.model.best_row
        number = None if row is None else self.model.trials[row].number
        return row, number, self.model.earlier_best

    def _show_card(self) -> None:
        row = self.model.best_row
        event = None if row is None else self.event_of(row)
        cell = "" if row is None else self.model.studies[self.model.trials[row].study].cell
        text = card_text(event, cell, self.model.earlier_best)
        self.query_one("#card", Static).update(text)

    def event_of(self, row: int) -> bridge.TrialEvent | None:
        """그 줄의 시행 사건. 번호는 저장된 것으로 바로잡는다."""
        from dataclasses import replace

        trial = self.model.trials[row]
        event = read_trial(self.events_path, trial.offset, trial.length)
        return None if event is None else replace(event, number=trial.number)

    # ── 명령

    def action_order(self) -> None:
        """새것부터와 점수순을 오간다."""
        table = self.query_one(TrialTable)
        by_score = table.view.column == NEWEST
        table.sort_by(
            SCORE_COLUMN if by_score else NEWEST,
            descending=not (by_score and self.model.minimize),
        )
        self.show_note()

    def action_plots(self) -> None:
        """그림을 보이거나 감춘다."""
        self._plots = not self._shows_plots
        if self._plots and self.query_one(TrialArea).is_cramped:
            self.wizard.toast(ko.PLOTS_NO_ROOM, severity="warning")
        self._apply_size()
        self._paint_plots()

    def action_filter(self) -> None:
        """거르기 칸을 연다."""
        self.query_one("#filter-row").display = True
        self.query_one("#filter", TextField).focus()

    def on_input_changed(self, event: TextField.Changed) -> None:
        try:
            predicate = parse_filter(event.value, self.model.studies)
        except FilterError as error:
            self._filter_error = str(error)
            self.show_note()
            return
        self._filter_error, self.filter_text = "", event.value.strip()
        self.query_one(TrialTable).filter_by(predicate)
        self.show_note()

    def action_detail(self) -> None:
        """커서가 있는 시행의 창. 거르기 칸에서는 표로 간다."""
        if self.query_one("#filter", TextField).has_focus:
            self.query_one("#filter-row").display = bool(self.filter_text)
            self.query_one(TrialTable).focus()
            return
        row = self.query_one(TrialTable).current
        if row is not None:
            self._open(row)

    def on_trial_table_opened(self, message: TrialTable.Opened) -> None:
        self._open(message.row)

    def on_trial_table_sorted(self) -> None:
        self.show_note()

    def _open(self, row: int) -> None:
        from tui.screens.trial_detail import TrialDetail

        trial = self.model.trials[row]
        self.app.push_screen(
            TrialDetail(self.event_of(row), self.model.studies[trial.study].cell, trial.number)
        )

    def plan_file(self) -> Path | None:
        """이 시행들을 만든 설정(`plan.json`)의 자리. 모르면 None. 하위 클래스가 준다."""
        return None

    def action_equity(self) -> None:
        """커서가 있는 시행의 평가금 곡선."""
        from tui.screens.trial_equity import EquityScreen

        row, plan = self.query_one(TrialTable).current, self.plan_file()
        event = None if row is None else self.event_of(row)
        if row is None or event is None:
            return
        if plan is None or event.state == "FAIL":
            self.wizard.toast(ko.EQUITY_NO_PLAN, severity="warning")
            return
        cell = self.model.studies[self.model.trials[row].study].cell
        self.app.push_screen(EquityScreen(event, cell, plan))

    def goal_text(self) -> list[str]:
        """파레토면 점수가 무엇인지."""
        study = next((one for one in self.model.studies if one.goals > 1), None)
        if study is None:
            return []
        way = insight.GOOD_DOWN if study.minimize else insight.GOOD_UP
        return [ko.GOAL.format(label=study.goal, way=way)]

    def sample(self, study: int = 0) -> list[bridge.TrialEvent]:
        """그림에 찍을 그 스터디의 시행들: 많으면 고르게 덜어 낸다. 파일을 읽으므로 다른 thread에서 부른다."""
        rows = [row for row, trial in enumerate(self.model.trials) if trial.study == study]
        chosen = rows[:: max(1, len(rows) // _SAMPLE_TRIALS)]
        return [event for row in chosen if (event := self.event_of(row)) is not None]

    def show_pareto(self, item: StudyItem, study: int = 0) -> None:
        """그 스터디의 파레토 최적. Enter로 고른 시행의 속을 본다."""

        async def show() -> None:
            from tui.screens.pareto import ParetoScreen

            trials = await asyncio.to_thread(self.sample, study)
            self.app.push_screen(ParetoScreen(item, trials, find))

        def find(number: int) -> bridge.TrialEvent | None:
            for row, trial in enumerate(self.model.trials):
                if (trial.study, trial.number) == (study, number):
                    return self.event_of(row)
            return None

        self.run_worker(show(), exclusive=True, group="analysis")

    def show_splits(self, name: str) -> None:
        """그 스터디의 학습과 검증의 나눔."""
        from tui.screens.splits import SplitsScreen

        body = read_record(bridge.studies_dir(), name, VALIDATION_FILE)
        self.app.push_screen(SplitsScreen(name, None if body is None else parse_validation(body)))

    def clear_filter(self) -> bool:
        """거르기를 지운다. 지울 것이 없었으면 False."""
        field = self.query_one("#filter", TextField)
        if not (field.has_focus or self.filter_text):
            return False
        field.value = ""
        self.query_one("#filter-row").display = False
        self.query_one(TrialTable).focus()
        return True
