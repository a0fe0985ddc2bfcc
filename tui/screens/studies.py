"""스터디 목록: 아는 모든 저장소의 스터디와, 읽지 못한 저장소의 까닭."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tui.cells import plain
from tui.commands import Command
from tui.problem import Problem, ProblemError
from tui.screens import home
from tui.screens.base import BaseScreen
from tui.screens.study_actions import ACTION_COMMANDS, StudyActions
from tui.storage_test import readable
from tui.studies_commands import list_studies
from tui.studies_model import SORTS, StorageFailure, StudyItem, short_place, shown_studies
from tui.text import common
from tui.text import studies as ko
from tui.widgets.fields import TextField
from tui.widgets.row_table import Column, Row, RowTable

_TONES = {"running": "good", "empty": "muted"}


class StudiesScreen(StudyActions, BaseScreen[None]):
    """스터디를 골라 열거나 일을 시킨다."""

    PATH = ko.PATH
    HELP_TEXT = ko.HELP
    COMMAND_LIST = (
        Command("studies.open", "enter", "open", *ko.OPEN, in_palette=False),
        Command("studies.filter", "slash", "filter", *ko.FILTER),
        Command("studies.order", "o", "order", *ko.ORDER),
        Command("studies.leave", "escape,q", "leave", *ko.CLEAR_FILTER),
        *ACTION_COMMANDS,
        Command("studies.mark", "space", "mark", *ko.MARK, in_footer=False),
        Command("studies.compare", "c", "compare", *ko.COMPARE),
        Command("studies.refresh", "f5,r", "refresh_studies", *ko.REFRESH),
    )

    def __init__(self) -> None:
        super().__init__()
        self.items: list[StudyItem] = []
        self.failures: list[StorageFailure] = []
        self._order = SORTS[0]
        self._reading = True
        self._loaded = False
        self._said = ""
        self._wanted: str | None = None
        self._marked: list[str] = []

    def compose_body(self) -> ComposeResult:
        yield Static(id="studies-note", classes="muted")
        with Horizontal(id="filter-row", classes="field-row"):
            yield Static(ko.FILTER_LABEL, classes="field-label")
            yield TextField(placeholder=ko.FILTER_HINT, id="filter", classes="wide")
        titles = ko.COLUMNS
        yield RowTable(
            [
                Column(titles[0], 0, min_width=26),
                Column(titles[1], 8, priority=3),
                Column(titles[2], 9),
                Column(titles[3], 9, "right"),
                Column(titles[4], 10, "right"),
                Column(titles[5], 30, priority=4),
                Column(titles[6], 10, "right", priority=2),
            ],
            empty=ko.READING,
            id="studies",
        )
        with Vertical(id="studies-detail", classes="panel"):
            yield Static(id="studies-detail-text")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#filter-row").display = False
        self.query_one("#studies-detail").display = False
        self.query_one(RowTable).focus()
        self._show()

    def on_screen_resume(self) -> None:
        # 처음 열 때에도 온다: on_mount에서 또 읽으면 방금 띄운 자식을 버리고 다시 띄운다.
        super().on_screen_resume()
        self.action_refresh_studies()

    # ── 읽기

    def action_refresh_studies(self) -> None:
        """저장소들을 다시 읽는다. 읽던 것은 그만둔다."""
        self.run_worker(self._read(), exclusive=True, group="studies")

    async def _read(self) -> None:
        self._reading = True
        self._show_note()
        items: dict[str, StudyItem] = {}
        failures: list[StorageFailure] = []

        def show_early() -> None:
            # 오래 세는 저장소가 있어도 처음 여는 목록은 이름부터 보인다.
            if items and not self.items:
                self.items = list(items.values())
                self._show()

        early = self.set_interval(0.3, show_early)
        try:
            async with aclosing(list_studies(self.wizard.study_lister)) as found:
                async for item in found:
                    if isinstance(item, StudyItem):
                        items[item.key] = item  # 세는 중이던 줄은 다 센 줄로 바뀐다
                    else:
                        failures.append(item)
        except ProblemError as error:
            problem = error.problem
            failures.append(StorageFailure("", problem.title, problem.cause, problem.fix))
        finally:
            early.stop()
        self.items, self.failures, self._reading = list(items.values()), failures, False
        self._show()
        self._loaded = True
        self.wizard.prepare_list()

    # ── 보이기

    @property
    def target(self) -> StudyItem | None:
        row = self.query_one("#studies", RowTable).current
        return next((item for item in self.items if row and item.key == row.key), None)

    @property
    def storage_masked(self) -> str:
        """진단이 볼, 고른 스터디의 저장소. 고른 것이 없으면 빈 글."""
        item = self.target
        return item.storage if item is not None else ""

    @property
    def storages(self) -> Sequence[str]:
        return list(dict.fromkeys(item.storage for item in self.items))

    @property
    def _failure(self) -> StorageFailure | None:
        row = self.query_one("#studies", RowTable).current
        return next((item for item in self.failures if row and _key(item) == row.key), None)

    @property
    def _query(self) -> str:
        return self.query_one("#filter", TextField).value

    def _show(self) -> None:
        shown = shown_studies(self.items, self._query, self._order)
        names = Counter(item.label for item in shown)
        rows = [
            _row(item, marked=item.key in self._marked, alone=names[item.label] == 1)
            for item in shown
        ]
        if self.failures:
            rows.append(Row("failures", (ko.FAILURES_TITLE,), heading=True))
            rows += [_failure_row(item) for item in self.failures]
        table = self.query_one("#studies", RowTable)
        if not self._reading:
            table.empty = ko.NO_MATCH if self.items else ko.EMPTY
        table.set_rows(rows, self._cursor_key(table, rows))
        self._show_note(shown)
        self._show_detail()

    def _cursor_key(self, table: RowTable, rows: Sequence[Row]) -> str | None:
        """커서가 갈 줄: 바란 줄, 보던 줄, 그것이 없어졌으면 그 아래(없으면 위)의 남은 줄."""
        keys = {row.key for row in rows}
        if self._wanted in keys:
            wanted, self._wanted = self._wanted, None
            return wanted
        at = table.cursor
        if not self._loaded and at == 0:
            # 처음 읽는 동안 위에 끼어드는 줄이 있어도, 옮기지 않은 커서는 맨 위에 있다.
            return next((row.key for row in rows if not row.heading), None)
        near = [*table.rows[at:], *reversed(table.rows[:at])]
        return next((row.key for row in near if row.key in keys and not row.heading), None)

    def _show_note(self, shown: Sequence[StudyItem] | None = None) -> None:
        shown = shown_studies(self.items, self._query, self._order) if shown is None else shown
        trials = f"{sum(item.total for item in shown):,}"
        counts = ko.COUNT_FILTERED if self._query.strip() else ko.COUNT
        parts = [counts.format(total=len(self.items), shown=len(shown), trials=trials)]
        parts.append(ko.SORTS[self._order])
        if self._marked:
            parts.append(ko.MARKED.format(n=len(self._marked)))
        if self.failures:
            parts.append(ko.FAILURE_COUNT.format(n=len(self.failures)))
        if self._reading:
            parts = [ko.READING] if not self.items else [*parts, ko.READING]
        if self._said:
            parts.insert(0, self._said)
        text = Text(plain("  ".join(parts)), no_wrap=True, overflow="ellipsis")
        self.query_one("#studies-note", Static).update(text)

    def on_row_table_highlighted(self) -> None:
        self._show_detail()

    def _show_detail(self) -> None:
        text = Text()
        item, failed = self.target, self._failure
        if item is not None:
            text.append(f"{plain(readable(item.storage))}\n")
            counts = ko.DETAIL_COUNTS.format(
                complete=item.complete, pruned=item.pruned, failed=item.failed, running=item.running
            )
            text.append(f"{counts}\n", "dim")
            strategy = str(item.described.get("strategy", ""))
            source = [ko.DETAIL_STRATEGY.format(strategy=strategy)] if strategy else []
            source += [readable(item.source)] if item.source else []
            text.append(plain(", ".join(source)) or ko.OTHER_TOOL, "dim")
        elif failed is not None:
            where = f"{readable(failed.storage)}: " if failed.storage else ""
            text.append(f"{plain(where + failed.title)}\n", "bold")
            for label, body in ((common.ERROR_CAUSE, failed.cause), (common.ERROR_FIX, failed.fix)):
                first = plain(readable(body.partition("\n")[0]))
                text.append(f"{label}: {first}\n" if first else "")
            text.rstrip()
        self.query_one("#studies-detail").display = bool(text.plain)
        self.query_one("#studies-detail-text", Static).update(text)

    def say(self, text: str) -> None:
        self._said = text
        self._show_note()

    def study_changed(self, item: StudyItem | None) -> None:
        self._wanted = None if item is None else item.key
        self.action_refresh_studies()

    # ── 명령

    def action_open(self) -> None:
        """스터디를 연다. 거르기 칸에서는 목록으로 간다."""
        if self.query_one("#filter", TextField).has_focus:
            self.query_one("#filter-row").display = bool(self._query.strip())
            self.query_one("#studies", RowTable).focus()
            return
        item, failed = self.target, self._failure
        if item is not None:
            from tui.screens.study import StudyScreen

            self.app.push_screen(StudyScreen(item, self.storages))
        elif failed is not None:
            self.wizard.show_problem(Problem(failed.title, failed.cause, failed.fix))

    def on_row_table_clicked(self) -> None:
        self.action_open()

    def action_filter(self) -> None:
        """거르기 칸을 연다."""
        self.query_one("#filter-row").display = True
        self.query_one("#filter", TextField).focus()

    def on_input_changed(self) -> None:
        self._show()

    def action_order(self) -> None:
        """다음 차례로 바꾼다."""
        self._order = SORTS[(SORTS.index(self._order) + 1) % len(SORTS)]
        self._show()

    def action_mark(self) -> None:
        """견줄 스터디로 고르거나 뺀다."""
        item = self.target
        if item is None:
            self.wizard.toast(ko.PICK_STUDY)
        elif item.key in self._marked:
            self._marked.remove(item.key)
        else:
            self._marked.append(item.key)
        self._show()

    def action_compare(self) -> None:
        """고른 스터디들을 나란히 본다."""
        from tui.screens.compare import LIMIT, CompareScreen

        by_key = {item.key: item for item in self.items}
        chosen = [by_key[key] for key in self._marked if key in by_key]
        if 2 <= len(chosen) <= LIMIT:
            self.app.push_screen(CompareScreen(chosen))
        else:
            self.wizard.toast(ko.COMPARE_PICK)

    def action_leave(self) -> None:
        """거르기를 지우거나 앞 화면으로 간다."""
        field = self.query_one("#filter", TextField)
        if field.has_focus or self._query:
            field.value = ""
            self.query_one("#filter-row").display = False
            self.query_one("#studies", RowTable).focus()
            return
        self.app.pop_screen()


def _row(item: StudyItem, *, marked: bool, alone: bool) -> Row:
    """alone: 같은 이름이 또 없는가. 있으면 좁아서 저장소의 열이 없어도 갈리게 이름에 붙인다."""
    best = ko.NO_SCORE if item.best is None else f"{item.best:.4g}"
    best = ko.PARETO if item.goals > 1 else best
    name = f"{item.label} ({common.DEMO})" if item.is_demo else item.label
    name = name if alone else ko.TWIN.format(name=name, place=item.place)
    name = f"{ko.MARK_SIGN}{name}" if marked else name
    updated = home.ago(item.updated, home.now()) if item.updated else ko.NO_SCORE
    state = ko.STATES.get(item.state, item.state)
    cells = (name, item.cell, state, f"{item.total:,}", best, item.place, updated)
    return Row(
        item.key, cells, ("", "muted", _TONES.get(item.state, ""), "", "strong", "muted", "muted")
    )


def _failure_row(item: StorageFailure) -> Row:
    cells = (
        readable(short_place(item.storage)) or item.title,
        "",
        ko.UNREADABLE,
        "",
        "",
        item.cause,
        "",
    )
    return Row(_key(item), tuple(plain(cell) for cell in cells), ("", "", "bad", "", "", "muted"))


def _key(item: StorageFailure) -> str:
    return f"failure\n{item.storage}\n{item.title}"
